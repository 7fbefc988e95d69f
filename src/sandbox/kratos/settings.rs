//! Owns the settings of a Kratos sandbox, and the identity schema that it has
//! when none is given.

use crate::Faults;
use serde_json::{Value, json};
use std::time::Duration;

/// What a sandbox is made from. The same settings and the same sequence of
/// requests and times give the same answers, bit for bit.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where every identifier, fault and latency is drawn from.
    pub seed: u64,
    /// Least and largest time that a request takes; drawn uniformly.
    pub latency: (Duration, Duration),
    /// What each identity that a request makes adds to that, so that a batch
    /// takes the longer the larger it is.
    pub latency_per_identity: Duration,
    /// How often, and in which ways, a request goes wrong.
    pub faults: Faults,
    /// The bearer token that a proxy in front of the admin API asks for; `None`
    /// lets everybody in, as Kratos itself does.
    pub token: Option<String>,
    /// The identity schemas by their identifiers. The first is the one of
    /// identities that name none.
    pub schemas: Vec<(String, Value)>,
    /// Whether a request for schemas is sent on to the public API, as the port
    /// of the admin API does it. Behind one address for both it is answered.
    pub schemas_are_redirected: bool,
    /// Whether there is a batch endpoint; older servers have none.
    pub batches: bool,
    /// Whether a batch of which every item fails is refused as a whole, with
    /// 400 or 409, as is documented. Servers that do not answer so give 200
    /// with an error for each.
    pub failed_batches_are_refused: bool,
    /// Whether one conflict refuses the whole batch with 409, as it does where
    /// Kratos keeps its identities in MySQL (its `persistence/sql/batch`).
    pub conflicts_refuse_batches: bool,
    /// Whether recovery by link is switched on.
    pub recovery_links: bool,
    /// Whether recovery by code is switched on.
    pub recovery_codes: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            latency: (Duration::ZERO, Duration::ZERO),
            latency_per_identity: Duration::ZERO,
            faults: Faults::default(),
            token: None,
            schemas: vec![("default".to_owned(), default_schema())],
            schemas_are_redirected: false,
            batches: true,
            failed_batches_are_refused: true,
            conflicts_refuse_batches: false,
            recovery_links: true,
            recovery_codes: true,
        }
    }
}

/// An identity schema as a small service has it: an email, by which its users
/// sign in, are verified and recover; names, a role and a tenant.
pub fn default_schema() -> Value {
    json!({
        "$id": "https://example.com/identity.schema.json",
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Person",
        "type": "object",
        "properties": {
            "traits": {
                "type": "object",
                "properties": {
                    "email": {
                        "type": "string",
                        "format": "email",
                        "minLength": 3,
                        "ory.sh/kratos": {
                            "credentials": { "password": { "identifier": true } },
                            "verification": { "via": "email" },
                            "recovery": { "via": "email" },
                        },
                    },
                    "name": {
                        "type": "object",
                        "properties": {
                            "first": { "type": "string" },
                            "last": { "type": "string" },
                        },
                        "additionalProperties": false,
                    },
                    "first_name": { "type": "string" },
                    "last_name": { "type": "string" },
                    "role": { "type": "string" },
                    "tenant_id": { "type": "string" },
                },
                "required": ["email"],
                "additionalProperties": false,
            },
        },
    })
}
