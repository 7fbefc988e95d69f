//! Looks at the folder of runs by making one there, with a journal and a lock, and taking it away again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Check, Trouble};
use crate::clock::Clock;
use crate::import::folder::{make_file, make_one, make_private};
use crate::import::lock::RunLock;
use crate::import::runs::run_folder;
use crate::journal::{RunRecord, Store};

const NAME: &str = "run_folder";

/// Tries the folder of runs. Blocks; what it makes it takes away again.
pub fn check_run_folder(run_dir: Option<&Path>) -> Check {
    let parent = run_folder(run_dir);
    let shown = parent.display().to_string();
    let missing: Vec<PathBuf> = parent
        .ancestors()
        .filter(|folder| !folder.as_os_str().is_empty())
        .take_while(|folder| !folder.exists())
        .map(Path::to_owned)
        .collect();
    let tried = try_out(&parent);
    // Innermost first; one that somebody else uses meanwhile is not empty, and stays.
    for folder in &missing {
        let _ = fs::remove_dir(folder);
    }
    match tried {
        Ok(None) => {
            let message = match missing.is_empty() {
                true => format!("{shown} can be written; what is in a run is for you alone"),
                false => {
                    format!("{shown} can be made and written; what is in a run is for you alone")
                }
            };
            Check::fine(NAME, message, shown)
        }
        Ok(Some(odd)) => {
            let remedy = odd.remedy(&shown);
            Check::warning(
                NAME,
                format!("{shown} can be written, but {}", odd.message()),
                &remedy,
                shown,
            )
        }
        Err(reason) => Check::problem(
            NAME,
            Trouble::Other,
            format!("{shown}: {reason}"),
            "Name another place: --run-dir FOLDER, or WORKOS_IMPORTER_RUN_DIR (in Python run_dir=).",
        ),
    }
}

/// What works, and is odd all the same.
enum Odd {
    /// The file system keeps no rights.
    NoRights,
    /// Others could take a run away, or put another one there.
    OthersWrite,
}

impl Odd {
    fn message(&self) -> &'static str {
        match self {
            Self::NoRights => "others can read what is in it: this file system keeps no rights",
            Self::OthersWrite => "others can change what is in it",
        }
    }

    fn remedy(&self, shown: &str) -> String {
        match self {
            Self::NoRights => "A journal holds email addresses: name a place on a disk of this machine with --run-dir.".into(),
            Self::OthersWrite => format!("Run: chmod go-w {shown}"),
        }
    }
}

/// Makes a run in the folder and removes it; returns what is odd, or why it cannot be.
fn try_out(parent: &Path) -> Result<Option<Odd>, String> {
    let cannot = |what: &str, error: io::Error| format!("{what}: {error}");
    make_private(parent).map_err(|error| cannot("it cannot be made", error))?;
    // No run has such a name.
    let folder = parent.join(format!(".doctor-{:08x}", rand::random::<u32>()));
    make_one(&folder).map_err(|error| cannot("it cannot be written", error))?;
    let tried = try_run(&folder);
    let removed = fs::remove_dir_all(&folder);
    let odd = tried?;
    removed.map_err(|error| cannot("nothing can be removed there", error))?;
    Ok(match odd {
        None if others_write(parent) => Some(Odd::OthersWrite),
        odd => odd,
    })
}

fn try_run(folder: &Path) -> Result<Option<Odd>, String> {
    // Not the name of a journal: a list of runs that is made at this moment passes it over.
    let journal = folder.join("doctor.sqlite3");
    make_file(&journal).map_err(|error| format!("no file can be written there: {error}"))?;
    let lock = match RunLock::take(folder) {
        Ok(Some(lock)) => lock,
        Ok(None) => return Err("the lock of a run is held by somebody else".into()),
        Err(error) => return Err(format!("the lock of a run does not work there: {error}")),
    };
    let record = RunRecord {
        id: "doctor".into(),
        name: None,
        source: String::new(),
        mode: String::new(),
        target: String::new(),
        options: "{}".into(),
        key: [0; 32],
        source_digest: None,
        environment: [0; 32],
        started_at: Clock::System.now().to_string(),
    };
    let written = Store::create(Some(&journal), &record).and_then(|_| Store::open(&journal));
    let read = written.and_then(|store| store.run_info());
    read.map_err(|error| format!("no journal can be written there: {error}"))?;
    drop(lock);
    Ok(others_read(folder).then_some(Odd::NoRights))
}

#[cfg(unix)]
fn mode(folder: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(folder).map_or(0, |found| found.permissions().mode())
}

/// On other systems rights are in lists, which are those of the folder above.
#[cfg(not(unix))]
fn mode(_: &Path) -> u32 {
    0
}

fn others_read(folder: &Path) -> bool {
    mode(folder) & 0o077 != 0
}

/// A sticky folder, such as `/tmp`, lets others change only what is theirs.
fn others_write(folder: &Path) -> bool {
    let mode = mode(folder);
    mode & 0o022 != 0 && mode & 0o1000 == 0
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::Standing;
    use super::*;

    #[test]
    fn what_is_made_is_taken_away_again() {
        let folder = TempDir::new().unwrap();
        let runs = folder.path().join("one").join("runs");
        let check = check_run_folder(Some(&runs));
        assert_eq!(check.standing, Standing::Fine, "{}", check.message);
        assert!(check.message.contains("can be made"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        make_private(&runs).unwrap();
        fs::write(runs.join("mine"), "").unwrap();
        let check = check_run_folder(Some(&runs));
        assert!(!check.message.contains("can be made"));
        assert_eq!(fs::read_dir(&runs).unwrap().count(), 1);
    }

    #[test]
    fn a_place_where_no_folder_can_be_is_a_problem() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let check = check_run_folder(Some(&file.join("runs")));
        assert_eq!(check.standing, Standing::Problem(Trouble::Other));
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_others_can_change_is_warned_of() {
        use std::os::unix::fs::PermissionsExt;
        let folder = TempDir::new().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let check = check_run_folder(Some(folder.path()));
        assert_eq!(check.standing, Standing::Warning, "{}", check.message);
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        assert_eq!(
            check_run_folder(Some(folder.path())).standing,
            Standing::Fine
        );
    }
}
