//! Owns what `--clear-empty` makes of empty cells: which fields they clear, and which are left alone all the same.

use super::IssueCode;
use super::claim::Clear;
use super::columns::Columns;
use super::field::Field;
use super::interpret::Rules;
use super::issue::Issue;
use crate::source::CellView;

/// The fields that an empty cell clears.
pub(super) const CLEARED: [(Field, Clear); 4] = [
    (Field::FirstName, Clear::FirstName),
    (Field::LastName, Clear::LastName),
    (Field::Name, Clear::Name),
    (Field::Metadata, Clear::Metadata),
];

/// The columns whose empty cells say nothing, whatever is asked for: ids and passwords are never taken away, roles
/// neither, and true or false cannot be empty.
const LEFT_ALONE: [Field; 5] = [
    Field::ExternalId,
    Field::EmailVerified,
    Field::Password,
    Field::PasswordHash,
    Field::RoleSlugs,
];

/// What a row's empty cells clear. A column that the row does not have says nothing.
pub(super) fn clears<'cell>(cell: impl Fn(Field) -> CellView<'cell>, rules: &Rules) -> Vec<Clear> {
    if !rules.clear_empty {
        return Vec::new();
    }
    let said = CLEARED
        .into_iter()
        .filter(|(field, _)| cell(*field).is_said_blank());
    said.map(|(_, clear)| clear).collect()
}

/// What has to be said once about columns whose empty cells are not cleared. `is_new`: it was not said before.
pub(super) fn warning(
    columns: &Columns,
    rules: &Rules,
    is_new: impl Fn(Field) -> bool,
) -> Option<Issue> {
    let left: Vec<String> = LEFT_ALONE
        .into_iter()
        .filter(|field| rules.clear_empty && columns.has(*field) && is_new(*field))
        .map(|field| format!("`{}`", field.as_str()))
        .collect();
    (!left.is_empty()).then(|| {
        let message = format!(
            "--clear-empty does not clear {}: empty cells there leave what is there as it is",
            left.join(", ")
        );
        Issue::about_source(IssueCode::NeverCleared, message)
    })
}
