//! WorkOS as a directory: which calls show a claim's state, and which make it true.

mod answers;
mod calls;
mod compare;
mod failures;
mod limits;
mod patience;
mod requests;
mod retry_after;
mod scrub;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    ApiError, Applied, Approach, Ask, BeforeSend, CallError, Change, Checked, Details, Directory,
    Doubt, Found, Page, Policy, Refusal, Settling, State, Write,
};
use crate::clock::Clock;
use crate::journal::outcome::Effect;
use crate::journal::{JournalError, Waits};
use crate::pace::{Backoff, Standing, WindowStanding};
use crate::row::Kind;
use crate::row::claim::{Claim, OrganizationReference, UserClaim};
use crate::wire::Transport;
use calls::{Caller, Heard};
pub use limits::Limits;
pub use patience::GIVE_UP_AFTER;

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
            caller: Caller::new(transport, pace, Backoff::new(seed), clock),
        }
    }

    /// How long the API may be without a success, 429s included, before a call fails with [`CallError::Away`]; default
    /// 30 minutes.
    #[must_use]
    pub fn giving_up_after(mut self, duration: Duration) -> Self {
        self.caller.give_up_after = duration;
        self
    }

    /// Says how many writes are to come: what fits the limit's free slots goes at once, more than that is spaced.
    pub fn expect(&self, writes: u64) {
        self.caller.pace.expect(limits::WRITES, writes);
    }

    /// Takes slots for writes that an earlier process sent so long ago, so that a restart sends no second burst.
    pub fn already_sent(&self, ages: &[Duration]) {
        self.caller.pace.already_sent(limits::OF_WRITES, ages);
    }

    /// Keeps other limits from now on, such as with another share for the application.
    pub fn set_limits(&self, limits: &Limits) {
        self.caller.pace.set_limits(&Limits::windows(Some(limits)));
    }

    /// Where the pace is: in flight, paused, away.
    pub fn standing(&self) -> Standing {
        self.caller.pace.standing()
    }

    /// Where each of the limits is.
    pub fn windows(&self) -> Vec<WindowStanding> {
        self.caller.pace.windows()
    }

    async fn observe_one(&self, ask: &Ask<'_>) -> Result<State, CallError> {
        match ask.claim {
            Claim::User(user) => self.observe_user(user).await,
            Claim::Organization(organization) => {
                let (call, target) = match &organization.reference {
                    OrganizationReference::Id(id) => {
                        ("get organization", requests::organization(id))
                    }
                    OrganizationReference::ExternalId(id) => (
                        "look up organization",
                        requests::organization_by_external_id(id),
                    ),
                };
                Ok(self.get(call, target).await?.map_or(State::Absent, |body| {
                    answers::organization(&body).map_or(State::Absent, State::Found)
                }))
            }
            Claim::Membership(_) => {
                let (Some(user), Some(organization)) =
                    (ask.base(Kind::User), ask.base(Kind::Organization))
                else {
                    return Ok(State::Absent);
                };
                let body = self
                    .get(
                        "find membership",
                        requests::memberships_of(&user.id, &organization.id),
                    )
                    .await?;
                let found = body
                    .map(|body| answers::list(&body, answers::membership))
                    .unwrap_or_default();
                // A directory that ignored the filters must not make us take somebody else's membership.
                let mine = found
                    .items
                    .into_iter()
                    .find(|(user_id, organization_id, _)| {
                        user_id.as_ref().is_none_or(|id| *id == user.id)
                            && organization_id
                                .as_ref()
                                .is_none_or(|id| *id == organization.id)
                    });
                Ok(mine.map_or(State::Absent, |(_, _, found)| State::Found(found)))
            }
        }
    }

    /// By email, then, where the row has one that this user does not have, by external id.
    async fn observe_user(&self, claim: &UserClaim) -> Result<State, CallError> {
        let body = self
            .get("find user", requests::users_by_email(&claim.email))
            .await?;
        let listed = body
            .map(|body| answers::list(&body, answers::user))
            .unwrap_or_default();
        let by_email = listed.items.into_iter().find(|found| match &found.details {
            Details::User(user) => user.email.eq_ignore_ascii_case(&claim.email),
            _ => false,
        });
        let Some(external_id) = &claim.external_id else {
            return Ok(by_email.map_or(State::Absent, State::Found));
        };
        if let Some(found) = &by_email
            && matches!(&found.details, Details::User(user) if user.external_id.as_deref() == Some(external_id))
        {
            return Ok(State::Found(found.clone()));
        }
        let by_external_id = self
            .get(
                "find user by external id",
                requests::user_by_external_id(external_id),
            )
            .await?
            .and_then(|body| answers::user(&body));
        Ok(match (by_email, by_external_id) {
            (Some(one), Some(other)) if one.id != other.id => State::Conflict {
                by_email: one.id,
                by_external_id: other.id,
            },
            (Some(found), _) | (None, Some(found)) => State::Found(found),
            (None, None) => State::Absent,
        })
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
        })
    }
}

#[async_trait]
impl Directory for WorkOs {
    async fn check(&self) -> Result<Checked, CallError> {
        self.caller
            .read("check key", requests::users_page(None, 1))
            .await?;
        Ok(Checked {
            clock_offset: self.caller.clock_offset(),
        })
    }

    fn approach(&self, ask: &Ask<'_>) -> Approach {
        match ask.claim {
            Claim::User(_) => Approach::WriteFirst,
            Claim::Organization(organization) => match &organization.reference {
                OrganizationReference::Id(id) => Approach::Trust(id.clone()),
                OrganizationReference::ExternalId(_) => Approach::LookFirst,
            },
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

    async fn observe(&self, asks: &[Ask<'_>]) -> Vec<Result<State, CallError>> {
        let mut states = Vec::with_capacity(asks.len());
        for ask in asks {
            states.push(self.observe_one(ask).await);
        }
        states
    }

    fn diff(&self, ask: &Ask<'_>, state: &State, policy: &Policy) -> Change {
        compare::diff(ask, state, policy)
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

    async fn list(&self, kind: Kind, cursor: Option<&str>) -> Result<Page, CallError> {
        let (target, read): (String, fn(&serde_json::Value) -> Option<Found>) = match kind {
            Kind::User => (requests::users_page(cursor, 100), answers::user),
            Kind::Organization => (
                requests::organizations_page(cursor, 100),
                answers::organization,
            ),
            Kind::Membership => {
                return Err(CallError::Refused(ApiError {
                    message: "Memberships are listed by user or by organization.".into(),
                    ..ApiError::default()
                }));
            }
        };
        let listed = answers::list(&self.caller.read("list", target).await?, read);
        Ok(Page {
            items: listed.items,
            next: listed.after,
        })
    }

    fn batch_limit(&self, _kind: Kind) -> usize {
        1
    }

    /// Everything that is written so far has a natural key by which it can be found again.
    fn settling(&self, _write: &Write) -> Settling {
        Settling::ReadBack
    }

    fn doubt_since(&self, first: Timestamp, last: Timestamp) -> Doubt {
        self.caller.doubt_since(first, last)
    }

    fn is_outcome_of(&self, ask: &Ask<'_>, found: &Found, doubt: Doubt) -> bool {
        compare::is_outcome_of(ask, found, doubt)
    }

    async fn has_dependents(&self, kind: Kind, id: &str) -> Result<bool, CallError> {
        if kind != Kind::User {
            return Ok(true);
        }
        let body = self
            .get("list memberships", requests::memberships_of_user(id))
            .await?;
        let listed = body
            .map(|body| answers::list(&body, answers::membership))
            .unwrap_or_default();
        Ok(listed
            .items
            .iter()
            .any(|(user_id, _, _)| user_id.as_deref().is_none_or(|user_id| user_id == id)))
    }

    fn deletion(&self, kind: Kind, id: &str) -> Option<Write> {
        (kind == Kind::User).then(|| compare::delete_user(id))
    }

    fn refusal(&self, kind: Kind, error: &CallError) -> Refusal {
        failures::refusal(kind, error)
    }

    fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.caller.calls()
    }
    fn waits(&self) -> Waits {
        let standing = self.standing();
        Waits {
            turned_away: standing.turned_away,
            pauses: standing.pauses,
            paused_seconds: standing.paused.as_secs_f64(),
            away_seconds: standing.away.as_secs_f64(),
        }
    }
}
