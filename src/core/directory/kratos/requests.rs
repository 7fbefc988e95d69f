//! Owns the requests that Kratos' admin API takes: targets and bodies (Kratos' OpenAPI document, 26.2).

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::directory::address::{query, segment};
use crate::row::claim::{Password, UserClaim};
use crate::secret::Secret;

/// The most identities that a list shows on one page.
const PAGE: &str = "500";

pub(super) const IDENTITIES: &str = "/admin/identities";

/// How long a random password is: nobody ever types it.
const RANDOM_LENGTH: usize = 40;

/// What random passwords are made of.
const LETTERS: &[u8] = b"abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789-_";

pub(super) fn identity(id: &str) -> String {
    format!("{IDENTITIES}/{}", segment(id))
}

pub(super) fn by_external_id(external_id: &str) -> String {
    format!("{IDENTITIES}/by/external/{}", segment(external_id))
}

/// Those that sign in with this identifier: none or one. Replicas may be behind: what was written a moment ago has to be
/// seen (`consistency`, Kratos' OpenAPI document).
pub(super) fn by_identifier(identifier: &str) -> String {
    let query = query(&[
        ("credentials_identifier", identifier),
        ("consistency", "strong"),
    ]);
    format!("{IDENTITIES}?{query}")
}

/// A page of all identities. `with_identifiers`: with what they sign in with. Kratos shows all credentials, without what is
/// secret in them, to who asks for those of any kind, and those by code have nothing that is secret (its
/// `identity/identity.go`, `WithDeclassifiedCredentials`).
pub(super) fn page(token: Option<&str>, with_identifiers: bool) -> String {
    let mut pairs = vec![("page_size", PAGE), ("consistency", "strong")];
    if with_identifiers {
        pairs.push(("include_credential", "code"));
    }
    pairs.extend(token.map(|token| ("page_token", token)));
    format!("{IDENTITIES}?{}", query(&pairs))
}

/// A small read.
pub(super) fn one_identity() -> String {
    format!("{IDENTITIES}?page_size=1")
}

/// The sessions of an identity, whether they are over or not.
pub(super) fn sessions(id: &str) -> String {
    format!("{}/sessions?page_size=1", identity(id))
}

pub(super) fn schema(id: &str) -> String {
    format!("/schemas/{}", segment(id))
}

/// The body that makes an identity, and what of it is secret.
pub(super) fn create(claim: &UserClaim) -> (Bytes, Vec<Secret>) {
    let mut body = Map::new();
    let fields = claim.identity.as_deref();
    let mut secrets = Vec::new();
    if let Some(fields) = fields {
        body.insert("schema_id".into(), json!(fields.schema_id));
        body.insert("traits".into(), Value::Object(fields.traits.clone()));
        let state = fields.state.map_or("active", |state| state.as_str());
        body.insert("state".into(), json!(state));
        let metadata = [
            ("metadata_public", &fields.metadata_public),
            ("metadata_admin", &fields.metadata_admin),
        ];
        for (name, pairs) in metadata {
            if let Some(pairs) = pairs {
                body.insert(name.into(), Value::Object(pairs.clone()));
            }
        }
    }
    if let Some(external_id) = &claim.external_id {
        body.insert("external_id".into(), json!(external_id));
    }
    if claim.email_verified == Some(true) {
        let address =
            json!({"value": claim.email, "via": "email", "verified": true, "status": "completed"});
        body.insert("verifiable_addresses".into(), json!([address]));
    }
    let random = fields.is_some_and(|fields| fields.random_password);
    let config = match &claim.password {
        Some(Password::Plain(password)) => {
            secrets.push(password.clone());
            Some(json!({ "password": password.expose() }))
        }
        Some(Password::EncodedHash(hash) | Password::Hash { hash, .. }) => {
            secrets.push(hash.clone());
            Some(json!({ "hashed_password": hash.expose() }))
        }
        None if random => {
            let password = random_password();
            let config = json!({ "password": password.expose() });
            secrets.push(password);
            Some(config)
        }
        None => None,
    };
    if let Some(config) = config {
        body.insert(
            "credentials".into(),
            json!({ "password": { "config": config } }),
        );
    }
    (Bytes::from(Value::Object(body).to_string()), secrets)
}

/// Whether the server has to hash a password for this claim, which takes it time.
pub(super) fn is_hashed_there(claim: &UserClaim) -> bool {
    match &claim.password {
        Some(Password::Plain(_)) => true,
        Some(_) => false,
        None => claim
            .identity
            .as_ref()
            .is_some_and(|fields| fields.random_password),
    }
}

/// The body of a batch; each item is found again in the answer by its place.
pub(super) fn batch<'a>(items: impl Iterator<Item = (usize, &'a Bytes)>) -> Bytes {
    let mut body = Vec::from(&b"{\"identities\":["[..]);
    for (number, (place, create)) in items.enumerate() {
        if number > 0 {
            body.push(b',');
        }
        body.extend_from_slice(b"{\"patch_id\":\"");
        body.extend_from_slice(patch_id(place).as_bytes());
        body.extend_from_slice(b"\",\"create\":");
        body.extend_from_slice(create);
        body.push(b'}');
    }
    body.extend_from_slice(b"]}");
    Bytes::from(body)
}

/// The API asks for a UUID; that of another batch is another batch's affair.
pub(super) fn patch_id(place: usize) -> String {
    format!("00000000-0000-4000-8000-{place:012x}")
}

/// The body that asks for a way in, good for so long.
pub(super) fn recovery(identity_id: &str, expires_in: Duration) -> Bytes {
    let body = json!({
        "identity_id": identity_id,
        "expires_in": format!("{}s", expires_in.as_secs().max(1)),
    });
    Bytes::from(body.to_string())
}

fn random_password() -> Secret {
    let letter = || {
        let place: usize = rand::random_range(0..LETTERS.len());
        char::from(LETTERS[place])
    };
    Secret::new(
        std::iter::repeat_with(letter)
            .take(RANDOM_LENGTH)
            .collect::<String>(),
    )
}
