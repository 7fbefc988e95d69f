//! Owns what needs no connection: `validate` and `dry_run`, with Python's lock released.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use workos_importer_core::import::{self as core, GiveBackError};
use workos_importer_core::row::OwnRules;
use workos_importer_core::source::{self, Format, Source};
use workos_importer_core::validate::{self as check, ValidateError};

use crate::options::{Options, format};
use crate::rows::{self, Bundle, Pulled, Watched};
use crate::{errors, events};

/// How a file is written, as far as the caller says it, and where it is given back with its problems.
#[derive(FromPyObject)]
pub struct GivenWriting(Option<String>, Option<String>, Option<PathBuf>);

/// Checks a file (`path`), or the rows that `pull` gives; `take` gets lists of issues.
#[pyfunction]
#[pyo3(signature = (options, path, pull, written, take, judge))]
pub fn validate<'py>(
    py: Python<'py>,
    options: Options,
    path: Option<String>,
    pull: Option<&Bound<'py, PyAny>>,
    written: GivenWriting,
    take: &Bound<'py, PyAny>,
    judge: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let judges = judge.is_some();
    let mut options = options.into_core(py)?.validation();
    let GivenWriting(delimiter, encoding, out) = written;
    let format = format(py, delimiter.as_deref(), encoding)?;
    let written = format.clone();
    let given = path.clone();
    let work = move |source: &mut dyn Source, bundle: &mut Bundle| {
        options.own_rules = judges.then(|| -> Arc<dyn OwnRules> { Arc::new(bundle.caller()) });
        match (&out, &given) {
            (Some(out), Some(path)) => {
                let marked = core::Marked {
                    path,
                    format: &written,
                    out,
                };
                let caller = bundle.caller();
                let done = core::validate_marked(
                    &options,
                    &marked,
                    source,
                    |issue| bundle.tell(issue),
                    || caller.look(),
                );
                done.map(|(found, given)| (found, Some(given)))
            }
            _ => check::validate(source, &options, |issue| bundle.tell(issue))
                .map(|found| (found, None))
                .map_err(GiveBackError::Check),
        }
    };
    let (found, given) = checked(py, path, pull, format, (take, judge), work)?;
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
    let given = given.map(|given| events::given_back(py, &given));
    values.set_item("marked", given.transpose()?)?;
    Ok(values)
}

/// The same check, and what an import would do.
#[pyfunction]
#[pyo3(signature = (options, path, pull, delimiter, encoding, take, judge))]
#[allow(clippy::too_many_arguments)] // the stub names them
pub fn dry_run<'py>(
    py: Python<'py>,
    options: Options,
    path: Option<String>,
    pull: Option<&Bound<'py, PyAny>>,
    delimiter: Option<&str>,
    encoding: Option<String>,
    take: &Bound<'py, PyAny>,
    judge: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let judges = judge.is_some();
    let mut options = options.into_core(py)?;
    let format = format(py, delimiter, encoding)?;
    let work = move |source: &mut dyn Source, bundle: &mut Bundle| {
        options.own_rules = judges.then(|| -> Arc<dyn OwnRules> { Arc::new(bundle.caller()) });
        let found = core::dry_run(&options, source, |issue| bundle.tell(issue));
        found.map_err(GiveBackError::Check)
    };
    let found = checked(py, path, pull, format, (take, judge), work)?;
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

/// Does the work on a thread of its own, while this one answers what it asks of Python.
fn checked<Found: Send + 'static>(
    py: Python<'_>,
    path: Option<String>,
    pull: Option<&Bound<'_, PyAny>>,
    format: Format,
    (take, judge): (&Bound<'_, PyAny>, Option<&Bound<'_, PyAny>>),
    work: impl FnOnce(&mut dyn Source, &mut Bundle) -> Result<Found, GiveBackError> + Send + 'static,
) -> PyResult<Found> {
    let (caller, desk) = rows::ends();
    let check = move || {
        let mut bundle = Bundle::new(caller.clone());
        let mut source: Box<dyn Source> = match path {
            Some(path) => Box::new(Watched {
                inner: source::open(&path, &format).map_err(ValidateError::Source)?,
                caller,
            }),
            None => Box::new(Pulled::open(caller).map_err(ValidateError::Source)?),
        };
        let found = work(source.as_mut(), &mut bundle);
        bundle.flush();
        found
    };
    let thread = thread::Builder::new()
        .name("workos-importer-check".into())
        .spawn(check)
        .map_err(|error| {
            errors::run(
                py,
                "internal",
                &format!("No thread can be started: {error}"),
            )
        })?;
    let answered = desk.answer(py, pull, take, judge);
    let found = py.detach(|| thread.join());
    answered?;
    match found {
        Ok(found) => found.map_err(|error| errors::give_back(py, &error)),
        Err(_) => Err(errors::run(
            py,
            "internal",
            "The check ended unexpectedly. Please report this.",
        )),
    }
}
