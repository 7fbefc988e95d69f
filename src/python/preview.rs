//! Owns what needs no connection: `validate` and `dry_run`, on the caller's own thread with the lock released.

use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use workos_importer_core::import as core;
use workos_importer_core::source::{self, Source, SourceError};
use workos_importer_core::validate::{self as check, ValidateError};

use crate::errors;
use crate::options::{Options, format};
use crate::rows::{Listener, Pulled, Watched};

/// Checks a file (`path`), or the rows that `pull` gives; `take` gets lists of issues.
#[pyfunction]
#[pyo3(signature = (options, path, pull, delimiter, encoding, take))]
pub fn validate<'py>(
    py: Python<'py>,
    options: Options,
    path: Option<String>,
    pull: Option<Py<PyAny>>,
    delimiter: Option<&str>,
    encoding: Option<String>,
    take: Py<PyAny>,
) -> PyResult<Bound<'py, PyDict>> {
    let options = options.into_core(py)?.validation();
    let found = checked(py, path, pull, delimiter, encoding, take, |source, listener| {
        check::validate(source, &options, |issue| listener.tell(issue))
    })?;
    let values = PyDict::new(py);
    values.set_item("mode", found.mode.as_str())?;
    values.set_item("mode_sentence", found.mode.sentence())?;
    values.set_item("total", found.records)?;
    values.set_item("valid", found.valid)?;
    values.set_item("failed", found.failed)?;
    values.set_item("errors", found.errors)?;
    values.set_item("warnings", found.warnings)?;
    values.set_item("users", found.users)?;
    values.set_item("organizations", found.organizations)?;
    values.set_item("memberships", found.memberships)?;
    Ok(values)
}

/// The same check, and what an import would do.
#[pyfunction]
#[pyo3(signature = (options, path, pull, delimiter, encoding, take))]
pub fn dry_run<'py>(
    py: Python<'py>,
    options: Options,
    path: Option<String>,
    pull: Option<Py<PyAny>>,
    delimiter: Option<&str>,
    encoding: Option<String>,
    take: Py<PyAny>,
) -> PyResult<Bound<'py, PyDict>> {
    let options = options.into_core(py)?;
    let found = checked(py, path, pull, delimiter, encoding, take, |source, listener| {
        core::dry_run(&options, source, |issue| listener.tell(issue))
    })?;
    let values = PyDict::new(py);
    values.set_item("mode", found.mode)?;
    values.set_item("mode_sentence", found.mode_sentence)?;
    values.set_item("total", found.total)?;
    values.set_item("would_import", found.would_import)?;
    values.set_item("failed", found.failed)?;
    values.set_item("errors", found.errors)?;
    values.set_item("warnings", found.warnings)?;
    values.set_item("users", found.users)?;
    values.set_item("organizations", found.organizations)?;
    values.set_item("memberships", found.memberships)?;
    values.set_item("least_seconds", found.least_seconds)?;
    values.set_item("exit_code", found.exit_code)?;
    Ok(values)
}

fn checked<Found: Send>(
    py: Python<'_>,
    path: Option<String>,
    pull: Option<Py<PyAny>>,
    delimiter: Option<&str>,
    encoding: Option<String>,
    take: Py<PyAny>,
    work: impl FnOnce(&mut dyn Source, &Listener) -> Result<Found, ValidateError> + Send,
) -> PyResult<Found> {
    let format = format(py, delimiter, encoding)?;
    let listener = Listener::new(take);
    let found = py.detach(|| {
        let mut source: Box<dyn Source> = match (path, pull) {
            (Some(path), _) => {
                let inner = source::open(&path, &format)?;
                Box::new(Watched { inner, listener: listener.clone(), looked: Instant::now() })
            }
            (None, Some(pull)) => Box::new(Pulled::open(pull, listener.clone())?),
            (None, None) => return Err(SourceError::Other("neither a path nor rows were given".into()).into()),
        };
        let found = work(source.as_mut(), &listener);
        listener.flush();
        found
    });
    if let Some(raised) = listener.raised() {
        return Err(raised);
    }
    found.map_err(|error| errors::validate(py, &error))
}
