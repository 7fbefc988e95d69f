//! Turns a source into the rows that the engine drives: in a thread of its own for files, on demand for rows that the
//! caller hands over. Warnings go to the caller as they are found.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc as std_mpsc};
use std::thread;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::Event;
use super::judging::Stage;
use crate::engine::{Claimed, ReadRow, Rows};
use crate::journal::outcome::{ApiDetails, RowError};
use crate::row::{
    Columns, Interpreted, Issue, Judged, Mode, OwnRules, Rejected, Rules, fields_digest, interpret,
    row_digest, seen,
};
use crate::source::{Handed, Record, RecordBuilder, Source};

/// How many records are read at once.
pub(super) const BATCH: usize = 500;

/// What reading needs to know to make rows of records.
pub(super) struct Meaning {
    pub(super) columns: Columns,
    pub(super) mode: Mode,
    pub(super) rules: Rules,
    /// Rules of the caller's own.
    pub(super) own_rules: Option<Arc<dyn OwnRules>>,
    /// Keys the digests by which rows of one user are compared.
    pub(super) digest_key: [u8; 32],
    /// Rows are known by what they say, not by their place: each gets a digest of its own.
    pub(super) knows_rows: bool,
    /// Only records that fail by themselves are handed on (`--strict` found some).
    pub(super) invalid_only: bool,
    /// Only these records are read (`verify --sample`).
    pub(super) sample: Option<HashSet<u64>>,
    /// A source is read a second time only for rows that were set aside: its warnings were given.
    pub(super) warn: bool,
}

impl Meaning {
    /// Leaves out what is not to be read.
    fn drawn(&self, mut records: Vec<Record>) -> Vec<Record> {
        if let Some(sample) = &self.sample {
            records.retain(|record| sample.contains(&record.number));
        }
        records
    }

    /// What the caller's own rules say. May block.
    fn judge(&self, records: &[Record]) -> Result<Judged, String> {
        match &self.own_rules {
            Some(rules) if !records.is_empty() => {
                Ok(Judged::new(rules.judge(seen(&self.columns, records))?))
            }
            _ => Ok(Judged::default()),
        }
    }

    fn read(
        &mut self,
        records: Vec<Record>,
        mut judged: Judged,
        warnings: &mut Vec<Issue>,
    ) -> Vec<ReadRow> {
        let mut rows = Vec::with_capacity(records.len());
        for record in records {
            let digest = self
                .knows_rows
                .then(|| row_digest(&record, &self.columns, &self.rules, &self.digest_key));
            let interpreted = interpret(&self.columns, &self.mode, record, &self.rules);
            let Interpreted { row, warnings: odd } = judged.add_to(interpreted, &self.columns);
            if self.warn {
                warnings.extend(odd);
            }
            match row {
                Ok(row) if !self.invalid_only => {
                    let fields = row.user().map(|user| fields_digest(user, &self.digest_key));
                    rows.push(ReadRow::Claimed(Box::new(Claimed {
                        identity: row.identity,
                        steps: row.steps,
                        subject: self.columns.kind().subject(),
                        fields,
                        digest,
                    })));
                }
                Ok(_) => {}
                Err(rejected) => rows.push(invalid(rejected, digest)),
            }
        }
        rows
    }

    fn grow(&mut self, names: &[String], warnings: &mut Vec<Issue>) {
        warnings.extend(self.columns.grow(names, &self.mode, &self.rules));
    }
}

/// A record that failed by itself: the first issue gives the code, all of them the message.
fn invalid(rejected: Rejected, digest: Option<[u8; 32]>) -> ReadRow {
    let code = rejected
        .issues
        .first()
        .map_or("invalid_row", |issue| issue.code.as_str());
    let texts: Vec<String> = rejected
        .issues
        .iter()
        .map(|issue| match &issue.column {
            Some(column) => format!("{column}: {}", issue.message),
            None => issue.message.clone(),
        })
        .collect();
    ReadRow::Invalid {
        identity: Box::new(rejected.identity),
        error: RowError {
            error_type: "validation",
            code,
            message: texts.join("; "),
            api: ApiDetails::default(),
        },
        digest,
    }
}

/// Where warnings are counted and told.
#[derive(Clone)]
pub(super) struct Warnings {
    pub(super) count: Arc<AtomicU64>,
    pub(super) events: mpsc::Sender<Event>,
}

impl Warnings {
    pub(super) async fn tell(&self, issue: Issue) {
        // Nobody listens any more: then nobody needs it.
        let _ = self.events.send(Event::Warning(issue)).await;
        // Counted last: a future that is dropped before has told nothing, and tells it again.
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    fn tell_blocking(&self, issue: Issue) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let _ = self.events.blocking_send(Event::Warning(issue));
    }
}

/// Never seen: rows are read only when it is known what they mean.
const UNKNOWN: &str = "the columns are not known yet";

enum FromThread {
    Batch(Vec<ReadRow>),
    End,
    Failed(String),
}

/// A file, read ahead in a thread of its own: parsing does not hold up answers.
pub(super) struct FileRows {
    batches: mpsc::Receiver<FromThread>,
    again: std_mpsc::Sender<()>,
    can_rewind: bool,
    ended: bool,
}

impl FileRows {
    pub(super) fn start(
        source: Box<dyn Source>,
        meaning: Meaning,
        warnings: Warnings,
        can_rewind: bool,
    ) -> std::io::Result<Self> {
        let (batches, receiver) = mpsc::channel(2);
        let (again, wanted_again) = std_mpsc::channel();
        thread::Builder::new()
            .name("workos-importer-source".into())
            .spawn(move || read_file(source, meaning, &warnings, &batches, &wanted_again))?;
        Ok(Self {
            batches: receiver,
            again,
            can_rewind,
            ended: false,
        })
    }
}

fn read_file(
    mut source: Box<dyn Source>,
    mut meaning: Meaning,
    warnings: &Warnings,
    batches: &mpsc::Sender<FromThread>,
    wanted_again: &std_mpsc::Receiver<()>,
) {
    loop {
        loop {
            let message = match source.next_batch(BATCH) {
                Ok(records) if records.is_empty() => FromThread::End,
                Ok(records) => {
                    let mut odd = Vec::new();
                    meaning.grow(source.columns(), &mut odd);
                    let records = meaning.drawn(records);
                    match meaning.judge(&records) {
                        Ok(judged) => {
                            let rows = meaning.read(records, judged, &mut odd);
                            odd.into_iter()
                                .for_each(|issue| warnings.tell_blocking(issue));
                            if rows.is_empty() {
                                continue;
                            }
                            FromThread::Batch(rows)
                        }
                        Err(error) => FromThread::Failed(error),
                    }
                }
                Err(error) => FromThread::Failed(error.to_string()),
            };
            let last = !matches!(message, FromThread::Batch(_));
            if batches.blocking_send(message).is_err() {
                return;
            }
            if last {
                break;
            }
        }
        if wanted_again.recv().is_err() {
            return;
        }
        meaning.warn = false;
        if let Err(error) = source.rewind() {
            let _ = batches.blocking_send(FromThread::Failed(error.to_string()));
            return;
        }
    }
}

#[async_trait]
impl Rows for FileRows {
    async fn next(&mut self) -> Result<Vec<ReadRow>, String> {
        if self.ended {
            return Ok(Vec::new());
        }
        match self.batches.recv().await {
            Some(FromThread::Batch(rows)) => Ok(rows),
            Some(FromThread::End) => {
                self.ended = true;
                Ok(Vec::new())
            }
            Some(FromThread::Failed(error)) => Err(error),
            None => Err("reading the source ended unexpectedly".into()),
        }
    }

    async fn rewind(&mut self) -> Result<bool, String> {
        self.ended = false;
        Ok(self.can_rewind && self.again.send(()).is_ok())
    }

    fn can_rewind(&self) -> bool {
        self.can_rewind
    }
}

/// What the caller hands over.
pub(super) enum Fed {
    /// Empty: there are no more.
    Rows(Handed),
    Failed(String),
}

/// Rows that the caller hands over when it is asked to.
pub(super) struct FedRows {
    builder: RecordBuilder,
    meaning: Option<Meaning>,
    fed: mpsc::UnboundedReceiver<Fed>,
    warnings: Warnings,
    can_rewind: bool,
    /// Whether rows were asked for and have not come.
    asked: bool,
    rewinding: bool,
    ended: bool,
    ready: VecDeque<ReadRow>,
    odd: VecDeque<Issue>,
    /// The records by which the mode was decided.
    first: Vec<Record>,
    /// Those that are with the caller's own rules.
    stage: Stage,
}

impl FedRows {
    pub(super) fn new(
        fed: mpsc::UnboundedReceiver<Fed>,
        warnings: Warnings,
        can_rewind: bool,
    ) -> Self {
        Self {
            builder: RecordBuilder::default(),
            meaning: None,
            fed,
            warnings,
            can_rewind,
            asked: false,
            rewinding: false,
            ended: false,
            ready: VecDeque::new(),
            odd: VecDeque::new(),
            first: Vec::new(),
            stage: Stage::default(),
        }
    }

    /// Reads the first rows, so that the columns are known; `None` if there are no rows at all.
    pub(super) async fn peek(&mut self) -> Result<Option<&[String]>, String> {
        while self.first.is_empty() && !self.ended {
            let records = self.fetch().await?;
            self.first.extend(records);
        }
        Ok((!self.first.is_empty()).then(|| self.builder.columns()))
    }

    /// Whether further columns can come.
    pub(super) fn columns_grow(&self) -> bool {
        self.builder.columns_grow()
    }

    /// Reads everything once to see whether any record fails by itself, and goes back to the beginning. If one does,
    /// only such records are handed on afterwards.
    pub(super) async fn has_invalid(&mut self) -> Result<bool, String> {
        let mut found = false;
        loop {
            let Some((records, judged)) = self.judged().await? else {
                break;
            };
            let Some(meaning) = &mut self.meaning else {
                return Err(UNKNOWN.into());
            };
            let rows = meaning.read(records, judged, &mut Vec::new());
            found = found
                || rows
                    .iter()
                    .any(|row| matches!(row, ReadRow::Invalid { .. }));
        }
        self.rewind().await?;
        if let Some(meaning) = &mut self.meaning {
            meaning.warn = true;
            meaning.invalid_only = found;
        }
        Ok(found)
    }

    pub(super) fn set_meaning(&mut self, meaning: Meaning) {
        self.meaning = Some(meaning);
    }

    /// The next records, and what the caller's own rules say of them; `None` at the end. What is new about columns is
    /// noted. Nothing is lost if it is dropped before it is done.
    async fn judged(&mut self) -> Result<Option<(Vec<Record>, Judged)>, String> {
        if self.stage.is_empty() {
            let mut records = std::mem::take(&mut self.first);
            if records.is_empty() {
                records = self.fetch().await?;
            }
            if records.is_empty() && self.ended {
                return Ok(None);
            }
            let Some(meaning) = &mut self.meaning else {
                return Err(UNKNOWN.into());
            };
            let mut odd = Vec::new();
            meaning.grow(self.builder.columns(), &mut odd);
            self.odd.extend(odd);
            if meaning.own_rules.is_none() || records.is_empty() {
                return Ok(Some((records, Judged::default())));
            }
            self.stage.put(records);
        }
        match &self.meaning {
            Some(meaning) => {
                let events = &self.warnings.events;
                self.stage.judged(&meaning.columns, events).await.map(Some)
            }
            None => Err(UNKNOWN.into()),
        }
    }

    async fn fetch(&mut self) -> Result<Vec<Record>, String> {
        if self.ended {
            return Ok(Vec::new());
        }
        if !self.asked {
            let wanted = Event::WantRows {
                rewind: self.rewinding,
            };
            if self.warnings.events.send(wanted).await.is_err() {
                return Err("nobody hands rows over any more".into());
            }
            self.asked = true;
            self.rewinding = false;
        }
        match self.fed.recv().await {
            Some(Fed::Rows(rows)) => {
                self.asked = false;
                self.ended = rows.is_empty();
                self.builder
                    .records(rows)
                    .map_err(|error| error.to_string())
            }
            Some(Fed::Failed(error)) => Err(error),
            None => Err("nobody hands rows over any more".into()),
        }
    }
}

#[async_trait]
impl Rows for FedRows {
    async fn next(&mut self) -> Result<Vec<ReadRow>, String> {
        loop {
            // Each is taken out only when it is told: a future that is dropped in between loses none.
            while let Some(issue) = self.odd.front() {
                self.warnings.tell(issue.clone()).await;
                self.odd.pop_front();
            }
            if !self.ready.is_empty() {
                return Ok(self.ready.drain(..).collect());
            }
            let Some((records, judged)) = self.judged().await? else {
                return Ok(Vec::new());
            };
            let Some(meaning) = &mut self.meaning else {
                return Err(UNKNOWN.into());
            };
            let mut odd = Vec::new();
            self.ready.extend(meaning.read(records, judged, &mut odd));
            self.odd.extend(odd);
        }
    }

    async fn rewind(&mut self) -> Result<bool, String> {
        if !self.can_rewind {
            return Ok(false);
        }
        self.builder.rewind();
        self.stage = Stage::default();
        self.rewinding = true;
        self.ended = false;
        if let Some(meaning) = &mut self.meaning {
            meaning.warn = false;
        }
        Ok(true)
    }

    fn can_rewind(&self) -> bool {
        self.can_rewind
    }
}
