//! Owns the taking of tables out of Python: what has Arrow's PyCapsules, which are pulled on the caller's thread with the
//! interpreter's lock released, as their producers may need it on threads of their own; and lists of columns.

use std::sync::{Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyList;
use workos_importer_core::source::{
    self, Broken, BrokenKind, CELL_LIMIT, Cell, Cells, Handed, distinct,
};

use crate::arrow::{self, Batches};
use crate::{cells, errors};

/// A table that is read piece by piece: whatever has `__arrow_c_stream__` or `__arrow_c_array__` is a piece.
#[pyclass(frozen, module = "workos_importer._native")]
pub struct Table {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    table: source::Table,
    /// The piece that is being read.
    stream: Option<Batches>,
}

/// Why a piece could not be read.
enum Failed {
    /// The table itself, or its producer, which says why in words that may quote values.
    Arrow(ArrowError),
    Columns(source::SourceError),
}

#[pymethods]
impl Table {
    #[new]
    fn new() -> Self {
        Self {
            inner: Mutex::default(),
        }
    }

    /// Begins with the next piece. Raises SourceError for what is no table, and what its producer raises.
    fn load(&self, py: Python<'_>, piece: &Bound<'_, PyAny>) -> PyResult<()> {
        let opened = if piece.hasattr("__arrow_c_stream__")? {
            let stream = arrow::stream(&piece.call_method0("__arrow_c_stream__")?)?;
            // The producer may wait for threads that need the lock.
            py.detach(|| Batches::open(stream)).map(Opened::Stream)
        } else {
            let (schema, array) = arrow::array(&piece.call_method0("__arrow_c_array__")?)?;
            // SAFETY: the object gave the array with its schema.
            let batch =
                arrow::columns(&schema).and_then(|schema| unsafe { arrow::batch(array, &schema) });
            batch.map(Opened::Batch)
        };
        let opened = opened.map_err(|error| failed(py, Failed::Arrow(error)))?;
        py.detach(|| {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            match opened {
                Opened::Stream(stream) => {
                    inner.stream = Some(stream);
                    Ok(())
                }
                Opened::Batch(batch) => inner.table.load(&batch).map_err(Failed::Columns),
            }
        })
        .map_err(|error| failed(py, error))
    }

    /// Whether all rows of the pieces so far were handed on. Pulls the next batch where one is wanted.
    fn is_used_up(&self, py: Python<'_>) -> PyResult<bool> {
        let found = py.detach(|| {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner.is_used_up()
        });
        found.map_err(|error| failed(py, error))
    }

    /// The names of the columns; none before the first batch was read.
    fn columns(&self) -> Vec<String> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.table.columns().to_vec()
    }
}

impl Table {
    /// The next rows; none if they are used up.
    pub fn hand_on(&self, py: Python<'_>) -> Handed {
        py.detach(|| {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner.table.hand_on()
        })
    }
}

impl Inner {
    fn is_used_up(&mut self) -> Result<bool, Failed> {
        while self.table.is_used_up() {
            let Some(stream) = &mut self.stream else {
                return Ok(true);
            };
            match stream.next() {
                Ok(Some(batch)) => self.table.load(&batch).map_err(Failed::Columns)?,
                // A table without batches has columns nevertheless.
                Ok(None) => {
                    let empty = RecordBatch::new_empty(stream.schema());
                    self.stream = None;
                    self.table.load(&empty).map_err(Failed::Columns)?;
                }
                Err(error) => {
                    self.stream = None;
                    return Err(Failed::Arrow(error));
                }
            }
        }
        Ok(false)
    }
}

enum Opened {
    Stream(Batches),
    Batch(RecordBatch),
}

fn failed(py: Python<'_>, failed: Failed) -> PyErr {
    match failed {
        Failed::Columns(error) => errors::source(py, &error),
        Failed::Arrow(error) => {
            let message =
                "The table cannot be read. What its library says is the cause of this exception.";
            let raised = errors::source_error(py, "data_frame", message);
            raised.set_cause(py, Some(PyRuntimeError::new_err(error.to_string())));
            raised
        }
    }
}

/// Rows out of the columns that Python handed over: the names, and for each column the values of the next rows.
pub fn columns(names: Vec<String>, columns: &Bound<'_, PyList>) -> PyResult<Handed> {
    let py = columns.py();
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for column in columns.iter() {
        let values = column.cast_into::<PyList>()?;
        rows.resize_with(values.len().max(rows.len()), || {
            Vec::with_capacity(names.len())
        });
        for (row, value) in rows.iter_mut().zip(values.iter()) {
            row.push(cells::cell(&value)?);
        }
    }
    let is_long = |cell: &Cell| matches!(cell, Cell::Text(text) if text.len() > CELL_LIMIT);
    let row = |cells: Vec<Cell>| match cells.iter().position(is_long) {
        Some(position) => Err(Broken::in_cell(BrokenKind::CellTooLong, position)),
        None => Ok(Cells::from(cells)),
    };
    let trimmed = names.iter().map(|name| name.trim().to_owned()).collect();
    Ok(Handed::Table {
        columns: distinct(trimmed).map_err(|error| errors::source(py, &error))?,
        rows: rows.into_iter().map(row).collect(),
    })
}
