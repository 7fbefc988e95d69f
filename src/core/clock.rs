//! Owns time: a wall clock that simulations can bind to Tokio's paused one.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Tells the time of day. Durations are measured with `tokio::time`, which tests can pause.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's own clock.
    System,
    /// A clock that began at `epoch` when Tokio's clock showed `origin`, and moves with it.
    Simulated { epoch: Timestamp, origin: Instant },
}

impl Clock {
    /// A clock that starts at `epoch` now and follows Tokio's clock, paused or not.
    pub fn simulated(epoch: Timestamp) -> Self {
        Self::Simulated {
            epoch,
            origin: Instant::now(),
        }
    }

    /// The time of day, in UTC.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Simulated { epoch, origin } => SignedDuration::try_from(origin.elapsed())
                .ok()
                .and_then(|elapsed| epoch.checked_add(elapsed).ok())
                .unwrap_or(*epoch),
        }
    }
}
