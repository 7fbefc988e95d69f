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

/// Whether somebody works on the run in this folder: looks at its lock, and does not take it.
///
/// # Errors
/// When there is a lock and it cannot be looked at.
pub(super) fn is_held(folder: &Path) -> io::Result<bool> {
    let entry = (process::id(), folder.canonicalize()?);
    // As long as the list is held, nobody in this process takes the lock: closing the file would let go of it.
    let held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    if held.as_ref().is_some_and(|held| held.contains(&entry)) {
        return Ok(true);
    }
    match File::open(folder.join("lock")) {
        Ok(file) => is_locked(&file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
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

#[cfg(unix)]
fn is_locked(file: &File) -> io::Result<bool> {
    use rustix::process::{Flock, FlockType, fcntl_getlk};
    let blocking = fcntl_getlk(file, &Flock::from(FlockType::WriteLock))?;
    Ok(blocking.is_some())
}

/// Takes a lock that others may share for a moment: there is no other way to ask.
#[cfg(not(unix))]
fn is_locked(file: &File) -> io::Result<bool> {
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(std::fs::TryLockError::WouldBlock) => Ok(true),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
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

    #[test]
    fn looking_whether_it_is_held_neither_takes_it_nor_lets_go_of_it() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_held(folder.path()).unwrap());
        let lock = RunLock::take(folder.path()).unwrap();
        assert!(is_held(folder.path()).unwrap());
        assert!(RunLock::take(folder.path()).unwrap().is_none());
        drop(lock);
        assert!(!is_held(folder.path()).unwrap());
        assert!(RunLock::take(folder.path()).unwrap().is_some());
    }
}
