//! A plan and its execution: in which state each step was found when the run was rehearsed, and whether it still is.

use std::sync::PoisonError;

use super::Engine;
use crate::directory::{Ask, Refusal, State};
use crate::journal::JournalError;
use crate::journal::outcome::ApiDetails;
use crate::row::StepKey;

/// What stands for "it is not there".
const ABSENT: i64 = 0;

impl Engine<'_> {
    /// In a rehearsal, notes the state in which a step is found.
    pub(super) fn note_state(&self, key: &StepKey, state: &State) -> Result<(), JournalError> {
        if !self.rehearses {
            return Ok(());
        }
        let (key, state) = (key.clone(), digest(state));
        self.journal
            .note(move |store| store.note_planned(&key, state))
    }

    /// Whether the plan, if there is one, found nothing where this step is. `None`: there is no plan, or it did not look.
    pub(super) fn planned_absent(
        &self,
        key: &StepKey,
        ask: &Ask<'_>,
    ) -> Result<Option<bool>, JournalError> {
        let planned = self.planned(key, ask)?;
        Ok(planned.map(|state| state == ABSENT))
    }

    /// The refusal of a step that is not as it was planned.
    pub(super) fn moved(
        &self,
        key: &StepKey,
        ask: &Ask<'_>,
        state: &State,
    ) -> Result<Option<Refusal>, JournalError> {
        if self.plan.is_none() {
            return Ok(None);
        }
        let planned = self.planned(key, ask)?;
        if planned == Some(digest(state)) {
            return Ok(None);
        }
        let kind = key.kind.as_str();
        let (was, is) = match (planned, state) {
            (None, _) => ("was not looked at", "is not in the plan"),
            (Some(ABSENT), _) => ("was not there", "is there now"),
            (Some(_), State::Absent) => ("was there", "is gone"),
            (Some(_), _) => ("was another", "has changed"),
        };
        Ok(Some(Refusal {
            error_type: key.kind.stage(),
            code: "directory_moved",
            message: format!(
                "The directory has moved since the plan: the {kind} {was} when it was planned, and {is}. Nothing was \
                 written for it; plan again."
            ),
            api: ApiDetails::default(),
        }))
    }

    fn planned(&self, key: &StepKey, ask: &Ask<'_>) -> Result<Option<i64>, JournalError> {
        let Some(plan) = &self.plan else {
            return Ok(None);
        };
        let plan = plan.lock().unwrap_or_else(PoisonError::into_inner);
        let state = plan.planned(key)?;
        // What builds on an object that this run has made has another key than in the plan, and cannot have been there.
        let is_new = ask.bases.iter().any(|base| base.ours);
        Ok(state.or(is_new.then_some(ABSENT)))
    }
}

/// 63 bits that tell states apart.
fn digest(state: &State) -> i64 {
    let mut hasher = blake3::Hasher::new();
    match state {
        State::Absent => return ABSENT,
        State::Found(found) => {
            hasher.update(found.id.as_bytes());
            hasher.update(b" ");
            hasher.update(&serde_json::to_vec(&found.details).unwrap_or_default());
        }
        State::Conflict {
            by_email,
            by_external_id,
        } => {
            hasher.update(b"conflict ");
            hasher.update(by_email.as_bytes());
            hasher.update(b" ");
            hasher.update(by_external_id.as_bytes());
        }
    }
    let digest = hasher.finalize();
    let [first, ..] = digest.as_bytes().as_chunks::<8>().0 else {
        return ABSENT;
    };
    i64::from_le_bytes(*first) | 1
}
