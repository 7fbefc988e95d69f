//! `undo`: takes back what a run has made for certain, and only that: memberships, users, organizations. Each is looked at
//! right before it is deleted; what somebody uses or has changed since is left, and so is what is not certain to be the
//! run's. Works on the run's own journal, and goes on there after any interruption: what is gone answers 404.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::SignedDuration;
use tokio::sync::watch;
use tokio::time::Instant;

use super::deleting::{Deleted, LOOK_HOLDS, delete, kept};
use super::pass::{at, halted};
use super::settled::content;
use super::{DRAIN, Ended, Halt};
use crate::clock::Clock;
use crate::directory::{CallError, Details, Directory, End, Found, Listing, Name};
use crate::journal::{Journal, JournalError, Made, Undoable, Verdict};
use crate::pace::Backoff;
use crate::row::Kind;

/// How many objects are under way at first, and at most. It grows as long as looks are young when their deletions leave: a
/// deletion that has waited too long has used its turn for nothing.
const FIRST_ROOM: usize = 4;
const MOST_ROOM: usize = 64;

/// One run that is being undone.
pub struct Undo<'a> {
    directory: &'a dyn Directory,
    journal: &'a Journal,
    clock: Clock,
    backoff: Backoff,
    /// Organizations are deleted too, where they are empty.
    organizations: bool,
    room: AtomicUsize,
    /// How old a look may be, in milliseconds. Where turns come more seldom than that, it is as old as it has to be.
    holds: AtomicU64,
    settled: &'a AtomicU64,
}

/// Why an object is left, and more about it.
type Left = (Verdict, Option<String>);

/// What a look at a user showed.
struct Looked {
    at: Instant,
    user: Found,
    memberships: Vec<Found>,
    /// Those of them that the run has made, in the same order.
    own: Vec<Option<Undoable>>,
}

/// Where trying to delete came to.
enum Tried {
    Done,
    /// An answer was lost: look again at once, and go on.
    Again,
    /// The look was too old by then: it is another one's turn.
    Later,
    Left(Left),
}

/// Whether an object is settled, or has to be looked at once more later.
#[derive(PartialEq, Eq)]
enum Ready {
    Settled,
    Later,
}

impl<'a> Undo<'a> {
    /// `settled` counts the objects that are deleted or left so far, to be looked at from outside.
    pub fn new(
        directory: &'a dyn Directory,
        journal: &'a Journal,
        clock: Clock,
        seed: u64,
        organizations: bool,
        settled: &'a AtomicU64,
    ) -> Self {
        Self {
            directory,
            journal,
            clock,
            backoff: Backoff::new(seed),
            organizations,
            room: AtomicUsize::new(FIRST_ROOM),
            holds: AtomicU64::new(LOOK_HOLDS.as_millis() as u64),
            settled,
        }
    }

    /// Works until everything is deleted or left for a reason that the journal then has, or until something ends it.
    /// [`Ended::Complete`] does not mean that nothing is left.
    pub async fn run(&self, mut halt: watch::Receiver<Halt>) -> Ended {
        let ended = self.all(&mut halt).await;
        ended.err().unwrap_or(Ended::Complete)
    }

    async fn all(&self, halt: &mut watch::Receiver<Halt>) -> Result<(), Ended> {
        let now = self.clock.now();
        self.journal
            .commit(move |store| store.begin_undo(now))
            .await?;
        // What has left by then has arrived, or never will.
        let longest = self.directory.longest_exchange();
        let longest = SignedDuration::try_from(longest).unwrap_or(SignedDuration::ZERO);
        let before = now.checked_sub(longest).unwrap_or(now);
        self.each(Made::InDoubt(Kind::User, before), halt).await?;
        self.each(Made::InDoubt(Kind::Organization, before), halt)
            .await?;
        // Memberships of the run's own users go with their users, or stay with them.
        self.each(Made::Confirmed(Kind::User), halt).await?;
        self.each(Made::InferredUsers, halt).await?;
        self.each(Made::Confirmed(Kind::Membership), halt).await?;
        if self.organizations {
            // Their window is a small one: looks must not grow old in its queue.
            self.room.store(FIRST_ROOM, Ordering::Relaxed);
            let holds = LOOK_HOLDS.as_millis() as u64;
            self.holds.store(holds, Ordering::Relaxed);
            self.each(Made::Confirmed(Kind::Organization), halt).await?;
        }
        let now = self.clock.now();
        Ok(self
            .journal
            .commit(move |store| store.end_undo(now))
            .await?)
    }

    /// Several at once, in the order in which rows named them.
    async fn each(&self, made: Made, halt: &mut watch::Receiver<Halt>) -> Result<(), Ended> {
        const PAGE: usize = 256;
        let mut waiting: VecDeque<Undoable> = VecDeque::new();
        let mut under_way = FuturesUnordered::new();
        let (mut after, mut at_end) = (i64::MIN, false);
        let mut ending: Option<(Ended, Instant)> = None;
        loop {
            if waiting.is_empty() && !at_end && ending.is_none() {
                let page = self
                    .journal
                    .ask(move |store| store.undoable(made, after, PAGE));
                waiting.extend(page.await?);
                match waiting.back() {
                    Some(last) => after = last.step,
                    None => at_end = true,
                }
            }
            while ending.is_none() && under_way.len() < self.room.load(Ordering::Relaxed) {
                match waiting.pop_front() {
                    Some(one) => under_way.push(self.one(made, one)),
                    None => break,
                }
            }
            if under_way.is_empty() {
                match ending {
                    Some((why, _)) => return Err(why),
                    None if at_end && waiting.is_empty() => return Ok(()),
                    None => {}
                }
            }
            let deadline = ending.as_ref().map(|(_, deadline)| *deadline);
            let mut stop = None;
            tokio::select! {
                biased;
                level = halted(halt, ending.is_some()) => {
                    if level == Halt::Now {
                        return Err(ending.map_or(Ended::Halted, |(why, _)| why));
                    }
                    stop = Some(Ended::Halted);
                }
                () = at(deadline) => {
                    return Err(ending.map_or(Ended::Halted, |(why, _)| why));
                }
                Some(done) = under_way.next() => match done {
                    (_, Ok(Ready::Settled)) => {}
                    (object, Ok(Ready::Later)) => waiting.push_front(object),
                    (_, Err(ended)) => stop = Some(ended),
                },
            }
            if let Some(why) = stop {
                ending.get_or_insert((why, Instant::now() + DRAIN));
            }
        }
    }

    async fn one(&self, made: Made, object: Undoable) -> (Undoable, Result<Ready, Ended>) {
        let ready = match made {
            Made::Confirmed(Kind::User) => self.user(&object).await,
            Made::InferredUsers => self.inferred_user(&object).await,
            Made::Confirmed(kind) => self.alone(kind, &object).await,
            Made::InDoubt(kind, _) => self.in_doubt(kind, &object).await,
        };
        (object, ready)
    }

    /// A user, with all memberships: they go first, and nobody who stays is put out.
    async fn user(&self, user: &Undoable) -> Result<Ready, Ended> {
        let mut lost = 0;
        loop {
            let looked = match self.look_at_user(&user.remote_id).await? {
                Ok(Some(looked)) => looked,
                Ok(None) => return Ok(self.gone(Kind::User, &user.remote_id)?),
                Err(why) => {
                    let mut steps = self.own_by_pairs(&user.remote_id).await?;
                    steps.push(user.step);
                    return Ok(self.left(steps, (Verdict::Refused, Some(why)))?);
                }
            };
            let left = match self.judge(&looked).await? {
                Some(verdict) => (verdict, None),
                None => match self.delete_user(&looked, &mut lost).await? {
                    Tried::Done => return Ok(Ready::Settled),
                    Tried::Again => continue,
                    Tried::Later => return Ok(Ready::Later),
                    Tried::Left(left) => left,
                },
            };
            let mut steps = looked.own_steps();
            steps.push(user.step);
            return Ok(self.left(steps, left)?);
        }
    }

    /// Not deleted. Who uses it keeps the memberships that the run has made; else they go like those of users who were
    /// there before.
    async fn inferred_user(&self, user: &Undoable) -> Result<Ready, Ended> {
        match self.look_at_user(&user.remote_id).await? {
            Ok(Some(looked)) if looked.user.used_at.is_some() => {
                Ok(self.left(looked.own_steps(), (Verdict::SignedIn, None))?)
            }
            Ok(_) => Ok(Ready::Settled),
            Err(why) => {
                let steps = self.own_by_pairs(&user.remote_id).await?;
                Ok(self.left(steps, (Verdict::Refused, Some(why)))?)
            }
        }
    }

    /// Not deleted: it is only said whether there is anything in its place.
    async fn in_doubt(&self, kind: Kind, object: &Undoable) -> Result<Ready, Ended> {
        let name = object.remote_id.as_str();
        let name = match (kind, name.split_once(':')) {
            (Kind::User, _) => Name::new(kind, "email", name),
            (_, Some(("external_id", id))) => Name::new(kind, "external_id", id),
            _ => return Ok(Ready::Settled),
        };
        match self.directory.look_up(&name).await {
            Ok(found) => {
                let (step, id) = (object.step, found.map(|found| found.id));
                self.journal
                    .note(move |store| store.note_looked_for(step, id.as_deref()))?;
            }
            // It stays in doubt.
            Err(error) => {
                kept(self.directory, kind, error)?;
            }
        }
        Ok(Ready::Settled)
    }

    /// A membership of somebody who was there before, or an organization.
    async fn alone(&self, kind: Kind, object: &Undoable) -> Result<Ready, Ended> {
        let id = object.remote_id.as_str();
        let mut lost = 0;
        loop {
            let looked_at = Instant::now();
            let looked = self.directory.look_up(&Name::new(kind, "id", id)).await;
            let left = match looked {
                Ok(None) => return Ok(self.gone(kind, id)?),
                Err(error) => (Verdict::Refused, Some(kept(self.directory, kind, error)?)),
                Ok(Some(found)) => match self.judge_alone(kind, object, &found).await? {
                    Some(left) => left,
                    None => match self.delete(kind, id, looked_at, &mut lost).await? {
                        Tried::Done => return Ok(Ready::Settled),
                        Tried::Again => continue,
                        Tried::Later => return Ok(Ready::Later),
                        Tried::Left(left) => left,
                    },
                },
            };
            return Ok(self.left(vec![object.step], left)?);
        }
    }

    /// The memberships that the run has made of a user whose memberships cannot be read.
    async fn own_by_pairs(&self, user_id: &str) -> Result<Vec<i64>, JournalError> {
        let id = user_id.to_owned();
        let asked = self
            .journal
            .ask(move |store| store.memberships_by_pairs(&id));
        asked.await
    }

    /// `None`: it may be deleted.
    async fn judge_alone(
        &self,
        kind: Kind,
        object: &Undoable,
        found: &Found,
    ) -> Result<Option<Left>, Ended> {
        let is_as_left = match kind {
            Kind::Membership => is_same_membership(object, found),
            _ => self.is_as_left(kind, found).await?,
        };
        if !is_as_left {
            return Ok(Some((Verdict::Changed, None)));
        }
        if kind == Kind::Membership {
            return Ok(None);
        }
        match self.directory.has_dependents(kind, &found.id).await {
            Ok(false) => Ok(None),
            Ok(true) => Ok(Some((Verdict::NotEmpty, None))),
            Err(error) => {
                let why = kept(self.directory, kind, error)?;
                Ok(Some((Verdict::Refused, Some(why))))
            }
        }
    }

    /// The user and all memberships, read freshly; `None`: there is no such user any more. An inner error: they cannot be
    /// read, and why.
    async fn look_at_user(&self, id: &str) -> Result<Result<Option<Looked>, String>, Ended> {
        let at = Instant::now();
        let looked = async {
            let Some(user) = self
                .directory
                .look_up(&Name::new(Kind::User, "id", id))
                .await?
            else {
                return Ok(None);
            };
            let listing = Listing::MembershipsOfUser(id.to_owned());
            let mut memberships = Vec::new();
            let mut cursor = None;
            loop {
                let page = self
                    .directory
                    .list(&listing, End::Oldest, cursor.as_deref())
                    .await?;
                let prefix = Name::of_pair(id, "").value;
                // A directory that ignores the filter shows those of others too.
                memberships.extend(page.items.into_iter().filter_map(|listed| {
                    let is_theirs = |name: &Name| name.value.starts_with(&prefix);
                    listed.names.iter().all(is_theirs).then_some(listed.found)
                }));
                cursor = page.next;
                if cursor.is_none() {
                    return Ok(Some((user, memberships)));
                }
            }
        };
        let looked: Result<Option<(Found, Vec<Found>)>, CallError> = looked.await;
        let (user, memberships) = match looked {
            Ok(Some(looked)) => looked,
            Ok(None) => return Ok(Ok(None)),
            Err(error) => return Ok(Err(kept(self.directory, Kind::User, error)?)),
        };
        let ids: Vec<String> = memberships.iter().map(|found| found.id.clone()).collect();
        let own = self
            .journal
            .ask(move |store| store.own_memberships(&ids))
            .await?;
        Ok(Ok(Some(Looked {
            at,
            user,
            memberships,
            own,
        })))
    }

    /// Why a user is left; `None`: nothing speaks for it.
    async fn judge(&self, looked: &Looked) -> Result<Option<Verdict>, Ended> {
        if looked.user.used_at.is_some() {
            return Ok(Some(Verdict::SignedIn));
        }
        if !self.is_as_left(Kind::User, &looked.user).await? {
            return Ok(Some(Verdict::Changed));
        }
        if looked.own.iter().any(Option::is_none) {
            return Ok(Some(Verdict::OtherMemberships));
        }
        let mut pairs = looked.own.iter().flatten().zip(&looked.memberships);
        let changed = pairs.any(|(own, found)| !is_same_membership(own, found));
        Ok(changed.then_some(Verdict::Changed))
    }

    /// Whether a user or an organization is what the run left it like, under one of the keys by which it knows it.
    async fn is_as_left(&self, kind: Kind, found: &Found) -> Result<bool, JournalError> {
        let id = found.id.clone();
        let contents = self
            .journal
            .ask(move |store| store.contents(kind, &id))
            .await?;
        let now = content(self.journal.key(), &found.details);
        Ok(now.is_some_and(|now| contents.contains(&now)))
    }

    async fn delete_user(&self, looked: &Looked, lost: &mut u32) -> Result<Tried, Ended> {
        for membership in &looked.memberships {
            let tried = self
                .delete(Kind::Membership, &membership.id, looked.at, lost)
                .await?;
            if !matches!(tried, Tried::Done) {
                return Ok(tried);
            }
        }
        let id = &looked.user.id;
        self.delete(Kind::User, id, looked.at, lost).await
    }

    /// Deletes what nothing speaks for; `lost` counts the answers that did not come.
    async fn delete(
        &self,
        kind: Kind,
        id: &str,
        looked_at: Instant,
        lost: &mut u32,
    ) -> Result<Tried, Ended> {
        let Some(write) = self.directory.deletion(kind, id) else {
            return Ok(refused("This directory does not delete such objects."));
        };
        let holds = Duration::from_millis(self.holds.load(Ordering::Relaxed));
        match delete(self.directory, &write, looked_at, holds).await? {
            Deleted::Gone(age) => {
                self.gone(kind, id)?;
                self.was_in_time(age);
                Ok(Tried::Done)
            }
            Deleted::TooLate => {
                self.was_too_late();
                Ok(Tried::Later)
            }
            Deleted::Lost => {
                *lost += 1;
                if *lost >= Backoff::ATTEMPTS {
                    return Ok(refused("The API did not answer; it may be gone."));
                }
                tokio::time::sleep(self.backoff.delay(*lost)).await;
                Ok(Tried::Again)
            }
            Deleted::Refused(why) => Ok(refused(&why)),
        }
    }

    fn was_in_time(&self, age: Duration) {
        if age < LOOK_HOLDS / 2 {
            let room = self.room.load(Ordering::Relaxed);
            let more = (room + 1).min(MOST_ROOM);
            self.room.store(more, Ordering::Relaxed);
        }
    }

    fn was_too_late(&self) {
        match self.room.load(Ordering::Relaxed) {
            // It had nobody to wait behind.
            0 | 1 => {
                let holds = self.holds.load(Ordering::Relaxed);
                self.holds.store(holds * 2, Ordering::Relaxed);
            }
            room => self.room.store(room / 2, Ordering::Relaxed),
        }
    }

    fn gone(&self, kind: Kind, id: &str) -> Result<Ready, JournalError> {
        let (id, at) = (id.to_owned(), self.clock.now());
        self.settled.fetch_add(1, Ordering::Relaxed);
        self.journal
            .note(move |store| store.note_deleted(kind, &id, at))?;
        Ok(Ready::Settled)
    }

    fn left(&self, steps: Vec<i64>, (verdict, note): Left) -> Result<Ready, JournalError> {
        let at = self.clock.now();
        self.settled
            .fetch_add(steps.len() as u64, Ordering::Relaxed);
        self.journal
            .note(move |store| store.note_left(&steps, verdict, note.as_deref(), at))?;
        Ok(Ready::Settled)
    }
}

impl Looked {
    /// The steps of the memberships that the run has made.
    fn own_steps(&self) -> Vec<i64> {
        self.own.iter().flatten().map(|one| one.step).collect()
    }
}

fn refused(why: &str) -> Tried {
    Tried::Left((Verdict::Refused, Some(why.to_owned())))
}

/// Whether a membership has the roles and the state that the run left it with. Roles that the API does not tell are no
/// difference.
fn is_same_membership(own: &Undoable, found: &Found) -> bool {
    let known: Option<Details> = own
        .detail
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok());
    let (
        Some(Details::Membership {
            roles: had,
            active: was_active,
        }),
        Details::Membership { roles, active },
    ) = (known, &found.details)
    else {
        return false;
    };
    let same_roles = had.iter().collect::<BTreeSet<_>>() == roles.iter().collect::<BTreeSet<_>>();
    was_active == *active && (roles.is_empty() || same_roles)
}
