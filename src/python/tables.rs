//! Owns the taking of tables out of Python: Arrow's PyCapsules, which are pulled on the caller's thread with the
//! interpreter's lock released, as their producers may need it on threads of their own; and lists of columns.

use std::ffi::CStr;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi};
use arrow_array::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use arrow_array::{Array, RecordBatch, RecordBatchOptions, make_array};
use arrow_schema::{ArrowError, Schema};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyList};
use workos_importer_core::source::{
    self, Broken, BrokenKind, CELL_LIMIT, Cell, Cells, Handed, distinct,
};

use crate::{cells, errors};

const STREAM: &CStr = c"arrow_array_stream";
const ARRAY: &CStr = c"arrow_array";
const SCHEMA: &CStr = c"arrow_schema";

/// A table that is read piece by piece: whatever has `__arrow_c_stream__` or `__arrow_c_array__` is a piece.
#[pyclass(frozen, module = "workos_importer._native")]
pub struct Table {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    table: source::Table,
    /// The piece that is being read.
    stream: Option<RecordBatchStreamReader>,
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
            let capsule = piece.call_method0("__arrow_c_stream__")?;
            let pointer = capsule
                .cast::<PyCapsule>()?
                .pointer_checked(Some(STREAM))?
                .cast::<FFI_ArrowArrayStream>();
            // SAFETY: by its name, the capsule holds a stream. It is taken out: the capsule's own end finds it gone.
            let stream = unsafe { FFI_ArrowArrayStream::from_raw(pointer.as_ptr()) };
            // The producer may wait for threads that need the lock.
            py.detach(|| RecordBatchStreamReader::try_new(stream))
                .map(Opened::Stream)
        } else {
            let capsules = piece.call_method0("__arrow_c_array__")?;
            let (schema, array) = capsules.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()?;
            let schema = schema
                .cast::<PyCapsule>()?
                .pointer_checked(Some(SCHEMA))?
                .cast::<FFI_ArrowSchema>();
            let array = array
                .cast::<PyCapsule>()?
                .pointer_checked(Some(ARRAY))?
                .cast::<FFI_ArrowArray>();
            // SAFETY: by their names, the capsules hold a schema, which stays theirs, and an array, which is taken out.
            let taken = unsafe { batch(FFI_ArrowArray::from_raw(array.as_ptr()), schema.as_ref()) };
            taken.map(Opened::Batch)
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
                Some(Ok(batch)) => self.table.load(&batch).map_err(Failed::Columns)?,
                Some(Err(error)) => {
                    self.stream = None;
                    return Err(Failed::Arrow(error));
                }
                // A table without batches has columns nevertheless.
                None => {
                    let empty =
                        RecordBatch::new_empty(arrow_array::RecordBatchReader::schema(stream));
                    self.stream = None;
                    self.table.load(&empty).map_err(Failed::Columns)?;
                }
            }
        }
        Ok(false)
    }
}

enum Opened {
    Stream(RecordBatchStreamReader),
    Batch(RecordBatch),
}

/// The one batch of an array.
///
/// # Safety
/// The array must be of this schema.
unsafe fn batch(
    array: FFI_ArrowArray,
    schema: &FFI_ArrowSchema,
) -> Result<RecordBatch, ArrowError> {
    // SAFETY: as this function's.
    let array = make_array(unsafe { from_ffi(array, schema) }?);
    let Some(rows) = array.as_struct_opt() else {
        return Err(ArrowError::CDataInterface("the array is no struct".into()));
    };
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let (fields, columns, _) = rows.clone().into_parts();
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
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
