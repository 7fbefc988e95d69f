//! Compares a claim with what the directory holds, and says what to write. Pure.

use bytes::Bytes;
use http::Method;
use serde_json::{Map, Value, json};

use super::{organizations, others, requests};
use crate::directory::{
    Ask, Change, Details, Doubt, Fallback, Found, OnExisting, Policy, Refusal, State, UserDetails,
    Write,
};
use crate::journal::outcome::{ApiDetails, Effect};
use crate::row::Kind;
use crate::row::claim::{Claim, Clear, MembershipClaim, Password, UserClaim};
use crate::secret::Secret;

pub(super) fn diff(ask: &Ask<'_>, state: &State, policy: &Policy) -> Change {
    match (ask.claim, state) {
        (Claim::User(claim), state) => user(claim, state, policy),
        (Claim::Organization(claim), State::Absent) => organizations::missing(claim, policy),
        (Claim::Organization(claim), State::Found(found)) => {
            organizations::there(claim, found, policy)
        }
        (Claim::Membership(claim), state) => membership(ask, claim, state, policy),
        (Claim::Organization(claim), State::Conflict { .. }) => {
            Change::Refuse(organizations::not_found(&claim.reference))
        }
        _ => others::diff(ask, state, policy),
    }
}

fn user(claim: &UserClaim, state: &State, policy: &Policy) -> Change {
    match state {
        State::Absent => Change::Write(write(
            Effect::Created,
            Kind::User,
            "create user",
            (Method::POST, requests::users()),
            Some(requests::create_user(claim)),
            password_of(claim),
        )),
        State::Conflict {
            by_email,
            by_external_id,
        } => Change::Refuse(conflict(
            &claim.email,
            claim.external_id.as_deref().unwrap_or_default(),
            by_email,
            by_external_id,
        )),
        State::Found(found) => {
            let Details::User(details) = &found.details else {
                return Change::None {
                    found: found.clone(),
                    differs: false,
                };
            };
            let mut body = differing_fields(claim, details);
            match policy.on_existing {
                OnExisting::Skip => Change::None {
                    found: found.clone(),
                    differs: !body.is_empty(),
                },
                OnExisting::Fail => Change::Refuse(Refusal {
                    error_type: "user",
                    code: "user_exists",
                    message: format!(
                        "The user is there already ({}), and --on-existing is `fail`.",
                        found.id
                    ),
                    api: ApiDetails::default(),
                }),
                OnExisting::Update => {
                    let mut secrets = Vec::new();
                    if policy.update_passwords {
                        requests::put_password(&mut body, claim.password.as_ref());
                        secrets = password_of(claim);
                    }
                    if body.is_empty() {
                        return Change::None {
                            found: found.clone(),
                            differs: false,
                        };
                    }
                    // The names alone: what people were called before is not kept.
                    let fields: Vec<&String> = body.keys().collect();
                    let cleared = cleared_fields(&body);
                    let before = match cleared.is_empty() {
                        true => json!({ "fields": fields }),
                        false => json!({ "fields": fields, "cleared": cleared }),
                    };
                    let mut update = write(
                        Effect::Updated,
                        Kind::User,
                        "update user",
                        (Method::PUT, requests::user(&found.id)),
                        Some(requests::serialize(body)),
                        secrets,
                    );
                    update.before = Some(before.to_string());
                    Change::Write(update)
                }
            }
        }
    }
}

/// The claimed fields that the user does not have in this way.
fn differing_fields(claim: &UserClaim, there: &UserDetails) -> Map<String, Value> {
    let mut body = Map::new();
    if !there.email.eq_ignore_ascii_case(&claim.email) {
        body.insert("email".into(), json!(claim.email));
    }
    let texts = [
        ("first_name", &claim.first_name, &there.first_name),
        ("last_name", &claim.last_name, &there.last_name),
        ("name", &claim.name, &there.name),
        ("external_id", &claim.external_id, &there.external_id),
    ];
    for (name, claimed, has) in texts {
        if claimed.is_some() && claimed != has {
            body.insert(name.into(), json!(claimed));
        }
    }
    if claim.email_verified.is_some() && claim.email_verified != there.email_verified {
        body.insert("email_verified".into(), json!(claim.email_verified));
    }
    if let Some(metadata) = &claim.metadata {
        // The API merges what it is sent: pairs that the row does not name stay, and are no difference.
        let same = metadata
            .iter()
            .all(|(key, value)| there.metadata.get(key).map(String::as_str) == value.as_str());
        if !same {
            body.insert("metadata".into(), Value::Object(metadata.clone()));
        }
    }
    for clear in &claim.clears {
        clear_field(&mut body, clear, there);
    }
    body
}

/// Adds what empties a field that is not empty. Names are texts and take no `null` (WorkOS' OpenAPI document); of
/// metadata, `null` in place of all pairs, or of one pair, takes them out.
fn clear_field(body: &mut Map<String, Value>, clear: &Clear, there: &UserDetails) {
    let is_filled = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    let mut empty = |name: &str, has: &Option<String>| {
        if is_filled(has) {
            body.insert(name.into(), json!(""));
        }
    };
    match clear {
        Clear::FirstName => empty("first_name", &there.first_name),
        Clear::LastName => empty("last_name", &there.last_name),
        Clear::Name => empty("name", &there.name),
        Clear::Metadata if !there.metadata.is_empty() => {
            body.insert("metadata".into(), Value::Null);
        }
        Clear::MetadataPair(key) if there.metadata.contains_key(key) => {
            let pairs = body.entry("metadata").or_insert_with(|| json!({}));
            if let Some(pairs) = pairs.as_object_mut() {
                pairs.insert(key.clone(), Value::Null);
            }
        }
        Clear::Metadata | Clear::MetadataPair(_) => {}
    }
}

/// The fields that a body empties, or takes a pair out of.
fn cleared_fields(body: &Map<String, Value>) -> Vec<&String> {
    let clears = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(pairs) => pairs.values().any(Value::is_null),
        _ => false,
    };
    let cleared = body.iter().filter(|(_, value)| clears(value));
    cleared.map(|(name, _)| name).collect()
}

/// What was to be cleared, and is still there by the API's own answer.
pub(super) fn not_cleared(ask: &Ask<'_>, found: &Found) -> Option<Refusal> {
    let (Claim::User(claim), Details::User(details)) = (ask.claim, &found.details) else {
        return None;
    };
    let mut left = Map::new();
    for clear in &claim.clears {
        clear_field(&mut left, clear, details);
    }
    (!left.is_empty()).then(|| {
        let names: Vec<&str> = left.keys().map(String::as_str).collect();
        Refusal {
            error_type: "user",
            code: "not_cleared",
            message: format!(
                "The API took the change and has kept `{}`: it does not clear that.",
                names.join("`, `")
            ),
            api: ApiDetails::default(),
        }
    })
}

fn membership(ask: &Ask<'_>, claim: &MembershipClaim, state: &State, policy: &Policy) -> Change {
    let found = match state {
        State::Found(found) => found,
        _ => {
            return Change::Write(create_membership(ask, claim));
        }
    };
    let Details::Membership { roles, active } = &found.details else {
        return Change::None {
            found: found.clone(),
            differs: false,
        };
    };
    if !active {
        if !policy.reactivate {
            return Change::Refuse(Refusal {
                error_type: "membership",
                code: "membership_inactive",
                message: format!(
                    "The user was taken out of this organization (membership {} is inactive), and is left out. \
                     --reactivate lets such users in again.",
                    found.id
                ),
                api: ApiDetails::default(),
            });
        }
        let target = (Method::PUT, requests::membership_reactivation(&found.id));
        let mut reactivate = write(
            Effect::Reactivated,
            Kind::Membership,
            "reactivate membership",
            target,
            None,
            Vec::new(),
        );
        reactivate.compare_again = true;
        reactivate.before = membership_before(roles, *active);
        return Change::Write(reactivate);
    }
    if claim.roles.iter().all(|role| roles.contains(role)) {
        return Change::None {
            found: found.clone(),
            differs: false,
        };
    }
    let lacking: Vec<String> = claim
        .roles
        .iter()
        .filter(|role| !roles.contains(role))
        .cloned()
        .collect();
    let union = [roles.as_slice(), lacking.as_slice()].concat();
    let target = (Method::PUT, requests::membership(&found.id));
    let mut update = write(
        Effect::Updated,
        Kind::Membership,
        "update membership",
        target,
        Some(requests::membership_roles(&union)),
        Vec::new(),
    );
    update.before = membership_before(roles, *active);
    update.fallback = Some(Box::new(Fallback {
        smaller: None,
        shortfall: one_role_only(&roles.join("`, `"), "is assigned", &lacking),
    }));
    Change::Write(update)
}

fn membership_before(roles: &[String], active: bool) -> Option<String> {
    Some(json!({ "roles": roles, "active": active }).to_string())
}

fn one_role_only(kept: &str, how: &str, others: &[String]) -> Refusal {
    Refusal {
        error_type: "role_assignment",
        code: "role_assignment",
        message: format!(
            "This environment allows one role for each membership: `{kept}` {how}, `{}` not.",
            others.join("`, `")
        ),
        api: ApiDetails::default(),
    }
}

/// With a fallback for environments that allow one role only: the first role, and an error that names the others.
fn create_membership(ask: &Ask<'_>, claim: &MembershipClaim) -> Box<Write> {
    let id_of = |kind| {
        ask.base(kind)
            .map(|base| base.id.as_str())
            .unwrap_or_default()
    };
    let create = |claim: &MembershipClaim| {
        let body = requests::create_membership(id_of(Kind::User), id_of(Kind::Organization), claim);
        let target = (Method::POST, requests::memberships());
        write(
            Effect::Created,
            Kind::Membership,
            "create membership",
            target,
            Some(body),
            Vec::new(),
        )
    };
    let mut whole = create(claim);
    if let [first, others @ ..] = claim.roles.as_slice()
        && !others.is_empty()
    {
        let reduced = create(&MembershipClaim {
            roles: vec![first.clone()],
        });
        whole.fallback = Some(Box::new(Fallback {
            smaller: Some(*reduced),
            shortfall: one_role_only(first, "was assigned", others),
        }));
    }
    whole
}

pub(super) fn write(
    effect: Effect,
    kind: Kind,
    call: &'static str,
    (method, target): (Method, String),
    body: Option<Bytes>,
    secrets: Vec<Secret>,
) -> Box<Write> {
    Box::new(Write {
        effect,
        kind,
        call,
        method,
        target,
        body,
        compare_again: false,
        is_suspect: false,
        fallback: None,
        before: None,
        secrets,
    })
}

/// The write that takes an object back.
pub(super) fn delete(kind: Kind, id: &str) -> Option<Write> {
    let (call, target) = match kind {
        Kind::User => ("delete user", requests::user(id)),
        Kind::Organization => ("delete organization", requests::organization(id)),
        Kind::Membership => ("delete membership", requests::membership(id)),
        _ => return None,
    };
    let delete = write(
        Effect::Deleted,
        kind,
        call,
        (Method::DELETE, target),
        None,
        Vec::new(),
    );
    Some(*delete)
}

fn password_of(claim: &UserClaim) -> Vec<Secret> {
    match &claim.password {
        None => Vec::new(),
        Some(
            Password::Plain(secret)
            | Password::Hash { hash: secret, .. }
            | Password::EncodedHash(secret),
        ) => vec![secret.clone()],
    }
}

fn conflict(email: &str, external_id: &str, by_email: &str, by_external_id: &str) -> Refusal {
    Refusal {
        error_type: "user",
        code: "user_conflict",
        message: format!(
            "The email {email} belongs to {by_email} and the external_id {external_id} to {by_external_id}: two different \
             users. Correct the row, or merge the two."
        ),
        api: ApiDetails::default(),
    }
}

/// An answer that does not tell the roles of a membership: it has at least those that were sent.
pub(super) fn with_roles_sent(mut found: Found, write: &Write) -> Found {
    if let Details::Membership { roles, .. } = &mut found.details
        && roles.is_empty()
    {
        *roles = requests::roles_in(write.body.as_deref().unwrap_or_default());
    }
    found
}

/// Placeholder of an object that was deleted.
pub(super) fn nothing() -> Found {
    Found {
        id: String::new(),
        created_at: None,
        used_at: None,
        details: Details::Organization {
            name: None,
            external_id: None,
            domains: Vec::new(),
            metadata: Default::default(),
        },
    }
}

pub(super) fn is_outcome_of(ask: &Ask<'_>, found: &Found, doubt: Doubt) -> bool {
    if !doubt.covers(found.created_at) {
        return false;
    }
    match (ask.claim, &found.details) {
        (Claim::User(claim), Details::User(details)) => differing_fields(claim, details).is_empty(),
        (Claim::Membership(claim), Details::Membership { roles, active }) => {
            // The first role alone is what is sent where the environment allows one only.
            let first_alone = roles.len() == 1 && roles.first() == claim.roles.first();
            *active && (first_alone || claim.roles.iter().all(|role| roles.contains(role)))
        }
        (Claim::Organization(claim), Details::Organization { name, .. }) => name == &claim.name,
        (Claim::Role(_), Details::Role { .. }) | (_, Details::Other(_)) => true,
        _ => false,
    }
}
