//! Who may send, and when: windows that are never exceeded, pauses that the server asks for, retry delays. Knows
//! nothing of what a request means.

mod backoff;
mod window;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as TurnLock, Notify};
use tokio::time::{Instant, sleep_until, timeout_at};

pub use backoff::Backoff;
pub use window::Limit;
use window::Window;

/// At most this many requests are in flight, however slow the network is.
pub const MOST_IN_FLIGHT: usize = 100;

/// One of the limits that calls count in; an index into the limits that a pace was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowIndex(pub usize);

/// Hands out permits to send. Cloning gives another handle on the same windows.
#[derive(Clone)]
pub struct Pace {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// One turn for each set of windows that is waited for, so that callers of one kind go first come, first served.
    turns: Vec<TurnLock<()>>,
    changed: Notify,
}

struct State {
    windows: Vec<Window>,
    in_flight: InFlight,
}

/// How many requests may be in flight: enough to fill the windows at the measured latency (Little's law), never
/// more than the cap.
struct InFlight {
    now: usize,
    cap: usize,
    /// Smoothed time from permit to answer, in seconds.
    latency: Option<f64>,
    /// Requests a second that the tightest window allows; `None` without windows.
    rate: Option<f64>,
}

impl InFlight {
    /// Half as much again as Little's law asks for, so that jitter does not starve the window.
    const MARGIN: f64 = 1.5;
    /// Below this, a slow start would never measure a fast network.
    const FLOOR: usize = 16;

    fn limit(&self) -> usize {
        match (self.latency, self.rate) {
            (Some(latency), Some(rate)) => {
                let needed = (latency * rate * Self::MARGIN).ceil() as usize;
                needed.max(Self::FLOOR).min(self.cap)
            }
            _ => self.cap,
        }
    }

    fn measured(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.latency = Some(match self.latency {
            None => seconds,
            Some(smoothed) => smoothed * 0.9 + seconds * 0.1,
        });
    }
}

impl Pace {
    /// A pace over `limits`; `concurrency` caps the requests in flight (default and most: [`MOST_IN_FLIGHT`]).
    pub fn new(limits: &[Limit], concurrency: Option<usize>) -> Self {
        let rate = limits.iter().map(Limit::per_second).reduce(f64::min);
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    windows: limits.iter().map(|limit| Window::new(*limit)).collect(),
                    in_flight: InFlight {
                        now: 0,
                        cap: concurrency
                            .unwrap_or(MOST_IN_FLIGHT)
                            .clamp(1, MOST_IN_FLIGHT),
                        latency: None,
                        rate,
                    },
                }),
                turns: (0..=limits.len()).map(|_| TurnLock::new(())).collect(),
                changed: Notify::new(),
            }),
        }
    }

    /// Waits until a request may be sent that counts in all of `windows`: a slot is taken in each, or in none.
    pub async fn permit(&self, windows: &[WindowIndex]) -> Permit {
        // The first window names the kind of call: calls of one kind queue in order, kinds do not block each other.
        let turn = windows
            .first()
            .map_or(self.shared.turns.len() - 1, |window| window.0);
        let _turn = match self.shared.turns.get(turn) {
            Some(lock) => Some(lock.lock().await),
            None => None,
        };
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            // Registered before the state is looked at, so that no change in between is missed.
            changed.as_mut().enable();
            let wait = {
                let mut state = self.lock();
                match state.try_take(windows, Instant::now()) {
                    Ok(()) => {
                        let taken = Instant::now();
                        return Permit {
                            pace: self.clone(),
                            windows: windows.to_vec(),
                            taken,
                            answered: false,
                        };
                    }
                    Err(wait) => wait,
                }
            };
            match wait {
                Wait::Until(instant) => {
                    // A pause can be lifted or a slot given back earlier than the instant says.
                    let _ = timeout_at(instant, changed).await;
                }
                Wait::ForChange => changed.await,
            }
        }
    }

    /// Closes the windows until `duration` from now has passed; a longer pause that is already there stays.
    pub fn pause(&self, windows: &[WindowIndex], duration: Duration) {
        let until = Instant::now() + duration;
        let mut state = self.lock();
        for index in windows {
            if let Some(window) = state.windows.get_mut(index.0) {
                window.pause_until(until);
            }
        }
    }

    /// Waits without holding anything.
    pub async fn wait(&self, duration: Duration) {
        sleep_until(Instant::now() + duration).await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, windows: &[WindowIndex], taken: Instant, answered: bool) {
        let now = Instant::now();
        {
            let mut state = self.lock();
            for index in windows {
                if let Some(window) = state.windows.get_mut(index.0) {
                    window.release(now);
                }
            }
            state.in_flight.now = state.in_flight.now.saturating_sub(1);
            if answered {
                state.in_flight.measured(now.duration_since(taken));
            }
        }
        self.shared.changed.notify_waiters();
    }
}

enum Wait {
    Until(Instant),
    ForChange,
}

impl State {
    fn try_take(&mut self, windows: &[WindowIndex], now: Instant) -> Result<(), Wait> {
        if self.in_flight.now >= self.in_flight.limit() {
            return Err(Wait::ForChange);
        }
        for index in windows {
            if let Some(window) = self.windows.get_mut(index.0)
                && let Some(free_at) = window.busy_until(now)
            {
                return Err(free_at.map_or(Wait::ForChange, Wait::Until));
            }
        }
        for index in windows {
            if let Some(window) = self.windows.get_mut(index.0) {
                window.take();
            }
        }
        self.in_flight.now += 1;
        Ok(())
    }
}

/// The right to send one request. Its slots are free again one window length after it is dropped, because the server
/// may count the request at any moment until its answer is here.
pub struct Permit {
    pace: Pace,
    windows: Vec<WindowIndex>,
    taken: Instant,
    answered: bool,
}

impl Permit {
    /// The answer is here. Dropping a permit instead means that it was given up just now.
    pub fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.pace
            .give_back(&self.windows, self.taken, self.answered);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITES: WindowIndex = WindowIndex(0);

    fn pace(count: u32, seconds: u64) -> Pace {
        Pace::new(
            &[Limit {
                count,
                period: Duration::from_secs(seconds),
            }],
            None,
        )
    }

    #[tokio::test(start_paused = true)]
    async fn no_window_of_any_position_holds_more_than_the_limit() {
        let pace = pace(10, 1);
        let mut counted = Vec::new();
        for number in 0..200u64 {
            let permit = pace.permit(&[WRITES]).await;
            // The server counts anywhere between start and answer.
            tokio::time::sleep(Duration::from_millis((number * 37) % 90)).await;
            counted.push(Instant::now());
            tokio::time::sleep(Duration::from_millis((number * 53) % 70)).await;
            permit.answered();
        }
        for window in counted.windows(11) {
            assert!(window[10] - window[0] >= Duration::from_secs(1));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn slots_come_back_one_period_after_the_answer_not_after_the_start() {
        let pace = pace(1, 10);
        let start = Instant::now();
        let permit = pace.permit(&[WRITES]).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        permit.answered();
        let _second = pace.permit(&[WRITES]).await;
        assert_eq!(start.elapsed(), Duration::from_secs(13));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_even_with_free_slots_and_a_dropped_permit_counts() {
        let pace = pace(2, 10);
        drop(pace.permit(&[WRITES]).await);
        pace.pause(&[WRITES], Duration::from_secs(4));
        let start = Instant::now();
        drop(pace.permit(&[WRITES]).await);
        assert_eq!(start.elapsed(), Duration::from_secs(4));
        drop(pace.permit(&[WRITES]).await);
        assert_eq!(start.elapsed(), Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_goes_away_costs_nothing() {
        let pace = pace(1, 10);
        let held = pace.permit(&[WRITES]).await;
        let other = pace.clone();
        let waiter = tokio::spawn(async move { other.permit(&[WRITES]).await });
        tokio::task::yield_now().await;
        waiter.abort();
        let _ = waiter.await;
        held.answered();
        let start = Instant::now();
        let _next = pace.permit(&[WRITES]).await;
        assert_eq!(start.elapsed(), Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn concurrency_caps_what_is_in_flight() {
        let pace = Pace::new(&[], Some(2));
        let first = pace.permit(&[]).await;
        let _second = pace.permit(&[]).await;
        let other = pace.clone();
        let third = tokio::spawn(async move { other.permit(&[]).await });
        tokio::task::yield_now().await;
        assert!(!third.is_finished());
        first.answered();
        assert!(third.await.is_ok());
    }
}
