//! Owns the files that a run leaves where its caller wants them: the error file, the results, the audit file.

use std::fs;
use std::io;
use std::path::Path;

use super::StartError;
use super::folder::Folder;
use super::options::ImportOptions;
use super::prepare::GoingOn;
use super::reporter::Errors;
use super::runs::{FoundRun, export_results};
use crate::journal::{Before, JournalError, Store};
use crate::report::{AuditFile, AuditedRun, ErrorFile};
use crate::source::expand_home;

/// The audit file of a run whose caller reads it line by line.
const AUDIT: &str = "audit.jsonl";

/// The error file at its place: who names none for the rows that fail finds them beside the journal.
pub(super) fn error_file_of(
    options: &ImportOptions,
    folder: &Folder,
    going_on: Option<&GoingOn>,
) -> Result<Errors, StartError> {
    let path = options.errors_out.clone();
    let path = path.unwrap_or_else(|| folder.path.join("errors.jsonl"));
    error_file(&path, going_on)
}

/// The error file of the run. One that grew line by line in earlier attempts is gone on with; any other is made anew, and
/// gets the rows that failed in them from the journal.
fn error_file(path: &Path, going_on: Option<&GoingOn>) -> Result<Errors, StartError> {
    let refuse = |error: std::io::Error| StartError::Output {
        path: path.display().to_string(),
        reason: error.to_string(),
    };
    // Rows that are tried again may end differently: what the file says of them is no longer so.
    let earlier = going_on
        .filter(|going_on| !going_on.retry)
        .and_then(|going_on| going_on.info.error_file.as_ref())
        .filter(|(name, _)| *name == absolute(path));
    if let Some((_, length)) = earlier
        && let Some(file) = ErrorFile::go_on(path, *length).map_err(refuse)?
    {
        return Ok(Errors {
            file,
            path: absolute(path),
            has_earlier: true,
            is_tracked: true,
        });
    }
    let file = ErrorFile::create(path).map_err(refuse)?;
    // Rows that failed before come into it one by one, as they are read: until then another attempt begins it anew.
    let is_tracked = going_on.is_none() && file.length().is_some();
    Ok(Errors {
        file,
        path: absolute(path),
        has_earlier: false,
        is_tracked,
    })
}

/// The audit file, where one is asked for. Rows of the run that are in it already get no second line.
pub(super) fn audit_file_of(
    options: &ImportOptions,
    folder: &Folder,
    going_on: Option<&GoingOn>,
) -> Result<Option<AuditFile>, StartError> {
    let Some((place, actor)) = &options.audit else {
        return Ok(None);
    };
    let beside = folder.path.join(AUDIT);
    let path = place.named().unwrap_or(&beside);
    let refuse = |error: io::Error| StartError::Output {
        path: path.display().to_string(),
        reason: error.to_string(),
    };
    let store = Store::open(&folder.journal()).map_err(JournalError::from)?;
    let source = store.run_info().map_err(JournalError::from)?.source;
    // What a file is called, and not where it lies on the machine.
    let name = Path::new(&source).file_name();
    let source = name.map_or(source.clone(), |name| name.to_string_lossy().into_owned());
    let of = AuditedRun {
        run: folder.id.clone(),
        source,
        actor: actor.clone(),
    };
    let mut file = AuditFile::open(path, of).map_err(refuse)?;
    if going_on.is_some() {
        let are_done = |numbers: &[u64]| {
            let before = store.before(numbers).map_err(io::Error::other)?;
            let done = before.iter().map(|before| matches!(before, Before::Done));
            Ok(done.collect())
        };
        file.leave_out_told(path, are_done).map_err(refuse)?;
    }
    Ok(Some(file))
}

/// A path as the journal has it.
pub(super) fn absolute(path: &Path) -> String {
    std::path::absolute(path)
        .unwrap_or_else(|_| path.to_owned())
        .display()
        .to_string()
}

/// Refuses a place where no file can be, before anything is made.
pub(super) fn check_place(path: &Path) -> Result<(), StartError> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if parent.is_some_and(|parent| !parent.is_dir()) || path.is_dir() {
        let reason = "the folder is not there, or the name is a folder's".to_owned();
        return Err(StartError::Output {
            path: path.display().to_string(),
            reason,
        });
    }
    Ok(())
}

/// Refuses to write where it is read from: the source may be the only one of its kind.
pub(super) fn check_is_not_source(path: &Path, source: &str) -> Result<(), StartError> {
    let same = is_one_file(path, &expand_home(source));
    match same {
        false => Ok(()),
        true => Err(StartError::Output {
            path: path.display().to_string(),
            reason: "it is the file that is read. Name another one".to_owned(),
        }),
    }
}

/// Also under another name. What is not there yet is no source.
#[cfg(unix)]
fn is_one_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

/// Also under another name. What is not there yet is no source.
#[cfg(not(unix))]
fn is_one_file(one: &Path, other: &Path) -> bool {
    matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}

/// The files that an import leaves behind, of a run that had done it all.
pub(super) fn write_files_of(run: &FoundRun, options: &ImportOptions) -> Result<(), StartError> {
    if let Some(path) = &options.errors_out {
        let file = ErrorFile::create(path).and_then(ErrorFile::finish);
        file.map_err(|error| StartError::Output {
            path: path.display().to_string(),
            reason: error.to_string(),
        })?;
    }
    match &options.results_out {
        Some(path) => export_results(run, path).map_err(|reason| StartError::Output {
            path: path.display().to_string(),
            reason,
        }),
        None => Ok(()),
    }
}
