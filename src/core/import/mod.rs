//! Puts the rooms together: a source, a row kind, an engine, a directory, a journal and the files of the report make
//! one import. The only place that knows all of them.

mod again;
#[cfg(test)]
mod again_tests;
mod beat;
mod beside;
mod causes;
mod comparison;
mod comparison_folder;
mod consent;
mod course;
pub mod doctor;
mod event;
mod figures;
mod fingerprint;
mod first_reads;
mod folder;
mod forecast;
mod give_back;
#[cfg(test)]
mod give_back_tests;
mod judging;
mod kept_pace;
mod lock;
mod options;
mod outputs;
mod prepare;
mod preview;
mod reading;
mod recovery;
mod report;
mod reporter;
mod run;
mod runs;
mod sent_lately;
mod stop_at;
mod target;
#[cfg(test)]
mod tests;
mod undo;
#[cfg(test)]
mod undo_tests;
mod watch;
mod workload;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;

pub use causes::{Cause, causes};
pub use comparison::{Comparison, Extra, Verdict, VerifiedRow};
pub use event::{Event, PaceNow, Progress, Started, Status, Stopped, Summary};
use figures::{already_done, recorded};
pub use forecast::Forecast;
pub use give_back::{GiveBackError, Marked, give_back_failed, validate_marked};
pub use judging::{Awaited, Judging};
pub use kept_pace::PaceChange;
pub use options::{Again, AuditPlace, ImportOptions, Input, Purpose};
use prepare::Ready;
pub use preview::{DryRun, dry_run};
use reading::Fed;
pub use recovery::{
    Receiver, Recovering, RecoveryProgress, RecoverySummary, ToldRecovery, recover,
    unsent_recoveries,
};
pub use report::{ReportError, ReportOptions, write_report};
use reporter::Counters;
pub use runs::{FoundRun, delete_run, export_results, find_run, run_folder, runs};
pub use target::Target;
pub use undo::{NoEnd, UndoPlan, UndoSummary, Undoing, left, undo, undo_plan};
pub use watch::{PaceRequest, ask_for_pace, progress};

use crate::clock::Clock;
use crate::directory::OnExisting;
use crate::engine::Halt;
use crate::journal::{FailedLine, JournalError, ResultLine, Store};
use crate::row::{ColumnsError, ModeError};
use crate::source::{Handed, SourceError};
use crate::wire::ConnectionError;

/// How many events may wait for the caller: the run pauses when nobody takes them.
const EVENTS: usize = 1_024;

/// How long rows that end are waited for once one has: nobody sees it.
const TOGETHER: Duration = Duration::from_millis(5);

/// Why an import could not begin. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Columns(#[from] ColumnsError),
    #[error(transparent)]
    Mode(#[from] ModeError),
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("{0}")]
    Options(String),
    #[error("{path}: cannot be written: {reason}. Nothing was sent.")]
    Output { path: String, reason: String },
    #[error(
        "The run folder {path} cannot be written: {reason}. Nothing was sent. --run-dir names another place."
    )]
    Folder { path: String, reason: String },
    #[error("{0}")]
    NoRun(String),
    #[error("No process works on run {0}: it has no pace to change.")]
    NotRunning(String),
    #[error("{path}: the run there cannot be reached: {reason}.")]
    Beside { path: String, reason: String },
    #[error("Another process works on run {0} at this moment. Wait for it, or stop it.")]
    Locked(String),
    #[error(
        "Run {run} cannot go on: {what}. `import` begins a new run; what is already there is kept."
    )]
    SourceChanged { run: String, what: String },
    /// The run was undone, or is being undone; in full words.
    #[error("{0}")]
    Undone(String),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// A running import. Dropping it stops the run at once.
pub struct Import {
    runtime: Handle,
    events: Mutex<mpsc::Receiver<Event>>,
    fed: mpsc::UnboundedSender<Fed>,
    halt: tokio::sync::watch::Sender<Halt>,
    confirm: tokio::sync::watch::Sender<Option<bool>>,
    changes: mpsc::UnboundedSender<PaceChange>,
    counters: Arc<Counters>,
    journal: PathBuf,
    run_id: String,
    /// The folder of a comparison: its journal is read as long as this handle lives.
    _temporary: Option<Arc<comparison_folder::Temporary>>,
    /// The run whose rows are verified.
    verified: Option<PathBuf>,
    /// Users who were there are left as they are: that they differ from their rows is no fault of theirs.
    leaves_existing: bool,
}

impl Import {
    /// The run's id; its folder has the same name.
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Waits up to `patience` for events and takes up to `most` of them: rows that end close together come together.
    /// Blocks: not for async code. Nothing comes after [`Event::Ended`].
    pub fn poll(&self, most: usize, patience: Duration) -> Vec<Event> {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::new();
        self.runtime.block_on(async {
            // What is there already is worth taking even when the patience is nothing.
            let _ = timeout(patience, events.recv_many(&mut taken, most)).await;
        });
        let only_rows = taken.iter().all(|event| matches!(event, Event::Row(_)));
        if !taken.is_empty() && only_rows {
            // Waking the caller for each row by itself would cost more than the row.
            thread::sleep(TOGETHER.min(patience));
            while taken.len() < most
                && let Ok(event) = events.try_recv()
            {
                taken.push(event);
            }
        }
        taken
    }

    /// Answers [`Event::WantRows`]; no rows mean the end.
    pub fn feed(&self, rows: Handed) {
        // The run may have ended meanwhile: then nobody needs them.
        let _ = self.fed.send(Fed::Rows(rows));
    }

    /// Answers [`Event::WantRows`] when the caller's own source failed; ends the run.
    pub fn feed_failed(&self, message: String) {
        let _ = self.fed.send(Fed::Failed(message));
    }

    /// Answers [`Event::Asks`]: goes on, or ends without having sent anything.
    pub fn confirm(&self, yes: bool) {
        self.confirm.send_replace(Some(yes));
    }

    /// Asks the run to stop; a weaker request than an earlier one is ignored.
    pub fn halt(&self, level: Halt) {
        self.halt.send_if_modified(|current| {
            let stronger = level > *current;
            if stronger {
                *current = level;
            }
            stronger
        });
    }

    /// Where the run is.
    pub fn progress(&self) -> Progress {
        self.counters.progress()
    }

    /// From now on no [`Event::Row`] is given for rows that did not fail: nobody looks at them, and most of what a run costs
    /// the caller are its rows.
    pub fn tell_only_failures(&self) {
        self.counters.only_failures.store(true, Ordering::Relaxed);
    }

    /// Keeps another pace from now on; a run that still reads its source keeps it when it begins to send.
    ///
    /// # Errors
    /// For values that no pace can have, and when the run is over.
    pub fn pace(&self, change: PaceChange) -> Result<(), StartError> {
        change.check()?;
        let asked = self.changes.send(change);
        asked.map_err(|_| StartError::NotRunning(self.run_id.clone()))
    }

    /// Up to `limit` results after record number `after`, in the order of the source; also while the run goes on.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn results(&self, after: u64, limit: usize) -> Result<Vec<ResultLine>, JournalError> {
        results(&self.journal, after, limit)
    }

    /// Where the journal is.
    pub fn journal(&self) -> &Path {
        &self.journal
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        self.halt(Halt::Now);
    }
}

/// Up to `limit` results of a run after record number `after`.
///
/// # Errors
/// When the journal cannot be read.
pub fn results(journal: &Path, after: u64, limit: usize) -> Result<Vec<ResultLine>, JournalError> {
    Ok(Store::open(journal)?.results(after, limit)?)
}

/// Up to `limit` failed rows of a run after record number `after`.
///
/// # Errors
/// When the journal cannot be read.
pub fn failed_rows(
    run: &FoundRun,
    after: u64,
    limit: usize,
) -> Result<Vec<FailedLine>, JournalError> {
    Ok(Store::open(&run.journal())?.failed(after, limit)?)
}

/// The column of a run's source that says what the caller calls each row.
pub fn record_id_column(run: &FoundRun) -> Option<String> {
    let shape: serde_json::Value = serde_json::from_str(&run.info.options).ok()?;
    shape[options::RECORD_ID].as_str().map(str::to_owned)
}

/// The figures of a run, as its journal has them.
///
/// # Errors
/// When the journal cannot be read.
pub fn show(run: &FoundRun) -> Result<Summary, JournalError> {
    recorded(run)
}

/// Begins an import: everything that can be refused at once is refused here, and nothing is sent yet.
///
/// # Errors
/// When the source, the options, the connection or the places to write to cannot be used.
pub fn start(
    options: ImportOptions,
    input: Input,
    target: Target,
    runtime: &Handle,
) -> Result<Import, StartError> {
    let (events, receiver) = mpsc::channel(EVENTS);
    let (fed, rows) = mpsc::unbounded_channel();
    let (halt, halted) = tokio::sync::watch::channel(Halt::Run);
    let (confirm, confirmed) = tokio::sync::watch::channel(None);
    let (changes, changed) = mpsc::unbounded_channel();
    let counters = Arc::new(Counters::default());
    let done = events.clone();
    let ready = prepare::prepare(options, input, target, rows, events, Arc::clone(&counters))?;
    let mut verified = None;
    let mut leaves_existing = false;
    let (journal, run_id, temporary) = match ready {
        Ready::Import(prepared) => {
            let folder = &prepared.folder;
            let place = (
                folder.journal(),
                folder.id.clone(),
                folder.temporary.clone(),
            );
            verified.clone_from(&prepared.verified);
            leaves_existing = prepared.options.on_existing != OnExisting::Update;
            let stopper = prepared.options.stop_at.map(|moment| {
                let (halt, counters) = (halt.clone(), Arc::clone(&counters));
                runtime.spawn(async move {
                    stop_at::stop_at(moment, Clock::System, halt, &counters.time_is_up).await;
                })
            });
            runtime.spawn(async move {
                prepared.run(halted, confirmed, changed).await;
                if let Some(stopper) = stopper {
                    stopper.abort();
                }
            });
            place
        }
        Ready::Done(run) => {
            let summary = already_done(&run)?;
            // There is room: nothing was put in yet.
            let _ = done.try_send(Event::Ended(Box::new(summary)));
            (run.journal(), run.info.id, None)
        }
    };
    Ok(Import {
        runtime: runtime.clone(),
        events: Mutex::new(receiver),
        fed,
        halt,
        confirm,
        changes,
        counters,
        journal,
        run_id,
        _temporary: temporary,
        verified,
        leaves_existing,
    })
}
