//! Owns the way of events to Python: pairs of a name and plain values, whose order `_native.pyi` names.

use std::path::Path;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{IntoPyObjectExt, intern};
use workos_importer_core::import::{Event, PaceNow, Progress, Started, Summary};
use workos_importer_core::journal::ResultLine;
use workos_importer_core::journal::outcome::{Evidence, RowError, RowResult, StepResult};
use workos_importer_core::report::GivenBack;
use workos_importer_core::row::{Issue, Kind};

use crate::judging::Judging;

/// One event as `(name, value)`.
pub fn event<'py>(py: Python<'py>, event: Event) -> PyResult<Bound<'py, PyAny>> {
    let (name, value) = match event {
        Event::Started(started) => (
            intern!(py, "started"),
            self::started(py, &started)?.into_any(),
        ),
        Event::Asks(asked) => (intern!(py, "asks"), self::started(py, &asked)?.into_any()),
        Event::Warning(issue) => (intern!(py, "warning"), self::issue(py, &issue)?),
        Event::Row(result) => (intern!(py, "row"), row(py, &result)?),
        Event::Judge(judging) => (
            intern!(py, "judge"),
            Judging::new(judging).into_bound_py_any(py)?,
        ),
        Event::Compared(comparison) => (
            intern!(py, "compared"),
            // Once for each comparison, and of many parts: as JSON text, which Python reads.
            serde_json::to_string(&*comparison)
                .unwrap_or_default()
                .into_bound_py_any(py)?,
        ),
        Event::WantRows { rewind } => (intern!(py, "want_rows"), rewind.into_bound_py_any(py)?),
        Event::Ended(summary) => (
            intern!(py, "ended"),
            self::summary(py, &summary)?.into_any(),
        ),
    };
    (name, value).into_bound_py_any(py)
}

/// An issue's parts.
pub fn issue<'py>(py: Python<'py>, issue: &Issue) -> PyResult<Bound<'py, PyAny>> {
    let Issue {
        severity,
        code,
        record_number,
        record_id,
        line,
        column,
        message,
    } = issue;
    (
        severity.as_str(),
        code.as_str(),
        message,
        *record_number,
        *line,
        column,
        record_id,
    )
        .into_bound_py_any(py)
}

/// One line of the results.
pub fn result_line<'py>(py: Python<'py>, line: ResultLine) -> PyResult<Bound<'py, PyTuple>> {
    let number = line.record_number.into_bound_py_any(py)?;
    let texts = line
        .texts
        .into_iter()
        .map(|text| text.into_bound_py_any(py));
    let record_id = line.record_id.into_bound_py_any(py);
    let parts = std::iter::once(Ok(number)).chain(texts).chain([record_id]);
    let parts: PyResult<Vec<_>> = parts.collect();
    PyTuple::new(py, parts?)
}

fn row<'py>(py: Python<'py>, result: &RowResult) -> PyResult<Bound<'py, PyAny>> {
    let identity = &result.identity;
    let (user, membership) = (result.step(Kind::User), result.step(Kind::Membership));
    let effect = |step: Option<&StepResult>| step.map(|step| step.effect.as_str());
    let id = |step: Option<&StepResult>| step.map(|step| step.id.clone());
    let parts = [
        identity.record_number.into_bound_py_any(py)?,
        identity.line.into_bound_py_any(py)?,
        identity.email().into_bound_py_any(py)?,
        identity.external_id().into_bound_py_any(py)?,
        result.outcome.as_str().into_bound_py_any(py)?,
        effect(user).into_bound_py_any(py)?,
        effect(membership).into_bound_py_any(py)?,
        result
            .evidence()
            .map(Evidence::as_str)
            .into_bound_py_any(py)?,
        id(user).into_bound_py_any(py)?,
        id(result.step(Kind::Organization)).into_bound_py_any(py)?,
        id(membership).into_bound_py_any(py)?,
        result.at.as_millisecond().into_bound_py_any(py)?,
        result
            .error
            .as_ref()
            .map(|error| row_error(py, error))
            .transpose()?
            .into_bound_py_any(py)?,
        identity.record_id().into_bound_py_any(py)?,
    ];
    PyTuple::new(py, parts)?.into_bound_py_any(py)
}

fn row_error<'py>(py: Python<'py>, error: &RowError) -> PyResult<Bound<'py, PyAny>> {
    let api = &error.api;
    // Rare and of any shape: as JSON text, which Python reads.
    let errors = (!api.workos_errors.is_empty())
        .then(|| serde_json::Value::from(api.workos_errors.clone()).to_string());
    let parts = (
        error.error_type,
        error.code,
        &error.message,
        api.http_status,
        &api.workos_code,
        &api.workos_request_id,
        errors,
    );
    parts.into_bound_py_any(py)
}

fn started<'py>(py: Python<'py>, started: &Started) -> PyResult<Bound<'py, PyDict>> {
    let values = PyDict::new(py);
    values.set_item("run_id", &started.run_id)?;
    values.set_item("mode", &started.mode)?;
    values.set_item("mode_sentence", &started.mode_sentence)?;
    values.set_item("rows", started.rows)?;
    values.set_item("live", started.live)?;
    values.set_item("write_limit", started.write_limit)?;
    values.set_item("headroom", started.headroom)?;
    values.set_item("least_seconds", started.least_seconds)?;
    values.set_item("note", &started.note)?;
    values.set_item("folder", shown(&started.folder))?;
    Ok(values)
}

/// The figures of a run, in the names of `Summary`.
pub fn summary<'py>(py: Python<'py>, summary: &Summary) -> PyResult<Bound<'py, PyDict>> {
    let values = PyDict::new(py);
    values.set_item("run_id", &summary.run_id)?;
    values.set_item("status", summary.status.as_str())?;
    values.set_item("mode", &summary.mode)?;
    values.set_item("total", summary.total)?;
    values.set_item("imported", summary.imported)?;
    values.set_item("created", summary.created)?;
    values.set_item("updated", summary.updated)?;
    values.set_item("unchanged", summary.unchanged)?;
    values.set_item("failed", summary.failed)?;
    values.set_item("pending", summary.pending)?;
    values.set_item("memberships_created", summary.memberships_created)?;
    values.set_item("organizations_created", summary.organizations_created)?;
    values.set_item("differing", summary.differing)?;
    values.set_item("inferred", summary.inferred)?;
    values.set_item("users_deleted", summary.users_deleted)?;
    values.set_item("warnings", summary.warnings)?;
    values.set_item("cache_hits", summary.cache_hits)?;
    values.set_item("cache_misses", summary.cache_misses)?;
    values.set_item("api_calls", &summary.api_calls)?;
    values.set_item("turned_away", summary.turned_away)?;
    values.set_item("pauses", summary.pauses)?;
    values.set_item("paused_seconds", summary.paused_seconds)?;
    values.set_item("away_seconds", summary.away_seconds)?;
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
    values.set_item("note", &summary.note)?;
    values.set_item("exit_code", summary.exit_code)?;
    values.set_item("folder", shown(&summary.folder))?;
    values.set_item("errors_out", summary.errors_out.as_deref().map(shown))?;
    values.set_item("results_out", summary.results_out.as_deref().map(shown))?;
    Ok(values)
}

/// Where a run is, in the order of `Progress`, its pace in that of `Pace`.
pub fn progress<'py>(py: Python<'py>, progress: &Progress) -> PyResult<Bound<'py, PyAny>> {
    let Progress {
        ended,
        failed,
        total,
        rate,
        eta_seconds,
        pace,
    } = *progress;
    let pace = pace.map(|pace| {
        let PaceNow {
            write_limit,
            headroom,
            share,
            in_flight,
            turned_away,
            pauses,
            paused_for,
            away_for,
            next_try_in,
        } = pace;
        (
            write_limit,
            headroom,
            share,
            in_flight,
            turned_away,
            pauses,
            paused_for,
            away_for,
            next_try_in,
        )
    });
    (ended, failed, total, rate, eta_seconds, pace).into_bound_py_any(py)
}

/// What rows were given back, in the names of `GivenBack`.
pub fn given_back<'py>(py: Python<'py>, given: &GivenBack) -> PyResult<Bound<'py, PyDict>> {
    let values = PyDict::new(py);
    values.set_item("rows", given.rows)?;
    values.set_item("secret_columns", PyTuple::new(py, &given.secret_columns)?)?;
    Ok(values)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
