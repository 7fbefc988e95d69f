//! One import from its first check to its summary.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rand::RngExt;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::beat::Beat;
use super::comparison::Comparison;
use super::course;
use super::event::{Event, Started};
use super::figures::{Figures, GO_ON};
use super::first_reads::{check, learn_schema};
use super::kept_pace::PaceChange;
use super::options::{Again, Purpose};
use super::prepare::{OpenFile, Origin, Prepared};
use super::reading::{BATCH, FedRows, FileRows, Meaning, Warnings};
use super::reporter::Reporter;
use super::sent_lately::ages;
use super::workload::{Before, least_seconds, writes_per_row};
use crate::clock::Clock;
use crate::directory::{OnExisting, Policy};
use crate::engine::{Ended, Engine, Halt, Options, Rows, Tally};
use crate::journal::{self, Journal, JournalError};
use crate::report::{AuditFile, ErrorFile, write_results};
use crate::row::{Claim, Columns, Issue, IssueCode, Mode, RowKind, Step};
use crate::source::Source;
use crate::validate::{ValidateOptions, validate};

impl Prepared {
    /// Runs the import to its end; the last event is its summary. `changes`: other paces that are asked for meanwhile.
    pub(super) async fn run(
        self,
        halt: watch::Receiver<Halt>,
        confirmed: watch::Receiver<Option<bool>>,
        changes: mpsc::UnboundedReceiver<PaceChange>,
    ) {
        let mut started = Instant::now();
        let run_id = self.folder.id.clone();
        let events = self.events.clone();
        let mut figures = Figures {
            run_id,
            mode: String::new(),
            total: None,
            warnings: Arc::clone(&self.warnings.count),
            folder: self.folder.path.clone(),
            errors_out: self.options.errors_out.clone(),
            results_out: self.options.results_out.clone(),
            calls: Default::default(),
            waits: Default::default(),
            strict_failed: false,
            time_is_up: false,
            declined: false,
            organization_by_id: self.options.organization.id.is_some(),
            no_rows: "The file has a header but no rows.",
            advice: match self.options.purpose.only_looks() {
                true => "Compare again.",
                false => GO_ON,
            },
        };
        let earlier = self.counters_so_far().duration_seconds;
        let counters = Arc::clone(&self.counters);
        let (ended, tally) = self
            .work(halt, confirmed, changes, &mut figures, &mut started)
            .await;
        figures.time_is_up = counters.time_is_up.load(Ordering::Relaxed);
        let seconds = earlier + started.elapsed().as_secs_f64();
        let summary = figures.summary(ended, &tally, seconds);
        // A caller that is gone does not need it.
        let _ = events.send(Event::Ended(Box::new(summary))).await;
    }

    async fn work(
        mut self,
        halt: watch::Receiver<Halt>,
        confirmed: watch::Receiver<Option<bool>>,
        changes: mpsc::UnboundedReceiver<PaceChange>,
        figures: &mut Figures,
        started_at: &mut Instant,
    ) -> (Ended, Tally) {
        let nothing = Tally::default();
        let directory = self
            .connection
            .directory(self.options.concurrency, self.options.patience());
        let known = unless_halted(&halt, learn_schema(&mut self.options, directory.as_ref())).await;
        if let Err(ended) = known.unwrap_or(Err(Ended::Halted)) {
            return (ended, nothing);
        }
        let (mode, unread, odd) = match unless_halted(&halt, self.read(figures)).await {
            Some(Ok(read)) => read,
            Some(Err(error)) => return (Ended::Source(error), nothing),
            None => return (Ended::Halted, nothing),
        };
        figures.mode = mode.as_str().to_owned();
        let agreed = self.agreed(&mode, &halt, confirmed, figures, started_at);
        match agreed.await {
            Ok(true) => {}
            Ok(false) => return (Ended::Halted, nothing),
            Err(error) => return (Ended::Output(error.to_string()), nothing),
        }
        let journal = match self.open_journal(&mode, figures.total).await {
            Ok(journal) => journal,
            Err(error) => return (Ended::Journal(error.0), nothing),
        };
        self.counters
            .total
            .store(figures.total.unwrap_or(0), Ordering::Relaxed);
        let before = Before::of(self.going_on.as_ref());
        self.counters.ended.store(before.ended, Ordering::Relaxed);
        self.counters.failed.store(before.failed, Ordering::Relaxed);
        let left = figures
            .total
            .map(|rows| before.left_of(rows, self.knows_rows));
        let started = self.started(&mode, figures.total, left);
        let _ = self.events.send(Event::Started(Box::new(started))).await;
        for issue in odd {
            self.warnings.tell(issue).await;
        }
        let mut rows = match unread.start(&self.warnings) {
            Ok(rows) => rows,
            Err(error) => return (Ended::Source(error.to_string()), nothing),
        };
        directory.already_sent(&ages(&self.sent_lately));
        if let Some(rows) = left
            && !self.options.purpose.only_looks()
        {
            directory.expect(rows * writes_per_row(&mode));
        }
        let beating = Beat {
            directory: Arc::clone(&directory),
            counters: Arc::clone(&self.counters),
            folder: self.folder.path.clone(),
            kept: self.connection.kept,
            changes,
        }
        .begin();
        let mut reporter = Reporter {
            events: self.events.clone(),
            warnings: self.warnings.clone(),
            counters: Arc::clone(&self.counters),
            errors: self.errors.take(),
            audit: self.audit.take(),
        };
        let checked = if figures.strict_failed {
            Ok(())
        } else {
            let checked = unless_halted(&halt, check(directory.as_ref())).await;
            checked.unwrap_or(Err(Ended::Halted))
        };
        let (mut ended, tally) = match checked {
            Err(ended) => (ended, nothing),
            Ok(()) => {
                let options = Options {
                    policy: self.policy(),
                    require_membership: self.options.require_membership,
                    max_errors: self.options.max_errors,
                    seed: rand::random(),
                };
                let prelude: Vec<Step> = match mode.organization() {
                    Some(claim) if !figures.strict_failed => {
                        vec![Step::new(Claim::Organization(claim.clone()))]
                    }
                    _ => Vec::new(),
                };
                let mut engine = Engine::new(directory.as_ref(), &journal, Clock::System, options)
                    .with_concurrency(self.options.concurrency);
                if !matches!(self.options.purpose, Purpose::Verify { .. }) {
                    engine = engine.foreseeing_roles();
                }
                engine = match &self.options.purpose {
                    Purpose::Plan => engine.rehearsing(),
                    Purpose::Verify { extra: true, .. } => engine.rehearsing().keeping_all(),
                    Purpose::Verify { .. } => engine.rehearsing(),
                    // Most of what is updated is there already, or there is little to list.
                    Purpose::Import if self.options.on_existing == OnExisting::Update => {
                        engine.comparing()
                    }
                    Purpose::Import | Purpose::Planned(_) => engine,
                };
                if let Some(plan) = self.plan.take() {
                    engine = engine.as_planned(plan);
                }
                if let Some(going_on) = &self.going_on {
                    engine = engine.going_on(going_on.retry);
                    // All of its rows were read: another one is not of the run.
                    let named = matches!(self.options.again, Again::Resume(_) | Again::Retry(_));
                    if named && self.knows_rows && going_on.was_whole {
                        engine = engine.only_known();
                    }
                }
                engine
                    .run(rows.as_mut(), &prelude, &mut reporter, halt)
                    .await
            }
        };
        // The reading thread ends with its channel; a row that it still warns about is not ours any more.
        drop(rows);
        beating.end().await;
        let so_far = self.counters_so_far();
        figures.waits = so_far.waits.and(directory.waits());
        figures.calls = so_far.calls.clone();
        for (call, count) in directory.calls() {
            *figures.calls.entry(call.to_owned()).or_insert(0) += count;
        }
        let results_out = self.options.results_out.as_deref();
        let written = write_files(
            reporter.errors.take().map(|errors| errors.file),
            reporter.audit.take(),
            results_out,
            &journal,
        )
        .await;
        // What ended the run first is what has to be said; a failure while closing counts only after a complete run.
        if let (Ended::Complete, Err(error)) = (&ended, written) {
            ended = Ended::Output(error);
        }
        figures.time_is_up = self.counters.time_is_up.load(Ordering::Relaxed);
        let status = figures.status(&ended, &tally).as_str();
        let at = Clock::System.now().to_string();
        let counters = journal::Counters {
            lookups: tally.lookups,
            differing: tally.differing,
            taken_back: tally.taken_back,
            warnings: figures.warnings.load(Ordering::Relaxed),
            duration_seconds: so_far.duration_seconds + started_at.elapsed().as_secs_f64(),
            calls: figures.calls.clone(),
            waits: figures.waits,
        };
        let total = figures
            .total
            .or((ended == Ended::Complete).then_some(tally.rows_read));
        let (seen, now, instant) = (
            directory.pace().course(),
            Clock::System.now(),
            Instant::now(),
        );
        let finished = journal.commit(move |store| {
            store.note_counters(&counters, total)?;
            let mut history = store.history()?;
            course::add(&mut history, &seen, now, instant);
            store.note_history(&history)?;
            store.finish(status, &at)
        });
        let finished = finished.await;
        if self.options.purpose.only_looks() {
            match journal.ask(Comparison::found).await {
                Ok(found) => {
                    let (calls, limits) = (&figures.calls, self.connection.limits.as_ref());
                    let on_existing = self.options.on_existing;
                    let comparison =
                        found.completed(&tally, calls, on_existing, directory.as_ref(), limits);
                    let told = Event::Compared(Box::new(comparison));
                    let _ = self.events.send(told).await;
                }
                Err(error) if ended == Ended::Complete => ended = Ended::Journal(error.0),
                Err(_) => {}
            }
        } else if let Err(error) = journal.ask(|store| store.forget_seen()).await {
            log::warn!(
                "what was read of the directory stays in the journal: {}",
                error.0
            );
        }
        if let (Ended::Complete, Err(error)) = (&ended, finished) {
            ended = Ended::Journal(error.0);
        }
        (ended, tally)
    }

    /// Makes rows of the source: counts it, checks it as a whole where that is asked for, decides the mode. Returns
    /// also what has to be said about the source.
    async fn read(&mut self, figures: &mut Figures) -> Result<(Mode, Unread, Vec<Issue>), String> {
        match self.origin.take() {
            Some(Origin::File(file)) => self.read_file(*file, figures).await,
            Some(Origin::Fed(rows)) => self.read_fed(rows, figures).await,
            None => Err("the source was read already".into()),
        }
    }

    async fn read_file(
        &mut self,
        file: OpenFile,
        figures: &mut Figures,
    ) -> Result<(Mode, Unread, Vec<Issue>), String> {
        let OpenFile {
            source,
            columns,
            mode,
            said,
        } = file;
        let strict = self.options.strict.then(|| self.options.validation());
        let (source, counted) = tokio::task::spawn_blocking(move || count(source, strict))
            .await
            .map_err(|error| error.to_string())??;
        let can_rewind = counted.is_some();
        figures.total = counted.as_ref().map(|counted| counted.records);
        figures.strict_failed = counted.is_some_and(|counted| counted.errors > 0);
        let mut odd: Vec<Issue> = source
            .warnings()
            .iter()
            .map(|text| Issue::about_source(IssueCode::EncodingDoubt, text))
            .collect();
        odd.extend(columns.warnings().iter().cloned().chain(said));
        odd.extend(columns.unmapped_traits(&self.options.validation().rules));
        let mut meaning = Box::new(self.meaning(columns, &mode, figures.strict_failed));
        if let (
            Purpose::Verify {
                sample: Some(most), ..
            },
            Some(rows),
        ) = (&self.options.purpose, figures.total)
            && *most < rows
        {
            meaning.sample = Some(sample(*most, rows));
            figures.total = Some(*most);
        }
        let unread = Unread::File {
            source,
            meaning,
            can_rewind,
        };
        Ok((mode, unread, odd))
    }

    async fn read_fed(
        &mut self,
        mut rows: Box<FedRows>,
        figures: &mut Figures,
    ) -> Result<(Mode, Unread, Vec<Issue>), String> {
        let Some(names) = rows.peek().await?.map(<[String]>::to_vec) else {
            figures.no_rows = "The source has no rows.";
            let mode = match self.options.rows {
                RowKind::Users => Mode::UserOnly,
                kind => Mode::Others {
                    kind,
                    organization: None,
                },
            };
            return Ok((mode, Unread::Fed(rows), Vec::new()));
        };
        let source = (names.as_slice(), rows.columns_grow());
        let record_id = self.options.record_id.as_deref();
        let columns = Columns::of(self.options.rows, source, &self.options.mapping, record_id)
            .map_err(|error| error.to_string())?;
        let (mode, said) = Mode::decide(&self.options.organization, &columns)
            .map_err(|error| error.to_string())?;
        let said = said
            .into_iter()
            .chain(columns.never_cleared(&self.options.validation().rules));
        let odd = columns.warnings().iter().cloned().chain(said).collect();
        rows.set_meaning(self.meaning(columns, &mode, false));
        if self.options.strict {
            figures.strict_failed = rows.has_invalid().await?;
        }
        Ok((mode, Unread::Fed(rows), odd))
    }

    fn meaning(&self, columns: Columns, mode: &Mode, invalid_only: bool) -> Meaning {
        Meaning {
            columns,
            mode: mode.clone(),
            rules: self.options.validation().rules,
            own_rules: self.options.own_rules.clone(),
            digest_key: self.key,
            knows_rows: self.knows_rows,
            invalid_only,
            sample: None,
            warn: true,
        }
    }

    fn policy(&self) -> Policy {
        Policy {
            // What differs is to be seen, whatever an import would do about it.
            on_existing: match self.options.purpose {
                Purpose::Verify { .. } => OnExisting::Update,
                _ => self.options.on_existing,
            },
            update_passwords: self.options.update_passwords && !self.options.purpose.only_looks(),
            reactivate: self.options.reactivate,
            create_organizations: !self.options.no_create_orgs,
        }
    }

    /// `left`: rows that are still to be worked on.
    pub(super) fn started(&self, mode: &Mode, rows: Option<u64>, left: Option<u64>) -> Started {
        let limits = self.connection.limits.as_ref();
        Started {
            run_id: self.folder.id.clone(),
            mode: mode.as_str().to_owned(),
            mode_sentence: mode.sentence(),
            rows,
            live: self.connection.live,
            write_limit: limits
                .map(|limits| (limits.writes.count, limits.writes.period.as_secs_f64())),
            headroom: self.connection.kept.headroom,
            least_seconds: left.zip(limits).map(|(rows, limits)| {
                least_seconds(
                    self.connection.calls_of(rows * writes_per_row(mode)),
                    limits,
                )
            }),
            note: self.note.clone(),
            folder: self.folder.path.clone(),
        }
    }

    /// The counts of earlier attempts that the journal's tables do not tell.
    fn counters_so_far(&self) -> journal::Counters {
        match (&self.going_on, &self.compared) {
            (Some(going_on), _) => going_on.info.counters.clone(),
            (None, Some(compared)) => compared.clone().of_reading(),
            (None, None) => journal::Counters::default(),
        }
    }

    async fn open_journal(
        &mut self,
        mode: &Mode,
        total: Option<u64>,
    ) -> Result<Journal, JournalError> {
        let journal = Journal::reopen(&self.folder.journal())?;
        let mode = mode.as_str();
        // Rows of earlier attempts may have left the source: how many there are is known at the end.
        let total = total.filter(|_| !self.knows_rows);
        // The same as before, unless a new key was given for it.
        let environment = self.identity.environment(&self.key);
        let attempt = course::attempt(
            &self.connection.kept,
            self.connection.live,
            Clock::System.now(),
        );
        let errors = self.errors.as_ref();
        let grown = errors.is_some_and(|errors| errors.has_earlier);
        let growing = errors.filter(|errors| errors.is_tracked);
        let error_file = growing.map(|errors| errors.path.clone());
        journal
            .commit(move |store| {
                store.begin(mode, total)?;
                if !grown {
                    store.note_error_file(error_file.as_deref())?;
                }
                let mut history = store.history()?;
                history.begin(attempt);
                store.note_history(&history)?;
                store.note_environment(&environment)
            })
            .await?;
        Ok(journal)
    }
}

/// So many different numbers from 1 to `rows`, drawn at random.
fn sample(most: u64, rows: u64) -> HashSet<u64> {
    let mut random = rand::rng();
    let mut drawn = HashSet::new();
    while (drawn.len() as u64) < most {
        drawn.insert(random.random_range(1..=rows));
    }
    drawn
}

async fn write_files(
    errors: Option<ErrorFile>,
    audit: Option<AuditFile>,
    results_out: Option<&std::path::Path>,
    journal: &Journal,
) -> Result<(), String> {
    if let Some(file) = errors {
        file.finish()
            .map_err(|error| format!("the error file cannot be written: {error}"))?;
    }
    if let Some(file) = audit {
        file.finish()
            .map_err(|error| format!("the audit file cannot be written: {error}"))?;
    }
    if let Some(path) = results_out {
        write_results(journal, path).await.map_err(|error| {
            format!(
                "the results file {} cannot be written: {error}",
                path.display()
            )
        })?;
    }
    Ok(())
}

struct Counted {
    records: u64,
    /// Found by `--strict` only.
    errors: u64,
}

/// Counts the records of a source that can be read twice, and goes back to its beginning; `None` for one that cannot.
fn count(
    mut source: Box<dyn Source>,
    strict: Option<ValidateOptions>,
) -> Result<(Box<dyn Source>, Option<Counted>), String> {
    if !source.rewind().map_err(|error| error.to_string())? {
        return Ok((source, None));
    }
    let mut counted = Counted {
        records: 0,
        errors: 0,
    };
    match strict {
        Some(options) => {
            let summary =
                validate(source.as_mut(), &options, |_| {}).map_err(|error| error.to_string())?;
            counted = Counted {
                records: summary.records,
                errors: summary.errors,
            };
        }
        None => loop {
            let batch = source
                .next_batch(BATCH)
                .map_err(|error| error.to_string())?;
            if batch.is_empty() {
                break;
            }
            counted.records += batch.len() as u64;
        },
    }
    source.rewind().map_err(|error| error.to_string())?;
    Ok((source, Some(counted)))
}

/// A source whose meaning is known and whose rows are not read yet.
enum Unread {
    File {
        source: Box<dyn Source>,
        meaning: Box<Meaning>,
        can_rewind: bool,
    },
    Fed(Box<FedRows>),
}

impl Unread {
    /// Begins to read.
    fn start(self, warnings: &Warnings) -> io::Result<Box<dyn Rows>> {
        Ok(match self {
            Self::File {
                source,
                meaning,
                can_rewind,
            } => Box::new(FileRows::start(
                source,
                *meaning,
                warnings.clone(),
                can_rewind,
            )?),
            Self::Fed(rows) => rows,
        })
    }
}

/// The future's output, or `None` as soon as the run is asked to stop. For what changes nothing when it is dropped.
pub(super) async fn unless_halted<T>(
    halt: &watch::Receiver<Halt>,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut halt = halt.clone();
    let asked = async {
        if halt.wait_for(|level| *level >= Halt::Drain).await.is_err() {
            // Nobody can ask any more.
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        biased;
        () = asked => None,
        output = future => Some(output),
    }
}
