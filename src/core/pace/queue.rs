//! Owns the order in which calls of one kind wait: those that go on with something begun before those that begin
//! something; first come, first served within each.

use std::collections::BTreeMap;
use std::task::Waker;

use tokio::time::Instant;

use super::Call;

/// Whether a call goes on with what was begun. What is begun is brought to its end first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    #[default]
    GoesOn,
    Begins,
}

pub(super) struct Waiter {
    pub(super) call: Call,
    /// `None` until its future was polled once.
    pub(super) waker: Option<Waker>,
}

#[derive(Default)]
pub(super) struct Queue {
    waiters: BTreeMap<(Turn, u64), Waiter>,
    /// Who looks at the clock for all of the queue, and when.
    pub(super) wake: Option<(u64, Instant)>,
}

impl Queue {
    pub(super) fn add(&mut self, ticket: u64, call: Call) {
        let waiter = Waiter { call, waker: None };
        self.waiters.insert((waiter.call.turn, ticket), waiter);
    }

    pub(super) fn remove(&mut self, ticket: u64, turn: Turn) -> Option<Waiter> {
        self.waiters.remove(&(turn, ticket))
    }

    pub(super) fn get_mut(&mut self, ticket: u64, turn: Turn) -> Option<&mut Waiter> {
        self.waiters.get_mut(&(turn, ticket))
    }

    /// Those of one turn, in order.
    pub(super) fn of_turn(&self, turn: Turn) -> impl Iterator<Item = (u64, &Call)> {
        let range = (turn, 0)..=(turn, u64::MAX);
        let waiters = self.waiters.range(range);
        waiters.map(|((_, ticket), waiter)| (*ticket, &waiter.call))
    }

    pub(super) fn len(&self) -> usize {
        self.waiters.len()
    }

    /// Names the one who looks at the clock, if anybody has to. Whoever is new to this has to be woken to set its alarm.
    pub(super) fn set_wake(&mut self, at: Option<Instant>) -> Option<Waker> {
        let first = self.waiters.iter().next();
        let wake = at.zip(first);
        let before = self.wake;
        self.wake = wake.map(|(at, ((_, ticket), _))| (*ticket, at));
        let (_, (_, waiter)) = wake?;
        (self.wake != before)
            .then(|| waiter.waker.clone())
            .flatten()
    }
}
