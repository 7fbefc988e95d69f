//! The test of the tests: each mutation breaks one promise, at a seam of the core and not in it, and the schedules have to
//! notice. Each says within how many seeds. `MUTATION=SendsTwice SEED=4` replays one.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use jiff::Timestamp;
use serde_json::Value;
use workos_importer_core::directory::{
    Applied, Approach, Ask, BeforeSend, CallError, Change, Checked, Details, Directory, Doubt, End,
    Expected, Found, Listed, Listing, Name, Page, Policy, Refusal, Settling, State, Write,
};
use workos_importer_core::engine::{ReadRow, Rows};
use workos_importer_core::journal::outcome::{Effect, Evidence, RowResult};
use workos_importer_core::journal::{Journal, JournalError, Remembered};
use workos_importer_core::row::{Claim, Kind, StepKey};
use workos_importer_sandbox::Sandbox;

use super::{Schedule, number, on_all_cores_until};
use crate::harness::{InlineRows, Known, Seams, World};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutation {
    /// A write in doubt is taken for applied: the read-back is dropped.
    AssumesApplied,
    /// A write in doubt is sent again without a look.
    SendsAgainBlindly,
    /// No intent is written down.
    SkipsTheIntent,
    /// The intent is noted, and nobody waits until it is on disk.
    DoesNotWaitForTheIntent,
    /// What a death left open is forgotten.
    IgnoresOpenIntents,
    /// The memo says that a user is made before the call is answered.
    JournalsBeforeTheAnswer,
    /// A change is taken for done before it is sent.
    AnswersForUpdates,
    /// Users who were there become members of nothing.
    ForgetsMembershipsOfExistingUsers,
    /// The memo takes what is inferred for confirmed, so `--require-membership` deletes it.
    DeletesInferredUsers,
    /// What is found after a lost answer is reported as confirmed.
    ConfirmsWithoutAnAnswer,
    /// Whatever is found after a lost answer is taken for ours.
    ClaimsWhatItFinds,
    /// What was made in the time of the doubt is taken for ours, whatever its fields are.
    ClaimsByTimeAlone,
    /// Users are taken back without a fresh look.
    DeletesWithoutALook,
    /// Each write leaves twice.
    SendsTwice,
    /// Each organization is asked for twice.
    LooksTwice,
    /// What the journal knows is done again after a death.
    ForgetsWhatIsDone,
    /// A row of the source is never told about.
    SwallowsARow,
    /// People who were put out are let in again, unasked.
    LetsInAgain,
    /// Existing users are changed, unasked.
    UpdatesUnasked,
    /// Roles that a membership lacks are taken for there.
    ForgetsRoles,
}

use Mutation::*;

/// With the number of seeds within which it has to be noticed; about ten times as many as it took.
const ALL: [(Mutation, u64); 20] = [
    (AssumesApplied, 100),
    (SendsAgainBlindly, 100),
    (SkipsTheIntent, 200),
    (DoesNotWaitForTheIntent, 300),
    (IgnoresOpenIntents, 200),
    (JournalsBeforeTheAnswer, 300),
    (AnswersForUpdates, 200),
    (ForgetsMembershipsOfExistingUsers, 50),
    (DeletesInferredUsers, 500),
    (ConfirmsWithoutAnAnswer, 100),
    (ClaimsWhatItFinds, 300),
    (ClaimsByTimeAlone, 2_000),
    (DeletesWithoutALook, 300),
    (SendsTwice, 100),
    (LooksTwice, 300),
    (ForgetsWhatIsDone, 200),
    (SwallowsARow, 20),
    (LetsInAgain, 100),
    (UpdatesUnasked, 100),
    (ForgetsRoles, 100),
];

#[test]
fn every_mutation_is_noticed() {
    let only = std::env::var("MUTATION").ok();
    for (mutation, within) in ALL {
        if only
            .as_ref()
            .is_some_and(|name| *name != format!("{mutation:?}"))
        {
            continue;
        }
        let broken = |seed| {
            let mut schedule = Schedule::draw(seed);
            schedule.scenario.seams = Some(Arc::new(Broken::new(mutation, &schedule)));
            schedule.run();
        };
        if let Some(seed) = number("SEED") {
            broken(seed);
            continue;
        }
        let noticed: Mutex<BTreeMap<u64, String>> = Mutex::default();
        on_all_cores_until(0..within, |seed| {
            let message = quietly(|| broken(seed));
            let is_noticed = message.is_some();
            if let Some(message) = message {
                noticed.lock().unwrap().insert(seed, message);
            }
            is_noticed
        });
        let noticed = noticed.into_inner().unwrap();
        let Some((seed, message)) = noticed.first_key_value() else {
            panic!("{mutation:?} survives {within} seeds");
        };
        let short: String = message.chars().take(160).collect();
        println!("{mutation:?}: noticed at seed {seed}: {short}");
    }
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// The message of a panic that is expected; other threads print theirs as ever.
fn quietly(work: impl FnOnce()) -> Option<String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
    QUIET.set(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    QUIET.set(false);
    let panic = result.err()?;
    let text = panic.downcast_ref::<String>().cloned();
    Some(text.unwrap_or_else(|| match panic.downcast_ref::<&str>() {
        Some(text) => (*text).to_owned(),
        None => "a panic".to_owned(),
    }))
}

/// The seams of one mutation.
struct Broken {
    mutation: Mutation,
    /// Whose emails and external ids were there before.
    there: BTreeSet<String>,
}

impl Broken {
    fn new(mutation: Mutation, schedule: &Schedule) -> Self {
        let users = schedule.before["users"].as_array().unwrap().iter();
        let there = users
            .flat_map(|user| [&user["email"], &user["external_id"]])
            .filter_map(Value::as_str)
            .map(str::to_owned);
        Self {
            mutation,
            there: there.collect(),
        }
    }
}

impl Seams for Broken {
    fn directory<'a>(
        &'a self,
        inner: &'a dyn Directory,
        journal: &'a Journal,
        sandbox: &'a Sandbox,
    ) -> Option<Box<dyn Directory + 'a>> {
        Some(Box::new(Between {
            inner,
            journal,
            sandbox,
            mutation: self.mutation,
            there: &self.there,
            unsent: Mutex::default(),
        }))
    }

    fn rows(&self, inner: InlineRows) -> Box<dyn Rows> {
        Box::new(BrokenRows {
            inner,
            mutation: self.mutation,
            there: self.there.clone(),
        })
    }

    fn reopened(&self, journal: &Journal, known: &Known) {
        match self.mutation {
            IgnoresOpenIntents => {
                let keys = known.keys_of.values().flatten();
                for (kind, name) in keys.cloned().collect::<BTreeSet<_>>() {
                    let key = StepKey::new(kind, name);
                    if known.id(kind, &key.name).is_none() {
                        journal.note(move |store| store.refused(&key)).unwrap();
                    }
                }
            }
            ForgetsWhatIsDone => {
                for (kind, name) in known.steps.keys().cloned() {
                    let key = StepKey::new(kind, name);
                    journal.note(move |store| store.forget(&key)).unwrap();
                }
            }
            _ => {}
        }
    }

    fn told(&self, journal: &Journal, result: &RowResult) {
        let (Some(step), DeletesInferredUsers) = (result.step(Kind::User), self.mutation) else {
            return;
        };
        if step.effect == Effect::Created && step.evidence == Evidence::Inferred {
            let key = StepKey::new(Kind::User, result.identity.email().unwrap_or_default());
            let known = Remembered {
                id: Some(step.id.clone()),
                ours: true,
                ..Remembered::missing()
            };
            journal
                .note(move |store| store.remember(&key, &known))
                .unwrap();
        }
    }
}

struct BrokenRows {
    inner: InlineRows,
    mutation: Mutation,
    there: BTreeSet<String>,
}

#[async_trait]
impl Rows for BrokenRows {
    async fn next(&mut self) -> Result<Vec<ReadRow>, String> {
        let mut rows = self.inner.next().await?;
        match self.mutation {
            SwallowsARow => rows.retain(|row| row.identity().record_number != 13),
            ForgetsMembershipsOfExistingUsers => {
                for row in &mut rows {
                    let ReadRow::Claimed(row) = row else { continue };
                    let was_there = row.steps.iter().any(|step| match &step.claim {
                        Claim::User(user) => {
                            let external_id = user.external_id.as_ref();
                            self.there.contains(&user.email)
                                || external_id.is_some_and(|id| self.there.contains(id))
                        }
                        _ => false,
                    });
                    if was_there {
                        row.steps.retain(|step| step.kind != Kind::Membership);
                    }
                }
            }
            _ => {}
        }
        Ok(rows)
    }

    async fn rewind(&mut self) -> Result<bool, String> {
        self.inner.rewind().await
    }

    fn can_rewind(&self) -> bool {
        self.inner.can_rewind()
    }
}

/// Commits nothing.
struct NoIntent;

#[async_trait]
impl BeforeSend for NoIntent {
    async fn commit(&self) -> Result<(), JournalError> {
        Ok(())
    }
}

/// Does what the mutation says in the place of the intent, or after it.
struct BrokenIntent<'a> {
    inner: &'a dyn BeforeSend,
    between: &'a Between<'a>,
    write: &'a Write,
}

#[async_trait]
impl BeforeSend for BrokenIntent<'_> {
    async fn commit(&self) -> Result<(), JournalError> {
        let journal = self.between.journal;
        let key = email_of(self.write).map(|email| StepKey::new(Kind::User, email));
        match (self.between.mutation, key) {
            (DoesNotWaitForTheIntent, Some(key)) => {
                let effect = self.write.effect;
                let at = self.between.now();
                journal.note(move |store| store.intent(&key, effect, None, at))
            }
            (JournalsBeforeTheAnswer, Some(key)) => {
                self.inner.commit().await?;
                let known = Remembered {
                    id: Some("user_to_be".to_owned()),
                    ours: true,
                    ..Remembered::missing()
                };
                journal
                    .commit(move |store| store.remember(&key, &known))
                    .await
            }
            _ => self.inner.commit().await,
        }
    }
}

/// Whom a write is about to make.
fn email_of(write: &Write) -> Option<String> {
    if write.kind != Kind::User || write.effect != Effect::Created {
        return None;
    }
    let body: Value = serde_json::from_slice(write.body.as_deref()?).ok()?;
    Some(body["email"].as_str()?.to_owned())
}

/// Stands between the engine and its directory.
struct Between<'a> {
    inner: &'a dyn Directory,
    journal: &'a Journal,
    sandbox: &'a Sandbox,
    mutation: Mutation,
    there: &'a BTreeSet<String>,
    /// Changes that were answered for and have not been sent.
    unsent: Mutex<Vec<Write>>,
}

impl Between<'_> {
    /// The server's time: good enough for an intent.
    fn now(&self) -> Timestamp {
        let doubt = self
            .inner
            .doubt_since(Timestamp::UNIX_EPOCH, Timestamp::MAX);
        doubt.until
    }

    async fn apply_one(
        &self,
        write: &Write,
        before_send: &dyn BeforeSend,
    ) -> Result<Applied, JournalError> {
        let send = async |before_send: &dyn BeforeSend| {
            let sent = self.inner.apply(std::slice::from_ref(write), before_send);
            Ok::<_, JournalError>(sent.await?.pop().unwrap())
        };
        let broken = BrokenIntent {
            inner: before_send,
            between: self,
            write,
        };
        match self.mutation {
            SkipsTheIntent => send(&NoIntent).await,
            DoesNotWaitForTheIntent | JournalsBeforeTheAnswer => send(&broken).await,
            SendsTwice => {
                let applied = send(before_send).await?;
                if matches!(applied, Applied::Done(_)) {
                    send(before_send).await?;
                }
                Ok(applied)
            }
            SendsAgainBlindly => {
                let mut applied = send(before_send).await?;
                while let Applied::InDoubt { .. } = applied {
                    applied = send(before_send).await?;
                }
                Ok(applied)
            }
            AssumesApplied => Ok(match send(before_send).await? {
                // Which id it would have is not known; that of the latest object is as good a guess as any.
                Applied::InDoubt { .. } => Applied::Done(self.latest(write)),
                applied => applied,
            }),
            ConfirmsWithoutAnAnswer => Ok(match send(before_send).await? {
                Applied::InDoubt { doubt, error } => match self.find(write) {
                    Some(found) => Applied::Done(found),
                    None => Applied::InDoubt { doubt, error },
                },
                applied => applied,
            }),
            AnswersForUpdates if write.method == Method::PUT && write.effect == Effect::Updated => {
                self.unsent.lock().unwrap().push(write.clone());
                Ok(Applied::Done(self.as_if_done(write)))
            }
            _ => send(before_send).await,
        }
    }

    fn latest(&self, write: &Write) -> Found {
        let dump = self.sandbox.dump();
        let list = match write.kind {
            Kind::User => "users",
            Kind::Organization => "organizations",
            _ => "organization_memberships",
        };
        let last = dump[list].as_array().unwrap().last();
        let id = last.and_then(|last| last["id"].as_str()).unwrap_or("none");
        Found {
            id: id.to_owned(),
            created_at: None,
            used_at: None,
            details: Details::Organization {
                name: None,
                external_id: None,
                domains: Vec::new(),
                metadata: Default::default(),
            },
        }
    }

    /// The user that a write was to make, as it is there and was not before.
    fn find(&self, write: &Write) -> Option<Found> {
        let email = email_of(write).filter(|email| !self.there.contains(email))?;
        let user = self.sandbox.find_user(&email);
        Some(Found {
            id: user["id"].as_str()?.to_owned(),
            created_at: None,
            used_at: None,
            details: Details::Organization {
                name: None,
                external_id: None,
                domains: Vec::new(),
                metadata: Default::default(),
            },
        })
    }

    fn as_if_done(&self, write: &Write) -> Found {
        let body: Value = serde_json::from_slice(write.body.as_deref().unwrap()).unwrap();
        let roles = body["role_slugs"].as_array().into_iter().flatten();
        let roles = roles.chain(body["role_slug"].is_string().then_some(&body["role_slug"]));
        let roles = roles.map(|role| role.as_str().unwrap().to_owned());
        Found {
            id: write.target.rsplit('/').next().unwrap().to_owned(),
            created_at: None,
            used_at: None,
            details: match write.kind {
                Kind::Membership => Details::Membership {
                    roles: roles.collect(),
                    active: true,
                },
                _ => Details::Organization {
                    name: None,
                    external_id: None,
                    domains: Vec::new(),
                    metadata: Default::default(),
                },
            },
        }
    }

    /// Sends, once, what was answered for before; what becomes of it is nobody's business any more.
    async fn send_the_unsent(&self) -> Result<(), JournalError> {
        let unsent = std::mem::take(&mut *self.unsent.lock().unwrap());
        if !unsent.is_empty() {
            self.inner.apply(&unsent, &NoIntent).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Directory for Between<'_> {
    async fn check(&self) -> Result<Checked, CallError> {
        self.inner.check().await
    }

    fn approach(&self, ask: &Ask<'_>) -> Approach {
        self.inner.approach(ask)
    }

    async fn observe(&self, asks: &[Ask<'_>]) -> Vec<Result<State, CallError>> {
        let is_about_organizations = asks
            .iter()
            .all(|ask| matches!(ask.claim, Claim::Organization(_)));
        if self.mutation == LooksTwice && is_about_organizations {
            self.inner.observe(asks).await;
        }
        self.inner.observe(asks).await
    }

    fn diff(&self, ask: &Ask<'_>, state: &State, policy: &Policy) -> Change {
        let mut policy = *policy;
        match (self.mutation, ask.claim, state) {
            (LetsInAgain, _, _) => policy.reactivate = true,
            (UpdatesUnasked, _, _) => {
                policy.on_existing = workos_importer_core::directory::OnExisting::Update;
            }
            (ForgetsRoles, Claim::Membership(_), State::Found(found)) => {
                return Change::None {
                    found: found.clone(),
                    differs: false,
                };
            }
            _ => {}
        }
        self.inner.diff(ask, state, &policy)
    }

    async fn apply(
        &self,
        writes: &[Write],
        before_send: &dyn BeforeSend,
    ) -> Result<Vec<Applied>, JournalError> {
        self.send_the_unsent().await?;
        let mut applied = Vec::new();
        for write in writes {
            applied.push(self.apply_one(write, before_send).await?);
        }
        Ok(applied)
    }

    fn falls_short(&self, ask: &Ask<'_>, found: &Found) -> Option<Refusal> {
        self.inner.falls_short(ask, found)
    }

    async fn roles(&self, organization: Option<&str>) -> Result<Vec<String>, CallError> {
        self.inner.roles(organization).await
    }

    fn names_asked(&self, ask: &Ask<'_>) -> Vec<Name> {
        self.inner.names_asked(ask)
    }

    fn state(&self, ask: &Ask<'_>, found: &[Option<Found>]) -> Option<State> {
        self.inner.state(ask, found)
    }

    async fn look_up(&self, name: &Name) -> Result<Option<Found>, CallError> {
        self.inner.look_up(name).await
    }

    async fn list(
        &self,
        listing: &Listing,
        from: End,
        cursor: Option<&str>,
    ) -> Result<Page, CallError> {
        self.inner.list(listing, from, cursor).await
    }

    fn after(&self, write: &Write, before: Option<&Found>, id: &str) -> Listed {
        self.inner.after(write, before, id)
    }

    fn batch_limit(&self, kind: Kind) -> usize {
        self.inner.batch_limit(kind)
    }

    fn settling(&self, claim: &Claim) -> Settling {
        self.inner.settling(claim)
    }

    fn longest_exchange(&self) -> Duration {
        self.inner.longest_exchange()
    }

    fn doubt_since(&self, first: Timestamp, last: Timestamp) -> Doubt {
        self.inner.doubt_since(first, last)
    }

    fn is_outcome_of(&self, ask: &Ask<'_>, found: &Found, doubt: Doubt) -> bool {
        let made_at = found.created_at;
        let tolerance = jiff::SignedDuration::from_secs(2);
        let is_in_time =
            made_at.is_some_and(|at| doubt.from - tolerance <= at && at <= doubt.until + tolerance);
        match self.mutation {
            ClaimsWhatItFinds => true,
            ClaimsByTimeAlone => is_in_time,
            _ => self.inner.is_outcome_of(ask, found, doubt),
        }
    }

    async fn has_dependents(&self, kind: Kind, id: &str) -> Result<bool, CallError> {
        if self.mutation == DeletesWithoutALook {
            return Ok(false);
        }
        self.inner.has_dependents(kind, id).await
    }

    fn deletion(&self, kind: Kind, id: &str) -> Option<Write> {
        self.inner.deletion(kind, id)
    }

    fn calls_for(&self, expected: &Expected<'_>) -> BTreeMap<String, u64> {
        self.inner.calls_for(expected)
    }

    fn refusal(&self, kind: Kind, error: &CallError) -> Refusal {
        self.inner.refusal(kind, error)
    }

    fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.inner.calls()
    }
}
