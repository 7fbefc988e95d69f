//! Owns the lock of a run: one process at a time works on it. It ends with its process, however that ends, and a
//! forked child does not have it.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, PoisonError};

/// The runs that this process works on. The locks of the operating system keep other processes out, not this one; the
/// process id keeps a forked child, which inherits this list and no lock, from believing it.
static HELD: Mutex<Option<HashSet<(u32, PathBuf)>>> = Mutex::new(None);

/// The right to work on a run, until it is dropped.
pub(super) struct RunLock {
    entry: (u32, PathBuf),
    /// Closing it lets go of the lock.
    _file: File,
}

impl RunLock {
    /// Takes the lock of a run folder; `None` if somebody else has it. Never waits.
    ///
    /// # Errors
    /// When the file of the lock cannot be made.
    pub(super) fn take(folder: &Path) -> io::Result<Option<Self>> {
        let entry = (process::id(), folder.canonicalize()?);
        // Locked first: opening and closing the file a second time would let go of this process's own lock.
        if !remember(&entry) {
            return Ok(None);
        }
        match lock_file(&folder.join("lock")) {
            Ok(Some(file)) => Ok(Some(Self { entry, _file: file })),
            other => {
                forget(&entry);
                other.map(|_| None)
            }
        }
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        forget(&self.entry);
    }
}

fn remember(entry: &(u32, PathBuf)) -> bool {
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    held.get_or_insert_default().insert(entry.clone())
}

fn forget(entry: &(u32, PathBuf)) {
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    held.get_or_insert_default().remove(entry);
}

fn lock_file(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    try_lock(&file).map(|locked| locked.then_some(file))
}

/// A record lock: a forked child does not inherit it, unlike what `flock` gives.
#[cfg(unix)]
fn try_lock(file: &File) -> io::Result<bool> {
    use rustix::fs::{FlockOperation, fcntl_lock};
    use rustix::io::Errno;
    match fcntl_lock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::AGAIN | Errno::ACCESS) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(unix))]
fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(std::fs::TryLockError::WouldBlock) => Ok(false),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_in_one_process_too() {
        let folder = tempfile::tempdir().unwrap();
        let first = RunLock::take(folder.path()).unwrap();
        assert!(first.is_some());
        assert!(RunLock::take(folder.path()).unwrap().is_none());
        drop(first);
        assert!(RunLock::take(folder.path()).unwrap().is_some());
    }
}
