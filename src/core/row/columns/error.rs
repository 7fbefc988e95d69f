//! Owns what can be wrong with the columns of a source as a whole.

use thiserror::Error;

/// Why a source's columns cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ColumnsError {
    #[error("No `email` column.{} Use --map or rename it.", meant(.near))]
    NoEmail { near: Option<String> },
    #[error("No {columns} column: {rows} need it. Use --map or rename one.")]
    Lacking { columns: String, rows: &'static str },
    #[error(
        "The columns `{first}` and `{second}` both mean `{field}`. Rename or remove one of the two"
    )]
    Duplicate {
        first: String,
        second: String,
        field: &'static str,
    },
    #[error("--map names the column `{name}`, which is not there.{}", meant(.near))]
    MappedColumnMissing { name: String, near: Option<String> },
    #[error("--map names `{name}`, which an import does not know.{}", meant(.near))]
    UnknownTarget { name: String, near: Option<String> },
    #[error("record_id names the column `{name}`, which is not there.{}", meant(.near))]
    RecordIdMissing { name: String, near: Option<String> },
    #[error("record_id names the column `{name}`, which holds secrets. Name another one")]
    RecordIdSecret { name: String },
    #[error(
        "The column `{first}` goes to `{one}` and the column `{second}` to `{other}`. Map one of the two elsewhere, or \
         remove it"
    )]
    OnePlace {
        first: String,
        one: String,
        second: String,
        other: String,
    },
    #[error(
        "--map sends the column `{name}` to `{path}`, but it holds secrets, which are never part of it"
    )]
    SecretPlace { name: String, path: String },
    #[error("`{text}` is no mapping. Write --map \"Your column=email\"")]
    NoMapping { text: String },
}

fn meant(near: &Option<String>) -> String {
    match near {
        Some(name) => format!(" Did you mean `{name}`?"),
        None => String::new(),
    }
}
