//! One undoing of a run, from its checks to its figures: `undo RUN`.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout};

use super::StartError;
use super::again::Identity;
use super::comparison_folder::remove_left_behind;
use super::event::Stopped;
use super::figures::day;
use super::first_reads::check;
use super::folder::{Folder, Looking};
use super::options::ImportOptions;
use super::prepare::check_options;
use super::run::unless_halted;
use super::runs::{FoundRun, find_run};
use super::sent_lately::{ages, sent_lately};
use super::target::{self, Connected, Target, connect};
use crate::clock::Clock;
use crate::engine::{Ended, Halt, Undo};
use crate::journal::{Journal, JournalError, LeftLine, Store, UNDONE, UndoneCount, Verdict};
use crate::row::{Kind, RowKind};

/// What undoing a run would do, as far as its journal knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndoPlan {
    pub run_id: String,
    pub source: String,
    pub started_at: String,
    pub target: String,
    /// To be looked at, and deleted unless somebody uses or has changed them.
    pub users: u64,
    pub memberships: u64,
    pub organizations: u64,
    /// Made by the run, and kept because nobody asked for their deletion.
    pub organizations_kept: u64,
    /// What is left in any case.
    pub left: Vec<UndoneCount>,
}

/// How undoing a run ended. Counts are of objects, of all attempts together.
#[derive(Clone, Debug, PartialEq)]
pub struct UndoSummary {
    pub run_id: String,
    /// `Undone`, `Partly undone`, `Stopped`, `Interrupted` or `Failed`.
    pub status: &'static str,
    pub users_deleted: u64,
    pub memberships_deleted: u64,
    pub organizations_deleted: u64,
    pub organizations_kept: u64,
    /// By kind and reason.
    pub left: Vec<UndoneCount>,
    /// Objects that were not reached.
    pub pending: u64,
    pub api_calls: Vec<(&'static str, u64)>,
    pub duration_seconds: f64,
    pub stopped: Option<Stopped>,
    /// 0 nothing is left, 1 something is, 3, 4 or 130 as of an import.
    pub exit_code: i32,
    pub folder: PathBuf,
}

/// Where a run is that is being undone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UndoProgress {
    pub settled: u64,
    pub total: u64,
}

/// It ended without a word: a mistake in this program.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("It ended without a summary. Please report this.")]
pub struct NoEnd;

/// A run that is being undone. Dropping it stops that at once; undoing the run again goes on.
pub struct Undoing {
    runtime: Handle,
    ended: Mutex<oneshot::Receiver<UndoSummary>>,
    halt: watch::Sender<Halt>,
    settled: Arc<AtomicU64>,
    total: u64,
    folder: PathBuf,
    run_id: String,
}

impl Undoing {
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// The run's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Waits up to `patience` for the end; its figures are given once. Blocks: not for async code.
    ///
    /// # Errors
    /// When the task is gone without an end.
    pub fn poll(&self, patience: Duration) -> Result<Option<UndoSummary>, NoEnd> {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        self.runtime
            .block_on(async { timeout(patience, &mut *ended).await })
            .map_or(Ok(None), |ended| ended.map(Some).map_err(|_| NoEnd))
    }

    /// Asks for a stop; a weaker request than an earlier one is ignored.
    pub fn halt(&self, level: Halt) {
        self.halt.send_if_modified(|current| {
            let stronger = level > *current;
            if stronger {
                *current = level;
            }
            stronger
        });
    }

    pub fn progress(&self) -> UndoProgress {
        UndoProgress {
            settled: self.settled.load(Ordering::Relaxed).min(self.total),
            total: self.total,
        }
    }
}

impl Drop for Undoing {
    fn drop(&mut self) {
        self.halt(Halt::Now);
    }
}

/// What undoing a run would do. Sends nothing, changes nothing, needs no key.
///
/// # Errors
/// When there is no such run, it is undone already, or its journal cannot be read.
pub fn undo_plan(run: &FoundRun, organizations: bool) -> Result<UndoPlan, StartError> {
    let store = Store::open(&run.journal()).map_err(JournalError::from)?;
    not_for_good(run)?;
    let organizations = organizations || made_organizations(run);
    may_undo(run, &store, organizations)?;
    let read = || {
        let to_delete = store.count_undoable(Kind::Organization)?;
        Ok::<_, JournalError>(UndoPlan {
            run_id: run.info.id.clone(),
            source: run.info.source.clone(),
            started_at: run.info.started_at.clone(),
            target: run.info.target.clone(),
            users: store.count_undoable(Kind::User)?,
            memberships: store.count_undoable(Kind::Membership)?,
            organizations: if organizations { to_delete } else { 0 },
            organizations_kept: if organizations { 0 } else { to_delete },
            left: store.count_known_left()?,
        })
    };
    Ok(read()?)
}

/// Up to `limit` objects that undoing a run has left, after `after` (from 0).
///
/// # Errors
/// When the journal cannot be read.
pub fn left(journal: &Path, after: i64, limit: usize) -> Result<Vec<LeftLine>, JournalError> {
    Ok(Store::open(journal)?.left(after, limit)?)
}

/// Begins to undo a run, or goes on with that. Nothing is sent yet. Of the options those count that say how fast; the key
/// must be the run's, unless they have `new_key`.
///
/// # Errors
/// When there is no such run, it is undone already, is another environment's, or somebody works on it.
pub fn undo(
    options: ImportOptions,
    name: &str,
    organizations: bool,
    target: Target,
    runtime: &Handle,
) -> Result<Undoing, StartError> {
    check_options(&options)?;
    let connection = connect(&options, &target)?;
    let identity = Identity::of(None, None, String::new(), &target);
    let run_dir = options.run_dir.clone();
    let run = find_run(run_dir.as_deref(), name)?;
    let looking = Looking::begin(run_dir.as_deref())?;
    remove_left_behind(run_dir.as_deref());
    let folder = Folder::of(&run)?;
    // Somebody may have worked on it until now.
    let run = find_run(run_dir.as_deref(), &run.info.id)?;
    let store = Store::open(&run.journal()).map_err(JournalError::from)?;
    not_for_good(&run)?;
    let organizations = organizations || made_organizations(&run);
    may_undo(&run, &store, organizations)?;
    is_in(&run, &identity, options.new_key)?;
    let mut total = 0;
    for kind in [Kind::User, Kind::Membership, Kind::Organization] {
        if kind != Kind::Organization || organizations {
            total += store.count_undoable(kind).map_err(JournalError::from)?;
        }
    }
    drop(store);
    let journal = Journal::reopen_to_undo(&folder.journal())?;
    drop(looking);
    let sent_lately = connection
        .limits
        .as_ref()
        .map(|limits| {
            let (period, longest) = (limits.writes.period, connection.longest_exchange());
            sent_lately(run_dir.as_deref(), &identity, period, longest)
        })
        .unwrap_or_default();
    let (halt, halted) = watch::channel(Halt::Run);
    let (ended, receiver) = oneshot::channel();
    let settled = Arc::new(AtomicU64::new(0));
    let work = Work {
        environment: identity.environment(&run.info.key),
        ages: ages(&sent_lately),
        settled: Arc::clone(&settled),
        path: folder.path.clone(),
        run_id: folder.id.clone(),
        folder,
        journal,
        connection,
        options,
        organizations,
        total,
    };
    let (path, run_id) = (work.path.clone(), work.run_id.clone());
    runtime.spawn(async move {
        let summary = work.run(halted).await;
        // A caller that is gone does not need it.
        let _ = ended.send(summary);
    });
    Ok(Undoing {
        runtime: runtime.clone(),
        ended: Mutex::new(receiver),
        halt,
        settled,
        total,
        folder: path,
        run_id,
    })
}

/// Refuses a run of which nothing is left to be tried.
/// The rows of the run were about organizations: they are what is taken back.
fn made_organizations(run: &FoundRun) -> bool {
    run.info.mode == RowKind::Organizations.as_str()
}

/// What a run of other rows did is not taken back: mails have been read, secrets are in people's phones.
fn not_for_good(run: &FoundRun) -> Result<(), StartError> {
    match RowKind::named(&run.info.mode) {
        Some(kind) if !kind.is_comparable() => Err(StartError::Options(format!(
            "What a run of {} has done is not taken back by undo.",
            kind.as_str()
        ))),
        _ => Ok(()),
    }
}

fn may_undo(run: &FoundRun, store: &Store, organizations: bool) -> Result<(), StartError> {
    if run.info.status.as_deref() != Some(UNDONE) {
        return Ok(());
    }
    let kept = store
        .count_unsettled(Kind::Organization)
        .map_err(JournalError::from)?;
    if organizations && kept > 0 {
        return Ok(());
    }
    let id = &run.info.id;
    let at = run.info.ended_at.as_deref().unwrap_or_default();
    let more = match kept {
        0 => String::new(),
        kept => format!(" To delete the {kept} organizations that it made: --organizations."),
    };
    Err(StartError::Undone(format!(
        "Run {id} was undone on {}. An undo cannot be undone: import the file again.{more}",
        day(at)
    )))
}

/// Refuses a run that wrote somewhere else.
pub(super) fn is_in(run: &FoundRun, identity: &Identity, new_key: bool) -> Result<(), StartError> {
    let id = &run.info.id;
    if run.info.target != identity.target {
        return Err(StartError::Options(format!(
            "Run {id} wrote into {}, not into {}: what it made is not there.",
            target::called(&run.info.target),
            target::called(&identity.target)
        )));
    }
    if identity.same_environment(&run.info) || (new_key && run.info.target == "workos") {
        return Ok(());
    }
    Err(StartError::Options(target::wrote_elsewhere(
        id,
        &run.info.target,
    )))
}

/// Everything that undoing needs, checked.
struct Work {
    /// Held until the end: nobody else works on the run.
    folder: Folder,
    path: PathBuf,
    run_id: String,
    journal: Journal,
    connection: Connected,
    options: ImportOptions,
    environment: [u8; 32],
    ages: Vec<Duration>,
    organizations: bool,
    settled: Arc<AtomicU64>,
    total: u64,
}

impl Work {
    async fn run(self, halt: watch::Receiver<Halt>) -> UndoSummary {
        let began = Instant::now();
        let directory = self
            .connection
            .directory(self.options.concurrency, self.options.patience());
        directory.already_sent(&self.ages);
        directory.expect(self.total);
        let checked = unless_halted(&halt, check(directory.as_ref())).await;
        let ended = match checked.unwrap_or(Err(Ended::Halted)) {
            Err(ended) => ended,
            Ok(()) => {
                let undo = Undo::new(
                    directory.as_ref(),
                    &self.journal,
                    Clock::System,
                    rand::random(),
                    self.organizations,
                    &self.settled,
                );
                let environment = self.environment;
                let noted = self
                    .journal
                    .note(move |store| store.note_environment(&environment));
                match noted {
                    Ok(()) => undo.run(halt).await,
                    Err(error) => error.into(),
                }
            }
        };
        let calls = directory.calls().into_iter().collect();
        let counts = self.journal.ask(|store| {
            let kept = store.count_unsettled(Kind::Organization)?;
            let pending =
                store.count_unsettled(Kind::User)? + store.count_unsettled(Kind::Membership)?;
            Ok((store.undone_counts()?, kept, pending))
        });
        let (ended, counts) = match counts.await {
            Ok(counts) => (ended, counts),
            Err(error) => (error.into(), Default::default()),
        };
        self.summary(&ended, counts, calls, began.elapsed().as_secs_f64())
    }

    fn summary(
        self,
        ended: &Ended,
        (counts, kept, to_go): (Vec<UndoneCount>, u64, u64),
        api_calls: Vec<(&'static str, u64)>,
        duration_seconds: f64,
    ) -> UndoSummary {
        let deleted = |kind| {
            let mut of_kind = counts.iter().filter(|count| count.kind == kind);
            let found = of_kind.find(|count| count.verdict == Verdict::Deleted);
            found.map_or(0, |count| count.count)
        };
        let left: Vec<UndoneCount> = counts
            .iter()
            .copied()
            .filter(|count| count.verdict != Verdict::Deleted)
            .collect();
        let is_left = !left.is_empty();
        let (stopped, code) = self.stopped(ended).unzip();
        UndoSummary {
            status: match ended {
                Ended::Complete if is_left => "Partly undone",
                Ended::Complete => UNDONE,
                Ended::Halted => "Interrupted",
                Ended::Key(_) => "Failed",
                _ => "Stopped",
            },
            users_deleted: deleted(Kind::User),
            memberships_deleted: deleted(Kind::Membership),
            organizations_deleted: deleted(Kind::Organization),
            organizations_kept: if self.organizations { 0 } else { kept },
            pending: match ended {
                Ended::Complete => 0,
                _ => to_go + if self.organizations { kept } else { 0 },
            },
            left,
            api_calls,
            duration_seconds,
            stopped,
            exit_code: code.unwrap_or(i32::from(is_left)),
            run_id: self.run_id,
            folder: self.path,
        }
    }

    fn stopped(&self, ended: &Ended) -> Option<(Stopped, i32)> {
        let (kind, message, code) = match ended {
            Ended::Complete => return None,
            Ended::Halted => (
                "interrupted",
                "Undoing was interrupted. Undo the run again to go on.".to_owned(),
                130,
            ),
            Ended::Key(error) => (
                "auth",
                format!(
                    "The API does not accept the key (HTTP {}): {}",
                    error.status(),
                    error.message
                ),
                3,
            ),
            Ended::Unreachable(message) => {
                ("api", format!("{message} Undo the run again to go on."), 4)
            }
            Ended::Journal(message) => (
                "journal",
                format!(
                    "The journal in {} cannot be written: {message}",
                    self.folder.path.display()
                ),
                4,
            ),
            other => ("internal", format!("{other:?}"), 4),
        };
        Some((Stopped { kind, message }, code))
    }
}
