//! Ensures one step: look, compare, write, compare again; and settles doubt by reading back, never by assuming.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;

use super::memo::is_shared;
use super::settled::{Ensured, Progress, existing, recall};
use super::snapshot::CallErrorOrJournal;
use super::{Ended, Engine};
use crate::directory::{
    Applied, Approach, Ask, BeforeSend, CallError, Change, Refusal, Settling, State, Then, Write,
    as_it_was_sent,
};
use crate::journal::outcome::Effect;
use crate::journal::{JournalError, OpenIntent, Remembered};
use crate::pace::Backoff;
use crate::row::{Claim, Kind, StepKey};

/// A step that is not done.
pub(super) enum Failure {
    Row(Refusal),
    /// The object is not there; another row's claim may make it.
    Missing {
        refusal: Refusal,
        another_row_may_help: bool,
    },
    /// An object that the step builds on is gone from the directory.
    Gone(Kind, Refusal),
    Stop(Ended),
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        Self::Stop(error.into())
    }
}

/// Commits the intent of a step before its bytes leave.
struct Intent<'a> {
    engine: &'a Engine<'a>,
    record: u64,
    key: &'a StepKey,
    effect: Effect,
    /// What the write changes of what was there.
    before: Option<&'a str>,
}

#[async_trait]
impl BeforeSend for Intent<'_> {
    async fn commit(&self) -> Result<(), JournalError> {
        self.engine.begins(self.record);
        let at = self.engine.clock.now();
        let (key, effect) = (self.key.clone(), self.effect);
        let before = self.before.map(str::to_owned);
        self.engine
            .journal
            .commit(move |store| store.intent(&key, effect, before.as_deref(), at))
            .await
    }
}

/// Where one write leaves its step.
enum Wrote {
    Done(Ensured),
    /// Compare again, with what the write answered or with what a look shows.
    Again,
    /// Nothing was written, and nothing can be: the object stays as it was found.
    AsItIs,
}

impl Engine<'_> {
    /// Ensures a step under its key for a row: one flight at a time, done once. `is_new`: the journal cannot know
    /// anything about the key, and is not asked. `roles`: those that the row names, where they are not looked for yet.
    pub(super) async fn ensure(
        &self,
        key: &StepKey,
        ask: &Ask<'_>,
        record: u64,
        is_new: bool,
        roles: &[String],
    ) -> Result<Ensured, Failure> {
        // What many rows name is known for most of them, and they need not wait for each other.
        if is_shared(key.kind)
            && let Some(known) = self.memo.get(key).await?
            && let Some(ensured) = self.recalled(key, ask, &known, record)
        {
            return Ok(ensured);
        }
        let _flight = self.memo.flight(key).await;
        let mut progress = Progress::new(record, self.options.policy);
        progress.roles = roles.to_vec();
        let known = match is_new {
            true => None,
            false => self.memo.get(key).await?,
        };
        // What cannot be looked at has no fields that the first row still owes.
        let can_look = self.directory.settling(ask.claim) == Settling::ReadBack;
        let is_owed = can_look
            && known
                .as_ref()
                .is_some_and(|known| self.is_owed(known, record));
        if let Some(known) = &known {
            if !is_owed && let Some(ensured) = self.recalled(key, ask, known, record) {
                return Ok(ensured);
            }
            progress.goes_on_from(known);
        }
        // An earlier attempt of this run, or an earlier row, may have written it, and did not hear. What is known to be
        // missing was looked for, but a request that nobody waits for any more can still arrive.
        let is_open = !is_new && known.as_ref().is_none_or(|known| known.id.is_none());
        if is_open && let Some((intent, label)) = self.left_in_doubt(key).await? {
            progress.in_doubt = Some((
                intent.effect,
                self.directory.doubt_since(intent.first, intent.last),
            ));
            progress.sent = as_it_was_sent(ask.claim, label.as_deref());
            if self.directory.settling(ask.claim) == Settling::NeverResend {
                return Err(Failure::Row(self.never_sent_again(key, &progress)));
            }
        }
        let state = match known {
            Some(known) if is_owed => {
                Some(self.look_for_first(key, ask, &known, &mut progress).await?)
            }
            Some(known) => recall(&known),
            // Look before anything is sent.
            None if progress.in_doubt.is_some() => None,
            None => match (self.first_state(ask).await?, self.directory.approach(ask)) {
                (Some(state), _) => Some(state),
                (None, Approach::Trust(id)) => {
                    self.memo.put(
                        key,
                        Remembered {
                            id: Some(id.clone()),
                            ..Remembered::missing()
                        },
                    )?;
                    return Ok(existing(key.kind, id, false));
                }
                (None, Approach::WriteFirst)
                    if !self.rehearses && self.planned_absent(key, ask)? != Some(false) =>
                {
                    Some(State::Absent)
                }
                (None, Approach::WriteFirst | Approach::LookFirst) => None,
            },
        };
        let settled = self.settle(key, ask, state, &mut progress).await;
        if is_owed && settled.is_ok() {
            let key = key.clone();
            self.journal
                .note(move |store| store.owe(&key, record, false))?;
        }
        match (settled, progress.seen.take()) {
            // What was written stays written, and stays this row's doing, although the rest of it failed.
            (Err(Failure::Row(refusal)), Some(found)) => {
                progress.in_doubt = None;
                progress.shortfall = Some(partly(key.kind, refusal));
                Ok(self.done(key, found, false, &mut progress)?)
            }
            (settled, _) => settled,
        }
    }

    /// A write whose answer is not known, and the name that it gave to its object.
    async fn left_in_doubt(
        &self,
        key: &StepKey,
    ) -> Result<Option<(OpenIntent, Option<String>)>, JournalError> {
        if !self.goes_on && !self.any_in_doubt.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let key = key.clone();
        self.journal
            .ask(move |store| {
                let Some(intent) = store.open_intent(&key)? else {
                    return Ok(None);
                };
                Ok(Some((intent, store.label(&key)?)))
            })
            .await
    }

    /// The answer that the memo has, if it needs no call.
    fn recalled(
        &self,
        key: &StepKey,
        ask: &Ask<'_>,
        known: &Arc<Remembered>,
        record: u64,
    ) -> Option<Ensured> {
        let id = known.id.clone()?;
        if let Some(state) = recall(known)
            && !matches!(
                self.directory.diff(ask, &state, &self.options.policy),
                Change::None { .. }
            )
        {
            return None;
        }
        // The memo does not know what the directory kept although it was to be cleared.
        let clears = matches!(ask.claim, Claim::User(user) if !user.clears.is_empty());
        if self.retries && clears && known.done == Some((record, Effect::Updated)) {
            return None;
        }
        let mut ensured = existing(key.kind, id, known.ours);
        // What an earlier attempt of this very row did stays its doing.
        if let Some((by, effect)) = known.done
            && by == record
        {
            ensured.result.effect = effect;
            ensured.result.evidence = known.evidence;
        }
        Some(ensured)
    }

    async fn settle(
        &self,
        key: &StepKey,
        ask: &Ask<'_>,
        first: Option<State>,
        progress: &mut Progress,
    ) -> Result<Ensured, Failure> {
        let mut state = first;
        if state.is_none() {
            self.memo.count_lookup(key.kind);
        }
        loop {
            let current = match state.take() {
                Some(state) => state,
                None => self.look(key, ask, progress).await?,
            };
            progress.sees(&current);
            if progress.writes == 0 {
                self.note_state(key, &current)?;
            }
            // What this run knows already it has compared before, or written itself.
            if !progress.is_known
                && progress.did.is_none()
                && progress.in_doubt.is_none()
                && let Some(refusal) = self.moved(key, ask, &current)?
            {
                return Err(Failure::Row(refusal));
            }
            if let (State::Found(found), Some((Effect::Created, doubt))) =
                (&current, progress.in_doubt)
                && self.directory.is_outcome_of(
                    &Ask {
                        claim: progress.sent.as_ref().unwrap_or(ask.claim),
                        bases: ask.bases,
                    },
                    found,
                    doubt,
                )
            {
                progress.inferred = true;
                progress.did = Some(Effect::Created);
            }
            if let (State::Found(found), Some(_)) = (&current, progress.did) {
                progress.seen = Some(found.clone());
            }
            if let Some(refusal) = self
                .made_for_another_row(key, ask, &current, progress)
                .await?
            {
                return Err(Failure::Row(refusal));
            }
            if let (State::Absent, Some(refusal)) = (&current, progress.looked_because.take()) {
                return Err(Failure::Row(refusal));
            }
            let write = match self.directory.diff(ask, &current, &progress.policy) {
                Change::None { found, differs } => {
                    progress.remark = self.directory.remark(ask, &found);
                    return Ok(self.done(key, found, differs, progress)?);
                }
                Change::Missing {
                    refusal,
                    another_row_may_help,
                } => {
                    self.memo.put(key, Remembered::missing())?;
                    return Err(Failure::Missing {
                        refusal,
                        another_row_may_help,
                    });
                }
                // What we made ourselves is not "there already".
                Change::Refuse(_) if progress.did == Some(Effect::Created) => match current {
                    State::Found(found) => return Ok(self.done(key, found, false, progress)?),
                    _ => return Err(Failure::Row(self.in_doubt(key, progress))),
                },
                Change::Refuse(refusal) => return Err(Failure::Row(refusal)),
                Change::Write(write) => write,
            };
            if progress.writes == 0 {
                self.look_for_roles(key, &current, &progress.roles).await?;
            }
            if progress.writes >= Backoff::ATTEMPTS {
                let refusal = progress
                    .last_error
                    .take()
                    .unwrap_or_else(|| self.in_doubt(key, progress));
                return Err(Failure::Row(refusal));
            }
            progress.writes += 1;
            let write = Write {
                is_suspect: progress.is_suspect,
                ..*write
            };
            let wrote = self.write(key, ask, write, progress, (&current, &mut state));
            match (wrote.await?, current) {
                (Wrote::Done(ensured), _) => return Ok(ensured),
                (Wrote::AsItIs, State::Found(found)) => {
                    return Ok(self.done(key, found, false, progress)?);
                }
                (Wrote::Again | Wrote::AsItIs, _) => {}
            }
        }
    }

    /// Looks at what is there. While a write is in doubt, a look that fails leaves the doubt unsettled.
    pub(super) async fn look(
        &self,
        key: &StepKey,
        ask: &Ask<'_>,
        progress: &Progress,
    ) -> Result<State, Failure> {
        let observed = match self.rehearses {
            false => self.directory.observe(&[*ask]).await.pop(),
            true => match self.looked_up_state(ask).await {
                Ok(state) => Some(Ok(state)),
                Err(CallErrorOrJournal::Call(error)) => Some(Err(error)),
                Err(CallErrorOrJournal::Journal(error)) => return Err(error.into()),
            },
        };
        match observed {
            Some(Ok(state)) => Ok(state),
            Some(Err(CallError::Key(error))) => Err(Failure::Stop(Ended::Key(error))),
            Some(Err(CallError::Away(message))) => Err(Failure::Stop(Ended::Unreachable(message))),
            Some(Err(_)) if progress.in_doubt.is_some() => {
                Err(Failure::Row(self.in_doubt(key, progress)))
            }
            Some(Err(error)) => Err(Failure::Row(self.directory.refusal(key.kind, &error))),
            None => Err(Failure::Row(self.in_doubt(key, progress))),
        }
    }

    /// A look before may have come too early: what nobody waited for any more can have arrived until now, and be what is in
    /// the way.
    fn refused_for_what_is_there(&self, progress: &mut Progress) {
        if let Some((_, doubt)) = &mut progress.in_doubt {
            let now = self.clock.now();
            *doubt = self.directory.doubt_since(now, now).and(Some(*doubt));
        }
    }

    /// Sends one write. After [`Wrote::Again`] it goes on with `state`, or with a look where that is `None`.
    async fn write(
        &self,
        key: &StepKey,
        ask: &Ask<'_>,
        write: Write,
        progress: &mut Progress,
        (current, state): (&State, &mut Option<State>),
    ) -> Result<Wrote, Failure> {
        let intent = Intent {
            engine: self,
            record: progress.record,
            key,
            // What the step does as a whole: that it made the object must not be lost behind a later change of it.
            effect: progress.did.unwrap_or(write.effect),
            before: write.before.as_deref(),
        };
        let applied = if self.rehearses {
            Some(self.imagine(key, ask, &write, current).await?)
        } else {
            self.directory
                .apply(std::slice::from_ref(&write), &intent)
                .await?
                .pop()
        };
        match applied {
            Some(Applied::Done(found)) => {
                progress.did = Some(progress.did.unwrap_or(write.effect));
                if write.compare_again {
                    *state = Some(State::Found(found));
                    return Ok(Wrote::Again);
                }
                let effect = progress.did.unwrap_or(write.effect);
                progress.remark = self.directory.remark(ask, &found);
                self.keep(key, &found, effect, progress)?;
                if write.effect == Effect::Updated
                    && let Some(refusal) = self.directory.falls_short(ask, &found)
                {
                    progress.shortfall = Some(partly(key.kind, refusal));
                }
                let mut ensured = self.ensured(key, found, effect, progress);
                ensured.made_now = write.effect == Effect::Created && progress.in_doubt.is_none();
                Ok(Wrote::Done(ensured))
            }
            Some(Applied::Refused {
                then: Then::Look(refusal),
                ..
            }) => {
                progress.looked_because = Some(refusal);
                self.refused_for_what_is_there(progress);
                Ok(Wrote::Again)
            }
            // Whose fault it was is not known: what is not there is sent again.
            Some(Applied::Refused {
                then: Then::LookAgain(refusal),
                ..
            }) => {
                progress.last_error = Some(refusal);
                progress.is_suspect = true;
                self.refused_for_what_is_there(progress);
                Ok(Wrote::Again)
            }
            Some(Applied::Refused {
                then: Then::Fail(refusal),
                ..
            }) => {
                if progress.in_doubt.is_none() {
                    let key = key.clone();
                    self.journal.note(move |store| store.refused(&key))?;
                }
                Err(Failure::Row(refusal))
            }
            Some(Applied::Refused {
                then: Then::FallBack(refusal),
                ..
            }) => {
                let Some(fallback) = write.fallback else {
                    return Err(Failure::Row(refusal));
                };
                // In our words, with what the API said.
                let api = refusal.api;
                progress.shortfall = Some(Refusal {
                    api,
                    ..fallback.shortfall
                });
                match fallback.smaller {
                    Some(smaller) => {
                        let states = (current, state);
                        Box::pin(self.write(key, ask, smaller, progress, states)).await
                    }
                    None => {
                        // A no to this write is a no to the same write whose answer was lost.
                        progress.in_doubt = None;
                        let key = key.clone();
                        self.journal.note(move |store| store.refused(&key))?;
                        Ok(Wrote::AsItIs)
                    }
                }
            }
            Some(Applied::Refused {
                then: Then::Gone(kind, refusal),
                ..
            }) => Err(Failure::Gone(kind, refusal)),
            Some(Applied::Refused {
                then: Then::End(message),
                ..
            }) => {
                let key = key.clone();
                self.journal.note(move |store| store.refused(&key))?;
                Err(Failure::Stop(Ended::Unreachable(message)))
            }
            Some(Applied::InDoubt { doubt, error }) => {
                let doubt = doubt.and(progress.in_doubt.map(|(_, earlier)| earlier));
                progress.in_doubt = Some((write.effect, doubt));
                progress.last_error = Some(self.directory.refusal(
                    key.kind,
                    &CallError::Unavailable {
                        message: error.message.clone(),
                        api: Some(error),
                    },
                ));
                if self.directory.settling(ask.claim) == Settling::NeverResend {
                    return Err(Failure::Row(self.never_sent_again(key, progress)));
                }
                tokio::time::sleep(self.backoff.delay(progress.writes)).await;
                Ok(Wrote::Again)
            }
            Some(Applied::Failed(CallError::Key(error))) => Err(Failure::Stop(Ended::Key(error))),
            Some(Applied::Failed(CallError::Away(message))) => {
                Err(Failure::Stop(Ended::Unreachable(message)))
            }
            Some(Applied::Failed(error)) => {
                Err(Failure::Row(self.directory.refusal(key.kind, &error)))
            }
            // An intent always holds: only deletions are withdrawn.
            Some(Applied::Withdrawn) | None => Err(Failure::Row(self.in_doubt(key, progress))),
        }
    }
}

/// The refusal of a row whose object was written in part.
fn partly(kind: Kind, refusal: Refusal) -> Refusal {
    let (kind, why) = (kind.as_str(), refusal.message);
    Refusal {
        message: format!("The {kind} is there, but not all of it could be written: {why}"),
        ..refusal
    }
}
