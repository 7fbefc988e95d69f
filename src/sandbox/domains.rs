//! Owns the domains of organizations: how a body gives them, and how they are
//! shown.

use crate::answer::Answer;
use crate::fields::{Fields, Given};
use serde_json::{Value, json};

/// One domain of one organization.
#[derive(Clone, Debug)]
pub(crate) struct Domain {
    pub(crate) id: String,
    pub(crate) domain: String,
    pub(crate) state: &'static str,
    pub(crate) created_at: String,
}

impl Domain {
    pub(crate) fn shown(&self, organization_id: &str) -> Value {
        let mut shown = json!({
            "object": "organization_domain",
            "id": self.id,
            "organization_id": organization_id,
            "domain": self.domain,
            "state": self.state,
            "created_at": self.created_at,
            "updated_at": self.created_at,
        });
        match self.state {
            "verified" => shown["verification_strategy"] = json!("manual"),
            "pending" => shown["verification_strategy"] = json!("dns"),
            _ => {}
        }
        shown
    }
}

/// `domain_data`, or the older `domains`, whose domains count as verified.
pub(crate) fn read(fields: &Fields) -> Result<Option<Vec<(String, &'static str)>>, Answer> {
    let wrong = || {
        Answer::invalid(
            "domain_data_invalid",
            "domain_data should be an array of objects with domain and state.",
        )
    };
    let mut domains = Vec::new();
    match fields.raw("domain_data") {
        Given::Value(Value::Array(items)) => {
            for item in items {
                let domain = item["domain"].as_str().ok_or_else(wrong)?;
                let state = match item["state"].as_str() {
                    Some("verified") => "verified",
                    Some("pending") => "pending",
                    _ => return Err(wrong()),
                };
                domains.push((domain, state));
            }
        }
        Given::Value(_) => return Err(wrong()),
        Given::Absent | Given::Null => {}
    }
    let older = fields.texts("domains")?.value();
    if older.is_none() && fields.raw("domain_data").value().is_none() {
        return Ok(None);
    }
    let older = older.unwrap_or_default();
    domains.extend(
        older
            .iter()
            .map(|domain| (domain.as_str(), "legacy_verified")),
    );
    let read = domains.into_iter().map(|(domain, state)| {
        let domain = domain.trim().to_lowercase();
        if domain.contains('.') && !domain.contains(|c: char| c.is_whitespace() || c == '@') {
            Ok((domain, state))
        } else {
            Err(Answer::invalid(
                "domain_invalid",
                format!("{domain} is not a valid domain."),
            ))
        }
    });
    read.collect::<Result<Vec<_>, _>>().map(Some)
}
