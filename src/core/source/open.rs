//! Owns the way from a path to an open source.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;

use super::file::FileSource;
use super::window::CHUNK;
use super::{Format, Source, SourceError, sniff};

/// Where the bytes of a file come from.
pub(super) enum Origin {
    /// A regular file: it can be opened again.
    File(PathBuf),
    /// Standard input, a pipe, a reader: once.
    Once(Option<Box<dyn Read + Send>>),
}

impl Origin {
    /// The bytes from the beginning; `None` if they were taken already.
    pub fn reader(&mut self) -> io::Result<Option<Box<dyn Read + Send>>> {
        match self {
            Self::File(path) => Ok(Some(Box::new(File::open(path)?))),
            Self::Once(reader) => Ok(reader.take()),
        }
    }
}

/// Opens a file, or standard input as `-`. The header and the first 1,000 records are read here, so that what is
/// refused whole is refused at once.
pub fn open(path: &str, format: &Format) -> Result<Box<dyn Source>, SourceError> {
    if path == "-" {
        return open_reader("standard input", Box::new(io::stdin()), format);
    }
    let origin = origin(path)?;
    Ok(Box::new(FileSource::open(origin, path, format, CHUNK)?))
}

/// Where the bytes of the file at that path come from; what is no file of text by its name alone is refused.
pub(super) fn origin(path: &str) -> Result<Origin, SourceError> {
    let expanded = expand_home(path);
    let unreadable = |reason: io::Error| match reason.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => SourceError::NotFound {
            path: path.to_owned(),
        },
        _ => SourceError::Unreadable {
            path: path.to_owned(),
            reason,
        },
    };
    let metadata = fs::metadata(&expanded).map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(SourceError::Directory {
            path: path.to_owned(),
        });
    }
    sniff::refuse_name(path)?;
    Ok(if metadata.is_file() {
        Origin::File(expanded)
    } else {
        Origin::Once(Some(Box::new(File::open(&expanded).map_err(unreadable)?)))
    })
}

/// Opens what can be read once. `name` stands for it in messages; its ending says what it is, as with a file.
pub fn open_reader(
    name: &str,
    reader: Box<dyn Read + Send>,
    format: &Format,
) -> Result<Box<dyn Source>, SourceError> {
    let origin = Origin::Once(Some(reader));
    Ok(Box::new(FileSource::open(origin, name, format, CHUNK)?))
}

/// The path with `~` for the home folder.
pub fn expand_home(path: &str) -> PathBuf {
    let rest = match path.strip_prefix('~') {
        Some("") => Some(""),
        Some(rest) => rest.strip_prefix(['/', std::path::MAIN_SEPARATOR]),
        None => None,
    };
    let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE"));
    match (rest, home) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(path),
    }
}
