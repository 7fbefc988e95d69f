//! Owns how many identities go into one call: as many as the server takes, half as many when it fails or becomes slow,
//! more again when it does not.

use std::time::Duration;

/// The most identities that the server takes in one call (Kratos' OpenAPI document, `batchPatchIdentities`).
pub const LARGEST: usize = 1_000;

/// The most of them whose password it hashes (the same).
pub(super) const LARGEST_PLAIN: usize = 200;

/// A call that takes longer is too large: half of the minute after which proxies commonly answer with 504.
const TOO_LONG: Duration = Duration::from_secs(30);

/// A call that is over sooner tells nothing of load.
const SHORT: Duration = Duration::from_secs(2);

/// A time for each identity that is so many times the shortest one has risen.
const RISEN: f64 = 3.0;

/// After so many calls without trouble there is room for twice as many; after twice as many calls each time that this was
/// found to be too much.
const CALM: u32 = 4;

/// The most of them.
const LONGEST_CALM: u32 = 64;

#[derive(Debug)]
pub(super) struct Sizes {
    most: usize,
    now: usize,
    /// The shortest time that one identity took, in seconds.
    shortest: Option<f64>,
    calm: u32,
    /// How many calls without trouble are waited for.
    wanted: u32,
}

impl Sizes {
    /// `most`: what the server takes; `asked`: what the caller wants at most.
    pub(super) fn new(most: usize, asked: Option<usize>) -> Self {
        let most = asked.unwrap_or(most).clamp(1, most);
        Self {
            most,
            now: most,
            shortest: None,
            calm: 0,
            wanted: CALM / 2,
        }
    }

    /// How many go into the next call.
    pub(super) fn now(&self) -> usize {
        self.now
    }

    /// So many identities were answered for after this time.
    pub(super) fn answered(&mut self, identities: usize, took: Duration) {
        if identities == 0 {
            return;
        }
        let each = took.as_secs_f64() / identities as f64;
        let shortest = *self.shortest.get_or_insert(each);
        self.shortest = Some(shortest.min(each));
        let has_risen = took >= SHORT && each > shortest * RISEN;
        if has_risen || took > TOO_LONG {
            self.halve("it takes longer");
            return;
        }
        self.calm += 1;
        if self.calm >= self.wanted && self.now < self.most {
            self.calm = 0;
            self.now = (self.now * 2).min(self.most);
        }
    }

    /// A call failed, or was too large.
    pub(super) fn failed(&mut self) {
        self.halve("a batch failed");
    }

    fn halve(&mut self, why: &str) {
        self.calm = 0;
        self.wanted = (self.wanted * 2).min(LONGEST_CALM);
        let half = (self.now / 2).max(1);
        if half < self.now {
            log::info!("{why}: batches have at most {half} identities from now on");
        }
        self.now = half;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn failures_and_rising_latency_halve_and_calm_brings_it_back() {
        let mut sizes = Sizes::new(LARGEST, None);
        sizes.answered(1_000, ms(1_000));
        assert_eq!(sizes.now(), 1_000);
        sizes.answered(1_000, ms(2_900));
        assert_eq!(sizes.now(), 1_000, "not three times as long");
        sizes.answered(1_000, ms(3_100));
        assert_eq!(sizes.now(), 500);
        sizes.failed();
        assert_eq!(sizes.now(), 250);
        // Two halvings: twice as long a calm.
        for _ in 0..2 * CALM - 1 {
            sizes.answered(250, ms(250));
        }
        assert_eq!(sizes.now(), 250);
        sizes.answered(250, ms(250));
        assert_eq!(sizes.now(), 500);
        for _ in 0..2 * CALM {
            sizes.answered(500, ms(500));
        }
        assert_eq!(sizes.now(), 1_000);
        sizes.answered(1_000, ms(30_001));
        assert_eq!(sizes.now(), 500);
    }

    #[test]
    fn small_batches_are_not_taken_for_a_slow_server() {
        let mut sizes = Sizes::new(LARGEST, None);
        sizes.answered(1_000, ms(1_000));
        sizes.answered(1, ms(100));
        assert_eq!(sizes.now(), 1_000);
    }

    #[test]
    fn the_callers_size_is_a_cap_and_one_is_the_least() {
        assert_eq!(Sizes::new(LARGEST_PLAIN, Some(500)).now(), 200);
        let mut sizes = Sizes::new(LARGEST, Some(3));
        for _ in 0..5 {
            sizes.failed();
        }
        assert_eq!(sizes.now(), 1);
    }
}
