//! One import from its first check to its summary.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::event::{Event, Started, Status, Stopped, Summary};
use super::folder::Folder;
use super::options::{ImportOptions, Input, Target};
use super::reading::{BATCH, Fed, FedRows, FileRows, Meaning, Warnings};
use super::reporter::{Counters, Reporter};
use super::StartError;
use crate::clock::Clock;
use crate::directory::workos::{Limits, WorkOs};
use crate::directory::{CallError, Directory, OnExisting, Policy};
use crate::engine::{Ended, Engine, Halt, Options, Rows, Tally};
use crate::journal::outcome::{Effect, Outcome};
use crate::journal::{Journal, RunRecord};
use crate::report::{ErrorFile, write_results};
use crate::row::{Claim, Columns, Issue, IssueCode, Kind, Mode, Rules, Step};
use crate::source::{self, Source};
use crate::validate::{ValidateOptions, validate};
use crate::wire::{HttpTransport, Transport};

/// Everything that an import needs, checked. Nothing was sent.
pub(super) struct Prepared {
    pub(super) folder: Folder,
    source_name: String,
    options: ImportOptions,
    origin: Origin,
    target: Target,
    events: mpsc::Sender<Event>,
    counters: Arc<Counters>,
    warnings: Warnings,
    errors: Option<ErrorFile>,
    connection: Connected,
}

struct Connected {
    transport: Arc<dyn Transport>,
    live: bool,
    limits: Option<Limits>,
    headroom: f64,
}

enum Origin {
    File { source: Box<dyn Source>, columns: Columns, mode: Mode, said: Vec<Issue> },
    Fed(Box<FedRows>),
}

/// Checks everything that can be checked at once.
pub(super) fn prepare(
    options: ImportOptions,
    input: Input,
    target: Target,
    rows: mpsc::UnboundedReceiver<Fed>,
    events: mpsc::Sender<Event>,
    counters: Arc<Counters>,
) -> Result<Prepared, StartError> {
    check_options(&options)?;
    let source_name = match &input {
        Input::Path { path, .. } => path.clone(),
        Input::Fed { .. } => "rows".to_owned(),
    };
    let warnings = Warnings { count: Arc::new(AtomicU64::new(0)), events: events.clone() };
    let origin = match input {
        Input::Fed { can_rewind } => {
            if options.strict && !can_rewind {
                return Err(strict_needs_two_readings());
            }
            Origin::Fed(Box::new(FedRows::new(rows, warnings.clone(), can_rewind)))
        }
        Input::Path { path, format } => {
            if options.strict && path == "-" {
                return Err(strict_needs_two_readings());
            }
            let source = source::open(&path, &format)?;
            let columns = if source.columns_grow() {
                Columns::resolve_growing(source.columns(), &options.mapping)?
            } else {
                Columns::resolve(source.columns(), &options.mapping)?
            };
            let (mode, said) = Mode::decide(&options.organization, &columns)?;
            Origin::File { source, columns, mode, said }
        }
    };
    let connection = connect(&options, &target)?;
    let folder = Folder::create(options.run_dir.as_deref())?;
    let errors = match &options.errors_out {
        Some(path) => Some(ErrorFile::create(path).map_err(|error| StartError::Output {
            path: path.display().to_string(),
            reason: error.to_string(),
        })?),
        None => None,
    };
    if let Some(path) = &options.results_out {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if parent.is_some_and(|parent| !parent.is_dir()) || path.is_dir() {
            let reason = "the folder is not there, or the name is a folder's".to_owned();
            return Err(StartError::Output { path: path.display().to_string(), reason });
        }
    }
    Ok(Prepared { folder, source_name, options, origin, target, events, counters, warnings, errors, connection })
}

fn strict_needs_two_readings() -> StartError {
    StartError::Options("--strict reads the source twice, and this one can be read only once. Save it as a file.".into())
}

fn check_options(options: &ImportOptions) -> Result<(), StartError> {
    let refuse = |text: &str| Err(StartError::Options(text.to_owned()));
    if options.update_passwords && options.on_existing != OnExisting::Update {
        return refuse("--update-passwords needs --on-existing update.");
    }
    if options.concurrency == Some(0) {
        return refuse("--concurrency must be at least 1.");
    }
    if options.headroom.is_some_and(|share| !(0.0..1.0).contains(&share)) {
        return refuse("--headroom must be at least 0% and less than 100%.");
    }
    if options.rate_limit.is_some_and(|limit| limit.count == 0 || limit.period.is_zero()) {
        return refuse("--rate-limit must allow at least one request. Write it like 500/10s.");
    }
    if let (Some(errors), Some(results)) = (&options.errors_out, &options.results_out) {
        if errors == results {
            return refuse("--errors-out and --results-out name the same file.");
        }
    }
    Ok(())
}

fn connect(options: &ImportOptions, target: &Target) -> Result<Connected, StartError> {
    match target {
        Target::Api(connection) => {
            let live = !connection.key.expose().starts_with("sk_test_");
            let headroom = options.headroom.unwrap_or(if live { 0.1 } else { 0.0 });
            Ok(Connected {
                transport: Arc::new(HttpTransport::new(connection)?),
                live,
                limits: Some(documented_limits(options, headroom)),
                headroom,
            })
        }
        #[cfg(feature = "sandbox")]
        Target::Sandbox(sandbox) => {
            let headroom = options.headroom.unwrap_or(0.0);
            let unlimited = options.rate_limit.is_none() && sandbox.limits().user_management_writes.is_none();
            Ok(Connected {
                transport: Arc::new(crate::wire::InProcess::new(sandbox.clone(), "sk_test_sandbox", Clock::System)),
                live: false,
                limits: (!unlimited).then(|| documented_limits(options, headroom)),
                headroom,
            })
        }
    }
}

/// The limits that a run keeps: the documented ones, or the caller's, less what is left to the application.
pub(super) fn documented_limits(options: &ImportOptions, headroom: f64) -> Limits {
    let limits = options.rate_limit.map_or_else(Limits::documented, Limits::with_writes);
    limits.with_headroom(headroom)
}

/// The least time in which the limits let this many writes through, in seconds.
pub(super) fn least_seconds(writes: u64, limits: &Limits) -> f64 {
    writes as f64 / limits.writes.per_second()
}

impl Prepared {
    /// Runs the import to its end; the last event is its summary.
    pub(super) async fn run(self, halt: watch::Receiver<Halt>) {
        let started = Instant::now();
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
            strict_failed: false,
        };
        let (ended, tally) = self.work(halt, &mut figures).await;
        let summary = figures.summary(ended, &tally, started.elapsed().as_secs_f64());
        // A caller that is gone does not need it.
        let _ = events.send(Event::Ended(Box::new(summary))).await;
    }

    async fn work(mut self, halt: watch::Receiver<Halt>, figures: &mut Figures) -> (Ended, Tally) {
        let nothing = Tally::default();
        let (mode, mut rows) = match self.read(figures).await {
            Ok(read) => read,
            Err(error) => return (Ended::Source(error), nothing),
        };
        figures.mode = mode.as_str().to_owned();
        let journal = match Journal::on_disk(&self.folder.journal(), &self.run_record(&mode)) {
            Ok(journal) => journal,
            Err(error) => return (Ended::Journal(error.0), nothing),
        };
        self.counters.total.store(figures.total.unwrap_or(0), Ordering::Relaxed);
        let started = self.started(&mode, figures.total);
        let _ = self.events.send(Event::Started(Box::new(started))).await;
        let directory = WorkOs::new(
            Arc::clone(&self.connection.transport),
            self.connection.limits.as_ref(),
            self.options.concurrency,
            Clock::System,
            rand::random(),
        );
        let mut reporter = Reporter {
            events: self.events.clone(),
            warnings: self.warnings.clone(),
            counters: Arc::clone(&self.counters),
            errors: self.errors.take(),
        };
        let checked = if figures.strict_failed { Ok(()) } else { check(&directory).await };
        let (mut ended, tally) = match checked {
            Err(ended) => (ended, nothing),
            Ok(()) => {
                let options = Options {
                    policy: self.policy(),
                    require_membership: self.options.require_membership,
                    max_errors: self.options.max_errors,
                    seed: rand::random(),
                };
                let prelude: Vec<Step> = match &mode {
                    Mode::SingleOrganization(claim) if !figures.strict_failed => {
                        vec![Step::new(Claim::Organization(claim.clone()))]
                    }
                    _ => Vec::new(),
                };
                let mut engine = Engine::new(&directory, &journal, Clock::System, options);
                engine.run(rows.as_mut(), &prelude, &mut reporter, halt).await
            }
        };
        // The reading thread ends with its channel; a row that it still warns about is not ours any more.
        drop(rows);
        figures.calls = directory.calls();
        if let Err(error) = write_files(reporter.errors.take(), self.options.results_out.as_deref(), &journal).await {
            if ended == Ended::Complete {
                ended = Ended::Output(error);
            }
        }
        let status = figures.status(&ended, &tally).as_str();
        let at = Clock::System.now().to_string();
        if let Err(error) = journal.commit(move |store| store.finish(status, &at)).await {
            if ended == Ended::Complete {
                ended = Ended::Journal(error.0);
            }
        }
        (ended, tally)
    }

    /// Makes rows of the source: counts it, checks it as a whole where that is asked for, decides the mode.
    async fn read(&mut self, figures: &mut Figures) -> Result<(Mode, Box<dyn Rows>), String> {
        let rules = Rules { create_organizations: !self.options.no_create_orgs };
        let digest_key: [u8; 32] = rand::random();
        // The reader is needed whole; what stays behind is never read.
        let origin = std::mem::replace(&mut self.origin, Origin::Fed(Box::new(empty_rows(&self.warnings))));
        match origin {
            Origin::File { source, columns, mode, said } => {
                let strict = self.options.strict.then(|| self.options.validation());
                let (source, counted) = tokio::task::spawn_blocking(move || count(source, strict))
                    .await
                    .map_err(|error| error.to_string())??;
                figures.total = counted.as_ref().map(|counted| counted.records);
                let invalid_only = counted.as_ref().is_some_and(|counted| counted.errors > 0);
                figures.strict_failed = invalid_only;
                let odd: Vec<Issue> = source
                    .warnings()
                    .iter()
                    .map(|text| Issue::about_source(IssueCode::EncodingDoubt, text))
                    .collect();
                for issue in odd {
                    self.warnings.tell(issue).await;
                }
                for issue in columns.warnings().iter().cloned().chain(said) {
                    self.warnings.tell(issue).await;
                }
                let meaning = Meaning { columns, mode: mode.clone(), rules, digest_key, invalid_only, warn: true };
                let rows = FileRows::start(source, meaning, self.warnings.clone(), counted.is_some())
                    .map_err(|error| error.to_string())?;
                Ok((mode, Box::new(rows)))
            }
            Origin::Fed(mut rows) => {
                let names = rows.peek().await?.to_vec();
                let columns =
                    Columns::resolve_growing(&names, &self.options.mapping).map_err(|error| error.to_string())?;
                let (mode, said) =
                    Mode::decide(&self.options.organization, &columns).map_err(|error| error.to_string())?;
                for issue in columns.warnings().iter().cloned().chain(said) {
                    self.warnings.tell(issue).await;
                }
                rows.set_meaning(Meaning {
                    columns,
                    mode: mode.clone(),
                    rules,
                    digest_key,
                    invalid_only: false,
                    warn: true,
                });
                if self.options.strict && rows.has_invalid().await? {
                    figures.strict_failed = true;
                }
                Ok((mode, rows))
            }
        }
    }

    fn policy(&self) -> Policy {
        Policy {
            on_existing: self.options.on_existing,
            update_passwords: self.options.update_passwords,
            reactivate: self.options.reactivate,
            create_organizations: !self.options.no_create_orgs,
        }
    }

    fn started(&self, mode: &Mode, rows: Option<u64>) -> Started {
        let limits = self.connection.limits.as_ref();
        let writes_per_row = if *mode == Mode::UserOnly { 1 } else { 2 };
        Started {
            run_id: self.folder.id.clone(),
            mode: mode.as_str().to_owned(),
            mode_sentence: mode.sentence(),
            rows,
            live: self.connection.live,
            write_limit: limits.map(|limits| (limits.writes.count, limits.writes.period.as_secs_f64())),
            headroom: self.connection.headroom,
            least_seconds: rows.zip(limits).map(|(rows, limits)| least_seconds(rows * writes_per_row, limits)),
            folder: self.folder.path.clone(),
        }
    }

    fn run_record(&self, mode: &Mode) -> RunRecord {
        let options = json!({
            "on_existing": format!("{:?}", self.options.on_existing).to_lowercase(),
            "update_passwords": self.options.update_passwords,
            "reactivate": self.options.reactivate,
            "create_organizations": !self.options.no_create_orgs,
            "require_membership": self.options.require_membership,
            "mapping": self.options.mapping,
        });
        RunRecord {
            id: self.folder.id.clone(),
            source: self.source_name.clone(),
            mode: mode.as_str().to_owned(),
            target: match self.target {
                Target::Api(_) => "workos".to_owned(),
                #[cfg(feature = "sandbox")]
                Target::Sandbox(_) => "sandbox".to_owned(),
            },
            options: options.to_string(),
            started_at: Clock::System.now().to_string(),
        }
    }
}

async fn write_files(
    errors: Option<ErrorFile>,
    results_out: Option<&std::path::Path>,
    journal: &Journal,
) -> Result<(), String> {
    if let Some(file) = errors {
        file.finish().map_err(|error| format!("the error file cannot be written: {error}"))?;
    }
    if let Some(path) = results_out {
        write_results(journal, path)
            .await
            .map_err(|error| format!("the results file {} cannot be written: {error}", path.display()))?;
    }
    Ok(())
}

/// The first, small read: key, address and clock.
async fn check(directory: &dyn Directory) -> Result<(), Ended> {
    match directory.check().await {
        Ok(_) => Ok(()),
        Err(CallError::Key(error)) => Err(Ended::Key(error)),
        Err(CallError::Refused(error)) => Err(Ended::Unreachable(format!(
            "The API refuses the first read (HTTP {}): {}",
            error.status(),
            error.message
        ))),
        Err(CallError::Unavailable { message, .. }) => Err(Ended::Unreachable(message)),
    }
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
    let mut counted = Counted { records: 0, errors: 0 };
    match strict {
        Some(options) => {
            let summary = validate(source.as_mut(), &options, |_| {}).map_err(|error| error.to_string())?;
            counted = Counted { records: summary.records, errors: summary.errors };
        }
        None => loop {
            let batch = source.next_batch(BATCH).map_err(|error| error.to_string())?;
            if batch.is_empty() {
                break;
            }
            counted.records += batch.len() as u64;
        },
    }
    source.rewind().map_err(|error| error.to_string())?;
    Ok((source, Some(counted)))
}

/// What the summary is made of beside the tally.
struct Figures {
    run_id: String,
    mode: String,
    total: Option<u64>,
    warnings: Arc<AtomicU64>,
    folder: std::path::PathBuf,
    errors_out: Option<std::path::PathBuf>,
    results_out: Option<std::path::PathBuf>,
    calls: std::collections::BTreeMap<&'static str, u64>,
    strict_failed: bool,
}

impl Figures {
    fn imported(tally: &Tally) -> u64 {
        tally.outcome(Outcome::Created) + tally.outcome(Outcome::Updated) + tally.outcome(Outcome::Unchanged)
    }

    fn status(&self, ended: &Ended, tally: &Tally) -> Status {
        if self.strict_failed {
            return Status::Failed;
        }
        match ended {
            Ended::Complete => match (Self::imported(tally), tally.failed()) {
                (0, _) => Status::Failed,
                (_, 0) => Status::Success,
                _ => Status::CompletedWithErrors,
            },
            Ended::Halted => Status::Interrupted,
            Ended::Key(_) | Ended::Source(_) | Ended::Prelude(_) => Status::Failed,
            Ended::TooManyErrors | Ended::Unreachable(_) | Ended::Journal(_) | Ended::Output(_) => Status::Stopped,
        }
    }

    fn stopped(&self, ended: &Ended, tally: &Tally) -> Option<(Stopped, i32)> {
        let stopped = |kind, message: String, code| Some((Stopped { kind, message }, code));
        if self.strict_failed && *ended == Ended::Complete {
            return stopped("strict", "Nothing was sent: --strict, and the source has errors.".into(), 1);
        }
        match ended {
            Ended::Complete if tally.rows_read == 0 => {
                stopped("empty", "The file has a header but no rows.".into(), 1)
            }
            Ended::Complete => None,
            Ended::Halted => stopped("interrupted", "The run was interrupted. Import the same file again to go on.".into(), 130),
            Ended::TooManyErrors => stopped(
                "max_errors",
                format!("{} rows failed: --max-errors stops the run. Import the same file again to go on.", tally.failed()),
                4,
            ),
            Ended::Key(error) => stopped(
                "auth",
                format!("The API does not accept the key (HTTP {}): {}", error.status(), error.message),
                3,
            ),
            Ended::Unreachable(message) => stopped("api", message.clone(), 4),
            Ended::Journal(message) => stopped("journal", format!("The journal in {} cannot be written: {message}", self.folder.display()), 4),
            Ended::Output(message) => stopped("output", message.clone(), 4),
            Ended::Source(message) => stopped("source", message.clone(), 2),
            Ended::Prelude(error) => {
                let not_found = error.code == "org_resolution";
                let advice = if not_found {
                    " Add --create-org-if-missing --org-name \"…\"."
                } else {
                    ""
                };
                stopped("organization", format!("{}.{advice}", error.message.trim_end_matches('.')), if not_found { 2 } else { 4 })
            }
        }
    }

    fn summary(&self, ended: Ended, tally: &Tally, duration_seconds: f64) -> Summary {
        let total = self.total.unwrap_or(tally.rows_read).max(tally.rows_ended());
        let multi = self.mode == "multi-org";
        let (stopped, code) = self.stopped(&ended, tally).unzip();
        Summary {
            run_id: self.run_id.clone(),
            status: self.status(&ended, tally),
            mode: self.mode.clone(),
            total,
            imported: Self::imported(tally),
            created: tally.outcome(Outcome::Created),
            updated: tally.outcome(Outcome::Updated),
            unchanged: tally.outcome(Outcome::Unchanged),
            failed: tally.failed(),
            pending: total - tally.rows_ended(),
            memberships_created: tally.effect(Kind::Membership, Effect::Created),
            organizations_created: tally.created.get(&Kind::Organization).copied().unwrap_or(0),
            differing: tally.differing,
            inferred: tally.inferred,
            users_deleted: tally.taken_back,
            warnings: self.warnings.load(Ordering::Relaxed),
            cache_hits: multi.then(|| tally.hits()),
            cache_misses: multi.then_some(tally.lookups),
            api_calls: self.calls.clone(),
            duration_seconds,
            stopped,
            exit_code: code.unwrap_or(i32::from(tally.failed() > 0 || Self::imported(tally) == 0)),
            folder: self.folder.clone(),
            errors_out: self.errors_out.clone(),
            results_out: self.results_out.clone(),
        }
    }
}

/// A reader of nothing.
fn empty_rows(warnings: &Warnings) -> FedRows {
    let (_, nothing) = mpsc::unbounded_channel();
    FedRows::new(nothing, warnings.clone(), false)
}
