//! A rehearsal: the run as it would be, with every write imagined instead of sent. What it would do is in its journal
//! afterwards, for `plan` and `verify` to read.

use super::Engine;
use super::snapshot::CallErrorOrJournal;
use crate::directory::{
    Applied, Approach, Ask, CallError, Found, Name, Refusal, State, Then, Write,
};
use crate::journal::JournalError;
use crate::journal::outcome::ApiDetails;
use crate::row::{Claim, Kind, StepKey};

impl Engine<'_> {
    /// Does to what was seen what the write would do to the directory.
    pub(super) async fn imagine(
        &self,
        key: &StepKey,
        ask: &Ask<'_>,
        write: &Write,
        current: &State,
    ) -> Result<Applied, JournalError> {
        if let Some(applied) = self.lacks_a_base(ask).await? {
            return Ok(applied);
        }
        let before: Option<&Found> = match current {
            State::Found(found) => Some(found),
            State::Absent | State::Conflict { .. } => None,
        };
        let id = match before {
            Some(found) => found.id.clone(),
            None => format!("planned:{}:{}", key.kind.as_str(), key.name),
        };
        let after = self.directory.after(write, before, &id);
        // The names that it had come from the same place as those that it will have: a write of nothing.
        let unchanged = Write {
            body: None,
            ..write.clone()
        };
        let had = before.map(|found| self.directory.after(&unchanged, Some(found), &id));
        let (noted, effect, at) = (key.clone(), write.effect, self.clock.now());
        let what = write.before.clone();
        self.journal
            .note(move |store| store.intent(&noted, effect, what.as_deref(), at))?;
        self.see_instead(key.kind, had.as_ref(), &after)?;
        Ok(Applied::Done(after.found))
    }

    /// The refusal that a write would get because something that it builds on is not there: an organization that rows
    /// name by its id is not looked at before.
    async fn lacks_a_base(&self, ask: &Ask<'_>) -> Result<Option<Applied>, JournalError> {
        for base in ask.bases {
            if base.kind != Kind::Organization || base.ours {
                continue;
            }
            let name = Name::new(Kind::Organization, "id", &base.id);
            match self.look_up_named(&name).await {
                Ok(Some(_)) => {}
                Ok(None) => {
                    let refusal = Refusal {
                        error_type: "org_resolution",
                        code: "org_resolution",
                        message: format!("Organization not found: {}", base.id),
                        api: ApiDetails {
                            http_status: Some(404),
                            ..ApiDetails::default()
                        },
                    };
                    return Ok(Some(Applied::Refused {
                        error: Default::default(),
                        then: Then::Gone(Kind::Organization, refusal),
                    }));
                }
                // A key that may not read an organization may still be good enough to write.
                Err(CallErrorOrJournal::Call(CallError::Refused(_))) => {}
                Err(CallErrorOrJournal::Call(error)) => return Ok(Some(Applied::Failed(error))),
                Err(CallErrorOrJournal::Journal(error)) => return Err(error),
            }
        }
        Ok(None)
    }

    /// What is known of a claim before its step's first look; `None`: nothing is, and the directory's own approach counts.
    pub(super) async fn first_state(&self, ask: &Ask<'_>) -> Result<Option<State>, JournalError> {
        let approach = self.directory.approach(ask);
        if !self.compares || matches!(approach, Approach::Trust(_)) {
            return Ok(None);
        }
        let is_membership = matches!(ask.claim, Claim::Membership(_));
        if self.rehearses && is_membership && ask.bases.iter().any(|base| base.ours) {
            // What it builds on was imagined: there is nothing to ask the directory for.
            return Ok(Some(State::Absent));
        }
        let seen = self.seen_state(ask).await?;
        Ok(match seen {
            // Somebody may have put it there meanwhile, and taken the user out again: it is looked at freshly before
            // anything is written.
            Some(State::Absent) if is_membership && !self.rehearses => None,
            seen => seen,
        })
    }
}
