//! The journal on disk: what waits for the disk, what a failing one does, and what others can read in the file.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tokio::sync::watch;
use workos_importer_core::clock::Clock;
use workos_importer_core::directory::workos::WorkOs;
use workos_importer_core::directory::{Directory, Policy};
use workos_importer_core::engine::{Ended, Engine, Halt, Options};
use workos_importer_core::journal::outcome::Effect;
use workos_importer_core::journal::{Journal, RECORD_ID_COLUMN, RESULT_COLUMNS, Store};
use workos_importer_core::row::{Kind, OrganizationOptions, Rules, StepKey};
use workos_importer_core::wire::InProcess;
use workos_importer_sandbox::Sandbox;

use crate::harness::{Collected, InlineRows, KEY, Meddle, Scenario, World, record, unlimited};

fn key(name: &str) -> StepKey {
    StepKey::new(Kind::User, name)
}

fn count(path: &Path, of: &str) -> i64 {
    let plain = rusqlite::Connection::open(path).unwrap();
    plain
        .query_row(&format!("SELECT count(*) FROM {of}"), [], |row| row.get(0))
        .unwrap()
}

/// Makes every change of a table fail, as a full disk would.
fn fill_the_disk(path: &Path, table: &str) {
    let plain = rusqlite::Connection::open(path).unwrap();
    plain
        .execute_batch(&format!(
            "CREATE TRIGGER full_insert BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'disk is full'); END;
             CREATE TRIGGER full_update BEFORE UPDATE ON {table} BEGIN SELECT RAISE(ABORT, 'disk is full'); END;"
        ))
        .unwrap();
}

fn real_time<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(work)
}

#[test]
fn a_commit_is_in_the_file_when_it_returns_and_a_note_when_the_journal_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite3");
    real_time(async {
        let journal = Journal::on_disk(&path, &record()).unwrap();
        for number in 0..20 {
            let key = key(&format!("u{number}@x.com"));
            journal
                .commit(move |store| {
                    store.intent(&key, Effect::Created, None, jiff::Timestamp::UNIX_EPOCH)
                })
                .await
                .unwrap();
            assert_eq!(count(&path, "step WHERE intent_at IS NOT NULL"), number + 1);
        }
        for number in 0..20 {
            let key = key(&format!("noted{number}@x.com"));
            journal.note(move |store| store.park(number, &key)).unwrap();
        }
        // What is asked sees what was noted before.
        assert!(journal.ask(|store| store.has_parked()).await.unwrap());
    });
    assert_eq!((count(&path, "parked"), count(&path, "step")), (20, 40));
}

#[test]
fn many_commits_at_once_share_the_wait_and_all_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite3");
    real_time(async {
        let journal = Journal::on_disk(&path, &record()).unwrap();
        let commits = (0..2_000).map(|number| {
            let key = key(&format!("u{number}@x.com"));
            journal.commit(move |store| {
                store.intent(&key, Effect::Created, None, jiff::Timestamp::UNIX_EPOCH)
            })
        });
        let done = futures_util::future::join_all(commits).await;
        assert!(done.into_iter().all(|result| result.is_ok()));
        assert_eq!(count(&path, "step"), 2_000);
    });
}

#[test]
fn after_a_failure_nothing_is_confirmed_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite3");
    real_time(async {
        let journal = Journal::on_disk(&path, &record()).unwrap();
        fill_the_disk(&path, "parked");
        // The thread is held up until more jobs have come together than go into one transaction.
        let (go_on, held_up) = std::sync::mpsc::channel::<()>();
        journal
            .note(move |_| {
                held_up.recv().unwrap();
                Ok(())
            })
            .unwrap();
        let lost = key("lost@x.com");
        journal.note(move |store| store.park(1, &lost)).unwrap();
        // Only changes of one table fail; the journal refuses the others too, for its record has a hole.
        let commits = (0..2_000).map(|number| {
            let key = key(&format!("u{number}@x.com"));
            journal.commit(move |store| {
                store.intent(&key, Effect::Created, None, jiff::Timestamp::UNIX_EPOCH)
            })
        });
        let commits = futures_util::future::join_all(commits);
        let (results, ()) = tokio::join!(commits, async { go_on.send(()).unwrap() });
        for result in results {
            assert!(result.unwrap_err().0.contains("disk is full"));
        }
        assert!(journal.note(|_| Ok(())).is_err());
        let asked = journal.ask(|store| store.has_parked()).await;
        assert!(asked.unwrap_err().0.contains("disk is full"));
    });
    assert_eq!(count(&path, "step"), 0);
}

/// An import with the journal in a thread of its own, in real time.
fn import(path: &Path, csv: &str, full: Option<&str>) -> (Ended, usize, Sandbox) {
    real_time(async {
        let sandbox = Sandbox::new(unlimited());
        let transport = Arc::new(InProcess::new(sandbox.clone(), KEY, Clock::System));
        let directory = WorkOs::new(transport, None, None, Clock::System, 1);
        let journal = Journal::on_disk(path, &record()).unwrap();
        if let Some(table) = full {
            fill_the_disk(path, table);
        }
        directory.check().await.unwrap();
        let options = Options {
            policy: Policy {
                create_organizations: true,
                ..Policy::default()
            },
            require_membership: false,
            max_errors: None,
            seed: 1,
        };
        let mut rows =
            InlineRows::new(csv, &OrganizationOptions::default(), true, Rules::default());
        let mut sink = Collected::default();
        let (_halt, halted) = watch::channel(Halt::Run);
        let (ended, _) = Engine::new(&directory, &journal, Clock::System, options)
            .run(&mut rows, &[], &mut sink, halted)
            .await;
        (ended, sink.results.len(), sandbox)
    })
}

fn file(rows: usize) -> String {
    let rows = (0..rows).map(|number| format!("u{number}@x.com,o{},O\n", number % 3));
    format!(
        "email,org_external_id,org_name\n{}",
        rows.collect::<String>()
    )
}

#[test]
fn a_disk_that_is_full_stops_the_run_before_anything_more_is_sent() {
    for table in ["step", "outcome", "outcome_step"] {
        let folder = tempfile::tempdir().unwrap();
        let (ended, _, sandbox) = import(
            &folder.path().join("journal.sqlite3"),
            &file(500),
            Some(table),
        );
        let Ended::Journal(why) = &ended else {
            panic!("{table}: {ended:?}")
        };
        assert!(why.contains("disk is full"), "{why}");
        // Said once.
        assert_eq!(why.matches("journal").count(), 0, "{why}");
        assert!(sandbox.count("users") < 500, "{table}");
        if table == "step" {
            assert_eq!(sandbox.dump()["organizations"], json!([]));
            assert_eq!(sandbox.count("users"), 0);
        }
    }
}

#[test]
fn a_disk_that_fills_up_in_the_middle_stops_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite3");
    let mut scenario = Scenario::fast(&file(500));
    scenario.journal = Some(path.clone());
    let full = AtomicBool::new(false);
    scenario.meddle(move |sandbox, request| {
        // Right after a commit: an inline journal keeps a transaction open otherwise.
        let committed = request.method == "POST";
        if committed && sandbox.counters().total > 100 && !full.swap(true, Ordering::Relaxed) {
            fill_the_disk(&path, "step");
        }
        Meddle::Pass
    });
    let done = scenario.run();
    assert!(matches!(done.ended, Ended::Journal(_)), "{:?}", done.ended);
    assert!(done.log.len() < 200, "{}", done.log.len());
}

#[test]
fn the_file_is_plain_sqlite_with_a_view_of_the_results() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite3");
    let (ended, results, sandbox) = import(&path, &file(300), None);
    assert_eq!((ended, results), (Ended::Complete, 300));
    let plain = rusqlite::Connection::open(&path).unwrap();
    let mut statement = plain
        .prepare("SELECT * FROM results ORDER BY record_number")
        .unwrap();
    let columns = [&RESULT_COLUMNS[..], &[RECORD_ID_COLUMN]].concat();
    assert_eq!(statement.column_names(), columns);
    let users: Vec<(i64, String, String)> = statement
        .query_map([], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get("user_id")?))
        })
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(users.len(), 300);
    for (number, email, id) in users {
        assert_eq!(email, format!("u{}@x.com", number - 1));
        assert_eq!(sandbox.find_user(&email)["id"], json!(id));
    }
    assert_eq!(
        count(
            &path,
            "results WHERE outcome = 'created' AND evidence = 'confirmed'"
        ),
        300
    );
    // Each write was announced before it left.
    assert_eq!(count(&path, "step WHERE intent_at IS NOT NULL"), 603);
    assert_eq!(count(&path, "run WHERE id = 'simulation'"), 1);
}

#[test]
fn what_was_sent_counts_until_its_answer_was_here() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite3");
    let at = |seconds| jiff::Timestamp::from_second(seconds).unwrap();
    let store = Store::create(Some(&path), &record()).unwrap();
    for (name, times) in [
        ("before", vec![9]),
        ("answered", vec![10]),
        ("in flight", vec![11]),
        ("twice", vec![12, 15]),
        ("again", vec![16]),
    ] {
        for time in times {
            let key = key(name);
            store.intent(&key, Effect::Created, None, at(time)).unwrap();
        }
    }
    let plain = rusqlite::Connection::open(&path).unwrap();
    plain
        .execute_batch(
            "UPDATE step SET by_record = id;
             INSERT INTO outcome (record_number, outcome, at)
             SELECT s.id, 1, t.ended FROM (
                 SELECT 'answered' AS name, 13000 AS ended UNION ALL SELECT 'twice', 17000
                 UNION ALL SELECT 'again', 14000 -- an earlier attempt's
             ) t JOIN step s ON s.name = t.name;",
        )
        .unwrap();
    let just_after = |seconds| Some(at(seconds) + std::time::Duration::from_millis(1));
    assert_eq!(
        store.sent_since(at(10)).unwrap(),
        [
            (at(10), just_after(13)),
            (at(11), None),
            (at(12), just_after(15)),
            (at(15), just_after(17)),
            (at(16), None),
        ]
    );
}
