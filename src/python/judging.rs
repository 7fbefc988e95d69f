//! Owns the question to the caller's own rules as Python has it: rows as JSON text, remarks as plain values.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use serde_json::json;
use workos_importer_core::import as core;
use workos_importer_core::row::{IssueCode, Remark, Severity};

use crate::errors;

/// Rows that rules are to judge. Dropped without an answer, it ends the reading.
#[pyclass(frozen, module = "workos_importer._native")]
pub struct Judging {
    inner: Mutex<Option<core::Judging>>,
}

/// What a rule says, as Python gives it: record number, severity, code, message, column.
#[derive(FromPyObject)]
pub struct GivenRemark(u64, String, String, String, Option<String>);

impl Judging {
    pub fn new(inner: core::Judging) -> Self {
        Self {
            inner: Mutex::new(Some(inner)),
        }
    }

    fn take(&self) -> Option<core::Judging> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.take()
    }
}

#[pymethods]
impl Judging {
    /// The rows as JSON text: pairs of the record number and the values.
    fn rows(&self) -> String {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = inner.iter().flat_map(|judging| judging.rows());
        let rows = rows.map(|row| json!([row.record_number, row.values]));
        serde_json::Value::Array(rows.collect()).to_string()
    }

    /// Tells what the rules say.
    fn answer(&self, py: Python<'_>, remarks: Vec<GivenRemark>) -> PyResult<()> {
        let remarks: PyResult<Vec<Remark>> = remarks
            .into_iter()
            .map(|GivenRemark(record_number, severity, code, message, column)| {
                let severity = match severity.as_str() {
                    "error" => Severity::Error,
                    "warning" => Severity::Warning,
                    _ => return Err(errors::config(py, "rule", "An issue is an error or a warning")),
                };
                let code = IssueCode::own(&code).ok_or_else(|| {
                    let text = "An issue's code has lower-case letters, digits and underscores only, 64 at most";
                    errors::config(py, "rule", text)
                })?;
                Ok(Remark {
                    record_number,
                    severity,
                    code,
                    column,
                    message,
                })
            })
            .collect();
        let remarks = remarks?;
        if let Some(judging) = self.take() {
            judging.answer(Ok(remarks));
        }
        Ok(())
    }

    /// Tells that a rule failed: the reading ends.
    pub fn fail(&self, message: String) {
        if let Some(judging) = self.take() {
            judging.answer(Err(message));
        }
    }
}
