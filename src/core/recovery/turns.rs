//! Owns when the next one may be handed over: so many a minute, evenly, and never two at once to make up for a delay.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

pub(super) struct Turns {
    gap: Duration,
    /// `None`: at once.
    next: Option<Instant>,
}

impl Turns {
    /// `per_minute` from 1 on. `since_last`: how long ago an earlier process had its last turn.
    pub(super) fn new(per_minute: u32, since_last: Option<Duration>) -> Self {
        let gap = Duration::from_secs(60) / per_minute.max(1);
        let left = since_last.and_then(|since| gap.checked_sub(since));
        Self {
            gap,
            next: left.map(|left| Instant::now() + left),
        }
    }

    /// Waits for the next turn, without taking it.
    pub(super) async fn wait(&self) {
        if let Some(next) = self.next {
            sleep_until(next).await;
        }
    }

    /// Takes the turn: the next one comes a gap later, counted from now.
    pub(super) fn take(&mut self) {
        self.next = Some(Instant::now() + self.gap);
    }
}
