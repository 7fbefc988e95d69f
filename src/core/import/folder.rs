//! Owns the run folder: its name, its rights, and what lies in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::StartError;
use super::beside;
use super::comparison_folder::Temporary;
use super::lock::RunLock;
use super::runs::{FoundRun, run_folder};
use crate::journal::Store;

/// The name of the journal in its folder.
const JOURNAL: &str = "journal.sqlite3";

/// The folder of one run.
pub(super) struct Folder {
    pub(super) id: String,
    pub(super) path: PathBuf,
    /// Nobody else works on the run while it is held.
    pub(super) lock: Arc<RunLock>,
    /// Removes the folder when nobody needs it any more, where it is that of a comparison.
    pub(super) temporary: Option<Arc<Temporary>>,
}

impl Folder {
    /// Makes the folder of a new run below `run_dir`, for its owner only. A run with a name has its folder there, or, if
    /// that name is taken by a run that is another one, at the name and a number.
    pub(super) fn create(run_dir: Option<&Path>, name: Option<&str>) -> Result<Self, StartError> {
        let parent = run_folder(run_dir);
        for attempt in 1u32.. {
            let id = match (name, attempt) {
                (None, _) => format!("{:08x}", rand::random::<u32>()),
                (Some(name), 1) => name.to_owned(),
                (Some(name), number) => format!("{name}-{number}"),
            };
            let path = parent.join(&id);
            match make_one(&path) {
                Ok(()) => {}
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(refused(&path, error));
                }
                // Killed before its journal was there: nothing is lost with it.
                Err(_) if name.is_some() && Store::open(&path.join(JOURNAL)).is_err() => {}
                Err(_) => continue,
            }
            let folder = Self::locked(id, path)?;
            make_file(&folder.journal()).map_err(|error| refused(&folder.path, error))?;
            return Ok(folder);
        }
        Err(StartError::NoRun("no name is free for the run".into()))
    }

    /// The folder of a run that goes on.
    pub(super) fn of(run: &FoundRun) -> Result<Self, StartError> {
        Self::locked(run.info.id.clone(), run.folder.clone())
    }

    pub(super) fn locked(id: String, path: PathBuf) -> Result<Self, StartError> {
        match RunLock::take(&path) {
            Ok(Some(lock)) => Ok(Self::with(id, path, lock)),
            Ok(None) => Err(StartError::Locked(id)),
            Err(error) => Err(refused(&path, error)),
        }
    }

    /// The folder whose lock is held.
    pub(super) fn with(id: String, path: PathBuf, lock: RunLock) -> Self {
        // What an attempt before left when it was killed is not meant for this one.
        beside::clear(&path);
        Self {
            id,
            path,
            lock: Arc::new(lock),
            temporary: None,
        }
    }

    /// Where the journal is; an empty file for its owner only, whose rights SQLite gives to what it puts beside it.
    pub(super) fn journal(&self) -> PathBuf {
        self.path.join(JOURNAL)
    }
}

/// While it is held, no other process looks for the run that it would go on with, or makes a new one: two that begin the
/// same import at once would not see each other.
pub(super) struct Looking {
    _lock: Option<RunLock>,
}

impl Looking {
    /// As long as anybody needs to look; who holds it longer than this hangs, and is not waited for.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// Makes the folder of all runs, keeps it out of version control, and waits for one's turn in it. Blocks.
    pub(super) fn begin(run_dir: Option<&Path>) -> Result<Self, StartError> {
        let parent = run_folder(run_dir);
        prepare_parent(&parent)?;
        let begun = Instant::now();
        loop {
            let lock = RunLock::take(&parent).map_err(|error| refused(&parent, error))?;
            if lock.is_some() || begun.elapsed() > Self::PATIENCE {
                return Ok(Self { _lock: lock });
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Makes the folder of all runs, and keeps it out of version control.
fn prepare_parent(parent: &Path) -> Result<(), StartError> {
    make_private(parent).map_err(|error| refused(parent, error))?;
    let ignore = parent.join(".gitignore");
    if !ignore.exists() {
        // Journals hold email addresses: they do not belong into a repository.
        fs::write(&ignore, "*\n").map_err(|error| refused(parent, error))?;
    }
    Ok(())
}

pub(super) fn refused(path: &Path, error: io::Error) -> StartError {
    StartError::Folder {
        path: path.display().to_string(),
        reason: error.to_string(),
    }
}

pub(super) fn make_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}

pub(super) fn make_one(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}

pub(super) fn make_file(path: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path).map(drop)
}
