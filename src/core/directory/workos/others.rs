//! Owns what is looked up, compared and written for objects that are neither users, organizations nor memberships: roles
//! and permissions, invitations, password resets, TOTP factors. Pure.

use http::Method;
use serde_json::{Map, Value, json};

use super::compare::{self, write};
use super::{answers, requests};
use crate::directory::{
    Ask, Change, Details, Found, Name, OnExisting, Policy, Refusal, State, Write,
};
use crate::journal::outcome::{ApiDetails, Effect};
use crate::row::{Claim, ExistingUser, InvitationClaim, Kind, RoleClaim, TotpFactorClaim};

/// Under which name a claim's object is looked up; `None`: it cannot be, or what it belongs to is not known yet.
pub(super) fn name_asked(ask: &Ask<'_>) -> Option<Name> {
    let organization = ask.base(Kind::Organization).map(|base| base.id.as_str());
    let within = |kind, by, belongs: bool, name: &str| match (belongs, organization) {
        (false, _) => Some(Name::new(kind, by, format!("/{name}"))),
        (true, Some(id)) => Some(Name::new(kind, by, format!("{id}/{name}"))),
        (true, None) => None,
    };
    match ask.claim {
        Claim::ExistingUser(ExistingUser::Email(email)) => {
            Some(Name::new(Kind::User, "email", email.to_ascii_lowercase()))
        }
        Claim::ExistingUser(ExistingUser::ExternalId(id)) => {
            Some(Name::new(Kind::User, "external_id", id))
        }
        Claim::ExistingUser(ExistingUser::Id(id)) => Some(Name::new(Kind::User, "id", id)),
        Claim::Permission(slug) => Some(Name::new(Kind::Permission, "slug", slug)),
        Claim::Role(role) => within(Kind::Role, "slug", role.organization.is_some(), &role.slug),
        Claim::Invitation(one) => within(
            Kind::Invitation,
            "email",
            one.organization.is_some(),
            &one.email,
        ),
        Claim::TotpFactor(_) => {
            let user = ask.base(Kind::User)?;
            Some(Name::new(Kind::TotpFactor, "user", &user.id))
        }
        Claim::PasswordReset(_)
        | Claim::User(_)
        | Claim::Organization(_)
        | Claim::Membership(_) => None,
    }
}

/// The read by which such a name is looked up.
pub(super) fn request(name: &Name) -> (&'static str, String) {
    let value = name.value.as_str();
    let (organization, within) = value.split_once('/').unwrap_or(("", value));
    match name.kind {
        Kind::Permission => ("find permission", requests::permission(value)),
        Kind::Role => ("find role", requests::role(organization, within)),
        Kind::Invitation => (
            "find invitation",
            requests::invitations_of(within, organization),
        ),
        _ => ("list factors", requests::auth_factors(value)),
    }
}

/// What the answer to such a read says.
pub(super) fn found(name: &Name, body: &Value) -> Option<Found> {
    match name.kind {
        Kind::Role => answers::role_details(body),
        Kind::Permission => answers::other(body, Kind::Permission),
        Kind::Invitation => {
            let (organization, email) = name.value.split_once('/')?;
            let is = |body: &Value| {
                let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
                text("state") == "pending"
                    && text("email").eq_ignore_ascii_case(email)
                    && text("organization_id") == organization
            };
            let read = |body: &Value| answers::other(body, Kind::Invitation).filter(|_| is(body));
            answers::list(body, read).items.into_iter().next()
        }
        _ => {
            let is_totp = |body: &Value| body.get("type").and_then(Value::as_str) == Some("totp");
            let read =
                |body: &Value| answers::other(body, Kind::TotpFactor).filter(|_| is_totp(body));
            answers::list(body, read).items.into_iter().next()
        }
    }
}

pub(super) fn diff(ask: &Ask<'_>, state: &State, policy: &Policy) -> Change {
    let there = match state {
        State::Found(found) => Some(found),
        State::Absent | State::Conflict { .. } => None,
    };
    match (ask.claim, there) {
        (Claim::Role(role), Some(found)) => role_that_is_there(ask, role, found, policy),
        (_, Some(found)) => Change::None {
            found: found.clone(),
            differs: false,
        },
        (Claim::ExistingUser(user), None) => Change::Missing {
            refusal: user_not_found(user),
            another_row_may_help: false,
        },
        (Claim::Permission(slug), None) => Change::Write(post(
            Kind::Permission,
            "create permission",
            requests::permissions(),
            json!({ "slug": slug, "name": slug }),
        )),
        (Claim::Role(role), None) => {
            let mut create = post(
                Kind::Role,
                "create role",
                match organization_of(ask, role) {
                    "" => requests::roles(),
                    id => requests::organization_roles(id),
                },
                json!({ "slug": role.slug, "name": role.name.as_ref().unwrap_or(&role.slug) }),
            );
            create.compare_again = !role.permissions.is_empty();
            Change::Write(create)
        }
        (Claim::Invitation(invitation), None) => Change::Write(post(
            Kind::Invitation,
            "send invitation",
            requests::invitations(),
            invitation_body(ask, invitation),
        )),
        (Claim::PasswordReset(email), None) => Change::Write(post(
            Kind::PasswordReset,
            "send password reset",
            requests::password_reset(),
            json!({ "email": email }),
        )),
        (Claim::TotpFactor(factor), None) => Change::Write(enrolment(ask, factor)),
        // Theirs is another file.
        (Claim::User(_) | Claim::Organization(_) | Claim::Membership(_), None) => {
            compare::diff(ask, state, policy)
        }
    }
}

fn organization_of<'a>(ask: &Ask<'a>, role: &RoleClaim) -> &'a str {
    match (&role.organization, ask.base(Kind::Organization)) {
        (Some(_), Some(organization)) => &organization.id,
        _ => "",
    }
}

/// What the role lacks is added whatever is done with those that are there; what it has beside is taken away only where
/// that was asked for.
fn role_that_is_there(ask: &Ask<'_>, role: &RoleClaim, found: &Found, policy: &Policy) -> Change {
    let none = |differs| Change::None {
        found: found.clone(),
        differs,
    };
    let Details::Role { name, permissions } = &found.details else {
        return none(false);
    };
    if policy.on_existing == OnExisting::Fail {
        return Change::Refuse(Refusal {
            error_type: "role",
            code: "role_exists",
            message: format!(
                "The role is there already ({}), and --on-existing is `fail`.",
                found.id
            ),
            api: ApiDetails::default(),
        });
    }
    let organization = organization_of(ask, role);
    let renamed = role.name.is_some() && &role.name != name;
    if renamed && policy.on_existing == OnExisting::Update {
        let mut update = write(
            Effect::Updated,
            Kind::Role,
            "update role",
            (Method::PATCH, requests::role(organization, &role.slug)),
            Some(requests::serialize(pairs([("name", json!(role.name))]))),
            Vec::new(),
        );
        update.compare_again = true;
        update.before = Some(json!({ "fields": ["name"] }).to_string());
        return Change::Write(update);
    }
    let lacks = role
        .permissions
        .iter()
        .any(|slug| !permissions.contains(slug));
    let has_more = permissions
        .iter()
        .any(|slug| !role.permissions.contains(slug));
    let has_to_lose = has_more && role.exact;
    if !lacks && !has_to_lose {
        return none(renamed || (has_more && !role.permissions.is_empty()));
    }
    let mut wanted = role.permissions.clone();
    if !role.exact {
        wanted.extend(
            permissions
                .iter()
                .filter(|slug| !role.permissions.contains(slug))
                .cloned(),
        );
    }
    let mut update = write(
        Effect::Updated,
        Kind::Role,
        "set role permissions",
        (
            Method::PUT,
            requests::role_permissions(organization, &role.slug),
        ),
        Some(requests::serialize(pairs([("permissions", json!(wanted))]))),
        Vec::new(),
    );
    update.before = Some(json!({ "permissions": permissions }).to_string());
    Change::Write(update)
}

/// Permissions that a role has and its row does not name.
pub(super) fn remark(ask: &Ask<'_>, found: &Found) -> Option<String> {
    let (Claim::Role(role), Details::Role { permissions, .. }) = (ask.claim, &found.details) else {
        return None;
    };
    let beside = permissions
        .iter()
        .filter(|slug| !role.permissions.contains(slug));
    let beside: Vec<&str> = beside.map(String::as_str).collect();
    let is_told = !beside.is_empty() && !role.permissions.is_empty();
    is_told.then(|| {
        format!(
            "the role has permissions that the row does not name: {}. They are left; --remove-permissions takes them away",
            beside.join(", ")
        )
    })
}

fn invitation_body(ask: &Ask<'_>, invitation: &InvitationClaim) -> Value {
    let mut body = pairs([("email", json!(invitation.email))]);
    let organization = ask
        .base(Kind::Organization)
        .filter(|_| invitation.organization.is_some());
    let texts = [
        ("organization_id", organization.map(|base| &base.id)),
        ("role_slug", invitation.role.as_ref()),
        ("inviter_user_id", invitation.inviter_user_id.as_ref()),
        ("locale", invitation.locale.as_ref()),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            body.insert(name.into(), json!(text));
        }
    }
    if let Some(days) = invitation.expires_in_days {
        body.insert("expires_in_days".into(), json!(days));
    }
    Value::Object(body)
}

fn enrolment(ask: &Ask<'_>, factor: &TotpFactorClaim) -> Box<Write> {
    let user = ask.base(Kind::User).map(|base| base.id.as_str());
    let mut body = pairs([
        ("type", json!("totp")),
        ("totp_secret", json!(factor.secret.expose())),
    ]);
    let texts = [("totp_issuer", &factor.issuer), ("totp_user", &factor.user)];
    for (name, text) in texts {
        if let Some(text) = text {
            body.insert(name.into(), json!(text));
        }
    }
    let mut enrol = post(
        Kind::TotpFactor,
        "enroll factor",
        requests::new_auth_factor(user.unwrap_or_default()),
        Value::Object(body),
    );
    enrol.secrets.push(factor.secret.clone());
    enrol
}

fn post(kind: Kind, call: &'static str, target: String, body: Value) -> Box<Write> {
    write(
        Effect::Created,
        kind,
        call,
        (Method::POST, target),
        Some(body.to_string().into()),
        Vec::new(),
    )
}

fn pairs<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    let pairs = pairs.into_iter();
    pairs
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn user_not_found(user: &ExistingUser) -> Refusal {
    Refusal {
        error_type: "user",
        code: "user_not_found",
        message: format!("User not found: {}", user.as_str()),
        api: ApiDetails {
            http_status: Some(404),
            ..ApiDetails::default()
        },
    }
}
