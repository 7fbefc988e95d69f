//! Owns the error file of a run. `.jsonl` (and any unknown ending) grows line by line; `.csv` and `.json` are written
//! beside and renamed at the end. None of them is held in memory.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::cells::guarded;
use super::private_file;
use crate::journal::FailedBefore;
use crate::journal::outcome::{Outcome, RowResult};
use crate::row::{Kind, RowIdentity};

/// The columns of a `.csv` error file, in order.
const COLUMNS: [&str; 9] = [
    "recordNumber",
    "email",
    "userId",
    "errorMessage",
    "httpStatus",
    "workosCode",
    "workosRequestId",
    "timestamp",
    "rawRow",
];

enum Form {
    /// With the length of what was written.
    Lines(BufWriter<File>, u64),
    Csv(Box<csv::Writer<File>>),
    Array {
        file: BufWriter<File>,
        empty: bool,
    },
}

/// An error file that is being written.
pub struct ErrorFile {
    path: PathBuf,
    form: Form,
}

impl ErrorFile {
    /// Makes the file, readable by its owner only.
    ///
    /// # Errors
    /// When the folder is not there or cannot be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        let form = match ending(path).as_str() {
            "csv" => {
                let mut writer =
                    csv::Writer::from_writer(private_file::create(&private_file::beside(path))?);
                writer.write_record(COLUMNS)?;
                Form::Csv(Box::new(writer))
            }
            "json" => {
                let mut file = BufWriter::new(private_file::create(&private_file::beside(path))?);
                file.write_all(b"[")?;
                Form::Array { file, empty: true }
            }
            _ => Form::Lines(BufWriter::new(private_file::create(path)?), 0),
        };
        Ok(Self {
            path: path.to_owned(),
            form,
        })
    }

    /// Goes on with a file that grows line by line: what came after its first `length` bytes is cut off, a torn line or
    /// lines of rows that are done again. `None` if there is no such file, or it is shorter than that: it has to be made
    /// anew.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn go_on(path: &Path, length: u64) -> io::Result<Option<Self>> {
        if matches!(ending(path).as_str(), "csv" | "json") {
            return Ok(None);
        }
        let Some(file) = private_file::cut_back(path, length)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            path: path.to_owned(),
            form: Form::Lines(BufWriter::new(file), length),
        }))
    }

    /// How many bytes of the file are whole lines, if it grows line by line.
    pub fn length(&self) -> Option<u64> {
        match self.form {
            Form::Lines(_, length) => Some(length),
            Form::Csv(_) | Form::Array { .. } => None,
        }
    }

    /// Adds a row if it failed.
    ///
    /// # Errors
    /// When the disk is full or gone.
    pub fn add(&mut self, result: &RowResult) -> io::Result<()> {
        match &result.error {
            Some(error) if result.outcome == Outcome::Failed => self.write(entry(
                &result.identity,
                &serde_json::to_value(error)?,
                result.step(Kind::User).map(|step| step.id.as_str()),
                result.step(Kind::Organization).map(|step| step.id.as_str()),
                result.at,
            )),
            _ => Ok(()),
        }
    }

    /// Adds a row that failed in an earlier attempt of the run.
    ///
    /// # Errors
    /// When the disk is full or gone.
    pub fn add_earlier(&mut self, identity: &RowIdentity, failed: &FailedBefore) -> io::Result<()> {
        self.write(entry(
            identity,
            &serde_json::from_str(&failed.error)?,
            failed.user_id.as_deref(),
            failed.organization_id.as_deref(),
            failed.at,
        ))
    }

    fn write(&mut self, entry: Map<String, Value>) -> io::Result<()> {
        match &mut self.form {
            Form::Lines(file, length) => {
                let line = format!("{}\n", Value::Object(entry));
                file.write_all(line.as_bytes())?;
                // Somebody may be watching the file: a line is there as soon as its row has failed.
                file.flush()?;
                *length += line.len() as u64;
                Ok(())
            }
            Form::Array { file, empty } => {
                file.write_all(if *empty { b"\n  " } else { b",\n  " })?;
                *empty = false;
                write!(file, "{}", Value::Object(entry))
            }
            Form::Csv(writer) => {
                let cells = COLUMNS.map(|column| cell(entry.get(column)));
                writer.write_record(cells.iter().map(|cell| guarded(cell).into_owned()))?;
                Ok(())
            }
        }
    }

    /// Ends the file and puts it in its place.
    ///
    /// # Errors
    /// When the disk is full or gone; what was at the path before is then still there.
    pub fn finish(self) -> io::Result<()> {
        match self.form {
            Form::Lines(file, _) => {
                let file = file.into_inner().map_err(|error| error.into_error())?;
                private_file::sync(&file)
            }
            Form::Array { mut file, empty } => {
                file.write_all(if empty { b"]\n" } else { b"\n]\n" })?;
                let file = file.into_inner().map_err(|error| error.into_error())?;
                private_file::take_place(&file, &private_file::beside(&self.path), &self.path)
            }
            Form::Csv(writer) => {
                let file = writer.into_inner().map_err(|error| error.into_error())?;
                private_file::take_place(&file, &private_file::beside(&self.path), &self.path)
            }
        }
    }
}

fn ending(path: &Path) -> String {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.unwrap_or_default().to_ascii_lowercase()
}

/// One failed row, with the keys of the JSON forms; `error` as the journal has it. What is unknown is left out.
fn entry(
    identity: &RowIdentity,
    error: &Value,
    user_id: Option<&str>,
    organization_id: Option<&str>,
    at: Timestamp,
) -> Map<String, Value> {
    let mut entry = Map::new();
    entry.insert("recordNumber".into(), json!(identity.record_number));
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            entry.insert(name.into(), value);
        }
    };
    put("email", identity.email().map(|text| json!(text)));
    put("recordId", identity.record_id().map(|id| json!(id)));
    put("userId", user_id.map(|id| json!(id)));
    for (name, field) in [
        ("errorType", "error_type"),
        ("errorMessage", "message"),
        ("httpStatus", "http_status"),
        ("workosCode", "workos_code"),
        ("workosRequestId", "workos_request_id"),
    ] {
        put(name, error.get(field).cloned());
    }
    let errors = error.get("workos_errors").and_then(Value::as_array);
    let errors = errors.filter(|errors| !errors.is_empty());
    put("workosErrors", errors.map(|errors| json!(errors)));
    let named = identity.organization_id();
    put(
        "orgId",
        organization_id.or(named.as_deref()).map(|id| json!(id)),
    );
    let external_id = identity.organization_external_id();
    put("orgExternalId", external_id.map(|id| json!(id)));
    // In whole milliseconds, as others of this field write it.
    let at = at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    put("timestamp", Some(json!(at)));
    put("rawRow", identity.raw().map(Value::Object));
    entry
}

/// A value as a cell: texts as they are, everything else as its JSON text.
fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}
