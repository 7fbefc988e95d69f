//! Owns what can be wrong with one record before any cell of it has a meaning.

use std::fmt;

/// What is wrong. The cells themselves are never part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokenKind {
    SurplusCells { found: usize, expected: usize },
    MissingCells { found: usize, expected: usize },
    TextAfterQuote,
    UnclosedQuote,
    InvalidByte,
    CellTooLong,
    RecordTooLong,
    InvalidJson { position: usize },
    NotAnObject,
    DuplicateKey,
    TooManyColumns,
}

/// A record that could not be taken apart. It fails by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    pub kind: BrokenKind,
    /// Which cell it is about, from 0, where one is.
    pub cell: Option<usize>,
}

impl Broken {
    pub fn new(kind: BrokenKind) -> Self {
        Self { kind, cell: None }
    }

    pub fn in_cell(kind: BrokenKind, cell: usize) -> Self {
        Self {
            kind,
            cell: Some(cell),
        }
    }
}

impl fmt::Display for Broken {
    /// What is wrong and what to do, without a word of the record.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            BrokenKind::SurplusCells { found, expected } => write!(
                formatter,
                "{found} cells where the header has {expected}. A cell that contains the delimiter, such as JSON with \
                 commas, needs quotes: \"{{\"\"role\"\":\"\"admin\"\",\"\"team\"\":\"\"a\"\"}}\""
            ),
            BrokenKind::MissingCells { found, expected } => write!(
                formatter,
                "{found} cells where the header has {expected}. Write empty cells too, or put a cell that has a line \
                 break in it into quotes"
            ),
            // Unquoted JSON with two keys ends here: `{"a":1` is a cell, and `"b":2}` begins with a quote.
            BrokenKind::TextAfterQuote => formatter.write_str(
                "text after a closing quote. A cell that contains the delimiter, such as JSON with commas, needs quotes \
                 around it, and quotes inside are written twice: \"{\"\"role\"\":\"\"admin\"\",\"\"team\"\":\"\"a\"\"}\". \
                 The record was taken to end with its first line",
            ),
            BrokenKind::UnclosedQuote => formatter.write_str(
                "a quote is opened and never closed. Close it, or write a quote at the beginning of a cell as \"\"\"\". \
                 The record was taken to end with its first line",
            ),
            BrokenKind::InvalidByte => formatter.write_str(
                "a byte that is not in the encoding of the file. Save the file as UTF-8, or name its encoding with \
                 --encoding (often windows-1252)",
            ),
            BrokenKind::CellTooLong => formatter.write_str(
                "a cell is longer than 1 MiB, or a quote is opened and not closed. Shorten the cell, or close the quote",
            ),
            BrokenKind::RecordTooLong => {
                formatter.write_str("the record is longer than 4 MiB. Shorten its cells")
            }
            BrokenKind::InvalidJson { position } => write!(
                formatter,
                "the line is not valid JSON (near character {position}). Write one object a line, with straight double \
                 quotes"
            ),
            BrokenKind::NotAnObject => formatter.write_str(
                "not an object of columns and values. Write one JSON object a line, or give one mapping a row",
            ),
            BrokenKind::DuplicateKey => {
                formatter.write_str("a key is there twice. Leave one of the two out")
            }
            BrokenKind::TooManyColumns => formatter.write_str(
                "more than 2,000 different keys so far. Put what differs from row to row into `metadata`",
            ),
        }
    }
}
