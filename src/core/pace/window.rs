//! Owns one window: at most `count` requests in every stretch of `period`, as the server counts them.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// A limit as an API documents it: `count` requests in `period`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub count: u32,
    pub period: Duration,
}

impl Limit {
    /// Requests a second in the long run.
    pub fn per_second(&self) -> f64 {
        f64::from(self.count) / self.period.as_secs_f64()
    }
}

/// The slots of one limit. A slot is held while its request is in flight and busy for one period after its answer:
/// the server may have counted the request at the last moment.
pub(super) struct Window {
    limit: Limit,
    held: usize,
    /// When each slot that was given back is free again; in order, because it is always one period from now.
    busy: VecDeque<Instant>,
    paused_until: Option<Instant>,
}

impl Window {
    /// A limit of nothing would wait for ever; it counts as one.
    pub(super) fn new(limit: Limit) -> Self {
        let limit = Limit {
            count: limit.count.max(1),
            ..limit
        };
        Self {
            limit,
            held: 0,
            busy: VecDeque::new(),
            paused_until: None,
        }
    }

    /// `None` when a slot is free; `Some(Some(instant))` when to look again; `Some(None)` when only an answer can free one.
    pub(super) fn busy_until(&mut self, now: Instant) -> Option<Option<Instant>> {
        if let Some(until) = self.paused_until {
            if now < until {
                return Some(Some(until));
            }
            self.paused_until = None;
        }
        while self.busy.front().is_some_and(|free_at| *free_at <= now) {
            self.busy.pop_front();
        }
        if self.held + self.busy.len() < self.limit.count as usize {
            return None;
        }
        Some(self.busy.front().copied())
    }

    pub(super) fn take(&mut self) {
        self.held += 1;
    }

    pub(super) fn release(&mut self, now: Instant) {
        self.held = self.held.saturating_sub(1);
        self.busy.push_back(now + self.limit.period);
    }

    pub(super) fn pause_until(&mut self, until: Instant) {
        self.paused_until = Some(
            self.paused_until
                .map_or(until, |earlier| earlier.max(until)),
        );
    }
}
