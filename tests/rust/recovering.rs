//! Recovery: who is sent what lets them set a password, how fast, and that nobody is sent it twice or never, however often
//! a sending is killed. In virtual time, over a Kratos in this process.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use workos_importer_core::clock::Clock;
use workos_importer_core::directory::kratos as directory;
use workos_importer_core::directory::{Directory, RecoveryMethod};
use workos_importer_core::journal::{Journal, RecoveryCounts, RecoveryState, Store};
use workos_importer_core::recovery::{
    Recover, RecoveryOptions, Sending, SendingError, Settled, settle_earlier,
};
use workos_importer_core::report::RecoveryFile;
use workos_importer_core::row::{IdentityRules, Kind, RowKind};
use workos_importer_core::wire::InProcess;
use workos_importer_sandbox::Fault;
use workos_importer_sandbox::kratos::{Kratos, Settings};

use crate::harness::{Scenario, World, virtual_time};

/// An import into a Kratos, whose journal is kept.
struct Imported {
    kratos: Kratos,
    journal: PathBuf,
    /// Of the identities, in the order of the rows.
    ids: Vec<String>,
    folder: tempfile::TempDir,
}

impl Imported {
    /// One of so many users without a password.
    fn new(users: usize) -> Self {
        Self::on(Kratos::new(Settings::default()), users)
    }

    fn on(kratos: Kratos, users: usize) -> Self {
        let lines: String = (1..=users)
            .map(|user| format!("{user}@x.com,User {user}\n"))
            .collect();
        Self::of(
            kratos,
            &format!("email,first_name\n{lines}"),
            IdentityRules::default(),
        )
    }

    fn of(kratos: Kratos, csv: &str, rules: IdentityRules) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal.sqlite3");
        let mut scenario = Scenario::fast(csv);
        scenario.kratos = Some((kratos.clone(), directory::Settings::default()));
        scenario.rows = RowKind::Identities;
        scenario.identities = Some(Arc::new(rules));
        scenario.journal = Some(journal.clone());
        scenario.run();
        let dump = kratos.dump();
        let ids = dump["identities"].as_array().unwrap().iter();
        Self {
            ids: ids
                .map(|one| one["id"].as_str().unwrap().to_owned())
                .collect(),
            kratos,
            journal,
            folder,
        }
    }

    fn open(&self) -> Journal {
        Journal::reopen_to_undo_inline(&self.journal).unwrap()
    }

    /// The Kratos as the importer sees it, from now on.
    fn directory(&self, clock: &Clock) -> directory::Kratos {
        let transport = InProcess::new(self.kratos.clone(), "token", clock.clone());
        let settings = directory::Settings::default();
        directory::Kratos::new(Arc::new(transport), settings, clock.clone(), 7)
    }

    fn counts(&self) -> RecoveryCounts {
        Store::open(&self.journal)
            .unwrap()
            .recovery_counts()
            .unwrap()
    }

    /// The record numbers of users who are due.
    fn due(&self) -> Vec<u64> {
        due(&self.journal)
    }
}

fn due(journal: &Path) -> Vec<u64> {
    let due = Store::open(journal)
        .unwrap()
        .due_recoveries(0, 100)
        .unwrap();
    due.iter().map(|one| one.record_number).collect()
}

fn clock() -> Clock {
    Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap())
}

async fn begun<'a>(
    directory: &'a dyn Directory,
    journal: &'a Journal,
    clock: &Clock,
    into: Option<&Path>,
) -> Sending<'a> {
    sending(directory, journal, clock, RecoveryOptions::default(), into).await
}

async fn sending<'a>(
    directory: &'a dyn Directory,
    journal: &'a Journal,
    clock: &Clock,
    options: RecoveryOptions,
    into: Option<&Path>,
) -> Sending<'a> {
    let into = into.map(|path| path.display().to_string());
    let begun = Sending::begin(directory, journal, clock.clone(), options, into);
    begun.await.unwrap()
}

/// Looks up what earlier processes had begun, before there is a file of this one.
async fn settled(journal: &Journal) {
    let handed = |path: &str, ids: &[&str]| RecoveryFile::has(Path::new(path), ids);
    settle_earlier(journal, handed).await.unwrap();
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

#[test]
fn recovery_emails_go_to_users_whom_the_run_made_without_a_password() {
    let hash = "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
    let csv = format!(
        "email,first_name,initial_password,password_hash\n\
         bare@x.com,Bare,,\n\
         plain@x.com,Plain,correct-horse-battery,\n\
         hash@x.com,Hash,,{hash}\n\
         there@x.com,There,,\n\
         not an email,,,\n\
         bare@x.com,Bare,,\n\
         plain@x.com,,,\n\
         other@x.com,Other,,\n\
         other@x.com,Another,correct-horse-battery,\n"
    );
    let kratos = Kratos::new(Settings::default());
    let body = json!({ "traits": { "email": "there@x.com", "first_name": "There" } });
    kratos.seed(Method::POST, "/admin/identities", &body);
    let run = Imported::of(kratos, &csv, IdentityRules::default());
    let dump = run.kratos.dump();
    let one = |email: &str| {
        let mut identities = dump["identities"].as_array().unwrap().iter();
        identities
            .find(|one| one["traits"]["email"] == email)
            .unwrap()
    };
    // The first row that names a user counts: what a later one says otherwise reaches nobody, passwords too.
    assert_eq!(one("other@x.com")["password"], Value::Null);
    assert_eq!(one("hash@x.com")["password"], "bcrypt");
    assert_eq!(run.due(), [1, 8]);
    // Whom an undo has deleted is sent nothing.
    let bare = one("bare@x.com")["id"].as_str().unwrap().to_owned();
    let journal = run.open();
    let at = Timestamp::UNIX_EPOCH;
    let noted = journal.note(move |store| store.note_deleted(Kind::User, &bare, at));
    noted.unwrap();
    drop(journal);
    assert_eq!(run.due(), [8]);
}

#[test]
fn recovery_emails_do_not_go_to_users_with_a_random_password() {
    let rules = IdentityRules {
        random_password: true,
        ..IdentityRules::default()
    };
    let run = Imported::of(Kratos::new(Settings::default()), "email\na@x.com\n", rules);
    assert_eq!(run.kratos.dump()["identities"][0]["password"], "password");
    assert!(run.due().is_empty());
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
            status: StatusCode::UNPROCESSABLE_ENTITY,
            applied: false,
        },
        1,
    );
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["failed"]);
    assert_eq!(due(scenario.journal.as_ref().unwrap()), [1]);
}

#[test]
fn recovery_emails_need_no_password_to_be_invented() {
    let run = Imported::new(1);
    virtual_time(async {
        let clock = clock();
        let directory = run.directory(&clock);
        let body = json!({
            "traits": { "email": "with@x.com" },
            "credentials": { "password": { "config": { "password": "correct-horse-battery" } } },
        });
        run.kratos.seed(Method::POST, "/admin/identities", &body);
        let journal = run.open();
        let sent = send_all(&mut begun(&directory, &journal, &clock, None).await).await;
        assert_eq!(sent.len(), 1);
        let first = &sent[0];
        assert_eq!((first.record_number, first.email.as_str()), (1, "1@x.com"));
        assert_eq!(first.first_name.as_deref(), Some("User 1"));
        assert!(first.link.expose().starts_with("http://127.0.0.1:4433/"));
        let dump = run.kratos.dump();
        let without = &dump["identities"][0];
        assert_eq!(without["traits"]["email"], "1@x.com");
        assert_eq!(without["password"], Value::Null);
        assert_eq!(dump["identities"][1]["password"], "password");
        // A user with a password gets in by the same call, with the same answer.
        let with = dump["identities"][1]["id"].clone();
        let body = json!({ "identity_id": with });
        let answer = run.kratos.seed(Method::POST, "/admin/recovery/link", &body);
        assert!(answer["recovery_link"].is_string());
    });
}

#[test]
fn recovery_emails_can_be_codes_that_hold_as_long_as_is_said() {
    let run = Imported::new(1);
    virtual_time(async {
        let clock = clock();
        let directory = run.directory(&clock);
        let journal = run.open();
        let options = RecoveryOptions {
            method: RecoveryMethod::Code,
            expires_in: Duration::from_secs(12 * 3_600),
            ..RecoveryOptions::default()
        };
        let sent = send_all(&mut sending(&directory, &journal, &clock, options, None).await).await;
        assert_eq!(sent[0].code.as_ref().unwrap().expose().len(), 6);
        assert_eq!(sent[0].expires_at.to_string(), "2026-01-01T12:00:00Z");
    });
}

#[test]
fn recovery_emails_of_users_who_are_gone_are_noted_and_take_no_turn() {
    let run = Imported::new(3);
    virtual_time(async {
        let clock = clock();
        let directory = run.directory(&clock);
        let gone = format!("/admin/identities/{}", run.ids[1]);
        run.kratos.seed(Method::DELETE, &gone, &Value::Null);
        let journal = run.open();
        let began = Instant::now();
        let sent = send_all(&mut begun(&directory, &journal, &clock, None).await).await;
        let numbers: Vec<u64> = sent.iter().map(|one| one.record_number).collect();
        assert_eq!(numbers, [1, 3]);
        assert_eq!(began.elapsed(), Duration::from_secs(1));
        drop(journal);
        let expected = RecoveryCounts {
            sent: 2,
            gone: 1,
            ..RecoveryCounts::default()
        };
        assert_eq!(run.counts(), expected);
        let line = &Store::open(&run.journal)
            .unwrap()
            .unsent_recoveries(0, 9)
            .unwrap()[0];
        assert_eq!(
            (
                line.state,
                line.record_number,
                line.email.as_deref(),
                line.user_id.as_ref()
            ),
            (
                RecoveryState::Gone,
                Some(2),
                Some("2@x.com"),
                Some(&run.ids[1])
            )
        );
    });
}

#[test]
fn recovery_emails_of_users_who_are_gone_are_sent_where_they_are_there_again() {
    let run = Imported::new(3);
    // The same address, and another server behind it.
    let elsewhere = Imported::new(0);
    virtual_time(async {
        let clock = clock();
        let directory = elsewhere.directory(&clock);
        let journal = run.open();
        for _ in 0..2 {
            let mut sending = begun(&directory, &journal, &clock, None).await;
            assert!(send_all(&mut sending).await.is_empty());
            assert_eq!((sending.passed(), sending.gone()), (3, 3));
            assert!(sending.is_elsewhere().await.unwrap());
        }
        drop(journal);
        let gone = RecoveryCounts {
            gone: 3,
            ..RecoveryCounts::default()
        };
        assert_eq!(run.counts(), gone);
        let directory = run.directory(&clock);
        let journal = run.open();
        let mut sending = begun(&directory, &journal, &clock, None).await;
        assert_eq!(send_all(&mut sending).await.len(), 3);
        assert!(!sending.is_elsewhere().await.unwrap());
        drop(journal);
        let sent = RecoveryCounts {
            sent: 3,
            ..RecoveryCounts::default()
        };
        assert_eq!(run.counts(), sent);
    });
}

#[test]
fn recovery_emails_of_the_last_users_who_are_gone_do_not_mean_another_server() {
    let run = Imported::new(3);
    virtual_time(async {
        let clock = clock();
        let directory = run.directory(&clock);
        let delete = |id: &str| {
            let path = format!("/admin/identities/{id}");
            run.kratos.seed(Method::DELETE, &path, &Value::Null);
        };
        delete(&run.ids[2]);
        let journal = run.open();
        let mut sending = begun(&directory, &journal, &clock, None).await;
        assert_eq!(send_all(&mut sending).await.len(), 2);
        assert!(!sending.is_elsewhere().await.unwrap());
        // Nobody else is left to be looked for, and the one who was sent to last is there.
        let mut sending = begun(&directory, &journal, &clock, None).await;
        assert!(send_all(&mut sending).await.is_empty());
        assert_eq!((sending.passed(), sending.gone()), (1, 1));
        assert!(!sending.is_elsewhere().await.unwrap());
        delete(&run.ids[1]);
        assert!(sending.is_elsewhere().await.unwrap());
        let down = Fault::Status {
            status: StatusCode::BAD_GATEWAY,
            applied: false,
        };
        run.kratos.fail_next(None, "/admin", down, 100_000);
        let away = sending.is_elsewhere().await;
        assert!(matches!(away, Err(SendingError::Away(_))), "{away:?}");
    });
}

#[test]
fn recovery_emails_that_fail_are_tried_again_by_the_next_sending() {
    let run = Imported::new(4);
    virtual_time(async {
        let clock = clock();
        let directory = run.directory(&clock);
        let journal = run.open();
        // The API refuses one user, the receiver another one; an answer is lost: another link is made instead.
        let no = Fault::Status {
            status: StatusCode::BAD_REQUEST,
            applied: false,
        };
        run.kratos.fail_next(Method::POST, "/admin/recovery", no, 1);
        let mut sending = begun(&directory, &journal, &clock, None).await;
        let second = next(&mut sending).await.unwrap();
        assert_eq!(second.user_id, run.ids[1]);
        let reason = Settled::Failed("exited with 3".into());
        sending.settle(second.step, reason).await.unwrap();
        let lost = Fault::ResetAfter;
        run.kratos
            .fail_next(Method::POST, "/admin/recovery", lost, 1);
        assert_eq!(send_all(&mut sending).await.len(), 2);
        let made = run.kratos.dump()["recoveries"].as_array().unwrap().len();
        assert_eq!(made, 4, "the lost one too");
        drop(journal);
        let expected = RecoveryCounts {
            sent: 2,
            failed: 2,
            ..RecoveryCounts::default()
        };
        assert_eq!(run.counts(), expected);
        let lines = Store::open(&run.journal)
            .unwrap()
            .unsent_recoveries(0, 9)
            .unwrap();
        assert_eq!(lines[1].reason.as_deref(), Some("exited with 3"));
        let journal = run.open();
        let sent = send_all(&mut begun(&directory, &journal, &clock, None).await).await;
        let numbers: Vec<u64> = sent.iter().map(|one| one.record_number).collect();
        assert_eq!(numbers, [1, 2]);
        assert!(
            send_all(&mut begun(&directory, &journal, &clock, None).await)
                .await
                .is_empty()
        );
    });
}

#[test]
fn recovery_emails_stop_where_the_server_makes_none_or_is_away() {
    let kratos = Kratos::new(Settings {
        recovery_links: false,
        ..Settings::default()
    });
    let run = Imported::on(kratos, 3);
    virtual_time(async {
        let clock = clock();
        let directory = run.directory(&clock);
        let journal = run.open();
        let mut sending = begun(&directory, &journal, &clock, None).await;
        let Err(SendingError::Off { method, message }) = sending.next().await else {
            panic!("nobody gets one");
        };
        assert_eq!(method, RecoveryMethod::Link);
        assert!(message.contains("disabled"), "{message}");
        let down = Fault::Status {
            status: StatusCode::BAD_GATEWAY,
            applied: false,
        };
        run.kratos.fail_next(None, "/admin", down, 100_000);
        let away = sending.next().await.err();
        assert!(matches!(away, Some(SendingError::Away(_))), "{away:?}");
        drop(journal);
        let left = RecoveryCounts {
            left: 3,
            ..RecoveryCounts::default()
        };
        assert_eq!(run.counts(), left, "nobody has failed");
    });
}

#[test]
fn notification_batching_hands_over_one_after_another_and_makes_links_when_their_turn_comes() {
    let run = Imported::new(62);
    virtual_time(async {
        let clock = clock();
        let directory = run.directory(&clock);
        let journal = run.open();
        let began = Instant::now();
        let mut sending = begun(&directory, &journal, &clock, None).await;
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
        let mut sending = begun(&directory, &journal, &clock, None).await;
        assert!(next(&mut sending).await.is_some());
        assert_eq!(began.elapsed(), Duration::from_secs(61));
    });
}

#[test]
fn notification_batching_never_makes_up_for_a_slow_receiver() {
    let latency = Duration::from_millis(20);
    let kratos = Kratos::new(Settings {
        latency: (latency, latency),
        ..Settings::default()
    });
    let run = Imported::on(kratos, 30);
    virtual_time(async {
        let clock = clock();
        let directory = run.directory(&clock);
        let journal = run.open();
        let options = RecoveryOptions {
            per_minute: 120,
            ..RecoveryOptions::default()
        };
        let mut sending = sending(&directory, &journal, &clock, options, None).await;
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
async fn into_file(run: &Imported, path: &Path, death: Option<(u64, Death)>) {
    let clock = clock();
    let directory = run.directory(&clock);
    let journal = run.open();
    settled(&journal).await;
    let mut file = RecoveryFile::open(path).unwrap();
    let mut sending = begun(&directory, &journal, &clock, Some(path)).await;
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
    for name in ["links.csv", "links.jsonl"] {
        for death in DEATHS {
            for at in 1..=3 {
                let run = Imported::new(3);
                let path = run.folder.path().join(name);
                virtual_time(async {
                    into_file(&run, &path, Some((at, death))).await;
                    into_file(&run, &path, Some((1, death))).await;
                    into_file(&run, &path, None).await;
                });
                let each = run.ids.iter().map(|id| (id.clone(), 1));
                let expected: BTreeMap<String, usize> = each.collect();
                assert_eq!(users_of(&path), expected, "{name} {death:?} {at}");
                let all = RecoveryCounts {
                    sent: 3,
                    ..RecoveryCounts::default()
                };
                assert_eq!(run.counts(), all, "{name} {death:?} {at}");
            }
        }
    }
}

#[test]
fn recovery_emails_to_a_program_are_in_doubt_where_it_was_killed_and_never_handed_over_again() {
    let run = Imported::new(4);
    virtual_time(async {
        let clock = clock();
        let directory = run.directory(&clock);
        let mut handed = Vec::new();
        // Each process dies while its second user is handed over.
        for _ in 0..2 {
            let journal = run.open();
            let mut sending = begun(&directory, &journal, &clock, None).await;
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
        let journal = run.open();
        // Also not into a file, which cannot know of it.
        let file = run.folder.path().join("links.csv");
        settled(&journal).await;
        drop(RecoveryFile::open(&file).unwrap());
        let mut sending = begun(&directory, &journal, &clock, Some(&file)).await;
        assert!(send_all(&mut sending).await.is_empty());
        drop(journal);
        assert_eq!(handed, run.ids);
        let expected = RecoveryCounts {
            sent: 2,
            in_doubt: 2,
            ..RecoveryCounts::default()
        };
        assert_eq!(run.counts(), expected);
        let lines = Store::open(&run.journal)
            .unwrap()
            .unsent_recoveries(0, 9)
            .unwrap();
        let listed: Vec<_> = lines
            .iter()
            .map(|line| (line.state, line.record_number))
            .collect();
        let in_doubt = RecoveryState::HandingOver;
        assert_eq!(listed, [(in_doubt, Some(2)), (in_doubt, Some(4))]);
    });
}

#[test]
fn recovery_emails_into_a_file_that_was_taken_away_are_in_doubt_for_good() {
    // Whether the next sending makes a file of the same name, or another one.
    for name in ["a.csv", "b.csv"] {
        let run = Imported::new(2);
        let path = run.folder.path().join("a.csv");
        let other = run.folder.path().join(name);
        virtual_time(async {
            into_file(&run, &path, Some((1, Death::Written))).await;
            fs::rename(&path, run.folder.path().join("mailed.csv")).unwrap();
            into_file(&run, &other, Some((1, Death::Made))).await;
            into_file(&run, &other, None).await;
            into_file(&run, &path, None).await;
        });
        let expected = BTreeMap::from([(run.ids[1].clone(), 1)]);
        assert_eq!(users_of(&other), expected, "{name}");
        let expected = RecoveryCounts {
            sent: 1,
            in_doubt: 1,
            ..RecoveryCounts::default()
        };
        assert_eq!(run.counts(), expected, "{name}");
    }
}

#[test]
fn recovery_emails_into_a_file_that_was_emptied_or_replaced_are_in_doubt() {
    // Its users have other ids.
    let another = Kratos::new(Settings {
        seed: 7,
        ..Settings::default()
    });
    let another = Imported::on(another, 1);
    let there = another.folder.path().join("links.csv");
    virtual_time(into_file(&another, &there, None));
    for content in [Vec::new(), fs::read(&there).unwrap()] {
        for death in [Death::Begun, Death::Written] {
            let run = Imported::new(3);
            let path = run.folder.path().join("links.csv");
            virtual_time(async {
                into_file(&run, &path, Some((2, death))).await;
                fs::write(&path, &content).unwrap();
                into_file(&run, &path, None).await;
            });
            // The last one only.
            let ours = users_of(&path)
                .into_keys()
                .filter(|id| run.ids.contains(id));
            assert_eq!(ours.collect::<Vec<_>>(), run.ids[2..], "{death:?}");
            let expected = RecoveryCounts {
                sent: 2,
                in_doubt: 1,
                ..RecoveryCounts::default()
            };
            assert_eq!(run.counts(), expected, "{death:?}");
        }
    }
}

#[test]
fn recovery_emails_leave_neither_link_nor_code_in_the_journal() {
    let run = Imported::new(3);
    virtual_time(async {
        let clock = clock();
        let directory = run.directory(&clock);
        let journal = run.open();
        let options = RecoveryOptions {
            method: RecoveryMethod::Code,
            ..RecoveryOptions::default()
        };
        let mut sending = sending(&directory, &journal, &clock, options, None).await;
        let mut made = Vec::new();
        for settled in [
            Settled::Failed("the command exited with 3".into()),
            Settled::InDoubt,
            Settled::Delivered,
        ] {
            let recover = next(&mut sending).await.unwrap();
            sending.settle(recover.step, settled).await.unwrap();
            assert_eq!(format!("{:?}", recover.link), "[secret]");
            made.push(recover.link.expose().to_owned());
            made.push(recover.code.unwrap().expose().to_owned());
        }
        drop(journal);
        let bytes: Vec<u8> = fs::read_dir(run.folder.path())
            .unwrap()
            .flat_map(|entry| fs::read(entry.unwrap().path()).unwrap())
            .collect();
        assert!(contains(&bytes, b"3@x.com"), "what is there is found");
        for secret in made {
            let token = secret.rsplit('=').next().unwrap();
            assert!(!contains(&bytes, token.as_bytes()), "{secret}");
        }
    });
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
