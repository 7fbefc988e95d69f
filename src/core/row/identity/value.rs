//! Owns the change from a cell to what stands in an identity: a text becomes what the schema wants in its place.

use serde_json::{Number, Value};

use super::schema::IdentitySchema;
use crate::row::convert::words_of_truth;
use crate::source::CellView;

/// The value of a cell for a trait; `None` of a blank one. A typed cell is taken as it is, and a text that is not what the
/// schema wants stays a text, against which the schema has something then.
///
/// # Errors
/// When the cell has no form as JSON; what it is.
pub(super) fn of_trait<'cell>(
    cell: CellView<'cell>,
    names: &[String],
    schema: Option<&IdentitySchema>,
) -> Result<Option<Value>, &'cell str> {
    match cell {
        cell if cell.is_blank() => Ok(None),
        CellView::Unusable(what) => Err(what),
        CellView::Text(text) => {
            let types = schema.map(|schema| schema.types(names)).unwrap_or_default();
            let text = text.trim();
            let wanted = as_wanted(text, &types);
            Ok(Some(wanted.unwrap_or_else(|| Value::from(text))))
        }
        cell => Ok(Some(cell.to_json())),
    }
}

/// The text as the first of the types that it can be; `None` where a text is wanted too, or it can be none of them.
fn as_wanted(text: &str, types: &[&str]) -> Option<Value> {
    if types.contains(&"string") {
        return None;
    }
    types.iter().find_map(|wanted| match *wanted {
        // Schemas count 5.0 as an integer.
        "integer" | "number" => serde_json::from_str::<Number>(text).ok().map(Value::Number),
        "boolean" => words_of_truth(text).map(Value::Bool),
        "array" => serde_json::from_str(text).ok().filter(Value::is_array),
        "object" => serde_json::from_str(text).ok().filter(Value::is_object),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_become_what_is_wanted_and_nothing_is_guessed() {
        assert_eq!(as_wanted("42", &["integer"]), Some(json!(42)));
        assert_eq!(as_wanted("4.5", &["null", "number"]), Some(json!(4.5)));
        assert_eq!(as_wanted("YES", &["boolean"]), Some(json!(true)));
        assert_eq!(as_wanted("[1]", &["array"]), Some(json!([1])));
        assert_eq!(as_wanted("{\"a\":1}", &["object"]), Some(json!({"a": 1})));
        for (text, types) in [
            ("42", &[][..]),
            ("42", &["integer", "string"]),
            ("007", &["integer"]),
            ("maybe", &["boolean"]),
            ("{}", &["array"]),
        ] {
            assert_eq!(as_wanted(text, types), None, "{text}");
        }
    }
}
