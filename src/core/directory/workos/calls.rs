//! Owns the exchange: permit, intent, send, and what an answer means. Retries what is safe to retry: reads, requests
//! that never left, and those that the server turned away with 429.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::time::Instant;

use super::answers;
use super::scrub::scrub;
use crate::clock::Clock;
use crate::directory::{ApiError, BeforeSend, CallError, Doubt, Write};
use crate::journal::JournalError;
use crate::journal::outcome::Effect;
use crate::pace::{Backoff, Pace, WindowIndex};
use crate::secret::Secret;
use crate::wire::{Answer, EXCHANGE_TIMEOUT, Request, SendError, Transport};

const WRITES: WindowIndex = WindowIndex(0);
const READS: WindowIndex = WindowIndex(1);
const EVERYTHING: WindowIndex = WindowIndex(2);

/// A call that is turned away with 429 for this long, without any answer between, is given up.
const LONGEST_REFUSAL: Duration = Duration::from_secs(30 * 60);

/// What was heard of a write.
pub(super) enum Heard {
    Body(Value),
    Refused(ApiError),
    Doubt(Doubt, ApiError),
    Failed(CallError),
}

/// What one attempt brought.
enum Attempt {
    /// Sent at this moment of the server's clock.
    Success(Timestamp, Answer),
    /// The API's answer is no, and will be the next time.
    Refused(ApiError),
    /// Turned away; not applied.
    TooMany(Option<Duration>, ApiError),
    NeverSent(String),
    /// It may have been applied, since this moment of the server's clock.
    Lost(Timestamp, ApiError),
}

pub(super) struct Caller {
    transport: Arc<dyn Transport>,
    pace: Pace,
    unlimited: bool,
    backoff: Backoff,
    clock: Clock,
    /// Milliseconds that the server's clock is ahead of ours; `i64::MIN` until a `Date` was seen.
    clock_offset: AtomicI64,
    /// Whether the API ever accepted the key: a 403 before that is about the key.
    accepted: AtomicBool,
    calls: Mutex<BTreeMap<&'static str, u64>>,
}

impl Caller {
    pub(super) fn new(
        transport: Arc<dyn Transport>,
        pace: Pace,
        unlimited: bool,
        backoff: Backoff,
        clock: Clock,
    ) -> Self {
        Self {
            transport,
            pace,
            unlimited,
            backoff,
            clock,
            clock_offset: AtomicI64::new(i64::MIN),
            accepted: AtomicBool::new(false),
            calls: Mutex::new(BTreeMap::new()),
        }
    }

    pub(super) fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn clock_offset(&self) -> Option<i64> {
        Some(self.clock_offset.load(Ordering::Relaxed)).filter(|offset| *offset != i64::MIN)
    }

    /// Reads, as often as it takes: reading twice changes nothing.
    pub(super) async fn read(
        &self,
        call: &'static str,
        target: String,
    ) -> Result<Value, CallError> {
        let windows = self.windows(&Method::GET, &target);
        let mut failed = 0;
        let started = Instant::now();
        loop {
            let request = Request {
                method: Method::GET,
                target: target.clone(),
                body: None,
            };
            let attempt = match self.attempt(call, windows, request, None, &[]).await {
                Ok(attempt) => attempt,
                // Reads have no intent to commit.
                Err(error) => {
                    return Err(unavailable(ApiError {
                        message: error.0,
                        ..ApiError::default()
                    }));
                }
            };
            let last = match attempt {
                Attempt::Success(_, answer) => match serde_json::from_slice(&answer.body) {
                    Ok(body) => return Ok(body),
                    Err(_) => self.scrubbed(undecodable(&answer), &[]),
                },
                Attempt::Refused(error) => return Err(self.refusal(error)),
                Attempt::TooMany(after, error) => {
                    self.turned_away(windows, after, started, error).await?;
                    continue;
                }
                Attempt::NeverSent(reason) => ApiError {
                    message: reason,
                    ..ApiError::default()
                },
                Attempt::Lost(_, error) => error,
            };
            failed += 1;
            if failed >= Backoff::ATTEMPTS {
                return Err(unavailable(last));
            }
            self.pace.wait(self.backoff.delay(failed)).await;
        }
    }

    /// Writes once, as far as can be told. An answer that is lost or useless is doubt, never a reason to send again.
    pub(super) async fn write(
        &self,
        write: &Write,
        before_send: &dyn BeforeSend,
    ) -> Result<Heard, JournalError> {
        let windows = self.windows(&write.method, &write.target);
        let mut failed = 0;
        let started = Instant::now();
        loop {
            let request = Request {
                method: write.method.clone(),
                target: write.target.clone(),
                body: write.body.clone(),
            };
            let attempt = self
                // Each time: a pause that the server asks for can be long, and the time of the intent tells when a write
                // that nobody heard of can have been applied.
                .attempt(
                    write.call,
                    windows,
                    request,
                    Some(before_send),
                    &write.secrets,
                )
                .await?;
            match attempt {
                Attempt::Success(from, answer) => {
                    let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
                    let has_id = body.as_ref().is_some_and(answers::has_id);
                    return Ok(match body {
                        Some(body) if has_id || write.effect == Effect::Deleted => {
                            Heard::Body(body)
                        }
                        _ if write.effect == Effect::Deleted => Heard::Body(Value::Null),
                        _ => {
                            let error = self.scrubbed(undecodable(&answer), &write.secrets);
                            Heard::Doubt(self.doubt(from), error)
                        }
                    });
                }
                Attempt::Refused(error) => {
                    return Ok(match self.refusal(error) {
                        CallError::Refused(error) => Heard::Refused(error),
                        other => Heard::Failed(other),
                    });
                }
                Attempt::TooMany(after, error) => {
                    if let Err(error) = self.turned_away(windows, after, started, error).await {
                        return Ok(Heard::Failed(error));
                    }
                }
                Attempt::NeverSent(reason) => {
                    failed += 1;
                    if failed >= Backoff::ATTEMPTS {
                        let error = ApiError {
                            message: reason,
                            ..ApiError::default()
                        };
                        return Ok(Heard::Failed(unavailable(error)));
                    }
                    self.pace.wait(self.backoff.delay(failed)).await;
                }
                Attempt::Lost(from, error) => {
                    return Ok(Heard::Doubt(self.doubt(from), error));
                }
            }
        }
    }

    /// One exchange: a permit first, then the intent on disk, then the bytes.
    async fn attempt(
        &self,
        call: &'static str,
        windows: &[WindowIndex],
        request: Request,
        intent: Option<&dyn BeforeSend>,
        secrets: &[Secret],
    ) -> Result<Attempt, JournalError> {
        let permit = self.pace.permit(windows).await;
        if let Some(intent) = intent {
            intent.commit().await?;
        }
        // Not before: what others made while this call waited for its turn is not ours.
        let from = self.server_now();
        *self
            .calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(call)
            .or_insert(0) += 1;
        let sent = self.transport.send(request).await;
        let answer = match sent {
            Ok(answer) => {
                permit.answered();
                answer
            }
            Err(SendError::NeverSent(reason)) => {
                log::debug!("{call}: not sent: {reason}");
                return Ok(Attempt::NeverSent(reason));
            }
            Err(SendError::AnswerLost(reason)) => {
                log::debug!("{call}: answer lost: {reason}");
                let error = ApiError {
                    message: reason,
                    ..ApiError::default()
                };
                return Ok(Attempt::Lost(from, error));
            }
        };
        self.note_clock(&answer);
        log::debug!("{call}: {}", answer.status);
        if (200..=299).contains(&answer.status) {
            self.accepted.store(true, Ordering::Relaxed);
            return Ok(Attempt::Success(from, answer));
        }
        let mut error = self.scrubbed(answers::error(&answer), secrets);
        Ok(match answer.status {
            429 => Attempt::TooMany(retry_after(&answer, self.server_now()), error),
            408 | 500..=599 => Attempt::Lost(from, error),
            300..=399 => {
                error.message =
                    "The API answers with a redirect, which is not followed: check the base URL."
                        .into();
                Attempt::Refused(error)
            }
            _ => Attempt::Refused(error),
        })
    }

    /// Without the secrets of the row and of the connection.
    fn scrubbed(&self, mut error: ApiError, secrets: &[Secret]) -> ApiError {
        scrub(&mut error, secrets);
        scrub(&mut error, self.transport.secrets());
        error
    }

    /// Closes the windows for as long as the server asks for, or for a growing while where it does not say.
    async fn turned_away(
        &self,
        windows: &[WindowIndex],
        after: Option<Duration>,
        started: Instant,
        error: ApiError,
    ) -> Result<(), CallError> {
        if started.elapsed() > LONGEST_REFUSAL {
            return Err(unavailable(error));
        }
        let pause = match after {
            Some(after) if after > Backoff::LONGEST_PAUSE => {
                log::warn!(
                    "the API asks for a pause of {} s; waiting {} s",
                    after.as_secs(),
                    Backoff::LONGEST_PAUSE.as_secs()
                );
                Backoff::LONGEST_PAUSE
            }
            Some(after) if after > Duration::ZERO => after,
            // The longer it has gone on, the longer the pause: about the fourth attempt's after a minute. "At once" is
            // no pause at all, and would be asked again without end.
            _ => {
                let attempt = 1 + (started.elapsed().as_secs() / 10) as u32;
                Duration::from_millis(250) + self.backoff.delay(attempt)
            }
        };
        log::info!(
            "the API says 429: this kind of call pauses for {:.1} s",
            pause.as_secs_f64()
        );
        if self.unlimited {
            self.pace.wait(pause).await;
        } else {
            // The kind of call pauses, not the whole key: `everything` stays open for the others.
            self.pace.pause(&windows[..1], pause);
        }
        Ok(())
    }

    fn windows(&self, method: &Method, target: &str) -> &'static [WindowIndex] {
        if self.unlimited {
            &[]
        } else if !target.starts_with("/user_management/") {
            &[EVERYTHING]
        } else if *method == Method::GET {
            &[READS, EVERYTHING]
        } else {
            &[WRITES, EVERYTHING]
        }
    }

    /// 401 is always about the key; 403 is as long as nothing was ever allowed.
    fn refusal(&self, error: ApiError) -> CallError {
        match error.status() {
            401 => CallError::Key(error),
            403 if !self.accepted.load(Ordering::Relaxed) => CallError::Key(error),
            _ => CallError::Refused(error),
        }
    }

    fn doubt(&self, from: Timestamp) -> Doubt {
        Doubt {
            from,
            until: self.server_now(),
        }
    }

    /// The time in which a write can have been applied by nobody who hears of it: an exchange ends by itself after
    /// its longest time, and no later than now.
    pub(super) fn doubt_since(&self, first: Timestamp, last: Timestamp) -> Doubt {
        let longest = SignedDuration::try_from(EXCHANGE_TIMEOUT).unwrap_or(SignedDuration::ZERO);
        let until = last
            .checked_add(longest)
            .unwrap_or(last)
            .min(self.clock.now());
        Doubt {
            from: self.by_server_clock(first),
            until: self.by_server_clock(until),
        }
    }

    fn server_now(&self) -> Timestamp {
        self.by_server_clock(self.clock.now())
    }

    fn by_server_clock(&self, at: Timestamp) -> Timestamp {
        let offset = SignedDuration::from_millis(self.clock_offset().unwrap_or(0));
        at.checked_add(offset).unwrap_or(at)
    }

    /// The first `Date` tells how far the clocks are apart; it has whole seconds, so half of one is added.
    fn note_clock(&self, answer: &Answer) {
        if self.clock_offset().is_some() {
            return;
        }
        let Some(date) = answer
            .header("date")
            .and_then(|text| httpdate::parse_http_date(text).ok())
        else {
            return;
        };
        let Ok(date) = Timestamp::try_from(date) else {
            return;
        };
        let offset = date.as_millisecond() + 500 - self.clock.now().as_millisecond();
        self.clock_offset.store(offset, Ordering::Relaxed);
    }
}

fn undecodable(answer: &Answer) -> ApiError {
    let mut error = answers::error(answer);
    error.message = format!("HTTP {} with an answer that cannot be read", answer.status);
    error
}

fn unavailable(error: ApiError) -> CallError {
    let heard = error.details.http_status.is_some();
    CallError::Unavailable {
        message: error.message.clone(),
        api: heard.then_some(error),
    }
}

/// `Retry-After`: seconds, or an HTTP date by the server's clock.
fn retry_after(answer: &Answer, server_now: Timestamp) -> Option<Duration> {
    let text = answer.header("retry-after")?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return (seconds.is_finite() && seconds >= 0.0)
            .then(|| Duration::from_secs_f64(seconds.min(1e9)));
    }
    let date = Timestamp::try_from(httpdate::parse_http_date(text).ok()?).ok()?;
    // The server's own `Date` beside it is the best clock to compare with.
    let now = answer
        .header("date")
        .and_then(|date| httpdate::parse_http_date(date).ok())
        .and_then(|date| Timestamp::try_from(date).ok())
        .unwrap_or(server_now);
    Some(Duration::from_millis(
        u64::try_from(date.as_millisecond() - now.as_millisecond()).unwrap_or(0),
    ))
}
