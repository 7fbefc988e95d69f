//! Owns one window: at most `count` requests in every stretch of `period`, as the server counts them; how they are
//! spaced; and how it closes, and what it allows, after the server has said no.

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

    /// A limit of nothing would wait for ever; it counts as one.
    pub(super) fn at_least_one(self) -> Self {
        Self {
            count: self.count.max(1),
            ..self
        }
    }
}

/// Where one window is at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WindowStanding {
    /// `None`: nothing is counted.
    pub limit: Option<Limit>,
    /// The share (0 to 1) of the limit that is used.
    pub share: f64,
    /// How many requests were let through so far.
    pub taken: u64,
    /// For how long it is closed from now on.
    pub closed_for: Option<Duration>,
}

impl WindowStanding {
    /// Requests a second that are allowed so long from now, as long as the server does not say no again; `None` without
    /// a limit.
    pub fn allowance(&self, after: Duration) -> Option<f64> {
        let limit = self.limit?;
        let growing = after.saturating_sub(self.closed_for.unwrap_or_default());
        Some(limit.per_second() * grown(self.share, limit, growing))
    }
}

/// The share of a limit that is used so long after it was this much.
fn grown(share: f64, limit: Limit, time: Duration) -> f64 {
    let periods = time.as_secs_f64() / limit.period.as_secs_f64();
    (share + Window::GROWTH * periods).min(1.0)
}

/// Whether a request may go now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    Now,
    /// Not before this moment.
    At(Instant),
    /// Only an answer can make room.
    OnChange,
}

impl Ready {
    /// Both of them.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::OnChange, _) | (_, Self::OnChange) => Self::OnChange,
            (Self::At(one), Self::At(other)) => Self::At(one.max(other)),
            (Self::At(at), Self::Now) | (Self::Now, Self::At(at)) => Self::At(at),
            (Self::Now, Self::Now) => Self::Now,
        }
    }
}

/// After a pause one request goes first, and the others wait for how it ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trial {
    No,
    Wanted,
    /// The ticket of the request that was let through.
    Out(u64),
}

/// The slots of one limit. A slot is held while its request is in flight and busy for one period after its answer:
/// the server may have counted the request at the last moment.
pub(super) struct Window {
    /// `None`: nothing is counted, but the window can be closed.
    limit: Option<Limit>,
    held: usize,
    /// How many requests were let through so far.
    taken: u64,
    /// When each slot that was given back is free again, in order.
    busy: VecDeque<Instant>,
    /// When the next request would go if all of them kept their distance.
    next: Option<Instant>,
    closed_until: Option<Instant>,
    trial: Trial,
    /// The share of the limit that is used, as it was at `cut_at`; it grows back from there.
    share: f64,
    cut_at: Option<Instant>,
}

impl Window {
    /// What is left of the allowance when the server says no although the limit was kept: others use it too.
    const CUT: f64 = 0.7;
    /// What it grows by in each period. Slowly, so that two importers that do not know of each other seldom meet the
    /// limit; a cut is made good in two and a half minutes of windows of ten seconds.
    const GROWTH: f64 = 0.02;
    const LEAST_SHARE: f64 = 0.05;
    /// How far requests may be ahead of their distance, as a share of the period: what waited for a slot catches up.
    const AHEAD: u32 = 100;

    pub(super) fn new(limit: Option<Limit>) -> Self {
        Self {
            limit: limit.map(Limit::at_least_one),
            held: 0,
            taken: 0,
            busy: VecDeque::new(),
            next: None,
            closed_until: None,
            trial: Trial::No,
            share: 1.0,
            cut_at: None,
        }
    }

    /// Another limit from now on. What is in use already stays so.
    pub(super) fn set_limit(&mut self, limit: Option<Limit>) {
        self.limit = limit.map(Limit::at_least_one);
    }

    pub(super) fn limit(&self) -> Option<Limit> {
        self.limit
    }

    /// The share of the limit that is used at this moment.
    pub(super) fn share(&self, now: Instant) -> f64 {
        let (Some(cut_at), Some(limit)) = (self.cut_at, self.limit) else {
            return 1.0;
        };
        grown(self.share, limit, now.saturating_duration_since(cut_at))
    }

    pub(super) fn standing(&self, now: Instant) -> WindowStanding {
        WindowStanding {
            limit: self.limit,
            share: self.share(now),
            taken: self.taken,
            closed_for: self.closed_for(now),
        }
    }

    /// How many requests may be in one period at this moment; `None` without a limit.
    fn allowed(&self, now: Instant) -> Option<usize> {
        let limit = self.limit?;
        // A millionth against what floating point loses on the way.
        let allowed = f64::from(limit.count) * self.share(now) + 1e-6;
        Some((allowed.floor() as usize).max(1))
    }

    /// How many slots are free at this moment; `None` without a limit.
    pub(super) fn free(&mut self, now: Instant) -> Option<usize> {
        self.forget_old(now);
        let used = self.held + self.busy.len();
        self.allowed(now).map(|most| most.saturating_sub(used))
    }

    /// Whether more than half of the slots are in use, or others are known to use the limit too.
    pub(super) fn is_well_used(&mut self, now: Instant) -> bool {
        match (self.free(now), self.allowed(now)) {
            (Some(free), Some(most)) => free * 2 < most || self.is_shared(now),
            _ => false,
        }
    }

    /// Whether others are known to use the limit too.
    pub(super) fn is_shared(&self, now: Instant) -> bool {
        self.share(now) < 1.0
    }

    /// Whether a request may go; `spaced`: at its distance from the one before.
    pub(super) fn ready(&mut self, now: Instant, spaced: bool) -> Ready {
        if let Some(until) = self.closed_until.filter(|until| now < *until) {
            return Ready::At(until);
        }
        if let Trial::Out(_) = self.trial {
            return Ready::OnChange;
        }
        self.forget_old(now);
        let (Some(limit), Some(most)) = (self.limit, self.allowed(now)) else {
            return Ready::Now;
        };
        let slot = match (self.held + self.busy.len() + 1).checked_sub(most) {
            None | Some(0) => Ready::Now,
            // So many slots must come free before there is room for one more.
            Some(needed) => match self.busy.get(needed - 1) {
                Some(free_at) => Ready::At(*free_at),
                None => Ready::OnChange,
            },
        };
        let distance = match self.next {
            Some(next) if spaced && next > now + limit.period / Self::AHEAD => {
                Ready::At(next - limit.period / Self::AHEAD)
            }
            _ => Ready::Now,
        };
        slot.and(distance)
    }

    pub(super) fn take(&mut self, ticket: u64, now: Instant, spaced: bool) {
        self.held += 1;
        self.taken += 1;
        if self.trial == Trial::Wanted {
            self.trial = Trial::Out(ticket);
        }
        if let (Some(limit), Some(most)) = (self.limit, self.allowed(now)) {
            let from = match self.next {
                Some(next) if spaced => next.max(now),
                _ => now,
            };
            self.next = Some(from + limit.period / u32::try_from(most).unwrap_or(u32::MAX));
        }
    }

    /// Gives back a slot whose request never left.
    pub(super) fn untake(&mut self, ticket: u64) {
        self.held = self.held.saturating_sub(1);
        self.taken = self.taken.saturating_sub(1);
        self.end_trial(ticket, false);
    }

    /// The request ended, or was given up, just now.
    pub(super) fn release(&mut self, ticket: u64, now: Instant, good: bool) {
        self.held = self.held.saturating_sub(1);
        self.end_trial(
            ticket,
            good && self.closed_until.is_none_or(|until| until <= now),
        );
        if let Some(limit) = self.limit {
            self.add_busy(now + limit.period);
        }
    }

    /// A request of an earlier process was sent so long ago: its slot is in use for the rest of the period.
    pub(super) fn already_sent(&mut self, age: Duration, now: Instant) {
        if let Some(left) = self.limit.and_then(|limit| limit.period.checked_sub(age)) {
            self.add_busy(now + left);
        }
    }

    /// Closes the window; a longer pause that is already there stays. Then one request goes first.
    pub(super) fn close(&mut self, until: Instant) {
        self.closed_until = Some(
            self.closed_until
                .map_or(until, |earlier| earlier.max(until)),
        );
        if self.trial == Trial::No {
            self.trial = Trial::Wanted;
        }
    }

    /// Whether a request that was let through at `taken` met the window open: neither it closed since, nor is it the
    /// one that tries whether it is open again.
    pub(super) fn was_open_for(&self, ticket: u64, taken: Instant) -> bool {
        self.trial != Trial::Out(ticket) && !self.is_stale(taken)
    }

    /// Whether the window was closed since the request was let through.
    pub(super) fn is_stale(&self, taken: Instant) -> bool {
        self.closed_until.is_some_and(|until| taken < until)
    }

    /// For how long it is closed from now on.
    pub(super) fn closed_for(&self, now: Instant) -> Option<Duration> {
        let left = self.closed_until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Uses less of the limit from `since` on, and more again as time goes by.
    pub(super) fn cut(&mut self, since: Instant, now: Instant) {
        self.share = (self.share(now) * Self::CUT).max(Self::LEAST_SHARE);
        self.cut_at = Some(since);
    }

    fn end_trial(&mut self, ticket: u64, good: bool) {
        if self.trial == Trial::Out(ticket) {
            self.trial = if good { Trial::No } else { Trial::Wanted };
        }
    }

    fn forget_old(&mut self, now: Instant) {
        while self.busy.front().is_some_and(|free_at| *free_at <= now) {
            self.busy.pop_front();
        }
    }

    fn add_busy(&mut self, free_at: Instant) {
        // Nearly always at the end: out of order come earlier processes' requests, and those before a changed limit.
        let place = self.busy.partition_point(|other| *other <= free_at);
        if place == self.busy.len() {
            self.busy.push_back(free_at);
        } else {
            self.busy.insert(place, free_at);
        }
    }
}
