//! Owns identity schemas: whether traits keep to one, and what the traits make
//! of an identity by the schema's own extension (`ory.sh/kratos`): identifiers
//! and addresses.
//!
//! Of JSON Schema it knows `type`, `enum`, `const`, `properties`, `required`,
//! `additionalProperties`, `items`, `minLength`, `maxLength` and the format
//! `email`; it lets other keywords pass.

use serde_json::{Map, Value};

/// What the traits make of an identity.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Type of the credentials, and identifier.
    pub(super) identifiers: Vec<(String, String)>,
    /// Way and address.
    pub(super) verifiable: Vec<(String, String)>,
    /// Way and address.
    pub(super) recovery: Vec<(String, String)>,
}

/// Holds an identity's traits to a schema. The error says where and why.
pub(super) fn check(schema: &Value, traits: &Value) -> Result<(), String> {
    let mut whole = Map::new();
    whole.insert("traits".to_owned(), traits.clone());
    checked(schema, &Value::Object(whole), "#", "#")
}

/// What a schema tells about traits that keep to it.
pub(super) fn told(schema: &Value, traits: &Value) -> Told {
    let mut told = Told::default();
    gather(&schema["properties"]["traits"], traits, &mut told);
    told
}

fn checked(schema: &Value, value: &Value, at: &str, by: &str) -> Result<(), String> {
    let failed = |keyword: &str, why: String| Err(format!("I[{at}] S[{by}/{keyword}] {why}"));
    if schema == &Value::Bool(false) {
        return Err(format!("I[{at}] S[{by}] always fail"));
    }
    let types = listed(&schema["type"]);
    if !types.is_empty() && !types.iter().any(|wanted| is_of_type(value, wanted)) {
        return failed(
            "type",
            format!(
                "expected {}, but got {}",
                types.join(" or "),
                type_of(value)
            ),
        );
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
        return failed(
            "enum",
            format!("value must be one of {}", allowed.join(", ")),
        );
    }
    if let Some(only) = schema.get("const")
        && only != value
    {
        return failed("const", format!("value must be {only}"));
    }
    match value {
        Value::String(text) => {
            check_text(schema, text).or_else(|(keyword, why)| failed(keyword, why))
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .filter(|_| schema.get("items").is_some())
            .try_for_each(|(place, item)| {
                checked(
                    &schema["items"],
                    item,
                    &format!("{at}/{place}"),
                    &format!("{by}/items"),
                )
            }),
        Value::Object(fields) => check_fields(schema, fields, at, by),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// The keyword that a text does not keep to, and why.
fn check_text(schema: &Value, text: &str) -> Result<(), (&'static str, String)> {
    let length = text.chars().count() as u64;
    if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
        let why = format!("length must be >= {least}, but got {length}");
        return Err(("minLength", why));
    }
    if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
        let why = format!("length must be <= {most}, but got {length}");
        return Err(("maxLength", why));
    }
    if schema["format"] == "email" && !is_email(text) {
        return Err(("format", format!("{text:?} is not valid \"email\"")));
    }
    Ok(())
}

fn check_fields(
    schema: &Value,
    fields: &Map<String, Value>,
    at: &str,
    by: &str,
) -> Result<(), String> {
    let missing: Vec<String> = listed(&schema["required"])
        .into_iter()
        .filter(|name| !fields.contains_key(*name))
        .map(|name| format!("{name:?}"))
        .collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Err(format!(
            "I[{at}] S[{by}/required] missing properties: {missing}"
        ));
    }
    for (name, value) in fields {
        let at = format!("{at}/{name}");
        if let Some(known) = schema["properties"].get(name) {
            checked(known, value, &at, &format!("{by}/properties/{name}"))?;
        } else if schema["additionalProperties"] == false {
            return Err(format!(
                "I[{at}] S[{by}/additionalProperties] additionalProperties {name:?} not allowed"
            ));
        } else if let Some(others) = schema.get("additionalProperties") {
            checked(others, value, &at, &format!("{by}/additionalProperties"))?;
        }
    }
    Ok(())
}

fn gather(schema: &Value, value: &Value, told: &mut Told) {
    match value {
        Value::String(text) => gather_text(&schema["ory.sh/kratos"], text, told),
        Value::Array(items) => {
            for item in items {
                gather(&schema["items"], item, told);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                gather(&schema["properties"][name], field, told);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn gather_text(extension: &Value, text: &str, told: &mut Told) {
    for (kind, setting) in extension["credentials"].as_object().into_iter().flatten() {
        if setting["identifier"] == true || kind == "code" {
            push(&mut told.identifiers, kind, text);
        }
    }
    for (name, list) in [
        ("verification", &mut told.verifiable),
        ("recovery", &mut told.recovery),
    ] {
        if let Some(via) = extension[name]["via"].as_str() {
            push(list, via, text);
        }
    }
}

fn push(list: &mut Vec<(String, String)>, kind: &str, text: &str) {
    let pair = (kind.to_owned(), normalized(text));
    if !list.contains(&pair) {
        list.push(pair);
    }
}

/// Identifiers and addresses are compared without regard to case.
pub(super) fn normalized(text: &str) -> String {
    text.trim().to_lowercase()
}

fn listed(value: &Value) -> Vec<&str> {
    match value {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn is_of_type(value: &Value, wanted: &str) -> bool {
    type_of(value) == wanted || wanted == "number" && value.is_number()
}

/// Good enough to tell a mistake: one `@`, something on both sides, no space.
fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && !domain.is_empty()
            && !domain.contains('@')
            && !domain.starts_with('.')
            && !domain.ends_with('.')
            && !text.contains(char::is_whitespace)
    })
}
