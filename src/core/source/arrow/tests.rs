use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::{
    FixedSizeBinaryBuilder, Int32Builder, ListBuilder, MapBuilder, StringBuilder,
    StringDictionaryBuilder, StringRunBuilder,
};
use arrow_array::types::{Int8Type, Int16Type, Int32Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, FixedSizeListArray, Float64Array,
    GenericListViewArray, Int64Array, LargeStringArray, NullArray, StringArray, StringViewArray,
    StructArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow_schema::Schema;

use super::super::{Cell, CellView, Record, RecordBuilder};
use super::*;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap()
}

fn all(batches: &[RecordBatch]) -> Vec<Record> {
    let (mut table, mut builder, mut records) =
        (Table::default(), RecordBuilder::default(), Vec::new());
    for batch in batches {
        table.load(batch).unwrap();
        while !table.is_used_up() {
            records.extend(builder.records(table.hand_on()).unwrap());
        }
    }
    assert!(!builder.columns_grow());
    records
}

/// The only column's cells.
fn cells(array: ArrayRef) -> Vec<Cell> {
    // Beside a column that is never blank, so that no row is skipped.
    let other: ArrayRef = Arc::new(BooleanArray::from(vec![true; array.len()]));
    let records = all(&[batch(vec![("a", array), ("b", other)])]);
    let cell = |record: &Record| {
        let cells = record.content.as_ref().unwrap();
        assert_eq!(cells.get(1), CellView::Bool(true));
        match cells.get(0) {
            CellView::Absent | CellView::Missing => Cell::Absent,
            CellView::Text(text) => Cell::text(text),
            CellView::Bool(value) => Cell::Bool(value),
            CellView::Integer(value) => Cell::Integer(value),
            CellView::Number(text) => Cell::Number(text.to_owned()),
            CellView::List(items) => Cell::List(items.to_vec()),
            CellView::Map(pairs) => Cell::Map(pairs.to_vec()),
            CellView::Unusable(what) => Cell::Unusable(what.to_owned()),
        }
    };
    records.iter().map(cell).collect()
}

#[test]
fn texts_of_every_layout_are_the_same() {
    let texts = vec![
        Some("é"),
        None,
        Some(""),
        Some("a text that fits into no view"),
    ];
    let expected: Vec<Cell> = texts
        .iter()
        .map(|text| text.map_or(Cell::Absent, Cell::text))
        .collect();
    let dictionary: StringDictionaryBuilder<Int8Type> = {
        let mut builder = StringDictionaryBuilder::new();
        texts.iter().for_each(|text| builder.append_option(*text));
        builder
    };
    let mut runs = StringRunBuilder::<Int16Type>::new();
    runs.extend(texts.iter().copied());
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(texts.clone())),
        Arc::new(LargeStringArray::from(texts.clone())),
        Arc::new(StringViewArray::from(texts.clone())),
        Arc::new({ dictionary }.finish()),
        Arc::new(runs.finish()),
    ];
    for array in arrays {
        let kind = array.data_type().clone();
        assert_eq!(cells(array.clone()), expected, "{kind}");
        // A part of a larger array has its values at an offset.
        assert_eq!(cells(array.slice(2, 2)), expected[2..], "{kind}, sliced");
    }
}

#[test]
fn numbers_are_ids_and_nothing_is_nothing() {
    let integers = cells(Arc::new(Int64Array::from(vec![Some(7), None])));
    assert_eq!(integers, [Cell::Integer(7), Cell::Absent]);
    let large = cells(Arc::new(UInt64Array::from(vec![7, u64::MAX])));
    assert_eq!(large, [Cell::Integer(7), Cell::text(u64::MAX.to_string())]);
    let floats = cells(Arc::new(Float64Array::from(vec![1.0, f64::NAN, 1.5])));
    assert_eq!(
        floats,
        [Cell::Integer(1), Cell::Absent, Cell::Number("1.5".into())]
    );
    let decimal = Decimal128Array::from(vec![110]).with_precision_and_scale(5, 2);
    assert_eq!(cells(Arc::new(decimal.unwrap())), [Cell::text("1.10")]);
    assert_eq!(cells(Arc::new(NullArray::new(1))), [Cell::Absent]);
    let time = TimestampMicrosecondArray::from(vec![0, i64::MAX]).with_timezone("UTC");
    let times = cells(Arc::new(time));
    assert_eq!(times[0], Cell::text("1970-01-01T00:00:00+00:00"));
    assert!(matches!(&times[1], Cell::Unusable(what) if what.contains("years")));
}

#[test]
fn lists_structs_and_maps_are_lists_and_objects() {
    let mut lists = ListBuilder::new(StringBuilder::new());
    lists.append_value([Some("admin"), None]);
    lists.append_null();
    lists.append_value([Some("member")]);
    let lists = lists.finish();
    let admin = Cell::List(vec![Cell::text("admin"), Cell::Absent]);
    let member = Cell::List(vec![Cell::text("member")]);
    let expected = [admin, Cell::Absent, member.clone()];
    assert_eq!(cells(Arc::new(lists.clone())), expected);
    assert_eq!(cells(Arc::new(lists.slice(2, 1))), [member]);
    let views = GenericListViewArray::<i32>::from(lists);
    assert_eq!(cells(Arc::new(views)), expected);
    let pairs = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(
        vec![None, Some(vec![Some(1), Some(2)])],
        2,
    );
    let two = Cell::List(vec![Cell::Integer(1), Cell::Integer(2)]);
    assert_eq!(cells(Arc::new(pairs)), [Cell::Absent, two]);

    let fields = batch(vec![
        ("a", Arc::new(Int64Array::from(vec![Some(1), None]))),
        ("b", Arc::new(StringArray::from(vec![None::<&str>, None]))),
    ]);
    let structs = StructArray::from(fields);
    let one = Cell::Map(vec![("a".into(), Cell::Integer(1))]);
    assert_eq!(cells(Arc::new(structs)), [one.clone(), Cell::Absent]);
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    maps.keys().append_value("a");
    maps.values().append_value(1);
    maps.append(true).unwrap();
    maps.append(false).unwrap();
    assert_eq!(cells(Arc::new(maps.finish())), [one, Cell::Absent]);
    let mut numbered = MapBuilder::new(None, Int32Builder::new(), Int32Builder::new());
    numbered.keys().append_value(1);
    numbered.values().append_value(1);
    numbered.append(true).unwrap();
    assert!(matches!(
        cells(Arc::new(numbered.finish()))[0],
        Cell::Unusable(_)
    ));
}

#[test]
fn what_has_no_form_is_told_apart_and_uuids_have_one() {
    let binary = cells(Arc::new(BinaryArray::from_opt_vec(vec![
        Some(b"secret"),
        None,
    ])));
    assert_eq!(binary, [Cell::Unusable("binary data".into()), Cell::Absent]);
    let mut builder = FixedSizeBinaryBuilder::new(16);
    builder.append_value([0x21; 16]).unwrap();
    let array: ArrayRef = Arc::new(builder.finish());
    let field = arrow_schema::Field::new("external_id", array.data_type().clone(), true);
    let name = ("ARROW:extension:name".to_owned(), "arrow.uuid".to_owned());
    let field = field.with_metadata(HashMap::from([name]));
    let schema = Arc::new(Schema::new(vec![field]));
    let records = all(&[RecordBatch::try_new(schema, vec![array]).unwrap()]);
    let uuid = "21212121-2121-2121-2121-212121212121";
    let cells = records[0].content.as_ref().unwrap();
    assert_eq!(cells.get(0), CellView::Text(uuid));
}

#[test]
fn batches_go_on_where_the_one_before_ended_in_small_pieces() {
    let texts = |count: usize| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(
            (0..count).map(|index| format!("u{index}@example.com")),
        ))
    };
    let mut table = Table::default();
    table.load(&batch(vec![(" email ", texts(2_500))])).unwrap();
    let mut sizes = Vec::new();
    while !table.is_used_up() {
        let Handed::Table { columns, rows } = table.hand_on() else {
            panic!("no table");
        };
        assert_eq!(*columns, ["email"]);
        sizes.push(rows.len());
    }
    assert_eq!(sizes, [1_024, 1_024, 452]);
    let records = all(&[
        batch(vec![("email", texts(3))]),
        batch(vec![("email", texts(2))]),
    ]);
    let numbers: Vec<u64> = records.iter().map(|record| record.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    let changed = table.load(&batch(vec![("mail", texts(1))]));
    assert_eq!(changed.unwrap_err().kind(), "changed");
    let twice = Table::default().load(&batch(vec![("a", texts(1)), ("a ", texts(1))]));
    assert_eq!(twice.unwrap_err().kind(), "duplicate_column");
}

#[test]
fn blank_rows_are_skipped_and_large_ones_break() {
    let long = "x".repeat(CELL_LIMIT + 1);
    let texts = StringArray::from(vec![Some(" "), None, Some("a"), Some(&long), Some("b")]);
    let records = all(&[batch(vec![("email", Arc::new(texts))])]);
    let told: Vec<_> = records
        .iter()
        .map(|record| (record.number, record.content.is_ok()))
        .collect();
    assert_eq!(told, [(1, true), (2, false), (3, true)]);
    let broken = records[1].content.as_ref().unwrap_err();
    assert_eq!(*broken, Broken::in_cell(BrokenKind::CellTooLong, 0));
    let half = "x".repeat(CELL_LIMIT);
    let wide: Vec<(String, ArrayRef)> = (0..5)
        .map(|index| {
            (
                format!("c{index}"),
                Arc::new(StringArray::from(vec![half.as_str()])) as ArrayRef,
            )
        })
        .collect();
    let wide = wide
        .iter()
        .map(|(name, array)| (name.as_str(), array.clone()));
    let records = all(&[batch(wide.collect())]);
    let broken = records[0].content.as_ref().unwrap_err();
    assert_eq!(broken.kind, BrokenKind::RecordTooLong);
}
