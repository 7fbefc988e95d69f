//! Owns files that only their owner may read, and that are never seen half written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Opens a file for writing, empty, readable by its owner only (0600 where that exists).
pub(crate) fn create(path: &Path) -> io::Result<File> {
    private(path, OpenOptions::new().write(true).truncate(true))
}

/// Opens a file to add to its end, readable by its owner only.
pub(super) fn append(path: &Path) -> io::Result<File> {
    private(path, OpenOptions::new().append(true))
}

fn private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options.create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let file = options.open(path)?;
    // A file that was there keeps its mode: it gets ours.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if file.metadata()?.is_file() {
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
        }
    }
    Ok(file)
}

/// Has a file written that only its owner can read: under a name beside it, and then in its place. `write` gets the path of
/// the file beside, which is there and empty.
///
/// # Errors
/// What `write` returns; or in the system's words, when the file cannot be made.
pub fn write_private(
    path: &Path,
    write: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<(), String> {
    let beside = beside(path);
    let written = create(&beside)
        .map_err(|error| error.to_string())
        .and_then(|_| write(&beside))
        .and_then(|()| {
            let file = File::open(&beside).map_err(|error| error.to_string())?;
            take_place(&file, &beside, path).map_err(|error| error.to_string())
        });
    if written.is_err() {
        // Half a file is of no use.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Opens a regular file that is there to write behind its first `length` bytes, and cuts off what comes after them. `None`
/// if there is no such file, or it is shorter.
pub(super) fn cut_back(path: &Path, length: u64) -> io::Result<Option<File>> {
    let mut file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let there = file.metadata()?;
    if !there.is_file() || there.len() < length {
        return Ok(None);
    }
    file.set_len(length)?;
    file.seek(SeekFrom::Start(length))?;
    Ok(Some(file))
}

/// The name under which a file is written before it takes its place.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    path.with_file_name(name)
}

/// Waits until what was written is on disk; a pipe or a terminal has none.
pub(super) fn sync(file: &File) -> io::Result<()> {
    if file.metadata()?.is_file() {
        file.sync_all()?;
    }
    Ok(())
}

/// Puts a finished file in its place: on disk first, then renamed.
pub(super) fn take_place(file: &File, written: &Path, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    fs::rename(written, path)
}
