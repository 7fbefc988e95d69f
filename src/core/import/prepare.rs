//! Checks everything that can be checked before anything is sent: source, options, connection, places to write to.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use tokio::sync::mpsc;

use super::StartError;
use super::event::Event;
use super::fingerprint::ContentDigest;
use super::folder::Folder;
use super::options::{Again, ImportOptions, Input, Target};
use super::reading::{Fed, FedRows, Warnings};
use super::reporter::Counters;
use super::runs::{Earlier, FoundRun, Identity, earlier, export_results, find_run};
use crate::clock::Clock;
use crate::directory::OnExisting;
use crate::directory::workos::Limits;
use crate::journal::RunInfo;
use crate::report::ErrorFile;
use crate::row::{Columns, Issue, Mode};
use crate::secret::Secret;
use crate::source::{self, Format, Source};
use crate::wire::{HttpTransport, Transport};

/// Everything that an import needs, checked. Nothing was sent.
pub(super) struct Prepared {
    pub(super) folder: Folder,
    /// What the journal knows of earlier attempts, and whether failed rows are tried again.
    pub(super) going_on: Option<GoingOn>,
    pub(super) identity: Identity,
    /// Keys the digests of the run.
    pub(super) key: [u8; 32],
    /// JSON of the options that shape the result.
    pub(super) shape: String,
    /// What has to be said of earlier runs.
    pub(super) note: Option<String>,
    pub(super) source_name: String,
    pub(super) options: ImportOptions,
    /// Taken when reading begins.
    pub(super) origin: Option<Origin>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) counters: Arc<Counters>,
    pub(super) warnings: Warnings,
    pub(super) errors: Option<ErrorFile>,
    pub(super) connection: Connected,
}

/// An import that is one of an earlier run again.
pub(super) struct GoingOn {
    pub(super) info: RunInfo,
    pub(super) retry: bool,
}

/// What an import turned out to be.
pub(super) enum Ready {
    Import(Box<Prepared>),
    /// All of it is done by this run.
    Done(Box<FoundRun>),
}

pub(super) struct Connected {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) live: bool,
    pub(super) limits: Option<Limits>,
    pub(super) headroom: f64,
}

pub(super) enum Origin {
    File(Box<OpenFile>),
    Fed(Box<FedRows>),
}

pub(super) struct OpenFile {
    pub(super) source: Box<dyn Source>,
    pub(super) columns: Columns,
    pub(super) mode: Mode,
    /// What has to be said once about the mode.
    pub(super) said: Vec<Issue>,
}

/// Checks everything that can be checked at once.
pub(super) fn prepare(
    options: ImportOptions,
    input: Input,
    target: Target,
    rows: mpsc::UnboundedReceiver<Fed>,
    events: mpsc::Sender<Event>,
    counters: Arc<Counters>,
) -> Result<Ready, StartError> {
    let (mut options, mut named) = (options, None);
    let input = match input {
        Input::Recorded => {
            let (Again::Resume(name) | Again::Retry(name)) = &options.again else {
                return Err(StartError::Options("No run is named.".into()));
            };
            let run = find_run(options.run_dir.as_deref(), name)?;
            if run.info.source_digest.is_none() {
                return Err(cannot_be_read_again(run.info.id));
            }
            let shape = serde_json::from_str(&run.info.options).unwrap_or_default();
            let format = options.take_shape(&shape);
            let path = run.info.source.clone();
            named = Some(run);
            Input::Path { path, format }
        }
        input => input,
    };
    check_options(&options)?;
    let (source_name, content, shape) = match &input {
        Input::Path { path, format } => {
            let file = source::expand_home(path);
            let content = match path.as_str() {
                "-" => None,
                // What cannot be read is said better when it is opened.
                _ => ContentDigest::of_file(&file).ok().flatten(),
            };
            let name = match &content {
                Some(_) => std::path::absolute(&file)
                    .unwrap_or(file)
                    .display()
                    .to_string(),
                None => path.clone(),
            };
            (name, content, options.shape(format).to_string())
        }
        Input::Fed { .. } | Input::Recorded => (
            "rows".to_owned(),
            None,
            options.shape(&Format::default()).to_string(),
        ),
    };
    let warnings = Warnings {
        count: Arc::new(AtomicU64::new(0)),
        events: events.clone(),
    };
    let origin = match input {
        Input::Fed { can_rewind } => {
            if options.strict && !can_rewind {
                return Err(strict_needs_two_readings());
            }
            Origin::Fed(Box::new(FedRows::new(rows, warnings.clone(), can_rewind)))
        }
        Input::Recorded => return Err(StartError::Options("No run is named.".into())),
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
            Origin::File(Box::new(OpenFile {
                source,
                columns,
                mode,
                said,
            }))
        }
    };
    let connection = connect(&options, &target)?;
    let identity = identity(content, &shape, &target);
    let seen = match (&options.again, named) {
        (Again::New, _) => Earlier::New(None),
        (_, Some(run)) => checked(run, &identity, &options)?,
        _ => earlier(options.run_dir.as_deref(), &identity, &source_name),
    };
    let (folder, going_on, note) = match seen {
        Earlier::Done(run) => {
            write_files_of(&run, &options)?;
            return Ok(Ready::Done(run));
        }
        Earlier::New(note) => (Folder::create(options.run_dir.as_deref())?, None, note),
        Earlier::GoesOn { run, retry } => {
            let note = goes_on(&run, retry);
            let (folder, info) = (Folder::of(&run)?, run.info);
            (folder, Some(GoingOn { info, retry }), Some(note))
        }
    };
    let errors = match &options.errors_out {
        Some(path) => Some(ErrorFile::create(path).map_err(|error| StartError::Output {
            path: path.display().to_string(),
            reason: error.to_string(),
        })?),
        None => None,
    };
    if let Some(path) = &options.results_out {
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        if parent.is_some_and(|parent| !parent.is_dir()) || path.is_dir() {
            let reason = "the folder is not there, or the name is a folder's".to_owned();
            return Err(StartError::Output {
                path: path.display().to_string(),
                reason,
            });
        }
    }
    let key = going_on
        .as_ref()
        .map_or_else(rand::random, |going_on: &GoingOn| going_on.info.key);
    Ok(Ready::Import(Box::new(Prepared {
        folder,
        key,
        going_on,
        identity,
        shape,
        note,
        source_name,
        options,
        origin: Some(origin),
        events,
        counters,
        warnings,
        errors,
        connection,
    })))
}

fn cannot_be_read_again(run: String) -> StartError {
    let what =
        "its rows came from standard input or from a program, and cannot be read again".into();
    StartError::SourceChanged { run, what }
}

/// By what the import is known again.
fn identity(content: Option<ContentDigest>, shape: &str, target: &Target) -> Identity {
    let (target, base_url, api_key) = match target {
        Target::Api(connection) => (
            "workos",
            connection.base_url.trim_end_matches('/').to_owned(),
            connection.key.expose().to_owned(),
        ),
        #[cfg(feature = "sandbox")]
        Target::Sandbox(sandbox) => ("sandbox", String::new(), sandbox.identity().to_string()),
    };
    Identity {
        content,
        options: shape.to_owned(),
        target: target.to_owned(),
        base_url,
        api_key: Secret::new(api_key),
    }
}

/// A run that was named: refused where going on would not be the same run.
fn checked(
    run: FoundRun,
    identity: &Identity,
    options: &ImportOptions,
) -> Result<Earlier, StartError> {
    let refuse = |what: &str| {
        let (run, what) = (run.info.id.clone(), what.to_owned());
        Err(StartError::SourceChanged { run, what })
    };
    if !identity.same_content(&run.info) {
        return refuse(&format!("{} has changed since", run.info.source));
    }
    if !identity.same_environment(&run.info) && !options.new_key {
        return refuse("the key or the base URL is another one (after a key rotation: --new-key)");
    }
    let retry = matches!(options.again, Again::Retry(_));
    Ok(match run.is_whole() && run.failed() == 0 {
        true => Earlier::Done(Box::new(run)),
        false => Earlier::GoesOn {
            run: Box::new(run),
            retry,
        },
    })
}

/// The files that an import leaves behind, of a run that had done it all.
fn write_files_of(run: &FoundRun, options: &ImportOptions) -> Result<(), StartError> {
    if let Some(path) = &options.errors_out {
        let file = ErrorFile::create(path).and_then(ErrorFile::finish);
        file.map_err(|error| StartError::Output {
            path: path.display().to_string(),
            reason: error.to_string(),
        })?;
    }
    match &options.results_out {
        Some(path) => export_results(run, path).map_err(|reason| StartError::Output {
            path: path.display().to_string(),
            reason,
        }),
        None => Ok(()),
    }
}

/// What is said of a run that goes on.
fn goes_on(run: &FoundRun, retry: bool) -> String {
    let ended: u64 = run.info.outcomes.values().sum();
    let id = &run.info.id;
    if retry {
        let failed = run.failed();
        let rows = if failed == 1 { "row is" } else { "rows are" };
        return format!("Run {id} goes on: {failed} failed {rows} tried again.");
    }
    match run.info.total {
        Some(total) => format!("Run {id} goes on: {ended} of {total} rows have ended."),
        None => format!("Run {id} goes on: {ended} rows have ended."),
    }
}

fn strict_needs_two_readings() -> StartError {
    StartError::Options(
        "--strict reads the source twice, and this one can be read only once. Save it as a file."
            .into(),
    )
}

fn check_options(options: &ImportOptions) -> Result<(), StartError> {
    let refuse = |text: &str| Err(StartError::Options(text.to_owned()));
    if options.update_passwords && options.on_existing != OnExisting::Update {
        return refuse("--update-passwords needs --on-existing update.");
    }
    if options.concurrency == Some(0) {
        return refuse("--concurrency must be at least 1.");
    }
    if options
        .headroom
        .is_some_and(|share| !(0.0..1.0).contains(&share))
    {
        return refuse("--headroom must be at least 0% and less than 100%.");
    }
    if options
        .rate_limit
        .is_some_and(|limit| limit.count == 0 || limit.period.is_zero())
    {
        return refuse("--rate-limit must allow at least one request. Write it like 500/10s.");
    }
    if options.give_up_after.is_some_and(|after| after.is_zero()) {
        return refuse("--give-up-after must be longer than nothing. Write it like 30min.");
    }
    if options
        .stop_at
        .is_some_and(|moment| moment <= SystemTime::from(Clock::System.now()))
    {
        return refuse("--stop-at names a moment that is over.");
    }
    if options.errors_out.is_some() && options.errors_out == options.results_out {
        return refuse("--errors-out and --results-out name the same file.");
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
            let unlimited =
                options.rate_limit.is_none() && sandbox.limits().user_management_writes.is_none();
            Ok(Connected {
                transport: Arc::new(crate::wire::InProcess::new(
                    sandbox.clone(),
                    "sk_test_sandbox",
                    Clock::System,
                )),
                live: false,
                limits: (!unlimited).then(|| documented_limits(options, headroom)),
                headroom,
            })
        }
    }
}

/// The limits that a run keeps: the documented ones, or the caller's, less what is left to the application.
pub(super) fn documented_limits(options: &ImportOptions, headroom: f64) -> Limits {
    let limits = options
        .rate_limit
        .map_or_else(Limits::documented, Limits::with_writes);
    limits.with_headroom(headroom)
}

/// The least time in which the limits let this many writes through, in seconds.
pub(super) fn least_seconds(writes: u64, limits: &Limits) -> f64 {
    writes as f64 / limits.writes.per_second()
}
