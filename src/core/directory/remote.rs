//! Owns what a run asks of a directory beside its objects: where its calls wait, what it keeps, how long it tries.

use std::time::Duration;

use super::{Directory, GIVE_UP_AFTER};
use crate::pace::{Backoff, Limit, Pace};

/// A directory whose calls go through a pace.
pub trait Remote: Directory {
    /// Where its calls wait for their turn.
    fn pace(&self) -> &Pace;

    /// What to do where the key is refused.
    fn about_key(&self) -> &'static str;

    /// Says how many writes are to come: what fits the limit's free slots goes at once, more than that is spaced.
    fn expect(&self, writes: u64);

    /// Takes slots for writes that an earlier process sent so long ago, so that a restart sends no second burst.
    fn already_sent(&self, ages: &[Duration]);

    /// Keeps another limit of writes from now on (`None`: the documented one, if there is one), less a share (0 to 1) that is
    /// left to the application.
    fn keep(&self, rate_limit: Option<Limit>, headroom: f64);
}

/// How long a directory tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How often a call is tried before it fails.
    pub attempts: u32,
    /// How long the API may be without a success, 429s included, before a call fails with [`CallError::Away`].
    pub give_up_after: Duration,
}

impl Default for Patience {
    /// Six attempts, and 30 minutes.
    fn default() -> Self {
        Self {
            attempts: Backoff::ATTEMPTS,
            give_up_after: GIVE_UP_AFTER,
        }
    }
}
