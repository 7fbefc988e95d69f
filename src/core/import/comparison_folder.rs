//! Owns the folders of comparisons: each is removed with its comparison. One that was killed has left what the directory
//! said about people: the same comparison goes on with it for a while; else whatever runs next removes it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::StartError;
use super::folder::{Folder, Looking, make_file, make_one, refused};
use super::lock::RunLock;
use super::runs::run_folder;
use crate::clock::Clock;
use crate::engine::FRESH;
use crate::journal::{RunInfo, Store};

/// How the names of comparisons' folders begin.
const COMPARISON: &str = ".comparison-";

/// The id of all of them: they are no runs that could be named.
const ID: &str = "comparison";

/// The folder of a comparison, which is removed and then let go of.
pub(super) struct Temporary {
    path: PathBuf,
    _lock: Arc<RunLock>,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What cannot be removed is tried again by whatever runs next.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// What a comparison that was killed has left.
struct LeftBehind {
    path: PathBuf,
    lock: RunLock,
    /// `None`: its journal cannot be read.
    info: Option<RunInfo>,
}

/// The folder of a comparison, which is removed with it: that of one that was killed, if `is_same` says of it that it is the
/// same one, together with what its journal says; else a new one, whose journal is not made yet. It is where runs are: there
/// is room for what it holds, and it is on no disk that is memory.
///
/// # Errors
/// When no folder can be made.
pub(super) fn comparison_folder(
    run_dir: Option<&Path>,
    is_same: impl Fn(&RunInfo) -> bool,
) -> Result<(Folder, Option<RunInfo>), StartError> {
    let parent = run_folder(run_dir);
    // Nobody else is between making a folder and locking it.
    let _looking = Looking::begin(run_dir)?;
    let mut goes_on = None;
    for left in left_behind(&parent) {
        let usable = left.info.filter(is_usable);
        match usable {
            Some(info) if goes_on.is_none() && is_same(&info) => {
                let folder = Folder::with(ID.to_owned(), left.path, left.lock);
                goes_on = Some((temporary(folder), info));
            }
            // Somebody else may go on with it.
            Some(_) => {}
            None => remove(&left.path, left.lock),
        }
    }
    if let Some((folder, info)) = goes_on {
        return Ok((folder, Some(info)));
    }
    let path = loop {
        let path = parent.join(format!("{COMPARISON}{:08x}", rand::random::<u32>()));
        match make_one(&path) {
            Ok(()) => break path,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(refused(&path, error)),
        }
    };
    let folder = temporary(Folder::locked(ID.to_owned(), path)?);
    make_file(&folder.journal()).map_err(|error| refused(&folder.path, error))?;
    Ok((folder, None))
}

/// Removes all that comparisons have left which were killed, before something is written to the directory: what they had
/// read is about to be no longer so.
pub(super) fn remove_left_behind(run_dir: Option<&Path>) {
    for left in left_behind(&run_folder(run_dir)) {
        remove(&left.path, left.lock);
    }
}

fn temporary(mut folder: Folder) -> Folder {
    folder.temporary = Some(Arc::new(Temporary {
        path: folder.path.clone(),
        _lock: Arc::clone(&folder.lock),
    }));
    folder
}

/// Whether a comparison can go on with it: one that has said what it found is over, and what was read long ago may have
/// changed since.
fn is_usable(info: &RunInfo) -> bool {
    let begun: Option<Timestamp> = info.started_at.parse().ok();
    let age = begun.map(|begun| Clock::System.now().duration_since(begun));
    info.status.is_none()
        && info.name.is_some()
        && info.source_digest.is_some()
        && age.is_some_and(|age| age.unsigned_abs() <= FRESH)
}

/// The folders of comparisons that nobody works on; locked.
fn left_behind(parent: &Path) -> Vec<LeftBehind> {
    let Ok(entries) = fs::read_dir(parent) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let is_one = entry.file_name().to_string_lossy().starts_with(COMPARISON);
        let path = entry.path();
        // Locked as long as its process lives.
        if is_one && let Ok(Some(lock)) = RunLock::take(&path) {
            let info =
                Store::open(&path.join("journal.sqlite3")).and_then(|store| store.run_info());
            let info = info.ok();
            found.push(LeftBehind { path, lock, info });
        }
    }
    found
}

fn remove(path: &Path, lock: RunLock) {
    // What cannot be removed is tried again by whatever runs next.
    let _ = fs::remove_dir_all(path);
    drop(lock);
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;
    use crate::journal::RunRecord;

    /// What a comparison leaves when it is killed that began so many minutes ago.
    fn leave(parent: &Path, name: &str, minutes: i64, status: Option<&str>) -> PathBuf {
        let path = parent.join(format!("{COMPARISON}{name}"));
        fs::create_dir_all(&path).unwrap();
        let started_at = Clock::System.now() - minutes.minutes();
        let record = RunRecord {
            id: ID.into(),
            name: Some(name.into()),
            source: "users.csv".into(),
            mode: "user-only".into(),
            target: "workos".into(),
            options: "{}".into(),
            key: [7; 32],
            source_digest: Some([1; 32]),
            environment: [2; 32],
            started_at: started_at.to_string(),
        };
        let store = Store::create(Some(&path.join("journal.sqlite3")), &record).unwrap();
        if let Some(status) = status {
            store.finish(status, "2026-11-22T10:00:00Z").unwrap();
        }
        path
    }

    #[test]
    fn the_same_comparison_takes_over_what_is_fresh_and_removes_what_nobody_can_use() {
        let folder = tempfile::tempdir().unwrap();
        let parent = folder.path();
        let same = leave(parent, "same", 14, None);
        let other = leave(parent, "other", 14, None);
        let old = leave(parent, "old", 16, None);
        let over = leave(parent, "over", 1, Some("Success"));
        let broken = parent.join(".comparison-broken");
        fs::create_dir_all(&broken).unwrap();
        fs::write(broken.join("journal.sqlite3"), "people").unwrap();
        let is_same =
            |info: &RunInfo| ["same", "old", "over"].contains(&info.name.as_deref().unwrap());
        let (taken, info) = comparison_folder(Some(parent), is_same).unwrap();
        assert_eq!(
            (taken.path.as_path(), info.unwrap().key),
            (same.as_path(), [7; 32])
        );
        assert!(other.exists());
        for gone in [&old, &over, &broken] {
            assert!(!gone.exists(), "{}", gone.display());
        }
        // As long as somebody works on it, nobody else takes it or removes it.
        let (new, info) = comparison_folder(Some(parent), is_same).unwrap();
        assert!(info.is_none() && new.path != same && new.journal().exists());
        remove_left_behind(Some(parent));
        assert!(same.exists() && new.path.exists() && !other.exists());
        let path = new.path.clone();
        drop((taken, new));
        assert!(!same.exists() && !path.exists());
    }
}
