//! Owns the thread of a journal on disk: what has come together goes into one transaction, which waits for the disk if
//! anybody waits for it.

use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use super::{JournalError, Store};

/// How many jobs are in one transaction at most.
const GROUP: usize = 512;
/// So many commits at once come from a run that has many rows under way: more of them are about to come.
const BUSY: usize = 8;
/// How long they are waited for: less than a transaction for each few of them would cost.
const TOGETHER: Duration = Duration::from_millis(1);

type Question = Box<dyn FnOnce(&Store) + Send>;
type Edit = Box<dyn FnOnce(&Store) -> rusqlite::Result<()> + Send>;
type Done = Box<dyn FnOnce(Result<(), JournalError>) + Send>;

pub(super) enum Job {
    /// Runs at once; the answer does not wait for the disk.
    Ask(Question),
    /// Runs, and `Done` is called when it is on disk.
    Commit(Edit, Done),
    Note(Edit),
}

/// Takes jobs until the journal is dropped. The first failure ends all writing; it is left in `failed`.
pub(super) fn drive(
    store: &Store,
    queue: &mpsc::Receiver<Job>,
    failed: &Mutex<Option<JournalError>>,
) {
    let mut durability = Durability::new(store);
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        take_waiting(queue, &mut group);
        let commits = group.iter().filter(|job| matches!(job, Job::Commit(..)));
        if commits.count() >= BUSY {
            thread::sleep(TOGETHER);
            take_waiting(queue, &mut group);
        }
        let mut waiting: Vec<Done> = Vec::new();
        // What was lost stays lost: nothing that came after it is written either, and no intent is confirmed.
        let earlier = failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(error) = earlier {
            refuse(group, &error);
            continue;
        }
        let result =
            run_group(store, &mut durability, group, &mut waiting).map_err(JournalError::from);
        if let Err(error) = &result {
            failed
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert_with(|| error.clone());
            let _ = store.connection.execute_batch("ROLLBACK");
            store.latest.clear();
        }
        for done in waiting {
            done(result.clone());
        }
    }
}

fn take_waiting(queue: &mpsc::Receiver<Job>, group: &mut Vec<Job>) {
    while group.len() < GROUP
        && let Ok(job) = queue.try_recv()
    {
        group.push(job);
    }
}

/// Who asked finds no answer, and then the failure.
fn refuse(group: Vec<Job>, error: &JournalError) {
    for job in group {
        if let Job::Commit(_, done) = job {
            done(Err(error.clone()));
        }
    }
}

/// Whether transactions wait for the disk; told to SQLite where it changes.
struct Durability<'a> {
    store: &'a Store,
    is_full: Option<bool>,
}

impl<'a> Durability<'a> {
    fn new(store: &'a Store) -> Self {
        Self {
            store,
            is_full: None,
        }
    }

    fn set(&mut self, full: bool) -> rusqlite::Result<()> {
        if self.is_full != Some(full) {
            let word = if full { "FULL" } else { "NORMAL" };
            let connection = &self.store.connection;
            connection.pragma_update(None, "synchronous", word)?;
            self.is_full = Some(full);
        }
        Ok(())
    }
}

fn run_group(
    store: &Store,
    durability: &mut Durability<'_>,
    group: Vec<Job>,
    waiting: &mut Vec<Done>,
) -> rusqlite::Result<()> {
    // Only what somebody waits for has to be on disk when the transaction ends.
    durability.set(group.iter().any(|job| matches!(job, Job::Commit(..))))?;
    let connection = &store.connection;
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let mut outcome = Ok(());
    for job in group {
        match job {
            Job::Ask(question) => question(store),
            Job::Commit(change, done) => {
                waiting.push(done);
                if outcome.is_ok() {
                    outcome = change(store);
                }
            }
            Job::Note(change) => {
                if outcome.is_ok() {
                    outcome = change(store);
                }
            }
        }
    }
    outcome?;
    connection.prepare_cached("COMMIT")?.execute([])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::RunRecord;

    #[test]
    fn a_transaction_waits_for_the_disk_where_somebody_waits_for_it() {
        let run = RunRecord {
            id: "7f3a".into(),
            name: None,
            source: "users.csv".into(),
            mode: "user-only".into(),
            target: "workos".into(),
            options: "{}".into(),
            key: [7; 32],
            source_digest: None,
            environment: [7; 32],
            started_at: "2026-11-22T10:00:00Z".into(),
        };
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(Some(&folder.path().join("journal")), &run).unwrap();
        let mut durability = Durability::new(&store);
        let commit = || Job::Commit(Box::new(|_| Ok(())), Box::new(|_| {}));
        let note = || Job::Note(Box::new(|_| Ok(())));
        let groups = [
            (vec![note()], 1),
            (vec![note(), commit()], 2),
            (vec![commit()], 2),
            (vec![note()], 1),
            (vec![commit()], 2),
        ];
        for (group, expected) in groups {
            let mut waiting = Vec::new();
            assert!(run_group(&store, &mut durability, group, &mut waiting).is_ok());
            let synchronous = store
                .connection
                .query_row("PRAGMA synchronous", [], |row| row.get::<_, i64>(0));
            // 1 is NORMAL, 2 is FULL.
            assert_eq!(synchronous, Ok(expected));
            assert!(store.connection.is_autocommit());
        }
    }
}
