//! Owns the addresses of an identity: those to verify, and those by which it
//! recovers. Which there are is told by the traits; what is known about them is
//! kept, or taken from the request.

use super::uuids::Uuids;
use serde_json::{Value, json};

/// One address.
#[derive(Clone, Debug)]
pub(super) struct Address {
    id: String,
    pub(super) value: String,
    pub(super) via: String,
    verification: Verification,
    created_at: String,
}

/// Whether somebody has shown that an address is theirs.
#[derive(Clone, Debug)]
pub(super) struct Verification {
    pub(super) verified: bool,
    pub(super) status: String,
}

impl Default for Verification {
    fn default() -> Self {
        Self {
            verified: false,
            status: "pending".to_owned(),
        }
    }
}

/// What a request says about an address that is to be verified.
#[derive(Clone, Debug)]
pub(super) struct GivenAddress {
    pub(super) value: String,
    pub(super) verification: Verification,
}

impl Address {
    pub(super) fn verifiable(&self) -> Value {
        json!({
            "id": self.id,
            "value": self.value,
            "verified": self.verification.verified,
            "via": self.via,
            "status": self.verification.status,
            "created_at": self.created_at,
            "updated_at": self.created_at,
        })
    }

    pub(super) fn recovery(&self) -> Value {
        json!({
            "id": self.id,
            "value": self.value,
            "via": self.via,
            "created_at": self.created_at,
            "updated_at": self.created_at,
        })
    }
}

/// The addresses that the traits tell of (ways and values). One that was there
/// keeps what is known about it, unless the request says otherwise.
pub(super) fn derived(
    told: Vec<(String, String)>,
    before: &[Address],
    given: &[GivenAddress],
    uuids: &mut Uuids,
    now: &str,
) -> Vec<Address> {
    let address = |(via, value): (String, String)| {
        let known = before
            .iter()
            .find(|known| known.via == via && known.value == value);
        let mut address = known.cloned().unwrap_or_else(|| Address {
            id: uuids.next(),
            value,
            via,
            verification: Verification::default(),
            created_at: now.to_owned(),
        });
        if let Some(given) = given.iter().find(|given| given.value == address.value) {
            address.verification = given.verification.clone();
        }
        address
    };
    told.into_iter().map(address).collect()
}
