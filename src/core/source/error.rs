//! Owns the reasons for which a source is refused whole. No message contains a cell.

use std::io;

use thiserror::Error;

const SAVE_AS: &str = "In Excel: File → Save As → CSV UTF-8.";

/// Why a source cannot be read at all.
#[derive(Debug, Error)]
pub enum SourceError {
    #[error("Cannot find CSV file: {path}")]
    NotFound { path: String },
    #[error("{path} is a folder. Name the file in it")]
    Directory { path: String },
    #[error(
        "{path} is empty. The first line must name the columns, and `email` must be one of them"
    )]
    Empty { path: String },
    #[error("Cannot read {path}: {reason}")]
    Unreadable { path: String, reason: io::Error },
    #[error("{path} is UTF-16. Save it as UTF-8, or use --encoding utf-16le. {SAVE_AS}")]
    Utf16 { path: String },
    #[error("{path} is {what}, not text. Export the users as CSV in UTF-8 first")]
    Binary { path: String, what: &'static str },
    #[error("{path} is a spreadsheet, not CSV. {SAVE_AS}")]
    Spreadsheet { path: String },
    #[error("{path} is not UTF-8{}. {SAVE_AS}", guess_text(.guess))]
    NotUtf8 {
        path: String,
        /// The encoding that it looks like, by its name in the Encoding Standard.
        guess: Option<&'static str>,
    },
    #[error(
        "Unknown encoding `{name}`. Use a name such as utf-8, windows-1252, iso-8859-2, shift_jis or utf-16le"
    )]
    UnknownEncoding { name: String },
    #[error(
        "The delimiter must be one plain character such as , ; or a tab; not a quote, letter, digit or line break"
    )]
    Delimiter,
    #[error("{path} has the column `{name}` twice. Rename or remove one of the two")]
    DuplicateColumn { path: String, name: String },
    #[error("The header of {path} is broken: {reason}")]
    Header { path: String, reason: &'static str },
    #[error("The lines of {path} end with CR alone. Save it with LF or CRLF line ends. {SAVE_AS}")]
    CarriageReturns { path: String },
    #[error("{path} looks like JSON. Write one object a line and name the file .ndjson or .jsonl")]
    Json { path: String },
    #[error(
        "{path} lists {what}, not users. Fix the rows in your own file and import it again: rows that are in are left \
         alone."
    )]
    NotUsers { path: String, what: &'static str },
    #[error("The columns of {path} changed while it was read. Start again")]
    Changed { path: String },
    /// What a source outside this crate could not do; the text must not contain cells.
    #[error("{0}")]
    Other(String),
}

fn guess_text(guess: &Option<&'static str>) -> String {
    match guess {
        Some(name) => format!(
            " (it looks like {name}). Save it as UTF-8, or use --encoding {}",
            name.to_ascii_lowercase()
        ),
        None => ". Save it as UTF-8, or name its encoding with --encoding".to_owned(),
    }
}

impl SourceError {
    /// A word for programs, which never changes.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not_found",
            Self::Directory { .. } => "directory",
            Self::Empty { .. } => "empty",
            Self::Unreadable { .. } => "unreadable",
            Self::Utf16 { .. } => "utf_16",
            Self::Binary { .. } => "binary",
            Self::Spreadsheet { .. } => "spreadsheet",
            Self::NotUtf8 { .. } => "not_utf_8",
            Self::UnknownEncoding { .. } => "unknown_encoding",
            Self::Delimiter => "delimiter",
            Self::DuplicateColumn { .. } => "duplicate_column",
            Self::Header { .. } => "header",
            Self::CarriageReturns { .. } => "carriage_returns",
            Self::Json { .. } => "json",
            Self::NotUsers { .. } => "not_users",
            Self::Changed { .. } => "changed",
            Self::Other(_) => "other",
        }
    }
}
