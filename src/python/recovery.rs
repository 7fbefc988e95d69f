//! Owns the handle of a sending of recovery links as Python sees it: Python asks for the next one, hands it over, and says
//! what became of it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use workos_importer_core::directory::RecoveryMethod;
use workos_importer_core::engine::Halt;
use workos_importer_core::import::{self as core, Receiver, RecoverySummary, Target, ToldRecovery};
use workos_importer_core::recovery::{Recover, RecoveryOptions, Settled};

use crate::exit::Busy;
use crate::handle::{Handle, SLICE};
use crate::import::GivenTarget;
use crate::options::Options;
use crate::{errors, runtime};

/// Record number, email, id, state, and why.
type Line = (
    Option<u64>,
    Option<String>,
    Option<String>,
    &'static str,
    Option<String>,
);

/// A sending that is under way.
#[pyclass(frozen, module = "workos_importer._native")]
pub struct Recovering {
    inner: Handle<core::Recovering>,
}

/// What is made, as Python gives it: `link` or `code`, for how many seconds it holds, how many a minute.
#[derive(FromPyObject)]
pub struct GivenRecovery(String, f64, u32);

impl GivenRecovery {
    fn into_core(self, py: Python<'_>) -> PyResult<RecoveryOptions> {
        let Self(word, seconds, per_minute) = self;
        let method = RecoveryMethod::ALL
            .into_iter()
            .find(|method| method.as_str() == word)
            .ok_or_else(|| errors::config(py, "config", "method must be \"link\" or \"code\""))?;
        let expires_in = Duration::try_from_secs_f64(seconds)
            .map_err(|_| errors::config(py, "config", "expires_in is no time"))?;
        Ok(RecoveryOptions {
            method,
            expires_in,
            per_minute,
        })
    }
}

/// Begins to send to the users whom a run made without a password, or goes on with that; into a file (`out`), or to whoever
/// polls.
#[pyfunction]
#[pyo3(signature = (options, run, how, out, target, new_key))]
pub fn recover(
    py: Python<'_>,
    options: Options,
    run: String,
    how: GivenRecovery,
    out: Option<PathBuf>,
    target: GivenTarget<'_>,
    new_key: bool,
) -> PyResult<Recovering> {
    let mut options = options.into_core(py)?;
    options.new_key = new_key;
    let how = how.into_core(py)?;
    let receiver = out.map_or(Receiver::Caller, Receiver::File);
    let target: Target = target.into_core();
    let runtime = runtime::handle(py)?;
    let begun = py.detach(|| core::recover(options, &run, how, receiver, target, &runtime));
    let inner = begun.map_err(|error| errors::start(py, &error))?;
    Ok(Recovering {
        inner: Handle::new(inner),
    })
}

#[pymethods]
impl Recovering {
    /// Waits up to `timeout` seconds for what is next: a tuple of what is to be handed over, in the order of `Recovery`, or
    /// the figures of the end, which are given once.
    fn poll<'py>(&self, py: Python<'py>, timeout: f64) -> PyResult<Option<Bound<'py, PyAny>>> {
        let inner = self.inner.get(py)?;
        let busy = Busy::begin()?;
        let patience = Duration::try_from_secs_f64(timeout).unwrap_or(SLICE);
        let begun = Instant::now();
        loop {
            let left = patience.saturating_sub(begun.elapsed());
            match py.detach(|| inner.poll(left.min(SLICE))) {
                // Signals wait: an exception here would lose what was taken.
                Ok(Some(ToldRecovery::Recover(recover))) => {
                    return Ok(Some(handed(py, &recover)?.into_any()));
                }
                Ok(Some(ToldRecovery::Ended(summary))) => {
                    return Ok(Some(summary_of(py, &summary)?.into_any()));
                }
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

    /// Says what became of what `poll` gave last, if nobody has said so yet: `delivered`, `failed` (and why),
    /// `not_handed_over`, or `in_doubt`.
    fn settle(&self, py: Python<'_>, what: &str, reason: Option<String>) -> PyResult<()> {
        let settled = match what {
            "delivered" => Settled::Delivered,
            "failed" => Settled::Failed(reason.unwrap_or_default()),
            "not_handed_over" => Settled::NotHandedOver,
            _ => Settled::InDoubt,
        };
        self.inner.get(py)?.settle(settled);
        Ok(())
    }

    /// Asks for a stop, between two users.
    fn halt(&self, py: Python<'_>) -> PyResult<()> {
        self.inner.get(py)?.halt(Halt::Drain);
        Ok(())
    }

    /// Users who are settled, in this sending and before, and all of them.
    fn progress(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        let progress = self.inner.get(py)?.progress();
        Ok((progress.settled, progress.total))
    }

    /// The run's id, and its folder.
    fn place(&self, py: Python<'_>) -> PyResult<(String, String)> {
        let inner = self.inner.get(py)?;
        let folder = inner.folder().display().to_string();
        Ok((inner.run_id().to_owned(), folder))
    }
}

/// Up to `limit` users of a run who were handed nothing, or not for certain, after `after` (from 0): where the next page
/// begins, and the lines.
#[pyfunction]
pub fn recovery_left(
    py: Python<'_>,
    folder: PathBuf,
    after: i64,
    limit: usize,
) -> PyResult<(i64, Vec<Line>)> {
    let journal = folder.join("journal.sqlite3");
    let lines = py.detach(|| core::unsent_recoveries(&journal, after, limit));
    let lines = lines.map_err(|error| errors::journal(py, &error.to_string()))?;
    let next = lines.last().map_or(after, |line| line.step);
    let lines = lines.into_iter().map(|line| {
        let state = line.state.as_str();
        (
            line.record_number,
            line.email,
            line.user_id,
            state,
            line.reason,
        )
    });
    Ok((next, lines.collect()))
}

/// What is to be handed over, in the order of `Recovery`.
fn handed<'py>(py: Python<'py>, recover: &Recover) -> PyResult<Bound<'py, PyTuple>> {
    let parts = (
        recover.email.as_str(),
        recover.first_name.as_deref(),
        recover.user_id.as_str(),
        recover.link.expose(),
        recover.code.as_ref().map(|code| code.expose()),
        recover.expires_at.to_string(),
        recover.record_number,
    );
    parts.into_pyobject(py)
}

fn summary_of<'py>(py: Python<'py>, summary: &RecoverySummary) -> PyResult<Bound<'py, PyDict>> {
    let values = PyDict::new(py);
    values.set_item("run_id", &summary.run_id)?;
    values.set_item("status", summary.status)?;
    values.set_item("sent", summary.counts.sent)?;
    values.set_item("failed", summary.counts.failed)?;
    values.set_item("in_doubt", summary.counts.in_doubt)?;
    values.set_item("gone", summary.counts.gone)?;
    values.set_item("left", summary.counts.left)?;
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
    values.set_item("folder", summary.folder.display().to_string())?;
    Ok(values)
}
