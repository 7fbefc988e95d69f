//! Owns the runs on disk: which there are, which one is meant by a name, and whether an import is one of them again.

use std::fs;
use std::path::{Path, PathBuf};

use super::StartError;
use super::fingerprint::{ContentDigest, environment};
use super::lock::RunLock;
use crate::journal::outcome::Outcome;
use crate::journal::{RunInfo, Store};
use crate::report::write_recorded_results;
use crate::secret::Secret;

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
            let folder = entry.path();
            let store = Store::open(&folder.join("journal.sqlite3")).ok()?;
            let info = store.run_info().ok()?;
            Some(FoundRun { folder, info })
        })
        .collect();
    found.sort_by(|one, other| other.info.started_at.cmp(&one.info.started_at));
    found
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
    found.retain(|run| !name.is_empty() && run.info.id.starts_with(name));
    if let Some(exact) = found.iter().position(|run| run.info.id == name) {
        return Ok(found.swap_remove(exact));
    }
    match found.len() {
        1 => Ok(found.swap_remove(0)),
        0 => Err(StartError::NoRun(format!(
            "There is no run {name} in {place}."
        ))),
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

/// By what a run is known again.
pub(super) struct Identity {
    /// `None`: the source can be read only once, and the run is never known again.
    pub(super) content: Option<ContentDigest>,
    /// JSON of the options that shape the result.
    pub(super) options: String,
    pub(super) target: String,
    pub(super) base_url: String,
    pub(super) api_key: Secret,
}

impl Identity {
    /// What the journal of a run with this key stores of the environment.
    pub(super) fn environment(&self, key: &[u8; 32]) -> [u8; 32] {
        environment(key, &self.base_url, self.api_key.expose())
    }

    pub(super) fn same_environment(&self, info: &RunInfo) -> bool {
        info.target == self.target && info.environment == self.environment(&info.key)
    }

    pub(super) fn same_content(&self, info: &RunInfo) -> bool {
        match (&self.content, &info.source_digest) {
            (Some(content), Some(digest)) => content.keyed(&info.key) == *digest,
            _ => false,
        }
    }
}

/// What an import is, seen against the runs before it.
pub(super) enum Earlier {
    /// A new run; what has to be said about an earlier one.
    New(Option<String>),
    /// The same again, which did not come to its end, or in which rows failed.
    GoesOn { run: Box<FoundRun>, retry: bool },
    /// The same again, and all of it is done.
    Done(Box<FoundRun>),
}

/// Compares an import with the runs before it, the latest first.
pub(super) fn earlier(run_dir: Option<&Path>, identity: &Identity, source: &str) -> Earlier {
    if identity.content.is_none() {
        return Earlier::New(None);
    }
    let mut said = None;
    for run in runs(run_dir) {
        if !identity.same_environment(&run.info) {
            continue;
        }
        let same_content = identity.same_content(&run.info);
        let same_options = run.info.options == identity.options;
        if same_content && same_options {
            return match (run.is_whole(), run.failed()) {
                (true, 0) => Earlier::Done(Box::new(run)),
                (whole, _) => Earlier::GoesOn {
                    run: Box::new(run),
                    retry: whole,
                },
            };
        }
        if said.is_none() && run.info.source == source {
            let what = if same_content {
                "the options have changed"
            } else {
                "it has changed"
            };
            said = Some(format!(
                "{source}: {what} since run {}: new run; what is already there is kept",
                run.info.id
            ));
        }
    }
    Earlier::New(said)
}
