//! `--require-membership`: takes back the users that this run made and who ended without a membership.

use tokio::sync::watch;

use super::{Ended, Engine, Halt, Tally};
use crate::directory::{Applied, BeforeSend, CallError, Then};
use crate::journal::{JournalError, Orphan};
use crate::pace::Backoff;

/// A deletion's intent is the user's own row in the journal: it was created by this run and confirmed.
struct NoIntent;

#[async_trait::async_trait]
impl BeforeSend for NoIntent {
    async fn commit(&self) -> Result<(), JournalError> {
        Ok(())
    }
}

impl Engine<'_> {
    /// Deletes what is `confirmed` to be ours, whose every row failed, and who by a fresh read has no membership.
    pub(super) async fn take_back(&self, tally: &mut Tally, halt: watch::Receiver<Halt>) -> Ended {
        const PAGE: usize = 256;
        if let Err(error) = self.journal.ask(|store| store.prepare_orphans()).await {
            return error.into();
        }
        let mut after = i64::MIN;
        loop {
            let page = match self
                .journal
                .ask(move |store| store.orphans(after, PAGE))
                .await
            {
                Ok(page) => page,
                Err(error) => return error.into(),
            };
            let Some((last, _)) = page.last() else {
                return Ended::Complete;
            };
            after = *last;
            for (_, orphan) in page {
                if *halt.borrow() >= Halt::Drain {
                    return Ended::Halted;
                }
                match self.take_back_one(&orphan).await {
                    Ok(true) => {
                        tally.taken_back += 1;
                        let key = orphan.key;
                        if let Err(error) = self.journal.note(move |store| store.deleted(&key)) {
                            return error.into();
                        }
                    }
                    Ok(false) => {}
                    Err(ended) => return ended,
                }
            }
        }
    }

    /// `false`: it stays, because it has a membership, or because the API does not let it go. Each attempt begins with
    /// a fresh read: what somebody else gave a membership meanwhile is not deleted.
    async fn take_back_one(&self, orphan: &Orphan) -> Result<bool, Ended> {
        let kind = orphan.key.kind;
        let Some(write) = self.directory.deletion(kind, &orphan.user_id) else {
            return Ok(false);
        };
        for attempt in 1..=Backoff::ATTEMPTS {
            match self.directory.has_dependents(kind, &orphan.user_id).await {
                Ok(false) => {}
                Ok(true) => return Ok(false),
                Err(CallError::Key(error)) => return Err(Ended::Key(error)),
                Err(CallError::Away(message)) => return Err(Ended::Unreachable(message)),
                Err(error) => {
                    let why = self.directory.refusal(kind, &error).message;
                    log::warn!(
                        "{} is kept: its memberships cannot be read: {why}",
                        orphan.user_id
                    );
                    return Ok(false);
                }
            }
            let applied = self
                .directory
                .apply(std::slice::from_ref(&write), &NoIntent)
                .await?
                .pop();
            match applied {
                Some(
                    Applied::Done(_)
                    | Applied::Refused {
                        then: Then::Gone(..),
                        ..
                    },
                ) => return Ok(true),
                // Deleting again is harmless: what is gone answers 404.
                Some(Applied::InDoubt { .. }) => {
                    tokio::time::sleep(self.backoff.delay(attempt)).await
                }
                Some(Applied::Failed(CallError::Key(error))) => return Err(Ended::Key(error)),
                Some(Applied::Failed(CallError::Away(message))) => {
                    return Err(Ended::Unreachable(message));
                }
                Some(Applied::Refused { error, .. }) => {
                    log::warn!("{} is kept: {}", orphan.user_id, error.message);
                    return Ok(false);
                }
                Some(Applied::Failed(_)) | None => break,
            }
        }
        log::warn!(
            "{} may still be there: the API did not answer",
            orphan.user_id
        );
        Ok(false)
    }
}
