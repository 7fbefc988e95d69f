//! Owns `metadata`: a JSON object whose values become text, within the API's limits.

use serde_json::{Map, Value};

use super::IssueCode;
use super::claim::Clear;
use super::field::Field;
use super::issue::{Notes, quoted};
use crate::source::CellView;

/// OpenAPI document of WorkOS: the API refuses more.
const PAIRS: usize = 50;
/// workos.com/docs: more is not promised.
const PROMISED_PAIRS: usize = 10;
/// OpenAPI document of WorkOS, in characters.
const KEY_LENGTH: usize = 40;
/// OpenAPI document of WorkOS, in characters.
const VALUE_LENGTH: usize = 600;

/// The pairs as the API takes them; none for a blank cell or an empty object. `cleared`: where pairs that are `null` are
/// to be cleared, the place for them.
pub(super) fn metadata(
    cell: CellView,
    cleared: Option<&mut Vec<Clear>>,
    notes: &mut Notes,
) -> Option<Map<String, Value>> {
    let (mut pairs, source) = match cell {
        CellView::Absent | CellView::Missing => return None,
        CellView::Text(text) if text.trim().is_empty() => return None,
        CellView::Text(text) => (parse(text, Field::Metadata, notes)?, Some(text)),
        CellView::Map(pairs) => {
            let pairs = pairs
                .iter()
                .map(|(key, cell)| (key.clone(), cell.to_json()));
            (pairs.collect(), None)
        }
        other => {
            let what = format!("must be a JSON object, not {}", other.kind());
            invalid(&what, Field::Metadata, notes);
            return None;
        }
    };
    let mut has_null = false;
    for (key, value) in &mut pairs {
        match value {
            Value::String(_) => {}
            Value::Null => has_null = true,
            other => *other = Value::String(as_text(key, other, source, notes)),
        }
    }
    if has_null {
        take_out_nulls(&mut pairs, cleared, notes);
    }
    check(&pairs, notes);
    (!pairs.is_empty()).then_some(pairs)
}

fn take_out_nulls(
    pairs: &mut Map<String, Value>,
    mut cleared: Option<&mut Vec<Clear>>,
    notes: &mut Notes,
) {
    pairs.retain(|key, value| {
        match &mut cleared {
            Some(cleared) if value.is_null() => cleared.push(Clear::MetadataPair(key.clone())),
            None if value.is_null() => {
                let message = format!("metadata {} is null and is left out", quoted(key));
                notes.warning(IssueCode::NullMetadata, Field::Metadata, message);
            }
            _ => {}
        }
        !value.is_null()
    });
    // The order of keys has no meaning.
    if let Some(cleared) = cleared {
        cleared.sort();
    }
}

/// The object that a cell of the field has as text.
pub(super) fn parse(text: &str, field: Field, notes: &mut Notes) -> Option<Map<String, Value>> {
    match serde_json::from_str(text) {
        Ok(Value::Object(pairs)) => Some(pairs),
        Ok(other) => {
            let kind = match other {
                Value::Array(_) => "a list",
                Value::String(_) => "a text",
                Value::Null => "null",
                _ => "a single value",
            };
            invalid(&format!("must be a JSON object, not {kind}"), field, notes);
            None
        }
        Err(error) => {
            // Only the kind and place of the fault: serde_json's texts name no content for faults of syntax.
            invalid(&format!("is invalid JSON: {error}"), field, notes);
            None
        }
    }
}

pub(super) fn invalid(what: &str, field: Field, notes: &mut Notes) {
    let name = field.as_str();
    notes.error(
        IssueCode::InvalidMetadata,
        field,
        format!("{name} {what} (straight double quotes, like {{\"role\":\"admin\"}})"),
    );
}

/// A value as text. The API takes no other.
fn as_text(key: &str, value: &Value, source: Option<&str>, notes: &mut Notes) -> String {
    let text = value.to_string();
    match value {
        // A number that was read as it is written is found again in the text of the cell.
        Value::Number(_) if source.is_some_and(|source| !source.contains(&text)) => {
            let message = format!(
                "metadata {} is stored as {text}. Put the number into quotes to keep each digit",
                quoted(key)
            );
            notes.warning(IssueCode::InexactNumber, Field::Metadata, message);
        }
        Value::Array(_) | Value::Object(_) => {
            let message = format!(
                "metadata {} is nested and is stored as its JSON text",
                quoted(key)
            );
            notes.warning(IssueCode::NestedMetadata, Field::Metadata, message);
        }
        _ => {}
    }
    text
}

fn check(pairs: &Map<String, Value>, notes: &mut Notes) {
    let field = Field::Metadata;
    if pairs.len() > PAIRS {
        let message = format!("metadata has {} pairs; the API takes {PAIRS}", pairs.len());
        notes.error(IssueCode::MetadataLimit, field, message);
    } else if pairs.len() > PROMISED_PAIRS {
        let message = format!(
            "metadata has {} pairs; the API's documentation promises {PROMISED_PAIRS}",
            pairs.len()
        );
        notes.warning(IssueCode::UnusualMetadata, field, message);
    }
    let mut is_ascii = true;
    for (key, value) in pairs {
        let value = value.as_str().unwrap_or_default();
        is_ascii &= key.is_ascii() && value.is_ascii();
        if longer_than(key, KEY_LENGTH) || key.is_empty() {
            let message = format!(
                "the metadata key {} must have 1 to {KEY_LENGTH} characters",
                quoted(key)
            );
            notes.error(IssueCode::MetadataLimit, field, message);
        }
        if longer_than(value, VALUE_LENGTH) {
            let message = format!(
                "the value of metadata {} is longer than {VALUE_LENGTH} characters",
                quoted(key)
            );
            notes.error(IssueCode::MetadataLimit, field, message);
        }
    }
    if !is_ascii {
        let message = "metadata has characters that are not ASCII; the API's documentation promises ASCII only";
        notes.warning(IssueCode::UnusualMetadata, field, message);
    }
}

/// More characters than that. Counts only where bytes do not already tell.
pub(super) fn longer_than(text: &str, limit: usize) -> bool {
    text.len() > limit && text.chars().count() > limit
}
