//! Owns the way from the engine's errors to Python's exceptions. The classes are in `workos_importer._exceptions`; the
//! kinds are the words that its `KINDS` list.

use pyo3::call::PyCallArgs;
use pyo3::prelude::*;
use serde_json::Value;
use workos_importer_core::import::{GiveBackError, ReportError, StartError};
use workos_importer_core::objects::ObjectsError;
use workos_importer_core::report::MarkedFileError;
use workos_importer_core::row::{ColumnsError, ModeError};
use workos_importer_core::source::SourceError;
use workos_importer_core::validate::ValidateError;
use workos_importer_core::wire::ConnectionError;

use crate::stand_ins;

pub fn config(py: Python<'_>, kind: &str, message: &str) -> PyErr {
    raised(py, "ConfigError", kind, message)
}

pub fn source_error(py: Python<'_>, kind: &str, message: &str) -> PyErr {
    raised(py, "SourceError", kind, message)
}

pub fn run(py: Python<'_>, kind: &str, message: &str) -> PyErr {
    raised(py, "RunError", kind, message)
}

pub fn journal(py: Python<'_>, message: &str) -> PyErr {
    raised(py, "JournalError", "journal", message)
}

pub fn start(py: Python<'_>, error: &StartError) -> PyErr {
    let message = error.to_string();
    match error {
        StartError::Source(error) => source(py, error),
        StartError::Columns(error) => columns(py, error),
        StartError::Mode(error) => mode(py, error),
        StartError::Connection(error) => connection(py, error),
        StartError::Options(_) => config(py, "config", &message),
        StartError::Output { .. } => config(py, "output_path", &message),
        StartError::Folder { .. } | StartError::Beside { .. } => {
            raised(py, "JournalError", "run_dir", &message)
        }
        StartError::NoRun(_) => run(py, "no_run", &message),
        StartError::NotRunning(_) => run(py, "not_running", &message),
        StartError::Locked(_) => raised(py, "RunLockedError", "run_locked", &message),
        StartError::SourceChanged { .. } => {
            raised(py, "SourceChangedError", "source_changed", &message)
        }
        StartError::Undone(_) => run(py, "undone", &message),
        StartError::Journal(_) => journal(py, &message),
    }
}

pub fn validate(py: Python<'_>, error: &ValidateError) -> PyErr {
    match error {
        ValidateError::Source(error) => source(py, error),
        ValidateError::Columns(error) => columns(py, error),
        ValidateError::Mode(error) => mode(py, error),
        ValidateError::Temporary(_) => source_error(py, "temporary", &error.to_string()),
    }
}

pub fn give_back(py: Python<'_>, error: &GiveBackError) -> PyErr {
    let message = error.to_string();
    match error {
        GiveBackError::Check(error) => validate(py, error),
        GiveBackError::File(MarkedFileError::Source(error)) => source(py, error),
        GiveBackError::File(MarkedFileError::Output { .. }) => config(py, "output_path", &message),
        GiveBackError::File(MarkedFileError::Problems(_)) => {
            source_error(py, "temporary", &message)
        }
        GiveBackError::SourceChanged { .. } => {
            raised(py, "SourceChangedError", "source_changed", &message)
        }
        GiveBackError::Journal(_) => journal(py, &message),
    }
}

pub fn report(py: Python<'_>, error: &ReportError) -> PyErr {
    let message = error.to_string();
    match error {
        ReportError::Receipt { .. } => config(py, "config", &message),
        ReportError::Output { .. } => config(py, "output_path", &message),
        ReportError::Html(_) => run(py, "internal", &message),
        ReportError::Journal(_) => journal(py, &message),
        ReportError::Start(error) => start(py, error),
    }
}

pub fn source(py: Python<'_>, error: &SourceError) -> PyErr {
    source_error(py, error.kind(), &error.to_string())
}

pub fn mode(py: Python<'_>, error: &ModeError) -> PyErr {
    match error {
        ModeError::OrganizationNameColumnAlone { .. } => {
            source_error(py, "columns", &error.to_string())
        }
        _ => config(py, "mode", &error.to_string()),
    }
}

fn columns(py: Python<'_>, error: &ColumnsError) -> PyErr {
    match error {
        ColumnsError::NoEmail { .. }
        | ColumnsError::Lacking { .. }
        | ColumnsError::Duplicate { .. } => source_error(py, "columns", &error.to_string()),
        _ => config(py, "mapping", &error.to_string()),
    }
}

pub fn connection(py: Python<'_>, error: &ConnectionError) -> PyErr {
    config(py, "connection", &error.to_string())
}

/// The classes of single objects; two of them carry more than a text.
pub fn objects(py: Python<'_>, error: &ObjectsError) -> PyErr {
    let message = error.to_string();
    let kind = error.kind();
    let class = match error {
        ObjectsError::Input(_) | ObjectsError::NotFound(_) => "InputError",
        ObjectsError::Auth(_) => "AuthError",
        ObjectsError::Api(_) => "APIError",
        ObjectsError::Conflict { with, .. } => {
            return made(py, "ConflictError", (message, kind, with.as_deref()));
        }
        ObjectsError::InDoubt { candidates, .. } => {
            let candidates = stand_ins::to_python(py, &Value::from(candidates.clone()));
            return match candidates {
                Ok(candidates) => made(py, "InDoubtError", (message, kind, candidates)),
                Err(error) => error,
            };
        }
    };
    raised(py, class, kind, &message)
}

fn raised(py: Python<'_>, class: &str, kind: &str, message: &str) -> PyErr {
    made(py, class, (message, kind))
}

fn made<'py>(py: Python<'py>, class: &str, arguments: impl PyCallArgs<'py>) -> PyErr {
    let made = py
        .import("workos_importer._exceptions")
        .and_then(|module| module.getattr(class))
        .and_then(|class| class.call1(arguments));
    match made {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}
