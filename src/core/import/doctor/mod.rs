//! Whether an import would work from here: settings, API, clock, run folder. One small look at each; nothing is written to
//! the directory, and nothing is left behind.

mod api;
mod connection;
mod place;

use serde_json::Value;

pub use api::ask_api;
pub use connection::check_connection;
pub use place::check_run_folder;

/// What one look found.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// Stable: `environment`, `base_url`, `proxy`, `certificates`, `api`, `clock`, `multiple_roles`, `run_folder`; `key`
    /// where the key cannot be one.
    pub name: &'static str,
    pub standing: Standing,
    /// In plain words, without any secret.
    pub message: String,
    /// What to do about it.
    pub remedy: Option<String>,
    /// What was found, for programs.
    pub value: Value,
}

/// How a check stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Fine,
    /// It cannot be told, and need not be.
    Unknown,
    /// An import works, but something is worth a look.
    Warning,
    /// An import does not work.
    Problem(Trouble),
}

/// What kind of problem it is, by the exit code that an import would have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    Configuration,
    Key,
    Unreachable,
    Other,
}

impl Standing {
    /// `ok`, `unknown`, `warning`, `problem`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Problem(_) => "problem",
        }
    }

    /// 0 where an import works.
    pub fn exit_code(self) -> i32 {
        match self {
            Self::Problem(Trouble::Configuration) => 2,
            Self::Problem(Trouble::Key) => 3,
            Self::Problem(Trouble::Unreachable) => 4,
            Self::Problem(Trouble::Other) => 1,
            _ => 0,
        }
    }
}

impl Check {
    fn fine(name: &'static str, message: impl Into<String>, value: impl Into<Value>) -> Self {
        Self {
            name,
            standing: Standing::Fine,
            message: message.into(),
            remedy: None,
            value: value.into(),
        }
    }

    fn unknown(name: &'static str, message: impl Into<String>) -> Self {
        let standing = Standing::Unknown;
        Self {
            standing,
            ..Self::fine(name, message, Value::Null)
        }
    }

    fn warning(
        name: &'static str,
        message: impl Into<String>,
        remedy: &str,
        value: impl Into<Value>,
    ) -> Self {
        Self {
            standing: Standing::Warning,
            remedy: Some(remedy.to_owned()),
            ..Self::fine(name, message, value)
        }
    }

    fn problem(
        name: &'static str,
        trouble: Trouble,
        message: impl Into<String>,
        remedy: &str,
    ) -> Self {
        Self {
            standing: Standing::Problem(trouble),
            remedy: Some(remedy.to_owned()),
            ..Self::fine(name, message, Value::Null)
        }
    }
}
