//! Hands each user whom a run made, and who brought nothing to sign in with, what lets them set a password: one after
//! another, at the pace of whoever mails it, each user once however often a sending is killed. A link is made when its turn
//! comes and never before, because it soon expires. Neither link nor code is kept.

mod earlier;
mod sending;
mod turns;

use std::time::Duration;

use jiff::Timestamp;

use crate::directory::{ApiError, RecoveryMethod};
use crate::journal::JournalError;
use crate::secret::Secret;
pub use earlier::{EarlierError, settle_earlier};
pub use sending::{Made, Sending};

/// What is made, for how long it holds, and how fast it is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoveryOptions {
    pub method: RecoveryMethod,
    pub expires_in: Duration,
    /// Evenly, one after another; from 1 on.
    pub per_minute: u32,
}

impl RecoveryOptions {
    /// The most that can be handed over in a minute.
    pub const MOST: u32 = 60_000;
}

impl Default for RecoveryOptions {
    fn default() -> Self {
        Self {
            method: RecoveryMethod::Link,
            expires_in: Duration::from_secs(60 * 60),
            per_minute: 60,
        }
    }
}

/// What one user is to be handed. It cannot be printed.
pub struct Recover {
    /// By which it is settled.
    pub step: i64,
    pub record_number: u64,
    pub user_id: String,
    /// As the directory has it now.
    pub email: String,
    pub first_name: Option<String>,
    pub link: Secret,
    /// With [`RecoveryMethod::Code`] only.
    pub code: Option<Secret>,
    pub expires_at: Timestamp,
}

/// What became of a handing over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    Delivered,
    /// It did not get there; the next sending tries again. Why, without link or code.
    Failed(String),
    /// Nobody has seen it: the user is as before.
    NotHandedOver,
    /// Nobody knows: it is never handed over again.
    InDoubt,
}

/// Why a sending cannot go on. Sending again goes on where it stopped.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SendingError {
    /// The key is not accepted.
    #[error("The API does not accept the key (HTTP {}): {}", .0.status(), .0.message)]
    Key(ApiError),
    #[error("{0}")]
    Away(String),
    /// Not this user: nobody gets one.
    #[error("Nobody can be sent a recovery {}: {message}", .method.as_str())]
    Off {
        method: RecoveryMethod,
        message: String,
    },
    #[error("{0}")]
    Journal(String),
}

impl From<JournalError> for SendingError {
    fn from(error: JournalError) -> Self {
        Self::Journal(error.to_string())
    }
}
