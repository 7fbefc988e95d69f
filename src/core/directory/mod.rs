//! What a directory is to the engine, in slices: look (`observe`), compare (`diff`), write (`apply`), list. Ensure,
//! plan, verify and undo are compositions of these. Decides neither pace nor order nor a row's outcome.

mod address;
mod exchange;
mod expected;
pub mod kratos;
mod lookups;
pub mod names;
mod recovery;
mod remote;
pub mod workos;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::journal::Waits;
use crate::journal::outcome::{ApiDetails, Effect};
use crate::row::claim::{Claim, MembershipClaim, OrganizationReference};
use crate::row::{Domain, Kind};
use crate::secret::Secret;
pub use exchange::GIVE_UP_AFTER;
pub use expected::{Changes, Expected};
pub use names::{End, Listed, Listing, Name, Page};
pub use recovery::{Recovery, RecoveryMethod};
pub use remote::{Patience, Remote};

/// What to do with a user who is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnExisting {
    /// Leaves the user as is, and still ensures the membership.
    #[default]
    Skip,
    /// Writes what the row says and differs.
    Update,
    /// Fails the row.
    Fail,
}

/// The options that shape what is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    pub on_existing: OnExisting,
    /// Passwords of existing users are written too (with `Update` only).
    pub update_passwords: bool,
    /// Inactive memberships are made active again.
    pub reactivate: bool,
    /// Organizations that are missing are made where a name is known.
    pub create_organizations: bool,
}

/// An object that a claim builds on: a membership builds on its user and its organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    pub kind: Kind,
    pub id: String,
    /// This run created it.
    pub ours: bool,
}

/// A claim together with what it builds on.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub claim: &'a Claim,
    pub bases: &'a [Base],
}

impl<'a> Ask<'a> {
    /// The object of this kind that the claim builds on.
    pub fn base(&self, kind: Kind) -> Option<&'a Base> {
        self.bases.iter().find(|base| base.kind == kind)
    }
}

/// What the directory holds for a claim.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    Absent,
    Found(Found),
    /// The claim's natural keys belong to two different objects.
    Conflict {
        by_email: String,
        by_external_id: String,
    },
}

/// One object of the directory, as far as claims can be compared with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub id: String,
    pub created_at: Option<Timestamp>,
    /// When somebody last used it, such as by signing in; `None` if nobody has, or if the directory does not say.
    pub used_at: Option<Timestamp>,
    pub details: Details,
}

/// The comparable part of an object. What the memo needs to know again later is serialized from here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Details {
    User(UserDetails),
    Organization {
        name: Option<String>,
        external_id: Option<String>,
        #[serde(default)]
        domains: Vec<Domain>,
        #[serde(default)]
        metadata: BTreeMap<String, String>,
    },
    Membership {
        roles: Vec<String>,
        active: bool,
    },
    Role {
        name: Option<String>,
        permissions: Vec<String>,
    },
    /// One of which nothing is compared: that it is there is all that is claimed.
    Other(Kind),
}

impl Details {
    /// The kind of object that they are of.
    pub fn kind(&self) -> Kind {
        match self {
            Self::User(_) => Kind::User,
            Self::Organization { .. } => Kind::Organization,
            Self::Membership { .. } => Kind::Membership,
            Self::Role { .. } => Kind::Role,
            Self::Other(kind) => *kind,
        }
    }
}

/// The readable fields of a user. Passwords cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UserDetails {
    pub email: String,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub name: Option<String>,
    pub email_verified: Option<bool>,
    pub external_id: Option<String>,
    pub metadata: BTreeMap<String, String>,
    /// What else there is to read of a user whose fields a schema decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Box<IdentityDetails>>,
}

/// The readable fields of a user whose fields a schema decides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IdentityDetails {
    pub schema_id: String,
    pub traits: Map<String, Value>,
    /// The API's own word.
    pub state: Option<String>,
    pub metadata_public: Option<Map<String, Value>>,
    pub metadata_admin: Option<Map<String, Value>>,
    /// The address that the directory itself would write to. It follows from the traits, and is no part of what is compared.
    #[serde(skip)]
    pub recovery_address: Option<String>,
}

impl IdentityDetails {
    /// Whether any of its traits is this text, in whatever case.
    pub fn says(&self, text: &str) -> bool {
        self.traits.values().any(|value| is_said_in(value, text))
    }
}

fn is_said_in(value: &Value, text: &str) -> bool {
    match value {
        Value::String(said) => said.eq_ignore_ascii_case(text),
        Value::Object(parts) => parts.values().any(|part| is_said_in(part, text)),
        Value::Array(items) => items.iter().any(|item| is_said_in(item, text)),
        _ => false,
    }
}

/// How a claim is ensured when nothing is known about it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approach {
    /// Reading first is cheaper or safer.
    LookFirst,
    /// Most are new: write, and look only when the write is refused.
    WriteFirst,
    /// The claim names the id itself; it is not looked up.
    Trust(String),
}

/// What has to be done so that the directory matches a claim.
#[derive(Clone, Debug)]
pub enum Change {
    /// It matches, or differs and is to be left as it is.
    None {
        found: Found,
        differs: bool,
    },
    Write(Box<Write>),
    /// It is not there, and this claim does not say how to make it. Another row's claim for the same key may.
    Missing {
        refusal: Refusal,
        another_row_may_help: bool,
    },
    /// It cannot or must not be made to match.
    Refuse(Refusal),
}

/// One write, ready to be sent. Its `Debug` shows no body.
#[derive(Clone)]
pub struct Write {
    pub effect: Effect,
    pub kind: Kind,
    pub call: &'static str,
    pub method: Method,
    pub target: String,
    pub body: Option<Bytes>,
    /// The answer has to be compared with the claim again: this write did only a part.
    pub compare_again: bool,
    /// It was refused together with others before, and nothing of it was there: it may be what they were refused for.
    pub is_suspect: bool,
    /// What to do where the environment allows one role only.
    pub fallback: Option<Box<Fallback>>,
    /// JSON for the journal of what it changes: the names of a user's fields, or a membership's roles and state as they
    /// were. `None` for what makes a new object.
    pub before: Option<String>,
    /// Texts that must not come back in anything that is shown.
    pub secrets: Vec<Secret>,
}

/// What to do where a write asks for more than the environment allows.
#[derive(Clone, Debug)]
pub struct Fallback {
    /// A smaller write; `None`: what is there stays as it is.
    pub smaller: Option<Write>,
    /// What is then to be reported.
    pub shortfall: Refusal,
}

impl std::fmt::Debug for Write {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Write")
            .field("effect", &self.effect)
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}

/// Why a claim cannot be met, in the terms of a row's error.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub error_type: &'static str,
    pub code: &'static str,
    pub message: String,
    pub api: ApiDetails,
}

/// How one call failed for good.
#[derive(Clone, Debug, PartialEq)]
pub enum CallError {
    /// The API answered, and the answer is no.
    Refused(ApiError),
    /// No attempt brought an answer that can be used; `None` when nothing was ever heard.
    Unavailable {
        message: String,
        api: Option<ApiError>,
    },
    /// The key is not accepted: nothing will work.
    Key(ApiError),
    /// The API has been away for longer than is waited for: the run ends, and no row has failed.
    Away(String),
}

/// What the API said about a failure.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApiError {
    pub message: String,
    pub details: ApiDetails,
}

impl ApiError {
    /// Whether the answer's own code, or one in its `errors`, is `code`.
    pub fn has_code(&self, code: &str) -> bool {
        self.details.workos_code.as_deref() == Some(code)
            || self
                .details
                .workos_errors
                .iter()
                .any(|error| error.get("code").and_then(|value| value.as_str()) == Some(code))
    }

    pub fn status(&self) -> u16 {
        self.details.http_status.unwrap_or(0)
    }
}

/// What became of a write.
#[derive(Clone, Debug)]
pub enum Applied {
    Done(Found),
    /// It was not sent: when its turn came, what it was decided by did not hold any more.
    Withdrawn,
    Refused {
        error: ApiError,
        then: Then,
    },
    /// It may or may not have been applied between these two moments of the server's clock.
    InDoubt {
        doubt: Doubt,
        error: ApiError,
    },
    Failed(CallError),
}

/// What a refusal asks of the engine.
#[derive(Clone, Debug, PartialEq)]
pub enum Then {
    /// It may be there already: look. The refusal counts if it is not.
    Look(Refusal),
    /// It was refused together with others, of which some are there already: look, and send again what is not there.
    LookAgain(Refusal),
    /// Nothing can be done about it.
    Fail(Refusal),
    /// Too much was asked for at once: the write's fallback, if it has one.
    FallBack(Refusal),
    /// An object that the write builds on is gone.
    Gone(Kind, Refusal),
    /// Nothing of its like is taken for now, whatever the row: the run ends, and can go on later.
    End(String),
}

/// The time, by the server's clock, in which a write whose answer was lost can have been applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubt {
    pub from: Timestamp,
    pub until: Timestamp,
}

/// By how much a time may lie outside of the time in doubt: clocks are read in whole seconds.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(2);

impl Doubt {
    /// Whether what has this time of creation can have been made then.
    pub fn covers(self, created_at: Option<Timestamp>) -> bool {
        let from = self.from.checked_sub(CLOCK_TOLERANCE);
        let until = self.until.checked_add(CLOCK_TOLERANCE);
        let (Ok(from), Ok(until), Some(at)) = (from, until, created_at) else {
            return false;
        };
        from <= at && at <= until
    }

    /// Both together.
    pub fn and(self, other: Option<Doubt>) -> Doubt {
        match other {
            Some(other) => Doubt {
                from: self.from.min(other.from),
                until: self.until.max(other.until),
            },
            None => self,
        }
    }
}

/// How doubt about a write is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settling {
    /// By looking whether it was applied.
    ReadBack,
    /// It cannot be seen: the step ends in doubt, and is never sent again.
    NeverResend,
}

/// Called right before a write leaves, each time that it does: commits the intent.
#[async_trait]
pub trait BeforeSend: Send + Sync {
    /// # Errors
    /// When the intent cannot be recorded; then nothing is sent.
    async fn commit(&self) -> Result<(), crate::journal::JournalError>;

    /// Whether what the write was decided by still holds when its turn has come: waiting for it can take long. `false`:
    /// it is not sent ([`Applied::Withdrawn`]).
    fn still_holds(&self) -> bool {
        true
    }
}

/// What the first, small read found out.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// How far the server's clock is ahead of ours, in milliseconds; `None` if it sent no `Date`.
    pub clock_offset: Option<i64>,
}

/// A directory that claims are compared with and written to.
#[async_trait]
pub trait Directory: Send + Sync {
    /// One small read: is the key good, is the address right, what time is it there?
    async fn check(&self) -> Result<Checked, CallError>;

    /// The JSON Schema that the directory holds each user to, by the schema's id; `None`: users have fixed fields.
    async fn user_schema(&self, _schema_id: &str) -> Result<Option<Value>, CallError> {
        Ok(None)
    }

    /// Makes what lets a user who is there set a password, good for so long. Making another one changes nothing else, so
    /// that it is tried again when an answer is lost.
    async fn recover(
        &self,
        _user_id: &str,
        _method: RecoveryMethod,
        _expires_in: Duration,
    ) -> Result<Recovery, CallError> {
        Err(CallError::Refused(ApiError {
            message: "This directory makes no recovery links.".into(),
            ..ApiError::default()
        }))
    }

    /// How to begin.
    fn approach(&self, ask: &Ask<'_>) -> Approach;

    /// The names under which a claim's object is looked up, in their order.
    fn names_asked(&self, ask: &Ask<'_>) -> Vec<Name>;

    /// The state of a claim, by what its names were found to be so far; `None`: the next name has to be looked up too.
    /// Pure.
    fn state(&self, ask: &Ask<'_>, found: &[Option<Found>]) -> Option<State>;

    /// Looks one object up.
    async fn look_up(&self, name: &Name) -> Result<Option<Found>, CallError>;

    /// Looks at what is there, by one name after another until that is known; one answer for each ask, in order.
    async fn observe(&self, asks: &[Ask<'_>]) -> Vec<Result<State, CallError>> {
        let mut states = Vec::with_capacity(asks.len());
        for ask in asks {
            states.push(lookups::observe(self, ask).await);
        }
        states
    }

    /// Compares; pure.
    fn diff(&self, ask: &Ask<'_>, state: &State, policy: &Policy) -> Change;

    /// What of a claim the answer to its write shows not to be so, although it was sent; `None`: nothing. Pure.
    fn falls_short(&self, _ask: &Ask<'_>, _found: &Found) -> Option<Refusal> {
        None
    }

    /// What an object has beside what a claim says, in words, where that is worth telling and is left as it is. Pure.
    fn remark(&self, _ask: &Ask<'_>, _found: &Found) -> Option<String> {
        None
    }

    /// Whether there are organizations and memberships at all.
    fn has_organizations(&self) -> bool {
        true
    }

    /// The slugs of the roles that a membership can be given: those of the environment, or of an organization, which are
    /// the environment's and its own.
    async fn roles(&self, organization: Option<&str>) -> Result<Vec<String>, CallError>;

    /// Writes; one answer for each write, in order. The intents are committed after the permit and before the bytes leave.
    async fn apply(
        &self,
        writes: &[Write],
        before_send: &dyn BeforeSend,
    ) -> Result<Vec<Applied>, crate::journal::JournalError>;

    /// One page of a list, counted from one of its ends.
    async fn list(
        &self,
        listing: &Listing,
        from: End,
        cursor: Option<&str>,
    ) -> Result<Page, CallError>;

    /// Whether [`Directory::list`] can begin at either end, oldest objects first.
    fn lists_from_both_ends(&self) -> bool {
        true
    }

    /// What an object will be once a write is done, and the names under which it is then found; an object that is made
    /// gets `id`. Pure: nothing is sent.
    fn after(&self, write: &Write, before: Option<&Found>, id: &str) -> Listed;

    /// How many asks or writes of a kind go into one call.
    fn batch_limit(&self, kind: Kind) -> usize;

    /// How doubt about what a claim's step has written is settled.
    fn settling(&self, claim: &Claim) -> Settling;

    /// The longest that a call may take: what was sent before has arrived, or never will.
    fn longest_exchange(&self) -> Duration;

    /// The time in which writes that were about to be sent between `first` and `last`, by our clock, can have been
    /// applied, when nobody was there any more to hear of it.
    fn doubt_since(&self, first: Timestamp, last: Timestamp) -> Doubt;

    /// Whether `found` is what `ask` would have created, judged by the fields that were sent and the time in doubt.
    fn is_outcome_of(&self, ask: &Ask<'_>, found: &Found, doubt: Doubt) -> bool;

    /// Whether anything builds on this object, by a fresh read: such an object is not taken back.
    async fn has_dependents(&self, kind: Kind, id: &str) -> Result<bool, CallError>;

    /// The write that takes an object back.
    fn deletion(&self, kind: Kind, id: &str) -> Option<Write>;

    /// How a failure of a call reads in a row's error, by the kind of object that it was about.
    fn refusal(&self, kind: Kind, error: &CallError) -> Refusal;

    /// The calls that an import needs for this, by name; reads as far as they can be told before. Pure.
    fn calls_for(&self, expected: &Expected<'_>) -> BTreeMap<String, u64>;

    /// How many calls were made, by name.
    fn calls(&self) -> BTreeMap<&'static str, u64>;

    /// What calls had to wait for, besides their turn.
    fn waits(&self) -> Waits {
        Waits::default()
    }
}

/// The words for an organization as a row names it.
pub fn organization_name(reference: &OrganizationReference) -> &str {
    match reference {
        OrganizationReference::Id(id) | OrganizationReference::ExternalId(id) => id,
    }
}

/// Gives an object the name that counts, where another row was the first to name it.
pub fn relabel(claim: &mut Claim, label: &str) {
    if let Claim::Organization(organization) = claim {
        organization.name = Some(label.to_owned());
    }
}

/// What an earlier attempt can have sent under the same key, where that differs from what this row claims: the name that
/// another row gave, and the roles that another row named, which nobody knows any more.
pub fn as_it_was_sent(claim: &Claim, label: Option<&str>) -> Option<Claim> {
    match (claim, label) {
        (Claim::Organization(organization), Some(label)) => {
            let mut organization = organization.clone();
            organization.name = Some(label.to_owned());
            Some(Claim::Organization(organization))
        }
        (Claim::Membership(_), _) => Some(Claim::Membership(MembershipClaim::default())),
        _ => None,
    }
}
