//! Owns what a row about an identity means: a user whose fields a schema decides (Ory Kratos).

mod address;
mod hash;
mod path;
mod places;
mod rules;
mod schema;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

pub use rules::IdentityRules;
pub use schema::IdentitySchema;

pub(super) use path::IdentityPath;
pub(super) use places::Places;

use path::Part;
use places::Place;
use schema::Fault;

use super::claim::{Claim, IdentityFields, IdentityState, UserClaim};
use super::columns::Columns;
use super::field::Field;
use super::interpret::email;
use super::issue::{Notes, quoted};
use super::step::Step;
use super::{IssueCode, convert, metadata, near};
use crate::source::{CellView, Cells};

/// Among more names than these no near one is looked for, row by row.
const NEAR_AMONG: usize = 1_000;
/// So many allowed names a message has.
const NAMED: usize = 10;

/// The steps that a row about an identity claims; what is wrong with it is noted, all of it at once.
pub(super) fn read(
    columns: &Columns,
    cells: &Cells,
    rules: &IdentityRules,
    notes: &mut Notes,
) -> Vec<Step> {
    let cell = |field| match columns.position(field) {
        Some(position) => cells.get(position),
        None => CellView::Missing,
    };
    say_clashes(columns, cells, notes);
    let email = email(cell(Field::Email), notes);
    check_listed(
        cell(Field::Role),
        rules.allowed_roles.as_ref(),
        (Field::Role, IssueCode::InvalidRole, "role that is allowed"),
        notes,
    );
    check_listed(
        cell(Field::TenantId),
        rules.allowed_tenants.as_ref(),
        (
            Field::TenantId,
            IssueCode::UnknownTenant,
            "tenant that is known",
        ),
        notes,
    );
    let password = hash::password(
        cell(Field::InitialPassword),
        cell(Field::Password),
        cell(Field::PasswordHash),
        notes,
    );
    let external_id = convert::identifier(cell(Field::ExternalId), Field::ExternalId, notes);
    let email_verified = convert::boolean(cell(Field::EmailVerified), Field::EmailVerified, notes);
    let state = state(cell(Field::State), notes);
    let [traits, metadata_public, metadata_admin] = parts(columns, cells, rules, notes);
    if let Some(schema) = &rules.schema {
        for fault in schema.faults(&traits) {
            say_fault(&fault, columns, notes);
        }
    }
    let not_empty = |part: Map<String, Value>| (!part.is_empty()).then_some(part);
    let schema = rules.schema.as_ref();
    let identity = IdentityFields {
        schema_id: rules.schema_id.clone(),
        identifiers: schema.and_then(|schema| schema.identifiers(&traits)),
        traits,
        state,
        metadata_public: not_empty(metadata_public),
        metadata_admin: not_empty(metadata_admin),
        random_password: rules.random_password,
    };
    let user = UserClaim {
        email,
        email_verified,
        external_id,
        password,
        identity: Some(Box::new(identity)),
        ..UserClaim::default()
    };
    vec![Step::new(Claim::User(Box::new(user)))]
}

/// Cells of columns that came after another of the same place.
fn say_clashes(columns: &Columns, cells: &Cells, notes: &mut Notes) {
    for clash in columns.places().clashes() {
        if !cells.get(clash.position).is_blank() {
            let message = format!(
                "this key goes to `{}`, and another one before it to `{}`. Use one of the two",
                clash.path, clash.other.path
            );
            notes.error_at(IssueCode::DuplicateColumn, Some(clash.position), message);
        }
    }
}

/// Notes a cell that is none of the listed names.
fn check_listed(
    cell: CellView,
    listed: Option<&BTreeSet<String>>,
    (field, code, what): (Field, IssueCode, &str),
    notes: &mut Notes,
) {
    let Some(listed) = listed else { return };
    let name = match cell {
        cell if cell.is_blank() => return,
        CellView::Text(text) => text.trim().to_owned(),
        CellView::Integer(number) => number.to_string(),
        other => return convert::wrong_type(other, field, "text", notes),
    };
    if listed.contains(&name) {
        return;
    }
    let mut message = format!("{} is no {what}", quoted(&name));
    let names = || listed.iter().map(String::as_str);
    if listed.len() <= NAMED {
        let names: Vec<&str> = names().collect();
        message = format!("{message}: {}", names.join(", "));
    }
    if listed.len() <= NEAR_AMONG
        && let Some(near) = near::nearest(&name, names())
    {
        message = format!("{message}. Did you mean `{near}`?");
    }
    notes.error(code, field, message);
}

fn state(cell: CellView, notes: &mut Notes) -> Option<IdentityState> {
    let text = convert::text(cell, Field::State, notes)?;
    let known = IdentityState::ALL
        .into_iter()
        .find(|state| state.as_str().eq_ignore_ascii_case(&text));
    if known.is_none() {
        let message = format!("{} is neither `active` nor `inactive`", quoted(&text));
        notes.error(IssueCode::InvalidState, Field::State, message);
    }
    known
}

/// What the cells fill: traits, public metadata, metadata of administrators.
fn parts(
    columns: &Columns,
    cells: &Cells,
    rules: &IdentityRules,
    notes: &mut Notes,
) -> [Map<String, Value>; 3] {
    let mut parts = [Map::new(), Map::new(), Map::new()];
    for Place { position, path, .. } in columns.places().iter() {
        let cell = cells.get(*position);
        let schema = rules.schema.as_ref().filter(|_| path.part == Part::Traits);
        let value = match path.names.is_empty() {
            true => metadata_object(cell, path.part, notes),
            false => value::of_trait(cell, &path.names, schema).unwrap_or_else(|what| {
                let message = format!("`{path}` cannot be {what}");
                notes.error_at(IssueCode::WrongType, Some(*position), message);
                None
            }),
        };
        if let Some(value) = value {
            path.put(value, &mut parts[path.part as usize]);
        }
    }
    parts
}

/// A whole object of metadata: any JSON object, unlike that of WorkOS.
fn metadata_object(cell: CellView, part: Part, notes: &mut Notes) -> Option<Value> {
    let field = match part {
        Part::MetadataAdmin => Field::MetadataAdmin,
        _ => Field::MetadataPublic,
    };
    match cell {
        cell if cell.is_blank() => None,
        CellView::Text(text) => metadata::parse(text, field, notes).map(Value::Object),
        CellView::Map(_) => Some(cell.to_json()),
        other => {
            let what = format!("must be a JSON object, not {}", other.kind());
            metadata::invalid(&what, field, notes);
            None
        }
    }
}

/// Notes what the schema has against the row, under the column that the value came from or would have come from. A column of
/// which something was said already is left at that.
fn say_fault(fault: &Fault, columns: &Columns, notes: &mut Notes) {
    let of_traits = || {
        columns
            .places()
            .iter()
            .filter(|place| place.path.part == Part::Traits)
    };
    let above = of_traits().find(|place| fault.path.starts_with(&place.path.names));
    // A trait that is missing as a whole, of which columns fill parts.
    let within = || of_traits().find(|place| place.path.names.starts_with(&fault.path));
    let place = above.or_else(|| within().filter(|_| fault.is_missing));
    let position = place.map(|place| place.position);
    if let Some(position) = position
        && notes.has_error_at(position)
    {
        return;
    }
    let path = std::iter::once("traits").chain(fault.path.iter().map(String::as_str));
    let path = path.collect::<Vec<_>>().join(".");
    let (code, message) = match fault.is_missing {
        true => (
            IssueCode::MissingTrait,
            format!("`{path}` has no value, and the schema demands one"),
        ),
        false => (
            IssueCode::InvalidTrait,
            format!("`{path}`: {}", fault.wants),
        ),
    };
    notes.error_at(code, position, message);
}
