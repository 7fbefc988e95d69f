//! Owns the run folder: its name, its rights, and what lies in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::StartError;
use super::lock::RunLock;
use super::runs::{FoundRun, run_folder};

/// The folder of one run.
pub(super) struct Folder {
    pub(super) id: String,
    pub(super) path: PathBuf,
    /// Nobody else works on the run while it is held.
    _lock: RunLock,
}

impl Folder {
    /// Makes the folder of a new run below `run_dir`, for its owner only, and keeps it out of version control.
    pub(super) fn create(run_dir: Option<&Path>) -> Result<Self, StartError> {
        let parent = run_folder(run_dir);
        let refuse = |path: &Path, error: io::Error| StartError::Folder {
            path: path.display().to_string(),
            reason: error.to_string(),
        };
        make_private(&parent).map_err(|error| refuse(&parent, error))?;
        let ignore = parent.join(".gitignore");
        if !ignore.exists() {
            // Journals hold email addresses: they do not belong into a repository.
            fs::write(&ignore, "*\n").map_err(|error| refuse(&parent, error))?;
        }
        loop {
            let id = format!("{:08x}", rand::random::<u32>());
            let path = parent.join(&id);
            match make_one(&path) {
                Ok(()) => {
                    let folder = Self::locked(id, path)?;
                    make_file(&folder.journal()).map_err(|error| refuse(&folder.path, error))?;
                    return Ok(folder);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(refuse(&path, error)),
            }
        }
    }

    /// The folder of a run that goes on.
    pub(super) fn of(run: &FoundRun) -> Result<Self, StartError> {
        Self::locked(run.info.id.clone(), run.folder.clone())
    }

    fn locked(id: String, path: PathBuf) -> Result<Self, StartError> {
        match RunLock::take(&path) {
            Ok(Some(lock)) => Ok(Self {
                id,
                path,
                _lock: lock,
            }),
            Ok(None) => Err(StartError::Locked(id)),
            Err(error) => Err(StartError::Folder {
                path: path.display().to_string(),
                reason: error.to_string(),
            }),
        }
    }

    /// Where the journal is; an empty file for its owner only, whose rights SQLite gives to what it puts beside it.
    pub(super) fn journal(&self) -> PathBuf {
        self.path.join("journal.sqlite3")
    }
}

fn make_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}

fn make_one(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}

fn make_file(path: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path).map(drop)
}
