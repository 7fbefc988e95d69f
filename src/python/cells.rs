//! Owns the way of Python values to cells. What is neither text, number, boolean, list nor mapping is first made plain
//! by `workos_importer._values`; what stays without a form becomes a cell that says what it was. No message quotes a value.

use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDelta, PyDict, PyFloat, PyInt, PyList, PyMapping, PyString,
    PyTuple,
};
use workos_importer_core::source::{Cell, Mapping};

use crate::errors;

/// Deeper than any JSON that an API takes, and far from the end of the stack.
const DEEPEST: usize = 32;

/// The rows that Python handed over; `before` is how many came before them, for messages.
pub fn rows(rows: &Bound<'_, PyList>, before: u64) -> PyResult<Vec<Mapping>> {
    rows.iter()
        .zip(before + 1..)
        .map(|(row, number)| mapping(&row, number))
        .collect()
}

/// A value by itself.
pub fn cell(value: &Bound<'_, PyAny>) -> PyResult<Cell> {
    inner_cell(value, 0)
}

fn mapping(row: &Bound<'_, PyAny>, number: u64) -> PyResult<Mapping> {
    let mut cells = Vec::new();
    for_each_pair(row, |key, value| {
        let py = value.py();
        if key.is_none() && is_blank_list(&value) {
            // `csv.DictReader` puts surplus cells under None; empty ones mean nothing.
            return Ok(());
        }
        let Some(name) = text(&key) else {
            let message = format!("Row {number} has a column whose name is no text.");
            return Err(errors::source_error(py, "value", &message));
        };
        cells.push((name, cell(&value)?));
        Ok(())
    })?;
    Ok(cells)
}

fn unusable(what: impl Into<String>) -> Cell {
    Cell::Unusable(what.into())
}

/// `depth` is how many lists and mappings the value is inside of.
fn inner_cell(value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Cell> {
    if depth > DEEPEST {
        let what = format!("lists and objects, nested more than {DEEPEST} deep");
        return Ok(unusable(what));
    }
    if let Some(cell) = plain(value, depth)? {
        return Ok(cell);
    }
    let made = value
        .py()
        .import("workos_importer._values")?
        .call_method1("plain", (value,))?;
    if let Some(cell) = plain(&made, depth)? {
        return Ok(cell);
    }
    let is_binary = value.is_instance_of::<PyBytes>() || value.is_instance_of::<PyByteArray>();
    Ok(unusable(if is_binary {
        "binary data".to_owned()
    } else if value.is_instance_of::<PyDelta>() {
        "a duration".to_owned()
    } else {
        format!("a value of type {}", value.get_type().name()?)
    }))
}

/// `None` for what is neither text, number, boolean, list nor mapping.
fn plain(value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Option<Cell>> {
    if value.is_none() {
        return Ok(Some(Cell::Absent));
    }
    if value.is_instance_of::<PyString>() {
        let text = text(value).map(Cell::text);
        return Ok(Some(
            text.unwrap_or_else(|| unusable("text that is not valid Unicode")),
        ));
    }
    if let Ok(boolean) = value.cast::<PyBool>() {
        return Ok(Some(Cell::Bool(boolean.is_true())));
    }
    if value.is_instance_of::<PyInt>() {
        return Ok(Some(match value.extract::<i64>() {
            Ok(integer) => Cell::Integer(integer),
            Err(_) => {
                let digits = value
                    .py()
                    .get_type::<PyInt>()
                    .call_method1("__repr__", (value,))?;
                Cell::digits(digits.extract()?, depth == 0)
            }
        }));
    }
    if let Ok(float) = value.cast::<PyFloat>() {
        return Ok(Some(Cell::float(float.value(), depth == 0)));
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        let items: PyResult<Vec<Cell>> = value
            .try_iter()?
            .map(|item| inner_cell(&item?, depth + 1))
            .collect();
        return Ok(Some(Cell::list(items?)));
    }
    if value.cast::<PyDict>().is_err() && value.cast::<PyMapping>().is_err() {
        return Ok(None);
    }
    let mut pairs = Vec::new();
    let mut has_other_names = false;
    for_each_pair(value, |key, value| {
        match text(&key) {
            Some(name) => pairs.push((name, inner_cell(&value, depth + 1)?)),
            None => has_other_names = true,
        }
        Ok(())
    })?;
    Ok(Some(if has_other_names {
        unusable("an object with a name that is no text")
    } else {
        Cell::map(pairs)
    }))
}

/// The text; `None` for what is none, and for half of a surrogate pair, whose exception would quote it.
fn text(value: &Bound<'_, PyAny>) -> Option<String> {
    let text = value.cast::<PyString>().ok()?;
    text.to_str().ok().map(str::to_owned)
}

fn is_blank_list(value: &Bound<'_, PyAny>) -> bool {
    value
        .extract::<Vec<String>>()
        .is_ok_and(|cells| cells.iter().all(|cell| cell.trim().is_empty()))
}

fn for_each_pair<'py>(
    mapping: &Bound<'py, PyAny>,
    mut each: impl FnMut(Bound<'py, PyAny>, Bound<'py, PyAny>) -> PyResult<()>,
) -> PyResult<()> {
    if let Ok(dict) = mapping.cast::<PyDict>() {
        // A copy of the references: converting a value can run Python code, which could change the dict.
        for pair in dict.items() {
            let (key, value) = pair.extract()?;
            each(key, value)?;
        }
        return Ok(());
    }
    for pair in mapping.call_method0("items")?.try_iter()? {
        let (key, value) = pair?.extract()?;
        each(key, value)?;
    }
    Ok(())
}
