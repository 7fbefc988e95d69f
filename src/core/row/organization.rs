//! Owns a row's organization and roles: which organization the cells name, and what is sent as role slugs.

use super::IssueCode;
use super::claim::{OrganizationClaim, OrganizationReference};
use super::convert::{identifier, text, wrong_type};
use super::field::Field;
use super::issue::{Notes, quoted};
use crate::source::{Cell, CellView};

/// The organization that a row names; none if it names none, or names it wrongly.
pub(super) fn organization(
    id: CellView,
    external_id: CellView,
    name: CellView,
    notes: &mut Notes,
) -> Option<OrganizationClaim> {
    let id = text(id, Field::OrgId, notes);
    let external_id = identifier(external_id, Field::OrgExternalId, notes);
    let name = text(name, Field::OrgName, notes);
    match (id, external_id, name) {
        (Some(_), Some(_), _) => {
            notes.error(
                IssueCode::ConflictingOrganization,
                Field::OrgId,
                "Both org_id and org_external_id specified in same row. Clear one of the two",
            );
            None
        }
        (Some(id), None, _) => {
            if !id.starts_with("org_") {
                let message = format!(
                    "{} does not begin with `org_`. If it is your own id, it belongs into org_external_id",
                    quoted(&id)
                );
                notes.warning(IssueCode::UnusualOrganizationId, Field::OrgId, message);
            }
            Some(OrganizationClaim {
                reference: OrganizationReference::Id(id),
                name: None,
                fields: None,
            })
        }
        (None, Some(external_id), name) => Some(OrganizationClaim {
            reference: OrganizationReference::ExternalId(external_id),
            name,
            fields: None,
        }),
        (None, None, Some(_)) => {
            notes.error(
                IssueCode::OrganizationNameAlone,
                Field::OrgName,
                "the row has only org_name. Add org_external_id (your own id for the organization) or org_id",
            );
            None
        }
        (None, None, None) => None,
    }
}

/// The role slugs of a row, each once, in their order.
pub(super) fn roles(cell: CellView, notes: &mut Notes) -> Vec<String> {
    let Some(roles) = list(cell, Field::RoleSlugs, notes) else {
        return Vec::new();
    };
    let mut distinct: Vec<String> = Vec::with_capacity(roles.len());
    for role in roles {
        if !is_usual(&role) {
            let message = format!(
                "{} is no usual role slug: slugs have lower-case letters, digits, - and _ only",
                quoted(&role)
            );
            notes.warning(IssueCode::UnusualRoleSlug, Field::RoleSlugs, message);
        }
        if !distinct.contains(&role) {
            distinct.push(role);
        }
    }
    distinct
}

/// The texts of a cell that has several, with commas or as a list; `None`, and noted, if it has something else.
pub(super) fn list(cell: CellView, field: Field, notes: &mut Notes) -> Option<Vec<String>> {
    let texts = match cell {
        CellView::Absent | CellView::Missing => Some(Vec::new()),
        CellView::Text(text) => from_text(text.trim()),
        CellView::List(cells) => from_cells(cells),
        other => {
            wrong_type(other, field, "a list of texts", notes);
            return None;
        }
    };
    if texts.is_none() {
        let (code, example) = match field {
            Field::RoleSlugs => (
                IssueCode::InvalidRoleSlugs,
                "admin,member or [\"admin\",\"member\"]",
            ),
            _ => (IssueCode::InvalidList, "a,b or [\"a\",\"b\"]"),
        };
        let message = format!(
            "{} must be a list with commas or a JSON array of texts, like {example}",
            field.as_str()
        );
        notes.error(code, field, message);
    }
    texts
}

fn from_text(text: &str) -> Option<Vec<String>> {
    if text.starts_with('[') {
        return match serde_json::from_str(text).ok()? {
            Cell::List(cells) => from_cells(&cells),
            _ => None,
        };
    }
    let parts = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    Some(parts.map(str::to_owned).collect())
}

fn from_cells(cells: &[Cell]) -> Option<Vec<String>> {
    let mut roles = Vec::with_capacity(cells.len());
    for cell in cells {
        match cell {
            Cell::Text(text) if text.trim().is_empty() => {}
            Cell::Text(text) => roles.push(text.trim().to_owned()),
            _ => return None,
        }
    }
    Some(roles)
}

fn is_usual(slug: &str) -> bool {
    slug.bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
}
