//! Owns the identity schema: whether traits keep to it, and which types it wants where.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::LocationSegment;
use jsonschema::{JsonType, ValidationError, Validator};
use serde_json::{Map, Value, json};

use super::address;

/// How far references of a schema to its own parts are followed: one that leads to itself ends.
const REFERENCES: usize = 16;

/// A JSON schema as the server serves it (`GET /schemas/{id}`), made ready once.
#[derive(Clone)]
pub struct IdentitySchema {
    document: Arc<Value>,
    validator: Arc<Validator>,
    /// The paths below the traits of what identities sign in with.
    identifiers: Arc<[Vec<String>]>,
    /// It is the server's own, with all that this marks.
    is_served: bool,
}

/// What a schema has against some traits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Where, below the traits: names of properties and numbers of items.
    pub path: Vec<String>,
    /// A trait that has to be there has no value.
    pub is_missing: bool,
    /// What the schema wants; never a value of the row.
    pub wants: String,
}

impl IdentitySchema {
    /// Makes a schema ready. Nothing that it refers to is fetched.
    ///
    /// # Errors
    /// When it is no JSON schema, has no `properties.traits`, or refers to something outside itself.
    pub fn new(document: Value) -> Result<Self, String> {
        if !document["properties"]["traits"].is_object() {
            return Err("it has no `properties.traits`: it is no schema of identities".to_owned());
        }
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .with_format("email", address::is_email)
            .offline()
            .build(&document)
            .map_err(|error| match error.instance_path().as_str() {
                "" => error.to_string(),
                place => format!("{error} (at {place})"),
            })?;
        let mut schema = Self {
            document: Arc::new(document),
            validator: Arc::new(validator),
            identifiers: Arc::new([]),
            is_served: false,
        };
        let mut identifiers = BTreeSet::new();
        let traits = &schema.document["properties"]["traits"];
        schema.find_identifiers(traits, &mut Vec::new(), REFERENCES, &mut identifiers);
        schema.identifiers = identifiers.into_iter().collect();
        Ok(schema)
    }

    /// The same, as the server's own: where it marks nothing, identities sign in with nothing.
    pub fn served(self) -> Self {
        Self {
            is_served: true,
            ..self
        }
    }

    /// The document.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// Everything that the schema has against the traits.
    pub(super) fn faults(&self, traits: &Map<String, Value>) -> Vec<Fault> {
        let whole = json!({ "traits": traits });
        let mut faults = Vec::new();
        for error in self.validator.iter_errors(&whole) {
            let mut path = error.instance_path().iter().map(|segment| match segment {
                LocationSegment::Property(name) => name.into_owned(),
                LocationSegment::Index(index) => index.to_string(),
            });
            // What is wanted beside the traits is wanted of the whole.
            let path: Vec<String> = match path.next() {
                Some(_) => path.collect(),
                None => Vec::new(),
            };
            take(&error, &path, &mut faults);
        }
        faults
    }

    /// The names of the traits that the schema knows, without those inside of others.
    pub(in crate::row) fn names(&self) -> impl Iterator<Item = &str> {
        let traits = self.at(&[]).and_then(|part| part["properties"].as_object());
        traits.into_iter().flatten().map(|(name, _)| name.as_str())
    }

    /// What the traits have to sign in with, each once, as Kratos keeps it: trimmed and in lower case. `None`: it is a schema
    /// that somebody has written down without what only the server needs.
    pub(super) fn identifiers(&self, traits: &Map<String, Value>) -> Option<Vec<String>> {
        if self.identifiers.is_empty() && !self.is_served {
            return None;
        }
        let mut found = Vec::new();
        for path in self.identifiers.iter() {
            let Some((first, rest)) = path.split_first() else {
                continue;
            };
            if let Some(value) = traits.get(first) {
                texts_at(value, rest, &mut found);
            }
        }
        Some(found)
    }

    /// Marked by `ory.sh/kratos: {credentials: {password: {identifier: true}}}`, or the same of another kind of credentials
    /// (Ory's documentation, "Identity schema").
    fn find_identifiers(
        &self,
        part: &Value,
        path: &mut Vec<String>,
        depth: usize,
        found: &mut BTreeSet<Vec<String>>,
    ) {
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        let part = self.resolved(part);
        let kinds = part["ory.sh/kratos"]["credentials"].as_object();
        let mut kinds = kinds.into_iter().flatten();
        if kinds.any(|(_, kind)| kind["identifier"] == true) {
            found.insert(path.clone());
        }
        for (name, inner) in part["properties"].as_object().into_iter().flatten() {
            path.push(name.clone());
            self.find_identifiers(inner, path, depth, found);
            path.pop();
        }
        let choices = ["allOf", "anyOf", "oneOf"].map(|name| part[name].as_array());
        let choices = choices.into_iter().flatten().flatten();
        for same_place in choices.chain(part.get("items")) {
            self.find_identifiers(same_place, path, depth, found);
        }
    }

    /// The types that the schema allows at a path below the traits; none, if it does not say.
    pub(super) fn types(&self, path: &[String]) -> Vec<&str> {
        match self.at(path).map(|part| &part["type"]) {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    fn at(&self, path: &[String]) -> Option<&Value> {
        let mut part = self.resolved(&self.document["properties"]["traits"]);
        for name in path {
            part = self.resolved(part.get("properties")?.get(name)?);
        }
        Some(part)
    }

    /// What a reference within the document stands for.
    fn resolved<'a>(&'a self, mut part: &'a Value) -> &'a Value {
        for _ in 0..REFERENCES {
            let reference = part.get("$ref").and_then(Value::as_str);
            let pointer = reference.and_then(|text| text.strip_prefix('#'));
            match pointer.and_then(|pointer| self.document.pointer(pointer)) {
                Some(other) => part = other,
                None => break,
            }
        }
        part
    }
}

impl PartialEq for IdentitySchema {
    fn eq(&self, other: &Self) -> bool {
        self.document == other.document
    }
}

impl Eq for IdentitySchema {}

impl fmt::Debug for IdentitySchema {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("IdentitySchema")
    }
}

/// Says an error without the value that it is about: any cell can be in the wrong column.
fn take(error: &ValidationError<'_>, path: &[String], faults: &mut Vec<Fault>) {
    let below = |name: &str| {
        let mut path = path.to_vec();
        path.push(name.to_owned());
        path
    };
    let mut fault = |path: Vec<String>, is_missing: bool, wants: String| {
        faults.push(Fault {
            path,
            is_missing,
            wants,
        });
    };
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            fault(below(name), true, "it to be there".to_owned());
        }
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            for name in unexpected {
                fault(
                    below(name),
                    false,
                    "the schema has no such trait".to_owned(),
                );
            }
        }
        ValidationErrorKind::Type { kind: wanted } => {
            let wanted: Vec<&str> = match wanted {
                TypeKind::Single(one) => vec![word(*one)],
                TypeKind::Multiple(several) => several.iter().map(word).collect(),
            };
            let (wanted, is) = (wanted.join(" or "), kind(error.instance()));
            fault(path.to_vec(), false, format!("must be {wanted}, not {is}"));
        }
        ValidationErrorKind::Format { format } => {
            fault(path.to_vec(), false, format!("it is no {format}"));
        }
        // The names that it shows are of the row.
        ValidationErrorKind::PropertyNames { .. } => {
            let wants = "the schema does not take a name in it".to_owned();
            fault(path.to_vec(), false, wants);
        }
        _ => fault(path.to_vec(), false, error.masked_with("it").to_string()),
    }
}

/// The texts at a path, also of each item of a list.
fn texts_at(value: &Value, path: &[String], found: &mut Vec<String>) {
    match (value, path.split_first()) {
        (Value::Array(items), _) => {
            for item in items {
                texts_at(item, path, found);
            }
        }
        (Value::Object(parts), Some((first, rest))) => {
            if let Some(part) = parts.get(first) {
                texts_at(part, rest, found);
            }
        }
        (Value::String(text), None) => {
            let text = text.trim().to_lowercase();
            if !text.is_empty() && !found.contains(&text) {
                found.push(text);
            }
        }
        _ => {}
    }
}

fn word(wanted: JsonType) -> &'static str {
    match wanted {
        JsonType::Null => "null",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "a whole number",
        JsonType::Number => "a number",
        JsonType::String => "text",
        JsonType::Array => "a list",
        JsonType::Object => "an object",
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> IdentitySchema {
        let text = r##"{
            "$id": "https://schemas.example/customer.json",
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "definitions": {"whole": {"type": "integer", "minimum": 1}, "loop": {"$ref": "#/definitions/loop"}},
            "properties": {"traits": {
                "type": "object",
                "properties": {
                    "email": {
                        "type": "string", "format": "email",
                        "ory.sh/kratos": {"credentials": {"password": {"identifier": true}}}
                    },
                    "name": {"type": "object", "properties": {"first": {"type": "string", "maxLength": 5}}},
                    "age": {"$ref": "#/definitions/whole"},
                    "team": {"enum": ["red", "blue"]},
                    "code": {"type": ["string", "null"], "pattern": "^[a-z]+$"},
                    "phone": {"type": "string", "format": "tel"}
                },
                "required": ["email"],
                "additionalProperties": false
            }}
        }"##;
        IdentitySchema::new(serde_json::from_str(text).unwrap()).unwrap()
    }

    fn faults(traits: Value) -> Vec<String> {
        let said = schema().faults(traits.as_object().unwrap());
        let said = said.iter().map(|fault| {
            let what = if fault.is_missing { "missing: " } else { "" };
            format!("{}: {what}{}", fault.path.join("."), fault.wants)
        });
        said.collect()
    }

    #[test]
    fn traits_are_held_to_the_schema_and_no_value_is_shown() {
        let good = json!({
            "email": "a@b.c", "name": {"first": "Ada"}, "age": 7, "team": "red", "code": null, "phone": "?"
        });
        assert_eq!(faults(good), Vec::<String>::new());
        let said = faults(json!({
            "email": "hunter2", "name": {"first": "hunter2"}, "age": "hunter2", "team": "hunter2", "code": "hunter2",
            "pet": "hunter2"
        }));
        let mut expected = [
            "email: it is no email",
            "name.first: it is longer than 5 characters",
            "age: must be a whole number, not text",
            "team: it is not one of \"red\" or \"blue\"",
            "code: it does not match \"^[a-z]+$\"",
            "pet: the schema has no such trait",
        ];
        expected.sort_unstable();
        let mut said_in_order = said.clone();
        said_in_order.sort();
        assert_eq!(said_in_order, expected);
        assert!(!said.concat().contains("hunter2"));
        assert_eq!(faults(json!({"age": 0})).len(), 2);
        assert!(faults(json!({})).contains(&"email: missing: it to be there".to_owned()));
    }

    #[test]
    fn types_are_found_behind_references() {
        let schema = schema();
        let types = |path: &str| {
            let path: Vec<String> = path.split('.').map(str::to_owned).collect();
            schema.types(&path).join(" ")
        };
        assert_eq!(types("age"), "integer");
        assert_eq!(types("name.first"), "string");
        assert_eq!(types("code"), "string null");
        assert_eq!(types("nobody"), "");
        let looping = json!({
            "definitions": {"loop": {"$ref": "#/definitions/loop"}},
            "properties": {"traits": {"properties": {"a": {"$ref": "#/definitions/loop"}}}}
        });
        if let Ok(looping) = IdentitySchema::new(looping) {
            assert!(looping.types(&["a".to_owned()]).is_empty());
        }
    }

    #[test]
    fn identifiers_are_found_wherever_the_schema_marks_them() {
        let found = |traits: Value| schema().identifiers(traits.as_object().unwrap()).unwrap();
        assert_eq!(
            found(json!({"email": " Ada@B.c ", "name": {"first": "Ada"}})),
            ["ada@b.c"]
        );
        assert_eq!(
            found(json!({"name": {"first": "x@y.z"}})),
            Vec::<String>::new()
        );
        let marked =
            |kind: &str| json!({"ory.sh/kratos": {"credentials": {kind: {"identifier": true}}}});
        let document = json!({
            "definitions": {"login": marked("code")},
            "properties": {"traits": {
                "properties": {
                    "account": {"properties": {"name": {"$ref": "#/definitions/login"}}},
                    "phones": {"items": marked("password")},
                    "email": {"ory.sh/kratos": {"recovery": {"via": "email"}}},
                    "totp": {"ory.sh/kratos": {"credentials": {"totp": {"account_name": true}}}}
                },
                "allOf": [{"properties": {"nick": marked("webauthn")}}]
            }}
        });
        let schema = IdentitySchema::new(document).unwrap();
        let traits = json!({
            "account": {"name": "Ada"}, "phones": ["+1", "+2", 3], "email": "a@b.c", "totp": "t", "nick": "ada"
        });
        let traits = traits.as_object().unwrap();
        assert_eq!(schema.identifiers(traits).unwrap(), ["ada", "+1", "+2"]);
        let bare = json!({"properties": {"traits": {"properties": {"email": {"type": "string"}}}}});
        let bare = IdentitySchema::new(bare).unwrap();
        assert_eq!(bare.identifiers(traits), None);
        assert_eq!(bare.served().identifiers(traits), Some(Vec::new()));
    }

    #[test]
    fn what_is_no_identity_schema_is_refused_and_nothing_is_fetched() {
        let refused = |document: Value| IdentitySchema::new(document).unwrap_err();
        assert!(refused(json!({"type": "object"})).contains("properties.traits"));
        assert!(
            refused(json!({"properties": {"traits": {"type": "text"}}})).contains("/properties")
        );
        let elsewhere =
            json!({"properties": {"traits": {"$ref": "https://schemas.example/a.json"}}});
        assert!(refused(elsewhere).contains("schemas.example"));
    }
}
