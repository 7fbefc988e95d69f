//! Owns the reading of request bodies: which fields were given, of the right
//! type and within the documented bounds.

use crate::answer::Answer;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use serde_json::{Map, Value};

const METADATA_PAIRS: usize = 50;
const METADATA_KEY: usize = 40;
const METADATA_VALUE: usize = 600;
const EXTERNAL_ID: usize = 128;

/// A field that may be left out, or be null, which are different things.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Given<T> {
    Absent,
    Null,
    Value(T),
}

impl<T> Given<T> {
    pub(crate) fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// Changes what is there by what was given: null clears.
    pub(crate) fn apply(self, place: &mut Option<T>) {
        match self {
            Self::Absent => {}
            Self::Null => *place = None,
            Self::Value(value) => *place = Some(value),
        }
    }
}

/// The fields of a request body.
#[derive(Debug)]
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    /// As the API's framework does it: what is not declared to be JSON is not
    /// looked at, what is and cannot be read is refused.
    pub(crate) fn of(request: &Request<Bytes>) -> Result<Self, Answer> {
        let declared = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|text| text.trim_start().starts_with("application/json"));
        if !declared || request.body().is_empty() {
            return Ok(Self(Map::new()));
        }
        match serde_json::from_slice(request.body()) {
            Ok(Value::Object(map)) => Ok(Self(map)),
            _ => Err(Answer::message(
                StatusCode::BAD_REQUEST,
                "The request body is not valid JSON.",
            )),
        }
    }

    pub(crate) fn raw(&self, name: &str) -> Given<&Value> {
        match self.0.get(name) {
            None => Given::Absent,
            Some(Value::Null) => Given::Null,
            Some(value) => Given::Value(value),
        }
    }

    pub(crate) fn text(&self, name: &str) -> Result<Given<String>, Answer> {
        match self.raw(name) {
            Given::Absent => Ok(Given::Absent),
            Given::Null => Ok(Given::Null),
            Given::Value(Value::String(text)) => Ok(Given::Value(text.clone())),
            Given::Value(_) => Err(wrong_type(name, "string")),
        }
    }

    /// A text that has to be there: `label` is what people call it.
    pub(crate) fn required_text(&self, name: &str, label: &str) -> Result<String, Answer> {
        match self.raw(name) {
            Given::Value(Value::String(text)) if !text.trim().is_empty() => Ok(text.clone()),
            _ => Err(Answer::invalid(
                &format!("{name}_string_required"),
                format!("{label} should be a non-empty string."),
            )),
        }
    }

    pub(crate) fn boolean(&self, name: &str) -> Result<Given<bool>, Answer> {
        match self.raw(name) {
            Given::Absent => Ok(Given::Absent),
            Given::Null => Ok(Given::Null),
            Given::Value(Value::Bool(value)) => Ok(Given::Value(*value)),
            Given::Value(_) => Err(wrong_type(name, "boolean")),
        }
    }

    pub(crate) fn texts(&self, name: &str) -> Result<Given<Vec<String>>, Answer> {
        let items = match self.raw(name) {
            Given::Absent => return Ok(Given::Absent),
            Given::Null => return Ok(Given::Null),
            Given::Value(Value::Array(items)) => items,
            Given::Value(_) => return Err(wrong_type(name, "array")),
        };
        let texts: Option<Vec<String>> = items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect();
        texts
            .map(Given::Value)
            .ok_or_else(|| wrong_type(name, "array"))
    }

    pub(crate) fn external_id(&self) -> Result<Given<String>, Answer> {
        let given = self.text("external_id")?;
        if let Given::Value(text) = &given
            && (text.is_empty() || text.len() > EXTERNAL_ID || !text.is_ascii())
        {
            return Err(Answer::invalid(
                "external_id_invalid",
                "External ID should be 1 to 128 ASCII characters.",
            ));
        }
        Ok(given)
    }

    /// What `metadata` is after this body. Pairs are merged into the ones that
    /// are there, and a null removes its key; on creation nothing is there, and
    /// a null is refused. Where the documents disagree (10 pairs or 50) the
    /// specification counts; where only one speaks (ASCII), that one.
    pub(crate) fn metadata(
        &self,
        before: Option<&Map<String, Value>>,
    ) -> Result<Map<String, Value>, Answer> {
        let mut metadata = before.cloned().unwrap_or_default();
        let pairs = match self.raw("metadata") {
            Given::Absent => return Ok(metadata),
            Given::Null => return Ok(Map::new()),
            Given::Value(Value::Object(pairs)) => pairs,
            Given::Value(_) => return Err(invalid_metadata("Metadata must be an object.")),
        };
        for (key, value) in pairs {
            if key.is_empty() || key.len() > METADATA_KEY || !key.is_ascii() {
                return Err(invalid_metadata(
                    "Metadata keys must be 1 to 40 ASCII characters.",
                ));
            }
            match value {
                Value::Null if before.is_some() => {
                    metadata.shift_remove(key);
                }
                Value::String(text) if text.len() <= METADATA_VALUE && text.is_ascii() => {
                    metadata.insert(key.clone(), value.clone());
                }
                _ => {
                    return Err(invalid_metadata(
                        "Metadata values must be strings of at most 600 ASCII characters.",
                    ));
                }
            }
        }
        if metadata.len() > METADATA_PAIRS {
            return Err(invalid_metadata("Metadata may have at most 50 pairs."));
        }
        Ok(metadata)
    }
}

fn wrong_type(name: &str, wanted: &str) -> Answer {
    Answer::invalid(
        &format!("{name}_must_be_{wanted}"),
        format!("{name} should be of type {wanted}."),
    )
}

fn invalid_metadata(message: &str) -> Answer {
    Answer::refused("invalid_metadata", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(body: Value) -> Fields {
        match body {
            Value::Object(map) => Fields(map),
            other => panic!("{other} is no object"),
        }
    }

    #[test]
    fn metadata_is_merged_and_null_removes_a_key() {
        let before = fields(json!({ "metadata": { "a": "1", "b": "2" } }))
            .metadata(None)
            .unwrap();
        let after = fields(json!({ "metadata": { "a": null, "c": "3" } }))
            .metadata(Some(&before))
            .unwrap();
        assert_eq!(Value::Object(after), json!({ "b": "2", "c": "3" }));
    }

    #[test]
    fn metadata_outside_the_bounds_is_refused() {
        let long = "x".repeat(601);
        let many: Map<String, Value> = (0..51).map(|n| (n.to_string(), json!("v"))).collect();
        for metadata in [
            json!({ "a": 1 }),
            json!({ "a": null }),
            json!({ "a": long }),
            json!({ "k".repeat(41): "v" }),
            json!({ "a": "é" }),
            json!(["a"]),
            Value::Object(many),
        ] {
            let refused = fields(json!({ "metadata": metadata }))
                .metadata(None)
                .unwrap_err();
            assert_eq!(refused.status, 400);
        }
    }
}
