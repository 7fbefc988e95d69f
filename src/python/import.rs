//! Owns the handle of a running import. Python pulls from it; it is useless in a forked child, and says so there.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use workos_importer_core::engine::Halt;
use workos_importer_core::import::{self as core, Again, Input, Purpose, Target};
use workos_importer_core::journal::AnswerLine;

use crate::connection::Connection;
use crate::exit::Busy;
use crate::handle::{Handle, SLICE};
use crate::kratos::KratosTarget;
use crate::options::{Options, format, pace_change};
use crate::rows::handed;
use crate::sandbox::Sandbox;
use crate::{errors, events, runs, runtime};

/// Empty answers that come at once mean that nothing will ever come: the run's task is gone.
const EMPTY_ANSWERS: u32 = 20;

/// An import that is under way.
#[pyclass(frozen, module = "workos_importer._native")]
pub struct Import {
    inner: Handle<core::Import>,
}

/// Where an import writes to, as Python gives it.
#[derive(FromPyObject)]
pub enum GivenTarget<'py> {
    Connection(PyRef<'py, Connection>),
    Sandbox(PyRef<'py, Sandbox>),
    Kratos(PyRef<'py, KratosTarget>),
}

impl GivenTarget<'_> {
    /// The engine's own type.
    pub fn into_core(self) -> Target {
        match self {
            GivenTarget::Connection(connection) => Target::Api(connection.inner.clone()),
            GivenTarget::Sandbox(sandbox) => Target::Sandbox(sandbox.inner().clone()),
            GivenTarget::Kratos(kratos) => kratos.target(),
        }
    }
}

/// What to make of earlier runs, as Python gives it: a word, the run that it means (`resume`, `retry`) or the name that the
/// run is to have, whether the key may be another.
#[derive(FromPyObject)]
pub struct GivenAgain(String, Option<String>, bool);

impl GivenAgain {
    fn into_core(self, py: Python<'_>) -> PyResult<(Again, Option<String>)> {
        match (self.0.as_str(), self.1) {
            ("go_on", name) => Ok((Again::GoOn, name)),
            ("new", name) => Ok((Again::New, name)),
            ("resume", Some(run)) => Ok((Again::Resume(run), None)),
            ("retry", Some(run)) => Ok((Again::Retry(run), None)),
            _ => Err(errors::config(
                py,
                "config",
                "Say go_on or new; or resume or retry, and which run",
            )),
        }
    }
}

/// What the source is read for, as Python gives it: a word (`import`, `planned`, `plan`, `verify`), the plan's file, whether
/// what no row names is found too, how many rows are drawn.
#[derive(FromPyObject)]
pub struct GivenPurpose(String, Option<PathBuf>, bool, Option<u64>);

impl GivenPurpose {
    fn into_core(self, py: Python<'_>) -> PyResult<Purpose> {
        let Self(word, plan, extra, sample) = self;
        match (word.as_str(), plan) {
            ("import", None) => Ok(Purpose::Import),
            ("planned", Some(path)) => Ok(Purpose::Planned(path)),
            ("plan", None) => Ok(Purpose::Plan),
            ("verify", None) => Ok(Purpose::Verify { extra, sample }),
            _ => Err(errors::config(
                py,
                "config",
                "Say import, plan or verify; or planned, and where the plan is",
            )),
        }
    }
}

/// Starts an import of a file (`path`; `written`: its delimiter and encoding), or of rows that are fed (`can_rewind` is then
/// given); or goes on with the run that `what` names first, from its own file where neither is given.
#[pyfunction]
#[pyo3(signature = (options, path, can_rewind, written, target, what))]
pub fn start(
    py: Python<'_>,
    options: Options,
    path: Option<String>,
    can_rewind: Option<bool>,
    written: (Option<String>, Option<String>),
    target: GivenTarget<'_>,
    what: (GivenAgain, GivenPurpose),
) -> PyResult<Import> {
    let (delimiter, encoding) = written;
    let (again, purpose) = what;
    let mut options = options.into_core(py)?;
    options.new_key = again.2;
    options.purpose = purpose.into_core(py)?;
    (options.again, options.run_name) = again.into_core(py)?;
    let input = match path {
        Some(path) => Input::Path {
            path,
            format: format(py, delimiter.as_deref(), encoding)?,
        },
        None => can_rewind.map_or(Input::Recorded, |can_rewind| Input::Fed { can_rewind }),
    };
    let target = target.into_core();
    let runtime = runtime::handle(py)?;
    // Opening can wait for a pipe.
    let started = py.detach(|| core::start(options, input, target, &runtime));
    let inner = started.map_err(|error| errors::start(py, &error))?;
    Ok(Import {
        inner: Handle::new(inner),
    })
}

#[pymethods]
impl Import {
    /// Waits up to `timeout` seconds for events and returns up to `most` of them.
    fn poll<'py>(
        &self,
        py: Python<'py>,
        most: usize,
        timeout: f64,
    ) -> PyResult<Bound<'py, PyList>> {
        let inner = self.inner.get(py)?;
        let busy = Busy::begin()?;
        let patience = Duration::try_from_secs_f64(timeout).unwrap_or(SLICE);
        let begun = Instant::now();
        let mut empty = 0;
        loop {
            let left = patience.saturating_sub(begun.elapsed());
            let slice = left.min(SLICE);
            let asked = Instant::now();
            let taken = py.detach(|| inner.poll(most, slice));
            if !taken.is_empty() {
                // Signals wait: an exception here would lose what was taken.
                let converted: PyResult<Vec<_>> = taken
                    .into_iter()
                    .map(|one| events::event(py, one))
                    .collect();
                return PyList::new(py, converted?);
            }
            busy.go_on()?;
            py.check_signals()?;
            if left.is_zero() || begun.elapsed() >= patience {
                return Ok(PyList::empty(py));
            }
            if asked.elapsed() < slice / 2 {
                empty += 1;
                if empty >= EMPTY_ANSWERS {
                    return Err(errors::run(
                        py,
                        "internal",
                        "The run ended without a summary. Please report this.",
                    ));
                }
            }
        }
    }

    /// Hands rows over; none mean the end.
    fn feed(&self, py: Python<'_>, rows: &Bound<'_, PyAny>, before: u64) -> PyResult<()> {
        self.inner.get(py)?.feed(handed(rows, before)?);
        Ok(())
    }

    /// Says that the caller's rows ended with an error.
    fn feed_failed(&self, py: Python<'_>, message: String) -> PyResult<()> {
        self.inner.get(py)?.feed_failed(message);
        Ok(())
    }

    /// The run's folder.
    fn folder(&self, py: Python<'_>) -> PyResult<String> {
        let inner = self.inner.get(py)?;
        let folder = inner.journal().parent().unwrap_or(inner.journal());
        Ok(folder.display().to_string())
    }

    /// Answers `asks`.
    fn confirm(&self, py: Python<'_>, yes: bool) -> PyResult<()> {
        self.inner.get(py)?.confirm(yes);
        Ok(())
    }

    /// Asks the run to stop: at once with `now`, else when what is in flight has ended.
    fn halt(&self, py: Python<'_>, now: bool) -> PyResult<()> {
        self.inner
            .get(py)?
            .halt(if now { Halt::Now } else { Halt::Drain });
        Ok(())
    }

    /// From now on rows that did not fail are not among the events.
    fn tell_only_failures(&self, py: Python<'_>) -> PyResult<()> {
        self.inner.get(py)?.tell_only_failures();
        Ok(())
    }

    /// Where the run is, in the order of `Progress`.
    fn progress<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        events::progress(py, &self.inner.get(py)?.progress())
    }

    /// Keeps another pace from now on.
    fn pace(
        &self,
        py: Python<'_>,
        rate_limit: Option<(u32, f64)>,
        headroom: Option<f64>,
    ) -> PyResult<()> {
        let change = pace_change(py, rate_limit, headroom)?;
        let changed = self.inner.get(py)?.pace(change);
        changed.map_err(|error| errors::start(py, &error))
    }

    /// Up to `limit` rows of a verification after a record number, in the order of `VerifiedRow`.
    fn verified<'py>(
        &self,
        py: Python<'py>,
        after: u64,
        limit: usize,
    ) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let inner = self.inner.get(py)?;
        let rows = py.detach(|| inner.verified(after, limit));
        let rows = rows.map_err(|error| errors::journal(py, &error.to_string()))?;
        rows.into_iter()
            .map(|row| {
                let verdict = row.verdict.as_str();
                let parts = (
                    row.record_number,
                    row.line,
                    row.email,
                    row.external_id,
                    verdict,
                    row.fields,
                    row.message,
                    row.record_id,
                );
                parts.into_pyobject(py)
            })
            .collect()
    }

    /// Up to `limit` memberships after a place that no row names: the place, then in the order of `ExtraMembership`.
    fn extra<'py>(
        &self,
        py: Python<'py>,
        after: i64,
        limit: usize,
    ) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let inner = self.inner.get(py)?;
        let found = py.detach(|| inner.extra(after, limit));
        let found = found.map_err(|error| errors::journal(py, &error.to_string()))?;
        found
            .into_iter()
            .map(|one| {
                let parts = (
                    one.place,
                    one.email,
                    one.user_id,
                    one.organization_id,
                    one.membership_id,
                    one.roles,
                    one.active,
                );
                parts.into_pyobject(py)
            })
            .collect()
    }

    /// Up to `limit` lines of what the directory showed, after a place: pairs of the place and the line.
    fn answers(
        &self,
        py: Python<'_>,
        after: (i64, String),
        limit: usize,
    ) -> PyResult<Vec<AnswerLine>> {
        let inner = self.inner.get(py)?;
        let lines = py.detach(|| inner.answers(&after, limit));
        lines.map_err(|error| errors::journal(py, &error.to_string()))
    }

    /// Writes the plan into a file.
    fn save_plan(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let inner = self.inner.get(py)?;
        let saved = py.detach(|| inner.save_plan(&path));
        saved.map_err(|reason| {
            let text = format!("{}: cannot be written: {reason}.", path.display());
            errors::config(py, "output_path", &text)
        })
    }

    /// Writes the report on the run, also while it is under way.
    fn report(
        &self,
        py: Python<'_>,
        path: PathBuf,
        receipt: Option<PathBuf>,
        redact: bool,
    ) -> PyResult<()> {
        let inner = self.inner.get(py)?;
        let folder = inner.journal().parent().unwrap_or(inner.journal());
        runs::report(py, folder, &path, receipt, redact)
    }

    /// Up to `limit` results after a record number, in the order of the results file's columns.
    fn results<'py>(
        &self,
        py: Python<'py>,
        after: u64,
        limit: usize,
    ) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let inner = self.inner.get(py)?;
        let lines = py.detach(|| inner.results(after, limit));
        let lines = lines.map_err(|error| errors::journal(py, &error.to_string()))?;
        lines
            .into_iter()
            .map(|line| events::result_line(py, line))
            .collect()
    }
}
