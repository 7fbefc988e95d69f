//! Compares what a row says of an identity with what there is, and says what to write. Pure.

use bytes::Bytes;
use http::Method;
use serde_json::{Map, Value, json};

use super::{answers, names, requests};
use crate::directory::{
    Ask, Change, Details, Doubt, Found, Listed, OnExisting, Policy, Refusal, State, UserDetails,
    Write,
};
use crate::journal::outcome::{ApiDetails, Effect};
use crate::row::Kind;
use crate::row::claim::{Claim, UserClaim};
use crate::secret::Secret;

/// What creations are called whose password the server has to hash: it takes fewer of them at once.
pub(super) const CREATE_PLAIN: &str = "create identity with password";
pub(super) const CREATE: &str = "create identity";

pub(super) fn diff(ask: &Ask<'_>, state: &State, policy: &Policy) -> Change {
    let Claim::User(claim) = ask.claim else {
        return Change::Refuse(no_such_thing());
    };
    match state {
        State::Absent => Change::Write(Box::new(create(claim))),
        State::Conflict {
            by_email,
            by_external_id,
        } => Change::Refuse(Refusal {
            error_type: "user",
            code: "user_conflict",
            message: format!(
                "What the row names belongs to two different identities, {by_email} and {by_external_id}: {}. Correct the \
                 row, or merge the two.",
                names::said(claim)
            ),
            api: ApiDetails::default(),
        }),
        State::Found(found) => there(claim, found, policy),
    }
}

fn there(claim: &UserClaim, found: &Found, policy: &Policy) -> Change {
    let Details::User(details) = &found.details else {
        return Change::Refuse(no_such_thing());
    };
    let changes = differences(claim, details);
    match policy.on_existing {
        OnExisting::Skip => Change::None {
            found: found.clone(),
            differs: !changes.is_empty(),
        },
        OnExisting::Fail => Change::Refuse(Refusal {
            error_type: "user",
            code: "user_exists",
            message: format!(
                "The identity is there already ({}), and --on-existing is `fail`.",
                found.id
            ),
            api: ApiDetails::default(),
        }),
        OnExisting::Update if changes.is_empty() => Change::None {
            found: found.clone(),
            differs: false,
        },
        OnExisting::Update => {
            // The names alone: what was there before is not kept.
            let fields: Vec<String> = changes.iter().map(Operation::field).collect();
            let operations = changes.iter().map(Operation::to_json).collect();
            Change::Write(Box::new(Write {
                before: Some(json!({ "fields": fields }).to_string()),
                ..write(
                    Effect::Updated,
                    "update identity",
                    (Method::PATCH, requests::identity(&found.id)),
                    Some(Bytes::from(Value::Array(operations).to_string())),
                    Vec::new(),
                )
            }))
        }
    }
}

fn create(claim: &UserClaim) -> Write {
    let (body, secrets) = requests::create(claim);
    let call = match requests::is_hashed_there(claim) {
        true => CREATE_PLAIN,
        false => CREATE,
    };
    let target = (Method::POST, requests::IDENTITIES.to_owned());
    write(Effect::Created, call, target, Some(body), secrets)
}

/// The write that takes an identity back.
pub(super) fn delete(kind: Kind, id: &str) -> Option<Write> {
    let target = (Method::DELETE, requests::identity(id));
    (kind == Kind::User)
        .then(|| write(Effect::Deleted, "delete identity", target, None, Vec::new()))
}

fn write(
    effect: Effect,
    call: &'static str,
    (method, target): (Method, String),
    body: Option<Bytes>,
    secrets: Vec<Secret>,
) -> Write {
    Write {
        effect,
        kind: Kind::User,
        call,
        method,
        target,
        body,
        compare_again: false,
        is_suspect: false,
        fallback: None,
        before: None,
        secrets,
    }
}

/// One operation of a JSON Patch (RFC 6902).
struct Operation {
    path: String,
    value: Value,
    /// `replace` of what is not there fails.
    is_there: bool,
}

impl Operation {
    fn to_json(&self) -> Value {
        let op = if self.is_there { "replace" } else { "add" };
        json!({ "op": op, "path": self.path, "value": self.value })
    }

    /// Such as `traits.name.first`.
    fn field(&self) -> String {
        let parts = self.path.split('/').skip(1);
        let parts: Vec<String> = parts
            .map(|part| part.replace("~1", "/").replace("~0", "~"))
            .collect();
        parts.join(".")
    }
}

/// What the identity does not have in the way that the row says it. What the row does not name stays, and is no difference.
fn differences(claim: &UserClaim, there: &UserDetails) -> Vec<Operation> {
    let mut operations = Vec::new();
    let (Some(claimed), Some(has)) = (claim.identity.as_deref(), there.identity.as_deref()) else {
        return operations;
    };
    let same = |claimed: &Value, has: &Value| {
        is_same(claimed, has)
            || matches!((claimed, has), (Value::String(one), Value::String(other))
                // An identifier is the same one in whatever case.
                if one.eq_ignore_ascii_case(&claim.email) && one.eq_ignore_ascii_case(other))
    };
    below(
        "/traits",
        &claimed.traits,
        &has.traits,
        &same,
        &mut operations,
    );
    let metadata = [
        (
            "/metadata_public",
            &claimed.metadata_public,
            &has.metadata_public,
        ),
        (
            "/metadata_admin",
            &claimed.metadata_admin,
            &has.metadata_admin,
        ),
    ];
    for (path, claimed, has) in metadata {
        match (claimed, has) {
            (Some(claimed), Some(has)) => below(path, claimed, has, &is_same, &mut operations),
            (Some(claimed), None) if !claimed.is_empty() => operations.push(Operation {
                path: path.to_owned(),
                value: Value::Object(claimed.clone()),
                is_there: false,
            }),
            _ => {}
        }
    }
    let texts = [
        (
            "/state",
            claimed.state.map(|state| state.as_str()),
            has.state.as_deref(),
        ),
        (
            "/external_id",
            claim.external_id.as_deref(),
            there.external_id.as_deref(),
        ),
    ];
    for (path, claimed, has) in texts {
        if let Some(claimed) = claimed
            && has != Some(claimed)
        {
            operations.push(Operation {
                path: path.to_owned(),
                value: json!(claimed),
                is_there: has.is_some(),
            });
        }
    }
    operations
}

/// The differences below a path, one for each value that is no object.
fn below(
    path: &str,
    claimed: &Map<String, Value>,
    has: &Map<String, Value>,
    same: &impl Fn(&Value, &Value) -> bool,
    operations: &mut Vec<Operation>,
) {
    for (key, value) in claimed {
        let path = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
        match (value, has.get(key)) {
            (Value::Object(claimed), Some(Value::Object(has))) => {
                below(&path, claimed, has, same, operations);
            }
            (value, Some(has)) if same(value, has) => {}
            (value, has) => operations.push(Operation {
                path,
                value: value.clone(),
                is_there: has.is_some(),
            }),
        }
    }
}

/// Numbers are the same however they are written; keys have no order.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            // As fractions large integers would be taken for their neighbours.
            let are_integers = !one.is_f64() && !other.is_f64();
            one == other || (!are_integers && one.as_f64() == other.as_f64())
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, one)| other.get(key).is_some_and(|other| is_same(one, other)))
        }
        (one, other) => one == other,
    }
}

pub(super) fn is_outcome_of(ask: &Ask<'_>, found: &Found, doubt: Doubt) -> bool {
    if !doubt.covers(found.created_at) {
        return false;
    }
    match (ask.claim, &found.details) {
        (Claim::User(claim), Details::User(details)) => differences(claim, details).is_empty(),
        _ => false,
    }
}

/// What an identity will be once a write is done.
pub(super) fn after(write: &Write, before: Option<&Found>, id: &str) -> Listed {
    let body: Value =
        serde_json::from_slice(write.body.as_deref().unwrap_or_default()).unwrap_or_default();
    let mut whole = match before {
        None => body.clone(),
        Some(found) => as_shown(found),
    };
    if let Value::Array(operations) = &body {
        for operation in operations {
            let path = operation["path"].as_str().unwrap_or_default();
            put(&mut whole, path, &operation["value"]);
        }
    }
    if let Some(fields) = whole.as_object_mut() {
        fields.insert(
            "id".into(),
            json!(before.map_or(id, |found| found.id.as_str())),
        );
    }
    let mut listed = answers::listed(&whole).unwrap_or_else(|| Listed {
        found: nothing(),
        names: Vec::new(),
    });
    listed.found.created_at = before.and_then(|found| found.created_at);
    listed
}

fn as_shown(found: &Found) -> Value {
    let Details::User(user) = &found.details else {
        return json!({});
    };
    let Some(identity) = user.identity.as_deref() else {
        return json!({});
    };
    json!({
        "schema_id": identity.schema_id,
        "traits": identity.traits,
        "state": identity.state,
        "external_id": user.external_id,
        "metadata_public": identity.metadata_public,
        "metadata_admin": identity.metadata_admin,
    })
}

fn put(whole: &mut Value, path: &str, value: &Value) {
    let mut place = whole;
    for part in path.split('/').skip(1) {
        let key = part.replace("~1", "/").replace("~0", "~");
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[key];
    }
    *place = value.clone();
}

/// Placeholder of an identity that was deleted.
pub(super) fn nothing() -> Found {
    Found {
        id: String::new(),
        created_at: None,
        used_at: None,
        details: Details::User(UserDetails::default()),
    }
}

fn no_such_thing() -> Refusal {
    Refusal {
        error_type: "user",
        code: "user_create_failed",
        message: "Kratos has identities alone.".into(),
        api: ApiDetails::default(),
    }
}
