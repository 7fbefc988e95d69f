//! Owns the reader of NDJSON: one object a line, keys in any order, typed values.

use std::fmt;
use std::io;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

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
            let bytes = self.window.bytes();
            let line_end = bytes.iter().position(|byte| *byte == b'\n');
            let (length, consumed) = match line_end {
                Some(end) => (end, end + 1),
                None if bytes.len() > RECORD_LIMIT => {
                    let broken = Broken::new(BrokenKind::RecordTooLong);
                    let record = self.builder.broken(Some(self.next_line), broken);
                    self.window.skip_line()?;
                    self.next_line += 1;
                    return Ok(Some(record));
                }
                None if !self.window.ended() => {
                    self.window.fill()?;
                    continue;
                }
                None if bytes.is_empty() => return Ok(None),
                None => (bytes.len(), bytes.len()),
            };
            let record = self.record(length);
            self.window.consume(consumed);
            self.next_line += 1;
            if record.is_some() {
                return Ok(record);
            }
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
            match serde_json::from_slice::<Cell>(bytes) {
                Ok(Cell::Map(pairs)) => return self.builder.record(line, pairs),
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
