//! Owns the knowledge whether the API answers at all: calls that fail one after another, without a success between,
//! are the API's trouble and no row's; then everybody waits, and one call at a time tries.

use std::time::Duration;

use tokio::time::Instant;

use super::WindowIndex;

/// What a run of failures asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closure {
    /// `None`: every kind of call.
    pub(super) kind: Option<usize>,
    pub(super) pause: Duration,
}

/// Calls of one kind, or of all, that failed one after another.
#[derive(Clone, Copy, Default)]
struct Streak {
    /// When the first of them failed, and the last.
    since: Option<(Instant, Instant)>,
    /// Failures, and calls that were turned away with 429.
    bad: u32,
    failures: u32,
    pauses: u32,
}

impl Streak {
    /// A streak that nothing was added to for longer than this says nothing about now.
    const STALE: Duration = Duration::from_secs(600);
    /// Fewer bad answers than these are no reason to give up, however long ago the first was.
    const LEAST_TO_GIVE_UP: u32 = 5;
    const LONGEST_PAUSE: Duration = Duration::from_secs(60);

    fn bad(&mut self, now: Instant) {
        let first = match self.since {
            Some((first, last)) if now.saturating_duration_since(last) <= Self::STALE => first,
            _ => {
                *self = Self::default();
                now
            }
        };
        self.since = Some((first, now));
        self.bad += 1;
    }

    /// One second, two, four, up to a minute.
    fn next_pause(&mut self) -> Duration {
        let pause = Duration::from_secs(1 << self.pauses.min(10)).min(Self::LONGEST_PAUSE);
        self.pauses += 1;
        pause
    }

    fn lasts(&self, now: Instant) -> Option<Duration> {
        let (first, _) = self.since?;
        (self.bad >= Self::LEAST_TO_GIVE_UP).then(|| now.saturating_duration_since(first))
    }
}

pub(super) struct Outage {
    all: Streak,
    /// By first window.
    kinds: Vec<Streak>,
    last_success: Option<Instant>,
}

impl Outage {
    /// So many failures of whatever kind in a row, and the API is away: one row that always fails does not come to
    /// this, because it has fewer attempts and is read back between them.
    const AWAY: u32 = 10;
    /// So many of one kind while others succeed: reads are answered, and writes are not.
    const KIND_AWAY: u32 = 20;

    pub(super) fn new(kinds: usize) -> Self {
        Self {
            all: Streak::default(),
            kinds: vec![Streak::default(); kinds],
            last_success: None,
        }
    }

    /// An answer that is one. Says how long everything, or this kind, had been away.
    pub(super) fn succeeded(&mut self, kind: usize, now: Instant) -> Option<Duration> {
        self.last_success = Some(now);
        let of_kind = self.kinds.get_mut(kind).map(std::mem::take);
        let all = std::mem::take(&mut self.all);
        let away = [Some(all), of_kind].into_iter().flatten();
        let away = away.filter(|streak| streak.pauses > 0);
        away.filter_map(|streak| streak.lasts(now)).max()
    }

    /// No answer, or one that says that the API does not work. `fresh`: it was sent after the last pause.
    pub(super) fn failed(&mut self, kind: usize, fresh: bool, now: Instant) -> Option<Closure> {
        self.all.bad(now);
        self.all.failures += 1;
        if let Some(streak) = self.kinds.get_mut(kind) {
            streak.bad(now);
            streak.failures += 1;
        }
        if !fresh {
            return None;
        }
        if self.all.failures >= Self::AWAY {
            let pause = self.all.next_pause();
            return Some(Closure { kind: None, pause });
        }
        let streak = self.kinds.get_mut(kind)?;
        if streak.failures < Self::KIND_AWAY {
            return None;
        }
        let pause = streak.next_pause();
        Some(Closure {
            kind: Some(kind),
            pause,
        })
    }

    /// 429: the API is there, but it is no success either.
    pub(super) fn turned_away(&mut self, kind: usize, now: Instant) {
        self.all.bad(now);
        if let Some(streak) = self.kinds.get_mut(kind) {
            streak.bad(now);
        }
    }

    pub(super) fn last_success(&self) -> Option<Instant> {
        self.last_success
    }

    /// Whether everybody waits for this kind of call, or for all.
    pub(super) fn is_away(&self, kind: WindowIndex) -> bool {
        let of_kind = self.kinds.get(kind.0);
        self.all.pauses > 0 || of_kind.is_some_and(|streak| streak.pauses > 0)
    }

    /// Since when anything is away.
    pub(super) fn away_since(&self) -> Option<Instant> {
        let streaks = self.kinds.iter().chain([&self.all]);
        let away = streaks.filter(|streak| streak.pauses > 0);
        away.filter_map(|streak| streak.since.map(|(first, _)| first))
            .min()
    }

    /// For how long no call of this kind, or no call at all, has succeeded, 429s included.
    pub(super) fn lasts(&self, kind: WindowIndex, now: Instant) -> Option<Duration> {
        let of_kind = self.kinds.get(kind.0).and_then(|streak| streak.lasts(now));
        self.all.lasts(now).max(of_kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITES: usize = 0;
    const READS: usize = 1;

    fn pauses(outage: &mut Outage, kind: usize, failures: u32, now: Instant) -> Vec<u64> {
        (0..failures)
            .filter_map(|_| outage.failed(kind, true, now))
            .map(|closure| closure.pause.as_secs())
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_a_minute_and_begin_anew_after_a_success() {
        let (mut outage, now) = (Outage::new(2), Instant::now());
        assert!(pauses(&mut outage, WRITES, 9, now).is_empty());
        assert!(!outage.is_away(WindowIndex(READS)));
        let grown = [1, 2, 4, 8, 16, 32, 60, 60];
        assert_eq!(pauses(&mut outage, WRITES, 8, now), grown);
        assert!(outage.is_away(WindowIndex(READS)), "everything waits");
        let later = now + Duration::from_secs(600);
        assert_eq!(
            outage.succeeded(READS, later),
            Some(Duration::from_secs(600))
        );
        assert!(!outage.is_away(WindowIndex(READS)));
        assert!(pauses(&mut outage, READS, 9, later).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn writes_alone_can_be_away_and_a_row_that_always_fails_is_not_the_api() {
        let (mut outage, now) = (Outage::new(2), Instant::now());
        for failure in 1..=22 {
            let closure = outage.failed(WRITES, true, now);
            // It is read back each time.
            assert_eq!(outage.succeeded(READS, now), None);
            let expected = (failure >= 20).then(|| Closure {
                kind: Some(WRITES),
                pause: Duration::from_secs(1 << (failure - 20)),
            });
            assert_eq!(closure, expected, "{failure}");
        }
        assert!(outage.is_away(WindowIndex(WRITES)) && !outage.is_away(WindowIndex(READS)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_in_flight_when_the_pause_began_does_not_prolong_it() {
        let (mut outage, now) = (Outage::new(1), Instant::now());
        assert_eq!(pauses(&mut outage, 0, 10, now), [1]);
        for _ in 0..50 {
            assert_eq!(outage.failed(0, false, now), None);
        }
        assert_eq!(pauses(&mut outage, 0, 1, now), [2]);
    }

    #[tokio::test(start_paused = true)]
    async fn it_lasts_from_the_first_bad_answer_on_and_old_ones_are_forgotten() {
        let (mut outage, start) = (Outage::new(1), Instant::now());
        let all = WindowIndex(0);
        for minute in 0..30 {
            let now = start + Duration::from_secs(minute * 60);
            outage.turned_away(0, now);
            let expected = (minute >= 4).then(|| now - start);
            assert_eq!(outage.lasts(all, now), expected, "{minute}");
        }
        let much_later = start + Duration::from_secs(7_200);
        outage.failed(0, true, much_later);
        assert_eq!(outage.lasts(all, much_later), None);
    }
}
