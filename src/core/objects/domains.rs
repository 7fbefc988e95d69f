//! Owns the domains that callers name: `acme.com`, or `acme.com:verified` to vouch for one.

use super::ObjectsError;
use crate::row::Domain;

/// Reads several; of one that is named twice the last counts.
///
/// # Errors
/// `Input` for what is no domain, or has another state.
pub(super) fn read_all(written: &[String]) -> Result<Vec<Domain>, ObjectsError> {
    let mut domains: Vec<Domain> = Vec::new();
    for text in written {
        let one = Domain::read(text).ok_or_else(|| {
            ObjectsError::Input(format!(
                "`{text}` is no domain: write it like acme.com, or acme.com:verified to vouch for it."
            ))
        })?;
        domains.retain(|other| other.name != one.name);
        domains.push(one);
    }
    Ok(domains)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_one_domain_counts_and_what_is_none_is_refused() {
        let found = read_all(&["Acme.com:verified".into(), "b.io".into(), "acme.com".into()]);
        let found = found.unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|one| (one.name.as_str(), one.verified))
            .collect();
        assert_eq!(found, [("b.io", false), ("acme.com", false)]);
        let wrong = read_all(&["a.b:owned".into()]);
        assert!(matches!(wrong, Err(ObjectsError::Input(_))));
    }
}
