//! Makes what the journal notes of a run's course: an attempt that begins, and what its pace has seen at its end.

use jiff::Timestamp;
use tokio::time::Instant;

use super::kept_pace::KeptPace;
use crate::journal::{Attempt, History, KeptLimit};
use crate::pace::{Course, Limit};

/// An attempt that begins now.
pub(super) fn attempt(kept: &KeptPace, live: bool, now: Timestamp) -> Attempt {
    Attempt {
        began_at: now.as_millisecond(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        live,
        limit: kept.write_limit(),
        headroom: kept.headroom,
    }
}

/// Adds what a pace has seen. `now` and `instant` are one moment, by the wall clock and by the one that paces go by.
pub(super) fn add(history: &mut History, course: &Course, now: Timestamp, instant: Instant) {
    let wall = |at: Instant| {
        let milliseconds = |duration: std::time::Duration| duration.as_millis() as i64;
        // A pause may end later than the run.
        match at.checked_duration_since(instant) {
            Some(ahead) => now.as_millisecond() + milliseconds(ahead),
            None => now.as_millisecond() - milliseconds(instant.duration_since(at)),
        }
    };
    for (from, until) in course.paused.iter() {
        history.paused.add(wall(from), wall(until.min(instant)));
    }
    for (from, until) in course.away.iter() {
        history.away.add(wall(from), wall(until));
    }
    for (at, limit) in &course.limits {
        history.limited(wall(*at), limit.map(written));
    }
}

fn written(limit: Limit) -> KeptLimit {
    (limit.count, limit.period.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_course_is_told_in_times_of_day() {
        let instant = Instant::now() + Duration::from_secs(100);
        let now = Timestamp::from_millisecond(1_000_000).unwrap();
        let before = |seconds| instant - Duration::from_secs(seconds);
        let mut course = Course::default();
        course.paused.add(before(90), before(80));
        course
            .paused
            .add(before(5), instant + Duration::from_secs(5));
        course.away.add(before(60), before(30));
        let limit = Limit {
            count: 50,
            period: Duration::from_secs(10),
        };
        course.limits.push((before(70), Some(limit)));
        let mut history = History::default();
        history.begin(Attempt {
            began_at: 890_000,
            limit: Some((500, 10.0)),
            ..Attempt::default()
        });
        add(&mut history, &course, now, instant);
        let paused: Vec<_> = history.paused.iter().collect();
        assert_eq!(paused, [(910_000, 920_000), (995_000, 1_000_000)]);
        assert_eq!(
            history.away.iter().collect::<Vec<_>>(),
            [(940_000, 970_000)]
        );
        let limits = [(890_000, Some((500, 10.0))), (930_000, Some((50, 10.0)))];
        assert_eq!(history.limits, limits);
    }
}
