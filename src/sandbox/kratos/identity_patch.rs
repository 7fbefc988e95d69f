//! Owns changes of one identity: by JSON Patch of how it is shown, and by a
//! body that takes the place of everything but its credentials.

use super::addresses::GivenAddress;
use super::draft::{Draft, check_state, given_address, list, object, text};
use super::identity::Identity;
use super::{answers, json_patch};
use crate::answer::Answer;
use http::StatusCode;
use serde_json::Value;

/// What no patch may change, nor anything below it.
const DENIED: [&str; 3] = ["/id", "/stateChangedAt", "/credentials"];

/// An identity as it would be, and what was said about its addresses.
pub(super) type Changed = (Identity, Vec<GivenAddress>);

/// What operations of a JSON Patch make of an identity: of its traits,
/// metadata, state, schema, external identifier and organization, and of which
/// addresses are verified. Other places may be written, and stay as they are.
///
/// # Errors
/// 400, if an operation does not apply or may not, or leaves something of the
/// wrong type.
pub(super) fn patched(identity: &Identity, operations: &Value) -> Result<Changed, Answer> {
    let operations = operations.as_array().ok_or_else(|| refused("no list"))?;
    for operation in operations {
        for name in ["path", "from"] {
            let Some(path) = operation[name].as_str() else {
                continue;
            };
            let is_below = |denied: &&str| {
                let rest = path.strip_prefix(*denied);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            if path.is_empty() || DENIED.iter().any(is_below) {
                return Err(refused("patch includes denied path"));
            }
        }
    }
    let document = json_patch::apply(&identity.shown(), operations).map_err(|why| refused(&why))?;
    let fields = object(&document, "identity")?;
    let mut changed = identity.clone();
    changed.schema_id = text(fields, "schema_id")?.unwrap_or_default();
    changed.state = text(fields, "state")?.unwrap_or_default();
    check_state(&changed.state)?;
    changed.traits = fields.get("traits").cloned().unwrap_or_default();
    changed.metadata_public = fields.get("metadata_public").cloned().unwrap_or_default();
    changed.metadata_admin = fields.get("metadata_admin").cloned().unwrap_or_default();
    changed.external_id = text(fields, "external_id")?;
    changed.organization_id = text(fields, "organization_id")?;
    let addresses = list(fields, "verifiable_addresses")?;
    let given = addresses.iter().map(given_address);
    Ok((changed, given.collect::<Result<_, _>>()?))
}

/// What a body makes of an identity. Only credentials, the organization and
/// what is known about addresses outlast it; state and schema stay where the
/// body names none.
///
/// # Errors
/// 400, as for a body that makes an identity.
pub(super) fn replaced(identity: &Identity, body: &Value) -> Result<Changed, Answer> {
    let draft = Draft::of(body)?;
    let mut changed = identity.clone();
    changed.traits = draft.traits;
    changed.metadata_public = draft.metadata_public;
    changed.metadata_admin = draft.metadata_admin;
    changed.external_id = draft.external_id;
    if let Some(schema_id) = draft.schema_id {
        changed.schema_id = schema_id;
    }
    if let Some(state) = draft.state {
        changed.state = state;
    }
    if draft.password.is_some() {
        changed.password = draft.password;
    }
    for connection in draft.connections {
        if !changed.connections.contains(&connection) {
            changed.connections.push(connection);
        }
    }
    Ok((changed, Vec::new()))
}

fn refused(why: &str) -> Answer {
    let reason = "An error occured when applying the JSON patch";
    answers::error(StatusCode::BAD_REQUEST, why, Some(reason))
}
