//! Owns the way of Python values to cells. What is neither text, number, boolean, list nor mapping is first made plain
//! by `workos_importer._values`. No message quotes a value.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyMapping, PyString, PyTuple};
use workos_importer_core::import::FedRow;
use workos_importer_core::source::Cell;

use crate::errors;

/// Deeper than any JSON that an API takes, and far from the end of the stack.
const DEEPEST: usize = 32;

/// The rows that Python handed over; `before` is how many came before them, for messages.
pub fn rows(rows: &Bound<'_, PyList>, before: u64) -> PyResult<Vec<FedRow>> {
    rows.iter()
        .zip(before + 1..)
        .map(|(row, number)| fed_row(&row, number))
        .collect()
}

fn fed_row(row: &Bound<'_, PyAny>, number: u64) -> PyResult<FedRow> {
    let mut cells = Vec::new();
    for_each_pair(row, |key, value| {
        let py = value.py();
        if key.is_none() && is_blank_list(&value) {
            // `csv.DictReader` puts surplus cells under None; empty ones mean nothing.
            return Ok(());
        }
        let Ok(name) = text(&key) else {
            let message = format!("Row {number} has a column whose name is no text.");
            return Err(errors::source_error(py, "value", &message));
        };
        let cell = cell(&value, 0).map_err(|why| match why {
            Refused::Because(why) => {
                let message = format!("Row {number}, column `{name}`: {why}");
                errors::source_error(py, "value", &message)
            }
            Refused::Raised(error) => error,
        })?;
        cells.push((name, cell));
        Ok(())
    })?;
    Ok(cells)
}

enum Refused {
    Because(String),
    Raised(PyErr),
}

impl From<PyErr> for Refused {
    fn from(error: PyErr) -> Self {
        Self::Raised(error)
    }
}

fn cell(value: &Bound<'_, PyAny>, depth: usize) -> Result<Cell, Refused> {
    if let Some(cell) = plain(value, depth)? {
        return Ok(cell);
    }
    let py = value.py();
    let made = py
        .import("workos_importer._values")?
        .call_method1("plain", (value,))?;
    match plain(&made, depth)? {
        Some(cell) => Ok(cell),
        None => {
            let kind = value.get_type().name()?;
            Err(Refused::Because(format!(
                "a value of type {kind} cannot be used. Give text, a number, a boolean, a list or a mapping."
            )))
        }
    }
}

fn plain(value: &Bound<'_, PyAny>, depth: usize) -> Result<Option<Cell>, Refused> {
    if depth > DEEPEST {
        return Err(Refused::Because(format!(
            "lists and mappings are nested more than {DEEPEST} deep."
        )));
    }
    if value.is_none() {
        return Ok(Some(Cell::Absent));
    }
    if value.is_instance_of::<PyString>() {
        return text(value).map(|text| Some(Cell::text(text)));
    }
    if let Ok(boolean) = value.cast::<PyBool>() {
        return Ok(Some(Cell::Bool(boolean.is_true())));
    }
    if value.is_instance_of::<PyInt>() {
        return Ok(Some(match value.extract::<i64>() {
            Ok(integer) => Cell::Integer(integer),
            Err(_) => {
                let digits: String = value
                    .py()
                    .get_type::<PyInt>()
                    .call_method1("__repr__", (value,))?
                    .extract()?;
                // An id with many digits is its digits.
                if depth == 0 {
                    Cell::text(digits)
                } else {
                    Cell::Number(digits)
                }
            }
        }));
    }
    if let Ok(float) = value.cast::<PyFloat>() {
        return Ok(Some(number(float.value(), depth)));
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        let items: Result<Vec<Cell>, Refused> = value
            .try_iter()?
            .map(|item| cell(&item?, depth + 1))
            .collect();
        return Ok(Some(Cell::List(items?)));
    }
    if value.cast::<PyDict>().is_err() && value.cast::<PyMapping>().is_err() {
        return Ok(None);
    }
    let mut pairs = Vec::new();
    let mut refused = None;
    for_each_pair(value, |key, value| {
        if refused.is_some() {
            return Ok(());
        }
        match text(&key).and_then(|name| Ok((name, cell(&value, depth + 1)?))) {
            Ok(pair) => pairs.push(pair),
            Err(why) => refused = Some(why),
        }
        Ok(())
    })?;
    refused.map_or(Ok(Some(Cell::Map(pairs))), Err)
}

fn number(value: f64, depth: usize) -> Cell {
    if value.is_nan() {
        // How tables say that there is no value.
        return Cell::Absent;
    }
    // A column of whole numbers with gaps becomes floats in many tables: 1042.0 means 1042.
    if depth == 0 && value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 {
        return Cell::Integer(value as i64);
    }
    match serde_json::Number::from_f64(value) {
        Some(number) => Cell::Number(number.to_string()),
        None => Cell::text(value.to_string()),
    }
}

fn text(value: &Bound<'_, PyAny>) -> Result<String, Refused> {
    let Ok(string) = value.cast::<PyString>() else {
        return Err(Refused::Because(
            "a name inside a mapping is no text.".into(),
        ));
    };
    // Half of a surrogate pair is no character; the exception would quote the text.
    string
        .to_str()
        .map(str::to_owned)
        .map_err(|_| Refused::Because("a text is not valid Unicode.".into()))
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
