//! Ory Kratos as a directory: which calls of its admin API show a claim's state, and which make it true. Its users are
//! identities; it has no organizations, memberships or roles of its own.

mod answers;
mod batches;
mod compare;
mod desk;
mod failures;
mod limits;
mod names;
mod requests;
mod round;
mod sizes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method};
use jiff::Timestamp;
use serde_json::Value;

use super::exchange::{Caller, Delivered, Dialect, Heard, Letter};
use super::lookups;
use super::{
    ApiError, Applied, Approach, Ask, BeforeSend, CallError, Change, Checked, Directory, Doubt,
    End, Expected, Found, Listed, Listing, Name, Page, Patience, Policy, Recovery, RecoveryMethod,
    Refusal, Remote, Settling, State, Write,
};
use crate::clock::Clock;
use crate::journal::outcome::Effect;
use crate::journal::{JournalError, Waits};
use crate::pace::{Backoff, Limit, Pace};
use crate::row::Kind;
use crate::row::claim::Claim;
use crate::wire::{EXCHANGE_TIMEOUT, Transport};
use batches::Office;
pub use limits::BATCH_TIMEOUT;
pub use sizes::LARGEST;

/// Batches in flight, where the caller does not say: the server's database and its hasher are the limit.
const BATCHES_AT_ONCE: usize = 4;

/// Other calls in flight.
const CALLS_AT_ONCE: usize = 16;

/// How Kratos' calls are paced and its answers are read.
const DIALECT: Dialect = Dialect {
    error: answers::error,
    object: answers::object,
    has_id: answers::has_id,
    of_read: limits::of_read,
    of_write: limits::of_write,
    probe: requests::one_identity,
    longest_exchange: limits::BATCH_TIMEOUT,
    used_up: None,
};

/// How a Kratos is written to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// Batches in flight; default 4.
    pub concurrency: Option<usize>,
    /// How many identities one call has at most; default and most is what the server takes: 1,000, or 200 whose password it
    /// has to hash.
    pub batch_size: Option<usize>,
    /// A limit of calls that write; default is none.
    pub rate_limit: Option<Limit>,
    pub patience: Patience,
}

/// A Kratos behind a transport.
pub struct Kratos {
    office: Arc<Office>,
    batch_size: usize,
    /// Its lists do not show what identities sign in with.
    hides_identifiers: AtomicBool,
}

impl Kratos {
    /// `seed` seeds the jitter of retries.
    pub fn new(transport: Arc<dyn Transport>, settings: Settings, clock: Clock, seed: u64) -> Self {
        let Settings {
            concurrency,
            batch_size,
            rate_limit,
            patience,
        } = settings;
        let at_once = concurrency.unwrap_or(BATCHES_AT_ONCE).max(1);
        let windows = limits::windows(rate_limit);
        let pace = Pace::new(&windows, None, Some(at_once.max(CALLS_AT_ONCE)));
        let mut caller = Caller::new(DIALECT, transport, pace, Backoff::new(seed), clock);
        caller.attempts = patience.attempts;
        caller.give_up_after = patience.give_up_after;
        Self {
            office: Arc::new(Office::new(caller, at_once, batch_size)),
            batch_size: batch_size.unwrap_or(LARGEST).clamp(1, LARGEST),
            hides_identifiers: AtomicBool::new(false),
        }
    }

    fn caller(&self) -> &Caller {
        &self.office.caller
    }

    /// A read; `None` for 404.
    async fn get(&self, call: &'static str, target: String) -> Result<Option<Value>, CallError> {
        match self.caller().read(call, target).await {
            Ok(body) => Ok(Some(body)),
            Err(CallError::Refused(error)) if error.status() == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A page of all identities, with what they sign in with where the server shows that.
    async fn page(&self, cursor: Option<&str>) -> Result<(Value, HeaderMap), CallError> {
        const CALL: &str = "list identities";
        if !self.hides_identifiers.load(Ordering::Relaxed) {
            let target = requests::page(cursor, true);
            match self.caller().read_with_headers(CALL, target).await {
                // An older server.
                Err(CallError::Refused(error)) if error.status() == 400 => {
                    self.hides_identifiers.store(true, Ordering::Relaxed);
                }
                read => return read,
            }
        }
        let target = requests::page(cursor, false);
        self.caller().read_with_headers(CALL, target).await
    }

    async fn apply_one(
        &self,
        write: &Write,
        before_send: &dyn BeforeSend,
    ) -> Result<Applied, JournalError> {
        if write.effect == Effect::Created && !self.office.lacks_batches() {
            return self.office.create(write, before_send).await;
        }
        let heard = self.caller().write(write, before_send).await?;
        Ok(applied(write, heard))
    }
}

/// What was heard of a write of one identity.
fn applied(write: &Write, heard: Heard) -> Applied {
    match heard {
        Heard::Body(body) => match answers::identity(&body) {
            Some(found) => Applied::Done(found),
            None if write.effect == Effect::Deleted => Applied::Done(compare::nothing()),
            // Unreachable through `Caller::write`, which settles what has no id as doubt.
            None => Applied::Failed(CallError::Unavailable {
                message: "the answer has no id".into(),
                api: None,
            }),
        },
        Heard::Refused(error) => {
            let then = failures::after_refusal(write, &error);
            Applied::Refused { error, then }
        }
        Heard::Doubt(doubt, error) => Applied::InDoubt { doubt, error },
        Heard::Failed(error) => Applied::Failed(error),
        Heard::Withdrawn => Applied::Withdrawn,
    }
}

/// Nothing to commit: what a lost answer has made is never seen by anybody.
struct NoIntent;

#[async_trait]
impl BeforeSend for NoIntent {
    async fn commit(&self) -> Result<(), JournalError> {
        Ok(())
    }
}

#[async_trait]
impl Directory for Kratos {
    async fn check(&self) -> Result<Checked, CallError> {
        self.caller()
            .read("check access", requests::one_identity())
            .await
            .map_err(failures::with_place_of_token)?;
        Ok(Checked {
            clock_offset: self.caller().clock_offset(),
        })
    }

    async fn user_schema(&self, schema_id: &str) -> Result<Option<Value>, CallError> {
        // Servers send those who ask at the admin port to the public one.
        let read = self
            .caller()
            .read_public("get schema", requests::schema(schema_id))
            .await;
        match read {
            Ok(schema) => Ok(Some(schema)),
            Err(CallError::Refused(error)) => Err(CallError::Refused(ApiError {
                message: match error.status() {
                    404 => format!(
                        "This server has no identity schema `{schema_id}`. --schema-id names another one"
                    ),
                    _ => format!(
                        "{}. --identity-schema FILE gives the schema instead",
                        error.message.trim_end_matches('.')
                    ),
                },
                ..error
            })),
            Err(error) => Err(failures::with_place_of_token(error)),
        }
    }

    async fn recover(
        &self,
        user_id: &str,
        method: RecoveryMethod,
        expires_in: Duration,
    ) -> Result<Recovery, CallError> {
        let (call, target) = match method {
            RecoveryMethod::Link => ("create recovery link", "/admin/recovery/link"),
            RecoveryMethod::Code => ("create recovery code", "/admin/recovery/code"),
        };
        let letter = Letter {
            call,
            paced: crate::pace::Call::in_windows(limits::OF_WRITES),
            method: Method::POST,
            target,
            secrets: &[],
            timeout: EXCHANGE_TIMEOUT,
        };
        let body: Bytes = requests::recovery(user_id, expires_in);
        let mut last = ApiError::default();
        for attempt in 1..=self.caller().attempts {
            let delivered = self
                .caller()
                .deliver(&letter, &NoIntent, || Some(body.clone()))
                .await;
            last = match delivered {
                Ok(Delivered::Answer(_, answer)) => {
                    let made = answers::object(&answer.body);
                    match made.as_ref().and_then(answers::recovery) {
                        Some(recovery) => return Ok(recovery),
                        None => self.caller().undecodable(&answer),
                    }
                }
                Ok(Delivered::Refused(error)) => return Err(CallError::Refused(error)),
                Ok(Delivered::Failed(error)) => return Err(error),
                Ok(Delivered::Doubt(_, error)) => error,
                Ok(Delivered::Withdrawn) => last,
                Err(error) => return Err(CallError::Away(error.to_string())),
            };
            self.caller()
                .pace
                .wait(self.caller().backoff.delay(attempt))
                .await;
        }
        Err(CallError::Unavailable {
            message: last.message.clone(),
            api: Some(last),
        })
    }

    fn approach(&self, ask: &Ask<'_>) -> Approach {
        match ask.claim {
            Claim::User(_) => Approach::WriteFirst,
            _ => Approach::LookFirst,
        }
    }

    /// By what they sign in with, then by external id.
    fn names_asked(&self, ask: &Ask<'_>) -> Vec<Name> {
        match ask.claim {
            Claim::User(user) => names::of(user),
            _ => Vec::new(),
        }
    }

    fn state(&self, ask: &Ask<'_>, found: &[Option<Found>]) -> Option<State> {
        match ask.claim {
            Claim::User(user) => {
                let identifiers = names::identifiers(user).count();
                lookups::state_by_names(identifiers, user.external_id.as_deref(), found)
            }
            _ => Some(State::Absent),
        }
    }

    async fn look_up(&self, name: &Name) -> Result<Option<Found>, CallError> {
        if name.kind != Kind::User {
            return Ok(None);
        }
        let value = name.value.as_str();
        let (call, target) = match name.by {
            names::IDENTIFIER => ("find identity", requests::by_identifier(value)),
            "external_id" => (
                "find identity by external id",
                requests::by_external_id(value),
            ),
            _ => ("get identity", requests::identity(value)),
        };
        let body = self.get(call, target).await?;
        let mut found = body.and_then(|body| match name.by {
            names::IDENTIFIER => answers::with_identifier(&body, value),
            _ => answers::identity(&body),
        });
        // Who looks by id wants to know all: the identity itself does not say whether anybody has signed in.
        if name.by == "id"
            && let Some(found) = &mut found
        {
            let sessions = self.get("list sessions", requests::sessions(value)).await?;
            found.used_at = sessions.as_ref().and_then(answers::last_sign_in);
        }
        Ok(found)
    }

    fn diff(&self, ask: &Ask<'_>, state: &State, policy: &Policy) -> Change {
        compare::diff(ask, state, policy)
    }

    fn has_organizations(&self) -> bool {
        false
    }

    async fn roles(&self, _organization: Option<&str>) -> Result<Vec<String>, CallError> {
        Ok(Vec::new())
    }

    async fn apply(
        &self,
        writes: &[Write],
        before_send: &dyn BeforeSend,
    ) -> Result<Vec<Applied>, JournalError> {
        let mut applied = Vec::with_capacity(writes.len());
        for write in writes {
            applied.push(self.apply_one(write, before_send).await?);
        }
        Ok(applied)
    }

    async fn list(
        &self,
        listing: &Listing,
        _from: End,
        cursor: Option<&str>,
    ) -> Result<Page, CallError> {
        if *listing != Listing::Users {
            return Ok(Page {
                items: Vec::new(),
                next: None,
            });
        }
        let (body, headers) = self.page(cursor).await?;
        let items = body.as_array().into_iter().flatten();
        Ok(Page {
            items: items.filter_map(answers::listed).collect(),
            next: answers::next_page(&headers),
        })
    }

    /// Pages go by the identities' ids.
    fn lists_from_both_ends(&self) -> bool {
        false
    }

    fn after(&self, write: &Write, before: Option<&Found>, id: &str) -> Listed {
        compare::after(write, before, id)
    }

    fn batch_limit(&self, kind: Kind) -> usize {
        match kind {
            Kind::User => self.batch_size,
            _ => 1,
        }
    }

    /// Who neither signs in with anything nor has an external id is found by nothing.
    fn settling(&self, claim: &Claim) -> Settling {
        match claim {
            Claim::User(user) if names::of(user).is_empty() => Settling::NeverResend,
            _ => Settling::ReadBack,
        }
    }

    fn longest_exchange(&self) -> Duration {
        self.caller().longest_exchange()
    }

    fn doubt_since(&self, first: Timestamp, last: Timestamp) -> Doubt {
        self.caller().doubt_since(first, last)
    }

    fn is_outcome_of(&self, ask: &Ask<'_>, found: &Found, doubt: Doubt) -> bool {
        compare::is_outcome_of(ask, found, doubt)
    }

    async fn has_dependents(&self, _kind: Kind, _id: &str) -> Result<bool, CallError> {
        Ok(false)
    }

    fn deletion(&self, kind: Kind, id: &str) -> Option<Write> {
        compare::delete(kind, id)
    }

    fn refusal(&self, _kind: Kind, error: &CallError) -> Refusal {
        failures::refusal(error)
    }

    /// Of batches the fewest: the server takes fewer of those whose password it hashes.
    fn calls_for(&self, expected: &Expected<'_>) -> BTreeMap<String, u64> {
        let written = expected.users.create + expected.refused();
        let mut calls = BTreeMap::new();
        let mut add = |call: &str, count: u64| *calls.entry(call.to_owned()).or_insert(0) += count;
        add("check access", 1);
        add(
            "create identities",
            written.div_ceil(self.batch_size as u64),
        );
        add("update identity", expected.users.update);
        add("get schema", expected.made("get schema"));
        match expected.lists_first {
            true => {
                for call in [
                    "list identities",
                    "find identity",
                    "find identity by external id",
                ] {
                    add(call, expected.made(call));
                }
            }
            false => add("find identity", expected.refused()),
        }
        calls
    }

    fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.caller().calls()
    }

    fn waits(&self) -> Waits {
        let standing = self.caller().pace.standing();
        Waits {
            turned_away: standing.turned_away,
            pauses: standing.pauses,
            paused_seconds: standing.paused.as_secs_f64(),
            away_seconds: standing.away.as_secs_f64(),
        }
    }
}

impl Remote for Kratos {
    fn pace(&self) -> &Pace {
        &self.caller().pace
    }

    fn about_key(&self) -> &'static str {
        "Set KRATOS_ADMIN_TOKEN to the token that the proxy in front of Kratos asks for."
    }

    /// Rows are not calls here: a limit of the caller's own is kept as calls come.
    fn expect(&self, _writes: u64) {}

    fn already_sent(&self, ages: &[Duration]) {
        self.caller().pace.already_sent(limits::OF_WRITES, ages);
    }

    fn keep(&self, rate_limit: Option<Limit>, _headroom: f64) {
        self.caller().pace.set_limits(&limits::windows(rate_limit));
    }
}
