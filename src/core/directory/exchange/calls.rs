//! Owns the exchange: permit, intent, send, and what an answer means. Retries what is safe to retry: reads, requests
//! that never left, and those that the server turned away with 429.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::patience::{GIVE_UP_AFTER, Tries};
use super::retry_after::retry_after;
use super::scrub::scrub;
use super::{Dialect, Letter};
use crate::clock::Clock;
use crate::directory::{ApiError, BeforeSend, CallError, Doubt, Write};
use crate::journal::JournalError;
use crate::journal::outcome::Effect;
use crate::pace::{Backoff, Call, Pace};
use crate::secret::Secret;
use crate::wire::{Answer, EXCHANGE_TIMEOUT, Request, SendError, Transport};

/// What was heard of a write.
pub(in crate::directory) enum Heard {
    Body(Value),
    Refused(ApiError),
    Doubt(Doubt, ApiError),
    Failed(CallError),
    /// It was not sent: it does not hold any more.
    Withdrawn,
}

/// What became of something that was to be delivered.
pub(in crate::directory) enum Delivered {
    /// A success, sent at this moment of the server's clock.
    Answer(Timestamp, Answer),
    Refused(ApiError),
    Doubt(Doubt, ApiError),
    Failed(CallError),
    /// It was not sent: it does not hold any more.
    Withdrawn,
}

impl Delivered {
    /// With what the API said put in other words.
    pub(in crate::directory) fn map_error(
        self,
        in_other_words: impl Fn(ApiError) -> ApiError,
    ) -> Self {
        match self {
            Self::Refused(error) => Self::Refused(in_other_words(error)),
            Self::Doubt(doubt, error) => Self::Doubt(doubt, in_other_words(error)),
            Self::Failed(error) => Self::Failed(match error {
                CallError::Refused(error) => CallError::Refused(in_other_words(error)),
                CallError::Key(error) => CallError::Key(in_other_words(error)),
                CallError::Unavailable { message, api } => {
                    let message = in_other_words(said(message)).message;
                    CallError::Unavailable {
                        message,
                        api: api.map(in_other_words),
                    }
                }
                CallError::Away(message) => CallError::Away(in_other_words(said(message)).message),
            }),
            Self::Answer(..) | Self::Withdrawn => self,
        }
    }
}

/// What one attempt brought.
enum Attempt {
    /// Sent at this moment of the server's clock.
    Success(Timestamp, Answer),
    /// The API's answer is no, and will be the next time.
    Refused(ApiError),
    /// What is asked for is at another address.
    Elsewhere(Option<String>, ApiError),
    /// Turned away; not applied.
    TooMany(ApiError),
    NeverSent(String),
    /// It was not to be sent any more when its turn came.
    Withdrawn,
    /// It may have been applied, since this moment of the server's clock.
    Lost(Timestamp, ApiError),
}

/// What one attempt to read brought.
pub(super) enum Read {
    Body(Value, HeaderMap),
    Elsewhere(Option<String>, ApiError),
    Refused(ApiError),
    TooMany(ApiError),
    Failed(ApiError),
}

pub(in crate::directory) struct Caller {
    pub(super) dialect: Dialect,
    transport: Arc<dyn Transport>,
    pub(in crate::directory) pace: Pace,
    pub(in crate::directory) give_up_after: Duration,
    /// How often a call is tried while the API is there for others.
    pub(in crate::directory) attempts: u32,
    pub(in crate::directory) backoff: Backoff,
    clock: Clock,
    /// Milliseconds that the server's clock is ahead of ours; `i64::MIN` until a `Date` was seen.
    clock_offset: AtomicI64,
    /// Whether the API ever accepted the key: a 403 before that is about the key.
    accepted: AtomicBool,
    calls: Mutex<BTreeMap<&'static str, u64>>,
}

impl Caller {
    pub(in crate::directory) fn new(
        dialect: Dialect,
        transport: Arc<dyn Transport>,
        pace: Pace,
        backoff: Backoff,
        clock: Clock,
    ) -> Self {
        Self {
            dialect,
            transport,
            pace,
            give_up_after: GIVE_UP_AFTER,
            attempts: Backoff::ATTEMPTS,
            backoff,
            clock,
            clock_offset: AtomicI64::new(i64::MIN),
            accepted: AtomicBool::new(false),
            calls: Mutex::new(BTreeMap::new()),
        }
    }

    pub(in crate::directory) fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(in crate::directory) fn clock_offset(&self) -> Option<i64> {
        Some(self.clock_offset.load(Ordering::Relaxed)).filter(|offset| *offset != i64::MIN)
    }

    /// Reads, as often as it takes: reading twice changes nothing.
    pub(in crate::directory) async fn read(
        &self,
        call: &'static str,
        target: String,
    ) -> Result<Value, CallError> {
        Ok(self.read_with_headers(call, target).await?.0)
    }

    /// The same, with the answer's headers.
    pub(in crate::directory) async fn read_with_headers(
        &self,
        call: &'static str,
        target: String,
    ) -> Result<(Value, HeaderMap), CallError> {
        let paced = (self.dialect.of_read)(&target);
        let mut tries = Tries::default();
        loop {
            let last = match self.read_once(call, paced, &target).await {
                Read::Body(body, headers) => return Ok((body, headers)),
                Read::Refused(error) | Read::Elsewhere(_, error) => {
                    return Err(self.refusal(error));
                }
                Read::TooMany(error) => match self.turned_away(paced, &mut tries, error) {
                    Some(error) => return Err(error),
                    None => continue,
                },
                Read::Failed(error) => error,
            };
            if let Some(error) = self.failed(paced, &mut tries, last).await {
                return Err(error);
            }
        }
    }

    /// Reads what may be at another address, such as a public one, that the answer names: there nobody is told the key.
    pub(in crate::directory) async fn read_public(
        &self,
        call: &'static str,
        target: String,
    ) -> Result<Value, CallError> {
        let paced = (self.dialect.of_read)(&target);
        match self.read_once(call, paced, &target).await {
            Read::Body(body, _) => Ok(body),
            Read::Elsewhere(Some(place), error) => {
                let unreadable = || {
                    CallError::Refused(ApiError {
                        message: format!(
                            "The API has this at {place}, which cannot be read from here"
                        ),
                        ..error.clone()
                    })
                };
                let answer = self.transport.read_elsewhere(&place).await;
                let answer = answer.map_err(|_| unreadable())?;
                match answer.status {
                    200..=299 => serde_json::from_slice(&answer.body).map_err(|_| unreadable()),
                    404 => Err(CallError::Refused((self.dialect.error)(&answer))),
                    _ => Err(unreadable()),
                }
            }
            // Again, and as often as it takes.
            _ => self.read(call, target).await,
        }
    }

    pub(super) async fn read_once(&self, call: &'static str, paced: Call, target: &str) -> Read {
        let letter = Letter {
            call,
            paced,
            method: Method::GET,
            target,
            secrets: &[],
            timeout: EXCHANGE_TIMEOUT,
        };
        let attempt = match self.attempt(&letter, None, || None).await {
            Ok(attempt) => attempt,
            // Reads have no intent to commit.
            Err(error) => return Read::Failed(said(error.0)),
        };
        match attempt {
            Attempt::Success(_, answer) => match serde_json::from_slice(&answer.body) {
                Ok(body) => Read::Body(body, answer.headers),
                Err(_) => Read::Failed(self.scrubbed(self.undecodable(&answer), &[])),
            },
            Attempt::Refused(error) => Read::Refused(error),
            Attempt::Elsewhere(place, error) => Read::Elsewhere(place, error),
            Attempt::TooMany(error) => Read::TooMany(error),
            Attempt::NeverSent(reason) => Read::Failed(said(reason)),
            // Of writes only.
            Attempt::Withdrawn => Read::Failed(said("not sent".into())),
            Attempt::Lost(_, error) => Read::Failed(error),
        }
    }

    /// Writes once, as far as can be told. An answer that is lost or useless is doubt, never a reason to send again.
    pub(in crate::directory) async fn write(
        &self,
        write: &Write,
        before_send: &dyn BeforeSend,
    ) -> Result<Heard, JournalError> {
        self.write_and_read(write, before_send, self.dialect.object)
            .await
    }

    /// The same, with the answer's object as `read` takes it out of the body.
    pub(in crate::directory) async fn write_and_read(
        &self,
        write: &Write,
        before_send: &dyn BeforeSend,
        read: fn(&[u8]) -> Option<Value>,
    ) -> Result<Heard, JournalError> {
        let letter = Letter {
            call: write.call,
            paced: (self.dialect.of_write)(write),
            method: write.method.clone(),
            target: &write.target,
            secrets: &write.secrets,
            timeout: EXCHANGE_TIMEOUT,
        };
        let delivered = self.deliver(&letter, before_send, || write.body.clone());
        let (from, answer) = match delivered.await? {
            Delivered::Answer(from, answer) => (from, answer),
            Delivered::Refused(error) => return Ok(Heard::Refused(error)),
            Delivered::Doubt(doubt, error) => return Ok(Heard::Doubt(doubt, error)),
            Delivered::Failed(error) => return Ok(Heard::Failed(error)),
            Delivered::Withdrawn => return Ok(Heard::Withdrawn),
        };
        let body = read(&answer.body);
        let has_id = body.as_ref().is_some_and(self.dialect.has_id);
        Ok(match body {
            Some(body) if has_id || write.effect == Effect::Deleted => Heard::Body(body),
            _ if write.effect == Effect::Deleted => Heard::Body(Value::Null),
            _ => {
                let error = self.scrubbed(self.undecodable(&answer), &write.secrets);
                Heard::Doubt(self.doubt(from), error)
            }
        })
    }

    /// Delivers something that changes the directory: again as long as it certainly was not applied, and once more is worth
    /// it. `body` is asked each time, when the intent is on disk.
    pub(in crate::directory) async fn deliver(
        &self,
        letter: &Letter<'_>,
        before_send: &dyn BeforeSend,
        body: impl Fn() -> Option<Bytes> + Send + Sync,
    ) -> Result<Delivered, JournalError> {
        let mut tries = Tries::default();
        loop {
            // Each time: a pause that the server asks for can be long, and the time of the intent tells when a write
            // that nobody heard of can have been applied.
            let attempt = self.attempt(letter, Some(before_send), &body).await?;
            match attempt {
                Attempt::Success(from, answer) => return Ok(Delivered::Answer(from, answer)),
                Attempt::Refused(error) | Attempt::Elsewhere(_, error) => {
                    return Ok(match self.refusal(error) {
                        CallError::Refused(error) => Delivered::Refused(error),
                        other => Delivered::Failed(other),
                    });
                }
                // No pause of a run is long enough for it.
                Attempt::TooMany(error) if self.dialect.is_used_up(&error) => {
                    return Ok(Delivered::Refused(error));
                }
                Attempt::TooMany(error) => {
                    if let Some(error) = self.turned_away(letter.paced, &mut tries, error) {
                        return Ok(Delivered::Failed(error));
                    }
                }
                Attempt::NeverSent(reason) => {
                    let failed = self.failed(letter.paced, &mut tries, said(reason));
                    if let Some(error) = failed.await {
                        return Ok(Delivered::Failed(error));
                    }
                }
                Attempt::Withdrawn => return Ok(Delivered::Withdrawn),
                // The step looks what became of it, and that look waits for the API.
                Attempt::Lost(from, error) => {
                    return Ok(match self.given_up(letter.paced, &error) {
                        Some(away) => Delivered::Failed(away),
                        None => Delivered::Doubt(self.doubt(from), error),
                    });
                }
            }
        }
    }

    /// One exchange: a permit first, then the intent on disk, then the bytes. `body` is asked when the intent is on disk.
    async fn attempt(
        &self,
        letter: &Letter<'_>,
        intent: Option<&dyn BeforeSend>,
        body: impl FnOnce() -> Option<Bytes> + Send,
    ) -> Result<Attempt, JournalError> {
        let (call, paced) = (letter.call, letter.paced);
        let permit = self.pace.permit(paced).await;
        if let Some(intent) = intent {
            if !intent.still_holds() {
                return Ok(Attempt::Withdrawn);
            }
            intent.commit().await?;
        }
        let request = Request {
            method: letter.method.clone(),
            target: letter.target.to_owned(),
            body: body(),
            timeout: letter.timeout,
        };
        // Not before: what others made while this call waited for its turn is not ours.
        let from = self.server_now();
        *self
            .calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(call)
            .or_insert(0) += 1;
        let answer = match self.transport.send(request).await {
            Ok(answer) => answer,
            Err(SendError::NeverSent(reason)) => {
                permit.failed();
                log::debug!("{call}: not sent: {reason}");
                return Ok(Attempt::NeverSent(reason));
            }
            Err(SendError::AnswerLost(reason)) => {
                permit.failed();
                log::debug!("{call}: answer lost: {reason}");
                return Ok(Attempt::Lost(from, said(reason)));
            }
        };
        self.note_clock(&answer);
        log::debug!("{call}: {}", answer.status);
        match answer.status {
            429 if self.dialect.is_used_up(&(self.dialect.error)(&answer)) => permit.answered(),
            429 => permit.turned_away(self.pause_for(paced, &answer)),
            408 | 500..=599 => permit.failed(),
            // A portal or a proxy that answers in place of the API.
            200..=299 if is_a_page(&answer) => permit.failed(),
            _ => permit.answered(),
        }
        if (200..=299).contains(&answer.status) {
            self.accepted.store(true, Ordering::Relaxed);
            return Ok(Attempt::Success(from, answer));
        }
        let mut error = self.scrubbed((self.dialect.error)(&answer), letter.secrets);
        if answer.status == 429 && self.dialect.is_used_up(&error) {
            let now = self.server_now();
            let after =
                retry_after(&answer, now).and_then(|after| SignedDuration::try_from(after).ok());
            let again = after.and_then(|after| now.checked_add(after).ok());
            error.message = match again {
                Some(at) => format!("The daily quota of mails is used up until {at:.0}."),
                None => "The daily quota of mails is used up: go on tomorrow.".into(),
            };
        }
        Ok(match answer.status {
            429 => Attempt::TooMany(error),
            408 | 500..=599 => Attempt::Lost(from, error),
            300..=399 => {
                error.message =
                    "The API answers with a redirect, which is not followed: check the base URL."
                        .into();
                Attempt::Elsewhere(answer.header("location").map(str::to_owned), error)
            }
            _ => Attempt::Refused(error),
        })
    }

    pub(in crate::directory) fn undecodable(&self, answer: &Answer) -> ApiError {
        let mut error = (self.dialect.error)(answer);
        error.message = format!("HTTP {} with an answer that cannot be read", answer.status);
        error
    }

    /// Without the secrets of the row and of the connection.
    pub(in crate::directory) fn scrubbed(
        &self,
        mut error: ApiError,
        secrets: &[Secret],
    ) -> ApiError {
        scrub(&mut error, secrets);
        scrub(&mut error, self.transport.secrets());
        error
    }

    /// 401 is always about the key; 403 is as long as nothing was ever allowed.
    pub(in crate::directory) fn refusal(&self, error: ApiError) -> CallError {
        match error.status() {
            401 => CallError::Key(error),
            403 if !self.accepted.load(Ordering::Relaxed) => CallError::Key(error),
            _ => CallError::Refused(error),
        }
    }

    /// The longest that an exchange may take.
    pub(in crate::directory) fn longest_exchange(&self) -> Duration {
        self.dialect.longest_exchange
    }

    pub(in crate::directory) fn doubt(&self, from: Timestamp) -> Doubt {
        Doubt {
            from,
            until: self.server_now(),
        }
    }

    /// The time in which a write can have been applied by nobody who hears of it: an exchange ends by itself after
    /// its longest time, and no later than now.
    pub(in crate::directory) fn doubt_since(&self, first: Timestamp, last: Timestamp) -> Doubt {
        let longest =
            SignedDuration::try_from(self.dialect.longest_exchange).unwrap_or(SignedDuration::ZERO);
        let until = last
            .checked_add(longest)
            .unwrap_or(last)
            .min(self.clock.now());
        Doubt {
            from: self.by_server_clock(first),
            until: self.by_server_clock(until),
        }
    }

    pub(super) fn server_now(&self) -> Timestamp {
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

/// An error that has nothing but a text.
fn said(message: String) -> ApiError {
    ApiError {
        message,
        ..ApiError::default()
    }
}

/// The API answers in JSON.
fn is_a_page(answer: &Answer) -> bool {
    answer.body.trim_ascii_start().starts_with(b"<")
}
