//! A secret that the server repeats in whatever it says is in nothing that is shown, logged or stored.

use std::cell::RefCell;
use std::fmt::Write as _;

use http::Method;
use serde_json::{Value, json};
use workos_importer_core::directory::OnExisting;
use workos_importer_core::engine::{Claimed, Ended, ReadRow, Rows};
use workos_importer_core::report::{ErrorFile, write_results};
use workos_importer_core::row::{OrganizationOptions, Rules};
use workos_importer_core::secret::Secret;
use workos_importer_core::wire::Connection;

use crate::harness::{Done, InlineRows, KEY, Meddle, Scenario, World, answer, virtual_time};

const PASSWORD: &str = "pl4nted\"p\\ss";
const HASH: &str = "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
const DIGITS: &str = "8273645546372819";

thread_local! {
    static RECORDS: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps what is logged in threads that ask for it.
struct Logger;

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        RECORDS.with_borrow(Option::is_some)
    }

    fn log(&self, record: &log::Record<'_>) {
        RECORDS.with_borrow_mut(|records| {
            if let Some(records) = records {
                writeln!(records, "{} {}", record.target(), record.args()).unwrap();
            }
        });
    }

    fn flush(&self) {}
}

fn assert_clean(what: &str, text: &str) {
    for (name, secret) in [
        ("password", "pl4nted"),
        ("hash", "N9qo8uLO"),
        ("digits", DIGITS),
        ("key", KEY),
    ] {
        assert!(!text.contains(secret), "the {name} is in {what}: {text}");
    }
}

/// A server that repeats what it was sent: as text, as JSON in a text, as keys, as a number, in headers.
fn echo(status: u16, body: &Value) -> Meddle {
    let given = ["password", "password_hash"].map(|field| body[field].as_str().unwrap_or_default());
    let [password, hash] = given;
    let said = format!("Bad key {KEY}, bad request {body}: {password} {hash}");
    let number: Value = password.parse::<u64>().unwrap_or_default().into();
    let code = format!("code_{password}");
    let answer_body = json!({
        "message": said,
        "code": code,
        "error_description": said,
        "errors": [{"field": password, "code": hash, "message": said, KEY: [said, number]}, said, number],
    });
    let id = if password.starts_with(|first: char| first.is_ascii_digit()) {
        password
    } else {
        KEY
    };
    Meddle::Answer(answer(
        status,
        &answer_body,
        &[("x-request-id", &format!("req_{id}"))],
    ))
}

fn csv() -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut csv =
        "email,password,password_hash,password_hash_type,org_external_id,org_name\n".to_owned();
    for (number, (password, hash)) in [(PASSWORD, ""), ("", HASH), (DIGITS, ""), (PASSWORD, HASH)]
        .into_iter()
        .enumerate()
    {
        let kind = if hash.is_empty() { "" } else { "bcrypt" };
        let (password, hash) = (quoted(password), quoted(hash));
        writeln!(csv, "u{number}@x.com,{password},{hash},{kind},acme,Acme").unwrap();
    }
    // Broken records and records with wrong cells, which no message may quote.
    writeln!(csv, "broken@x.com,{},,,acme", quoted(PASSWORD)).unwrap();
    writeln!(csv, "broken@x.com,{DIGITS},,,acme,Acme,{HASH}").unwrap();
    writeln!(csv, "alone@x.com,,{HASH},,acme,Acme").unwrap();
    writeln!(csv, "kind@x.com,,{DIGITS},md5,acme,Acme").unwrap();
    csv
}

fn scenario(status: u16) -> Scenario {
    let mut scenario = Scenario::fast(&csv());
    scenario.policy.on_existing = OnExisting::Update;
    scenario.policy.update_passwords = true;
    scenario.sandbox.user(json!({"email": "u3@x.com"}));
    scenario.meddle(move |_, request| match (&request.method, &request.body) {
        (&Method::POST | &Method::PUT, Some(body)) if request.target.contains("/users") => {
            let taken =
                String::from_utf8_lossy(body).contains("u3@x.com") && request.method == "POST";
            match taken {
                true => Meddle::Pass,
                false => echo(status, &serde_json::from_slice(body).unwrap()),
            }
        }
        _ => Meddle::Pass,
    });
    scenario
}

fn run(status: u16) -> (Done, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut scenario = scenario(status);
    scenario.journal = Some(folder.path().join("journal.sqlite3"));
    RECORDS.with_borrow_mut(|records| *records = Some(String::new()));
    let done = scenario.run();
    let logged = RECORDS.with_borrow_mut(Option::take).unwrap();
    let mut files = String::new();
    for name in ["errors.csv", "errors.json", "errors.jsonl"] {
        let mut file = ErrorFile::create(&folder.path().join(name)).unwrap();
        done.results
            .iter()
            .for_each(|result| file.add(result).unwrap());
        file.finish().unwrap();
    }
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        writeln!(
            files,
            "{}: {}",
            path.display(),
            String::from_utf8_lossy(&bytes)
        )
        .unwrap();
    }
    (done, files, logged)
}

#[test]
fn what_the_server_repeats_is_shown_nowhere() {
    // A second one is refused, which is fine.
    let _ = log::set_logger(&Logger);
    log::set_max_level(log::LevelFilter::Trace);
    for status in [400, 409, 422, 429, 500, 302, 201, 401] {
        let (done, files, logged) = run(status);
        if status == 401 {
            assert!(matches!(done.ended, Ended::Key(_)));
        } else if status == 429 {
            // Half an hour without a success: the run ends, and the rows that it did not get to are pending.
            assert!(matches!(done.ended, Ended::Unreachable(_)));
            assert_eq!(done.tally.failed(), 4);
        } else {
            assert_eq!(done.tally.failed(), 8, "{status}");
        }
        assert_clean("what ended the run", &format!("{:?}", done.ended));
        for result in &done.results {
            assert_clean("a result", &format!("{result:?}"));
            if let Some(error) = &result.error {
                assert!(!error.message.is_empty());
                assert_clean("an error", &serde_json::to_string(error).unwrap());
            }
        }
        assert!(files.contains("journal.sqlite3") && files.contains("u0@x.com"));
        assert_clean("a file", &files);
        assert!(logged.contains("create user"), "{logged}");
        assert_clean("the log", &logged);
        // The test would notice: the secrets were on the wire.
        let sent: String = done
            .log
            .iter()
            .map(|exchange| exchange.body.to_string())
            .collect();
        assert!(sent.contains("pl4nted"));
        // A refused key stops the run before the other rows.
        assert!(status == 401 || (sent.contains("N9qo8uLO") && sent.contains(DIGITS)));
    }
}

#[test]
fn results_files_have_none_either() {
    let folder = tempfile::tempdir().unwrap();
    let mut scenario = scenario(400);
    let path = folder.path().join("journal.sqlite3");
    scenario.journal = Some(path.clone());
    scenario.run();
    let store = workos_importer_core::journal::Store::open(&path).unwrap();
    assert_eq!(store.results(0, 100).unwrap().len(), 8);
    let journal =
        workos_importer_core::journal::Journal::inline(None, &crate::harness::record()).unwrap();
    let out = folder.path().join("results.csv");
    virtual_time(write_results(&journal, &out)).unwrap();
    for line in store.results(0, 100).unwrap() {
        assert_clean("a line of the results", &format!("{line:?}"));
    }
}

#[test]
fn nothing_that_can_be_formatted_shows_one() {
    let connection = Connection {
        base_url: "https://api.workos.com".into(),
        key: Secret::new(KEY),
        ca_bundle: None,
        insecure_http: false,
    };
    assert_clean("a connection", &format!("{connection:?}"));
    let mut rows = InlineRows::new(
        &csv(),
        &OrganizationOptions::default(),
        true,
        Rules::default(),
    );
    let read: Vec<ReadRow> = virtual_time(async {
        let mut all = Vec::new();
        loop {
            let batch = rows.next().await.unwrap();
            if batch.is_empty() {
                break all;
            }
            all.extend(batch);
        }
    });
    assert_eq!(read.len(), 8);
    for row in &read {
        assert_clean("a row", &format!("{row:?}"));
        if let ReadRow::Claimed(claimed) = row {
            let Claimed {
                identity, steps, ..
            } = claimed.as_ref();
            assert_clean("a step", &format!("{steps:?}"));
            assert_clean("a raw row", &format!("{:?}", identity.raw()));
        }
    }
}
