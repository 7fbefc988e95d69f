//! Drives one row through its steps, and says how it ended.

use std::collections::HashSet;
use std::mem::take;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::ensure::Failure;
use super::{Claimed, Ended, Engine, Tally};
use crate::directory::{Approach, Ask, Base, CallError, Change, Refusal, State};
use crate::journal::outcome::{
    Effect, Evidence, Outcome, RowError, RowResult, StepResult, outcome_of,
};
use crate::journal::{EndedRow, Remembered};
use crate::row::{Claim, Kind, Step, StepKey};

/// A row whose steps are registered.
pub(super) struct RegisteredRow {
    pub(super) row: Claimed,
    /// It is the first that names its subject, in all attempts of the run.
    pub(super) is_new: bool,
}

/// A row whose drive came to an end.
pub(super) struct Driven {
    pub(super) record_number: u64,
    pub(super) subject: Option<StepKey>,
    pub(super) finished: Finished,
}

pub(super) enum Finished {
    Ended {
        result: Box<RowResult>,
        noted: Box<EndedRow>,
    },
    /// It was set aside until the source has been read.
    Parked,
    /// Nothing was sent for it, and the run comes to its end: it stays pending.
    PutBack,
    Stop(Ended),
}

/// How far a row got.
#[derive(Default)]
struct Way {
    steps: Vec<StepResult>,
    keys: Vec<(StepKey, Effect)>,
    bases: Vec<Base>,
    shortfall: Option<Refusal>,
}

enum Stopped {
    Refused {
        at: Kind,
        refusal: Refusal,
    },
    /// The row waits for what this key is about.
    Parked(StepKey),
    /// An object that an earlier step found is gone: its key, and what the API said at which step.
    Gone {
        key: StepKey,
        at: Kind,
        refusal: Refusal,
    },
    Run(Ended),
}

/// Stands for the record number of what is ensured before the first row.
const PRELUDE: u64 = 0;

impl Engine<'_> {
    /// Ensures what every row needs, before the first row.
    pub(super) async fn prelude(&self, steps: &[Step], tally: &mut Tally) -> Result<(), Ended> {
        for step in steps {
            let Some(key) = step.key() else { continue };
            let ask = Ask {
                claim: &step.claim,
                bases: &[],
            };
            // An id that is wrong is better known now than after the first users were made. A key that may not read it
            // (403) may still be good enough to write.
            let trusted = matches!(self.directory.approach(&ask), Approach::Trust(_));
            if trusted && self.is_absent(&ask).await? {
                self.memo.put(&key, Remembered::missing())?;
            }
            match self.ensure(&key, &ask, PRELUDE, false, &[]).await {
                Ok(ensured) => {
                    if ensured.result.effect == Effect::Created {
                        *tally.created.entry(step.kind).or_insert(0) += 1;
                    }
                }
                Err(Failure::Stop(ended)) => return Err(ended),
                Err(
                    Failure::Row(refusal)
                    | Failure::Missing { refusal, .. }
                    | Failure::Gone(_, refusal),
                ) => return Err(Ended::Prelude(error_of(refusal))),
            }
        }
        Ok(())
    }

    /// Whether a look says for certain that the object is not there.
    async fn is_absent(&self, ask: &Ask<'_>) -> Result<bool, Ended> {
        match self.directory.observe(&[*ask]).await.pop() {
            Some(Ok(state)) => Ok(state == State::Absent),
            Some(Err(CallError::Key(error))) => Err(Ended::Key(error)),
            Some(Err(CallError::Away(message))) => Err(Ended::Unreachable(message)),
            Some(Err(_)) | None => Ok(false),
        }
    }

    /// Drives one row to its end. Rows of the same subject wait for each other: `predecessor` ends before this one
    /// begins, and dropping `_done` lets the next one begin.
    pub(super) async fn drive(
        &self,
        registered: RegisteredRow,
        predecessor: Option<oneshot::Receiver<()>>,
        _done: oneshot::Sender<()>,
    ) -> Driven {
        let RegisteredRow { row, is_new } = registered;
        let record_number = row.identity.record_number;
        let subject = row.steps.iter().find(|step| step.kind == row.subject);
        let subject = subject.and_then(Step::key);
        let finished = tokio::select! {
            // Before the row is driven on: the permit that another one has given up is not for this one to take.
            biased;
            () = self.put_back(record_number) => Finished::PutBack,
            finished = async {
                if let Some(predecessor) = predecessor {
                    // It ends by being dropped.
                    let _ = predecessor.await;
                }
                self.to_its_end(row, is_new).await
            } => finished.unwrap_or_else(Finished::Stop),
        };
        self.has_ended(record_number);
        Driven {
            record_number,
            subject,
            finished,
        }
    }

    /// Resolves when the run comes to its end and nothing was sent for the row yet; never, where something was: what is
    /// half done is brought to its end.
    async fn put_back(&self, record_number: u64) {
        let mut ending = self.ending.subscribe();
        let is_ending = ending.wait_for(|is_ending| *is_ending).await.is_ok();
        if !is_ending || self.begun().contains(&record_number) {
            std::future::pending().await
        }
    }

    /// A write for the row is about to be sent: from now on it has to come to its end.
    pub(super) fn begins(&self, record_number: u64) {
        self.begun().insert(record_number);
    }

    fn has_ended(&self, record_number: u64) {
        self.begun().remove(&record_number);
    }

    fn begun(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn to_its_end(&self, row: Claimed, is_new: bool) -> Result<Finished, Ended> {
        let mut way = Way::default();
        let mut stopped = self.walk(&row, &mut way, self.can_park, is_new).await;
        if let Err(Stopped::Gone { key, .. }) = &stopped {
            // What the memo knew is no longer so: it leaves the memo once, and the row begins again. A row that has
            // written something is not set aside any more: its result is due.
            self.memo.forget(key)?;
            let gone = key.kind;
            let may_park = self.can_park && !way.has_written();
            let mut again = Way::default();
            stopped = self.walk(&row, &mut again, may_park, false).await;
            again.take_over(way, gone);
            way = again;
        }
        let has_subject = way.steps.iter().any(|step| step.kind == row.subject);
        if !has_subject && !matches!(stopped, Err(Stopped::Parked(_))) {
            self.owe(&row)?;
        }
        let error = match stopped {
            Ok(()) => way.shortfall.take().map(error_of),
            Err(Stopped::Refused { at, refusal }) => {
                Some(self.explain(at, refusal, row.subject, &way))
            }
            Err(Stopped::Gone { key, at, refusal }) => {
                let refusal = self.missing(&row, &key).await.unwrap_or(refusal);
                Some(self.explain(at, refusal, row.subject, &way))
            }
            Err(Stopped::Parked(key)) => {
                let number = row.identity.record_number;
                let subject = row.steps.iter().find(|step| step.kind == row.subject);
                let subject = subject.and_then(Step::key).unwrap_or(key);
                self.journal
                    .note(move |store| store.park(number, &subject))?;
                self.any_parked.store(true, Ordering::Relaxed);
                return Ok(Finished::Parked);
            }
            Err(Stopped::Run(ended)) => return Err(ended),
        };
        let outcome = match error {
            None => outcome_of(&way.steps, row.subject),
            Some(_) => Outcome::Failed,
        };
        let without_password = row.steps.iter().any(|step| match &step.claim {
            Claim::User(user) => user.is_without_password(),
            _ => false,
        });
        let result = RowResult {
            identity: row.identity,
            outcome,
            steps: way.steps,
            error,
            at: self.clock.now(),
        };
        let noted = EndedRow::of(&result, way.keys).without_password(without_password);
        Ok(Finished::Ended {
            result: Box::new(result),
            noted: Box::new(noted),
        })
    }

    /// `is_new`: the row is the first that names its subject, and nothing was done for it yet.
    async fn walk(
        &self,
        row: &Claimed,
        way: &mut Way,
        may_park: bool,
        is_new: bool,
    ) -> Result<(), Stopped> {
        let mut subject_made_now = false;
        // A row that names a role which is not there fails before the first write.
        let mut roles = self.roles_to_look_for(row);
        for step in &row.steps {
            let (key, is_new) = match step.key() {
                Some(key) => (key, is_new && step.kind == row.subject),
                // Made of the ids of what it builds on.
                None => (key_by_bases(step.kind, &way.bases), subject_made_now),
            };
            if step.kind == row.subject
                && may_park
                && self.waits_for_an_earlier_one(row, &key).await?
            {
                return Err(Stopped::Parked(key));
            }
            let ask = Ask {
                claim: &step.claim,
                bases: &way.bases,
            };
            let number = row.identity.record_number;
            let checked = match step.kind == row.subject {
                true => self.check_roles(take(&mut roles), &way.bases).await,
                false => Ok(()),
            };
            let ensured = match checked {
                Ok(()) => self.ensure(&key, &ask, number, is_new, roles).await,
                Err(failure) => {
                    way.leave_out_what_others_made();
                    Err(failure)
                }
            };
            let ensured = match ensured {
                Ok(ensured) => ensured,
                Err(Failure::Row(refusal)) => {
                    let at = step.kind;
                    return Err(Stopped::Refused { at, refusal });
                }
                Err(Failure::Missing {
                    another_row_may_help: true,
                    ..
                }) if may_park => return Err(Stopped::Parked(key)),
                Err(Failure::Missing { refusal, .. }) => {
                    let at = step.kind;
                    return Err(Stopped::Refused { at, refusal });
                }
                Err(Failure::Gone(kind, refusal)) => {
                    let gone = row.steps.iter().find(|step| step.kind == kind);
                    let key = gone.and_then(Step::key).unwrap_or(key);
                    let at = step.kind;
                    return Err(Stopped::Gone { key, at, refusal });
                }
                Err(Failure::Stop(ended)) => return Err(Stopped::Run(ended)),
            };
            subject_made_now |= step.kind == row.subject && ensured.made_now;
            way.keys.push((key, ensured.result.effect));
            way.bases.push(Base {
                kind: step.kind,
                id: ensured.result.id.clone(),
                ours: ensured.ours,
            });
            way.steps.push(ensured.result);
            if ensured.shortfall.is_some() {
                way.shortfall = ensured.shortfall;
            }
        }
        Ok(())
    }

    /// The first row of a subject counts, or if that fails, the next: while one is set aside, those behind it wait too.
    async fn waits_for_an_earlier_one(
        &self,
        row: &Claimed,
        key: &StepKey,
    ) -> Result<bool, Stopped> {
        if !self.any_parked.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let (key, number) = (key.clone(), row.identity.record_number);
        let parked = self
            .journal
            .ask(move |store| store.earlier_is_parked(&key, number));
        parked.await.map_err(|error| Stopped::Run(error.into()))
    }

    /// An object that the row names by the directory's own id is not there: remembered, so that later rows fail before
    /// they write. What was looked up is there by that look, and is not taken for missing because of something else.
    async fn missing(&self, row: &Claimed, key: &StepKey) -> Option<Refusal> {
        let step = row
            .steps
            .iter()
            .find(|step| step.key().as_ref() == Some(key))?;
        let ask = Ask {
            claim: &step.claim,
            bases: &[],
        };
        if !matches!(self.directory.approach(&ask), Approach::Trust(_)) {
            return None;
        }
        self.memo.put(key, Remembered::missing()).ok()?;
        match self
            .directory
            .diff(&ask, &State::Absent, &self.options.policy)
        {
            Change::Missing { refusal, .. } => Some(refusal),
            _ => None,
        }
    }

    /// The error of a row; where its subject is there and only what builds on it failed, it says so.
    fn explain(&self, at: Kind, refusal: Refusal, subject: Kind, way: &Way) -> RowError {
        let mut error = error_of(refusal);
        let Some(kept) = way.steps.iter().find(|step| step.kind == subject) else {
            return error;
        };
        let sentence = error.message.trim_end_matches('.');
        let (what, kind, id) = (capitalized(at), subject.as_str(), &kept.id);
        let ours = way
            .bases
            .iter()
            .any(|base| base.kind == subject && base.ours);
        let then = if !self.options.require_membership {
            format!("The {kind} was kept ({id}); run again to retry, or use --require-membership.")
        } else if ours && kept.evidence == Evidence::Confirmed {
            format!(
                "The {kind} ({id}) is deleted at the end of the run, unless it has a membership by then \
                 (--require-membership)."
            )
        } else {
            format!(
                "The {kind} was kept ({id}): it is not certain that this run created it. Run again to retry."
            )
        };
        error.message = match at {
            // "Organization not found" says it already.
            Kind::Organization => format!("{sentence}. {then}"),
            _ => format!("{what} failed: {sentence}. {then}"),
        };
        error
    }
}

impl Way {
    fn has_written(&self) -> bool {
        self.steps
            .iter()
            .any(|step| step.effect != Effect::Existing)
    }

    /// A row that fails before its first write fails in the same way whether or not another row has made its organization
    /// meanwhile, and says the same.
    fn leave_out_what_others_made(&mut self) {
        if !self.has_written() && self.bases.iter().any(|base| base.ours) {
            *self = Self::default();
        }
    }

    /// A second walk finds what the first one did, or does not get that far: it stays this row's doing. What is gone
    /// is not taken over.
    fn take_over(&mut self, first: Way, gone: Kind) {
        for ((earlier, key), base) in first.steps.into_iter().zip(first.keys).zip(first.bases) {
            let place = self.steps.iter().position(|step| step.kind == earlier.kind);
            match place.and_then(|index| self.steps.get_mut(index).zip(self.keys.get_mut(index))) {
                Some((step, (_, effect)))
                    if step.id == earlier.id && step.effect == Effect::Existing =>
                {
                    step.effect = earlier.effect;
                    step.evidence = earlier.evidence;
                    step.differs = earlier.differs;
                    *effect = earlier.effect;
                }
                None if earlier.kind != gone => {
                    self.steps.push(earlier);
                    self.keys.push(key);
                    self.bases.push(base);
                }
                _ => {}
            }
        }
    }
}

/// The key of a step that is known by what it builds on.
fn key_by_bases(kind: Kind, bases: &[Base]) -> StepKey {
    let ids: Vec<&str> = bases.iter().map(|base| base.id.as_str()).collect();
    StepKey::new(kind, ids.join(":"))
}

fn error_of(refusal: Refusal) -> RowError {
    RowError {
        error_type: refusal.error_type,
        code: refusal.code,
        message: refusal.message,
        api: refusal.api,
    }
}

fn capitalized(kind: Kind) -> &'static str {
    match kind {
        Kind::Organization => "Organization",
        Kind::User => "User",
        Kind::Membership => "Membership",
        Kind::Permission => "Permission",
        Kind::Role => "Role",
        Kind::Invitation => "Invitation",
        Kind::PasswordReset => "Password reset",
        Kind::TotpFactor => "TOTP factor",
    }
}
