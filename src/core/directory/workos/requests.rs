//! Owns the paths and bodies of the requests that we send. Compared with those of the official `workos` crate by a test.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::directory::address::{query, segment};
use crate::directory::{End, Listing};
use crate::row::claim::{
    MembershipClaim, OrganizationClaim, OrganizationReference, Password, UserClaim,
};
use crate::row::{Domain, Kind};

pub(super) fn users() -> String {
    "/user_management/users".into()
}

pub(super) fn user(id: &str) -> String {
    format!("/user_management/users/{}", segment(id))
}

/// One page of a list. Lists are sorted by the time of creation.
pub(super) fn list_page(listing: &Listing, from: End, after: Option<&str>) -> String {
    let mut pairs = vec![("limit", "100")];
    pairs.push(match from {
        End::Oldest => ("order", "asc"),
        End::Newest => ("order", "desc"),
    });
    let path = match listing {
        Listing::Users => "/user_management/users",
        Listing::Organizations => "/organizations",
        Listing::MembershipsOf(id) | Listing::MembershipsOfUser(id) => {
            pairs.push(match listing {
                Listing::MembershipsOfUser(_) => ("user_id", id),
                _ => ("organization_id", id),
            });
            // Without `statuses` the list would show active ones only.
            pairs.push(("statuses", "active,inactive,pending"));
            "/user_management/organization_memberships"
        }
    };
    if let Some(after) = after {
        pairs.push(("after", after));
    }
    format!("{path}?{}", query(&pairs))
}

/// The smallest read: one user.
pub(super) fn one_user() -> String {
    "/user_management/users?limit=1&order=asc".into()
}

pub(super) fn users_by_email(email: &str) -> String {
    format!("/user_management/users?{}", query(&[("email", email)]))
}

pub(super) fn user_by_external_id(external_id: &str) -> String {
    format!(
        "/user_management/users/external_id/{}",
        segment(external_id)
    )
}

pub(super) fn organizations() -> String {
    "/organizations".into()
}

pub(super) fn organization(id: &str) -> String {
    format!("/organizations/{}", segment(id))
}

pub(super) fn organization_by_external_id(external_id: &str) -> String {
    format!("/organizations/external_id/{}", segment(external_id))
}

pub(super) fn roles() -> String {
    "/authorization/roles".into()
}

pub(super) fn organization_roles(id: &str) -> String {
    format!("/authorization/organizations/{}/roles", segment(id))
}

/// A role of the environment (`organization` is empty), or of an organization.
pub(super) fn role(organization: &str, slug: &str) -> String {
    let list = match organization {
        "" => roles(),
        id => organization_roles(id),
    };
    format!("{list}/{}", segment(slug))
}

pub(super) fn role_permissions(organization: &str, slug: &str) -> String {
    format!("{}/permissions", role(organization, slug))
}

pub(super) fn permissions() -> String {
    "/authorization/permissions".into()
}

pub(super) fn permission(slug: &str) -> String {
    format!("/authorization/permissions/{}", segment(slug))
}

pub(super) fn invitations() -> String {
    "/user_management/invitations".into()
}

/// The latest invitations of an address, into an organization unless that is empty.
pub(super) fn invitations_of(email: &str, organization: &str) -> String {
    let mut pairs = vec![("email", email), ("limit", "100"), ("order", "desc")];
    if !organization.is_empty() {
        pairs.push(("organization_id", organization));
    }
    format!("/user_management/invitations?{}", query(&pairs))
}

pub(super) fn password_reset() -> String {
    "/user_management/password_reset".into()
}

pub(super) fn new_auth_factor(user: &str) -> String {
    format!("/user_management/users/{}/auth_factors", segment(user))
}

pub(super) fn auth_factors(user: &str) -> String {
    format!("{}?limit=100", new_auth_factor(user))
}

pub(super) fn memberships() -> String {
    "/user_management/organization_memberships".into()
}

/// Without `statuses` the list would show active ones only.
pub(super) fn memberships_of(user_id: &str, organization_id: &str) -> String {
    let pairs = [
        ("user_id", user_id),
        ("organization_id", organization_id),
        ("statuses", "active,inactive,pending"),
    ];
    format!(
        "/user_management/organization_memberships?{}",
        query(&pairs)
    )
}

/// The first memberships of a user or in an organization, of whatever status.
pub(super) fn memberships_with(kind: Kind, id: &str) -> String {
    let pairs = [
        (
            match kind {
                Kind::Organization => "organization_id",
                _ => "user_id",
            },
            id,
        ),
        ("statuses", "active,inactive,pending"),
    ];
    format!(
        "/user_management/organization_memberships?{}",
        query(&pairs)
    )
}

pub(super) fn membership(id: &str) -> String {
    format!("/user_management/organization_memberships/{}", segment(id))
}

pub(super) fn membership_reactivation(id: &str) -> String {
    format!(
        "/user_management/organization_memberships/{}/reactivate",
        segment(id)
    )
}

/// The body that creates a user: every field that the row claims.
pub(super) fn create_user(claim: &UserClaim) -> Bytes {
    let mut body = Map::new();
    body.insert("email".into(), json!(claim.email));
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.into(), value);
        }
    };
    put(
        "first_name",
        claim.first_name.as_ref().map(|text| json!(text)),
    );
    put(
        "last_name",
        claim.last_name.as_ref().map(|text| json!(text)),
    );
    put("name", claim.name.as_ref().map(|text| json!(text)));
    put("email_verified", claim.email_verified.map(Value::Bool));
    put(
        "external_id",
        claim.external_id.as_ref().map(|text| json!(text)),
    );
    put("metadata", claim.metadata.clone().map(Value::Object));
    put_password(&mut body, claim.password.as_ref());
    serialize(body)
}

/// Adds the one form of password that the claim has.
pub(super) fn put_password(body: &mut Map<String, Value>, password: Option<&Password>) {
    match password {
        None => {}
        Some(Password::Plain(password)) => {
            body.insert("password".into(), json!(password.expose()));
        }
        Some(Password::Hash { hash, kind }) => {
            body.insert("password_hash".into(), json!(hash.expose()));
            body.insert("password_hash_type".into(), json!(kind.as_str()));
        }
        // WorkOS is always told the type: rows for it have it beside the hash.
        Some(Password::EncodedHash(hash)) => {
            body.insert("password_hash".into(), json!(hash.expose()));
        }
    }
}

/// The body that creates an organization.
pub(super) fn create_organization(claim: &OrganizationClaim, name: &str) -> Bytes {
    let mut body = Map::new();
    body.insert("name".into(), json!(name));
    if let OrganizationReference::ExternalId(external_id) = &claim.reference {
        body.insert("external_id".into(), json!(external_id));
    }
    if let Some(fields) = &claim.fields {
        if !fields.domains.is_empty() {
            body.insert("domain_data".into(), domain_data(&fields.domains));
        }
        if let Some(metadata) = &fields.metadata {
            body.insert("metadata".into(), Value::Object(metadata.clone()));
        }
    }
    serialize(body)
}

/// Domains as the API takes them.
pub(crate) fn domain_data(domains: &[Domain]) -> Value {
    let domains = domains.iter().map(|domain| {
        let state = if domain.verified {
            "verified"
        } else {
            "pending"
        };
        json!({ "domain": domain.name, "state": state })
    });
    Value::Array(domains.collect())
}

/// The body that creates a membership.
pub(super) fn create_membership(
    user_id: &str,
    organization_id: &str,
    claim: &MembershipClaim,
) -> Bytes {
    let mut body = Map::new();
    body.insert("user_id".into(), json!(user_id));
    body.insert("organization_id".into(), json!(organization_id));
    put_roles(&mut body, &claim.roles);
    serialize(body)
}

/// The body that gives a membership these roles.
pub(super) fn membership_roles(roles: &[String]) -> Bytes {
    let mut body = Map::new();
    put_roles(&mut body, roles);
    serialize(body)
}

/// One role goes as `role_slug`, which every environment takes; several only as `role_slugs`.
fn put_roles(body: &mut Map<String, Value>, roles: &[String]) {
    match roles {
        [] => {}
        [role] => {
            body.insert("role_slug".into(), json!(role));
        }
        roles => {
            body.insert("role_slugs".into(), json!(roles));
        }
    }
}

/// The roles that a body names.
pub(super) fn roles_in(body: &[u8]) -> Vec<String> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let one = body.get("role_slug").into_iter();
    let several = body.get("role_slugs").and_then(Value::as_array);
    one.chain(several.into_iter().flatten())
        .filter_map(|role| role.as_str().map(str::to_owned))
        .collect()
}

pub(super) fn serialize(body: Map<String, Value>) -> Bytes {
    Bytes::from(Value::Object(body).to_string())
}
