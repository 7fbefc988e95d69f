//! Owns how one object is deleted: only by a look that is still fresh when the request leaves, and never blindly twice.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::Ended;
use crate::directory::{Applied, BeforeSend, CallError, Directory, Then, Write};
use crate::journal::JournalError;
use crate::row::Kind;

/// How old the look may be by which a deletion was decided. A request can wait longer than that for its turn.
pub(super) const LOOK_HOLDS: Duration = Duration::from_secs(10);

/// What became of one try to delete.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Deleted {
    /// It is not there any more, by whomever; how old the look was by which it was decided.
    Gone(Duration),
    /// Nothing was sent: by then the look was too old.
    TooLate,
    /// The answer was lost. Looking and deleting again is harmless: what is gone answers 404.
    Lost,
    /// It stays; in the API's words.
    Refused(String),
}

/// A deletion's intent is the journal's own record that this run made the object; what has to hold is the look.
struct FreshLook {
    at: Instant,
    holds: Duration,
    /// How old it was when the request left, in milliseconds.
    age: AtomicU64,
}

#[async_trait]
impl BeforeSend for FreshLook {
    async fn commit(&self) -> Result<(), JournalError> {
        Ok(())
    }

    fn still_holds(&self) -> bool {
        let age = self.at.elapsed();
        self.age.store(age.as_millis() as u64, Ordering::Relaxed);
        age <= self.holds
    }
}

/// Deletes what was looked at `looked_at`, unless that look is older than `holds` when the request is about to leave.
///
/// # Errors
/// What ends the run: a key that is not accepted, an API that is away, a journal that cannot be written.
pub(super) async fn delete(
    directory: &dyn Directory,
    write: &Write,
    looked_at: Instant,
    holds: Duration,
) -> Result<Deleted, Ended> {
    let look = FreshLook {
        at: looked_at,
        holds,
        age: AtomicU64::new(0),
    };
    let applied = directory.apply(std::slice::from_ref(write), &look).await?;
    Ok(match applied.into_iter().next() {
        Some(
            Applied::Done(_)
            | Applied::Refused {
                then: Then::Gone(..),
                ..
            },
        ) => Deleted::Gone(Duration::from_millis(look.age.into_inner())),
        Some(Applied::Withdrawn) => Deleted::TooLate,
        Some(Applied::InDoubt { .. }) | None => Deleted::Lost,
        Some(Applied::Refused { error, .. }) => Deleted::Refused(error.message),
        Some(Applied::Failed(error)) => Deleted::Refused(kept(directory, write.kind, error)?),
    })
}

/// Why something stays for which a call has failed for good; or the run's end, where nothing works any more.
pub(super) fn kept(
    directory: &dyn Directory,
    kind: Kind,
    error: CallError,
) -> Result<String, Box<Ended>> {
    match error {
        CallError::Key(error) => Err(Box::new(Ended::Key(error))),
        CallError::Away(message) => Err(Box::new(Ended::Unreachable(message))),
        error => Ok(directory.refusal(kind, &error).message),
    }
}

impl From<Box<Ended>> for Ended {
    fn from(ended: Box<Ended>) -> Self {
        *ended
    }
}
