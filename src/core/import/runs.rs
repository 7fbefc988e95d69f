//! Owns the runs on disk: which there are, which one is meant by a name, what can be exported of one, and deleting one.

use std::fs;
use std::path::{Path, PathBuf};

use super::StartError;
use super::lock::RunLock;
use crate::journal::outcome::Outcome;
use crate::journal::{JournalError, RunInfo, Store, UNDOING, UNDONE};
use crate::report::write_recorded_results;

/// A run that was found on disk.
#[derive(Clone, Debug)]
pub struct FoundRun {
    pub folder: PathBuf,
    pub info: RunInfo,
}

impl FoundRun {
    /// Where its journal is.
    pub fn journal(&self) -> PathBuf {
        self.folder.join("journal.sqlite3")
    }

    /// Whether every record of the source has its outcome.
    pub fn is_whole(&self) -> bool {
        let ended: u64 = self.info.outcomes.values().sum();
        self.info.total.is_some_and(|total| ended >= total)
    }

    /// Whether what it had made was taken back, or some of it.
    pub fn is_undone(&self) -> bool {
        matches!(self.info.status.as_deref(), Some(UNDOING | UNDONE))
    }

    pub fn failed(&self) -> u64 {
        self.info.outcome(Outcome::Failed)
    }
}

/// The folder in which runs are, if the caller names none.
pub fn run_folder(run_dir: Option<&Path>) -> PathBuf {
    run_dir.map_or_else(
        || Path::new(".workos-importer").join("runs"),
        Path::to_owned,
    )
}

/// All runs below a folder, the latest first. What is no run, or cannot be read, is passed over.
pub fn runs(run_dir: Option<&Path>) -> Vec<FoundRun> {
    let Ok(entries) = fs::read_dir(run_folder(run_dir)) else {
        return Vec::new();
    };
    let mut found: Vec<FoundRun> = entries
        .flatten()
        .filter_map(|entry| {
            // Those of comparisons are no runs.
            if entry.file_name().to_string_lossy().starts_with('.') {
                return None;
            }
            let folder = entry.path();
            let store = Store::open(&folder.join("journal.sqlite3")).ok()?;
            let info = store.run_info().ok()?;
            Some(FoundRun { folder, info })
        })
        .collect();
    found.sort_by(|one, other| other.info.started_at.cmp(&one.info.started_at));
    found
}

/// The run whose folder this is.
///
/// # Errors
/// When its journal cannot be read.
pub(super) fn found_in(folder: &Path) -> Result<FoundRun, JournalError> {
    let info = Store::open(&folder.join("journal.sqlite3"))?.run_info()?;
    Ok(FoundRun {
        folder: folder.to_owned(),
        info,
    })
}

/// The run of this name: an id, a unique beginning of one, or `latest`.
///
/// # Errors
/// When there is none, or when several begin like this.
pub fn find_run(run_dir: Option<&Path>, name: &str) -> Result<FoundRun, StartError> {
    let place = run_folder(run_dir).display().to_string();
    let mut found = runs(run_dir);
    if name == "latest" {
        return match found.is_empty() {
            true => Err(StartError::NoRun(format!("There are no runs in {place}."))),
            false => Ok(found.swap_remove(0)),
        };
    }
    let unreadable = run_folder(run_dir).join(name).join("journal.sqlite3");
    found.retain(|run| !name.is_empty() && run.info.id.starts_with(name));
    if let Some(exact) = found.iter().position(|run| run.info.id == name) {
        return Ok(found.swap_remove(exact));
    }
    match found.len() {
        1 => Ok(found.swap_remove(0)),
        0 => Err(match Store::open(&unreadable) {
            Err(error) if unreadable.is_file() => StartError::Journal(error.into()),
            _ => StartError::NoRun(format!("There is no run {name} in {place}.")),
        }),
        several => Err(StartError::NoRun(format!(
            "{several} runs in {place} begin with {name}. Write more of the id."
        ))),
    }
}

/// Writes all results of a run into a file, as `--results-out` does.
///
/// # Errors
/// When the journal cannot be read or the file cannot be written.
pub fn export_results(run: &FoundRun, path: &Path) -> Result<(), String> {
    let store = Store::open(&run.journal()).map_err(|error| error.to_string())?;
    write_recorded_results(&store, path).map_err(|error| error.to_string())
}

/// Removes a run's folder, and with it the email addresses in its journal.
///
/// # Errors
/// While somebody works on the run, and when the folder cannot be removed.
pub fn delete_run(run: &FoundRun) -> Result<(), StartError> {
    let refuse = |error: std::io::Error| StartError::Folder {
        path: run.folder.display().to_string(),
        reason: error.to_string(),
    };
    match RunLock::take(&run.folder).map_err(refuse)? {
        None => Err(StartError::Locked(run.info.id.clone())),
        Some(lock) => {
            let removed = fs::remove_dir_all(&run.folder);
            drop(lock);
            removed.map_err(refuse)
        }
    }
}
