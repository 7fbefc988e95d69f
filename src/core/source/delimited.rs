//! Owns the reader of delimited text: records with their numbers and lines, broken ones by themselves.

use std::io;

use zeroize::Zeroizing;

use super::pieces::{PROBLEM, Piece, Place};
use super::split::{Span, Split, first_cell, split};
use super::window::Window;
use super::{Broken, BrokenKind, Cells, RECORD_LIMIT, Record, SourceError, sniff};

/// How many bytes of undecodable records are kept to guess their encoding.
const SAMPLE: usize = 4 << 10;

pub(super) struct DelimitedReader {
    window: Window,
    pub delimiter: u8,
    pub columns: Vec<String>,
    /// Of undecodable records, for a guess at the encoding.
    pub sample: Zeroizing<Vec<u8>>,
    /// The file was given back earlier: its first column says what was wrong, and is no part of its records.
    pub is_marked: bool,
    /// The line on which the header begins, and the one on which the next record does.
    pub header_line: u64,
    pub next_line: u64,
    spans: Vec<Span>,
    /// How much of the latest record is an earlier mark, with its delimiter.
    mark: usize,
    /// Over how many lines behind its first one the latest record goes in which a quote is wrong.
    reach: u64,
    last_number: u64,
}

/// What one step of the reader found.
enum Step {
    Record(Record),
    /// An empty line or a record of only empty cells.
    Skipped,
    End,
}

impl DelimitedReader {
    /// Reads the header. The window has its first bytes, after a byte order mark.
    pub fn open(
        mut window: Window,
        delimiter: Option<u8>,
        path: &str,
    ) -> Result<Self, SourceError> {
        let mut next_line = 1;
        let named = sniff::separator_line(window.bytes());
        if let Some((_, length)) = named {
            window.consume(length);
            next_line += 1;
        }
        let mut reader = Self {
            window,
            delimiter: 0,
            columns: Vec::new(),
            sample: Zeroizing::new(Vec::new()),
            is_marked: false,
            header_line: 0,
            next_line,
            spans: Vec::new(),
            mark: 0,
            reach: 0,
            last_number: 0,
        };
        reader.skip_empty_lines(path)?;
        reader.delimiter = delimiter
            .or(named.map(|(delimiter, _)| delimiter))
            .unwrap_or_else(|| sniff::delimiter(reader.window.bytes()));
        reader.read_header(path)?;
        Ok(reader)
    }

    /// The delimiter is told from the header, so the header has to be at the beginning of the window.
    fn skip_empty_lines(&mut self, path: &str) -> Result<(), SourceError> {
        loop {
            let bytes = self.window.bytes();
            let line_end = bytes.iter().position(|byte| *byte == b'\n');
            match line_end {
                Some(end) if bytes[..end].trim_ascii().is_empty() => {
                    self.window.consume(end + 1);
                    self.next_line += 1;
                }
                Some(_) => return Ok(()),
                None if self.window.ended() || bytes.len() > RECORD_LIMIT => return Ok(()),
                None => self
                    .window
                    .fill()
                    .map_err(|reason| unreadable(path, reason))?,
            }
        }
    }

    fn read_header(&mut self, path: &str) -> Result<(), SourceError> {
        let header = |reason| SourceError::Header {
            path: path.to_owned(),
            reason,
        };
        let consumed = loop {
            let ended = self.window.ended();
            match split(self.window.bytes(), self.delimiter, ended, &mut self.spans) {
                Split::Record { consumed, .. } => break consumed,
                Split::NeedMore => self
                    .window
                    .fill()
                    .map_err(|reason| unreadable(path, reason))?,
                Split::Broken { kind, .. } => {
                    return Err(header(match kind {
                        BrokenKind::TextAfterQuote => "text after a closing quote",
                        BrokenKind::UnclosedQuote => "a quote is opened and never closed",
                        _ => "it is too long. The first line must name the columns",
                    }));
                }
            }
        };
        let bytes = &self.window.bytes()[..consumed];
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Err(SourceError::NotUtf8 {
                path: path.to_owned(),
                guess: sniff::guess_encoding(bytes),
            });
        };
        self.columns = self
            .spans
            .iter()
            .map(|span| cell_text(text, span).trim().to_owned())
            .collect();
        let ends = bytes.iter().filter(|byte| **byte == b'\n').count();
        let lines = ends + usize::from(!bytes.ends_with(b"\n"));
        while self.columns.last().is_some_and(String::is_empty) {
            self.columns.pop();
        }
        if self.columns.is_empty() {
            return Err(SourceError::Empty {
                path: path.to_owned(),
            });
        }
        if self.columns.iter().any(|name| name.contains('\r')) {
            return Err(SourceError::CarriageReturns {
                path: path.to_owned(),
            });
        }
        let first = self.columns.first();
        self.is_marked =
            self.columns.len() > 1 && first.is_some_and(|name| name.eq_ignore_ascii_case(PROBLEM));
        if self.is_marked {
            self.columns.remove(0);
        }
        self.header_line = self.next_line;
        self.next_line += lines as u64;
        self.window.consume(consumed);
        Ok(())
    }

    /// The next record, and how many bytes it took; `None` at the end.
    pub fn next_record(&mut self) -> io::Result<Option<Record>> {
        loop {
            match self.step()? {
                Step::Record(record) => return Ok(Some(record)),
                Step::Skipped => {}
                Step::End => return Ok(None),
            }
        }
    }

    /// The next record or what is skipped, and where it is; `None` at the end.
    pub fn next_piece(&mut self) -> io::Result<Option<Piece>> {
        let begins = self.next_line;
        self.reach = 0;
        let record = match self.step()? {
            Step::Record(record) => Some(record),
            Step::Skipped => None,
            Step::End => return Ok(None),
        };
        let place = Place {
            lines: self.next_line - begins,
            at: Some(0),
            old: 0..self.mark,
            reach: self.reach,
        };
        Ok(Some(Piece { record, place }))
    }

    fn step(&mut self) -> io::Result<Step> {
        loop {
            let ended = self.window.ended();
            let bytes = self.window.bytes();
            if bytes.is_empty() && ended {
                return Ok(Step::End);
            }
            let found = split(bytes, self.delimiter, ended, &mut self.spans);
            if self.is_marked {
                self.mark = first_cell(bytes, self.delimiter, ended).unwrap_or_default();
            }
            match found {
                Split::NeedMore => self.window.fill()?,
                Split::Record { consumed, quoted } => return Ok(self.take(consumed, quoted)),
                Split::Broken { kind, cell, reach } => {
                    let ends = bytes[..reach].iter().filter(|byte| **byte == b'\n');
                    self.reach = ends.count() as u64;
                    let record = self.number(Err(self.broken_in(kind, cell)));
                    self.window.skip_line()?;
                    self.next_line += 1;
                    return Ok(Step::Record(record));
                }
            }
        }
    }

    fn take(&mut self, consumed: usize, quoted: bool) -> Step {
        let bytes = &self.window.bytes()[..consumed];
        // Only a quoted cell can have line breaks of its own, and few have.
        let lines = match quoted && has(&bytes[..consumed - 1], b'\n') {
            true => {
                let ends = bytes.iter().filter(|byte| **byte == b'\n').count();
                // The last line of the file may lack its end.
                ends as u64 + u64::from(!bytes.ends_with(b"\n"))
            }
            false => 1,
        };
        let content = match std::str::from_utf8(bytes) {
            Ok(text) if !has(bytes, 0) => {
                let alone = self.is_marked && !take_mark_off(&mut self.spans);
                cells(text, &mut self.spans, self.columns.len(), alone)
            }
            _ => {
                let cell = invalid_cell(bytes, &self.spans);
                let room = SAMPLE.saturating_sub(self.sample.len());
                self.sample.extend_from_slice(&bytes[..consumed.min(room)]);
                Some(Err(self.broken_in(BrokenKind::InvalidByte, cell)))
            }
        };
        let step = match content {
            Some(content) => Step::Record(self.number(content)),
            None => Step::Skipped,
        };
        self.window.consume(consumed);
        self.next_line += lines;
        step
    }

    /// `cell` counts an earlier mark, which is no cell of the record.
    fn broken_in(&self, kind: BrokenKind, cell: usize) -> Broken {
        match (self.is_marked, cell) {
            (true, 0) if kind != BrokenKind::RecordTooLong => Broken::new(kind),
            (true, _) => Broken::in_cell(kind, cell.saturating_sub(1)),
            (false, _) => Broken::in_cell(kind, cell),
        }
    }

    fn number(&mut self, content: Result<Cells, Broken>) -> Record {
        self.last_number += 1;
        Record {
            number: self.last_number,
            line: Some(self.next_line),
            content,
        }
    }
}

/// Whether a byte is in a record. Looks at all of it: in pieces as short as most records are, that is faster than to stop
/// at the first one.
fn has(bytes: &[u8], wanted: u8) -> bool {
    let found = |found, byte: &u8| found | (*byte == wanted);
    bytes.iter().fold(false, found)
}

fn unreadable(path: &str, reason: io::Error) -> SourceError {
    SourceError::Unreadable {
        path: path.to_owned(),
        reason,
    }
}

fn cell_text(text: &str, span: &Span) -> String {
    let cell = &text[span.start..span.end];
    if span.escaped {
        cell.replace("\"\"", "\"")
    } else {
        cell.to_owned()
    }
}

/// Takes an earlier mark off the cells of a record; `false` if it has no other cell.
fn take_mark_off(spans: &mut Vec<Span>) -> bool {
    if spans.len() < 2 {
        return false;
    }
    spans.remove(0);
    true
}

/// The cells of a record; `None` if all of them are blank. `alone`: its only cell is in the place of a mark.
fn cells(
    text: &str,
    spans: &mut Vec<Span>,
    columns: usize,
    alone: bool,
) -> Option<Result<Cells, Broken>> {
    let is_blank = |span: &Span| text[span.start..span.end].trim().is_empty();
    if spans.iter().all(is_blank) {
        return None;
    }
    if alone {
        spans.clear();
    }
    while spans.len() > columns && spans.last().is_some_and(is_blank) {
        spans.pop();
    }
    let (found, expected) = (spans.len(), columns);
    Some(if found > expected {
        let kind = BrokenKind::SurplusCells { found, expected };
        Err(Broken::new(kind))
    } else if found < expected {
        let kind = BrokenKind::MissingCells { found, expected };
        Err(Broken::new(kind))
    } else {
        Ok(line_cells(text, spans))
    })
}

/// The cells in one piece of memory: the record as it is, unless a cell has doubled quotes.
fn line_cells(text: &str, spans: &[Span]) -> Cells {
    if !spans.iter().any(|span| span.escaped) {
        let places = spans
            .iter()
            .map(|span| (span.start as u32, span.end as u32));
        return Cells::of_line(text.to_owned(), places.collect());
    }
    let mut line = String::with_capacity(text.len());
    let mut places = Vec::with_capacity(spans.len());
    for span in spans {
        let start = line.len();
        let mut rest = &text[span.start..span.end];
        // Inside a quoted cell every quote is the first of two.
        let quote_in = |rest: &str| match span.escaped {
            true => rest.bytes().position(|byte| byte == b'"'),
            false => None,
        };
        while let Some(quote) = quote_in(rest) {
            line.push_str(&rest[..=quote]);
            rest = rest.get(quote + 2..).unwrap_or_default();
        }
        line.push_str(rest);
        places.push((start as u32, line.len() as u32));
    }
    Cells::of_line(line, places)
}

fn invalid_cell(bytes: &[u8], spans: &[Span]) -> usize {
    let is_invalid = |span: &Span| {
        let cell = &bytes[span.start..span.end];
        cell.contains(&0) || std::str::from_utf8(cell).is_err()
    };
    spans.iter().position(is_invalid).unwrap_or_default()
}
