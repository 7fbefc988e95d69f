//! Owns the walk over a file piece by piece, for those who give it back as it is written: each record and what is
//! skipped between records, with the user's own bytes.

use std::fs;
use std::io::Write;
use std::ops::Range;

use super::file::{Reader, start};
use super::open::{expand_home, origin};
use super::raw::{CopyError, Into, RawText};
use super::script::Script;
use super::{Dialect, Format, Record, SourceError, decode};

/// The column in which a file that was given back says what is wrong with a record. No part of the user's rows.
pub const PROBLEM: &str = "problem";

/// Where a piece is and where a mark goes in it, in bytes of its decoded text.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// How many lines the piece takes.
    pub lines: u64,
    /// Where a mark is put in; `None` where there is no place for one.
    pub at: Option<usize>,
    /// The mark of an earlier time, which the new one replaces.
    pub old: Range<usize>,
    /// How many later lines were looked at to see that the piece is broken: the meaning of their quotes depends on it.
    pub reach: u64,
}

/// One piece of a file.
pub(super) struct Piece {
    /// `None`: an empty line or record, which is not counted.
    pub record: Option<Record>,
    pub place: Place,
}

/// Why a piece could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum PieceError {
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The place that was copied to.
    #[error(transparent)]
    Write(std::io::Error),
}

/// A file, from its beginning. Each piece is copied, or left out, before the next one.
pub struct Pieces {
    reader: Reader,
    raw: RawText,
    path: String,
    place: Place,
}

impl Pieces {
    /// Opens a regular file.
    ///
    /// # Errors
    /// As `source::open`, and when the file can be read only once.
    pub fn open(path: &str, format: &Format) -> Result<Self, SourceError> {
        let unreadable = |reason| SourceError::Unreadable {
            path: path.to_owned(),
            reason,
        };
        let once = || {
            let message = format!("{path} can be read only once. Save it as a file first");
            SourceError::Other(message)
        };
        // A pipe must not be opened: that would wait for somebody who writes.
        let is_pipe = |there: fs::Metadata| !there.is_file() && !there.is_dir();
        if path == "-" || fs::metadata(expand_home(path)).is_ok_and(is_pipe) {
            return Err(once());
        }
        let mut origin = origin(path)?;
        let (reader, _) = start(&mut origin, path, format, super::window::CHUNK, None)?;
        let encoding = match &format.encoding {
            Some(label) => decode::named(label)?,
            None => None,
        };
        let bytes = origin.reader().map_err(unreadable)?.ok_or_else(once)?;
        Ok(Self {
            reader,
            raw: RawText::open(bytes, encoding).map_err(unreadable)?,
            path: path.to_owned(),
            place: Place::default(),
        })
    }

    /// As in `Source`, without an earlier `problem`.
    pub fn columns(&self) -> &[String] {
        self.reader.columns()
    }

    /// How the file is written.
    pub fn dialect(&self) -> Dialect {
        self.reader.dialect(self.raw.written().name())
    }

    /// Writes words in the file's own encoding.
    pub fn script(&self) -> Script {
        Script::new(self.raw.written())
    }

    /// Copies what comes before the first record; `mark` goes in front of a header that has none.
    ///
    /// # Errors
    /// When the file cannot be read, or `into` not written.
    pub fn copy_head(&mut self, mark: &[u8], into: &mut dyn Write) -> Result<(), PieceError> {
        into.write_all(self.raw.mark()).map_err(PieceError::Write)?;
        let Reader::Delimited(reader) = &self.reader else {
            return Ok(());
        };
        let (header, end, is_marked) = (reader.header_line, reader.next_line, reader.is_marked);
        for line in 1..end {
            if line == header && !is_marked {
                into.write_all(mark).map_err(PieceError::Write)?;
            }
            let passed = self.raw.pass_line(Some(into));
            passed.map_err(|error| self.told(error))?;
        }
        Ok(())
    }

    /// The next piece: a record, or `None` for what is skipped; at the end nothing.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next_piece(&mut self) -> Result<Option<Option<Record>>, SourceError> {
        let piece = match &mut self.reader {
            Reader::Delimited(reader) => reader.next_piece(),
            Reader::Ndjson(reader) => reader.next_piece(),
        };
        let piece = piece.map_err(|reason| SourceError::Unreadable {
            path: self.path.clone(),
            reason,
        })?;
        Ok(piece.map(|piece| {
            self.place = piece.place;
            piece.record
        }))
    }

    /// How many lines behind the first one of the latest record, which is broken, belong to the quote that breaks it.
    pub fn reach(&self) -> u64 {
        self.place.reach
    }

    /// Copies the piece with a mark in it, in place of an earlier one. A piece that has no place for a mark is copied
    /// as it is.
    ///
    /// # Errors
    /// When the file cannot be read, or `into` not written.
    pub fn copy_marked(&mut self, mark: &[u8], into: &mut dyn Write) -> Result<(), PieceError> {
        let place = std::mem::take(&mut self.place);
        let Some(at) = place.at else {
            return self.pass(place.lines, Some(into));
        };
        let mut passed = self.pass_text(at, Some(into))?;
        into.write_all(mark).map_err(PieceError::Write)?;
        passed += self.pass_text(place.old.start.saturating_sub(at), Some(into))?;
        passed += self.pass_text(place.old.len(), None)?;
        self.pass(place.lines.saturating_sub(passed), Some(into))
    }

    /// Copies the piece as it is.
    ///
    /// # Errors
    /// When the file cannot be read, or `into` not written.
    pub fn copy(&mut self, into: &mut dyn Write) -> Result<(), PieceError> {
        let place = std::mem::take(&mut self.place);
        self.pass(place.lines, Some(into))
    }

    /// Leaves the piece out.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn leave_out(&mut self) -> Result<(), PieceError> {
        let place = std::mem::take(&mut self.place);
        self.pass(place.lines, None)
    }

    fn pass(&mut self, lines: u64, mut into: Into) -> Result<(), PieceError> {
        for _ in 0..lines {
            let into: Into = match &mut into {
                Some(into) => Some(&mut **into),
                None => None,
            };
            let passed = self.raw.pass_line(into);
            passed.map_err(|error| self.told(error))?;
        }
        Ok(())
    }

    fn pass_text(&mut self, text: usize, into: Into) -> Result<u64, PieceError> {
        let passed = self.raw.pass(text, into);
        passed.map_err(|error| self.told(error))
    }

    fn told(&self, error: CopyError) -> PieceError {
        match error {
            CopyError::Write(reason) => PieceError::Write(reason),
            CopyError::Read(reason) => PieceError::Source(SourceError::Unreadable {
                path: self.path.clone(),
                reason,
            }),
        }
    }
}
