//! Owns a domain of an organization, as people write it: `acme.com`, or `acme.com:verified` to vouch for it.

use serde::{Deserialize, Serialize};

/// A domain, and whether it is vouched for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// Lower-cased.
    pub name: String,
    /// `false`: the API waits for a proof.
    pub verified: bool,
}

impl Domain {
    /// Reads `acme.com`, `acme.com:verified` or `acme.com:pending`; `None` if it is none of these.
    pub fn read(text: &str) -> Option<Self> {
        let (name, state) = text.split_once(':').unwrap_or((text, "pending"));
        let verified = match state.trim() {
            "verified" => true,
            "pending" => false,
            _ => return None,
        };
        let name = name.trim();
        let fits = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '-');
        let labels = name.split('.').all(|label| !label.is_empty());
        let is_domain = name.contains('.') && labels && name.chars().all(fits);
        is_domain.then(|| Self {
            name: name.to_lowercase(),
            verified,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_read_with_their_states() {
        let read = |text| Domain::read(text).map(|domain| (domain.name, domain.verified));
        for (text, name, verified) in [
            ("Acme.com", "acme.com", false),
            (" acme.com : verified ", "acme.com", true),
            ("a.b-c.io:pending", "a.b-c.io", false),
        ] {
            assert_eq!(read(text), Some((name.to_owned(), verified)), "{text}");
        }
        for wrong in [
            "acme",
            "a@b.c",
            "",
            ".com",
            "a..b",
            "https://a.b",
            "a.b:owned",
            "a.b:",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
