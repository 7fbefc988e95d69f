//! `--require-membership`: takes back the users that this run made and who ended without a membership.

use tokio::sync::watch;
use tokio::time::Instant;

use super::deleting::{Deleted, LOOK_HOLDS, delete, kept};
use super::{Ended, Engine, Halt, Tally};
use crate::journal::Orphan;
use crate::pace::Backoff;

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
        let (kind, id) = (orphan.key.kind, orphan.user_id.as_str());
        let Some(write) = self.directory.deletion(kind, id) else {
            return Ok(false);
        };
        let mut attempt = 1;
        let mut holds = LOOK_HOLDS;
        while attempt <= Backoff::ATTEMPTS {
            let looked_at = Instant::now();
            match self.directory.has_dependents(kind, id).await {
                Ok(false) => {}
                Ok(true) => return Ok(false),
                Err(error) => {
                    let why = kept(self.directory, kind, error)?;
                    log::warn!("{id} is kept: its memberships cannot be read: {why}");
                    return Ok(false);
                }
            }
            match delete(self.directory, &write, looked_at, holds).await? {
                Deleted::Gone(_) => return Ok(true),
                // Where turns come more seldom than that, a look is as old as it has to be.
                Deleted::TooLate => holds *= 2,
                Deleted::Lost => {
                    tokio::time::sleep(self.backoff.delay(attempt)).await;
                    attempt += 1;
                }
                Deleted::Refused(why) => {
                    log::warn!("{id} is kept: {why}");
                    return Ok(false);
                }
            }
        }
        log::warn!("{id} may still be there: the API did not answer");
        Ok(false)
    }
}
