//! Owns what the directory holds as far as a source names it: read before the rows, by the cheapest way, into the
//! journal. Lists are paged from both ends as long as that finds more than looking rows up one by one would.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::{Ended, Engine, ReadRow, Rows, Tally};
use crate::directory::{Ask, CallError, End, Found, Listed, Listing, Name, Page, State};
use crate::journal::{Before, JournalError, ListingState, SeenName, SeenObject};
use crate::row::{Kind, StepKey};

/// How many organizations are looked up, or have their memberships listed, at the same time. The pace decides how many
/// requests are in flight.
const AT_ONCE: usize = 64;

/// A list in which so many objects are wanted is read from both ends at the same time. Where they meet, up to two pages are
/// read for nothing.
const LONG: u64 = 5_000;

/// How many names are taken from the journal at once.
const NAMES: usize = 256;

/// What an earlier attempt has read is used for so long.
pub const FRESH: Duration = Duration::from_secs(15 * 60);

/// Whether paging a list still pays: how many of the wanted objects are found, in how many pages.
struct Paying {
    /// The whole list is wanted, whatever it costs.
    is_due: bool,
    wanted: u64,
    found: u64,
    pages: u64,
}

impl Paying {
    /// Every page costs what looking up one object costs. It pays as long as pages find more than that, and some pages
    /// are risked for the objects that are not found yet: a tenth of what looking all of them up would cost.
    fn goes_on(&self) -> bool {
        let left = self.wanted.saturating_sub(self.found);
        let first = u64::from(self.wanted >= 3);
        self.is_due || self.pages < first.max(self.found + left / 10)
    }
}

/// A list while it is read from both ends.
struct Reading {
    paying: Paying,
    /// What both ends have read together is the whole list.
    complete: bool,
    ends: Ends,
    /// Where the next page from each end begins.
    state: ListingState,
}

fn locked(reading: &Mutex<Reading>) -> MutexGuard<'_, Reading> {
    reading.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was read from each end of a list of late: enough to see that they have met.
#[derive(Default)]
struct Ends {
    oldest: VecDeque<HashSet<String>>,
    newest: VecDeque<HashSet<String>>,
}

impl Ends {
    /// While one end waits for a page, the other may read so many.
    const KEPT: usize = 64;

    /// What an earlier attempt had read. A place to go on from is mostly the id of the object before it: where it is, the
    /// other end sees that it has come there.
    fn of(state: &ListingState) -> Self {
        let last =
            |place: &Option<String>| place.iter().map(|id| HashSet::from([id.clone()])).collect();
        Self {
            oldest: last(&state.oldest),
            newest: last(&state.newest),
        }
    }

    fn have_met(&mut self, end: End, page: &Page) -> bool {
        let ids: HashSet<String> = page
            .items
            .iter()
            .map(|item| item.found.id.clone())
            .collect();
        let (own, other) = match end {
            End::Oldest => (&mut self.oldest, &self.newest),
            End::Newest => (&mut self.newest, &self.oldest),
        };
        let met = other.iter().any(|page| !page.is_disjoint(&ids));
        own.push_back(ids);
        if own.len() > Self::KEPT {
            own.pop_front();
        }
        met
    }
}

impl Engine<'_> {
    /// Reads what the directory holds for the rows, and goes back to the first one. What was read in an earlier attempt
    /// is not read again.
    pub(super) async fn take_snapshot(&self, rows: &mut dyn Rows) -> Result<(), Ended> {
        let oldest = self.clock.now().checked_sub(FRESH).unwrap_or_default();
        self.journal.note(move |store| store.forget_older(oldest))?;
        self.note_wanted(rows).await?;
        self.read_list(&Listing::Users, "user.email:").await?;
        self.read_list(&Listing::Organizations, "organization.")
            .await?;
        self.each_wanted_organization(|name, _| async move {
            match self.look_up_named(&name).await {
                Err(CallErrorOrJournal::Call(CallError::Key(error))) => Err(Ended::Key(error)),
                Err(CallErrorOrJournal::Call(CallError::Away(message))) => {
                    Err(Ended::Unreachable(message))
                }
                Err(CallErrorOrJournal::Journal(error)) => Err(error.into()),
                // What cannot be read is said of the rows that need it.
                Ok(_) | Err(CallErrorOrJournal::Call(_)) => Ok(()),
            }
        })
        .await?;
        self.each_wanted_organization(|name, rows| self.read_memberships(name, rows))
            .await
    }

    /// Notes which names the rows use, and how many rows use each organization.
    async fn note_wanted(&self, rows: &mut dyn Rows) -> Result<(), Ended> {
        self.journal.note(|store| store.forget_wanted())?;
        loop {
            let batch = rows.next().await.map_err(Ended::Source)?;
            if batch.is_empty() {
                break;
            }
            let names = self.wanted_of(batch).await?;
            self.journal.note(move |store| store.want(&names))?;
        }
        match rows.rewind().await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Ended::Source(
                "The source cannot be read a second time.".into(),
            )),
            Err(error) => Err(Ended::Source(error)),
        }
    }

    async fn wanted_of(&self, batch: Vec<ReadRow>) -> Result<Vec<String>, Ended> {
        let mut open = vec![true; batch.len()];
        if self.goes_on && batch.iter().all(|read| read.digest().is_none()) {
            let numbers: Vec<u64> = batch
                .iter()
                .map(|read| read.identity().record_number)
                .collect();
            let before = self.journal.ask(move |store| store.before(&numbers));
            let retries = self.retries;
            open = before
                .await?
                .into_iter()
                .map(|before| match before {
                    Before::Open => true,
                    Before::Failed(_) => retries,
                    Before::Done => false,
                })
                .collect();
        }
        let mut names = Vec::new();
        for (read, is_open) in batch.into_iter().zip(open) {
            let ReadRow::Claimed(row) = read else {
                continue;
            };
            if !is_open {
                continue;
            }
            for step in &row.steps {
                let ask = Ask {
                    claim: &step.claim,
                    bases: &[],
                };
                let asked = self.directory.names_asked(&ask);
                names.extend(asked.iter().map(Name::text));
            }
        }
        Ok(names)
    }

    /// Reads a list from both ends until they meet, or until it does not pay any more. `counted`: how the names begin by
    /// which the wanted objects are counted.
    async fn read_list(&self, listing: &Listing, counted: &'static str) -> Result<(), Ended> {
        let wanted = self
            .journal
            .ask(move |store| store.count_wanted(counted))
            .await?;
        self.page_through(listing, wanted).await
    }

    async fn read_memberships(&self, organization: Name, rows: u64) -> Result<(), Ended> {
        match self.recall_name(&organization).await? {
            Recalled::Found(found) => {
                self.page_through(&Listing::MembershipsOf(found.id), rows)
                    .await
            }
            Recalled::Absent | Recalled::Unknown => Ok(()),
        }
    }

    async fn page_through(&self, listing: &Listing, wanted: u64) -> Result<(), Ended> {
        let text = listing.text();
        let state = self.journal.ask(move |store| store.listing(&text)).await?;
        let begins = state.pages == 0;
        let reading = Mutex::new(Reading {
            paying: Paying {
                // What no row names is in these lists only.
                is_due: self.keeps_all && matches!(listing, Listing::MembershipsOf(_)),
                wanted,
                found: state.found,
                pages: state.pages,
            },
            complete: state.complete,
            ends: Ends::of(&state),
            state,
        });
        if begins {
            // A list of one page is read once.
            self.read_from(listing, End::Oldest, &reading, 1).await?;
        }
        let from_oldest = self.read_from(listing, End::Oldest, &reading, u64::MAX);
        if wanted < LONG || !self.directory.lists_from_both_ends() {
            from_oldest.await?;
        } else {
            let from_newest = self.read_from(listing, End::Newest, &reading, u64::MAX);
            tokio::try_join!(from_oldest, from_newest)?;
        }
        Ok(())
    }

    /// Reads pages from one end until both have met, or until paging does not pay, or `most` are read.
    async fn read_from(
        &self,
        listing: &Listing,
        end: End,
        reading: &Mutex<Reading>,
        most: u64,
    ) -> Result<(), Ended> {
        for _ in 0..most {
            let cursor = {
                let mut reading = locked(reading);
                if reading.complete || !reading.paying.goes_on() {
                    return Ok(());
                }
                reading.paying.pages += 1;
                match end {
                    End::Oldest => reading.state.oldest.clone(),
                    End::Newest => reading.state.newest.clone(),
                }
            };
            let page = match self.directory.list(listing, end, cursor.as_deref()).await {
                Ok(page) => page,
                Err(CallError::Key(error)) => return Err(Ended::Key(error)),
                Err(CallError::Away(message)) => return Err(Ended::Unreachable(message)),
                // Rows are looked up one by one then.
                Err(error) => {
                    let why = self.directory.refusal(Kind::User, &error).message;
                    log::warn!("{} cannot be listed: {why}", listing.text());
                    return Ok(());
                }
            };
            let complete = {
                let mut reading = locked(reading);
                let is_last = page.next.is_none();
                let next = page.next.clone();
                match end {
                    End::Oldest => reading.state.oldest = next,
                    End::Newest => reading.state.newest = next,
                }
                let met = reading.ends.have_met(end, &page);
                reading.complete = reading.complete || is_last || met;
                is_last || met
            };
            let kept = self.keep_page(listing, end, page, complete).await?;
            locked(reading).paying.found += kept;
        }
        Ok(())
    }

    /// Keeps the objects of a page that the rows want; returns how many. `complete`: with it the list was read as a whole.
    async fn keep_page(
        &self,
        listing: &Listing,
        end: End,
        page: Page,
        complete: bool,
    ) -> Result<u64, JournalError> {
        let (text, next) = (listing.text(), page.next.clone());
        let now = self.clock.now();
        // What a comparison has cost is told also of one that was killed and goes on.
        let counters = self.rehearses.then(|| self.counters(&Tally::default(), 0));
        let is_about_users = matches!(listing, Listing::MembershipsOf(_));
        let keeps_all = self.keeps_all;
        self.journal
            .ask(move |store| {
                // Which users are wanted is known of those that were listed only.
                let knows_users = is_about_users && store.listing(&Listing::Users.text())?.complete;
                let mut kept = 0;
                for item in page.items {
                    let names: Vec<String> = item.names.iter().map(Name::text).collect();
                    let wanted = match is_about_users {
                        false => store.is_wanted(&names)?,
                        true => {
                            let user = item.names.first().and_then(user_of_pair);
                            match user.filter(|_| knows_users && !keeps_all) {
                                Some(user) => store.has_seen(&user.text())?,
                                None => true,
                            }
                        }
                    };
                    kept += u64::from(wanted);
                    if wanted || keeps_all {
                        store.see(item_kind(&item), &object(&item.found), &names)?;
                    }
                }
                // Together with what was on the page: a list that is gone on with leaves nothing out.
                store.note_page(&text, end == End::Newest, next.as_deref(), kept, now)?;
                if complete {
                    store.note_complete(&text)?;
                }
                if let Some(counters) = &counters {
                    store.note_counters(counters, None)?;
                }
                Ok(kept)
            })
            .await
    }

    /// Does something for each organization that rows name, several at once.
    async fn each_wanted_organization<F, Work>(&self, work: F) -> Result<(), Ended>
    where
        F: Fn(Name, u64) -> Work,
        Work: Future<Output = Result<(), Ended>>,
    {
        const PREFIX: &str = "organization.";
        let mut after = String::new();
        let mut under_way = FuturesUnordered::new();
        loop {
            let from = after.clone();
            let names = self
                .journal
                .ask(move |store| store.wanted(PREFIX, &from, NAMES))
                .await?;
            let Some((last, _)) = names.last() else {
                break;
            };
            after.clone_from(last);
            for (text, rows) in names {
                let Some(name) = organization_name(&text) else {
                    continue;
                };
                if under_way.len() >= AT_ONCE
                    && let Some(done) = under_way.next().await
                {
                    done?;
                }
                under_way.push(work(name, rows));
            }
        }
        while let Some(done) = under_way.next().await {
            done?;
        }
        Ok(())
    }

    /// What is known of a name, by asking the directory if it has not been seen.
    pub(super) async fn look_up_named(
        &self,
        name: &Name,
    ) -> Result<Option<Found>, CallErrorOrJournal> {
        match self.recall_name(name).await? {
            Recalled::Found(found) => return Ok(Some(*found)),
            Recalled::Absent => return Ok(None),
            Recalled::Unknown => {}
        }
        // Many rows may need it at the same time: the first one asks for all of them.
        let flight = StepKey::new(name.kind, name.text());
        let _flight = self.memo.flight(&flight).await;
        match self.recall_name(name).await? {
            Recalled::Found(found) => return Ok(Some(*found)),
            Recalled::Absent => return Ok(None),
            Recalled::Unknown => {}
        }
        let found = self.directory.look_up(name).await?;
        self.keep_name(name, found.as_ref())?;
        Ok(found)
    }

    /// The state of a claim as it was seen; `None` if that is not known.
    pub(super) async fn seen_state(&self, ask: &Ask<'_>) -> Result<Option<State>, JournalError> {
        let mut found = Vec::new();
        let mut names = self.directory.names_asked(ask).into_iter();
        loop {
            if let Some(state) = self.directory.state(ask, &found) {
                return Ok(Some(state));
            }
            let Some(name) = names.next() else {
                return Ok(Some(State::Absent));
            };
            found.push(match self.recall_name(&name).await? {
                Recalled::Found(found) => Some(*found),
                Recalled::Absent => None,
                Recalled::Unknown => return Ok(None),
            });
        }
    }

    /// The state of a claim; names that have not been seen are looked up once.
    pub(super) async fn looked_up_state(&self, ask: &Ask<'_>) -> Result<State, CallErrorOrJournal> {
        let mut found = Vec::new();
        let mut names = self.directory.names_asked(ask).into_iter();
        loop {
            if let Some(state) = self.directory.state(ask, &found) {
                return Ok(state);
            }
            let Some(name) = names.next() else {
                return Ok(State::Absent);
            };
            found.push(self.look_up_named(&name).await?);
        }
    }

    fn keep_name(&self, name: &Name, found: Option<&Found>) -> Result<(), JournalError> {
        let (kind, text) = (name.kind, name.text());
        let object = found.map(object);
        self.journal.note(move |store| match &object {
            Some(object) => store.see(kind, object, &[text]),
            None => store.see_nothing(&text),
        })
    }

    /// Keeps what an object is after a write that was not sent.
    pub(super) fn see_instead(
        &self,
        kind: Kind,
        before: Option<&Listed>,
        after: &Listed,
    ) -> Result<(), JournalError> {
        let names: Vec<String> = after.names.iter().map(Name::text).collect();
        let freed = before.into_iter().flat_map(|before| &before.names);
        let freed: Vec<String> = freed
            .map(Name::text)
            .filter(|name| !names.contains(name))
            .collect();
        let object = object(&after.found);
        self.journal.note(move |store| {
            for name in &freed {
                store.see_nothing_instead(name)?;
            }
            store.see_instead(kind, &object, &names)
        })
    }

    async fn recall_name(&self, name: &Name) -> Result<Recalled, JournalError> {
        let (text, listing) = (name.text(), Listing::of(name));
        let listing = listing.map(|listing| listing.text()).unwrap_or_default();
        let seen = self.journal.ask(move |store| store.seen(&text, &listing));
        Ok(match seen.await? {
            SeenName::Unknown => Recalled::Unknown,
            SeenName::Absent => Recalled::Absent,
            SeenName::Found(object) => match serde_json::from_str(&object.details) {
                Ok(details) => Recalled::Found(Box::new(Found {
                    id: object.remote_id,
                    created_at: None,
                    used_at: None,
                    details,
                })),
                Err(_) => Recalled::Unknown,
            },
        })
    }
}

/// What is known of a name.
enum Recalled {
    Unknown,
    Absent,
    Found(Box<Found>),
}

/// Why a look brought no state.
pub(super) enum CallErrorOrJournal {
    Call(CallError),
    Journal(JournalError),
}

impl From<CallError> for CallErrorOrJournal {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<JournalError> for CallErrorOrJournal {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

fn object(found: &Found) -> SeenObject {
    SeenObject {
        remote_id: found.id.clone(),
        // Texts, numbers and lists of them: there is nothing that cannot be written.
        details: serde_json::to_string(&found.details).unwrap_or_default(),
    }
}

fn item_kind(item: &Listed) -> Kind {
    item.found.details.kind()
}

/// The user of a membership.
fn user_of_pair(pair: &Name) -> Option<Name> {
    let (user, _) = pair.value.split_once(':')?;
    Some(Name::new(Kind::User, "id", user))
}

/// A wanted organization's name, back from its text.
fn organization_name(text: &str) -> Option<Name> {
    let (by, value) = text.strip_prefix("organization.")?.split_once(':')?;
    let by = match by {
        "id" => "id",
        "external_id" => "external_id",
        _ => return None,
    };
    Some(Name::new(Kind::Organization, by, value))
}
