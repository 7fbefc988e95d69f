//! Owns the results file: every row's outcome, in the order of the source, out of the journal.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::cells::guarded;
use super::private_file;
use crate::journal::{Journal, RECORD_ID_COLUMN, RESULT_COLUMNS, ResultLine, Store};

/// How many rows are read from the journal at once.
const PAGE: usize = 2_000;

enum Form {
    Csv,
    Array,
    Lines,
}

/// A results file that is being written, beside its place.
struct ResultsFile {
    path: PathBuf,
    writer: io::BufWriter<File>,
    form: Form,
    /// What the caller calls the rows is a column too.
    calls_rows: bool,
    rows: u64,
    /// The record number of the last row that was added.
    last: u64,
}

impl ResultsFile {
    /// CSV, `.json` (an array), or `.jsonl`/`.ndjson` (a line a row).
    fn create(path: &Path, calls_rows: bool) -> io::Result<Self> {
        let ending = path.extension().and_then(|ending| ending.to_str());
        let form = match ending.unwrap_or_default().to_ascii_lowercase().as_str() {
            "json" => Form::Array,
            "jsonl" | "ndjson" => Form::Lines,
            _ => Form::Csv,
        };
        let mut writer = io::BufWriter::new(private_file::create(&private_file::beside(path))?);
        match form {
            Form::Array => writer.write_all(b"[")?,
            Form::Lines => {}
            Form::Csv => {
                let columns = RESULT_COLUMNS
                    .iter()
                    .chain(calls_rows.then_some(&RECORD_ID_COLUMN));
                write_cells(
                    &mut writer,
                    columns.map(|name| (*name).to_owned()).collect(),
                )?;
            }
        }
        Ok(Self {
            path: path.to_owned(),
            writer,
            form,
            calls_rows,
            rows: 0,
            last: 0,
        })
    }

    /// `false`: there was nothing to add.
    fn add(&mut self, page: Vec<ResultLine>) -> io::Result<bool> {
        let Some(last) = page.last() else {
            return Ok(false);
        };
        self.last = last.record_number;
        for line in page {
            match self.form {
                Form::Array => {
                    let between: &[u8] = if self.rows == 0 { b"\n  " } else { b",\n  " };
                    self.writer.write_all(between)?;
                    write!(self.writer, "{}", object(&line, self.calls_rows))?;
                }
                Form::Lines => writeln!(self.writer, "{}", object(&line, self.calls_rows))?,
                Form::Csv => {
                    let mut cells = vec![line.record_number.to_string()];
                    cells.extend(line.texts.into_iter().map(Option::unwrap_or_default));
                    cells.extend(self.calls_rows.then(|| line.record_id.unwrap_or_default()));
                    write_cells(&mut self.writer, cells)?;
                }
            }
            self.rows += 1;
        }
        Ok(true)
    }

    fn finish(mut self) -> io::Result<()> {
        if matches!(self.form, Form::Array) {
            let end: &[u8] = if self.rows == 0 { b"]\n" } else { b"\n]\n" };
            self.writer.write_all(end)?;
        }
        let file = self
            .writer
            .into_inner()
            .map_err(|error| error.into_error())?;
        private_file::take_place(&file, &private_file::beside(&self.path), &self.path)
    }
}

/// Writes all results of a run that is open beside `path`, and renames.
///
/// # Errors
/// When the journal cannot be read or the file cannot be written; what was at the path before is then still there.
pub async fn write_results(journal: &Journal, path: &Path) -> io::Result<()> {
    let calls_rows = journal.ask(Store::calls_rows).await;
    let mut file = ResultsFile::create(path, calls_rows.map_err(io::Error::other)?)?;
    loop {
        let after = file.last;
        let page = journal.ask(move |store| store.results(after, PAGE)).await;
        if !file.add(page.map_err(io::Error::other)?)? {
            return file.finish();
        }
    }
}

/// The same for a run that lies on disk.
///
/// # Errors
/// As [`write_results`].
pub fn write_recorded_results(store: &Store, path: &Path) -> io::Result<()> {
    let calls_rows = store.calls_rows().map_err(io::Error::other)?;
    let mut file = ResultsFile::create(path, calls_rows)?;
    loop {
        let page = store.results(file.last, PAGE).map_err(io::Error::other)?;
        if !file.add(page)? {
            return file.finish();
        }
    }
}

fn write_cells(writer: &mut impl Write, cells: Vec<String>) -> io::Result<()> {
    let mut line = csv::Writer::from_writer(writer);
    line.write_record(cells.iter().map(|cell| guarded(cell).into_owned()))?;
    line.flush()
}

fn object(line: &ResultLine, calls_rows: bool) -> Value {
    let mut object = Map::new();
    object.insert(RESULT_COLUMNS[0].into(), json!(line.record_number));
    for (column, text) in RESULT_COLUMNS.iter().skip(1).zip(&line.texts) {
        object.insert((*column).into(), json!(text));
    }
    if calls_rows {
        object.insert(RECORD_ID_COLUMN.into(), json!(line.record_id));
    }
    Value::Object(object)
}
