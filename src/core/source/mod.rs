//! Owns the vocabulary of reading: cells, records, and the trait of everything that rows come from. A source never
//! interprets a value.

mod arrow;
mod broken;
mod builder;
mod cell;
mod cells;
mod decode;
mod delimited;
mod error;
mod file;
mod ndjson;
mod open;
mod pieces;
mod raw;
mod script;
mod sniff;
mod split;
#[cfg(test)]
mod tests;
mod window;

pub use arrow::{Table, distinct};
pub use broken::{Broken, BrokenKind};
pub use builder::{ColumnRegistry, Handed, Mapping, RecordBuilder};
pub use cell::{Cell, CellView};
pub use cells::Cells;
pub use error::SourceError;
pub use open::{expand_home, open, open_reader};
pub use pieces::{PROBLEM, PieceError, Pieces};
pub use script::Script;

/// A cell, or a text in a mapping, that is longer than this breaks its record.
pub const CELL_LIMIT: usize = 1 << 20;
/// A record that is longer than this, as it is written, is broken. It bounds the reader's memory.
pub const RECORD_LIMIT: usize = 4 << 20;
/// The keys that a source of mappings may bring in all; a record with one more is broken.
pub const COLUMN_LIMIT: usize = 2_000;

/// One data record of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// From 1. Neither the header nor what is skipped is counted: an empty line, a record of only empty cells.
    pub number: u64,
    /// The line of the file on which the record begins, from 1, the header's line counted.
    pub line: Option<u64>,
    /// The cells in the order of the source's columns; what is missing at the end is absent.
    pub content: Result<Cells, Broken>,
}

/// How a source is written, for those who give rows back in the same form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `encoding` is the name of the encoding in the Encoding Standard.
    Delimited {
        delimiter: u8,
        encoding: &'static str,
    },
    Ndjson {
        encoding: &'static str,
    },
    /// Rows that come from a program, not from text.
    Mappings,
}

/// What the caller knows about how a file is written; the rest is told from the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Format {
    pub delimiter: Option<u8>,
    /// Any label of the Encoding Standard, such as `windows-1252` or `shift_jis`.
    pub encoding: Option<String>,
}

/// Where rows come from.
pub trait Source: Send {
    /// The names as the user wrote them (trimmed). For NDJSON and mappings the list grows at its end as new keys
    /// appear; a file's list holds the keys of its first 1,000 records from the start.
    fn columns(&self) -> &[String];

    /// True if `columns` can still grow.
    fn columns_grow(&self) -> bool {
        false
    }

    /// The next records, at most `max`, fewer where they are large; none at the end.
    fn next_batch(&mut self, max: usize) -> Result<Vec<Record>, SourceError>;

    /// Starts again from the first record; `false` if the source cannot be read twice.
    fn rewind(&mut self) -> Result<bool, SourceError>;

    /// What the reader noticed that breaks no record. Complete once the source is open.
    fn warnings(&self) -> &[String] {
        &[]
    }

    fn dialect(&self) -> Dialect {
        Dialect::Mappings
    }
}
