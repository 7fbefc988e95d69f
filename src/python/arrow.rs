//! Owns Arrow's C interfaces: the structs that PyCapsules hold, and the batches in them. Nothing is copied. That a producer
//! keeps to the specification is trusted, as everywhere in the Arrow world; where a common one does not, it is told here.

use std::ffi::{CStr, c_void};
use std::sync::Arc;

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi_and_data_type};
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{Array, RecordBatch, RecordBatchOptions, StructArray};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

const STREAM: &CStr = c"arrow_array_stream";
const ARRAY: &CStr = c"arrow_array";
const SCHEMA: &CStr = c"arrow_schema";

/// The stream in a capsule. The capsule has it no more.
///
/// # Errors
/// When the capsule holds something else.
pub fn stream(capsule: &Bound<'_, PyAny>) -> PyResult<FFI_ArrowArrayStream> {
    let pointer = capsule.cast::<PyCapsule>()?.pointer_checked(Some(STREAM))?;
    // SAFETY: by its name, the capsule holds a stream. What is taken out is marked as released.
    Ok(unsafe { FFI_ArrowArrayStream::from_raw(pointer.cast().as_ptr()) })
}

/// The schema and the array in two capsules, which have them no more.
///
/// # Errors
/// When the capsules hold something else.
pub fn array(capsules: &Bound<'_, PyAny>) -> PyResult<(FFI_ArrowSchema, FFI_ArrowArray)> {
    let (schema, array) = capsules.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()?;
    let schema = schema.cast::<PyCapsule>()?.pointer_checked(Some(SCHEMA))?;
    let array = array.cast::<PyCapsule>()?.pointer_checked(Some(ARRAY))?;
    // SAFETY: by their names, the capsules hold a schema and an array. What is taken out is marked as released.
    Ok(unsafe {
        (
            FFI_ArrowSchema::from_raw(schema.cast().as_ptr()),
            FFI_ArrowArray::from_raw(array.cast().as_ptr()),
        )
    })
}

/// A stream of batches.
pub struct Batches {
    stream: FFI_ArrowArrayStream,
    schema: SchemaRef,
}

impl Batches {
    /// Asks the stream for its columns.
    ///
    /// # Errors
    /// When the producer fails, or the stream is one of single columns.
    pub fn open(mut stream: FFI_ArrowArrayStream) -> Result<Self, ArrowError> {
        let Some(get_schema) = stream.get_schema() else {
            return Err(ArrowError::CDataInterface("the stream was released".into()));
        };
        let mut schema = FFI_ArrowSchema::empty();
        // SAFETY: the callback is the stream's own, and the schema is there to be filled.
        if unsafe { get_schema(&raw mut stream, &raw mut schema) } != 0 {
            return Err(last_error(&mut stream));
        }
        let schema = columns(&schema)?;
        Ok(Self { stream, schema })
    }

    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The next batch; `None` at the end.
    ///
    /// # Errors
    /// When the producer fails.
    pub fn next(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let Some(get_next) = self.stream.get_next() else {
            return Ok(None);
        };
        let mut array = FFI_ArrowArray::empty();
        // SAFETY: the callback is the stream's own, and the array is there to be filled.
        if unsafe { get_next(&raw mut self.stream, &raw mut array) } != 0 {
            return Err(last_error(&mut self.stream));
        }
        if array.is_released() {
            return Ok(None);
        }
        // SAFETY: the array is of the stream's schema.
        unsafe { batch(array, &self.schema) }.map(Some)
    }
}

/// The columns of a table's schema.
///
/// # Errors
/// When it is the schema of a single column.
pub fn columns(schema: &FFI_ArrowSchema) -> Result<SchemaRef, ArrowError> {
    let field = Field::try_from(schema)?;
    match field.data_type() {
        DataType::Struct(fields) => Ok(Arc::new(Schema::new(fields.clone()))),
        _ => Err(ArrowError::CDataInterface("it is a single column".into())),
    }
}

/// The batch of an array.
///
/// # Safety
/// The array must be of this schema.
///
/// # Errors
/// When the array is not as its schema says.
pub unsafe fn batch(
    mut array: FFI_ArrowArray,
    schema: &SchemaRef,
) -> Result<RecordBatch, ArrowError> {
    let kind = DataType::Struct(schema.fields().clone());
    // SAFETY: the array is of this type.
    unsafe { without_buffers_of_nothing((&raw mut array).cast(), &kind) };
    // SAFETY: the same.
    let rows = StructArray::from(unsafe { from_ffi_and_data_type(array, kind) }?);
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::clone(schema), rows.into_parts().1, &options)
}

/// What the producer says of the call that just failed.
fn last_error(stream: &mut FFI_ArrowArrayStream) -> ArrowError {
    let text = stream.get_last_error().and_then(|get_last_error| {
        // SAFETY: the callback is the stream's own, whose last call failed; the text is copied before the next one.
        let text = unsafe { get_last_error(&raw mut *stream) };
        let text = (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) });
        text.map(|text| text.to_string_lossy().into_owned())
    });
    ArrowError::CDataInterface(text.unwrap_or_else(|| "the producer says nothing".into()))
}

/// The struct of the C data interface, whose fields the library keeps to itself.
#[repr(C)]
struct Raw {
    length: i64,
    null_count: i64,
    offset: i64,
    buffers_count: i64,
    children_count: i64,
    buffers: *mut *const c_void,
    children: *mut *mut Raw,
    dictionary: *mut Raw,
    release: *const c_void,
    private_data: *mut c_void,
}

/// Columns without a single value have no buffers. polars gives them one, which the library then refuses: all columns in
/// which everything is missing would be.
///
/// # Safety
/// The array must be one of this type, and unreleased.
unsafe fn without_buffers_of_nothing(array: *mut Raw, kind: &DataType) {
    // SAFETY: the pointers are valid as long as the array is, and its children are of the types of its type's children.
    unsafe {
        let Some(raw) = array.as_mut() else { return };
        let child = |place: usize| match (place as i64) < raw.children_count {
            true => *raw.children.add(place),
            false => std::ptr::null_mut(),
        };
        match kind {
            // Producers release what is in their own private data, whatever is counted here.
            DataType::Null => raw.buffers_count = 0,
            DataType::Struct(fields) => {
                for (place, field) in fields.iter().enumerate() {
                    without_buffers_of_nothing(child(place), field.data_type());
                }
            }
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::LargeListView(item)
            | DataType::FixedSizeList(item, _)
            | DataType::Map(item, _) => without_buffers_of_nothing(child(0), item.data_type()),
            DataType::Dictionary(_, values) => without_buffers_of_nothing(raw.dictionary, values),
            DataType::RunEndEncoded(_, values) => {
                without_buffers_of_nothing(child(1), values.data_type());
            }
            _ => {}
        }
    }
}

// The library's struct is the interface's: it can be seen through this one.
const _: () = assert!(size_of::<Raw>() == size_of::<FFI_ArrowArray>());
