//! Drives one row through its steps, and says how it ended.

use tokio::sync::oneshot;

use super::ensure::Failure;
use super::{Claimed, Ended, Engine, Tally};
use crate::directory::{Ask, Base, Refusal};
use crate::journal::Remembered;
use crate::journal::outcome::{Evidence, Outcome, RowError, RowResult, StepResult, outcome_of};
use crate::row::{Kind, Step, StepKey};

/// A row whose drive came to an end.
pub(super) struct Driven {
    pub(super) record_number: u64,
    pub(super) subject: Option<StepKey>,
    pub(super) finished: Finished,
}

pub(super) enum Finished {
    Ended { result: Box<RowResult>, keys: Vec<(StepKey, &'static str)> },
    /// It waits for another row to make this object possible.
    Parked(StepKey),
    Stop(Ended),
}

/// How far a row got.
#[derive(Default)]
struct Way {
    steps: Vec<StepResult>,
    keys: Vec<(StepKey, &'static str)>,
    bases: Vec<Base>,
    shortfall: Option<Refusal>,
}

enum Stopped {
    Refused { at: Kind, refusal: Refusal },
    Parked(StepKey),
    /// An object of this kind that an earlier step found is gone: its key, and what the API said.
    Gone { key: StepKey, refusal: Refusal },
    Run(Ended),
}

impl Engine<'_> {
    /// Ensures what every row needs, before the first row.
    pub(super) async fn prelude(&self, steps: &[Step], tally: &mut Tally) -> Result<(), Ended> {
        for step in steps {
            let Some(key) = step.key() else { continue };
            let ask = Ask { claim: &step.claim, bases: &[] };
            match self.ensure(&key, &ask).await {
                Ok(ensured) => {
                    if ensured.result.effect == crate::journal::outcome::Effect::Created {
                        *tally.created.entry(step.kind).or_insert(0) += 1;
                    }
                }
                Err(Failure::Stop(ended)) => return Err(ended),
                Err(Failure::Row(refusal) | Failure::Missing { refusal, .. } | Failure::Gone(_, refusal)) => {
                    return Err(Ended::Prelude(error_of(refusal)));
                }
            }
        }
        Ok(())
    }

    /// Drives one row to its end. Rows of the same subject wait for each other: `predecessor` ends before this one
    /// begins, and dropping `_done` lets the next one begin.
    pub(super) async fn drive(
        &self,
        row: Claimed,
        predecessor: Option<oneshot::Receiver<()>>,
        _done: oneshot::Sender<()>,
    ) -> Driven {
        if let Some(predecessor) = predecessor {
            // It ends by being dropped.
            let _ = predecessor.await;
        }
        let record_number = row.identity.record_number;
        let subject = row.steps.iter().find(|step| step.kind == row.subject).and_then(Step::key);
        let mut way = Way::default();
        let mut stopped = self.walk(&row, &mut way).await;
        if let Err(Stopped::Gone { key, .. }) = &stopped {
            // What the memo knew is no longer so: it leaves the memo once, and the row begins again.
            if let Err(error) = self.memo.forget(key) {
                return Driven { record_number, subject, finished: Finished::Stop(Ended::Journal(error.0)) };
            }
            let mut again = Way::default();
            stopped = self.walk(&row, &mut again).await;
            keep_created(&mut again, &way);
            way = again;
        }
        let refused = match stopped {
            Ok(()) => way.shortfall.take().map(|refusal| (row.subject, refusal, true)),
            Err(Stopped::Refused { at, refusal }) => Some((at, refusal, false)),
            Err(Stopped::Gone { key, refusal }) => {
                let refusal = self.missing(&row, &key).await.unwrap_or(refusal);
                Some((key.kind, refusal, false))
            }
            Err(Stopped::Parked(key)) => return Driven { record_number, subject, finished: Finished::Parked(key) },
            Err(Stopped::Run(ended)) => return Driven { record_number, subject, finished: Finished::Stop(ended) },
        };
        let (outcome, error) = match refused {
            None => (outcome_of(&way.steps, row.subject), None),
            Some((_, refusal, true)) => (Outcome::Failed, Some(error_of(refusal))),
            Some((at, refusal, false)) => {
                let kept = way.steps.iter().find(|step| step.kind == row.subject);
                (Outcome::Failed, Some(self.explain(at, refusal, kept)))
            }
        };
        let result = RowResult { identity: row.identity, outcome, steps: way.steps, error, at: self.clock.now() };
        Driven { record_number, subject, finished: Finished::Ended { result: Box::new(result), keys: way.keys } }
    }

    async fn walk(&self, row: &Claimed, way: &mut Way) -> Result<(), Stopped> {
        for step in &row.steps {
            let key = step.key().unwrap_or_else(|| key_by_bases(step.kind, &way.bases));
            let ask = Ask { claim: &step.claim, bases: &way.bases };
            let ensured = match self.ensure(&key, &ask).await {
                Ok(ensured) => ensured,
                Err(Failure::Row(refusal)) => return Err(Stopped::Refused { at: step.kind, refusal }),
                Err(Failure::Missing { another_row_may_help: true, .. }) if self.can_park => {
                    return Err(Stopped::Parked(key));
                }
                Err(Failure::Missing { refusal, .. }) => return Err(Stopped::Refused { at: step.kind, refusal }),
                Err(Failure::Gone(kind, refusal)) => {
                    let gone = row.steps.iter().find(|step| step.kind == kind).and_then(Step::key);
                    let key = gone.unwrap_or(key);
                    return Err(Stopped::Gone { key, refusal });
                }
                Err(Failure::Stop(ended)) => return Err(Stopped::Run(ended)),
            };
            way.keys.push((key, ensured.result.effect.as_str()));
            way.bases.push(Base { kind: step.kind, id: ensured.result.id.clone(), ours: ensured.ours });
            way.steps.push(ensured.result);
            if ensured.shortfall.is_some() {
                way.shortfall = ensured.shortfall;
            }
        }
        Ok(())
    }

    /// An object that the row names by its own id is not there: remembered, so that later rows fail before they write.
    async fn missing(&self, row: &Claimed, key: &StepKey) -> Option<Refusal> {
        let step = row.steps.iter().find(|step| step.key().as_ref() == Some(key))?;
        let known = Remembered { id: None, ours: false, evidence: Evidence::Confirmed, detail: None };
        self.memo.put(key, known).ok()?;
        let ask = Ask { claim: &step.claim, bases: &[] };
        match self.directory.diff(&ask, &crate::directory::State::Absent, &self.options.policy) {
            crate::directory::Change::Missing { refusal, .. } => Some(refusal),
            _ => None,
        }
    }

    /// The error of a row; where its subject is there and only what builds on it failed, it says so.
    fn explain(&self, at: Kind, refusal: Refusal, kept: Option<&StepResult>) -> RowError {
        let mut error = error_of(refusal);
        if let Some(kept) = kept {
            let what = capitalized(at);
            let subject = kept.kind.as_str();
            let sentence = error.message.trim_end_matches('.').to_owned();
            error.message = if self.options.require_membership && kept.effect == crate::journal::outcome::Effect::Created {
                format!(
                    "{what} failed: {sentence}. The {subject} ({}) is deleted at the end of the run, unless another row \
                     gives it a membership (--require-membership).",
                    kept.id
                )
            } else {
                format!(
                    "{what} failed: {sentence}. The {subject} was kept ({}); run again to retry, or use --require-membership.",
                    kept.id
                )
            };
        }
        error
    }
}

/// A second walk finds what the first one created: it stays this row's creation.
fn keep_created(again: &mut Way, first: &Way) {
    for earlier in &first.steps {
        for (step, key) in again.steps.iter_mut().zip(&mut again.keys) {
            if step.kind == earlier.kind && step.id == earlier.id && step.effect == crate::journal::outcome::Effect::Existing {
                step.effect = earlier.effect;
                step.evidence = earlier.evidence;
                key.1 = earlier.effect.as_str();
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
    RowError { error_type: refusal.error_type, code: refusal.code, message: refusal.message, api: refusal.api }
}

fn capitalized(kind: Kind) -> &'static str {
    match kind {
        Kind::Organization => "Organization",
        Kind::User => "User",
        Kind::Membership => "Membership",
    }
}
