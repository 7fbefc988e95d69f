//! The run's durable record: the memo and the outcomes, in one SQLite file. Two drivers: a thread of its own, which
//! commits what has come together (production), and inline (simulation, where a thread would upset the paused clock).
//!
//! What each call waits for, and what may be lost:
//!
//! | call | waits for | used for |
//! |---|---|---|
//! | [`Journal::commit`] | the disk (`synchronous=FULL`), together with all that has come in meanwhile | the intent of a write, before its bytes leave; how the run ended |
//! | [`Journal::ask`] | the answer, not the disk | the memo; registering rows; setting rows aside |
//! | [`Journal::note`] | nothing | answers of the directory, outcomes of rows, counts |
//!
//! One thread takes the jobs in order, so what is on disk is always a beginning of what was handed over. A kill loses what
//! was still in the queue, a power cut what came after the last commit. Both lose only:
//!
//! - an answer whose intent is on disk: the next attempt reads it back before it sends anything, and what this run
//!   created is then `inferred` instead of `confirmed`;
//! - a row's outcome: the row is ensured again, from the memo or by looking;
//! - a registration: rows are registered again, in the same order;
//! - counts of calls and seconds since they were last noted.
//!
//! None of them makes a second object or loses one: a write leaves only after its own intent is on disk.

mod compared;
mod history;
mod known;
mod orphans;
pub mod outcome;
mod overview;
mod places;
mod recovery;
mod rows;
mod schema;
mod seen;
mod steps;
mod store;
mod thread;
mod totals;
mod undone;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

pub use compared::{AnswerLine, ComparedRow, ComparedStep, ExtraMembership};
pub use history::{Attempt, History, KeptLimit};
pub use orphans::Orphan;
pub use overview::{Busy, FailureExample, OrganizationRows, OrganizationTotals};
pub use recovery::{DueRecovery, OpenRecovery, RecoveryCounts, RecoveryLine, RecoveryState};
pub use rows::{
    Before, EndedRow, FailedBefore, FailedLine, RECORD_ID_COLUMN, RESULT_COLUMNS, ResultLine,
};
pub use seen::{ListingState, SeenName, SeenObject};
pub use steps::{OpenIntent, Registered, Registration, Remembered};
pub use store::{RunRecord, Store};
use thread::Job;
pub use totals::{Counters, FailureGroup, Kept, RunInfo, Waits};
pub use undone::{LeftLine, Made, UNDOING, UNDONE, Undoable, UndoneCount, Verdict};

/// Something in the journal failed: a full disk, a folder that cannot be written.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the journal cannot be written: {0}")]
pub struct JournalError(pub String);

impl From<rusqlite::Error> for JournalError {
    fn from(error: rusqlite::Error) -> Self {
        Self(error.to_string())
    }
}

enum Driver {
    Thread {
        jobs: Option<mpsc::SyncSender<Job>>,
        thread: Option<JoinHandle<()>>,
    },
    /// What nobody waits for stays in an open transaction until somebody does: so a simulation can lose it, as a power
    /// cut would.
    Inline(Mutex<Store>),
}

/// A handle on an open journal.
pub struct Journal {
    driver: Driver,
    /// Keys the digests of the run.
    key: [u8; 32],
    /// The first failure of a note: every later call reports it, so that a run never goes on without its record.
    failed: Arc<Mutex<Option<JournalError>>>,
}

impl Journal {
    /// How many jobs may wait for the thread: enough to group commits, little enough to stay small in memory.
    const QUEUE: usize = 4096;

    /// A journal on disk, driven by a thread of its own.
    ///
    /// # Errors
    /// When the file or the thread cannot be made.
    pub fn on_disk(path: &Path, run: &RunRecord) -> Result<Self, JournalError> {
        Self::threaded(Store::create(Some(path), run)?)
    }

    fn threaded(store: Store) -> Result<Self, JournalError> {
        let key = store.key()?;
        let failed = Arc::new(Mutex::new(None));
        let (jobs, queue) = mpsc::sync_channel(Self::QUEUE);
        let shared = Arc::clone(&failed);
        let thread = std::thread::Builder::new()
            .name("workos-importer-journal".into())
            .spawn(move || {
                thread::drive(&store, &queue, &shared);
                store.leave_one_file();
            })
            .map_err(|error| JournalError(error.to_string()))?;
        Ok(Self {
            driver: Driver::Thread {
                jobs: Some(jobs),
                thread: Some(thread),
            },
            key,
            failed,
        })
    }

    /// The journal of a run that goes on, driven by a thread of its own.
    ///
    /// # Errors
    /// When the file is not there or cannot be written, or the thread cannot be made.
    pub fn reopen(path: &Path) -> Result<Self, JournalError> {
        Self::threaded(Store::reopen(path)?)
    }

    /// A journal that does everything in the calling thread, on disk or (`None`) in memory.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn inline(path: Option<&Path>, run: &RunRecord) -> Result<Self, JournalError> {
        Self::in_place(Store::create(path, run)?)
    }

    /// The journal of a run that goes on, in the calling thread.
    ///
    /// # Errors
    /// When the file is not there or cannot be written.
    pub fn reopen_inline(path: &Path) -> Result<Self, JournalError> {
        Self::in_place(Store::reopen(path)?)
    }

    /// The journal of a run that is to be undone, driven by a thread of its own.
    ///
    /// # Errors
    /// As of [`Journal::reopen`].
    pub fn reopen_to_undo(path: &Path) -> Result<Self, JournalError> {
        Self::threaded(Store::reopen_to_undo(path)?)
    }

    /// The same in the calling thread.
    ///
    /// # Errors
    /// As of [`Journal::reopen`].
    pub fn reopen_to_undo_inline(path: &Path) -> Result<Self, JournalError> {
        Self::in_place(Store::reopen_to_undo(path)?)
    }

    /// Keys the digests of the run: what they are of cannot be looked for without the journal.
    pub fn key(&self) -> &[u8; 32] {
        &self.key
    }

    fn in_place(store: Store) -> Result<Self, JournalError> {
        store.connection.pragma_update(None, "synchronous", "OFF")?;
        Ok(Self {
            key: store.key()?,
            driver: Driver::Inline(Mutex::new(store)),
            failed: Arc::new(Mutex::new(None)),
        })
    }

    /// Asks something, or changes something whose loss is harmless, and waits for the answer but not for the disk.
    ///
    /// # Errors
    /// When SQLite fails, now or in an earlier note.
    pub async fn ask<T, F>(&self, question: F) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> rusqlite::Result<T> + Send + 'static,
    {
        self.check()?;
        match &self.driver {
            Driver::Inline(store) => Ok(question(opened(
                &store.lock().unwrap_or_else(PoisonError::into_inner),
            )?)?),
            Driver::Thread { .. } => {
                let (answer, answered) = oneshot::channel();
                self.submit(Job::Ask(Box::new(move |store| {
                    // The asker may be gone: then nobody needs the answer.
                    let _ = answer.send(question(store));
                })))?;
                Ok(answered.await.map_err(|_| self.gone())??)
            }
        }
    }

    /// Changes something and waits until it is on disk.
    ///
    /// # Errors
    /// When SQLite or the disk fails.
    pub async fn commit<F>(&self, change: F) -> Result<(), JournalError>
    where
        F: FnOnce(&Store) -> rusqlite::Result<()> + Send + 'static,
    {
        self.check()?;
        match &self.driver {
            Driver::Inline(store) => {
                let store = store.lock().unwrap_or_else(PoisonError::into_inner);
                change(opened(&store)?)?;
                Ok(store.connection.execute_batch("COMMIT")?)
            }
            Driver::Thread { .. } => {
                let (done, committed) = oneshot::channel();
                self.submit(Job::Commit(
                    Box::new(change),
                    Box::new(move |result| {
                        let _ = done.send(result);
                    }),
                ))?;
                committed.await.map_err(|_| self.gone())?
            }
        }
    }

    /// Changes something and waits for nothing; a failure is reported by the next call.
    ///
    /// # Errors
    /// When an earlier note failed.
    pub fn note<F>(&self, change: F) -> Result<(), JournalError>
    where
        F: FnOnce(&Store) -> rusqlite::Result<()> + Send + 'static,
    {
        self.check()?;
        match &self.driver {
            Driver::Inline(store) => Ok(change(opened(
                &store.lock().unwrap_or_else(PoisonError::into_inner),
            )?)?),
            Driver::Thread { .. } => self.submit(Job::Note(Box::new(change))),
        }
    }

    /// Ends the open transaction of an inline journal: `true` keeps what was only noted, as when the thread has come
    /// so far; `false` loses it, as when the power goes. Nothing to do with a thread.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn end_inline(&self, keep: bool) -> Result<(), JournalError> {
        if let Driver::Inline(store) = &self.driver {
            let store = store.lock().unwrap_or_else(PoisonError::into_inner);
            if !store.connection.is_autocommit() {
                let end = if keep { "COMMIT" } else { "ROLLBACK" };
                store.connection.execute_batch(end)?;
                if !keep {
                    store.latest.clear();
                }
            }
        }
        Ok(())
    }

    fn submit(&self, job: Job) -> Result<(), JournalError> {
        match &self.driver {
            Driver::Thread {
                jobs: Some(jobs), ..
            } => jobs.send(job).map_err(|_| self.gone()),
            _ => Err(self.gone()),
        }
    }

    fn check(&self) -> Result<(), JournalError> {
        match &*self.failed.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    fn gone(&self) -> JournalError {
        self.check()
            .err()
            .unwrap_or_else(|| JournalError("its thread has ended".into()))
    }
}

impl Drop for Journal {
    /// Waits until everything that was handed over is written.
    fn drop(&mut self) {
        // What fails here is lost, as in a crash.
        let _ = self.end_inline(true);
        if let Driver::Thread { jobs, thread } = &mut self.driver {
            drop(jobs.take());
            if let Some(thread) = thread.take() {
                // A panic in the thread has been reported by then as "its thread has ended".
                let _ = thread.join();
            }
        }
    }
}

/// The store of an inline journal, with a transaction open.
fn opened(store: &Store) -> rusqlite::Result<&Store> {
    if store.connection.is_autocommit() {
        store.connection.execute_batch("BEGIN IMMEDIATE")?;
    }
    Ok(store)
}
