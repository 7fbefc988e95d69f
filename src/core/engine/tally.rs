//! Owns the counts of a run: what the summary, the progress line and `--max-errors` look at.

use std::collections::BTreeMap;

use crate::journal::outcome::{Effect, Evidence, Outcome, RowResult};
use crate::journal::{Counters, Kept};
use crate::row::Kind;

/// Counts of one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Rows that were read.
    pub rows_read: u64,
    /// Rows that ended, by outcome.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Steps of rows, by kind and effect; an object that several rows use counts for each of them.
    pub effects: BTreeMap<(Kind, &'static str), u64>,
    /// Objects that the run made although no row's own step did, such as organizations.
    pub created: BTreeMap<Kind, u64>,
    /// Rows that ended and name a shared object (an organization) in their own columns.
    pub shared_uses: u64,
    /// Shared objects that the API was asked for.
    pub lookups: u64,
    /// Users who were there, differ from their row, and were left as they are.
    pub differing: u64,
    /// Rows whose outcome is inferred, not confirmed.
    pub inferred: u64,
    /// Users that were taken back (`--require-membership`).
    pub taken_back: u64,
}

impl Tally {
    /// The counts from which a later attempt goes on.
    pub fn from_earlier(kept: Kept, counters: &Counters) -> Self {
        Self {
            outcomes: kept.outcomes,
            effects: kept.effects,
            created: kept.created,
            shared_uses: kept.shared_uses,
            lookups: counters.lookups,
            differing: counters.differing,
            inferred: kept.inferred,
            taken_back: counters.taken_back,
            ..Self::default()
        }
    }

    pub(super) fn ended(&mut self, result: &RowResult) {
        let was_checked = result
            .error
            .as_ref()
            .is_none_or(|error| error.error_type != "validation");
        let identity = &result.identity;
        let names_shared =
            identity.organization_id().is_some() || identity.organization_external_id().is_some();
        if was_checked && names_shared {
            self.shared_uses += 1;
        }
        *self.outcomes.entry(result.outcome.as_str()).or_insert(0) += 1;
        for step in &result.steps {
            *self
                .effects
                .entry((step.kind, step.effect.as_str()))
                .or_insert(0) += 1;
            if step.effect == Effect::Created {
                *self.created.entry(step.kind).or_insert(0) += 1;
            }
            if step.differs {
                self.differing += 1;
            }
        }
        if result.evidence() == Some(Evidence::Inferred) {
            self.inferred += 1;
        }
    }

    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(outcome.as_str()).copied().unwrap_or(0)
    }

    pub fn effect(&self, kind: Kind, effect: Effect) -> u64 {
        self.effects
            .get(&(kind, effect.as_str()))
            .copied()
            .unwrap_or(0)
    }

    pub fn failed(&self) -> u64 {
        self.outcome(Outcome::Failed)
    }

    /// Rows that have their outcome.
    pub fn rows_ended(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// Rows whose organization was known without asking.
    pub fn hits(&self) -> u64 {
        self.shared_uses.saturating_sub(self.lookups)
    }
}
