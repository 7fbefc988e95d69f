//! Owns JSON Patch (RFC 6902): operations on a document, all of them or none.

use serde_json::Value;

/// Applies operations in their order.
///
/// # Errors
/// Which operation does not apply, and why. The document that was given is as
/// it was then.
pub(super) fn apply(document: &Value, operations: &[Value]) -> Result<Value, String> {
    let mut document = document.clone();
    for operation in operations {
        apply_one(&mut document, operation)?;
    }
    Ok(document)
}

fn apply_one(document: &mut Value, operation: &Value) -> Result<(), String> {
    let kind = operation["op"].as_str().unwrap_or_default();
    let path = pointer(operation, "path")?;
    match kind {
        "add" => add(document, path, given(operation)?),
        "remove" => remove(document, path).map(drop),
        "replace" => {
            let place = document.pointer_mut(path).ok_or_else(|| missing(path))?;
            *place = given(operation)?;
            Ok(())
        }
        "test" => match document.pointer(path) {
            Some(value) if *value == given(operation)? => Ok(()),
            _ => Err(format!("testing value {path} failed")),
        },
        "move" => {
            let from = pointer(operation, "from")?;
            let value = remove(document, from)?;
            add(document, path, value)
        }
        "copy" => {
            let from = pointer(operation, "from")?;
            let value = document.pointer(from).ok_or_else(|| missing(from))?;
            let value = value.clone();
            add(document, path, value)
        }
        other => Err(format!("unexpected kind: {other}")),
    }
}

/// A place in the document, as it is written: "" or with a `/` at its beginning.
pub(super) fn pointer<'a>(operation: &'a Value, name: &str) -> Result<&'a str, String> {
    operation[name]
        .as_str()
        .filter(|path| path.is_empty() || path.starts_with('/'))
        .ok_or_else(|| format!("the operation has no {name}"))
}

fn given(operation: &Value) -> Result<Value, String> {
    let value = operation.get("value").cloned();
    value.ok_or_else(|| "the operation has no value".to_owned())
}

fn missing(path: &str) -> String {
    format!("doc is missing path: {path}: missing value")
}

/// The parent of a place, and the name or number in it.
fn parent<'a>(document: &'a mut Value, path: &str) -> Result<(&'a mut Value, String), String> {
    let (above, name) = path
        .rsplit_once('/')
        .ok_or_else(|| "the whole document cannot be removed".to_owned())?;
    let parent = document.pointer_mut(above).ok_or_else(|| missing(path))?;
    Ok((parent, name.replace("~1", "/").replace("~0", "~")))
}

fn add(document: &mut Value, path: &str, value: Value) -> Result<(), String> {
    if path.is_empty() {
        *document = value;
        return Ok(());
    }
    let (parent, name) = parent(document, path)?;
    match parent {
        Value::Object(fields) => {
            fields.insert(name, value);
            Ok(())
        }
        Value::Array(items) if name == "-" => {
            items.push(value);
            Ok(())
        }
        Value::Array(items) => {
            let place = name.parse().ok().filter(|place| *place <= items.len());
            items.insert(place.ok_or_else(|| missing(path))?, value);
            Ok(())
        }
        _ => Err(missing(path)),
    }
}

fn remove(document: &mut Value, path: &str) -> Result<Value, String> {
    let (parent, name) = parent(document, path)?;
    match parent {
        Value::Object(fields) => fields.shift_remove(&name).ok_or_else(|| missing(path)),
        Value::Array(items) => {
            let place = name.parse().ok().filter(|place| *place < items.len());
            Ok(items.remove(place.ok_or_else(|| missing(path))?))
        }
        _ => Err(missing(path)),
    }
}
