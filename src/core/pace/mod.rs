//! Who may send, and when: windows that are never exceeded, distances between requests, pauses that the server asks
//! for or that an outage needs, retry delays. Knows nothing of what a request means.

mod backoff;
mod in_flight;
mod outage;
mod queue;
mod state;
mod subjects;
#[cfg(test)]
mod tests;
mod waits;
mod window;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

pub use backoff::Backoff;
pub use in_flight::MOST_IN_FLIGHT;
pub use queue::Turn;
use state::{How, Said, State};
pub use subjects::Subject;
pub use waits::Course;
pub use window::{Limit, WindowStanding};

/// One of the limits that calls count in; an index into the limits that a pace was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowIndex(pub usize);

/// What a request counts in, and when its turn is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// A slot is taken in each of these or in none. The first is the kind's own: it names the queue that the call waits
    /// in, and it is the one that closes when the server turns a call of the kind away.
    pub windows: &'static [WindowIndex],
    /// Whom the call is about, where that is limited as well. Either all calls of a kind have one, or none has.
    pub subject: Option<Subject>,
    pub turn: Turn,
}

impl Call {
    /// A call that counts in these windows and is about nobody.
    pub fn in_windows(windows: &'static [WindowIndex]) -> Self {
        Self {
            windows,
            subject: None,
            turn: Turn::default(),
        }
    }

    fn kind(&self) -> WindowIndex {
        self.windows.first().copied().unwrap_or(WindowIndex(0))
    }

    fn counts_in(&self, window: usize) -> bool {
        self.windows.iter().any(|index| index.0 == window)
    }
}

/// Where a pace is at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    pub in_flight: usize,
    /// How many may be in flight, as it was found out until now.
    pub most_in_flight: usize,
    /// Calls that wait for their turn.
    pub waiting: usize,
    /// The share (0 to 1) of the first window's limit that is used: less than all of it after the server said no.
    pub share: f64,
    /// How many calls were turned away with 429.
    pub turned_away: u64,
    /// How often a kind of call paused because of that.
    pub pauses: u64,
    /// For how long from now on any kind of call is still closed, by a 429 or an outage.
    pub closed_for: Option<Duration>,
    /// How long the API has been away, while it is.
    pub away_for: Option<Duration>,
    /// For how long in all, until now, any kind of call paused because of 429s.
    pub paused: Duration,
    /// For how long in all the API was away until now.
    pub away: Duration,
}

/// Hands out permits to send. Cloning gives another handle on the same windows.
#[derive(Clone)]
pub struct Pace {
    state: Arc<Mutex<State>>,
}

impl Pace {
    /// A pace over `limits` (`None`: nothing is counted, but the kind of call can pause); `per_subject` holds for each
    /// subject alone; `concurrency` caps the requests in flight (default and most: [`MOST_IN_FLIGHT`]).
    pub fn new(
        limits: &[Option<Limit>],
        per_subject: Option<Limit>,
        concurrency: Option<usize>,
    ) -> Self {
        let state = State::new(limits, per_subject, concurrency);
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Says how many calls that count in `window` are still to come. What fits its free slots goes at once; more than
    /// that keeps its distance from the first call on.
    pub fn expect(&self, window: WindowIndex, calls: u64) {
        self.with(|state, now| state.expect(window, calls, now));
    }

    /// Takes slots for what an earlier process sent so long ago, so that a restart sends no second burst.
    pub fn already_sent(&self, windows: &[WindowIndex], ages: &[Duration]) {
        self.with(|state, now| state.already_sent(windows, ages, now));
    }

    /// Other limits from now on, in the order of [`Pace::new`]. What is in use already stays so.
    pub fn set_limits(&self, limits: &[Option<Limit>]) {
        self.with(|state, now| state.set_limits(limits, now));
    }

    /// Waits until a request may be sent.
    pub async fn permit(&self, call: Call) -> Permit {
        let mut waiting = Waiting::new(self, call);
        let mut alarm = pin!(sleep_until(Instant::now()));
        poll_fn(move |context| {
            loop {
                let look_again = match waiting.look(context.waker()) {
                    Ok(permit) => return Poll::Ready(permit),
                    Err(look_again) => look_again,
                };
                let Some(at) = look_again else {
                    return Poll::Pending;
                };
                if alarm.deadline() != at {
                    alarm.as_mut().reset(at);
                }
                if alarm.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    /// Waits without holding anything.
    pub async fn wait(&self, duration: Duration) {
        sleep_until(Instant::now() + duration).await;
    }

    pub fn standing(&self) -> Standing {
        self.with(|state, now| state.standing(now))
    }

    /// What held calls up until now, and when.
    pub fn course(&self) -> Course {
        self.with(|state, now| state.course(now))
    }

    /// Where each window is, in the order of [`Pace::new`].
    pub fn windows(&self) -> Vec<WindowStanding> {
        self.with(|state, now| state.windows(now))
    }

    /// Whether calls like this one wait because the API is away.
    pub fn is_away(&self, call: &Call) -> bool {
        self.with(|state, _| state.outage().is_away(call.kind()))
    }

    /// When any call last had an answer.
    pub fn last_success(&self) -> Option<Instant> {
        self.with(|state, _| state.outage().last_success())
    }

    /// For how long calls like this one, or all calls, have had no success, 429s included; `None` if they have, or if
    /// too few were tried to tell.
    pub fn without_success(&self, call: &Call) -> Option<Duration> {
        self.with(|state, now| state.outage().lasts(call.kind(), now))
    }

    /// Looks at the state or changes it, and wakes whoever may go then.
    fn with<T>(&self, work: impl FnOnce(&mut State, Instant) -> T) -> T {
        let (result, wakers) = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            // Under the lock, so that what is written down is in order.
            let result = work(&mut state, Instant::now());
            (result, state.take_wakers())
        };
        for waker in wakers {
            waker.wake();
        }
        result
    }
}

/// A place in the queue. Dropping it costs nothing: nothing was sent.
struct Waiting<'a> {
    pace: &'a Pace,
    call: Call,
    ticket: u64,
    over: bool,
}

impl<'a> Waiting<'a> {
    fn new(pace: &'a Pace, call: Call) -> Self {
        let ticket = pace.with(|state, now| state.wait(call, now));
        Self {
            pace,
            call,
            ticket,
            over: false,
        }
    }

    /// The permit, or the instant at which to look again where this one looks at the clock for its queue.
    fn look(&mut self, waker: &Waker) -> Result<Permit, Option<Instant>> {
        let taken = self.pace.with(|state, now| {
            state.let_go(now);
            let taken = state.granted(self.ticket);
            taken.ok_or_else(|| state.keep_waker(self.ticket, &self.call, waker))
        })?;
        self.over = true;
        Ok(Permit {
            pace: self.pace.clone(),
            call: self.call,
            ticket: self.ticket,
            taken,
            ended: false,
        })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.pace
                .with(|state, now| state.leave(self.ticket, &self.call, now));
        }
    }
}

/// The right to send one request. Its slots are free again one window length after it ended, because the server may
/// count the request at any moment until its answer is here. Dropping it means that the answer was given up just now.
pub struct Permit {
    pace: Pace,
    call: Call,
    ticket: u64,
    taken: Instant,
    ended: bool,
}

impl Permit {
    /// The answer is here.
    pub fn answered(self) {
        if let Said::Back(away) = self.end(How::Answered) {
            log::warn!("the API answers again after {} s", away.as_secs());
        }
    }

    /// The server says 429: this kind of call pauses for so long, and then uses less of the limit.
    pub fn turned_away(self, pause: Duration) {
        if let Said::Cut(share) = self.end(How::TurnedAway(pause)) {
            let (seconds, percent) = (pause.as_secs_f64(), share * 100.0);
            log::info!(
                "the API says 429: this kind of call pauses for {seconds:.1} s and then uses {percent:.0} % of its limit"
            );
        }
    }

    /// No answer came, or one that says that the API does not work.
    pub fn failed(self) {
        if let Said::Away(pause) = self.end(How::Failed) {
            log::warn!(
                "the API is away: one call after another fails. Waiting; the next one is tried in {} s",
                pause.as_secs()
            );
        }
    }

    fn end(mut self, how: How) -> Said {
        self.ended = true;
        self.tell(how)
    }

    fn tell(&self, how: How) -> Said {
        self.pace
            .with(|state, now| state.end(self.ticket, &self.call, self.taken, how, now))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.ended {
            self.tell(How::GivenUp);
        }
    }
}
