//! Owns how a step ends: what it did, how sure that is, what the memo keeps of it.

use std::sync::atomic::Ordering;

use super::Engine;
use crate::directory::{Details, Doubt, Found, Policy, Refusal, State};
use crate::journal::outcome::{Effect, Evidence, StepResult};
use crate::journal::{JournalError, Remembered};
use crate::row::{Claim, Kind, StepKey};

/// A step that is done.
pub(super) struct Ensured {
    pub(super) result: StepResult,
    /// This run created the object, through this row or another one.
    pub(super) ours: bool,
    /// The directory has made it just now: nothing that builds on it can be known.
    pub(super) made_now: bool,
    /// A part of the claim that could not be met.
    pub(super) shortfall: Option<Refusal>,
}

/// What is known while one step is being ensured.
#[derive(Default)]
pub(super) struct Progress {
    /// The row for which it is ensured.
    pub(super) record: u64,
    pub(super) writes: u32,
    /// The roles that have to be there before anything is written for the row.
    pub(super) roles: Vec<String>,
    /// The memo has something on it: an earlier row came to it.
    pub(super) is_known: bool,
    /// What earlier writes of this step did.
    pub(super) did: Option<Effect>,
    /// A write whose answer was lost: what it was to do, and when it can have happened.
    pub(super) in_doubt: Option<(Effect, Doubt)>,
    /// What it can have claimed, if that is not what this row claims.
    pub(super) sent: Option<Claim>,
    pub(super) inferred: bool,
    /// The memo has it as inferred, through whichever row.
    remains_inferred: bool,
    /// The row through which this run made it, if that is another one: it stays so whatever this row adds.
    made_through: Option<u64>,
    /// The directory's id of the object that all this is about.
    about: Option<String>,
    /// The object as it was seen after a write of this step.
    pub(super) seen: Option<Found>,
    /// The write was refused together with others, and nothing of it was there.
    pub(super) is_suspect: bool,
    /// The refusal that made us look: it counts if there is nothing to be found.
    pub(super) looked_because: Option<Refusal>,
    pub(super) last_error: Option<Refusal>,
    /// A part of the claim that the environment does not allow.
    pub(super) shortfall: Option<Refusal>,
    /// What the object has beside what the row says.
    pub(super) remark: Option<String>,
    /// What to do with what is there already.
    pub(super) policy: Policy,
}

impl Progress {
    pub(super) fn new(record: u64, policy: Policy) -> Self {
        Self {
            record,
            policy,
            ..Self::default()
        }
    }

    /// What an earlier attempt of this very row did stays its doing, also where more has to be done.
    pub(super) fn goes_on_from(&mut self, known: &Remembered) {
        self.is_known = true;
        self.about.clone_from(&known.id);
        self.remains_inferred = known.evidence == Evidence::Inferred;
        match known.done {
            Some((by, effect)) if by == self.record => {
                self.did = Some(effect);
                self.inferred = known.evidence == Evidence::Inferred;
            }
            Some((by, Effect::Created)) => self.made_through = Some(by),
            _ => {}
        }
    }

    /// What was done to an object that is not there any more was not done to the one that is found in its place.
    pub(super) fn sees(&mut self, current: &State) {
        let id = match current {
            State::Found(found) => Some(&found.id),
            State::Absent | State::Conflict { .. } => None,
        };
        if self.about.is_some() && self.about.as_ref() != id {
            self.did = None;
            self.inferred = false;
            self.remains_inferred = false;
            self.made_through = None;
            self.seen = None;
            self.in_doubt = self
                .in_doubt
                .filter(|(effect, _)| *effect == Effect::Created);
        }
        self.about = id.cloned();
    }
}

impl Engine<'_> {
    /// The directory matches: what the step did follows from what was written, or may have been.
    pub(super) fn done(
        &self,
        key: &StepKey,
        found: Found,
        differs: bool,
        progress: &mut Progress,
    ) -> Result<Ensured, JournalError> {
        let effect = match (progress.did, progress.in_doubt) {
            (Some(effect), _) => effect,
            // A change whose answer was lost, and that is now there.
            (None, Some((effect, _))) if effect != Effect::Created => {
                progress.inferred = true;
                effect
            }
            _ => Effect::Existing,
        };
        self.keep(key, &found, effect, progress)?;
        let differs = differs && effect == Effect::Existing;
        let mut ensured = self.ensured(key, found, effect, progress);
        ensured.result.differs = differs;
        Ok(ensured)
    }

    pub(super) fn keep(
        &self,
        key: &StepKey,
        found: &Found,
        effect: Effect,
        progress: &Progress,
    ) -> Result<(), JournalError> {
        let detail = match &found.details {
            details @ Details::Membership { .. } => serde_json::to_string(details).ok(),
            _ => None,
        };
        self.memo.put(
            key,
            Remembered {
                id: Some(found.id.clone()),
                ours: effect == Effect::Created,
                evidence: match progress.remains_inferred {
                    true => Evidence::Inferred,
                    false => evidence(progress),
                },
                done: match progress.made_through {
                    Some(by) => Some((by, Effect::Created)),
                    None => (effect != Effect::Existing).then_some((progress.record, effect)),
                },
                detail,
                content: (effect != Effect::Existing || progress.made_through.is_some())
                    .then(|| content(self.journal.key(), &found.details))
                    .flatten(),
                owed_to: None,
            },
        )
    }

    pub(super) fn ensured(
        &self,
        key: &StepKey,
        found: Found,
        effect: Effect,
        progress: &Progress,
    ) -> Ensured {
        Ensured {
            result: StepResult {
                kind: key.kind,
                effect,
                id: found.id,
                evidence: evidence(progress),
                differs: false,
                remark: progress.remark.clone(),
            },
            ours: effect == Effect::Created,
            made_now: false,
            shortfall: progress.shortfall.clone(),
        }
    }

    /// Doubt about what cannot be seen afterwards stays for good.
    pub(super) fn never_sent_again(&self, key: &StepKey, progress: &Progress) -> Refusal {
        Refusal {
            message: format!(
                "It is not known whether the {} was sent, and nothing shows it: it is not sent a second time.",
                key.kind.as_str()
            ),
            ..self.in_doubt(key, progress)
        }
    }

    /// The doubt stays: also for the rows that come to the same key later.
    pub(super) fn in_doubt(&self, key: &StepKey, progress: &Progress) -> Refusal {
        self.any_in_doubt.store(true, Ordering::Relaxed);
        let cause = progress
            .last_error
            .as_ref()
            .map(|error| error.message.as_str())
            .unwrap_or("no answer came");
        Refusal {
            error_type: "in_doubt",
            code: "in_doubt",
            message: format!(
                "It is not known whether the {} was written, and reading back failed ({cause}). Import again: what is \
                 there will be found.",
                key.kind.as_str()
            ),
            api: progress
                .last_error
                .as_ref()
                .map(|error| error.api.clone())
                .unwrap_or_default(),
        }
    }
}

/// 32 bits of a keyed digest of an object's comparable fields: by which it is seen whether somebody else has changed it
/// since. Not of memberships, whose roles the memo knows.
pub(super) fn content(key: &[u8; 32], details: &Details) -> Option<i32> {
    if matches!(details, Details::Membership { .. }) {
        return None;
    }
    let text = serde_json::to_vec(details).ok()?;
    let digest = blake3::keyed_hash(key, &text);
    let first = digest.as_bytes().first_chunk::<4>()?;
    Some(i32::from_le_bytes(*first))
}

fn evidence(progress: &Progress) -> Evidence {
    if progress.inferred {
        Evidence::Inferred
    } else {
        Evidence::Confirmed
    }
}

pub(super) fn existing(kind: Kind, id: String, ours: bool) -> Ensured {
    Ensured {
        result: StepResult {
            kind,
            effect: Effect::Existing,
            id,
            evidence: Evidence::Confirmed,
            differs: false,
            remark: None,
        },
        ours,
        made_now: false,
        shortfall: None,
    }
}

/// The state that the memo knows in enough detail to compare with; `Absent` for what is known to be missing.
pub(super) fn recall(known: &Remembered) -> Option<State> {
    let Some(id) = &known.id else {
        return Some(State::Absent);
    };
    let details = serde_json::from_str(known.detail.as_deref()?).ok()?;
    Some(State::Found(Found {
        id: id.clone(),
        created_at: None,
        used_at: None,
        details,
    }))
}
