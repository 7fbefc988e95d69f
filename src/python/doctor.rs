//! Owns the looks of `doctor` as Python takes them, with its lock released. Each check is a tuple whose order
//! `_native.pyi` names.

use std::path::PathBuf;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use tokio::time::timeout;
use workos_importer_core::import::doctor::{self as core, Check};

use crate::connection::Connection;
use crate::import::GivenTarget;
use crate::{errors, runtime, stand_ins};

/// How long one wait lasts before Python's signals are looked at.
const SLICE: Duration = Duration::from_millis(50);

/// Looks at the settings of a connection; opens none.
#[pyfunction]
pub fn check_connection<'py>(
    py: Python<'py>,
    connection: PyRef<'py, Connection>,
) -> PyResult<Vec<Bound<'py, PyTuple>>> {
    let connection = connection.inner.clone();
    // Setting the client up reads the system's certificates.
    let checks = py.detach(|| core::check_connection(&connection));
    checks.into_iter().map(|check| parts(py, check)).collect()
}

/// Asks the API, with three reads.
#[pyfunction]
pub fn check_api<'py>(
    py: Python<'py>,
    target: GivenTarget<'py>,
) -> PyResult<Vec<Bound<'py, PyTuple>>> {
    let target = target.into_core();
    let runtime = runtime::handle(py)?;
    let mut asking = runtime.spawn(async move { core::ask_api(&target).await });
    loop {
        let asked = py.detach(|| runtime.block_on(async { timeout(SLICE, &mut asking).await }));
        match asked {
            Ok(Ok(checks)) => return checks.into_iter().map(|check| parts(py, check)).collect(),
            Ok(Err(error)) => return Err(errors::run(py, "internal", &error.to_string())),
            Err(_) => {
                if let Err(signal) = py.check_signals() {
                    asking.abort();
                    return Err(signal);
                }
            }
        }
    }
}

/// Tries the folder of runs.
#[pyfunction]
#[pyo3(signature = (run_dir))]
pub fn check_run_folder<'py>(
    py: Python<'py>,
    run_dir: Option<PathBuf>,
) -> PyResult<Bound<'py, PyTuple>> {
    let check = py.detach(|| core::check_run_folder(run_dir.as_deref()));
    parts(py, check)
}

fn parts<'py>(py: Python<'py>, check: Check) -> PyResult<Bound<'py, PyTuple>> {
    (
        check.name,
        check.standing.as_str(),
        check.message,
        check.remedy,
        stand_ins::to_python(py, &check.value)?,
        check.standing.exit_code(),
    )
        .into_pyobject(py)
}
