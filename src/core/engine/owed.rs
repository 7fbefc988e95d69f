//! A first row that ended before it came to what it is about: another row may have come there since, and what the first
//! one says still counts when it is tried again.

use super::ensure::Failure;
use super::settled::{Progress, content};
use super::{Claimed, Engine};
use crate::directory::{Ask, OnExisting, State};
use crate::journal::outcome::Evidence;
use crate::journal::{JournalError, Remembered};
use crate::row::{Step, StepKey};

impl Engine<'_> {
    /// Notes that a row ended without what it is about. Before the next row of the same subject begins: what that one
    /// comes to is then known for not being what the first one says.
    pub(super) fn owe(&self, row: &Claimed) -> Result<(), JournalError> {
        let subject = row.steps.iter().find(|step| step.kind == row.subject);
        let Some(key) = subject.and_then(Step::key) else {
            return Ok(());
        };
        let record = row.identity.record_number;
        self.journal
            .note(move |store| store.owe(&key, record, true))
    }

    /// Whether this row's claim may still have to be written to an object that another row came to. Who was there before
    /// the run is written to with on-existing `update` only.
    pub(super) fn is_owed(&self, known: &Remembered, record: u64) -> bool {
        known.owed_to == Some(record)
            && known.id.is_some()
            && (self.options.policy.on_existing == OnExisting::Update || is_certainly_ours(known))
    }

    /// The object as it is now. What this run has made, and nobody has changed since, gets what its first row says
    /// whatever is done with users who were there before.
    pub(super) async fn look_for_first(
        &self,
        key: &StepKey,
        ask: &Ask<'_>,
        known: &Remembered,
        progress: &mut Progress,
    ) -> Result<State, Failure> {
        let state = self.look(key, ask, progress).await?;
        if let State::Found(found) = &state
            && is_certainly_ours(known)
            && known.id.as_ref() == Some(&found.id)
        {
            let is_as_left = content(self.journal.key(), &found.details) == known.content;
            progress.policy.on_existing = match self.options.policy.on_existing {
                OnExisting::Update => OnExisting::Update,
                _ if is_as_left => OnExisting::Update,
                OnExisting::Skip | OnExisting::Fail => OnExisting::Skip,
            };
        }
        Ok(state)
    }
}

fn is_certainly_ours(known: &Remembered) -> bool {
    known.ours && known.evidence == Evidence::Confirmed
}
