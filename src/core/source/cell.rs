//! Owns one value of a record, by itself or borrowed.

use std::fmt;

use serde_json::Value;
use zeroize::Zeroizing;

/// One value, as the source gave it.
#[derive(Clone, PartialEq, Default)]
pub enum Cell {
    /// There is no value: a `null`. An empty CSV cell is an empty `Text`.
    #[default]
    Absent,
    /// The row does not have the column at all: a key that is left out.
    Missing,
    Text(Zeroizing<String>),
    Bool(bool),
    Integer(i64),
    /// The JSON text of any other number.
    Number(String),
    List(Vec<Cell>),
    Map(Vec<(String, Cell)>),
    /// A value of a program that is none of these; what it is, such as `binary data`.
    Unusable(String),
}

/// Whole numbers below this are whole as floats too.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Cell {
    /// A text cell.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Zeroizing::new(text.into()))
    }

    /// A whole number. `alone`: it is in no list and no object; an id with very many digits is then its digits.
    pub fn whole(number: u64, alone: bool) -> Self {
        match i64::try_from(number) {
            Ok(number) => Self::Integer(number),
            Err(_) => Self::digits(number.to_string(), alone),
        }
    }

    /// A whole number that is larger than the integers of a cell.
    pub fn digits(digits: String, alone: bool) -> Self {
        if alone {
            Self::text(digits)
        } else {
            Self::Number(digits)
        }
    }

    /// A floating-point number. A column of whole numbers with gaps becomes floats in many tables: alone, 1042.0 means
    /// 1042. What is no number is how tables say that there is no value.
    pub fn float(number: f64, alone: bool) -> Self {
        if number.is_nan() {
            return Self::Absent;
        }
        if alone && number.fract() == 0.0 && number.abs() < EXACT {
            return Self::Integer(number as i64);
        }
        match serde_json::Number::from_f64(number) {
            Some(number) => Self::Number(number.to_string()),
            None => Self::text(number.to_string()),
        }
    }

    /// A list; unusable if an item is.
    pub fn list(items: impl IntoIterator<Item = Cell>) -> Self {
        let items: Vec<Cell> = items.into_iter().collect();
        let unusable = items.iter().find(|item| matches!(item, Self::Unusable(_)));
        unusable.cloned().unwrap_or(Self::List(items))
    }

    /// An object; unusable if a value of it is.
    pub fn map(pairs: Vec<(String, Cell)>) -> Self {
        let unusable = pairs
            .iter()
            .find(|(_, cell)| matches!(cell, Self::Unusable(_)));
        let unusable = unusable.map(|(_, cell)| cell.clone());
        unusable.unwrap_or(Self::Map(pairs))
    }

    /// The same value, borrowed.
    pub fn view(&self) -> CellView<'_> {
        match self {
            Self::Absent => CellView::Absent,
            Self::Missing => CellView::Missing,
            Self::Text(text) => CellView::Text(text),
            Self::Bool(value) => CellView::Bool(*value),
            Self::Integer(value) => CellView::Integer(*value),
            Self::Number(text) => CellView::Number(text),
            Self::List(cells) => CellView::List(cells),
            Self::Map(pairs) => CellView::Map(pairs),
            Self::Unusable(what) => CellView::Unusable(what),
        }
    }

    /// True for what a row treats as "nothing was said": absent, or a text of white space.
    pub fn is_blank(&self) -> bool {
        self.view().is_blank()
    }

    /// The value as JSON.
    pub fn to_json(&self) -> Value {
        self.view().to_json()
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(formatter)
    }
}

/// A borrowed value.
#[derive(Clone, Copy, PartialEq)]
pub enum CellView<'cell> {
    Absent,
    Missing,
    Text(&'cell str),
    Bool(bool),
    Integer(i64),
    /// The JSON text of any other number.
    Number(&'cell str),
    List(&'cell [Cell]),
    Map(&'cell [(String, Cell)]),
    /// What it is, such as `binary data`.
    Unusable(&'cell str),
}

impl<'cell> CellView<'cell> {
    /// True for what a row treats as "nothing was said": absent, or a text of white space.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Absent | Self::Missing => true,
            Self::Text(text) => text.trim().is_empty(),
            _ => false,
        }
    }

    /// True for a blank that the row names: an empty cell or a `null`, and not a key that is left out.
    pub fn is_said_blank(&self) -> bool {
        self.is_blank() && *self != Self::Missing
    }

    /// What kind of value it is, for messages that must not show the value.
    pub fn kind(&self) -> &'cell str {
        match self {
            Self::Absent | Self::Missing => "nothing",
            Self::Text(_) => "text",
            Self::Bool(_) => "true or false",
            Self::Integer(_) => "a whole number",
            Self::Number(_) => "a decimal number",
            Self::List(_) => "a list",
            Self::Map(_) => "an object",
            Self::Unusable(what) => what,
        }
    }

    /// The value as JSON.
    pub fn to_json(&self) -> Value {
        match *self {
            Self::Absent | Self::Missing | Self::Unusable(_) => Value::Null,
            Self::Text(text) => Value::String(text.to_owned()),
            Self::Bool(value) => Value::Bool(value),
            Self::Integer(value) => Value::from(value),
            Self::Number(text) => {
                serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
            }
            Self::List(cells) => cells.iter().map(Cell::to_json).collect(),
            Self::Map(pairs) => Value::Object(
                pairs
                    .iter()
                    .map(|(key, cell)| (key.clone(), cell.to_json()))
                    .collect(),
            ),
        }
    }

    /// How much text there is in it.
    pub(super) fn text_length(&self) -> usize {
        match self {
            Self::Text(text) | Self::Number(text) => text.len(),
            Self::List(cells) => cells.iter().map(|cell| cell.view().text_length()).sum(),
            Self::Map(pairs) => pairs
                .iter()
                .map(|(key, cell)| key.len() + cell.view().text_length())
                .sum(),
            _ => 8,
        }
    }
}

impl fmt::Debug for CellView<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{}]", self.kind())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Cells;

    #[test]
    fn debug_shows_kinds_and_no_values() {
        let cells = Cells::from(vec![
            Cell::text("hunter2"),
            Cell::Integer(4711),
            Cell::Number("4711.5".into()),
            Cell::List(vec![Cell::text("hunter2")]),
            Cell::Map(vec![("hunter2".into(), Cell::text("hunter2"))]),
        ]);
        let shown = format!("{cells:?}{:?}", Cell::text("hunter2"));
        assert!(
            !shown.contains("hunter2") && !shown.contains("4711"),
            "{shown}"
        );
    }

    #[test]
    fn what_a_program_gives_is_kept_as_it_is_meant() {
        assert_eq!(Cell::float(1042.0, true), Cell::Integer(1042));
        assert_eq!(Cell::float(1042.0, false), Cell::Number("1042.0".into()));
        assert_eq!(Cell::float(f64::NAN, true), Cell::Absent);
        assert_eq!(
            Cell::whole(u64::MAX, true),
            Cell::text(u64::MAX.to_string())
        );
        let unusable = Cell::Unusable("binary data".into());
        let list = Cell::list([Cell::Integer(1), unusable.clone()]);
        assert_eq!(Cell::map(vec![("a".into(), list)]), unusable);
        assert_eq!(unusable.view().kind(), "binary data");
    }
}
