//! Owns what an import is expected to do, in objects: from it a directory tells how many calls that needs.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::journal::outcome::Effect;

/// What would become of objects of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    pub create: u64,
    pub update: u64,
    /// Memberships only.
    pub reactivate: u64,
    /// They are there and stay as they are.
    pub unchanged: u64,
}

impl Changes {
    pub fn count(&mut self, effect: Option<Effect>, count: u64) {
        match effect {
            Some(Effect::Created) => self.create += count,
            Some(Effect::Updated) => self.update += count,
            Some(Effect::Reactivated) => self.reactivate += count,
            Some(Effect::Existing | Effect::Deleted) | None => self.unchanged += count,
        }
    }
}

/// What an import would do, as far as a comparison has found out.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub organizations: Changes,
    pub users: Changes,
    pub memberships: Changes,
    /// What is there is read before the rows, as the comparison did.
    pub lists_first: bool,
    /// The calls that the comparison itself has made, by name.
    pub calls_made: &'a BTreeMap<String, u64>,
}

impl Expected<'_> {
    /// Users who are there and are found out by a write that is refused.
    pub fn refused(&self) -> u64 {
        match self.lists_first {
            true => 0,
            false => self.users.unchanged + self.users.update,
        }
    }

    /// Writes about users and memberships, each by itself.
    pub fn writes(&self) -> u64 {
        let memberships = self.memberships;
        self.users.create
            + self.refused()
            + self.users.update
            + memberships.create
            + memberships.update
            + memberships.reactivate
    }

    /// How often the comparison has made a call.
    pub fn made(&self, call: &str) -> u64 {
        self.calls_made.get(call).copied().unwrap_or(0)
    }
}
