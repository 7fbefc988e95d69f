//! Checks everything that can be checked before anything is sent: source, options, connection, places to write to.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::mpsc;

use super::StartError;
use super::event::Event;
use super::folder::Folder;
use super::options::{ImportOptions, Input, Target};
use super::reading::{Fed, FedRows, Warnings};
use super::reporter::Counters;
#[cfg(feature = "sandbox")]
use crate::clock::Clock;
use crate::directory::OnExisting;
use crate::directory::workos::Limits;
use crate::report::ErrorFile;
use crate::row::{Columns, Issue, Mode};
use crate::source::{self, Source};
use crate::wire::{HttpTransport, Transport};

/// Everything that an import needs, checked. Nothing was sent.
pub(super) struct Prepared {
    pub(super) folder: Folder,
    pub(super) source_name: String,
    pub(super) options: ImportOptions,
    /// Taken when reading begins.
    pub(super) origin: Option<Origin>,
    pub(super) target: Target,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) counters: Arc<Counters>,
    pub(super) warnings: Warnings,
    pub(super) errors: Option<ErrorFile>,
    pub(super) connection: Connected,
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
) -> Result<Prepared, StartError> {
    check_options(&options)?;
    let source_name = match &input {
        Input::Path { path, .. } => path.clone(),
        Input::Fed { .. } => "rows".to_owned(),
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
    let folder = Folder::create(options.run_dir.as_deref())?;
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
    Ok(Prepared {
        folder,
        source_name,
        options,
        origin: Some(origin),
        target,
        events,
        counters,
        warnings,
        errors,
        connection,
    })
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
