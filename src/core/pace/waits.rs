//! Owns the count of what calls waited for: how often the server said 429, and for how long and when that, or an API that
//! was away, held calls up.

use std::time::Duration;

use tokio::time::Instant;

use super::window::Limit;
use crate::spans::Spans;

/// What held calls up and when, and which other limits the first window was given meanwhile.
#[derive(Clone, Default)]
pub struct Course {
    pub paused: Spans<Instant>,
    pub away: Spans<Instant>,
    pub limits: Vec<(Instant, Option<Limit>)>,
}

#[derive(Default)]
pub(super) struct Waits {
    /// Calls that were turned away with 429.
    pub(super) turned_away: u64,
    /// How often a kind of call paused because of that.
    pub(super) pauses: u64,
    /// The pauses together, those of several kinds at one time once; also what is still to come of the last one.
    paused: Duration,
    paused_until: Option<Instant>,
    /// Outages that are over, together.
    away: Duration,
    course: Course,
}

impl Waits {
    /// So many changes of the limit are remembered.
    const MOST_LIMITS: usize = 100;

    /// A kind of call pauses.
    pub(super) fn paused(&mut self, until: Instant, now: Instant) {
        let from = self.paused_until.map_or(now, |earlier| earlier.max(now));
        self.paused += until.saturating_duration_since(from);
        self.paused_until = Some(from.max(until));
        self.course.paused.add(now, until);
    }

    /// The API answers again.
    pub(super) fn was_away(&mut self, duration: Duration, now: Instant) {
        self.away += duration;
        if let Some(since) = now.checked_sub(duration) {
            self.course.away.add(since, now);
        }
    }

    /// The first window has another limit from now on.
    pub(super) fn limited(&mut self, limit: Option<Limit>, now: Instant) {
        self.course.limits.push((now, limit));
        if self.course.limits.len() > Self::MOST_LIMITS {
            self.course.limits.remove(0);
        }
    }

    /// What happened until now, with an outage that lasts.
    pub(super) fn course(&self, away_since: Option<Instant>, now: Instant) -> Course {
        let mut course = self.course.clone();
        if let Some(since) = away_since {
            course.away.add(since, now);
        }
        course
    }

    /// For how long calls have paused until now.
    pub(super) fn paused_until_now(&self, now: Instant) -> Duration {
        let to_come = self
            .paused_until
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        self.paused.saturating_sub(to_come)
    }

    /// For how long the API was away until now, with an outage that lasts.
    pub(super) fn away_until_now(&self, lasting: Option<Duration>) -> Duration {
        self.away + lasting.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_that_overlap_count_once_and_only_as_far_as_they_are_over() {
        let (mut waits, start) = (Waits::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        waits.paused(at(10), at(0));
        waits.paused(at(8), at(2));
        waits.paused(at(12), at(5));
        waits.paused(at(30), at(20));
        let paused = |second| waits.paused_until_now(at(second)).as_secs();
        // 12 seconds, and 10 later on.
        assert_eq!([25, 30, 40].map(paused), [17, 22, 22]);
        waits.was_away(Duration::from_secs(15), at(60));
        let course = waits.course(Some(at(70)), at(75));
        let seconds = |spans: &Spans<Instant>| -> Vec<(u64, u64)> {
            let since = |instant: Instant| instant.duration_since(start).as_secs();
            spans
                .iter()
                .map(|(from, until)| (since(from), since(until)))
                .collect()
        };
        assert_eq!(seconds(&course.paused), [(0, 12), (20, 30)]);
        assert_eq!(seconds(&course.away), [(45, 60), (70, 75)]);
    }
}
