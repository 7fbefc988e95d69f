//! Owns the handle of a run that is being undone, and what undoing would do, as Python sees them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use workos_importer_core::engine::Halt;
use workos_importer_core::import::{self as core, Target, UndoPlan, UndoSummary};
use workos_importer_core::journal::UndoneCount;

use crate::exit::Busy;
use crate::handle::{Handle, SLICE};
use crate::import::GivenTarget;
use crate::options::Options;
use crate::{errors, runtime};

/// Kind, record number, name, id, reason, and more about it.
type Line = (
    &'static str,
    Option<u64>,
    Option<String>,
    Option<String>,
    &'static str,
    Option<String>,
);

/// A run that is being undone.
#[pyclass(frozen, module = "workos_importer._native")]
pub struct Undoing {
    inner: Handle<core::Undoing>,
}

/// Begins to undo a run, or goes on with that.
#[pyfunction]
#[pyo3(signature = (options, run, organizations, target, new_key))]
pub fn undo(
    py: Python<'_>,
    options: Options,
    run: String,
    organizations: bool,
    target: GivenTarget<'_>,
    new_key: bool,
) -> PyResult<Undoing> {
    let mut options = options.into_core(py)?;
    options.new_key = new_key;
    let target: Target = target.into_core();
    let runtime = runtime::handle(py)?;
    let begun = py.detach(|| core::undo(options, &run, organizations, target, &runtime));
    let inner = begun.map_err(|error| errors::start(py, &error))?;
    Ok(Undoing {
        inner: Handle::new(inner),
    })
}

#[pymethods]
impl Undoing {
    /// Waits up to `timeout` seconds for the end, whose figures are given once.
    fn poll<'py>(&self, py: Python<'py>, timeout: f64) -> PyResult<Option<Bound<'py, PyDict>>> {
        let inner = self.inner.get(py)?;
        let busy = Busy::begin()?;
        let patience = Duration::try_from_secs_f64(timeout).unwrap_or(SLICE);
        let begun = Instant::now();
        loop {
            let left = patience.saturating_sub(begun.elapsed());
            match py.detach(|| inner.poll(left.min(SLICE))) {
                Ok(Some(summary)) => return summary_of(py, &summary).map(Some),
                Ok(None) => {}
                Err(error) => return Err(errors::run(py, "internal", &error.to_string())),
            }
            busy.go_on()?;
            py.check_signals()?;
            if begun.elapsed() >= patience {
                return Ok(None);
            }
        }
    }

    /// Asks for a stop: at once with `now`, else when what is in flight has ended.
    fn halt(&self, py: Python<'_>, now: bool) -> PyResult<()> {
        self.inner
            .get(py)?
            .halt(if now { Halt::Now } else { Halt::Drain });
        Ok(())
    }

    /// Objects that are settled, and all of them.
    fn progress(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        let progress = self.inner.get(py)?.progress();
        Ok((progress.settled, progress.total))
    }

    /// The run's id, and its folder.
    fn place(&self, py: Python<'_>) -> PyResult<(String, String)> {
        let inner = self.inner.get(py)?;
        Ok((inner.run_id().to_owned(), shown(inner.folder())))
    }
}

/// What undoing a run would do, in the names of `UndoPlan`.
pub fn plan<'py>(py: Python<'py>, plan: &UndoPlan) -> PyResult<Bound<'py, PyDict>> {
    let values = PyDict::new(py);
    values.set_item("run_id", &plan.run_id)?;
    values.set_item("source", &plan.source)?;
    values.set_item("started_at", &plan.started_at)?;
    values.set_item("target", &plan.target)?;
    values.set_item("users", plan.users)?;
    values.set_item("memberships", plan.memberships)?;
    values.set_item("organizations", plan.organizations)?;
    values.set_item("organizations_kept", plan.organizations_kept)?;
    values.set_item("left", counts(py, &plan.left)?)?;
    Ok(values)
}

/// Up to `limit` of what undoing a run has left, after `after` (from 0): where the next page begins, and the lines.
#[pyfunction]
pub fn undo_left(
    py: Python<'_>,
    folder: PathBuf,
    after: i64,
    limit: usize,
) -> PyResult<(i64, Vec<Line>)> {
    let journal = folder.join("journal.sqlite3");
    let lines = py.detach(|| core::left(&journal, after, limit));
    let lines = lines.map_err(|error| errors::journal(py, &error.to_string()))?;
    let next = lines.last().map_or(after, |line| line.step);
    let lines = lines.into_iter().map(|line| {
        (
            line.kind.as_str(),
            line.record_number,
            line.name,
            line.remote_id,
            line.verdict.as_str(),
            line.note,
        )
    });
    Ok((next, lines.collect()))
}

fn summary_of<'py>(py: Python<'py>, summary: &UndoSummary) -> PyResult<Bound<'py, PyDict>> {
    let values = PyDict::new(py);
    values.set_item("run_id", &summary.run_id)?;
    values.set_item("status", summary.status)?;
    values.set_item("users_deleted", summary.users_deleted)?;
    values.set_item("memberships_deleted", summary.memberships_deleted)?;
    values.set_item("organizations_deleted", summary.organizations_deleted)?;
    values.set_item("organizations_kept", summary.organizations_kept)?;
    values.set_item("left_counts", counts(py, &summary.left)?)?;
    values.set_item("pending", summary.pending)?;
    let calls = PyDict::new(py);
    for (call, count) in &summary.api_calls {
        calls.set_item(call, count)?;
    }
    values.set_item("api_calls", calls)?;
    values.set_item("duration_seconds", summary.duration_seconds)?;
    let stopped = match &summary.stopped {
        Some(stopped) => {
            let parts = PyDict::new(py);
            parts.set_item("kind", stopped.kind)?;
            parts.set_item("message", &stopped.message)?;
            Some(parts)
        }
        None => None,
    };
    values.set_item("stopped", stopped)?;
    values.set_item("exit_code", summary.exit_code)?;
    values.set_item("folder", shown(&summary.folder))?;
    Ok(values)
}

/// Kind, reason, how many.
fn counts<'py>(py: Python<'py>, counts: &[UndoneCount]) -> PyResult<Bound<'py, PyList>> {
    let listed = counts
        .iter()
        .map(|one| (one.kind.as_str(), one.verdict.as_str(), one.count));
    PyList::new(py, listed.collect::<Vec<_>>())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
