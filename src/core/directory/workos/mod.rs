//! WorkOS as a directory: which calls show a claim's state, and which make it true.

mod answers;
mod compare;
mod failures;
mod forecast;
mod limits;
mod lookup;
mod organizations;
mod others;
mod requests;
mod whole;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

pub(crate) use super::address::{query, segment};
use super::exchange::{Caller, Dialect, Heard};
use super::{
    Applied, Approach, Ask, BeforeSend, CallError, Change, Checked, Directory, Doubt, End,
    Expected, Found, Listed, Listing, Name, Page, Policy, Refusal, Remote, Settling, State, Write,
};
use crate::clock::Clock;
use crate::journal::outcome::Effect;
use crate::journal::{JournalError, Waits};
use crate::pace::{Backoff, Limit, Pace};
use crate::row::Kind;
use crate::row::claim::{Claim, ExistingUser, OrganizationReference};
use crate::wire::{EXCHANGE_TIMEOUT, Transport};
pub(crate) use answers::domains;
pub use limits::Limits;
pub(crate) use requests::domain_data;
pub(crate) use whole::{Call, Written};

/// How WorkOS' calls are paced and its answers are read.
const DIALECT: Dialect = Dialect {
    error: answers::error,
    object: answers::object,
    has_id: answers::has_id,
    of_read: limits::of_read,
    of_write: limits::of_write,
    probe: requests::one_user,
    longest_exchange: EXCHANGE_TIMEOUT,
    used_up: Some(failures::DAILY_QUOTA),
};

/// A WorkOS environment behind a transport.
pub struct WorkOs {
    caller: Caller,
}

impl WorkOs {
    /// `limits: None` sends as fast as the other side answers (a rehearsal without limits); `concurrency` caps the
    /// requests in flight; `seed` seeds the jitter of retries.
    pub fn new(
        transport: Arc<dyn Transport>,
        limits: Option<&Limits>,
        concurrency: Option<usize>,
        clock: Clock,
        seed: u64,
    ) -> Self {
        let pace = Limits::pace(limits, concurrency);
        Self {
            caller: Caller::new(DIALECT, transport, pace, Backoff::new(seed), clock),
        }
    }

    /// How long the API may be without a success, 429s included, before a call fails with [`CallError::Away`]; default
    /// 30 minutes.
    #[must_use]
    pub fn giving_up_after(mut self, duration: Duration) -> Self {
        self.caller.give_up_after = duration;
        self
    }

    /// How often a call is tried before it fails; default [`Backoff::ATTEMPTS`].
    #[must_use]
    pub fn attempting(mut self, times: u32) -> Self {
        self.caller.attempts = times;
        self
    }

    /// A read; `None` for 404.
    async fn get(
        &self,
        call: &'static str,
        target: String,
    ) -> Result<Option<serde_json::Value>, CallError> {
        match self.caller.read(call, target).await {
            Ok(body) => Ok(Some(body)),
            Err(CallError::Refused(error)) if error.status() == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn apply_one(
        &self,
        write: &Write,
        before_send: &dyn BeforeSend,
    ) -> Result<Applied, JournalError> {
        let heard = self.caller.write(write, before_send).await?;
        Ok(match heard {
            Heard::Body(body) => {
                let found = match write.kind {
                    Kind::User => answers::user(&body),
                    Kind::Organization => answers::organization(&body),
                    Kind::Membership => answers::membership(&body)
                        .map(|(_, _, found)| compare::with_roles_sent(found, write)),
                    Kind::Role => answers::role_details(&body),
                    kind => answers::other(&body, kind),
                };
                match found {
                    Some(found) => Applied::Done(found),
                    None if write.effect == Effect::Deleted => Applied::Done(compare::nothing()),
                    // Unreachable through `Caller::write`, which settles what has no id as doubt.
                    None => Applied::Failed(CallError::Unavailable {
                        message: "the answer has no id".into(),
                        api: None,
                    }),
                }
            }
            Heard::Refused(error) => {
                let then = failures::after_refusal(write, &error);
                Applied::Refused { error, then }
            }
            Heard::Doubt(doubt, error) => Applied::InDoubt { doubt, error },
            Heard::Failed(error) => Applied::Failed(error),
            Heard::Withdrawn => Applied::Withdrawn,
        })
    }
}

impl Remote for WorkOs {
    fn pace(&self) -> &Pace {
        &self.caller.pace
    }

    fn about_key(&self) -> &'static str {
        "Copy the key again from the dashboard. Test and live environments have different ones."
    }

    fn expect(&self, writes: u64) {
        self.caller.pace.expect(limits::WRITES, writes);
    }

    fn already_sent(&self, ages: &[Duration]) {
        self.caller.pace.already_sent(limits::OF_WRITES, ages);
    }

    fn keep(&self, rate_limit: Option<Limit>, headroom: f64) {
        let limits = Limits::kept(rate_limit, headroom);
        self.caller.pace.set_limits(&Limits::windows(Some(&limits)));
    }
}

#[async_trait]
impl Directory for WorkOs {
    async fn check(&self) -> Result<Checked, CallError> {
        self.caller.read("check key", requests::one_user()).await?;
        Ok(Checked {
            clock_offset: self.caller.clock_offset(),
        })
    }

    fn approach(&self, ask: &Ask<'_>) -> Approach {
        match ask.claim {
            Claim::User(_) => Approach::WriteFirst,
            // What is claimed of it has to be compared with what it is like.
            Claim::Organization(organization) if organization.fields.is_some() => {
                Approach::LookFirst
            }
            Claim::Organization(organization) => match &organization.reference {
                OrganizationReference::Id(id) => Approach::Trust(id.clone()),
                OrganizationReference::ExternalId(_) => Approach::LookFirst,
            },
            Claim::ExistingUser(ExistingUser::Id(id)) => Approach::Trust(id.clone()),
            Claim::ExistingUser(_) => Approach::LookFirst,
            Claim::Permission(_)
            | Claim::Role(_)
            | Claim::Invitation(_)
            | Claim::PasswordReset(_)
            | Claim::TotpFactor(_) => Approach::LookFirst,
            // A user who was there is looked at first: an inactive membership must not be made active by a write.
            Claim::Membership(_) => {
                let fresh = ask.base(Kind::User).is_some_and(|user| user.ours);
                if fresh {
                    Approach::WriteFirst
                } else {
                    Approach::LookFirst
                }
            }
        }
    }

    fn names_asked(&self, ask: &Ask<'_>) -> Vec<Name> {
        lookup::names_asked(ask)
    }

    fn state(&self, ask: &Ask<'_>, found: &[Option<Found>]) -> Option<State> {
        lookup::state(ask, found)
    }

    async fn look_up(&self, name: &Name) -> Result<Option<Found>, CallError> {
        let (call, target) = lookup::request(name);
        let body = self.get(call, target).await?;
        Ok(body.and_then(|body| lookup::found(name, &body)))
    }

    fn diff(&self, ask: &Ask<'_>, state: &State, policy: &Policy) -> Change {
        compare::diff(ask, state, policy)
    }

    fn falls_short(&self, ask: &Ask<'_>, found: &Found) -> Option<Refusal> {
        compare::not_cleared(ask, found)
    }

    fn remark(&self, ask: &Ask<'_>, found: &Found) -> Option<String> {
        others::remark(ask, found)
    }

    async fn roles(&self, organization: Option<&str>) -> Result<Vec<String>, CallError> {
        let (call, target) = match organization {
            None => ("list roles", requests::roles()),
            Some(id) => ("list organization roles", requests::organization_roles(id)),
        };
        // There are few: these lists have no pages.
        let body = self.caller.read(call, target).await?;
        Ok(answers::list(&body, answers::role).items)
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
        from: End,
        cursor: Option<&str>,
    ) -> Result<Page, CallError> {
        let target = requests::list_page(listing, from, cursor);
        let (call, read): (_, fn(&serde_json::Value) -> Option<Listed>) = match listing {
            Listing::Users => ("list users", |body| {
                answers::user(body).map(lookup::with_names)
            }),
            Listing::Organizations => ("list organizations", |body| {
                answers::organization(body).map(lookup::with_names)
            }),
            Listing::MembershipsOf(_) | Listing::MembershipsOfUser(_) => {
                ("list memberships", lookup::listed_membership)
            }
        };
        let listed = answers::list(&self.caller.read(call, target).await?, read);
        Ok(Page {
            items: listed.items,
            next: listed.after,
        })
    }

    fn after(&self, write: &Write, before: Option<&Found>, id: &str) -> Listed {
        lookup::after(write, before, id)
    }

    fn batch_limit(&self, _kind: Kind) -> usize {
        1
    }

    /// A mail to set a password cannot be seen afterwards; everything else has a natural key by which it is found again.
    fn settling(&self, claim: &Claim) -> Settling {
        match claim {
            Claim::PasswordReset(_) => Settling::NeverResend,
            _ => Settling::ReadBack,
        }
    }

    fn longest_exchange(&self) -> Duration {
        self.caller.longest_exchange()
    }

    fn doubt_since(&self, first: Timestamp, last: Timestamp) -> Doubt {
        self.caller.doubt_since(first, last)
    }

    fn is_outcome_of(&self, ask: &Ask<'_>, found: &Found, doubt: Doubt) -> bool {
        compare::is_outcome_of(ask, found, doubt)
    }

    async fn has_dependents(&self, kind: Kind, id: &str) -> Result<bool, CallError> {
        if !matches!(kind, Kind::User | Kind::Organization) {
            return Ok(false);
        }
        let body = self
            .get("list memberships", requests::memberships_with(kind, id))
            .await?;
        let listed = body
            .map(|body| answers::list(&body, answers::membership))
            .unwrap_or_default();
        Ok(listed.items.iter().any(|(user_id, organization_id, _)| {
            let base = match kind {
                Kind::Organization => organization_id,
                _ => user_id,
            };
            base.as_deref().is_none_or(|base| base == id)
        }))
    }

    fn deletion(&self, kind: Kind, id: &str) -> Option<Write> {
        compare::delete(kind, id)
    }

    fn refusal(&self, kind: Kind, error: &CallError) -> Refusal {
        failures::refusal(kind, error)
    }

    fn calls_for(&self, expected: &Expected<'_>) -> BTreeMap<String, u64> {
        forecast::calls(expected)
    }

    fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.caller.calls()
    }
    fn waits(&self) -> Waits {
        let standing = self.caller.pace.standing();
        Waits {
            turned_away: standing.turned_away,
            pauses: standing.pauses,
            paused_seconds: standing.paused.as_secs_f64(),
            away_seconds: standing.away.as_secs_f64(),
        }
    }
}
