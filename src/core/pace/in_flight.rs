//! Owns how many requests may be in flight: enough to fill the windows at the measured latency (Little's law), more
//! where the network is slow, fewer where latency rises because of us; never more than the cap.

use std::time::Duration;

use tokio::time::Instant;

/// At most this many requests are in flight, however slow the network is.
pub const MOST_IN_FLIGHT: usize = 100;

pub(super) struct InFlight {
    pub(super) now: usize,
    cap: usize,
    limit: usize,
    /// Requests a second that the widest window allows; `None` without windows.
    rate: Option<f64>,
    /// The latency without load, as far as it is known, in seconds.
    base: Option<f64>,
    /// Answers a second before the limit was lowered, and whether what was in flight then has been measured since.
    before: Option<(f64, bool)>,
    /// The answers since the last look: since when, how many, their latencies' sum, and whether the limit held any
    /// request back.
    since: Option<Instant>,
    answers: u32,
    seconds: f64,
    pressed: bool,
}

impl InFlight {
    /// Half as much again as Little's law asks for, so that jitter does not starve the window.
    const MARGIN: f64 = 1.5;
    /// Below this, a slow start would never measure a fast network.
    const FLOOR: usize = 16;
    /// How many answers make one measurement.
    const ANSWERS: u32 = 20;
    /// A latency so many times the base, while requests are held back, is of our making.
    const LOADED: f64 = 2.0;

    pub(super) fn new(concurrency: Option<usize>, rate: Option<f64>) -> Self {
        let cap = concurrency
            .unwrap_or(MOST_IN_FLIGHT)
            .clamp(1, MOST_IN_FLIGHT);
        Self {
            now: 0,
            cap,
            limit: cap,
            rate,
            base: None,
            before: None,
            since: None,
            answers: 0,
            seconds: 0.0,
            pressed: false,
        }
    }

    pub(super) fn set_rate(&mut self, rate: Option<f64>) {
        self.rate = rate;
    }

    /// How many may be in flight; `at_once`: work that fits the free slots is sent as fast as it can be.
    pub(super) fn limit(&self, at_once: bool) -> usize {
        if at_once { self.cap } else { self.limit }
    }

    /// Whether one more may go.
    pub(super) fn has_room(&mut self, at_once: bool) -> bool {
        let has_room = self.now < self.limit(at_once);
        self.pressed |= !has_room;
        has_room
    }

    /// An answer came after this time.
    pub(super) fn measured(&mut self, took: Duration, now: Instant) {
        self.answers += 1;
        self.seconds += took.as_secs_f64();
        if self.answers < Self::ANSWERS {
            return;
        }
        let answers = f64::from(self.answers);
        let latency = self.seconds / answers;
        let span = self.since.map(|since| now.duration_since(since));
        let throughput = span.map_or(0.0, |span| answers / span.as_secs_f64().max(1e-9));
        let pressed = std::mem::take(&mut self.pressed);
        (self.answers, self.seconds, self.since) = (0, 0.0, Some(now));
        let first = self.base.is_none();
        let base = self.base.map_or(latency, |base| base.min(latency));
        self.base = Some(base);
        let Some(rate) = self.rate else { return };
        let floor = Self::FLOOR.min(self.cap);
        let needed = (latency * rate * Self::MARGIN).ceil() as usize;
        let wanted = if pressed && latency > base * Self::LOADED {
            self.less(latency, throughput, floor)
        } else if first {
            needed
        } else {
            self.before = None;
            // In steps: what we add may be what makes it slow.
            needed.min(self.limit + self.limit / 4)
        };
        self.limit = wanted.clamp(floor, self.cap);
    }

    /// Latency has risen while requests were held back. If fewer in flight bring as many answers, it was our doing;
    /// else the network has become slow.
    fn less(&mut self, latency: f64, throughput: f64, floor: usize) -> usize {
        match self.before {
            Some((before, false)) => {
                self.before = Some((before, true));
                return self.limit;
            }
            Some((before, true)) if throughput < before * 0.85 => self.base = Some(latency),
            // It cannot be told by having fewer.
            _ if self.limit <= floor => self.base = Some(latency),
            _ => {
                self.before = Some((throughput, false));
                return self.limit * 7 / 10;
            }
        }
        self.before = None;
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A measurement at this latency and so many answers a second.
    fn measured(in_flight: &mut InFlight, milliseconds: u64, rate: u64, pressed: bool) -> usize {
        for _ in 0..InFlight::ANSWERS {
            in_flight.pressed |= pressed;
            let last = in_flight.since.unwrap_or_else(Instant::now);
            let so_far = Duration::from_millis(1_000 * u64::from(in_flight.answers + 1) / rate);
            in_flight.measured(Duration::from_millis(milliseconds), last + so_far);
        }
        in_flight.limit(false)
    }

    #[test]
    fn it_follows_littles_law_between_floor_and_cap() {
        let mut in_flight = InFlight::new(None, Some(50.0));
        assert_eq!(in_flight.limit(false), 100, "nothing is known yet");
        assert_eq!(measured(&mut in_flight, 10, 50, false), 16);
        let mut slow = InFlight::new(None, Some(50.0));
        assert_eq!(measured(&mut slow, 1_000, 50, false), 75);
        let mut capped = InFlight::new(Some(3), Some(50.0));
        assert_eq!(measured(&mut capped, 1_000, 50, false), 3);
    }

    #[test]
    fn it_shrinks_while_fewer_in_flight_bring_as_many_answers() {
        let mut in_flight = InFlight::new(None, Some(50.0));
        measured(&mut in_flight, 1_000, 50, false);
        let limits: Vec<usize> = (0..6)
            .map(|_| measured(&mut in_flight, 3_000, 25, true))
            .collect();
        assert_eq!(limits, [52, 52, 36, 36, 25, 25]);
    }

    #[test]
    fn it_grows_again_where_the_network_has_become_slow() {
        let mut in_flight = InFlight::new(None, Some(50.0));
        measured(&mut in_flight, 1_000, 50, false);
        assert_eq!(measured(&mut in_flight, 3_000, 25, true), 52);
        for _ in 0..8 {
            let limit = in_flight.limit(false) as u64;
            measured(&mut in_flight, 3_000, limit / 3, true);
        }
        assert_eq!(in_flight.limit(false), 100);
        let mut fast = InFlight::new(None, Some(50.0));
        measured(&mut fast, 100, 50, false);
        for _ in 0..12 {
            let limit = fast.limit(false) as u64;
            measured(&mut fast, 1_000, limit, true);
        }
        assert_eq!(fast.limit(false), 75);
    }
}
