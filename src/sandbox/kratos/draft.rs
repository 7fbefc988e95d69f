//! Owns the reading of bodies that make or replace an identity, strictly: a
//! field that nobody knows, or of the wrong type, refuses the whole body.

use super::addresses::{GivenAddress, Verification};
use super::schema::normalized;
use super::uuids::is_uuid;
use super::{answers, passwords};
use crate::answer::Answer;
use serde_json::{Map, Value};

/// What a body says about an identity. The password and its hash are not kept.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) schema_id: Option<String>,
    /// `active` or `inactive`.
    pub(super) state: Option<String>,
    pub(super) traits: Value,
    pub(super) metadata_public: Value,
    pub(super) metadata_admin: Value,
    pub(super) external_id: Option<String>,
    pub(super) organization_id: Option<String>,
    /// `"password"` for one in plain text, else the kind of the hash.
    pub(super) password: Option<&'static str>,
    /// Type of the credentials, and `provider:subject`.
    pub(super) connections: Vec<(String, String)>,
    pub(super) addresses: Vec<GivenAddress>,
}

/// The kind under which a password in plain text is kept.
pub(super) const PLAIN: &str = "password";

const FIELDS: [&str; 10] = [
    "schema_id",
    "traits",
    "state",
    "external_id",
    "credentials",
    "verifiable_addresses",
    "recovery_addresses",
    "metadata_public",
    "metadata_admin",
    "organization_id",
];

impl Draft {
    /// Reads a body.
    ///
    /// # Errors
    /// 400, if it cannot be decoded, or if no identity can be made of it: a
    /// state that there is not, or a hash in no known format.
    pub(super) fn of(body: &Value) -> Result<Self, Answer> {
        let fields = object(body, "body")?;
        known(fields, &FIELDS)?;
        let state = text(fields, "state")?;
        if let Some(state) = &state {
            check_state(state)?;
        }
        let organization_id = text(fields, "organization_id")?;
        if organization_id.as_deref().is_some_and(|id| !is_uuid(id)) {
            return Err(answers::undecodable("uuid: incorrect UUID format"));
        }
        let mut draft = Self {
            schema_id: text(fields, "schema_id")?,
            state,
            traits: fields.get("traits").cloned().unwrap_or_default(),
            metadata_public: fields.get("metadata_public").cloned().unwrap_or_default(),
            metadata_admin: fields.get("metadata_admin").cloned().unwrap_or_default(),
            external_id: text(fields, "external_id")?,
            organization_id,
            password: None,
            connections: Vec::new(),
            addresses: Vec::new(),
        };
        draft.read_credentials(fields)?;
        for address in list(fields, "verifiable_addresses")? {
            draft.addresses.push(given_address(address)?);
        }
        for address in list(fields, "recovery_addresses")? {
            object(address, "recovery_addresses")?;
        }
        Ok(draft)
    }

    fn read_credentials(&mut self, fields: &Map<String, Value>) -> Result<(), Answer> {
        let Some(credentials) = present(fields, "credentials") else {
            return Ok(());
        };
        let credentials = object(credentials, "credentials")?;
        known(
            credentials,
            &[
                "password",
                "oidc",
                "saml",
                "totp",
                "lookup_secret",
                "webauthn",
                "passkey",
            ],
        )?;
        if let Some(password) = present(credentials, "password") {
            let config = config_of(password, "password")?;
            known(
                config,
                &["password", "hashed_password", "use_password_migration_hook"],
            )?;
            let plain = text(config, "password")?;
            self.password = match text(config, "hashed_password")? {
                Some(hash) => Some(passwords::kind_of(&hash)?),
                None => plain.map(|_| PLAIN),
            };
        }
        for kind in ["oidc", "saml"] {
            let Some(given) = present(credentials, kind) else {
                continue;
            };
            for provider in list(config_of(given, kind)?, "providers")? {
                let provider = object(provider, "providers")?;
                let name = text(provider, "provider")?.unwrap_or_default();
                let subject = text(provider, "subject")?.unwrap_or_default();
                self.connections
                    .push((kind.to_owned(), format!("{name}:{subject}")));
            }
        }
        Ok(())
    }
}

/// Refuses a state that there is not.
pub(super) fn check_state(state: &str) -> Result<(), Answer> {
    if matches!(state, "active" | "inactive") {
        return Ok(());
    }
    Err(answers::bad_request("identity state is not valid"))
}

/// What is said about one address that is to be verified.
pub(super) fn given_address(address: &Value) -> Result<GivenAddress, Answer> {
    let fields = object(address, "verifiable_addresses")?;
    let verified = match fields.get("verified") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(verified)) => *verified,
        Some(_) => return Err(mistyped("verified", "bool")),
    };
    let status = text(fields, "status")?.unwrap_or_else(|| {
        let status = if verified { "completed" } else { "pending" };
        status.to_owned()
    });
    Ok(GivenAddress {
        value: normalized(&text(fields, "value")?.unwrap_or_default()),
        verification: Verification { verified, status },
    })
}

/// The fields of an object.
pub(super) fn object<'a>(value: &'a Value, name: &str) -> Result<&'a Map<String, Value>, Answer> {
    value.as_object().ok_or_else(|| mistyped(name, "object"))
}

/// Refuses fields that nobody knows.
pub(super) fn known(fields: &Map<String, Value>, names: &[&str]) -> Result<(), Answer> {
    match fields.keys().find(|name| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(answers::undecodable(&format!(
            "json: unknown field {name:?}"
        ))),
    }
}

/// A text; null and "" are none.
pub(super) fn text(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, Answer> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(_) => Err(mistyped(name, "string")),
    }
}

/// The items of a list; null is none.
pub(super) fn list<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a [Value], Answer> {
    match present(fields, name) {
        None => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(mistyped(name, "array")),
    }
}

fn present<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).filter(|value| !value.is_null())
}

fn config_of<'a>(value: &'a Value, name: &str) -> Result<&'a Map<String, Value>, Answer> {
    static NOTHING: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    let fields = object(value, name)?;
    known(fields, &["config"])?;
    present(fields, "config").map_or(Ok(&NOTHING), |config| object(config, "config"))
}

/// The value is not in the message: it may be a secret.
fn mistyped(name: &str, wanted: &str) -> Answer {
    answers::undecodable(&format!(
        "json: cannot unmarshal field {name:?} into a Go value of type {wanted}"
    ))
}
