//! The run: reads rows, drives their steps in order with one flight per key, settles doubt, gives each row's outcome
//! once, and stops cleanly. Knows steps and outcomes; what they are about is the rows' and the directory's business.

mod another_row;
mod deleting;
mod drive;
mod ensure;
mod left;
mod memo;
mod owed;
mod pass;
mod planned;
mod rehearse;
mod roles;
mod settled;
mod snapshot;
mod take_back;
mod tally;
mod undo;

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::directory::{ApiError, Directory, Policy};
use crate::journal::outcome::{RowError, RowResult};
use crate::journal::{Counters, FailedBefore, Journal, JournalError, Store};
use crate::pace::Backoff;
use crate::row::{Kind, RowIdentity, Step, StepKey};
use memo::Memo;
use pass::{Pass, until_halted};
use roles::KnownRoles;
pub use snapshot::FRESH;
pub use tally::Tally;
pub use undo::Undo;

/// How long what is in flight may take to end once the run is asked to stop.
pub const DRAIN: Duration = Duration::from_secs(20);

/// How many rows are under way at once: enough to keep every permit in use while some rows wait for each other.
const ROWS_IN_FLIGHT: usize = 256;

/// Batches that rows are under way for, where the caller does not say how many are in flight, and one that fills meanwhile.
const BATCHES: usize = 4;

/// The most rows that are under way at once, however many go into one call.
const MOST_ROWS_IN_FLIGHT: usize = 8_192;

/// Enough rows for the batches in flight and for one that fills meanwhile.
fn rows_of_batches(directory: &dyn Directory, concurrency: Option<usize>) -> usize {
    let batch = directory.batch_limit(Kind::User);
    let batches = concurrency.unwrap_or(BATCHES).saturating_add(1);
    batch
        .saturating_mul(batches)
        .clamp(ROWS_IN_FLIGHT, MOST_ROWS_IN_FLIGHT)
}

/// A row that passed its checks.
#[derive(Clone, Debug)]
pub struct Claimed {
    pub identity: RowIdentity,
    /// In the order in which they are ensured.
    pub steps: Vec<Step>,
    /// The kind of step that the row is about; its effect decides the row's outcome.
    pub subject: Kind,
    /// Keyed digest of what the row claims of its subject.
    pub fields: Option<[u8; 16]>,
    /// Keyed digest of the whole row, where rows are known by what they say: its record number is then the journal's.
    pub digest: Option<[u8; 32]>,
}

/// What reading brought: a row, or a record that failed by itself.
#[derive(Clone, Debug)]
pub enum ReadRow {
    Claimed(Box<Claimed>),
    Invalid {
        identity: Box<RowIdentity>,
        error: RowError,
        /// As of a row that passed.
        digest: Option<[u8; 32]>,
    },
}

impl ReadRow {
    pub fn identity(&self) -> &RowIdentity {
        match self {
            Self::Claimed(row) => &row.identity,
            Self::Invalid { identity, .. } => identity,
        }
    }

    fn digest(&self) -> Option<[u8; 32]> {
        match self {
            Self::Claimed(row) => row.digest,
            Self::Invalid { digest, .. } => *digest,
        }
    }

    fn renumber(&mut self, record_number: u64) {
        match self {
            Self::Claimed(row) => row.identity.record_number = record_number,
            Self::Invalid { identity, .. } => identity.record_number = record_number,
        }
    }
}

/// Where rows come from, in the order of the source.
#[async_trait]
pub trait Rows: Send {
    /// The next rows; empty at the end. Dropping the future loses no row.
    ///
    /// # Errors
    /// When the source cannot be read on; in its own words.
    async fn next(&mut self) -> Result<Vec<ReadRow>, String>;

    /// Goes back to the first row; `false` if this source can be read only once.
    async fn rewind(&mut self) -> Result<bool, String>;

    /// Whether [`Rows::rewind`] works.
    fn can_rewind(&self) -> bool;
}

/// Where what happens is handed to, in the order in which it happens.
#[async_trait]
pub trait Sink: Send {
    /// A row failed in an earlier attempt of the run and is not tried again; what it failed with.
    ///
    /// # Errors
    /// When a file that belongs to the run cannot be written; this stops the run.
    fn failed_before(
        &mut self,
        identity: &RowIdentity,
        failure: &FailedBefore,
    ) -> Result<(), String>;

    /// A row ended, and is about to be noted: writes down what is to be found of it afterwards, also after a kill.
    /// Returns how long the file that it was written into is by then, where that is to be noted with the row.
    ///
    /// # Errors
    /// When a file that belongs to the run cannot be written; this stops the run.
    fn write_down(&mut self, result: &RowResult) -> Result<Option<u64>, String>;

    /// A row ended. Called once for each row.
    async fn row(&mut self, result: &RowResult);

    /// Two rows say different things about one object; the first counts.
    async fn disagreement(&mut self, disagreement: Disagreement);

    /// The counts after a row.
    fn tally(&mut self, tally: &Tally);
}

/// Rows that say different things about one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    pub key: StepKey,
    pub record_number: u64,
    pub line: Option<u64>,
    pub first_record: u64,
    /// The name that counts, where the rows name the object differently; else their fields differ.
    pub label: Option<String>,
}

/// When many failures end a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaxErrors {
    Count(u64),
    /// Of the rows that ended; looked at from row 100 on.
    Percent(f64),
}

/// How much the run is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Halt {
    Run,
    /// Start no further row, let those end that something was sent for; the others are put back.
    Drain,
    /// Drop everything at once.
    Now,
}

/// The options of the engine itself.
#[derive(Clone, Debug)]
pub struct Options {
    pub policy: Policy,
    /// Users that this run created and who ended without a membership are deleted again.
    pub require_membership: bool,
    pub max_errors: Option<MaxErrors>,
    /// Seeds the waits between attempts.
    pub seed: u64,
}

/// Why a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// Every row has its outcome.
    Complete,
    /// It was asked to.
    Halted,
    /// `--max-errors`.
    TooManyErrors,
    /// The API does not accept the key.
    Key(ApiError),
    /// The API could not be read from at all, or has been away for longer than is waited for.
    Unreachable(String),
    Journal(String),
    Source(String),
    /// A row that is not of the run, where only its own rows are gone on with.
    SourceChanged(String),
    /// A file of the run could not be written.
    Output(String),
    /// A step that every row needs failed before the first row.
    Prelude(RowError),
}

impl From<JournalError> for Ended {
    fn from(error: JournalError) -> Self {
        Self::Journal(error.0)
    }
}

/// One run's engine.
pub struct Engine<'a> {
    directory: &'a dyn Directory,
    journal: &'a Journal,
    clock: Clock,
    options: Options,
    memo: Memo<'a>,
    backoff: Backoff,
    can_park: bool,
    /// Earlier attempts of this run are in the journal.
    goes_on: bool,
    /// Rows that failed in them are tried again.
    retries: bool,
    /// Rows that are not known from them are refused.
    only_known: bool,
    /// What the directory holds for the rows is read before them, by lists where that is cheaper.
    compares: bool,
    /// Writes are imagined instead of sent.
    rehearses: bool,
    /// The roles that are there, where those that rows name are looked for before anything is written.
    roles: Option<KnownRoles>,
    /// What is listed is kept, whether or not a row names it.
    keeps_all: bool,
    /// The rehearsed run that this one has to be.
    plan: Option<Mutex<Store>>,
    /// What they had counted.
    earlier: Counters,
    began: Instant,
    rows_in_flight: usize,
    /// Whether any row was set aside: as long as none was, nobody has to ask which.
    any_parked: AtomicBool,
    /// Whether any doubt was left unsettled: as long as none was, nobody has to ask for which key.
    any_in_doubt: AtomicBool,
    /// The rows under way that a write was about to be sent for.
    begun: Mutex<HashSet<u64>>,
    /// Tells the rows under way that the run comes to its end.
    ending: watch::Sender<bool>,
}

impl<'a> Engine<'a> {
    pub fn new(
        directory: &'a dyn Directory,
        journal: &'a Journal,
        clock: Clock,
        options: Options,
    ) -> Self {
        let backoff = Backoff::new(options.seed);
        Self {
            directory,
            journal,
            clock,
            options,
            memo: Memo::new(journal),
            backoff,
            can_park: false,
            goes_on: false,
            retries: false,
            only_known: false,
            compares: false,
            rehearses: false,
            roles: None,
            keeps_all: false,
            plan: None,
            earlier: Counters::default(),
            began: Instant::now(),
            rows_in_flight: rows_of_batches(directory, None),
            any_parked: AtomicBool::new(false),
            any_in_doubt: AtomicBool::new(false),
            begun: Mutex::new(HashSet::new()),
            ending: watch::Sender::new(false),
        }
    }

    /// Keeps few rows under way where few requests may be in flight: a run that is asked to stop ends them all.
    #[must_use]
    pub fn with_concurrency(mut self, concurrency: Option<usize>) -> Self {
        if self.directory.batch_limit(Kind::User) > 1 {
            self.rows_in_flight = rows_of_batches(self.directory, concurrency);
        } else if let Some(concurrency) = concurrency {
            self.rows_in_flight = concurrency.saturating_mul(2).clamp(8, ROWS_IN_FLIGHT);
        }
        self
    }

    /// Goes on from what the journal knows of earlier attempts: rows that ended are not looked at again; with `retry`
    /// those that failed are.
    #[must_use]
    pub fn going_on(mut self, retry: bool) -> Self {
        self.goes_on = true;
        self.retries = retry;
        self
    }

    /// Refuses rows that no earlier attempt has read; for rows that are known by what they say.
    #[must_use]
    pub fn only_known(mut self) -> Self {
        self.only_known = true;
        self
    }

    /// Reads what the directory holds for the rows before them, so that what is as it should be costs no write. For rows
    /// most of which are there already; needs a source that can be read twice, and does nothing for others.
    #[must_use]
    pub fn comparing(mut self) -> Self {
        self.compares = true;
        self
    }

    /// Imagines every write instead of sending it: rows end as they would, and the journal has what would be done. A
    /// rehearsed run takes nobody back.
    #[must_use]
    pub fn rehearsing(mut self) -> Self {
        self.compares = true;
        self.rehearses = true;
        self
    }

    /// Looks whether there are the roles that a row names before anything is written for it. A rehearsal ends as the run
    /// does where both do, or neither.
    #[must_use]
    pub fn foreseeing_roles(mut self) -> Self {
        self.roles = Some(KnownRoles::default());
        self
    }

    /// Keeps all that lists show, so that it can be said afterwards what the directory has and no row names.
    #[must_use]
    pub fn keeping_all(mut self) -> Self {
        self.keeps_all = true;
        self
    }

    /// Does what was rehearsed and nothing else: a row whose objects are not in the state any more in which they were
    /// found then fails.
    #[must_use]
    pub fn as_planned(mut self, plan: Store) -> Self {
        self.compares = true;
        self.plan = Some(Mutex::new(plan));
        self
    }

    /// Runs until every row has its outcome or something ends the run. `prelude` is ensured before the first row is
    /// read: what every row needs.
    pub async fn run(
        &mut self,
        rows: &mut dyn Rows,
        prelude: &[Step],
        sink: &mut dyn Sink,
        mut halt: watch::Receiver<Halt>,
    ) -> (Ended, Tally) {
        let mut tally = match self.tally_so_far().await {
            Ok(tally) => tally,
            Err(error) => return (error.into(), Tally::default()),
        };
        self.can_park = rows.can_rewind();
        if self.compares && rows.can_rewind() {
            let snapshot = until_halted(self.take_snapshot(rows), &mut halt).await;
            match snapshot {
                Some(Ok(())) => {}
                Some(Err(ended)) => return (ended, tally),
                None => return (Ended::Halted, tally),
            }
        }
        let prepared = until_halted(self.prelude(prelude, &mut tally), &mut halt).await;
        let mut ended = match prepared {
            Some(Ok(())) => {
                self.pass(rows, sink, &mut tally, halt.clone(), Pass::First)
                    .await
            }
            Some(Err(ended)) => ended,
            None => Ended::Halted,
        };
        if ended == Ended::Complete {
            ended = self.second_pass(rows, sink, &mut tally, halt.clone()).await;
        }
        if ended == Ended::Complete && self.options.require_membership && !self.rehearses {
            let taken_back = self.take_back(&mut tally, halt.clone());
            ended = until_halted(taken_back, &mut halt)
                .await
                .unwrap_or(Ended::Halted);
        }
        (ended, tally)
    }

    /// The counts of what earlier attempts did and this one does not look at again.
    async fn tally_so_far(&mut self) -> Result<Tally, JournalError> {
        if self.rehearses {
            // Rows are rehearsed from the first on; what was read before that is used, and what it has cost.
            let before = self.journal.ask(|store| store.run_info()).await?.counters;
            self.earlier = before.of_reading();
        }
        if !self.goes_on {
            return Ok(Tally::default());
        }
        let retry = self.retries;
        let (kept, counters) = self
            .journal
            .ask(move |store| Ok((store.kept(retry)?, store.run_info()?.counters)))
            .await?;
        self.memo.add_lookups(counters.lookups);
        let tally = Tally::from_earlier(kept, &counters);
        self.earlier = counters;
        Ok(tally)
    }

    /// What the journal's tables do not tell, all attempts together.
    pub fn counters(&self, tally: &Tally, warnings: u64) -> Counters {
        let mut calls = self.earlier.calls.clone();
        for (call, count) in self.directory.calls() {
            *calls.entry(call.to_owned()).or_insert(0) += count;
        }
        Counters {
            lookups: tally.lookups,
            differing: tally.differing,
            taken_back: tally.taken_back,
            warnings,
            duration_seconds: self.earlier.duration_seconds + self.began.elapsed().as_secs_f64(),
            calls,
            waits: self.earlier.waits.and(self.directory.waits()),
        }
    }

    /// Rows that were set aside are tried once more, now that every row's organizations are known.
    async fn second_pass(
        &mut self,
        rows: &mut dyn Rows,
        sink: &mut dyn Sink,
        tally: &mut Tally,
        halt: watch::Receiver<Halt>,
    ) -> Ended {
        match self.journal.ask(|store| store.has_parked()).await {
            Ok(false) => return Ended::Complete,
            Ok(true) => {}
            Err(error) => return error.into(),
        }
        match rows.rewind().await {
            Ok(true) => {}
            Ok(false) => return Ended::Source("The source cannot be read a second time.".into()),
            Err(error) => return Ended::Source(error),
        }
        self.can_park = false;
        self.pass(rows, sink, tally, halt, Pass::Parked).await
    }
}
