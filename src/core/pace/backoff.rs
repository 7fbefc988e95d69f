//! Owns how long to wait before another attempt, and how many attempts there are.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Exponential backoff with full jitter: a random wait between nothing and a bound that doubles with each attempt.
pub struct Backoff {
    random: Mutex<StdRng>,
}

impl Backoff {
    /// How often a step is attempted in all before its row fails.
    pub const ATTEMPTS: u32 = 6;
    const FIRST: Duration = Duration::from_millis(500);
    const MOST: Duration = Duration::from_secs(30);
    /// A pause of the server that is longer than this is cut to it: a typing error in a header must not end a night.
    pub const LONGEST_PAUSE: Duration = Duration::from_secs(300);

    /// Seeded, so that a simulation repeats bit for bit.
    pub fn new(seed: u64) -> Self {
        Self {
            random: Mutex::new(StdRng::seed_from_u64(seed)),
        }
    }

    /// The wait after failed attempt number `attempt` (from 1).
    pub fn delay(&self, attempt: u32) -> Duration {
        let bound = Self::FIRST
            .saturating_mul(1 << attempt.saturating_sub(1).min(10))
            .min(Self::MOST);
        let share: f64 = self
            .random
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .random();
        bound.mul_f64(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_stay_below_a_doubling_bound_and_repeat_from_a_seed() {
        let (one, other) = (Backoff::new(7), Backoff::new(7));
        for attempt in 1..20 {
            let delay = one.delay(attempt);
            assert!(
                delay
                    <= Duration::from_millis(500 << (attempt - 1).min(10))
                        .min(Duration::from_secs(30))
            );
            assert_eq!(delay, other.delay(attempt));
        }
    }
}
