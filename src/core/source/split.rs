//! Owns the grammar of delimited text: where the cells of the next record are, and where the record ends.
//!
//! The `csv` crate takes text after a closing quote, and lets a quote that is never closed swallow the rest of the file;
//! this grammar breaks one record instead. Otherwise the two agree, which the tests check.

use super::{BrokenKind, CELL_LIMIT, RECORD_LIMIT};

/// Where one cell is, without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub start: usize,
    pub end: usize,
    /// There are doubled quotes in it.
    pub escaped: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Split {
    /// A whole record, of so many bytes with its line break.
    Record {
        consumed: usize,
        quoted: bool,
    },
    NeedMore,
    /// The record ends with its first line, whatever comes after it: a quote that is opened by mistake must not take
    /// the records after it along.
    Broken {
        kind: BrokenKind,
        cell: usize,
        /// How many bytes say so: a quote that is opened is looked for in later lines too.
        reach: usize,
    },
}

/// Finds the cells of the record at the beginning of `bytes`; `ended` says that nothing follows `bytes`.
pub(super) fn split(bytes: &[u8], delimiter: u8, ended: bool, spans: &mut Vec<Span>) -> Split {
    spans.clear();
    let mut quoted = false;
    let mut position = 0;
    loop {
        let cell = if bytes.get(position) == Some(&b'"') {
            quoted = true;
            quoted_cell(bytes, position + 1, delimiter, ended)
        } else {
            plain_cell(bytes, position, delimiter, ended)
        };
        let broken = |kind, reach| Split::Broken {
            kind,
            cell: spans.len(),
            reach,
        };
        match cell {
            Scan::Cell(span, _) if span.end - span.start > CELL_LIMIT => {
                return broken(BrokenKind::CellTooLong, span.end);
            }
            Scan::Cell(span, after) => {
                spans.push(span);
                match after {
                    After::Cell(next) => position = next,
                    After::Record(consumed) => return Split::Record { consumed, quoted },
                }
                if position > RECORD_LIMIT {
                    return Split::Broken {
                        kind: BrokenKind::RecordTooLong,
                        cell: 0,
                        reach: position,
                    };
                }
            }
            Scan::NeedMore if bytes.len() - position > CELL_LIMIT => {
                return broken(BrokenKind::CellTooLong, bytes.len());
            }
            Scan::NeedMore => return Split::NeedMore,
            Scan::Broken(kind, reach) => return broken(kind, reach),
        }
    }
}

/// How long the first cell of the record is, with the delimiter after it; `None` if it is the only one, or broken.
pub(super) fn first_cell(bytes: &[u8], delimiter: u8, ended: bool) -> Option<usize> {
    let cell = match bytes.first() {
        Some(b'"') => quoted_cell(bytes, 1, delimiter, ended),
        _ => plain_cell(bytes, 0, delimiter, ended),
    };
    match cell {
        Scan::Cell(_, After::Cell(next)) => Some(next),
        _ => None,
    }
}

enum Scan {
    Cell(Span, After),
    NeedMore,
    /// What is wrong, and before which position that is seen.
    Broken(BrokenKind, usize),
}

enum After {
    /// Another cell begins here.
    Cell(usize),
    /// The record ends before this position.
    Record(usize),
}

fn plain_cell(bytes: &[u8], start: usize, delimiter: u8, ended: bool) -> Scan {
    let found = bytes[start..]
        .iter()
        .position(|byte| *byte == delimiter || *byte == b'\n');
    let (end, after) = match found {
        Some(length) if bytes[start + length] == delimiter => {
            (start + length, After::Cell(start + length + 1))
        }
        Some(length) => (start + length, After::Record(start + length + 1)),
        None if ended => (bytes.len(), After::Record(bytes.len())),
        None => return Scan::NeedMore,
    };
    let at_line_end = matches!(after, After::Record(_));
    let end = match bytes[start..end].last() {
        Some(b'\r') if at_line_end => end - 1,
        _ => end,
    };
    Scan::Cell(
        Span {
            start,
            end,
            escaped: false,
        },
        after,
    )
}

fn quoted_cell(bytes: &[u8], start: usize, delimiter: u8, ended: bool) -> Scan {
    let mut escaped = false;
    let mut position = start;
    let end = loop {
        let Some(length) = bytes[position..].iter().position(|byte| *byte == b'"') else {
            return unfinished(bytes.len() - start, ended, bytes.len());
        };
        position += length;
        match bytes.get(position + 1) {
            Some(b'"') => {
                escaped = true;
                position += 2;
            }
            None if !ended => {
                return unfinished(position - start, ended, bytes.len());
            }
            _ => break position,
        }
    };
    let span = Span {
        start,
        end,
        escaped,
    };
    // Spaces after the closing quote are no text.
    let mut next = end + 1;
    while matches!(bytes.get(next), Some(byte) if *byte == b' ' && delimiter != b' ') {
        next += 1;
    }
    match (bytes.get(next), bytes.get(next + 1)) {
        (Some(byte), _) if *byte == delimiter => Scan::Cell(span, After::Cell(next + 1)),
        (Some(b'\n'), _) => Scan::Cell(span, After::Record(next + 1)),
        (Some(b'\r'), Some(b'\n')) => Scan::Cell(span, After::Record(next + 2)),
        (None, _) | (Some(b'\r'), None) if ended => Scan::Cell(span, After::Record(bytes.len())),
        (None, _) | (Some(b'\r'), None) => Scan::NeedMore,
        _ => Scan::Broken(BrokenKind::TextAfterQuote, end),
    }
}

fn unfinished(length: usize, ended: bool, reach: usize) -> Scan {
    if length > CELL_LIMIT {
        Scan::Broken(BrokenKind::CellTooLong, reach)
    } else if ended {
        Scan::Broken(BrokenKind::UnclosedQuote, reach)
    } else {
        Scan::NeedMore
    }
}
