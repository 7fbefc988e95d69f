//! Owns the file in which somebody's own rows are given back, each with what is wrong with it in a first column
//! `problem`. It has all their cells, passwords included, so it is for its owner alone, and it never replaces the
//! source itself.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use super::private_file;
use crate::row::may_hold_secrets;
use crate::source::{
    BrokenKind, Dialect, PROBLEM, PieceError, Pieces, Record, Script, SourceError, expand_home,
};

/// What is wrong with one record is never longer than this, in characters.
const LONGEST: usize = 2_000;

/// Which rows are given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Every record, and what is skipped between them, so that lines keep their numbers.
    All,
    /// Only records that there is something to say about.
    Some,
}

/// What a file has in it that rows were given back in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenBack {
    /// Records.
    pub rows: u64,
    /// The columns, as the user wrote them, in which one of these records has a cell that may be a secret.
    pub secret_columns: Vec<String>,
}

/// Why rows could not be given back. What was at the path before is still there.
#[derive(Debug, thiserror::Error)]
pub enum MarkedFileError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("{path}: cannot be written: {reason}")]
    Output { path: String, reason: io::Error },
    /// What is wrong with the rows could not be read.
    #[error(transparent)]
    Problems(io::Error),
}

/// A file that is being written, beside its place. Dropped unfinished, it is gone.
pub struct MarkedFile {
    path: PathBuf,
    partial: Partial,
    file: BufWriter<File>,
    pieces: Pieces,
    mapping: Vec<(String, String)>,
    rows: Rows,
    /// Up to this line a quote is open that breaks its record: none of our own may close it.
    open_until: u64,
    /// How many columns were looked at.
    columns: usize,
    /// The places of those that may hold secrets, and whether they do.
    secret: Vec<(usize, bool)>,
    /// How many records were given back so far.
    given: u64,
}

/// Takes an unfinished file away again: it may hold passwords.
struct Partial(Option<PathBuf>);

impl Drop for Partial {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // Nothing is left to do about a file that stays; it is readable by its owner only.
            let _ = fs::remove_file(path);
        }
    }
}

impl MarkedFile {
    /// Makes the file for the rows of `source`; `mapping` says which of its columns hold passwords.
    ///
    /// # Errors
    /// When the path cannot be written, is the source itself, or has an ending with which the rows could not be
    /// imported.
    pub fn create(
        path: &Path,
        source: &str,
        pieces: Pieces,
        mapping: &[(String, String)],
        rows: Rows,
    ) -> Result<Self, MarkedFileError> {
        let refuse = |reason: io::Error| MarkedFileError::Output {
            path: path.display().to_string(),
            reason,
        };
        check_place(path, source, &pieces.dialect())
            .map_err(|reason| refuse(io::Error::other(reason)))?;
        let beside = private_file::beside(path);
        let file = private_file::create(&beside).map_err(refuse)?;
        Ok(Self {
            path: path.to_owned(),
            partial: Partial(Some(beside)),
            file: BufWriter::new(file),
            pieces,
            mapping: mapping.to_vec(),
            rows,
            open_until: 0,
            columns: 0,
            secret: Vec::new(),
            given: 0,
        })
    }

    /// Writes the rows. `problem` says what is wrong with a record; nothing, if the record is not among those that are
    /// given back. `go_on` is asked now and then whether to.
    ///
    /// # Errors
    /// When the source cannot be read, the file cannot be written, or one of the two functions fails.
    pub fn write(
        &mut self,
        mut problem: impl FnMut(u64) -> io::Result<Option<String>>,
        mut go_on: impl FnMut() -> Result<(), SourceError>,
    ) -> Result<(), MarkedFileError> {
        let path = self.path.clone();
        let told = |error: PieceError| match error {
            PieceError::Source(error) => MarkedFileError::Source(error),
            PieceError::Write(reason) => MarkedFileError::Output {
                path: path.display().to_string(),
                reason,
            },
        };
        let script = self.pieces.script();
        let header = match self.pieces.dialect() {
            Dialect::Delimited { delimiter, .. } => {
                script.bytes(&format!("{PROBLEM}{}", char::from(delimiter)))
            }
            _ => Vec::new(),
        };
        let head = self.pieces.copy_head(&header, &mut self.file);
        head.map_err(told)?;
        let mut count = 0u64;
        while let Some(piece) = self.pieces.next_piece()? {
            count += 1;
            if count.is_multiple_of(1_024) {
                go_on()?;
            }
            let said = match &piece {
                Some(record) => problem(record.number).map_err(MarkedFileError::Problems)?,
                None => None,
            };
            let copied = match (piece, said) {
                (Some(record), Some(said)) => {
                    let mark = self.mark(&said, &record, script);
                    self.note(&record);
                    self.pieces.copy_marked(&mark, &mut self.file)
                }
                (None, _) if self.rows == Rows::All => self.pieces.copy(&mut self.file),
                _ => self.pieces.leave_out(),
            };
            copied.map_err(told)?;
        }
        Ok(())
    }

    /// How many records were given back so far.
    pub fn given(&self) -> u64 {
        self.given
    }

    /// Ends the file and puts it in its place.
    ///
    /// # Errors
    /// When the disk is full or gone.
    pub fn finish(self) -> Result<GivenBack, MarkedFileError> {
        let Self {
            path,
            mut partial,
            file,
            pieces,
            secret,
            given,
            ..
        } = self;
        let refuse = |reason: io::Error| MarkedFileError::Output {
            path: path.display().to_string(),
            reason,
        };
        let file = file
            .into_inner()
            .map_err(|error| refuse(error.into_error()))?;
        let beside = private_file::beside(&path);
        private_file::take_place(&file, &beside, &path).map_err(refuse)?;
        partial.0 = None;
        let holding = secret.into_iter().filter(|(_, holds)| *holds);
        let names = holding.filter_map(|(position, _)| pieces.columns().get(position).cloned());
        Ok(GivenBack {
            rows: given,
            secret_columns: names.collect(),
        })
    }

    /// What is wrong, in the form of the file: a cell with its delimiter, or a pair with its comma.
    fn mark(&self, said: &str, record: &Record, script: Script) -> Vec<u8> {
        let said = one_line(said);
        let Dialect::Delimited { delimiter, .. } = self.pieces.dialect() else {
            return script.bytes(&pair(&said, script));
        };
        let delimiter = char::from(delimiter);
        let said = script.fit(&said);
        script.bytes(&if said.is_empty() {
            delimiter.to_string()
        } else if record.line.is_some_and(|line| line <= self.open_until) {
            format!("{}{delimiter}", without_quotes(&said, delimiter))
        } else {
            format!("\"{}\"{delimiter}", said.replace('"', "\"\""))
        })
    }

    /// Remembers of a record what has to be said or minded later.
    fn note(&mut self, record: &Record) {
        self.given += 1;
        if let (Err(broken), Some(line)) = (&record.content, record.line) {
            // If a quote of ours closed the open one, the record would be broken in another way. Where rows are left
            // out, that quote may be gone which made text of what follows, and only one of ours keeps the record from
            // taking other rows along; unless there is no further quote at all.
            let until = match (self.rows, broken.kind) {
                (Rows::All, _) => line + self.pieces.reach(),
                (Rows::Some, BrokenKind::UnclosedQuote) => u64::MAX,
                (Rows::Some, _) => 0,
            };
            self.open_until = self.open_until.max(until);
        }
        self.look_for_secrets(record);
    }

    fn look_for_secrets(&mut self, record: &Record) {
        let names = self.pieces.columns();
        // Names of objects come as the file is read.
        for name in &names[self.columns..] {
            if may_hold_secrets(name, &self.mapping) {
                self.secret.push((self.columns, false));
            }
            self.columns += 1;
        }
        for (position, holds) in &mut self.secret {
            *holds |= match &record.content {
                Ok(cells) => !cells.get(*position).is_blank(),
                // Whatever is in it.
                Err(_) => true,
            };
        }
    }
}

/// Says why rows cannot be given back at this path.
fn check_place(path: &Path, source: &str, dialect: &Dialect) -> Result<(), String> {
    if let Ok(there) = fs::metadata(path) {
        if !there.is_file() {
            return Err("it is no regular file".into());
        }
        let same = fs::canonicalize(path).ok() == fs::canonicalize(expand_home(source)).ok();
        if same {
            return Err("it is the file that is read. Name another one".into());
        }
    }
    let ending = path.extension().and_then(|ending| ending.to_str());
    let ending = ending.unwrap_or_default().to_ascii_lowercase();
    let names_lines = matches!(ending.as_str(), "ndjson" | "jsonl");
    match dialect {
        Dialect::Ndjson { .. } if !names_lines && !ending.is_empty() => {
            Err("the rows are NDJSON. Name it .ndjson or .jsonl, so that it can be imported".into())
        }
        Dialect::Delimited { .. } if names_lines => {
            Err("the rows are no NDJSON. Name it .csv, so that it can be imported".into())
        }
        _ => Ok(()),
    }
}

/// The text on one line, without control characters, and not too long.
fn one_line(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    let mut line: String = text.chars().take(LONGEST).map(plain).collect();
    if text.chars().nth(LONGEST).is_some() {
        line.push('…');
    }
    line
}

/// The text as a cell that needs no quotes. It begins with a letter, as all that is said here does.
fn without_quotes(text: &str, delimiter: char) -> String {
    let instead = match delimiter {
        ',' => ";",
        ';' => ",",
        _ => " ",
    };
    text.replace('"', "'").replace(delimiter, instead)
}

/// `"problem":"…",`, with escapes for letters that the encoding lacks.
fn pair(text: &str, script: Script) -> String {
    let mut pair = format!("{}:{},", json_text(PROBLEM), json_text(text));
    if !script.has_all_letters() && !pair.is_ascii() {
        let mut escaped = String::with_capacity(pair.len() + 16);
        for letter in pair.chars() {
            match letter.is_ascii() {
                true => escaped.push(letter),
                false => letter
                    .encode_utf16(&mut [0; 2])
                    .iter()
                    .for_each(|unit| escaped.push_str(&format!("\\u{unit:04x}"))),
            }
        }
        pair = escaped;
    }
    pair
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
