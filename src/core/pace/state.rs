//! Owns the decision who goes next: all windows, all queues and what is in flight, behind one lock.

use std::collections::HashMap;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::in_flight::InFlight;
use super::outage::Outage;
use super::queue::{Queue, Turn};
use super::subjects::Subjects;
use super::waits::{Course, Waits};
use super::window::{Limit, Ready, Window, WindowStanding};
use super::{Call, Standing, WindowIndex};

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Answered,
    /// 429: its kind of call pauses for so long.
    TurnedAway(Duration),
    /// No answer, or one that says that the API does not work.
    Failed,
    /// Nobody waits for the answer any more.
    GivenUp,
}

/// What the end of a request led to, for the log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Said {
    Nothing,
    /// So long there was no answer, and now there is.
    Back(Duration),
    /// Everything, or one kind of call, waits for so long.
    Away(Duration),
    /// This share of the limit is used from now on.
    Cut(f64),
}

/// How much work is still to come, as far as it was announced.
#[derive(Clone, Copy)]
struct Expected {
    window: usize,
    calls: u64,
}

pub(super) struct State {
    windows: Vec<Window>,
    subjects: Subjects,
    /// By first window, which names the kind of call.
    queues: Vec<Queue>,
    in_flight: InFlight,
    outage: Outage,
    expected: Option<Expected>,
    /// Who may go and has not been told yet, since when.
    granted: HashMap<u64, Instant>,
    next_ticket: u64,
    waits: Waits,
    /// By queue: when somebody has to look at the clock. Kept, because it is worked out several times for each request.
    look_at: Vec<Option<Instant>>,
    /// Whose turn it is, or who has to look at the clock: woken after the lock is given back.
    to_wake: Vec<Waker>,
}

impl State {
    pub(super) fn new(
        limits: &[Option<Limit>],
        per_subject: Option<Limit>,
        concurrency: Option<usize>,
    ) -> Self {
        // Calls that count in nothing wait in a queue too.
        let kinds = limits.len().max(1);
        Self {
            windows: limits.iter().copied().map(Window::new).collect(),
            subjects: Subjects::new(per_subject),
            queues: (0..kinds).map(|_| Queue::default()).collect(),
            in_flight: InFlight::new(concurrency, highest_rate(limits)),
            outage: Outage::new(kinds),
            expected: None,
            granted: HashMap::new(),
            next_ticket: 0,
            waits: Waits::default(),
            look_at: vec![None; kinds],
            to_wake: Vec::new(),
        }
    }

    pub(super) fn take_wakers(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.to_wake)
    }

    pub(super) fn set_limits(&mut self, limits: &[Option<Limit>], now: Instant) {
        for (window, limit) in self.windows.iter_mut().zip(limits) {
            window.set_limit(*limit);
        }
        self.in_flight.set_rate(highest_rate(limits));
        self.waits.limited(limits.first().copied().flatten(), now);
        self.let_go(now);
    }

    pub(super) fn expect(&mut self, window: WindowIndex, calls: u64, now: Instant) {
        let window = window.0;
        self.expected = Some(Expected { window, calls });
        self.let_go(now);
    }

    pub(super) fn already_sent(
        &mut self,
        windows: &[WindowIndex],
        ages: &[Duration],
        now: Instant,
    ) {
        for index in windows {
            if let Some(window) = self.windows.get_mut(index.0) {
                for age in ages {
                    window.already_sent(*age, now);
                }
            }
        }
    }

    /// Takes a place in the queue of the call's kind.
    pub(super) fn wait(&mut self, call: Call, now: Instant) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        if let Some(queue) = self.queues.get_mut(call.kind().0) {
            queue.add(ticket, call);
        }
        self.let_go(now);
        ticket
    }

    /// Since when a waiter may go, once.
    pub(super) fn granted(&mut self, ticket: u64) -> Option<Instant> {
        self.granted.remove(&ticket)
    }

    /// Keeps the waker; returns the instant at which this waiter has to look at the state again, if it has to.
    pub(super) fn keep_waker(
        &mut self,
        ticket: u64,
        call: &Call,
        waker: &Waker,
    ) -> Option<Instant> {
        let queue = self.queues.get_mut(call.kind().0)?;
        let waiter = queue.get_mut(ticket, call.turn)?;
        waiter.waker = Some(waker.clone());
        // It looks at this moment.
        self.to_wake.retain(|other| !other.will_wake(waker));
        let (who, at) = queue.wake?;
        (who == ticket).then_some(at)
    }

    /// A waiter went away. If it had been let go meanwhile, nothing was sent all the same.
    pub(super) fn leave(&mut self, ticket: u64, call: &Call, now: Instant) {
        let queue = self.queues.get_mut(call.kind().0);
        let waited = queue.and_then(|queue| queue.remove(ticket, call.turn));
        if waited.is_none() && self.granted.remove(&ticket).is_some() {
            for index in call.windows {
                if let Some(window) = self.windows.get_mut(index.0) {
                    window.untake(ticket);
                }
            }
            self.subjects.untake(call.subject, ticket);
            self.in_flight.now = self.in_flight.now.saturating_sub(1);
            self.expect_again(call);
        }
        self.let_go(now);
    }

    /// A request ended.
    pub(super) fn end(
        &mut self,
        ticket: u64,
        call: &Call,
        taken: Instant,
        how: How,
        now: Instant,
    ) -> Said {
        let kind = call.kind().0;
        let own = self.windows.get(kind);
        let was_open = own.is_some_and(|window| window.was_open_for(ticket, taken));
        let fresh = own.is_none_or(|window| !window.is_stale(taken));
        for index in call.windows {
            if let Some(window) = self.windows.get_mut(index.0) {
                window.release(ticket, now, how == How::Answered);
            }
        }
        self.subjects.release(call.subject, ticket, now);
        self.in_flight.now = self.in_flight.now.saturating_sub(1);
        let said = match how {
            How::Answered => {
                self.in_flight.measured(now.duration_since(taken), now);
                match self.outage.succeeded(kind, now) {
                    Some(away) => {
                        self.waits.was_away(away, now);
                        Said::Back(away)
                    }
                    None => Said::Nothing,
                }
            }
            How::TurnedAway(pause) => {
                self.waits.turned_away += 1;
                self.outage.turned_away(kind, now);
                self.expect_again(call);
                self.close_after_refusal(kind, pause, was_open, now)
            }
            How::Failed => match self.outage.failed(kind, fresh, now) {
                Some(closure) => {
                    self.close(closure.kind, now + closure.pause);
                    Said::Away(closure.pause)
                }
                None => Said::Nothing,
            },
            How::GivenUp => Said::Nothing,
        };
        self.let_go(now);
        said
    }

    fn close_after_refusal(
        &mut self,
        kind: usize,
        pause: Duration,
        was_open: bool,
        now: Instant,
    ) -> Said {
        let Some(window) = self.windows.get_mut(kind) else {
            return Said::Nothing;
        };
        window.close(now + pause);
        self.waits.paused(now + pause, now);
        // Once for all the requests that were in flight together, and not for the one that only asks whether it is
        // over: that it is refused says nothing about how much we send.
        if !was_open {
            return Said::Nothing;
        }
        self.waits.pauses += 1;
        window.cut(now + pause, now);
        match window.limit() {
            Some(_) => Said::Cut(window.share(now)),
            None => Said::Nothing,
        }
    }

    fn close(&mut self, kind: Option<usize>, until: Instant) {
        for (index, window) in self.windows.iter_mut().enumerate() {
            if kind.is_none_or(|kind| kind == index) {
                window.close(until);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn subjects(&self) -> usize {
        self.subjects.len()
    }

    pub(super) fn outage(&self) -> &Outage {
        &self.outage
    }

    pub(super) fn windows(&self, now: Instant) -> Vec<WindowStanding> {
        let windows = self.windows.iter();
        windows.map(|window| window.standing(now)).collect()
    }

    /// What held calls up until now.
    pub(super) fn course(&self, now: Instant) -> Course {
        self.waits.course(self.outage.away_since(), now)
    }

    pub(super) fn standing(&self, now: Instant) -> Standing {
        let first = self.windows.first();
        let closed = |window: &Window| window.closed_for(now);
        let away_for = self
            .outage
            .away_since()
            .map(|since| now.saturating_duration_since(since));
        Standing {
            in_flight: self.in_flight.now,
            most_in_flight: self.in_flight.limit(false),
            waiting: self.queues.iter().map(Queue::len).sum(),
            share: first.map_or(1.0, |window| window.share(now)),
            turned_away: self.waits.turned_away,
            pauses: self.waits.pauses,
            closed_for: self.windows.iter().filter_map(closed).max(),
            away_for,
            paused: self.waits.paused_until_now(now),
            away: self.waits.away_until_now(away_for),
        }
    }

    /// Lets everybody go who may.
    pub(super) fn let_go(&mut self, now: Instant) {
        while let Some((kind, turn, ticket)) = self.next(now) {
            let Some(waiter) = self.queues[kind].remove(ticket, turn) else {
                break;
            };
            let call = waiter.call;
            for index in call.windows {
                let spaced = self.is_spaced(index.0, now);
                if let Some(window) = self.windows.get_mut(index.0) {
                    window.take(ticket, now, spaced);
                }
            }
            self.subjects.take(call.subject, ticket, now);
            self.in_flight.now += 1;
            if let Some(expected) = &mut self.expected
                && call.counts_in(expected.window)
            {
                expected.calls = expected.calls.saturating_sub(1);
            }
            self.granted.insert(ticket, now);
            self.to_wake.extend(waiter.waker);
        }
    }

    /// Who goes next, if anybody may. What goes on before what begins, and on a shared window the earlier kind (writes)
    /// before the later one (reads). Names for each queue the one who looks at the clock.
    fn next(&mut self, now: Instant) -> Option<(usize, Turn, u64)> {
        self.look_at.fill(None);
        for turn in [Turn::GoesOn, Turn::Begins] {
            for kind in 0..self.queues.len() {
                match self.first_of(kind, turn, now) {
                    Ok(ticket) => return Some((kind, turn, ticket)),
                    Err(at) => {
                        let look_at = &mut self.look_at[kind];
                        *look_at = earlier(*look_at, at);
                    }
                }
            }
        }
        for (queue, at) in self.queues.iter_mut().zip(&self.look_at) {
            self.to_wake.extend(queue.set_wake(*at));
        }
        None
    }

    /// The first of a queue that may go, or when to look again.
    fn first_of(&mut self, kind: usize, turn: Turn, now: Instant) -> Result<u64, Option<Instant>> {
        let first = self.queues[kind].of_turn(turn).next();
        let Some(windows) = first.map(|(_, call)| call.windows) else {
            return Err(None);
        };
        match self.ready(windows, now) {
            Ready::Now => {}
            Ready::At(at) => return Err(Some(at)),
            Ready::OnChange => return Err(None),
        }
        // One whose own subject has to wait does not hold up the others.
        let mut look_again = None;
        for (ticket, call) in self.queues[kind].of_turn(turn) {
            match self.subjects.ready(call.subject, now) {
                Ready::Now => return Ok(ticket),
                Ready::At(at) => look_again = earlier(look_again, Some(at)),
                Ready::OnChange => {}
            }
        }
        Err(look_again)
    }

    fn ready(&mut self, windows: &[WindowIndex], now: Instant) -> Ready {
        let kind = windows.first().map_or(0, |window| window.0);
        let mut ready = Ready::Now;
        for index in windows {
            let spaced = self.is_spaced(index.0, now);
            if let Some(window) = self.windows.get_mut(index.0) {
                ready = ready.and(window.ready(now, spaced));
            }
        }
        let at_once = !self.is_spaced(kind, now);
        if ready == Ready::Now && !self.in_flight.has_room(at_once) {
            return Ready::OnChange;
        }
        ready
    }

    /// Whether requests keep their distance. Work that fits the free slots goes at once; more than that would be a
    /// burst in every period. Where nobody said how much there is, half a window full goes at once.
    fn is_spaced(&mut self, index: usize, now: Instant) -> bool {
        let Some(window) = self.windows.get_mut(index) else {
            return false;
        };
        if window.limit().is_none() {
            return false;
        }
        if window.is_shared(now) {
            return true;
        }
        let Some(expected) = self.expected else {
            return window.is_well_used(now);
        };
        let waiting = self.queues.get(expected.window).map_or(0, Queue::len);
        let work = expected.calls.max(waiting as u64);
        let announced = self.windows.get_mut(expected.window);
        let free = announced.and_then(|window| window.free(now));
        free.is_some_and(|free| (free as u64) < work)
    }

    fn expect_again(&mut self, call: &Call) {
        if let Some(expected) = &mut self.expected
            && call.counts_in(expected.window)
        {
            expected.calls += 1;
        }
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Enough in flight for the widest window is enough for all.
fn highest_rate(limits: &[Option<Limit>]) -> Option<f64> {
    let rates = limits.iter().flatten().map(Limit::per_second);
    rates.reduce(f64::max)
}
