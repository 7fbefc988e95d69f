//! One sending of recovery links to the users of a run, from its checks to its figures: `recovery send RUN`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use super::StartError;
use super::again::Identity;
use super::event::Stopped;
use super::folder::{Folder, Looking};
use super::options::ImportOptions;
use super::outputs::{absolute, check_place};
use super::prepare::check_options;
use super::run::unless_halted;
use super::runs::find_run;
use super::target::{Connected, Target, connect};
use super::undo::{NoEnd, is_in};
use crate::clock::Clock;
use crate::directory::Directory;
use crate::engine::Halt;
use crate::journal::{Journal, JournalError, RecoveryCounts, RecoveryLine, Store};
use crate::recovery::{
    EarlierError, Recover, RecoveryOptions, Sending, SendingError, Settled, settle_earlier,
};
use crate::report::RecoveryFile;

/// Who gets what is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// A file, NDJSON or (`.csv`) CSV.
    File(PathBuf),
    /// Whoever asks [`Recovering::poll`].
    Caller,
}

/// How a sending ended. Counts are of users, of all sendings together.
#[derive(Clone, Debug, PartialEq)]
pub struct RecoverySummary {
    pub run_id: String,
    /// `Sent`, `Partly sent`, `Stopped`, `Interrupted` or `Failed`.
    pub status: &'static str,
    pub counts: RecoveryCounts,
    pub api_calls: Vec<(&'static str, u64)>,
    pub duration_seconds: f64,
    /// Also where nobody was there (`elsewhere`).
    pub stopped: Option<Stopped>,
    /// 0 everybody was sent to who is there, 1 some failed or are in doubt or nobody was there, 3, 4 or 130 as of an import.
    pub exit_code: i32,
    pub folder: PathBuf,
}

/// What a sending says. It cannot be printed: it may hold a link.
pub enum ToldRecovery {
    /// To be handed over now, and to be settled: nothing more comes before that.
    Recover(Recover),
    Ended(Box<RecoverySummary>),
}

/// Where a sending is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RecoveryProgress {
    pub settled: u64,
    pub total: u64,
}

/// A sending that is under way. Dropping it stops that at once; sending again goes on.
pub struct Recovering {
    runtime: Handle,
    told: Mutex<mpsc::Receiver<ToldRecovery>>,
    answers: mpsc::Sender<Settled>,
    /// Something was given out, and is not settled.
    is_open: AtomicBool,
    halt: watch::Sender<Halt>,
    settled: Arc<AtomicU64>,
    total: u64,
    folder: PathBuf,
    run_id: String,
}

impl Recovering {
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// The run's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Waits up to `patience` for what is next; nothing comes after the end. Blocks: not for async code.
    ///
    /// # Errors
    /// When the task is gone without an end.
    pub fn poll(&self, patience: Duration) -> Result<Option<ToldRecovery>, NoEnd> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .runtime
            .block_on(async { timeout(patience, told.recv()).await });
        let told = waited.map_or(Ok(None), |told| told.map(Some).ok_or(NoEnd))?;
        if matches!(told, Some(ToldRecovery::Recover(_))) {
            self.is_open.store(true, Ordering::SeqCst);
        }
        Ok(told)
    }

    /// Says what became of what was given out last; only once.
    pub fn settle(&self, settled: Settled) {
        if self.is_open.swap(false, Ordering::SeqCst) {
            // There is room for the one answer. A sending that is gone needs none.
            let _ = self.answers.try_send(settled);
        }
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

    pub fn progress(&self) -> RecoveryProgress {
        RecoveryProgress {
            settled: self.settled.load(Ordering::Relaxed).min(self.total),
            total: self.total,
        }
    }
}

impl Drop for Recovering {
    fn drop(&mut self) {
        self.halt(Halt::Now);
    }
}

/// Up to `limit` users of a run who were handed nothing, or not for certain, after `after` (from 0).
///
/// # Errors
/// When the journal cannot be read.
pub fn unsent_recoveries(
    journal: &Path,
    after: i64,
    limit: usize,
) -> Result<Vec<RecoveryLine>, JournalError> {
    Ok(Store::open(journal)?.unsent_recoveries(after, limit)?)
}

/// Begins to send to the users whom a run made without a password, or goes on with that. Nothing is sent yet. Of the import's
/// options those count that say how the API is reached; the key must be the run's, unless they have `new_key`.
///
/// # Errors
/// When there is no such run, it is another environment's, somebody works on it, or the file cannot be used.
pub fn recover(
    options: ImportOptions,
    name: &str,
    how: RecoveryOptions,
    receiver: Receiver,
    target: Target,
    runtime: &Handle,
) -> Result<Recovering, StartError> {
    check_options(&options)?;
    check_how(&how)?;
    if let Receiver::File(path) = &receiver {
        check_place(path)?;
        RecoveryFile::check(path).map_err(|error| refused(path, &error))?;
    }
    let connection = connect(&options, &target)?;
    let identity = Identity::of(None, None, String::new(), &target);
    let run_dir = options.run_dir.clone();
    let run = find_run(run_dir.as_deref(), name)?;
    let looking = Looking::begin(run_dir.as_deref())?;
    let folder = Folder::of(&run)?;
    is_in(&run, &identity, options.new_key)?;
    // As it was left: the run does not go on.
    let journal = Journal::reopen_to_undo(&folder.journal())?;
    let handed = |path: &str, ids: &[&str]| RecoveryFile::has(Path::new(path), ids);
    runtime.block_on(settle_earlier(&journal, handed))?;
    // Not before: a file that was taken away would be there again, and nobody in it.
    let file = match &receiver {
        Receiver::Caller => None,
        Receiver::File(path) => Some(opened(path)?),
    };
    let counts = Store::open(&folder.journal()).and_then(|store| store.recovery_counts());
    let counts = counts.map_err(JournalError::from)?;
    drop(looking);
    let (halt, halted) = watch::channel(Halt::Run);
    let (told, receiver) = mpsc::channel(1);
    let (answers, answered) = mpsc::channel(1);
    // Those that failed are tried again, and those who are gone looked for.
    let before = counts.settled() - counts.failed - counts.gone;
    let settled = Arc::new(AtomicU64::new(before));
    let work = Work {
        run_id: folder.id.clone(),
        folder,
        journal,
        connection,
        options,
        how,
        file,
        told,
        answered,
        before,
        settled: Arc::clone(&settled),
    };
    let (folder, run_id) = (work.folder.path.clone(), work.run_id.clone());
    runtime.spawn(work.run(halted));
    Ok(Recovering {
        runtime: runtime.clone(),
        told: Mutex::new(receiver),
        answers,
        is_open: AtomicBool::new(false),
        halt,
        settled,
        total: counts.settled() + counts.left,
        folder,
        run_id,
    })
}

fn check_how(how: &RecoveryOptions) -> Result<(), StartError> {
    let refuse = |what: &str| Err(StartError::Options(what.to_owned()));
    if !(1..=RecoveryOptions::MOST).contains(&how.per_minute) {
        return refuse("per_minute must be from 1 to 60000.");
    }
    if how.expires_in < Duration::from_secs(1) {
        return refuse("expires_in must be a second at least.");
    }
    Ok(())
}

/// The file at its place, and how the journal calls it.
fn opened(path: &Path) -> Result<(RecoveryFile, String), StartError> {
    let file = RecoveryFile::open(path).map_err(|error| refused(path, &error))?;
    Ok((file, absolute(path)))
}

fn refused(path: &Path, error: &io::Error) -> StartError {
    StartError::Output {
        path: path.display().to_string(),
        reason: error.to_string(),
    }
}

impl From<EarlierError> for StartError {
    fn from(error: EarlierError) -> Self {
        match error {
            EarlierError::Journal(error) => Self::Journal(error),
            // It need not be the file that is to be written now.
            EarlierError::File { .. } => Self::Options(error.to_string()),
        }
    }
}

/// Why a sending came to its end.
enum Ended {
    Complete,
    Halted,
    /// The directory has none of those who were looked for, so many.
    Elsewhere(u64),
    Failed(SendingError),
    /// The file cannot be written.
    Output(String),
}

impl From<SendingError> for Ended {
    fn from(error: SendingError) -> Self {
        Self::Failed(error)
    }
}

impl From<JournalError> for Ended {
    fn from(error: JournalError) -> Self {
        Self::Failed(error.into())
    }
}

/// Everything that a sending needs, checked.
struct Work {
    /// Held until the end: nobody else works on the run.
    folder: Folder,
    run_id: String,
    journal: Journal,
    connection: Connected,
    options: ImportOptions,
    how: RecoveryOptions,
    /// `None`: the caller takes what is made.
    file: Option<(RecoveryFile, String)>,
    told: mpsc::Sender<ToldRecovery>,
    answered: mpsc::Receiver<Settled>,
    /// How many users earlier sendings have settled for good.
    before: u64,
    settled: Arc<AtomicU64>,
}

impl Work {
    async fn run(mut self, halt: watch::Receiver<Halt>) {
        let began = Instant::now();
        let directory = self
            .connection
            .directory(self.options.concurrency, self.options.patience());
        let ended = match self.send(directory.as_ref(), &halt).await {
            Ok(()) => Ended::Complete,
            Err(ended) => ended,
        };
        let counts = self.journal.ask(|store| store.recovery_counts()).await;
        let (ended, counts) = match counts {
            Ok(counts) => (ended, counts),
            Err(error) => (error.into(), RecoveryCounts::default()),
        };
        let calls = directory.calls().into_iter().collect();
        let told = self.told.clone();
        let summary = self.summary(&ended, counts, calls, began.elapsed().as_secs_f64());
        // A caller that is gone does not need it.
        let _ = told.send(ToldRecovery::Ended(Box::new(summary))).await;
    }

    async fn send(
        &mut self,
        directory: &dyn Directory,
        halt: &watch::Receiver<Halt>,
    ) -> Result<(), Ended> {
        let into = self.file.as_ref().map(|(_, path)| path.clone());
        let clock = Clock::System;
        let sending = Sending::begin(directory, &self.journal, clock, self.how, into);
        let mut sending = sending.await?;
        loop {
            let made = match unless_halted(halt, sending.next()).await {
                None => return Err(Ended::Halted),
                Some(made) => made?,
            };
            let Some(made) = made else {
                break;
            };
            let recover = sending.hand_over(made).await?;
            let step = recover.step;
            let settled = match &mut self.file {
                Some((file, path)) => {
                    // Where this fails, the next sending looks whether the line is there.
                    file.add(&recover).map_err(|error| {
                        Ended::Output(format!("{path}: cannot be written: {error}"))
                    })?;
                    Settled::Delivered
                }
                None => handed_to(&self.told, &mut self.answered, recover).await,
            };
            sending.settle(step, settled).await?;
            let passed = self.before + sending.passed();
            self.settled.store(passed, Ordering::Relaxed);
        }
        // Those after the last one who was handed anything.
        let passed = self.before + sending.passed();
        self.settled.store(passed, Ordering::Relaxed);
        match unless_halted(halt, sending.is_elsewhere()).await {
            None => Err(Ended::Halted),
            Some(is_elsewhere) => match is_elsewhere? {
                true => Err(Ended::Elsewhere(sending.gone())),
                false => Ok(()),
            },
        }
    }

    fn summary(
        self,
        ended: &Ended,
        counts: RecoveryCounts,
        api_calls: Vec<(&'static str, u64)>,
        duration_seconds: f64,
    ) -> RecoverySummary {
        let is_partly = counts.failed + counts.in_doubt > 0;
        let (stopped, code) = self.stopped(ended).unzip();
        RecoverySummary {
            status: match ended {
                Ended::Complete if is_partly => "Partly sent",
                Ended::Complete => "Sent",
                Ended::Halted => "Interrupted",
                Ended::Failed(SendingError::Key(_)) | Ended::Elsewhere(_) => "Failed",
                _ => "Stopped",
            },
            counts,
            api_calls,
            duration_seconds,
            stopped,
            exit_code: code.unwrap_or(i32::from(is_partly)),
            run_id: self.run_id,
            folder: self.folder.path,
        }
    }

    fn stopped(&self, ended: &Ended) -> Option<(Stopped, i32)> {
        let (kind, message, code) = match ended {
            Ended::Complete => return None,
            Ended::Halted => (
                "interrupted",
                "Sending was interrupted. Send to the run again to go on.".to_owned(),
                130,
            ),
            Ended::Elsewhere(gone) => ("elsewhere", nobody_is_there(*gone), 1),
            Ended::Failed(error @ SendingError::Key(_)) => ("auth", error.to_string(), 3),
            Ended::Failed(error @ SendingError::Away(_)) => {
                ("api", format!("{error} Send to the run again to go on."), 4)
            }
            Ended::Failed(error @ SendingError::Off { .. }) => ("api", error.to_string(), 4),
            Ended::Failed(SendingError::Journal(message)) => {
                let folder = self.folder.path.display();
                ("journal", format!("In {folder}: {message}"), 4)
            }
            Ended::Output(message) => ("output", message.clone(), 4),
        };
        Some((Stopped { kind, message }, code))
    }
}

fn nobody_is_there(gone: u64) -> String {
    let who = match gone {
        1 => "The user who was looked for is not in this directory.".to_owned(),
        _ => format!("None of the {gone} users who were looked for is in this directory."),
    };
    format!(
        "{who} It may be another server behind the same address: then send to the run again at the right one. Who is \
         gone is looked for again each time."
    )
}

/// Gives it to the caller, and waits for what became of it.
async fn handed_to(
    told: &mpsc::Sender<ToldRecovery>,
    answered: &mut mpsc::Receiver<Settled>,
    recover: Recover,
) -> Settled {
    match told.send(ToldRecovery::Recover(recover)).await {
        // Who is gone has seen nothing.
        Err(_) => Settled::NotHandedOver,
        Ok(()) => answered.recv().await.unwrap_or(Settled::InDoubt),
    }
}
