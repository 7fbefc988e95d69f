//! Owns the sessions of an identity, as the call that lists them shows them.

use super::identity::Identity;
use serde_json::{Value, json};

/// All of them, the latest first.
pub(super) fn of(identity: &Identity) -> Value {
    let sessions = identity.sessions.iter().rev().map(|(id, at)| {
        json!({
            "id": id,
            "active": true,
            "authenticated_at": at,
            "issued_at": at,
            "authenticator_assurance_level": "aal1",
            "authentication_methods": [],
            "devices": [],
        })
    });
    sessions.collect()
}
