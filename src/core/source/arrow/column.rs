//! Owns how the values of a column are read, by the column's type. What Python would make of the same value is what is
//! made here: a row means the same whether it comes as a table's or as a mapping.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type,
    Decimal256Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, BooleanArray, FixedSizeBinaryArray, GenericBinaryArray,
    OffsetSizeTrait, PrimitiveArray,
};
use arrow_schema::{DataType, Field, TimeUnit};

use super::super::Cell;
use super::nested;
use super::text::{Zone, date, decimal, moment, time_of_day, uuid};
use super::value::Value;

/// Deeper than any JSON that an API takes, and far from the end of the stack.
const DEEPEST: usize = 32;

/// The values of one column of a batch.
pub(super) trait Column: Send {
    /// The value of a row.
    fn value(&self, row: usize) -> Value<'_>;

    /// How many bytes of text the value borrows from the column: none for what is no text.
    fn text_length(&self, _row: usize) -> usize {
        0
    }
}

/// How a column of this type is read; `depth` is how many lists and objects it is inside of.
pub(super) fn open(array: &ArrayRef, field: &Field, depth: usize) -> Box<dyn Column> {
    if depth > DEEPEST {
        return unusable(array, "lists and objects, nested more than 32 deep");
    }
    if let Some(column) = nested::open(array, depth) {
        return column;
    }
    match array.data_type() {
        DataType::Null => Box::new(Nothing),
        DataType::Boolean => Box::new(Booleans(array.as_boolean().clone())),
        DataType::Utf8 => Box::new(Texts::<i32>(array.as_string().clone().into())),
        DataType::LargeUtf8 => Box::new(Texts::<i64>(array.as_string().clone().into())),
        DataType::Utf8View => Box::new(Views(array.as_string_view().clone().to_binary_view())),
        DataType::Int8 => made::<Int8Type>(array, |value| Value::Integer(value.into())),
        DataType::Int16 => made::<Int16Type>(array, |value| Value::Integer(value.into())),
        DataType::Int32 => made::<Int32Type>(array, |value| Value::Integer(value.into())),
        DataType::Int64 => made::<Int64Type>(array, Value::Integer),
        DataType::UInt8 => made::<UInt8Type>(array, |value| Value::Integer(value.into())),
        DataType::UInt16 => made::<UInt16Type>(array, |value| Value::Integer(value.into())),
        DataType::UInt32 => made::<UInt32Type>(array, |value| Value::Integer(value.into())),
        DataType::UInt64 => made::<UInt64Type>(array, move |value| {
            Value::Made(Cell::whole(value, depth == 0))
        }),
        DataType::Float16 => made::<Float16Type>(array, move |value| {
            Value::Made(Cell::float(value.to_f64(), depth == 0))
        }),
        DataType::Float32 => made::<Float32Type>(array, move |value| {
            Value::Made(Cell::float(value.into(), depth == 0))
        }),
        DataType::Float64 => made::<Float64Type>(array, move |value| {
            Value::Made(Cell::float(value, depth == 0))
        }),
        DataType::Decimal32(_, scale) => digits::<Decimal32Type>(array, *scale),
        DataType::Decimal64(_, scale) => digits::<Decimal64Type>(array, *scale),
        DataType::Decimal128(_, scale) => digits::<Decimal128Type>(array, *scale),
        DataType::Decimal256(_, scale) => digits::<Decimal256Type>(array, *scale),
        DataType::FixedSizeBinary(16) if is_uuid(field) => {
            Box::new(Uuids(array.as_fixed_size_binary().clone()))
        }
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => unusable(array, "binary data"),
        DataType::Duration(_) | DataType::Interval(_) => unusable(array, "a duration"),
        other => times(array, other)
            .unwrap_or_else(|| unusable(array, "a value of a type that is not known")),
    }
}

/// Dates and times, as ISO 8601 has them.
fn times(array: &ArrayRef, kind: &DataType) -> Option<Box<dyn Column>> {
    Some(match kind {
        DataType::Date32 => made::<Date32Type>(array, |days| text(date(days.into()))),
        DataType::Date64 => made::<Date64Type>(array, |thousandths| {
            text(date(thousandths.div_euclid(86_400_000)))
        }),
        DataType::Time32(TimeUnit::Second) => {
            made::<Time32SecondType>(array, |value| text(time_of_day(value.into(), 1)))
        }
        DataType::Time32(_) => {
            made::<Time32MillisecondType>(array, |value| text(time_of_day(value.into(), 1_000)))
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            made::<Time64MicrosecondType>(array, |value| text(time_of_day(value, 1_000_000)))
        }
        DataType::Time64(_) => {
            made::<Time64NanosecondType>(array, |value| text(time_of_day(value, 1_000_000_000)))
        }
        DataType::Timestamp(unit, zone) => {
            let Some(zone) = Zone::named(zone.as_deref()) else {
                return Some(unusable(
                    array,
                    "a time in a time zone that is not known here",
                ));
            };
            match unit {
                TimeUnit::Second => {
                    made::<TimestampSecondType>(array, move |value| text(moment(value, 1, &zone)))
                }
                TimeUnit::Millisecond => made::<TimestampMillisecondType>(array, move |value| {
                    text(moment(value, 1_000, &zone))
                }),
                TimeUnit::Microsecond => made::<TimestampMicrosecondType>(array, move |value| {
                    text(moment(value, 1_000_000, &zone))
                }),
                TimeUnit::Nanosecond => made::<TimestampNanosecondType>(array, move |value| {
                    text(moment(value, 1_000_000_000, &zone))
                }),
            }
        }
        _ => return None,
    })
}

fn text(time: Option<String>) -> Value<'static> {
    match time {
        Some(text) => Value::Made(Cell::text(text)),
        None => Value::unusable("a time outside of the years 1 to 9999"),
    }
}

/// The extension type `arrow.uuid`.
fn is_uuid(field: &Field) -> bool {
    field.extension_type_name() == Some("arrow.uuid")
}

struct Nothing;

impl Column for Nothing {
    fn value(&self, _row: usize) -> Value<'_> {
        Value::Absent
    }
}

/// A column of values that mean nothing here.
struct Unusable(ArrayRef, &'static str);

impl Column for Unusable {
    fn value(&self, row: usize) -> Value<'_> {
        if self.0.is_null(row) {
            return Value::Absent;
        }
        Value::unusable(self.1)
    }
}

pub(super) fn unusable(array: &ArrayRef, what: &'static str) -> Box<dyn Column> {
    Box::new(Unusable(array.clone(), what))
}

struct Booleans(BooleanArray);

impl Column for Booleans {
    fn value(&self, row: usize) -> Value<'_> {
        if self.0.is_null(row) {
            return Value::Absent;
        }
        Value::Bool(self.0.value(row))
    }
}

/// Numbers and times: each is made into a value.
struct Made<Kind: ArrowPrimitiveType, Make>(PrimitiveArray<Kind>, Make);

impl<Kind, Make> Column for Made<Kind, Make>
where
    Kind: ArrowPrimitiveType,
    Make: Fn(Kind::Native) -> Value<'static> + Send,
{
    fn value(&self, row: usize) -> Value<'_> {
        if self.0.is_null(row) {
            return Value::Absent;
        }
        (self.1)(self.0.value(row))
    }
}

fn made<Kind: ArrowPrimitiveType>(
    array: &ArrayRef,
    make: impl Fn(Kind::Native) -> Value<'static> + Send + 'static,
) -> Box<dyn Column> {
    Box::new(Made::<Kind, _>(array.as_primitive().clone(), make))
}

fn digits<Kind: ArrowPrimitiveType>(array: &ArrayRef, scale: i8) -> Box<dyn Column>
where
    Kind::Native: std::fmt::Display,
{
    made::<Kind>(array, move |value| {
        Value::Made(Cell::text(decimal(&value.to_string(), scale)))
    })
}

struct Uuids(FixedSizeBinaryArray);

impl Column for Uuids {
    fn value(&self, row: usize) -> Value<'_> {
        if self.0.is_null(row) {
            return Value::Absent;
        }
        Value::Made(Cell::text(uuid(self.0.value(row))))
    }
}

/// Texts. They are read as bytes: whoever made the table may have put anything into it.
struct Texts<Offset: OffsetSizeTrait>(GenericBinaryArray<Offset>);

impl<Offset: OffsetSizeTrait> Column for Texts<Offset> {
    fn value(&self, row: usize) -> Value<'_> {
        if self.0.is_null(row) {
            return Value::Absent;
        }
        checked(self.0.value(row))
    }

    fn text_length(&self, row: usize) -> usize {
        let offsets = self.0.value_offsets();
        (offsets[row + 1] - offsets[row]).as_usize()
    }
}

struct Views(BinaryViewArray);

impl Column for Views {
    fn value(&self, row: usize) -> Value<'_> {
        if self.0.is_null(row) {
            return Value::Absent;
        }
        checked(self.0.value(row))
    }

    fn text_length(&self, row: usize) -> usize {
        // The low half of a view is its length.
        self.0.views()[row] as u32 as usize
    }
}

fn checked(bytes: &[u8]) -> Value<'_> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::Text(text),
        Err(_) => Value::unusable("text that is not valid Unicode"),
    }
}
