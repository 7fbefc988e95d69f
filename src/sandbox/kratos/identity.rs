//! Owns one identity: what it consists of, how it is shown, and what it claims
//! for itself alone.

use super::addresses::Address;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// One identity.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    /// Greater than that of every identity made before it.
    pub(super) number: u64,
    pub(super) id: String,
    pub(super) schema_id: String,
    pub(super) state: String,
    pub(super) state_changed_at: String,
    pub(super) traits: Value,
    pub(super) metadata_public: Value,
    pub(super) metadata_admin: Value,
    pub(super) external_id: Option<String>,
    pub(super) organization_id: Option<String>,
    /// The kind of password or hash that was given.
    pub(super) password: Option<&'static str>,
    /// Type of the credentials, and `provider:subject`.
    pub(super) connections: Vec<(String, String)>,
    /// Type of the credentials, and identifier, as the traits tell.
    pub(super) identifiers: Vec<(String, String)>,
    pub(super) verifiable: Vec<Address>,
    pub(super) recovery: Vec<Address>,
    pub(super) created_at: String,
    pub(super) updated_at: String,
    /// Their identifiers, and when each began.
    pub(super) sessions: Vec<(String, String)>,
}

/// What only one identity can have: the kind, and the value.
pub(super) type Claim = (String, String);

/// The kind of claim that an external identifier is. No type of credentials is
/// called so.
pub(super) const EXTERNAL_ID: &str = "external id";

impl Identity {
    /// Everything that no other identity may have.
    pub(super) fn claims(&self) -> Vec<Claim> {
        let mut claims: Vec<Claim> = self.all_identifiers().cloned().collect();
        for (name, addresses) in [
            ("verifiable", &self.verifiable),
            ("recovery", &self.recovery),
        ] {
            for address in addresses {
                let kind = format!("{name} address by {}", address.via);
                claims.push((kind, address.value.clone()));
            }
        }
        if let Some(external_id) = &self.external_id {
            claims.push((EXTERNAL_ID.to_owned(), external_id.clone()));
        }
        claims
    }

    /// Type and identifier of all credentials.
    pub(super) fn all_identifiers(&self) -> impl Iterator<Item = &(String, String)> {
        self.identifiers.iter().chain(&self.connections)
    }

    /// As calls about it alone show it.
    pub(super) fn shown(&self) -> Value {
        let mut shown = self.without_credentials();
        shown["credentials"] = self.credentials();
        shown
    }

    /// As lists show it.
    pub(super) fn without_credentials(&self) -> Value {
        let mut shown = json!({
            "id": self.id,
            "schema_id": self.schema_id,
            "schema_url": format!("http://127.0.0.1:4433/schemas/{}", self.schema_id),
            "state": self.state,
            "state_changed_at": self.state_changed_at,
            "traits": self.traits,
            "verifiable_addresses": self.verifiable.iter().map(Address::verifiable).collect::<Vec<_>>(),
            "recovery_addresses": self.recovery.iter().map(Address::recovery).collect::<Vec<_>>(),
            "metadata_public": self.metadata_public,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "organization_id": self.organization_id,
        });
        if !self.metadata_admin.is_null() {
            shown["metadata_admin"] = self.metadata_admin.clone();
        }
        if let Some(external_id) = &self.external_id {
            shown["external_id"] = Value::from(external_id.as_str());
        }
        shown
    }

    /// The credentials by their type, without what is secret in them.
    fn credentials(&self) -> Value {
        let mut by_type: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        if self.password.is_some() {
            by_type.entry("password").or_default();
        }
        for (kind, identifier) in self.all_identifiers() {
            by_type.entry(kind).or_default().push(identifier);
        }
        let shown = by_type.into_iter().map(|(kind, identifiers)| {
            let credential = json!({
                "type": kind,
                "identifiers": identifiers,
                "version": 0,
                "created_at": self.created_at,
                "updated_at": self.updated_at,
            });
            (kind.to_owned(), credential)
        });
        Value::Object(shown.collect::<Map<_, _>>())
    }
}
