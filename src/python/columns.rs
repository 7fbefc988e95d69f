//! Owns what Python asks about columns before a run: those of a file, and which names have a meaning.

use pyo3::prelude::*;
use workos_importer_core::row::Field;
use workos_importer_core::source;

use crate::errors;
use crate::options::format;

/// The names of a file's columns, as they are written there; of NDJSON the keys of the first 1,000 records.
#[pyfunction]
#[pyo3(signature = (path, delimiter, encoding))]
pub fn source_columns(
    py: Python<'_>,
    path: &str,
    delimiter: Option<&str>,
    encoding: Option<String>,
) -> PyResult<Vec<String>> {
    let format = format(py, delimiter, encoding)?;
    py.detach(|| source::open(path, &format).map(|source| source.columns().to_vec()))
        .map_err(|error| errors::source(py, &error))
}

/// The column of users that a name means, such as `first_name` for `First Name`; None where it has no meaning.
#[pyfunction]
pub fn known_column(name: &str) -> Option<&'static str> {
    Field::named(name).map(Field::as_str)
}
