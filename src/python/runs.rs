//! Owns the runs on disk as Python sees them: which there are, and what each one's journal says.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use workos_importer_core::import as core;

use crate::options::pace_change;
use crate::{errors, events, undo};

/// How long a run may take to hear of another pace: it looks once a second, unless it still reads its source.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long is waited before its signals are looked at, and the run.
const SLICE: Duration = Duration::from_millis(50);

/// A run that was found on disk.
#[pyclass(frozen, module = "workos_importer._native")]
pub struct FoundRun {
    inner: core::FoundRun,
}

/// All runs below a folder, the latest first.
#[pyfunction]
#[pyo3(signature = (run_dir))]
pub fn runs(py: Python<'_>, run_dir: Option<PathBuf>) -> Vec<FoundRun> {
    let found = py.detach(|| core::runs(run_dir.as_deref()));
    found.into_iter().map(|inner| FoundRun { inner }).collect()
}

/// The run of this name: an id, a unique beginning of one, or `latest`.
#[pyfunction]
#[pyo3(signature = (run_dir, name))]
pub fn find_run(py: Python<'_>, run_dir: Option<PathBuf>, name: String) -> PyResult<FoundRun> {
    let found = py.detach(|| core::find_run(run_dir.as_deref(), &name));
    let inner = found.map_err(|error| errors::start(py, &error))?;
    Ok(FoundRun { inner })
}

/// Writes the report on the run in a folder; `receipt`: what `verify` has written; `redact`: email addresses are masked.
pub fn report(
    py: Python<'_>,
    folder: &Path,
    path: &Path,
    receipt: Option<PathBuf>,
    redact: bool,
) -> PyResult<()> {
    let options = core::ReportOptions {
        redact,
        receipt: receipt.as_deref(),
    };
    let written = py.detach(|| core::write_report(folder, path, &options));
    written.map_err(|error| errors::report(py, &error))
}

#[pymethods]
impl FoundRun {
    /// What the run is, in the names of `RunInfo`.
    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let info = &self.inner.info;
        let values = PyDict::new(py);
        values.set_item("id", &info.id)?;
        values.set_item("source", &info.source)?;
        values.set_item("mode", &info.mode)?;
        values.set_item("target", &info.target)?;
        values.set_item("status", &info.status)?;
        values.set_item("started_at", &info.started_at)?;
        values.set_item("ended_at", &info.ended_at)?;
        values.set_item("total", info.total)?;
        for outcome in ["created", "updated", "unchanged", "failed"] {
            values.set_item(outcome, info.outcomes.get(outcome).copied().unwrap_or(0))?;
        }
        values.set_item("folder", self.inner.folder.display().to_string())?;
        Ok(values)
    }

    /// The column of its source that says what each row is called.
    fn record_id(&self) -> Option<String> {
        core::record_id_column(&self.inner)
    }

    /// The figures, as the run's own summary has them.
    fn summary<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let shown = py.detach(|| core::show(&self.inner));
        let shown = shown.map_err(|error| errors::journal(py, &error.to_string()))?;
        events::summary(py, &shown)
    }

    /// Up to `limit` results after a record number, in the order of the results file's columns.
    fn results<'py>(
        &self,
        py: Python<'py>,
        after: u64,
        limit: usize,
    ) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let lines = py.detach(|| core::results(&self.inner.journal(), after, limit));
        let lines = lines.map_err(|error| errors::journal(py, &error.to_string()))?;
        lines
            .into_iter()
            .map(|line| events::result_line(py, line))
            .collect()
    }

    /// Up to `limit` failed rows after a record number: the line, and the parts of a result.
    fn failed_rows<'py>(
        &self,
        py: Python<'py>,
        after: u64,
        limit: usize,
    ) -> PyResult<Vec<(Option<u64>, Bound<'py, PyTuple>)>> {
        let rows = py.detach(|| core::failed_rows(&self.inner, after, limit));
        let rows = rows.map_err(|error| errors::journal(py, &error.to_string()))?;
        rows.into_iter()
            .map(|row| Ok((row.line, events::result_line(py, row.result)?)))
            .collect()
    }

    /// Why rows failed, in the names of `Cause`.
    fn causes<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let causes = py.detach(|| core::causes(&self.inner));
        let causes = causes.map_err(|error| errors::journal(py, &error.to_string()))?;
        causes
            .into_iter()
            .map(|cause| {
                let values = PyDict::new(py);
                values.set_item("code", cause.code)?;
                values.set_item("error_type", cause.error_type)?;
                values.set_item("count", cause.count)?;
                values.set_item("records", PyTuple::new(py, cause.records)?)?;
                values.set_item("example", cause.example)?;
                values.set_item("retry_helps", cause.retry_helps)?;
                values.set_item("remedy", cause.remedy)?;
                Ok(values)
            })
            .collect()
    }

    /// Writes every row's outcome into a file, as `results_out` does.
    fn export_results(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let written = py.detach(|| core::export_results(&self.inner, &path));
        written.map_err(|message| {
            let message = format!("{}: cannot be written: {message}", path.display());
            errors::config(py, "output_path", &message)
        })
    }

    /// Writes the failed rows into a file, as their owner wrote them, with what is wrong.
    fn give_back_failed<'py>(
        &self,
        py: Python<'py>,
        path: PathBuf,
    ) -> PyResult<Bound<'py, PyDict>> {
        let given = py.detach(|| core::give_back_failed(&self.inner, &path));
        let given = given.map_err(|error| errors::give_back(py, &error))?;
        events::given_back(py, &given)
    }

    /// Writes the report on the run as one HTML file; see `report`.
    fn report(
        &self,
        py: Python<'_>,
        path: PathBuf,
        receipt: Option<PathBuf>,
        redact: bool,
    ) -> PyResult<()> {
        report(py, &self.inner.folder, &path, receipt, redact)
    }

    /// What undoing the run would do, in the names of `UndoPlan`.
    fn undo_plan<'py>(&self, py: Python<'py>, organizations: bool) -> PyResult<Bound<'py, PyDict>> {
        let planned = py.detach(|| core::undo_plan(&self.inner, organizations));
        let planned = planned.map_err(|error| errors::start(py, &error))?;
        undo::plan(py, &planned)
    }

    /// Where the run is, in the order of `Progress`, as the process that works on it says; `None` if none does.
    fn progress<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let found = py.detach(|| core::progress(&self.inner));
        let found = found.map_err(|error| errors::start(py, &error))?;
        found.map(|one| events::progress(py, &one)).transpose()
    }

    /// Asks the process that works on the run for another pace; where the run is since it heard of that, `None` if it has
    /// not within a few seconds.
    fn pace<'py>(
        &self,
        py: Python<'py>,
        rate_limit: Option<(u32, f64)>,
        headroom: Option<f64>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let change = pace_change(py, rate_limit, headroom)?;
        let refused = |error| errors::start(py, &error);
        let asked = py.detach(|| core::ask_for_pace(self.inner.clone(), change));
        let asked = asked.map_err(refused)?;
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let heard = py.detach(|| {
                thread::sleep(SLICE);
                asked.heard()
            });
            if let Some(progress) = heard.map_err(refused)? {
                return events::progress(py, &progress).map(Some);
            }
            py.check_signals()?;
        }
        Ok(None)
    }

    /// Removes the run's folder; refused while somebody works on it.
    fn delete(&self, py: Python<'_>) -> PyResult<()> {
        let removed = py.detach(|| core::delete_run(&self.inner));
        removed.map_err(|error| errors::start(py, &error))
    }
}
