//! Owns tables on their way out: pages of plain Python values become an Arrow stream. A page is pulled when whoever reads
//! the stream asks for its next batch, so that no table is ever held as a whole.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchReader, StringArray,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};

/// What the values of a column are; each may be None.
#[derive(Clone, Copy)]
enum Kind {
    Boolean,
    Integer,
    Text,
    Texts,
}

impl Kind {
    fn named(word: &str) -> PyResult<Self> {
        match word {
            "boolean" => Ok(Self::Boolean),
            "integer" => Ok(Self::Integer),
            "text" => Ok(Self::Text),
            "texts" => Ok(Self::Texts),
            _ => Err(PyValueError::new_err(
                "Say boolean, integer, text or texts for each column",
            )),
        }
    }

    fn data_type(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Int64,
            Self::Text => DataType::Utf8,
            Self::Texts => DataType::new_list(DataType::Utf8, true),
        }
    }
}

/// A capsule with an Arrow C stream, as `__arrow_c_stream__` gives it. `columns`: names and what their values are
/// (`boolean`, `integer`, `text`, `texts`); `pages`: an iterator of lists of tuples, one value a column.
#[pyfunction]
pub fn arrow_stream(
    py: Python<'_>,
    columns: Vec<(String, String)>,
    pages: Py<PyAny>,
) -> PyResult<Bound<'_, PyCapsule>> {
    let mut kinds = Vec::with_capacity(columns.len());
    let mut fields = Vec::with_capacity(columns.len());
    for (name, word) in columns {
        let kind = Kind::named(&word)?;
        kinds.push(kind);
        fields.push(Field::new(name, kind.data_type(), true));
    }
    let pages = Pages {
        schema: Arc::new(Schema::new(fields)),
        kinds,
        pages,
    };
    let stream = FFI_ArrowArrayStream::new(Box::new(pages));
    // Its name and its layout are those of the Arrow PyCapsule interface; what nobody has taken out is released with it.
    PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
}

struct Pages {
    schema: SchemaRef,
    kinds: Vec<Kind>,
    pages: Py<PyAny>,
}

impl Pages {
    fn page(&self, py: Python<'_>) -> PyResult<Option<RecordBatch>> {
        let Some(page) = self.pages.bind(py).try_iter()?.next() else {
            return Ok(None);
        };
        let rows: Vec<Bound<'_, PyTuple>> = page?.extract()?;
        let columns: PyResult<Vec<ArrayRef>> = self
            .kinds
            .iter()
            .enumerate()
            .map(|(place, kind)| column(&rows, place, *kind))
            .collect();
        RecordBatch::try_new(Arc::clone(&self.schema), columns?)
            .map(Some)
            .map_err(|error| PyValueError::new_err(error.to_string()))
    }
}

impl Iterator for Pages {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        // The thread is the reader's, never one of ours: it has the interpreter's lock, or can wait for it.
        let page = Python::try_attach(|py| {
            let page = self.page(py);
            page.map_err(|error| error.value(py).to_string())
        });
        match page {
            Some(Ok(page)) => page.map(Ok),
            Some(Err(message)) => Some(Err(ArrowError::ExternalError(message.into()))),
            None => Some(Err(ArrowError::ExternalError(
                "The interpreter has ended".into(),
            ))),
        }
    }
}

impl RecordBatchReader for Pages {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

fn column(rows: &[Bound<'_, PyTuple>], place: usize, kind: Kind) -> PyResult<ArrayRef> {
    Ok(match kind {
        Kind::Boolean => Arc::new(BooleanArray::from(values::<bool>(rows, place)?)),
        Kind::Integer => Arc::new(Int64Array::from(values::<i64>(rows, place)?)),
        Kind::Text => Arc::new(StringArray::from(values::<String>(rows, place)?)),
        Kind::Texts => {
            let mut lists = ListBuilder::new(StringBuilder::new());
            for list in values::<Vec<String>>(rows, place)? {
                lists.append_option(list.map(|texts| texts.into_iter().map(Some)));
            }
            Arc::new(lists.finish())
        }
    })
}

fn values<'py, T>(rows: &[Bound<'py, PyTuple>], place: usize) -> PyResult<Vec<Option<T>>>
where
    T: for<'a> FromPyObject<'a, 'py, Error: Into<PyErr>>,
{
    rows.iter()
        .map(|row| {
            let value = row.get_item(place)?;
            match value.is_none() {
                true => Ok(None),
                false => value.extract::<T>().map(Some).map_err(Into::into),
            }
        })
        .collect()
}
