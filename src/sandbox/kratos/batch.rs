//! Owns the batch endpoint: many identities in one call, each with a result of
//! its own, unless the call is refused as a whole.

use super::answers;
use super::draft::{Draft, PLAIN, known, list, object, text};
use super::identities::Identities;
use super::state::Route;
use super::uuids::is_uuid;
use crate::answer::Answer;
use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::{Value, json};

/// How many items one call may have.
const LARGEST: usize = 1_000;

/// How many of them may have a password in plain text.
const LARGEST_PLAIN: usize = 200;

/// One item: what identifies it to the caller, and what it makes. Items that
/// make nothing are allowed.
struct Patch {
    id: Option<String>,
    create: Option<Draft>,
}

/// For what a batch is refused as a whole beside what cannot be decoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusing {
    /// All items fail.
    pub(super) failed: bool,
    /// One item conflicts with another, or with an identity.
    pub(super) conflicts: bool,
}

/// Makes what a body asks for, in its order. Of two items that claim the same,
/// the first gets it.
///
/// # Errors
/// 400, with nothing made: a body that cannot be decoded, more items or more
/// passwords in plain text than are allowed, or an item of which no identity
/// can be made; and what is refused beside that.
pub(super) fn create(
    identities: &mut Identities,
    body: &Value,
    refusing: Refusing,
    now: &str,
) -> Result<Answer, Answer> {
    let patches = read(body)?;
    let (mut results, mut failures, mut made) = (Vec::new(), Vec::new(), 0);
    let mut ids = Vec::new();
    for Patch { id, create } in patches {
        let Some(draft) = create else {
            results.push(Value::Null);
            continue;
        };
        let mut result = match identities.create(draft, now) {
            Ok(identity) => {
                made += 1;
                ids.push(identity.id.clone());
                json!({ "action": "create", "identity": identity.id })
            }
            Err(refusal) => {
                failures.push(refusal.status);
                json!({ "action": "error", "error": answers::within_a_batch(refusal) })
            }
        };
        if let Some(id) = id {
            result["patch_id"] = Value::from(id);
        }
        results.push(result);
    }
    if refusing.conflicts && failures.contains(&StatusCode::CONFLICT) {
        for id in ids {
            identities.delete(&id)?;
        }
        return Err(answers::conflict());
    }
    if refusing.failed && made == 0 && !failures.is_empty() {
        let all_conflict = failures
            .iter()
            .all(|status| *status == StatusCode::CONFLICT);
        return Err(if all_conflict {
            answers::conflict()
        } else {
            answers::bad_request("None of the identities could be created.")
        });
    }
    Ok(Answer::ok(json!({ "identities": results })))
}

/// How many identities a request is to make, one by one or in a batch. None, if
/// its body cannot be read.
pub(super) fn makes(request: &Request<Bytes>) -> u32 {
    match Route::of(request.method(), request.uri().path()) {
        Route::Create => 1,
        Route::Batch => {
            let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
            let items = body["identities"].as_array().into_iter().flatten();
            let made = items.filter(|item| !item["create"].is_null()).count();
            u32::try_from(made).unwrap_or(u32::MAX)
        }
        _ => 0,
    }
}

fn read(body: &Value) -> Result<Vec<Patch>, Answer> {
    let fields = object(body, "body")?;
    known(fields, &["identities"])?;
    let items = list(fields, "identities")?;
    if items.len() > LARGEST {
        return Err(answers::bad_request(&format!(
            "The maximum number of identities per request that can be created or deleted at once is {LARGEST}."
        )));
    }
    let patches = items.iter().map(read_one).collect::<Result<Vec<_>, _>>()?;
    let plain = patches
        .iter()
        .filter_map(|patch| patch.create.as_ref())
        .filter(|draft| draft.password == Some(PLAIN))
        .count();
    if plain > LARGEST_PLAIN {
        return Err(answers::bad_request(&format!(
            "The maximum number of identities per request that can be created with a plaintext password is {LARGEST_PLAIN}."
        )));
    }
    Ok(patches)
}

fn read_one(item: &Value) -> Result<Patch, Answer> {
    let fields = object(item, "identities")?;
    known(fields, &["patch_id", "create"])?;
    let id = text(fields, "patch_id")?;
    if id.as_deref().is_some_and(|id| !is_uuid(id)) {
        return Err(answers::undecodable("uuid: incorrect UUID format"));
    }
    let create = fields.get("create").filter(|create| !create.is_null());
    Ok(Patch {
        id,
        create: create.map(Draft::of).transpose()?,
    })
}
