//! Owns how long a request takes: drawn from a seed, between two bounds.

use crate::locked;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The source of latencies. Clones draw from the same sequence.
#[derive(Clone, Debug)]
pub(crate) struct Latency {
    bounds: (Duration, Duration),
    generator: Arc<Mutex<StdRng>>,
}

impl Latency {
    pub(crate) fn new(seed: u64, bounds: (Duration, Duration)) -> Self {
        // Its own sequence: how often latency is asked for must not change
        // which requests go wrong.
        let generator = StdRng::seed_from_u64(seed ^ 0x1a7e_1a7e_1a7e_1a7e);
        Self {
            bounds,
            generator: Arc::new(Mutex::new(generator)),
        }
    }

    /// The time before a request is delivered, and the time until its answer
    /// is back.
    pub(crate) fn draw(&self) -> (Duration, Duration) {
        let (least, most) = self.bounds;
        let whole = if most > least {
            locked(&self.generator).random_range(least..=most)
        } else {
            least
        };
        let before = whole / 2;
        (before, whole - before)
    }
}
