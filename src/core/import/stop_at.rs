//! Owns `--stop-at`: asks the run to stop when its time is up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::sleep;

use crate::clock::Clock;
use crate::engine::Halt;

/// Asks for a stop at a moment of the wall clock, and notes that it was this that asked first.
pub(super) async fn stop_at(
    moment: SystemTime,
    clock: Clock,
    halt: watch::Sender<Halt>,
    is_up: &AtomicBool,
) {
    // Looked at now and then: the wall clock may be set, and timers stand still while a machine sleeps.
    const LOOK_AGAIN: Duration = Duration::from_secs(10);
    while let Ok(left) = moment.duration_since(SystemTime::from(clock.now()))
        && !left.is_zero()
    {
        sleep(left.min(LOOK_AGAIN)).await;
    }
    halt.send_if_modified(|level| {
        let first = *level == Halt::Run;
        if first {
            is_up.store(true, Ordering::Relaxed);
            *level = Halt::Drain;
        }
        first
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_asks_at_its_moment_unless_somebody_asked_before() {
        for asked in [Halt::Run, Halt::Drain] {
            let clock = Clock::simulated("2026-01-01T05:00:00Z".parse().unwrap());
            let (halt, halted) = watch::channel(asked);
            let is_up = AtomicBool::new(false);
            let moment = SystemTime::from(clock.now()) + Duration::from_secs(3_600);
            stop_at(moment, clock.clone(), halt, &is_up).await;
            assert_eq!(SystemTime::from(clock.now()), moment);
            assert_eq!(*halted.borrow(), Halt::Drain);
            assert_eq!(is_up.into_inner(), asked == Halt::Run);
        }
    }
}
