//! Owns the change from cells to plain values: texts, ids, true or false. A typed cell is taken as it is.

use super::IssueCode;
use super::field::Field;
use super::issue::{Notes, quoted};
use crate::source::CellView;

/// A trimmed text; blank is none.
pub(super) fn text(cell: CellView, field: Field, notes: &mut Notes) -> Option<String> {
    match cell {
        CellView::Absent | CellView::Missing => None,
        CellView::Text(text) => not_empty(text.trim()),
        other => {
            wrong_type(other, field, "text", notes);
            None
        }
    }
}

/// An id of the caller's own: text, or a whole number as people and databases have them.
pub(super) fn identifier(cell: CellView, field: Field, notes: &mut Notes) -> Option<String> {
    let identifier = match cell {
        CellView::Integer(number) => Some(number.to_string()),
        CellView::Number(_) => {
            notes.error(
                IssueCode::WrongType,
                field,
                format!(
                    "`{}` is a decimal number. Make the whole column text (pandas turns whole numbers with gaps into \
                     decimals)",
                    field.as_str()
                ),
            );
            None
        }
        other => text(other, field, notes),
    };
    if let Some(id) = identifier.as_deref().filter(|id| is_spreadsheet_number(id)) {
        notes.warning(
            IssueCode::SpreadsheetNumber,
            field,
            format!(
                "{} looks like a long number that a spreadsheet has changed. Export it again as text",
                quoted(id)
            ),
        );
    }
    identifier
}

/// True or false in the words of behaviour.md, any case.
pub(super) fn boolean(cell: CellView, field: Field, notes: &mut Notes) -> Option<bool> {
    let value = match cell {
        CellView::Absent | CellView::Missing => return None,
        CellView::Bool(value) => return Some(value),
        CellView::Integer(1) => return Some(true),
        CellView::Integer(0) => return Some(false),
        CellView::Text(text) if text.trim().is_empty() => return None,
        CellView::Text(text) => text.trim(),
        other => {
            invalid_boolean(other.kind(), field, notes);
            return None;
        }
    };
    let read = words_of_truth(value);
    if read.is_none() {
        invalid_boolean(&quoted(value), field, notes);
    }
    read
}

/// What a trimmed text says, if it is one of the words.
pub(super) fn words_of_truth(text: &str) -> Option<bool> {
    let is_one_of = |words: [&str; 4]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_one_of(["true", "1", "yes", "y"]) {
        Some(true)
    } else if is_one_of(["false", "0", "no", "n"]) {
        Some(false)
    } else {
        None
    }
}

fn invalid_boolean(what: &str, field: Field, notes: &mut Notes) {
    let name = field.as_str();
    notes.error(
        IssueCode::InvalidBoolean,
        field,
        format!("{what} is no value for `{name}`. Write true or false (or 1/0, yes/no, y/n)"),
    );
}

pub(super) fn wrong_type(cell: CellView, field: Field, wanted: &str, notes: &mut Notes) {
    notes.error(
        IssueCode::WrongType,
        field,
        format!("`{}` must be {wanted}, not {}", field.as_str(), cell.kind()),
    );
}

pub(super) fn not_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// `1.2E+15`, `1,2E+15`: what a spreadsheet makes of a long number.
fn is_spreadsheet_number(text: &str) -> bool {
    let Some((digits, exponent)) = text.split_once(['E', 'e']) else {
        return false;
    };
    let mut parts = digits.splitn(2, ['.', ',']);
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    exponent.strip_prefix('+').is_some_and(all_digits)
        && parts.next().is_some_and(|part| part.len() == 1)
        && digits.as_bytes()[0].is_ascii_digit()
        && parts.next().is_none_or(all_digits)
}

#[cfg(test)]
mod tests {
    use super::is_spreadsheet_number;

    #[test]
    fn spreadsheet_numbers_are_recognised() {
        for number in ["1.2E+15", "1,23457E+11", "4E+20", "1.2e+15"] {
            assert!(is_spreadsheet_number(number), "{number}");
        }
        for text in [
            "1.2E15", "E+15", "a1E+15", "12E+15x", "acme", "", "é1E+1", "1.E+5",
        ] {
            assert!(!is_spreadsheet_number(text), "{text}");
        }
    }
}
