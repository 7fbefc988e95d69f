//! Gives rows back to their owner in their own form, with what is wrong in a first column `problem`: all rows of a file
//! that is checked, or the failed ones of a run.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use super::fingerprint::ContentDigest;
use super::options::ImportOptions;
use super::runs::FoundRun;
use crate::journal::{JournalError, Store};
use crate::report::{GivenBack, MarkedFile, MarkedFileError, Rows};
use crate::row::Issue;
use crate::source::{Format, Pieces, Source, SourceError, expand_home};
use crate::validate::{Remarks, ValidateError, ValidateOptions, ValidateSummary, validate};

/// How many failed rows are read from the journal at once.
const PAGE: usize = 1_000;

/// Why rows could not be given back.
#[derive(Debug, thiserror::Error)]
pub enum GiveBackError {
    #[error(transparent)]
    Check(#[from] ValidateError),
    #[error(transparent)]
    File(#[from] MarkedFileError),
    #[error(
        "The failed rows of run {run} cannot be given back: {what}. `import` begins a new run; what is already there \
         is kept."
    )]
    SourceChanged { run: String, what: String },
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What is checked, and where it is given back.
pub struct Marked<'a> {
    /// The path of the source, which is a regular file, and how it is written.
    pub path: &'a str,
    pub format: &'a Format,
    pub out: &'a Path,
}

/// Checks a file as `validate` does, and writes all of it to `marked.out`, with errors and warnings beside the records
/// that they are about. `go_on` is asked now and then whether to.
///
/// # Errors
/// As `validate`; and when the file can be read only once, changes meanwhile, or the other one cannot be written.
pub fn validate_marked(
    options: &ValidateOptions,
    marked: &Marked<'_>,
    source: &mut dyn Source,
    mut tell: impl FnMut(Issue),
    go_on: impl FnMut() -> Result<(), SourceError>,
) -> Result<(ValidateSummary, GivenBack), GiveBackError> {
    let before = state(marked.path);
    let pieces = Pieces::open(marked.path, marked.format).map_err(ValidateError::Source)?;
    let mut file =
        MarkedFile::create(marked.out, marked.path, pieces, &options.mapping, Rows::All)?;
    let mut remarks = Remarks::new().map_err(ValidateError::Temporary)?;
    let mut kept = Ok(());
    let summary = validate(source, options, |issue| {
        if kept.is_ok() {
            kept = remarks.add(&issue);
        }
        tell(issue);
    })?;
    kept.map_err(ValidateError::Temporary)?;
    file.write(|number| remarks.about(number).map(Some), go_on)?;
    if file.given() != summary.records || state(marked.path) != before {
        let message = format!("{} changed while it was read. Start again", marked.path);
        return Err(ValidateError::Source(SourceError::Other(message)).into());
    }
    Ok((summary, file.finish()?))
}

/// Writes the failed rows of a run to `out`, read again from the run's own source.
///
/// # Errors
/// When the source has changed since or cannot be read again, the journal cannot be read, or `out` not written.
pub fn give_back_failed(run: &FoundRun, out: &Path) -> Result<GivenBack, GiveBackError> {
    let mut options = ImportOptions::default();
    let shape = serde_json::from_str(&run.info.options).unwrap_or_default();
    let format = options.take_shape(&shape);
    let source = &run.info.source;
    check_unchanged(run)?;
    let pieces = Pieces::open(source, &format).map_err(MarkedFileError::Source)?;
    let mut file = MarkedFile::create(out, source, pieces, &options.mapping, Rows::Some)?;
    let mut failed = Failed::of(run)?;
    file.write(|number| failed.message(number), || Ok(()))?;
    check_unchanged(run)?;
    Ok(file.finish()?)
}

fn check_unchanged(run: &FoundRun) -> Result<(), GiveBackError> {
    let refuse = |what: String| {
        let run = run.info.id.clone();
        Err(GiveBackError::SourceChanged { run, what })
    };
    let Some(digest) = run.info.source_digest else {
        let what = "they came from standard input or from a program, or the run has a name and knows its rows in any order";
        return refuse(what.into());
    };
    // What cannot be read is said better when it is opened.
    match ContentDigest::of_file(&expand_home(&run.info.source)) {
        Ok(content) if content.map(|content| content.keyed(&run.info.key)) != Some(digest) => {
            refuse(format!("{} has changed since", run.info.source))
        }
        _ => Ok(()),
    }
}

/// What tells that a file was written to.
fn state(path: &str) -> Option<(u64, Option<SystemTime>)> {
    let metadata = fs::metadata(expand_home(path)).ok()?;
    Some((metadata.len(), metadata.modified().ok()))
}

/// The failed rows of a run, asked for by ascending record number.
struct Failed {
    store: Store,
    page: VecDeque<(u64, String)>,
    last: u64,
    ended: bool,
}

impl Failed {
    fn of(run: &FoundRun) -> Result<Self, JournalError> {
        Ok(Self {
            store: Store::open(&run.journal())?,
            page: VecDeque::new(),
            last: 0,
            ended: false,
        })
    }

    /// Why the row failed; nothing, if it did not.
    fn message(&mut self, record_number: u64) -> io::Result<Option<String>> {
        if self.page.is_empty() && !self.ended {
            let page = self.store.failed(self.last, PAGE);
            for row in page.map_err(io::Error::other)? {
                self.last = row.result.record_number;
                let message = row.result.error_message().unwrap_or_default().to_owned();
                self.page.push_back((self.last, message));
            }
            self.ended = self.page.len() < PAGE;
        }
        let is_it = |(number, _): &(u64, String)| *number == record_number;
        if !self.page.front().is_some_and(is_it) {
            return Ok(None);
        }
        let found = self.page.pop_front();
        Ok(found.map(|(_, message)| format!("Error: {message}")))
    }
}
