//! Owns columns that are made of other columns: dictionaries, runs, lists, structs and maps.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowDictionaryKeyType, Int8Type, Int16Type, Int32Type, Int64Type, RunEndIndexType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, FixedSizeListArray, GenericListArray, GenericListViewArray,
    MapArray, OffsetSizeTrait, RunArray, StructArray,
};
use arrow_schema::DataType;

use super::super::Cell;
use super::column::{Column, open as open_column};
use super::value::Value;

/// How such a column is read; `None` if it is not made of others.
pub(super) fn open(array: &ArrayRef, depth: usize) -> Option<Box<dyn Column>> {
    Some(match array.data_type() {
        DataType::Dictionary(key, _) => match key.as_ref() {
            DataType::Int8 => dictionary::<Int8Type>(array, depth),
            DataType::Int16 => dictionary::<Int16Type>(array, depth),
            DataType::Int32 => dictionary::<Int32Type>(array, depth),
            DataType::Int64 => dictionary::<Int64Type>(array, depth),
            DataType::UInt8 => dictionary::<UInt8Type>(array, depth),
            DataType::UInt16 => dictionary::<UInt16Type>(array, depth),
            DataType::UInt32 => dictionary::<UInt32Type>(array, depth),
            DataType::UInt64 => dictionary::<UInt64Type>(array, depth),
            _ => return None,
        },
        DataType::RunEndEncoded(ends, _) => match ends.data_type() {
            DataType::Int16 => runs::<Int16Type>(array, depth),
            DataType::Int32 => runs::<Int32Type>(array, depth),
            DataType::Int64 => runs::<Int64Type>(array, depth),
            _ => return None,
        },
        DataType::List(item) => {
            let list: &GenericListArray<i32> = array.as_list();
            let items = open_column(list.values(), item, depth + 1);
            lists(list.clone(), list.values().len(), items)
        }
        DataType::LargeList(item) => {
            let list: &GenericListArray<i64> = array.as_list();
            let items = open_column(list.values(), item, depth + 1);
            lists(list.clone(), list.values().len(), items)
        }
        DataType::ListView(item) => {
            let list: &GenericListViewArray<i32> = array.as_list_view();
            let items = open_column(list.values(), item, depth + 1);
            lists(list.clone(), list.values().len(), items)
        }
        DataType::LargeListView(item) => {
            let list: &GenericListViewArray<i64> = array.as_list_view();
            let items = open_column(list.values(), item, depth + 1);
            lists(list.clone(), list.values().len(), items)
        }
        DataType::FixedSizeList(item, _) => {
            let list = array.as_fixed_size_list();
            let items = open_column(list.values(), item, depth + 1);
            lists(list.clone(), list.values().len(), items)
        }
        DataType::Struct(fields) => {
            let array = array.as_struct();
            let columns = fields.iter().zip(array.columns());
            Box::new(Structs {
                array: array.clone(),
                fields: columns
                    .map(|(field, column)| {
                        (field.name().clone(), open_column(column, field, depth + 1))
                    })
                    .collect(),
            })
        }
        DataType::Map(..) => {
            let array = array.as_map();
            let (key, value) = array.entries_fields();
            Box::new(Maps {
                keys: open_column(array.keys(), key, depth + 1),
                values: open_column(array.values(), value, depth + 1),
                array: array.clone(),
            })
        }
        _ => return None,
    })
}

/// Categories: each row has the number of its value.
struct Dictionary<Key: ArrowDictionaryKeyType> {
    array: DictionaryArray<Key>,
    count: usize,
    values: Box<dyn Column>,
}

fn dictionary<Key: ArrowDictionaryKeyType>(array: &ArrayRef, depth: usize) -> Box<dyn Column> {
    let array: &DictionaryArray<Key> = array.as_dictionary();
    let field = value_field(array.values());
    Box::new(Dictionary {
        count: array.values().len(),
        values: open_column(array.values(), &field, depth),
        array: array.clone(),
    })
}

/// The values of dictionaries and runs have no name of their own.
fn value_field(values: &ArrayRef) -> arrow_schema::Field {
    arrow_schema::Field::new("", values.data_type().clone(), true)
}

impl<Key: ArrowDictionaryKeyType> Dictionary<Key> {
    fn key(&self, row: usize) -> Option<usize> {
        self.array.key(row).filter(|key| *key < self.count)
    }
}

impl<Key: ArrowDictionaryKeyType> Column for Dictionary<Key> {
    fn value(&self, row: usize) -> Value<'_> {
        let key = self.key(row);
        key.map_or(Value::Absent, |key| self.values.value(key))
    }

    fn text_length(&self, row: usize) -> usize {
        let key = self.key(row);
        key.map_or(0, |key| self.values.text_length(key))
    }
}

/// Equal values in a row are there once.
struct Runs<Ends: RunEndIndexType> {
    array: RunArray<Ends>,
    values: Box<dyn Column>,
}

fn runs<Ends: RunEndIndexType>(array: &ArrayRef, depth: usize) -> Box<dyn Column> {
    let array: &RunArray<Ends> = array.as_run();
    let field = value_field(array.values());
    Box::new(Runs {
        values: open_column(array.values(), &field, depth),
        array: array.clone(),
    })
}

impl<Ends: RunEndIndexType> Column for Runs<Ends> {
    fn value(&self, row: usize) -> Value<'_> {
        self.values.value(self.array.get_physical_index(row))
    }

    fn text_length(&self, row: usize) -> usize {
        let run = self.array.get_physical_index(row);
        self.values.text_length(run)
    }
}

/// Where each row's items are.
trait Places: Array {
    fn place(&self, row: usize) -> (usize, usize);
}

impl<Offset: OffsetSizeTrait> Places for GenericListArray<Offset> {
    fn place(&self, row: usize) -> (usize, usize) {
        let offsets = self.value_offsets();
        (offsets[row].as_usize(), offsets[row + 1].as_usize())
    }
}

impl<Offset: OffsetSizeTrait> Places for GenericListViewArray<Offset> {
    fn place(&self, row: usize) -> (usize, usize) {
        let start = self.value_offset(row).as_usize();
        (start, start + self.value_size(row).as_usize())
    }
}

impl Places for FixedSizeListArray {
    fn place(&self, row: usize) -> (usize, usize) {
        let length = usize::try_from(self.value_length()).unwrap_or(0);
        let start = self.value_offset_at(row);
        (start, start + length)
    }
}

struct Lists<Array> {
    array: Array,
    count: usize,
    items: Box<dyn Column>,
}

fn lists<Array: Places + 'static>(
    array: Array,
    count: usize,
    items: Box<dyn Column>,
) -> Box<dyn Column> {
    Box::new(Lists {
        array,
        count,
        items,
    })
}

impl<Array: Places> Column for Lists<Array> {
    fn value(&self, row: usize) -> Value<'_> {
        if self.array.is_null(row) {
            return Value::Absent;
        }
        let (start, end) = self.array.place(row);
        let items = (start..end.min(self.count)).map(|item| self.items.value(item).into_cell());
        Value::Made(Cell::list(items))
    }
}

struct Structs {
    array: StructArray,
    fields: Vec<(String, Box<dyn Column>)>,
}

impl Column for Structs {
    /// A struct has each of its fields in each row: one that is null is not there, and one of nulls alone is none.
    fn value(&self, row: usize) -> Value<'_> {
        if self.array.is_null(row) {
            return Value::Absent;
        }
        let fields = self.fields.iter();
        let values = fields.map(|(name, column)| (name.clone(), column.value(row).into_cell()));
        let present: Vec<_> = values.filter(|(_, cell)| *cell != Cell::Absent).collect();
        if present.is_empty() {
            return Value::Absent;
        }
        Value::Made(Cell::map(present))
    }
}

struct Maps {
    array: MapArray,
    keys: Box<dyn Column>,
    values: Box<dyn Column>,
}

impl Column for Maps {
    fn value(&self, row: usize) -> Value<'_> {
        if self.array.is_null(row) {
            return Value::Absent;
        }
        let offsets = self.array.value_offsets();
        let place = |offset: i32| usize::try_from(offset).unwrap_or(0);
        let (start, end) = (place(offsets[row]), place(offsets[row + 1]));
        let end = end.min(self.array.entries().len());
        let mut pairs = Vec::with_capacity(end.saturating_sub(start));
        for entry in start..end {
            let Cell::Text(key) = self.keys.value(entry).into_cell() else {
                return Value::unusable("an object with a name that is no text");
            };
            pairs.push((key.to_string(), self.values.value(entry).into_cell()));
        }
        Value::Made(Cell::map(pairs))
    }
}
