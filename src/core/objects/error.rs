//! Owns how a call about a single object fails, by what its caller would do about it.

use serde_json::Value;

use crate::directory::{ApiError, CallError};

/// Why a single object is not as it was asked for. No message holds a secret.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ObjectsError {
    /// What was asked for cannot be: change the call. Also what the API refuses as invalid.
    #[error("{0}")]
    Input(String),
    /// What the call is about is not there.
    #[error("{0}")]
    NotFound(String),
    /// Another object stands in the way; `with` is its id, where it could be found.
    #[error("{message}")]
    Conflict {
        message: String,
        with: Option<String>,
    },
    /// The key is not accepted, or may not do this.
    #[error("{0}")]
    Auth(String),
    /// The API cannot be reached or does not do its work.
    #[error("{0}")]
    Api(String),
    /// The answer was lost, and nothing tells whether the call was applied. It was sent once. `candidates` are the objects
    /// that it can have made.
    #[error("{message}")]
    InDoubt {
        message: String,
        candidates: Vec<Value>,
    },
}

impl ObjectsError {
    /// The stable word for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Input(_) => "input",
            Self::NotFound(_) => "no_object",
            Self::Conflict { .. } => "conflict",
            Self::Auth(_) => "auth",
            Self::Api(_) => "api",
            Self::InDoubt { .. } => "in_doubt",
        }
    }
}

/// What it means that a call failed for good.
pub(super) fn failed(error: CallError) -> ObjectsError {
    match error {
        CallError::Refused(error) => refused(error),
        CallError::Key(error) => ObjectsError::Auth(format!(
            "WorkOS does not accept the key (HTTP {}): {}",
            error.status(),
            error.message
        )),
        CallError::Unavailable { message, .. } | CallError::Away(message) => {
            ObjectsError::Api(format!("The API could not be reached: {message}"))
        }
    }
}

/// What the API's no means.
pub(super) fn refused(error: ApiError) -> ObjectsError {
    let message = format!(
        "WorkOS refuses it (HTTP {}): {}",
        error.status(),
        error.message
    );
    match error.status() {
        403 => ObjectsError::Auth(message),
        404 => ObjectsError::NotFound(message),
        409 => ObjectsError::Conflict {
            message,
            with: None,
        },
        400 | 422 if is_taken(&error) => ObjectsError::Conflict {
            message,
            with: None,
        },
        400..=499 => ObjectsError::Input(message),
        _ => ObjectsError::Api(message),
    }
}

/// Whether the API says that something of this name is there already.
fn is_taken(error: &ApiError) -> bool {
    const CODES: [&str; 7] = [
        "email_not_available",
        "external_id_already_used",
        "user_already_exists",
        "email_already_invited_to_organization",
        "email_already_invited",
        "user_already_organization_member",
        "invite_not_pending",
    ];
    CODES.iter().any(|code| error.has_code(code))
}
