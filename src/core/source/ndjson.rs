//! Owns the reader of NDJSON: one object a line, keys in any order, typed values.

use std::fmt;
use std::io;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

use super::pieces::{PROBLEM, Piece, Place};
use super::window::Window;
use super::{Broken, BrokenKind, Cell, RECORD_LIMIT, Record, RecordBuilder};

/// How many bytes of undecodable records are kept to guess their encoding.
const SAMPLE: usize = 4 << 10;

pub(super) struct NdjsonReader {
    window: Window,
    pub builder: RecordBuilder,
    /// Of undecodable records, for a guess at the encoding.
    pub sample: Zeroizing<Vec<u8>>,
    next_line: u64,
}

impl NdjsonReader {
    /// A builder that has seen the file before keeps the positions of its columns.
    pub fn new(window: Window, builder: RecordBuilder) -> Self {
        Self {
            window,
            builder,
            sample: Zeroizing::new(Vec::new()),
            next_line: 1,
        }
    }

    /// The next record; `None` at the end.
    pub fn next_record(&mut self) -> io::Result<Option<Record>> {
        loop {
            match self.step(|_| Place::default())? {
                Some(Piece { record: None, .. }) => {}
                Some(Piece { record, .. }) => return Ok(record),
                None => return Ok(None),
            }
        }
    }

    /// The next record or what is skipped, and where it is; `None` at the end.
    pub fn next_piece(&mut self) -> io::Result<Option<Piece>> {
        self.step(place)
    }

    fn step(&mut self, place: impl Fn(&[u8]) -> Place) -> io::Result<Option<Piece>> {
        loop {
            let bytes = self.window.bytes();
            let line_end = bytes.iter().position(|byte| *byte == b'\n');
            let (length, consumed) = match line_end {
                Some(end) => (end, end + 1),
                None if bytes.len() > RECORD_LIMIT => {
                    let broken = Broken::new(BrokenKind::RecordTooLong);
                    let place = place(bytes);
                    let record = Some(self.builder.broken(Some(self.next_line), broken));
                    self.window.skip_line()?;
                    self.next_line += 1;
                    return Ok(Some(Piece { record, place }));
                }
                None if !self.window.ended() => {
                    self.window.fill()?;
                    continue;
                }
                None if bytes.is_empty() => return Ok(None),
                None => (bytes.len(), bytes.len()),
            };
            let place = place(&bytes[..length]);
            let record = self.record(length);
            self.window.consume(consumed);
            self.next_line += 1;
            return Ok(Some(Piece { record, place }));
        }
    }

    fn record(&mut self, length: usize) -> Option<Record> {
        let line = Some(self.next_line);
        let bytes = self.window.bytes()[..length].trim_ascii();
        if bytes.is_empty() {
            return None;
        }
        let broken = if bytes.len() > RECORD_LIMIT {
            BrokenKind::RecordTooLong
        } else if std::str::from_utf8(bytes).is_err() {
            let room = SAMPLE.saturating_sub(self.sample.len());
            self.sample
                .extend_from_slice(&bytes[..bytes.len().min(room)]);
            BrokenKind::InvalidByte
        } else {
            let value = match (serde_json::from_slice::<Cell>(bytes), mark(bytes)) {
                // The position is that in what the user wrote.
                (Err(_), Some(mark)) => {
                    let own = Zeroizing::new([&bytes[..mark.start], &bytes[mark.end..]].concat());
                    serde_json::from_slice(&own)
                }
                (value, _) => value,
            };
            match value {
                Ok(Cell::Map(pairs)) => {
                    // What was wrong at an earlier time is no part of the row.
                    let pairs = pairs.into_iter().filter(|(key, _)| key != PROBLEM);
                    return self.builder.record(line, pairs);
                }
                Ok(_) => BrokenKind::NotAnObject,
                // The error's own text is left out, lest it quotes the line.
                Err(error) => BrokenKind::InvalidJson {
                    position: error.column(),
                },
            }
        };
        Some(self.builder.broken(line, Broken::new(broken)))
    }
}

/// Where a mark goes in a line: behind the brace of its object.
fn place(line: &[u8]) -> Place {
    let begins = line.len() - line.trim_ascii_start().len();
    let at = (line.get(begins) == Some(&b'{')).then_some(begins + 1);
    Place {
        lines: 1,
        at,
        old: at.and_then(|_| mark(line)).unwrap_or_default(),
        reach: 0,
    }
}

/// Where the pair of an earlier mark is in a line, with one comma beside it. It is looked for in broken lines too.
fn mark(line: &[u8]) -> Option<Range<usize>> {
    let key = format!("\"{PROBLEM}\"");
    let (mut depth, mut position) = (0usize, 0);
    let (mut comma, mut begins) = (None, None);
    while let Some(byte) = line.get(position) {
        match byte {
            b'"' => {
                let end = string_end(line, position)?;
                let after = line[end..].trim_ascii_start().first();
                let is_key = depth == 1 && after == Some(&b':');
                if is_key && &line[position..end] == key.as_bytes() {
                    begins = Some(position);
                }
                position = end;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b',' if depth == 1 => match begins {
                Some(begins) => return Some(begins..position + 1),
                None => comma = Some(position),
            },
            b'}' | b']' => {
                if let (1, Some(begins)) = (depth, begins) {
                    return Some(comma.unwrap_or(begins)..position);
                }
                depth = depth.checked_sub(1)?;
            }
            _ => {}
        }
        position += 1;
    }
    None
}

/// The position behind the closing quote of the string that begins there.
fn string_end(line: &[u8], begins: usize) -> Option<usize> {
    let mut position = begins + 1;
    loop {
        match line.get(position)? {
            b'"' => return Some(position + 1),
            b'\\' => position += 2,
            _ => position += 1,
        }
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CellVisitor)
    }
}

struct CellVisitor;

impl<'de> Visitor<'de> for CellVisitor {
    type Value = Cell;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Cell, E> {
        Ok(Cell::Absent)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Cell, E> {
        Ok(Cell::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Cell, E> {
        Ok(Cell::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Cell, E> {
        Ok(match i64::try_from(value) {
            Ok(value) => Cell::Integer(value),
            Err(_) => Cell::Number(value.to_string()),
        })
    }

    fn visit_f64<E>(self, value: f64) -> Result<Cell, E> {
        Ok(match serde_json::Number::from_f64(value) {
            Some(number) => Cell::Number(number.to_string()),
            None => Cell::Absent,
        })
    }

    fn visit_str<E>(self, value: &str) -> Result<Cell, E> {
        Ok(Cell::text(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Cell, E> {
        Ok(Cell::text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Cell, A::Error> {
        let mut cells = Vec::new();
        while let Some(cell) = access.next_element()? {
            cells.push(cell);
        }
        Ok(Cell::List(cells))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Cell, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = access.next_entry()? {
            pairs.push(pair);
        }
        Ok(Cell::Map(pairs))
    }
}
