//! Owns who a row is about: what results and error files need of a row when it is done.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::columns::{OwnNames, Positions};
use super::field::Field;
use super::row_kind::RowKind;
use crate::source::{CellView, Cells};

/// Who a row is about, for results and error files; also of rows that fail.
#[derive(Clone)]
pub struct RowIdentity {
    pub record_number: u64,
    pub line: Option<u64>,
    pub(super) kind: RowKind,
    /// Where each field's cell is. Only known columns without secrets are kept; none of a broken record.
    pub(super) positions: Arc<Positions>,
    pub(super) record_id: Option<usize>,
    /// Of identities: the columns that are kept, as the source calls them.
    pub(super) own_names: Option<Arc<OwnNames>>,
    pub(super) cells: Option<Cells>,
}

impl RowIdentity {
    /// The email as in the source, trimmed.
    pub fn email(&self) -> Option<&str> {
        match self.cell(Field::Email)? {
            CellView::Text(text) => Some(text.trim()).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    /// The external id of what the row is about; a role's slug.
    pub fn external_id(&self) -> Option<Cow<'_, str>> {
        self.identifier(match self.kind {
            RowKind::Organizations => Field::OrgExternalId,
            RowKind::Memberships => Field::UserExternalId,
            RowKind::Roles => Field::RoleSlug,
            _ => Field::ExternalId,
        })
    }

    /// What the caller calls the row, where a column was named that says so.
    pub fn record_id(&self) -> Option<Cow<'_, str>> {
        label(self.cells.as_ref()?.get(self.record_id?))
    }

    /// The `org_id` cell.
    pub fn organization_id(&self) -> Option<Cow<'_, str>> {
        self.identifier(Field::OrgId)
    }

    /// The `org_external_id` cell.
    pub fn organization_external_id(&self) -> Option<Cow<'_, str>> {
        self.identifier(Field::OrgExternalId)
    }

    /// The row as it was, for error files: known columns by their own names, of identities by those of the source, because
    /// its mapping is needed to read them again; no secrets; `None` of a broken record.
    pub fn raw(&self) -> Option<Map<String, Value>> {
        let cells = self.cells.as_ref()?;
        let is_there = |cell: &CellView| !matches!(cell, CellView::Absent | CellView::Missing);
        if let Some(names) = &self.own_names {
            let pairs = names
                .iter()
                .map(|(position, name)| (name, cells.get(*position)));
            let present = pairs.filter(|(_, cell)| is_there(cell));
            return Some(
                present
                    .map(|(name, cell)| (name.clone(), cell.to_json()))
                    .collect(),
            );
        }
        let known = Field::ALL.into_iter().filter(|field| !field.is_secret());
        let cells = known.filter_map(|field| Some((field, self.cell(field)?)));
        let present = cells.filter(|(_, cell)| is_there(cell));
        let pairs = present.map(|(field, cell)| (field.as_str().to_owned(), cell.to_json()));
        Some(pairs.collect())
    }

    fn cell(&self, field: Field) -> Option<CellView<'_>> {
        let position = self.positions[field as usize]?;
        Some(self.cells.as_ref()?.get(position))
    }

    fn identifier(&self, field: Field) -> Option<Cow<'_, str>> {
        match self.cell(field)? {
            CellView::Text(text) if !text.trim().is_empty() => Some(Cow::Borrowed(text.trim())),
            CellView::Integer(number) => Some(Cow::Owned(number.to_string())),
            _ => None,
        }
    }
}

impl fmt::Debug for RowIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RowIdentity")
            .field("record_number", &self.record_number)
            .field("line", &self.line)
            .field("email", &self.email())
            .finish()
    }
}

/// What a cell calls its row: an id of any plain kind.
pub(super) fn label(cell: CellView<'_>) -> Option<Cow<'_, str>> {
    match cell {
        CellView::Text(text) if !text.trim().is_empty() => Some(Cow::Borrowed(text.trim())),
        CellView::Integer(number) => Some(Cow::Owned(number.to_string())),
        CellView::Number(text) => Some(Cow::Borrowed(text)),
        _ => None,
    }
}
