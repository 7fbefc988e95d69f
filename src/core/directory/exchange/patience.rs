//! Owns how long a call is tried: what counts against it, what is the API's own trouble, and when the run is given up.

use std::time::Duration;

use tokio::time::Instant;

use super::calls::Caller;
use super::retry_after::{longest_pause, retry_after};
use crate::directory::{ApiError, CallError};
use crate::pace::Call;
use crate::wire::Answer;

/// How long the API may be without a success before a run ends.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(30 * 60);

/// How often one call was tried.
#[derive(Default)]
pub(super) struct Tries {
    /// When it first failed or was turned away.
    since: Option<Instant>,
    failed: u32,
}

impl Tries {
    fn since(&mut self) -> Instant {
        *self.since.get_or_insert_with(Instant::now)
    }
}

/// The name of the read that tells whether the API is there at all.
const PROBE: &str = "probe";

impl Caller {
    /// For how long the server asks to wait, or for a growing while where it does not say. "At once" is no pause at
    /// all, and would be asked again without end.
    pub(super) fn pause_for(&self, paced: Call, answer: &Answer) -> Duration {
        match retry_after(answer, self.server_now()) {
            Some(after) if after > Duration::ZERO => longest_pause(after),
            _ => {
                let so_far = self.pace.without_success(&paced).unwrap_or_default();
                let attempt = 1 + (so_far.as_secs() / 10) as u32;
                Duration::from_millis(250) + self.backoff.delay(attempt)
            }
        }
    }

    /// A call was turned away, which costs no attempt: its kind pauses. It is given up where others get through and it
    /// never does.
    pub(super) fn turned_away(
        &self,
        paced: Call,
        tries: &mut Tries,
        error: ApiError,
    ) -> Option<CallError> {
        if let Some(away) = self.given_up(paced, &error) {
            return Some(away);
        }
        if tries.since().elapsed() > self.give_up_after {
            return Some(unavailable(error));
        }
        None
    }

    /// A call failed, and was not applied. That counts against it only as long as the API is there for others.
    pub(super) async fn failed(
        &self,
        paced: Call,
        tries: &mut Tries,
        error: ApiError,
    ) -> Option<CallError> {
        if let Some(away) = self.given_up(paced, &error) {
            return Some(away);
        }
        if self.pace.is_away(&paced) {
            // The pace lets it through when it is its turn to try.
            return None;
        }
        let since = tries.since();
        tries.failed += 1;
        if tries.failed >= self.attempts && self.is_there(since).await {
            return Some(unavailable(error));
        }
        self.pace.wait(self.backoff.delay(tries.failed)).await;
        None
    }

    /// Whether the API answers anything: by what others heard since, else by asking. An API that never answered yet
    /// is not waited for: more likely its address is wrong.
    async fn is_there(&self, since: Instant) -> bool {
        let heard = |last: Option<Instant>| last.is_none_or(|last| last > since);
        if heard(self.pace.last_success()) {
            return true;
        }
        let target = (self.dialect.probe)();
        let paced = (self.dialect.of_read)(&target);
        // What it brings is known by the pace.
        let _ = self.read_once(PROBE, paced, &target).await;
        heard(self.pace.last_success())
    }

    /// The run's end, where no call has succeeded for too long.
    pub(super) fn given_up(&self, paced: Call, error: &ApiError) -> Option<CallError> {
        let lasts = self.pace.without_success(&paced)?;
        let given_up = self.pace.last_success().is_some() && lasts > self.give_up_after;
        given_up.then(|| {
            CallError::Away(format!(
                "No call has succeeded for {} ({}).",
                in_words(lasts),
                error.message.trim_end_matches('.')
            ))
        })
    }
}

/// Such as `30 min` or `90 s`.
fn in_words(duration: Duration) -> String {
    match duration.as_secs() {
        seconds if seconds >= 600 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

fn unavailable(error: ApiError) -> CallError {
    let heard = error.details.http_status.is_some();
    CallError::Unavailable {
        message: error.message.clone(),
        api: heard.then_some(error),
    }
}
