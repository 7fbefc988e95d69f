//! Owns by which names WorkOS' objects are looked up, what an answer to such a look says, and what an object will be after
//! a write. Pure.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{answers, others, requests};
use crate::directory::lookups;
use crate::directory::{Ask, Details, Found, Listed, Name, State, Write};
use crate::journal::outcome::Effect;
use crate::row::claim::{Claim, OrganizationReference};
use crate::row::{Domain, Kind};

/// The role that a membership gets where none is named (workos.com/docs: `member` is the default role's slug).
const DEFAULT_ROLE: &str = "member";

/// By email, then, where the row has one that this user does not have, by external id.
pub(super) fn names_asked(ask: &Ask<'_>) -> Vec<Name> {
    match ask.claim {
        Claim::User(user) => lookups::names_of_user(user),
        Claim::Organization(organization) => vec![match &organization.reference {
            OrganizationReference::Id(id) => Name::new(Kind::Organization, "id", id),
            OrganizationReference::ExternalId(id) => {
                Name::new(Kind::Organization, "external_id", id)
            }
        }],
        Claim::Membership(_) => {
            let pair = ask.base(Kind::User).zip(ask.base(Kind::Organization));
            pair.map(|(user, organization)| Name::of_pair(&user.id, &organization.id))
                .into_iter()
                .collect()
        }
        _ => others::name_asked(ask).into_iter().collect(),
    }
}

/// The state of a claim by what its names were found to be; `None`: the next one has to be looked up too.
pub(super) fn state(ask: &Ask<'_>, found: &[Option<Found>]) -> Option<State> {
    match ask.claim {
        Claim::User(user) => lookups::state_of_user(user, found),
        _ => {
            let first = found.first()?.clone();
            Some(first.map_or(State::Absent, State::Found))
        }
    }
}

/// The read by which a name is looked up.
pub(super) fn request(name: &Name) -> (&'static str, String) {
    let value = name.value.as_str();
    match (name.kind, name.by) {
        (Kind::User, "email") => ("find user", requests::users_by_email(value)),
        (Kind::User, "external_id") => (
            "find user by external id",
            requests::user_by_external_id(value),
        ),
        (Kind::User, _) => ("get user", requests::user(value)),
        (Kind::Organization, "external_id") => (
            "look up organization",
            requests::organization_by_external_id(value),
        ),
        (Kind::Organization, _) => ("get organization", requests::organization(value)),
        (Kind::Membership, "pair") => {
            let (user, organization) = value.split_once(':').unwrap_or((value, ""));
            (
                "find membership",
                requests::memberships_of(user, organization),
            )
        }
        (Kind::Membership, _) => ("get membership", requests::membership(value)),
        _ => others::request(name),
    }
}

/// What the answer to such a read says.
pub(super) fn found(name: &Name, body: &Value) -> Option<Found> {
    match (name.kind, name.by) {
        (Kind::User, "email") => {
            answers::list(body, answers::user)
                .items
                .into_iter()
                .find(|found| match &found.details {
                    Details::User(user) => user.email.eq_ignore_ascii_case(&name.value),
                    _ => false,
                })
        }
        (Kind::User, _) => answers::user(body),
        (Kind::Organization, _) => answers::organization(body),
        (Kind::Membership, "pair") => {
            let (user, organization) = name.value.split_once(':')?;
            let is = |id: &Option<String>, wanted| id.as_ref().is_none_or(|id| id == wanted);
            let listed = answers::list(body, answers::membership).items;
            // A directory that ignored the filters must not make us take somebody else's membership.
            let mut mine = listed.into_iter().filter(|(user_id, organization_id, _)| {
                is(user_id, user) && is(organization_id, organization)
            });
            mine.next().map(|(_, _, found)| found)
        }
        (Kind::Membership, _) => answers::membership(body).map(|(_, _, found)| found),
        _ => others::found(name, body),
    }
}

/// A user or an organization with all of its names.
pub(super) fn with_names(found: Found) -> Listed {
    let mut names = Vec::new();
    let mut add = |kind, by, value: &str| names.push(Name::new(kind, by, value));
    match &found.details {
        Details::User(user) => {
            add(Kind::User, "id", &found.id);
            add(Kind::User, "email", &user.email.to_ascii_lowercase());
            if let Some(external_id) = &user.external_id {
                add(Kind::User, "external_id", external_id);
            }
        }
        Details::Organization { external_id, .. } => {
            add(Kind::Organization, "id", &found.id);
            if let Some(external_id) = external_id {
                add(Kind::Organization, "external_id", external_id);
            }
        }
        Details::Membership { .. } | Details::Role { .. } | Details::Other(_) => {}
    }
    Listed { found, names }
}

/// A membership as a list shows it; one that does not say whose it is cannot be found again by anything.
pub(super) fn listed_membership(body: &Value) -> Option<Listed> {
    let (user, organization, found) = answers::membership(body)?;
    let names = user.zip(organization);
    let names = names.map(|(user, organization)| Name::of_pair(&user, &organization));
    Some(Listed {
        found,
        names: names.into_iter().collect(),
    })
}

/// What an object will be once a write is done.
pub(super) fn after(write: &Write, before: Option<&Found>, id: &str) -> Listed {
    let body = write.body.as_deref().unwrap_or_default();
    let mut body: Value = serde_json::from_slice(body).unwrap_or_else(|_| json!({}));
    if write.kind == Kind::Membership {
        return membership_after(write, before, &body, id);
    }
    if let Some(fields) = body.as_object_mut() {
        fields.insert("id".into(), json!(id));
    }
    let sent = match write.kind {
        Kind::User => answers::user(&body),
        _ => answers::organization(&body),
    };
    let sent = sent.unwrap_or_else(super::compare::nothing);
    let Some(mut found) = before.cloned() else {
        let mut sent = sent;
        if let Details::Organization {
            name,
            domains,
            metadata,
            ..
        } = &mut sent.details
        {
            organization_gets(&body, name, domains, metadata);
        }
        return with_names(sent);
    };
    if let (Details::User(has), Details::User(gets)) = (&mut found.details, sent.details) {
        if !gets.email.is_empty() {
            has.email = gets.email;
        }
        let texts = [
            (&mut has.first_name, gets.first_name),
            (&mut has.last_name, gets.last_name),
            (&mut has.name, gets.name),
            (&mut has.external_id, gets.external_id),
        ];
        for (has, gets) in texts {
            if gets.is_some() {
                *has = gets;
            }
        }
        has.email_verified = gets.email_verified.or(has.email_verified);
        match body.get("metadata") {
            Some(Value::Null) => has.metadata.clear(),
            Some(Value::Object(pairs)) => {
                has.metadata
                    .retain(|key, _| !pairs.get(key).is_some_and(Value::is_null));
            }
            _ => {}
        }
        has.metadata.extend(gets.metadata);
    } else if let Details::Organization {
        name,
        domains,
        metadata,
        ..
    } = &mut found.details
    {
        organization_gets(&body, name, domains, metadata);
    }
    with_names(found)
}

fn organization_gets(
    body: &Value,
    name: &mut Option<String>,
    domains: &mut Vec<Domain>,
    metadata: &mut BTreeMap<String, String>,
) {
    if let Some(text) = body.get("name").and_then(Value::as_str) {
        *name = Some(text.to_owned());
    }
    if let Some(data) = body.get("domain_data").and_then(Value::as_array) {
        let written = data.iter().filter_map(|one| {
            Some(Domain {
                name: one.get("domain")?.as_str()?.to_owned(),
                verified: one.get("state").and_then(Value::as_str) == Some("verified"),
            })
        });
        *domains = written.collect();
    }
    let pairs = body.get("metadata").and_then(Value::as_object);
    for (key, value) in pairs.into_iter().flatten() {
        metadata.insert(key.clone(), value.as_str().unwrap_or_default().to_owned());
    }
}

fn membership_after(write: &Write, before: Option<&Found>, body: &Value, id: &str) -> Listed {
    let named = requests::roles_in(write.body.as_deref().unwrap_or_default());
    let had = before.map(|found| &found.details);
    let roles = match had {
        Some(Details::Membership { roles, .. }) if write.effect == Effect::Reactivated => {
            roles.clone()
        }
        _ if named.is_empty() => vec![DEFAULT_ROLE.to_owned()],
        _ => named,
    };
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let names = text("user_id").zip(text("organization_id"));
    let names = names.map(|(user, organization)| Name::of_pair(user, organization));
    Listed {
        found: Found {
            id: before.map_or(id, |found| &found.id).to_owned(),
            created_at: before.and_then(|found| found.created_at),
            used_at: None,
            details: Details::Membership {
                roles,
                active: true,
            },
        },
        names: names.into_iter().collect(),
    }
}
