//! Owns the domains of an organization as callers write them: `acme.com`, or `acme.com:verified` to vouch for one.

use serde_json::{Value, json};

use super::ObjectsError;
use super::settle::text;

/// One domain with its state, `pending` or `verified`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Domain {
    pub(super) domain: String,
    pub(super) state: &'static str,
}

/// Reads `acme.com` or `acme.com:verified`.
///
/// # Errors
/// `Input` for another state, and for what is no domain.
pub(super) fn read(written: &str) -> Result<Domain, ObjectsError> {
    let (domain, state) = written.split_once(':').unwrap_or((written, "pending"));
    let state = match state.trim() {
        "pending" => "pending",
        "verified" => "verified",
        other => {
            return Err(ObjectsError::Input(format!(
                "`{other}` is no state of a domain: write {domain}:verified or {domain}:pending."
            )));
        }
    };
    let domain = domain.trim().to_lowercase();
    let is_one = domain.contains('.')
        && !domain.starts_with('.')
        && !domain.ends_with('.')
        && !domain.contains(|one: char| one.is_whitespace() || matches!(one, '@' | '/' | ','));
    if !is_one {
        return Err(ObjectsError::Input(format!(
            "`{written}` is no domain: write it like acme.com."
        )));
    }
    Ok(Domain { domain, state })
}

/// Reads several; of one that is named twice the last counts.
pub(super) fn read_all(written: &[String]) -> Result<Vec<Domain>, ObjectsError> {
    let mut domains: Vec<Domain> = Vec::new();
    for one in written {
        let one = read(one)?;
        domains.retain(|other| other.domain != one.domain);
        domains.push(one);
    }
    Ok(domains)
}

/// Those that an organization has. States that cannot be written are written as what comes closest.
pub(super) fn of(organization: &Value) -> Vec<Domain> {
    let domains = organization.get("domains").and_then(Value::as_array);
    let domains = domains.into_iter().flatten();
    domains
        .filter_map(|one| {
            let state = match text(one, "state") {
                Some("verified" | "legacy_verified") => "verified",
                _ => "pending",
            };
            let domain = text(one, "domain")?.to_owned();
            Some(Domain { domain, state })
        })
        .collect()
}

/// As a body has them.
pub(super) fn data(domains: &[Domain]) -> Value {
    let one = |domain: &Domain| json!({ "domain": domain.domain, "state": domain.state });
    domains.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_domains_are_read() {
        let found = read_all(&["Acme.com:verified".into(), "b.io".into(), "acme.com".into()]);
        let found = found.unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|one| (one.domain.as_str(), one.state))
            .collect();
        assert_eq!(found, [("b.io", "pending"), ("acme.com", "pending")]);
        for wrong in ["acme", "a@b.c", "", ".com", "https://a.b", "a.b:owned"] {
            assert!(
                matches!(read(wrong), Err(ObjectsError::Input(_))),
                "{wrong}"
            );
        }
    }

    #[test]
    fn states_of_old_are_kept() {
        let found = of(
            &json!({"domains": [{"domain": "a.b", "state": "legacy_verified"}, {"domain": "c.d"}]}),
        );
        assert_eq!(
            data(&found),
            json!([{"domain": "a.b", "state": "verified"}, {"domain": "c.d", "state": "pending"}])
        );
    }
}
