//! Owns the forecast of a run's end: from the rows left, the calls that rows need, what the limits allow from now on, and,
//! where something else is the bound (a slow network, a slow caller), the speed of late. Never from the mean so far.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::pace::{Standing, WindowStanding};

/// What has to be looked at regularly, about once a second, to tell when a run ends.
#[derive(Default)]
pub struct Forecast {
    last: Option<Look>,
    /// Whether rows have ended: what was sent before the first of them is no measure.
    begun: bool,
    /// As long as no call was held up: how fast rows end, and how much of the limits that takes.
    open: Recent,
    /// With pauses, without the time in which the API was away: what a row needs.
    all: Recent,
    /// Of the last moments, whatever happened: what is shown as the rate.
    lately: Recent,
    /// When 429s made calls pause.
    cuts: VecDeque<Instant>,
    /// Until then a limit that was changed shows what was sent before.
    settles: Option<Instant>,
}

/// How things were when they were last looked at.
struct Look {
    at: Instant,
    ended: u64,
    pauses: u64,
    in_flight: usize,
    windows: Vec<WindowStanding>,
    closed: bool,
    away: bool,
}

/// Sums that forget what was long ago.
#[derive(Default)]
struct Recent {
    seconds: f64,
    rows: f64,
    /// Requests in flight, times the seconds that they were.
    in_flight: f64,
    /// By window: the calls that were let through, and how many the limit allowed.
    calls: Vec<f64>,
    allowed: Vec<f64>,
}

impl Recent {
    /// Adds a stretch of time, and forgets in as much of `memory` seconds.
    fn add(&mut self, memory: f64, stretch: &Stretch) {
        let kept = (-stretch.seconds / memory).exp();
        let add = |sum: &mut f64, more: f64| *sum = *sum * kept + more;
        add(&mut self.seconds, stretch.seconds);
        add(&mut self.rows, stretch.rows);
        add(&mut self.in_flight, stretch.in_flight * stretch.seconds);
        self.calls.resize(stretch.calls.len(), 0.0);
        self.allowed.resize(stretch.calls.len(), 0.0);
        for (index, (calls, allowed)) in stretch.calls.iter().enumerate() {
            add(&mut self.calls[index], *calls);
            add(&mut self.allowed[index], *allowed);
        }
    }

    /// Rows a second.
    fn speed(&self) -> Option<f64> {
        (self.seconds > 0.0 && self.rows > 0.0).then(|| self.rows / self.seconds)
    }

    /// How long a request takes, by Little's law. One of the windows has all of them.
    fn latency(&self) -> f64 {
        let calls = self.calls.iter().copied().fold(0.0, f64::max);
        if calls > 0.0 {
            self.in_flight / calls
        } else {
            0.0
        }
    }

    /// The share of the most used limit that was used.
    fn use_of_limits(&self) -> Option<f64> {
        let windows = self.calls.iter().zip(&self.allowed);
        let shares = windows.filter(|(_, allowed)| **allowed > 0.0);
        let shares = shares.map(|(calls, allowed)| calls / allowed);
        shares.reduce(f64::max)
    }
}

/// What happened between two looks.
struct Stretch {
    seconds: f64,
    rows: f64,
    in_flight: f64,
    /// By window: calls, and how many the limit allowed.
    calls: Vec<(f64, f64)>,
}

impl Forecast {
    /// How long the speed of late is remembered, in seconds, and what a row needs: files change, but not so fast.
    const OF_SPEED: f64 = 60.0;
    const OF_NEEDS: f64 = 180.0;
    const OF_RATE: f64 = 20.0;
    /// From this share on it is the limit that decides how fast it goes.
    const IS_BOUND: f64 = 0.9;
    /// How much of a limit can be used where nothing else is the bound: a slot is used again only a latency later.
    const USABLE: f64 = 0.98;
    /// Two cuts within this time: others use the limit as well, and what there was of late is what there will be.
    const CONTESTED: Duration = Duration::from_secs(300);

    /// Takes in how many rows have ended, earlier attempts included, and where the pace is.
    pub fn look(
        &mut self,
        at: Instant,
        ended: u64,
        standing: &Standing,
        windows: Vec<WindowStanding>,
    ) {
        let closed = windows.iter().any(|window| window.closed_for.is_some());
        let now = Look {
            at,
            ended,
            pauses: standing.pauses,
            in_flight: standing.in_flight,
            closed,
            away: standing.away_for.is_some(),
            windows,
        };
        if let Some(before) = self.last.take() {
            self.measure(&before, &now);
        }
        self.last = Some(now);
    }

    fn measure(&mut self, before: &Look, now: &Look) {
        for _ in before.pauses..now.pauses {
            self.cuts.push_back(now.at);
        }
        let is_old = |cut: &Instant| now.at.saturating_duration_since(*cut) > Self::CONTESTED;
        while self.cuts.front().is_some_and(is_old) {
            self.cuts.pop_front();
        }
        let seconds = now.at.saturating_duration_since(before.at).as_secs_f64();
        let rows = now.ended.saturating_sub(before.ended) as f64;
        if !self.begun {
            self.begun = rows > 0.0;
            return;
        }
        let windows = before.windows.iter().zip(&now.windows);
        let calls = windows.map(|(before, now)| {
            let calls = now.taken.saturating_sub(before.taken) as f64;
            let allowed = now.allowance(Duration::ZERO).unwrap_or_default() * seconds;
            (calls, allowed)
        });
        let calls = calls.collect();
        let stretch = Stretch {
            seconds,
            rows,
            in_flight: now.in_flight as f64,
            calls,
        };
        self.lately.add(Self::OF_RATE, &stretch);
        self.settle(before, now);
        if before.away || now.away {
            return;
        }
        self.all.add(Self::OF_NEEDS, &stretch);
        let settled = self.settles.is_none_or(|until| until < before.at);
        if settled && !before.closed && !now.closed {
            self.open.add(Self::OF_SPEED, &stretch);
        }
    }

    /// After a limit was changed, what was sent under the old one is in its window for one period more.
    fn settle(&mut self, before: &Look, now: &Look) {
        let windows = before.windows.iter().zip(&now.windows);
        let changed = windows.filter(|(before, now)| before.limit != now.limit);
        let periods = changed.filter_map(|(_, now)| now.limit.map(|limit| limit.period));
        if let Some(period) = periods.min() {
            self.settles = Some(now.at + period);
        }
    }

    /// Rows that end in a second, of late; `None` as long as that cannot be told.
    pub fn rate(&self) -> Option<f64> {
        (self.lately.seconds > 0.0).then(|| self.lately.rows / self.lately.seconds)
    }

    /// In how many seconds so many rows more have ended; `None` while that cannot be told: before rows have ended, and
    /// while the API is away.
    pub fn seconds_left(&self, rows: u64) -> Option<f64> {
        if rows == 0 {
            return Some(0.0);
        }
        let last = self.last.as_ref().filter(|last| !last.away)?;
        let mean = self.all.speed()?;
        if self.cuts.len() >= 2 {
            return Some(rows as f64 / mean);
        }
        let needs = self.all.calls.iter().map(|calls| calls / self.all.rows);
        let needs: Vec<(f64, &WindowStanding)> = needs
            .zip(&last.windows)
            .filter(|(calls, _)| *calls > 0.0)
            .collect();
        let used = self.open.use_of_limits();
        let (usable, bound) = match used {
            Some(used) if used >= Self::IS_BOUND => (used.min(1.0), f64::INFINITY),
            _ => (Self::USABLE, self.open.speed().unwrap_or(f64::INFINITY)),
        };
        // Rows a second so long from now.
        let speed = |after| {
            let windows = needs.iter().filter_map(|(calls, window)| {
                window
                    .allowance(after)
                    .map(|allowed| allowed * usable / calls)
            });
            let speed = windows.fold(bound, f64::min);
            if speed.is_finite() { speed } else { mean }
        };
        let closed = needs.iter().filter_map(|(_, window)| window.closed_for);
        let mut after = closed.max().unwrap_or_default();
        let mut left = rows as f64;
        // What grows back does so by a part of the limit in each of its periods.
        let growing = |after| {
            let windows = needs.iter().filter_map(|(_, window)| {
                let (limit, allowed) = (window.limit?, window.allowance(after)?);
                (allowed < limit.per_second()).then_some(limit.period)
            });
            windows.max()
        };
        while let Some(period) = growing(after) {
            let step = period / 2;
            let ends = speed(after + step / 2) * step.as_secs_f64();
            if ends >= left {
                break;
            }
            left -= ends;
            after += step;
        }
        // The last row takes its time, however fast it went until then.
        Some(after.as_secs_f64() + left / speed(after) + self.all.latency())
    }
}
