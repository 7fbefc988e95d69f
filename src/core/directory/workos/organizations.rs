//! Compares what is claimed of an organization with what the directory holds, and says what to write. Pure.

use http::Method;
use serde_json::{Map, Value, json};

use super::compare::write;
use super::requests;
use crate::directory::{Change, Details, Found, OnExisting, Policy, Refusal, organization_name};
use crate::journal::outcome::{ApiDetails, Effect};
use crate::row::Domain;
use crate::row::Kind;
use crate::row::claim::{OrganizationClaim, OrganizationReference};

/// One that is not there: made where a name is known.
pub(super) fn missing(claim: &OrganizationClaim, policy: &Policy) -> Change {
    match (&claim.reference, &claim.name) {
        (OrganizationReference::ExternalId(_), Some(name)) if policy.create_organizations => {
            Change::Write(write(
                Effect::Created,
                Kind::Organization,
                "create organization",
                (Method::POST, requests::organizations()),
                Some(requests::create_organization(claim, name)),
                Vec::new(),
            ))
        }
        (reference, _) => Change::Missing {
            refusal: not_found(reference),
            another_row_may_help: policy.create_organizations
                && matches!(reference, OrganizationReference::ExternalId(_)),
        },
    }
}

/// An organization that is there. Domains and metadata that the row does not name stay.
pub(super) fn there(claim: &OrganizationClaim, found: &Found, policy: &Policy) -> Change {
    let none = |differs| Change::None {
        found: found.clone(),
        differs,
    };
    let (
        Some(fields),
        Details::Organization {
            name,
            domains,
            metadata,
            ..
        },
    ) = (&claim.fields, &found.details)
    else {
        return none(false);
    };
    let mut body = Map::new();
    if claim.name.is_some() && &claim.name != name {
        body.insert("name".into(), json!(claim.name));
    }
    let is_there = |one: &Domain| domains.iter().any(|other| other.name == one.name);
    if !fields.domains.iter().all(is_there) {
        // The whole set is written: those that are there are sent again as they are.
        let mut all = domains.clone();
        all.extend(fields.domains.iter().filter(|one| !is_there(one)).cloned());
        body.insert("domain_data".into(), requests::domain_data(&all));
    }
    if let Some(pairs) = &fields.metadata {
        let same = pairs
            .iter()
            .all(|(key, value)| metadata.get(key).map(String::as_str) == value.as_str());
        if !same {
            body.insert("metadata".into(), Value::Object(pairs.clone()));
        }
    }
    match policy.on_existing {
        OnExisting::Skip => none(!body.is_empty()),
        OnExisting::Fail => Change::Refuse(Refusal {
            error_type: "organization",
            code: "organization_exists",
            message: format!(
                "The organization is there already ({}), and --on-existing is `fail`.",
                found.id
            ),
            api: ApiDetails::default(),
        }),
        OnExisting::Update if body.is_empty() => none(false),
        OnExisting::Update => {
            let names: Vec<&String> = body.keys().collect();
            let before = json!({ "fields": names }).to_string();
            let mut update = write(
                Effect::Updated,
                Kind::Organization,
                "update organization",
                (Method::PUT, requests::organization(&found.id)),
                Some(requests::serialize(body)),
                Vec::new(),
            );
            update.before = Some(before);
            Change::Write(update)
        }
    }
}

pub(super) fn not_found(reference: &OrganizationReference) -> Refusal {
    Refusal {
        error_type: "org_resolution",
        code: "org_resolution",
        message: format!("Organization not found: {}", organization_name(reference)),
        api: ApiDetails {
            http_status: Some(404),
            ..ApiDetails::default()
        },
    }
}
