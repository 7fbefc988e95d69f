//! Recovery: who is sent what lets them set a password, how fast, and that nobody is sent it twice or never, however often
//! a sending is killed. In virtual time, over a Kratos in this process.

mod directory;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use workos_importer_core::clock::Clock;
use workos_importer_core::directory::RecoveryMethod;
use workos_importer_core::journal::{Journal, RecoveryCounts, RecoveryState, Store};
use workos_importer_core::recovery::{Recover, RecoveryOptions, Sending, SendingError, Settled};
use workos_importer_core::report::RecoveryFile;
use workos_importer_core::row::Kind;
use workos_importer_sandbox::Fault;
use workos_importer_sandbox::kratos::Settings;

use crate::harness::{Scenario, World, virtual_time};
use directory::{Identities, run_of};

const EPOCH: &str = "2026-01-01T00:00:00Z";

fn clock() -> Clock {
    Clock::simulated(EPOCH.parse().unwrap())
}

fn counts(journal: &Path) -> RecoveryCounts {
    Store::open(journal).unwrap().recovery_counts().unwrap()
}

async fn begun<'a>(
    identities: &'a Identities,
    journal: &'a Journal,
    into: Option<&Path>,
) -> Sending<'a> {
    sending(identities, journal, RecoveryOptions::default(), into).await
}

async fn sending<'a>(
    identities: &'a Identities,
    journal: &'a Journal,
    options: RecoveryOptions,
    into: Option<&Path>,
) -> Sending<'a> {
    let into = into.map(|path| path.display().to_string());
    let clock = identities.clock.clone();
    let handed = |path: &str, ids: &[&str]| RecoveryFile::has(Path::new(path), ids);
    let begun = Sending::begin(identities, journal, clock, options, into, handed);
    begun.await.unwrap()
}

async fn next(sending: &mut Sending<'_>) -> Option<Recover> {
    let made = sending.next().await.unwrap()?;
    Some(sending.hand_over(made).await.unwrap())
}

/// Sends to everybody who is due, to somebody who takes everything; returns whom.
async fn send_all(sending: &mut Sending<'_>) -> Vec<Recover> {
    let mut sent = Vec::new();
    while let Some(recover) = next(sending).await {
        sending
            .settle(recover.step, Settled::Delivered)
            .await
            .unwrap();
        sent.push(recover);
    }
    sent
}

/// The users of a run who are due, by record number, as its journal has them.
fn due(scenario: &Scenario) -> Vec<u64> {
    let store = Store::open(scenario.journal.as_ref().unwrap()).unwrap();
    let due = store.due_recoveries(0, 100).unwrap();
    due.iter().map(|one| one.record_number).collect()
}

#[test]
fn recovery_emails_go_to_users_whom_the_run_made_without_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let hash = "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
    let mut scenario = Scenario::fast(&format!(
        "email,first_name,password,password_hash,password_hash_type,org_external_id\n\
         bare@x.com,Bare,,,,\n\
         plain@x.com,Plain,correct-horse-battery,,,\n\
         hash@x.com,Hash,,{hash},bcrypt,\n\
         there@x.com,There,,,,\n\
         not an email,,,,,\n\
         bare@x.com,Bare,,,,\n\
         plain@x.com,,,,,\n\
         other@x.com,Other,,,,\n\
         other@x.com,Another,correct-horse-battery,,,\n\
         half@x.com,Half,,,,nowhere\n"
    ));
    scenario.journal = Some(folder.path().join("journal.sqlite3"));
    scenario
        .sandbox
        .user(json!({ "email": "there@x.com", "first_name": "There" }));
    let done = scenario.run();
    // The first row that names a user counts: what a later one says otherwise reaches nobody, passwords too.
    assert_eq!(
        scenario.sandbox.find_user("other@x.com")["first_name"],
        "Other"
    );
    // Row 10 fails, and its user is not made.
    assert_eq!(scenario.sandbox.find_user("half@x.com"), Value::Null);
    assert_eq!(due(&scenario), [1, 8]);
    // Whom an undo has deleted is sent nothing.
    let journal = Journal::reopen_to_undo_inline(scenario.journal.as_ref().unwrap()).unwrap();
    let bare = done
        .results
        .iter()
        .find(|result| result.identity.record_number == 1);
    let bare = bare.unwrap().step(Kind::User).unwrap().id.clone();
    let deleted =
        journal.note(move |store| store.note_deleted(Kind::User, &bare, Timestamp::now()));
    deleted.unwrap();
    drop(journal);
    assert_eq!(due(&scenario), [8]);
}

#[test]
fn recovery_emails_are_for_users_whose_row_failed_after_they_were_made_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut scenario = Scenario::fast("email,org_external_id\nhalf@x.com,acme\n");
    scenario.journal = Some(folder.path().join("journal.sqlite3"));
    scenario.sandbox.organization("acme", "Acme");
    scenario.sandbox.fail_next(
        Method::POST,
        "/organization_memberships",
        Fault::Status {
            status: http::StatusCode::UNPROCESSABLE_ENTITY,
            applied: false,
        },
        1,
    );
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["failed"]);
    assert_eq!(due(&scenario), [1]);
}

#[test]
fn recovery_emails_need_no_password_to_be_invented() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite3");
    virtual_time(async {
        let identities = Identities::new(Settings::default(), clock());
        run_of(&identities.kratos, 1, &path);
        let body = json!({
            "traits": { "email": "with@x.com" },
            "credentials": { "password": { "config": { "password": "correct-horse-battery" } } },
        });
        identities
            .kratos
            .seed(Method::POST, "/admin/identities", &body);
        let journal = Journal::reopen_to_undo_inline(&path).unwrap();
        let sent = send_all(&mut begun(&identities, &journal, None).await).await;
        assert_eq!(sent.len(), 1);
        let first = &sent[0];
        assert_eq!((first.record_number, first.email.as_str()), (1, "1@x.com"));
        assert_eq!(first.first_name.as_deref(), Some("User 1"));
        assert!(first.link.expose().starts_with("http://127.0.0.1:4433/"));
        let dump = identities.kratos.dump();
        let without = &dump["identities"][0];
        assert_eq!(without["traits"]["email"], "1@x.com");
        assert_eq!(without["password"], Value::Null);
        assert_eq!(dump["identities"][1]["password"], "password");
        // A user with a password gets in by the same call, with the same answer.
        let with = dump["identities"][1]["id"].clone();
        let body = json!({ "identity_id": with });
        let answer = identities
            .kratos
            .seed(Method::POST, "/admin/recovery/link", &body);
        assert!(answer["recovery_link"].is_string());
    });
}

#[test]
fn recovery_emails_can_be_codes_that_hold_as_long_as_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite3");
    virtual_time(async {
        let identities = Identities::new(Settings::default(), clock());
        run_of(&identities.kratos, 1, &path);
        let journal = Journal::reopen_to_undo_inline(&path).unwrap();
        let options = RecoveryOptions {
            method: RecoveryMethod::Code,
            expires_in: Duration::from_secs(12 * 3_600),
            ..RecoveryOptions::default()
        };
        let sent = send_all(&mut sending(&identities, &journal, options, None).await).await;
        assert_eq!(sent[0].code.as_ref().unwrap().expose().len(), 6);
        assert_eq!(sent[0].expires_at.to_string(), "2026-01-01T12:00:00Z");
    });
}

#[test]
fn recovery_emails_of_users_who_are_gone_are_noted_and_take_no_turn() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite3");
    virtual_time(async {
        let identities = Identities::new(Settings::default(), clock());
        let ids = run_of(&identities.kratos, 3, &path);
        let gone = format!("/admin/identities/{}", ids[1]);
        identities.kratos.seed(Method::DELETE, &gone, &Value::Null);
        let journal = Journal::reopen_to_undo_inline(&path).unwrap();
        let began = Instant::now();
        let sent = send_all(&mut begun(&identities, &journal, None).await).await;
        let numbers: Vec<u64> = sent.iter().map(|one| one.record_number).collect();
        assert_eq!(numbers, [1, 3]);
        assert_eq!(began.elapsed(), Duration::from_secs(1));
        drop(journal);
        let expected = RecoveryCounts {
            sent: 2,
            gone: 1,
            ..RecoveryCounts::default()
        };
        assert_eq!(counts(&path), expected);
        let line = &Store::open(&path).unwrap().unsent_recoveries(0, 9).unwrap()[0];
        assert_eq!(
            (
                line.state,
                line.record_number,
                line.email.as_deref(),
                line.user_id.as_ref()
            ),
            (RecoveryState::Gone, Some(2), Some("2@x.com"), Some(&ids[1]))
        );
    });
}

#[test]
fn recovery_emails_that_fail_are_tried_again_by_the_next_sending() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite3");
    virtual_time(async {
        let identities = Identities::new(Settings::default(), clock());
        let ids = run_of(&identities.kratos, 4, &path);
        let journal = Journal::reopen_to_undo_inline(&path).unwrap();
        // The API refuses one user, the receiver another one; an answer is lost: another link is made instead.
        let no = Fault::Status {
            status: http::StatusCode::BAD_REQUEST,
            applied: false,
        };
        identities
            .kratos
            .fail_next(Method::POST, "/admin/recovery", no, 1);
        let mut sending = begun(&identities, &journal, None).await;
        let second = next(&mut sending).await.unwrap();
        assert_eq!(second.user_id, ids[1]);
        let reason = Settled::Failed("exited with 3".into());
        sending.settle(second.step, reason).await.unwrap();
        let lost = Fault::ResetAfter;
        identities
            .kratos
            .fail_next(Method::POST, "/admin/recovery", lost, 1);
        assert_eq!(send_all(&mut sending).await.len(), 2);
        let made = identities.kratos.dump()["recoveries"]
            .as_array()
            .unwrap()
            .len();
        assert_eq!(made, 4, "the lost one too");
        drop(journal);
        let expected = RecoveryCounts {
            sent: 2,
            failed: 2,
            ..RecoveryCounts::default()
        };
        assert_eq!(counts(&path), expected);
        let lines = Store::open(&path).unwrap().unsent_recoveries(0, 9).unwrap();
        assert_eq!(lines[1].reason.as_deref(), Some("exited with 3"));
        let journal = Journal::reopen_to_undo_inline(&path).unwrap();
        let sent = send_all(&mut begun(&identities, &journal, None).await).await;
        let numbers: Vec<u64> = sent.iter().map(|one| one.record_number).collect();
        assert_eq!(numbers, [1, 2]);
        assert!(
            send_all(&mut begun(&identities, &journal, None).await)
                .await
                .is_empty()
        );
    });
}

#[test]
fn recovery_emails_stop_where_the_server_makes_none_or_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite3");
    virtual_time(async {
        let settings = Settings {
            recovery_links: false,
            ..Settings::default()
        };
        let identities = Identities::new(settings, clock());
        run_of(&identities.kratos, 3, &path);
        let journal = Journal::reopen_to_undo_inline(&path).unwrap();
        let mut sending = begun(&identities, &journal, None).await;
        let Err(SendingError::Off { method, message }) = sending.next().await else {
            panic!("nobody gets one");
        };
        assert_eq!(method, RecoveryMethod::Link);
        assert!(message.contains("disabled"), "{message}");
        let down = Fault::Status {
            status: http::StatusCode::BAD_GATEWAY,
            applied: false,
        };
        identities.kratos.fail_next(None, "/admin", down, 10);
        let away = sending.next().await.err();
        assert!(matches!(away, Some(SendingError::Away(_))), "{away:?}");
        drop(journal);
        let left = RecoveryCounts {
            left: 3,
            ..RecoveryCounts::default()
        };
        assert_eq!(counts(&path), left, "nobody has failed");
    });
}

#[test]
fn notification_batching_hands_over_one_after_another_and_makes_links_when_their_turn_comes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite3");
    virtual_time(async {
        let clock = clock();
        let identities = Identities::new(Settings::default(), clock.clone());
        run_of(&identities.kratos, 62, &path);
        let journal = Journal::reopen_to_undo_inline(&path).unwrap();
        let began = Instant::now();
        let mut sending = begun(&identities, &journal, None).await;
        for turn in 0..61_u64 {
            let recover = next(&mut sending).await.unwrap();
            assert_eq!(began.elapsed(), Duration::from_secs(turn));
            let hour = SignedDuration::from_hours(1);
            assert_eq!(recover.expires_at, clock.now() + hour, "{turn}");
            sending
                .settle(recover.step, Settled::Delivered)
                .await
                .unwrap();
        }
        assert_eq!(began.elapsed(), Duration::from_secs(60), "the 61st");
        // Another process keeps the distance.
        drop(sending);
        sleep(Duration::from_millis(300)).await;
        let mut sending = begun(&identities, &journal, None).await;
        assert!(next(&mut sending).await.is_some());
        assert_eq!(began.elapsed(), Duration::from_secs(61));
    });
}

#[test]
fn notification_batching_never_makes_up_for_a_slow_receiver() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite3");
    virtual_time(async {
        let mut identities = Identities::new(Settings::default(), clock());
        identities.latency = Duration::from_millis(20);
        run_of(&identities.kratos, 30, &path);
        let journal = Journal::reopen_to_undo_inline(&path).unwrap();
        let options = RecoveryOptions {
            per_minute: 120,
            ..RecoveryOptions::default()
        };
        let mut sending = sending(&identities, &journal, options, None).await;
        let mut turns = Vec::new();
        while let Some(recover) = next(&mut sending).await {
            turns.push(Instant::now());
            if turns.len() % 7 == 0 {
                sleep(Duration::from_millis(1_700)).await;
            }
            sending
                .settle(recover.step, Settled::Delivered)
                .await
                .unwrap();
        }
        assert_eq!(turns.len(), 30);
        for pair in turns.windows(2) {
            assert!(pair[1] - pair[0] >= Duration::from_millis(500));
        }
    });
}

/// Where a process dies: after which of its steps with which user, and what is on disk by then.
#[derive(Clone, Copy, Debug)]
enum Death {
    Made,
    Begun,
    /// With so many bytes of the line, in hundredths.
    Torn(usize),
    Written,
    Settled,
}

const DEATHS: [Death; 7] = [
    Death::Made,
    Death::Begun,
    Death::Torn(1),
    Death::Torn(50),
    Death::Torn(99),
    Death::Written,
    Death::Settled,
];

/// One process that sends into a file, in the steps of a sending, and dies with the user of this number.
async fn into_file(
    identities: &Identities,
    journal: &Path,
    path: &Path,
    death: Option<(u64, Death)>,
) {
    let journal = Journal::reopen_to_undo_inline(journal).unwrap();
    let mut file = RecoveryFile::open(path).unwrap();
    let mut sending = begun(identities, &journal, Some(path)).await;
    let mut count = 0;
    loop {
        let Some(made) = sending.next().await.unwrap() else {
            return;
        };
        count += 1;
        let death = death.filter(|(at, _)| *at == count).map(|(_, death)| death);
        if matches!(death, Some(Death::Made)) {
            break;
        }
        let recover = sending.hand_over(made).await.unwrap();
        if matches!(death, Some(Death::Begun)) {
            break;
        }
        let before = fs::metadata(path).unwrap().len() as usize;
        file.add(&recover).unwrap();
        if let Some(Death::Torn(hundredths)) = death {
            let length = fs::metadata(path).unwrap().len() as usize - before;
            let torn = fs::OpenOptions::new().write(true).open(path).unwrap();
            torn.set_len((before + length * hundredths / 100) as u64)
                .unwrap();
            break;
        }
        if matches!(death, Some(Death::Written)) {
            break;
        }
        sending
            .settle(recover.step, Settled::Delivered)
            .await
            .unwrap();
        if matches!(death, Some(Death::Settled)) {
            break;
        }
    }
    // As a power cut: what nobody waited for is lost.
    journal.end_inline(false).unwrap();
}

/// The users whom a file has, and how often.
fn users_of(path: &Path) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let mut add = |id: &str| *found.entry(id.to_owned()).or_insert(0) += 1;
    if path.extension().is_some_and(|ending| ending == "csv") {
        let mut reader = csv::Reader::from_path(path).unwrap();
        reader.records().for_each(|record| add(&record.unwrap()[2]));
    } else {
        for line in fs::read_to_string(path).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            add(line["identity_id"].as_str().unwrap());
        }
    }
    found
}

#[test]
fn recovery_emails_in_a_file_are_there_once_wherever_the_sending_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["links.csv", "links.jsonl"] {
        for death in DEATHS {
            for at in 1..=3 {
                virtual_time(async {
                    let journal = folder.path().join(format!("{name}-{death:?}-{at}.sqlite3"));
                    let path = folder.path().join(name);
                    let _ = fs::remove_file(&path);
                    let identities = Identities::new(Settings::default(), clock());
                    let ids = run_of(&identities.kratos, 3, &journal);
                    into_file(&identities, &journal, &path, Some((at, death))).await;
                    into_file(&identities, &journal, &path, Some((1, death))).await;
                    into_file(&identities, &journal, &path, None).await;
                    let expected: BTreeMap<String, usize> =
                        ids.into_iter().map(|id| (id, 1)).collect();
                    assert_eq!(users_of(&path), expected, "{name} {death:?} {at}");
                    let all = RecoveryCounts {
                        sent: 3,
                        ..RecoveryCounts::default()
                    };
                    assert_eq!(counts(&journal), all, "{name} {death:?} {at}");
                });
            }
        }
    }
}

#[test]
fn recovery_emails_to_a_program_are_in_doubt_where_it_was_killed_and_never_handed_over_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite3");
    virtual_time(async {
        let identities = Identities::new(Settings::default(), clock());
        let ids = run_of(&identities.kratos, 4, &path);
        let mut handed = Vec::new();
        // Each process dies while its second user is handed over.
        for _ in 0..2 {
            let journal = Journal::reopen_to_undo_inline(&path).unwrap();
            let mut sending = begun(&identities, &journal, None).await;
            for settles in [true, false] {
                let recover = next(&mut sending).await.unwrap();
                handed.push(recover.user_id.clone());
                if settles {
                    sending
                        .settle(recover.step, Settled::Delivered)
                        .await
                        .unwrap();
                }
            }
            journal.end_inline(false).unwrap();
        }
        let journal = Journal::reopen_to_undo_inline(&path).unwrap();
        // Also not into a file, which cannot know of it.
        let file = folder.path().join("links.csv");
        drop(RecoveryFile::open(&file).unwrap());
        let mut sending = begun(&identities, &journal, Some(&file)).await;
        assert!(send_all(&mut sending).await.is_empty());
        drop(journal);
        assert_eq!(handed, ids);
        let expected = RecoveryCounts {
            sent: 2,
            in_doubt: 2,
            ..RecoveryCounts::default()
        };
        assert_eq!(counts(&path), expected);
        let lines = Store::open(&path).unwrap().unsent_recoveries(0, 9).unwrap();
        let listed: Vec<_> = lines
            .iter()
            .map(|line| (line.state, line.record_number))
            .collect();
        let in_doubt = RecoveryState::HandingOver;
        assert_eq!(listed, [(in_doubt, Some(2)), (in_doubt, Some(4))]);
    });
}

#[test]
fn recovery_emails_into_a_file_that_was_taken_away_are_in_doubt() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, path) = (
        folder.path().join("journal.sqlite3"),
        folder.path().join("a.csv"),
    );
    virtual_time(async {
        let identities = Identities::new(Settings::default(), clock());
        run_of(&identities.kratos, 2, &journal);
        into_file(&identities, &journal, &path, Some((1, Death::Written))).await;
        fs::remove_file(&path).unwrap();
        let other = folder.path().join("b.csv");
        into_file(&identities, &journal, &other, None).await;
        assert_eq!(users_of(&other).len(), 1);
        let expected = RecoveryCounts {
            sent: 1,
            in_doubt: 1,
            ..RecoveryCounts::default()
        };
        assert_eq!(counts(&journal), expected);
    });
}

#[test]
fn recovery_emails_leave_neither_link_nor_code_in_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite3");
    virtual_time(async {
        let identities = Identities::new(Settings::default(), clock());
        run_of(&identities.kratos, 3, &path);
        let journal = Journal::reopen_to_undo_inline(&path).unwrap();
        let options = RecoveryOptions {
            method: RecoveryMethod::Code,
            ..RecoveryOptions::default()
        };
        let mut sending = sending(&identities, &journal, options, None).await;
        let first = next(&mut sending).await.unwrap();
        sending
            .settle(first.step, Settled::Failed("exited with 3".into()))
            .await
            .unwrap();
        let second = next(&mut sending).await.unwrap();
        sending.settle(second.step, Settled::InDoubt).await.unwrap();
        send_all(&mut sending).await;
        assert_eq!(format!("{:?}", first.link), "[secret]");
        drop(journal);
        let made = identities.made.lock().unwrap().clone();
        assert_eq!(made.len(), 6);
        let bytes: Vec<u8> = fs::read_dir(folder.path())
            .unwrap()
            .flat_map(|entry| fs::read(entry.unwrap().path()).unwrap())
            .collect();
        assert!(contains(&bytes, b"3@x.com"), "it can be found");
        for secret in made {
            let token = secret.rsplit('=').next().unwrap();
            assert!(!contains(&bytes, token.as_bytes()), "{secret}");
        }
    });
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
