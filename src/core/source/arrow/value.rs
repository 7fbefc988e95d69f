//! Owns what one value of a column is: borrowed from the column where it is text, so that nothing is allocated for it.

use super::super::Cell;

pub(super) enum Value<'column> {
    Absent,
    Text(&'column str),
    Bool(bool),
    Integer(i64),
    /// Made for this row: a list, an object, a number or a time as text, or what cannot be used.
    Made(Cell),
}

impl Value<'_> {
    /// What cannot be used; `what` says what it is.
    pub fn unusable(what: &str) -> Self {
        Self::Made(Cell::Unusable(what.to_owned()))
    }

    /// The same, by itself.
    pub fn into_cell(self) -> Cell {
        match self {
            Self::Absent => Cell::Absent,
            Self::Text(text) => Cell::text(text),
            Self::Bool(value) => Cell::Bool(value),
            Self::Integer(value) => Cell::Integer(value),
            Self::Made(cell) => cell,
        }
    }
}
