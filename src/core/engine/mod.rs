//! The run: reads rows, drives their steps in order with one flight per key, settles doubt, gives each row's outcome
//! once, and stops cleanly. Knows steps and outcomes; what they are about is the rows' and the directory's business.

mod drive;
mod ensure;
mod memo;
mod take_back;
mod tally;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::clock::Clock;
use crate::directory::{ApiError, Directory, Policy};
use crate::journal::outcome::{Outcome, RowError, RowResult};
use crate::journal::{EndedRow, Journal, JournalError, Registration};
use crate::pace::Backoff;
use crate::row::{Kind, RowIdentity, Step, StepKey};
use drive::{Driven, Finished};
use memo::Memo;
pub use tally::Tally;

/// How long what is in flight may take to end once the run is asked to stop.
pub const DRAIN: Duration = Duration::from_secs(20);

/// How many rows are under way at once: enough to keep every permit in use while some rows wait for each other.
const ROWS_IN_FLIGHT: usize = 256;

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
}

/// What reading brought: a row, or a record that failed by itself.
#[derive(Clone, Debug)]
pub enum ReadRow {
    Claimed(Box<Claimed>),
    Invalid { identity: Box<RowIdentity>, error: RowError },
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
    /// A row ended. Called once for each row.
    ///
    /// # Errors
    /// When a file that belongs to the run cannot be written; this stops the run.
    async fn row(&mut self, result: &RowResult) -> Result<(), String>;

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
    /// Start no further row, let what is in flight end.
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
    /// The API could not be read from at all.
    Unreachable(String),
    Journal(String),
    Source(String),
    /// A file of the run could not be written.
    Output(String),
    /// A step that every row needs failed before the first row.
    Prelude(RowError),
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
}

impl<'a> Engine<'a> {
    pub fn new(directory: &'a dyn Directory, journal: &'a Journal, clock: Clock, options: Options) -> Self {
        let backoff = Backoff::new(options.seed);
        Self { directory, journal, clock, options, memo: Memo::new(journal), backoff, can_park: false }
    }

    /// Runs until every row has its outcome or something ends the run. `prelude` is ensured before the first row is
    /// read: what every row needs.
    pub async fn run(
        &mut self,
        rows: &mut dyn Rows,
        prelude: &[Step],
        sink: &mut dyn Sink,
        halt: watch::Receiver<Halt>,
    ) -> (Ended, Tally) {
        let mut tally = Tally::default();
        self.can_park = rows.can_rewind();
        let mut ended = match self.prelude(prelude, &mut tally).await {
            Ok(()) => self.pass(rows, sink, &mut tally, halt.clone(), Pass::First).await,
            Err(ended) => ended,
        };
        if ended == Ended::Complete {
            ended = self.second_pass(rows, sink, &mut tally, halt.clone()).await;
        }
        if ended == Ended::Complete && self.options.require_membership {
            ended = self.take_back(&mut tally, halt).await;
        }
        (ended, tally)
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
            Err(error) => return Ended::Journal(error.to_string()),
        }
        match rows.rewind().await {
            Ok(true) => {}
            Ok(false) => return Ended::Source("The source cannot be read a second time.".into()),
            Err(error) => return Ended::Source(error),
        }
        self.can_park = false;
        self.pass(rows, sink, tally, halt, Pass::Parked).await
    }

    async fn pass(
        &self,
        rows: &mut dyn Rows,
        sink: &mut dyn Sink,
        tally: &mut Tally,
        mut halt: watch::Receiver<Halt>,
        pass: Pass,
    ) -> Ended {
        let mut waiting: VecDeque<Claimed> = VecDeque::new();
        let mut under_way = FuturesUnordered::new();
        // The last row of each subject that is under way: rows of one subject go one after another, in the order of reading.
        let mut last_of: HashMap<StepKey, (u64, oneshot::Receiver<()>)> = HashMap::new();
        let mut at_end = false;
        let mut ending: Option<Ended> = None;
        let mut deadline: Option<Instant> = None;
        loop {
            if ending.is_none() {
                while under_way.len() < ROWS_IN_FLIGHT {
                    let Some(row) = waiting.pop_front() else { break };
                    let (done, predecessor) = chain(&mut last_of, &row);
                    under_way.push(self.drive(row, predecessor, done));
                }
            }
            let drained = under_way.is_empty();
            if drained && (ending.is_some() || (at_end && waiting.is_empty())) {
                return ending.unwrap_or(Ended::Complete);
            }
            tokio::select! {
                biased;
                level = halted(&mut halt, deadline.is_some()) => {
                    if level == Halt::Now {
                        return ending.unwrap_or(Ended::Halted);
                    }
                    ending.get_or_insert(Ended::Halted);
                    deadline = Some(Instant::now() + DRAIN);
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    return ending.unwrap_or(Ended::Halted);
                }
                Some(driven) = under_way.next(), if !under_way.is_empty() => {
                    let ended = self.finish(driven, &mut last_of, sink, tally).await;
                    if let Some(ended) = ended.or_else(|| self.too_many_errors(tally)) {
                        // What is in flight ends: its answers are worth knowing. A key that is refused or a journal that is
                        // gone ends at once.
                        let fatal = matches!(ended, Ended::Key(_) | Ended::Journal(_) | Ended::Output(_));
                        if fatal {
                            return ended;
                        }
                        if ending.is_none() {
                            ending = Some(ended);
                            deadline = Some(Instant::now() + DRAIN);
                        }
                    }
                }
                batch = rows.next(), if !at_end && ending.is_none() && waiting.is_empty() => {
                    match batch {
                        Err(error) => {
                            ending = Some(Ended::Source(error));
                        }
                        Ok(batch) => {
                            at_end = batch.is_empty();
                            match self.take_in(batch, pass, sink, tally).await {
                                Ok(rows) => waiting.extend(rows),
                                Err(ended) => ending = Some(ended),
                            }
                            if let Some(ended) = self.too_many_errors(tally) {
                                ending.get_or_insert(ended);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Registers a batch in the order of reading, and lets records that failed by themselves end.
    async fn take_in(
        &self,
        batch: Vec<ReadRow>,
        pass: Pass,
        sink: &mut dyn Sink,
        tally: &mut Tally,
    ) -> Result<Vec<Claimed>, Ended> {
        let mut rows = Vec::with_capacity(batch.len());
        if pass == Pass::First {
            tally.rows_read += batch.len() as u64;
        }
        for read in batch {
            match read {
                ReadRow::Invalid { identity, error } if pass == Pass::First => {
                    let result = RowResult {
                        identity: *identity,
                        outcome: Outcome::Failed,
                        steps: Vec::new(),
                        error: Some(error),
                        at: self.clock.now(),
                    };
                    self.record(&result, Vec::new(), sink, tally).await?;
                }
                ReadRow::Invalid { .. } => {}
                ReadRow::Claimed(row) => rows.push(*row),
            }
        }
        if pass == Pass::Parked {
            let numbers: Vec<u64> = rows.iter().map(|row| row.identity.record_number).collect();
            let parked = self
                .journal
                .ask(move |store| numbers.into_iter().map(|number| store.unpark(number)).collect::<Result<Vec<_>, _>>())
                .await
                .map_err(|error| Ended::Journal(error.to_string()))?;
            let mut parked = parked.into_iter();
            rows.retain(|_| parked.next().unwrap_or(false));
            return Ok(rows);
        }
        self.register(&rows, sink).await.map_err(|error| Ended::Journal(error.to_string()))?;
        for row in &rows {
            tally.read(row);
        }
        Ok(rows)
    }

    async fn register(&self, rows: &[Claimed], sink: &mut dyn Sink) -> Result<(), JournalError> {
        let mut registrations = Vec::new();
        let mut lines = Vec::new();
        for row in rows {
            for step in &row.steps {
                let Some(key) = step.key() else { continue };
                let fields = if step.kind == row.subject { row.fields } else { None };
                let label = step.label().map(str::to_owned);
                registrations.push(Registration { key, record_number: row.identity.record_number, fields, label });
                lines.push(row.identity.line);
            }
        }
        let asked = registrations.clone();
        let registered = self
            .journal
            .ask(move |store| asked.iter().map(|one| store.register(one)).collect::<rusqlite::Result<Vec<_>>>())
            .await?;
        for ((registration, registered), line) in registrations.into_iter().zip(registered).zip(lines) {
            if registered.same_fields && registered.other_label.is_none() {
                continue;
            }
            sink.disagreement(Disagreement {
                key: registration.key,
                record_number: registration.record_number,
                line,
                first_record: registered.first_record,
                label: registered.other_label,
            })
            .await;
        }
        Ok(())
    }

    async fn finish(
        &self,
        driven: Driven,
        last_of: &mut HashMap<StepKey, (u64, oneshot::Receiver<()>)>,
        sink: &mut dyn Sink,
        tally: &mut Tally,
    ) -> Option<Ended> {
        if let Some(key) = &driven.subject {
            if last_of.get(key).is_some_and(|(record, _)| *record == driven.record_number) {
                last_of.remove(key);
            }
        }
        match driven.finished {
            Finished::Ended { result, keys } => self.record(&result, keys, sink, tally).await.err(),
            Finished::Parked(key) => {
                let number = driven.record_number;
                self.journal
                    .note(move |store| store.park(number, &key))
                    .err()
                    .map(|error| Ended::Journal(error.to_string()))
            }
            Finished::Stop(ended) => Some(ended),
        }
    }

    /// A row's result is noted, counted and handed over: once.
    async fn record(
        &self,
        result: &RowResult,
        keys: Vec<(StepKey, &'static str)>,
        sink: &mut dyn Sink,
        tally: &mut Tally,
    ) -> Result<(), Ended> {
        tally.ended(result);
        tally.lookups = self.memo.lookups();
        let ended = EndedRow::of(result, keys);
        self.journal
            .note(move |store| store.outcome(&ended))
            .map_err(|error| Ended::Journal(error.to_string()))?;
        sink.row(result).await.map_err(Ended::Output)?;
        sink.tally(tally);
        Ok(())
    }

    fn too_many_errors(&self, tally: &Tally) -> Option<Ended> {
        let ended = tally.rows_ended();
        let exceeded = match self.options.max_errors? {
            MaxErrors::Count(most) => tally.failed() > most,
            MaxErrors::Percent(most) => ended >= 100 && tally.failed() as f64 * 100.0 > most * ended as f64,
        };
        exceeded.then_some(Ended::TooManyErrors)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    First,
    Parked,
}

/// Puts a row behind the last one of the same subject.
fn chain(
    last_of: &mut HashMap<StepKey, (u64, oneshot::Receiver<()>)>,
    row: &Claimed,
) -> (oneshot::Sender<()>, Option<oneshot::Receiver<()>>) {
    let (done, ended) = oneshot::channel();
    let key = row.steps.iter().find(|step| step.kind == row.subject).and_then(Step::key);
    let predecessor = key.and_then(|key| last_of.insert(key, (row.identity.record_number, ended)));
    (done, predecessor.map(|(_, receiver)| receiver))
}

/// Resolves when the run is asked to stop; while it drains, only when it is asked to stop at once.
async fn halted(halt: &mut watch::Receiver<Halt>, draining: bool) -> Halt {
    let least = if draining { Halt::Now } else { Halt::Drain };
    loop {
        let level = *halt.borrow_and_update();
        if level >= least {
            return level;
        }
        if halt.changed().await.is_err() {
            // Nobody can ask any more.
            return std::future::pending().await;
        }
    }
}

