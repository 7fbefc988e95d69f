//! Whole imports over a sandbox in this process, as a caller sees them: events, files, summary.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::runtime::Runtime;
use workos_importer_sandbox::{Limits, Sandbox, Settings};

use super::{
    Event, Import, ImportOptions, Input, Purpose, StartError, Status, Summary, Target, start,
};
use crate::engine::Halt;
use crate::journal::Store;
use crate::source::{Cell, Format, Handed};

pub(super) fn sandbox() -> Sandbox {
    Sandbox::new(Settings {
        limits: Limits::none(),
        ..Settings::default()
    })
}

pub(super) fn options(folder: &Path) -> ImportOptions {
    ImportOptions {
        run_dir: Some(folder.join("runs")),
        ..ImportOptions::default()
    }
}

pub(super) fn file(folder: &Path, text: &str) -> Input {
    let path = folder.join("users.csv");
    fs::write(&path, text).unwrap();
    Input::Path {
        path: path.display().to_string(),
        format: Format::default(),
    }
}

/// Takes all events; `feed` answers when rows are wanted.
pub(super) fn drain(import: &Import, mut feed: impl FnMut(&Import, bool)) -> (Vec<Event>, Summary) {
    let mut events = Vec::new();
    for _ in 0..10_000 {
        for event in import.poll(100, Duration::from_secs(10)) {
            match event {
                Event::WantRows { rewind } => feed(import, rewind),
                Event::Ended(summary) => return (events, *summary),
                event => events.push(event),
            }
        }
    }
    panic!("the import did not end");
}

pub(super) fn no_rows(_: &Import, _: bool) {
    panic!("a file is read, not fed");
}

pub(super) fn run(
    options: ImportOptions,
    input: Input,
    sandbox: &Sandbox,
) -> Result<(Vec<Event>, Summary), StartError> {
    let runtime = Runtime::new().unwrap();
    let import = start(
        options,
        input,
        Target::Sandbox(sandbox.clone()),
        runtime.handle(),
    )?;
    Ok(drain(&import, no_rows))
}

#[test]
fn a_comparison_that_was_killed_goes_on_with_what_it_had_read() {
    let folder = TempDir::new().unwrap();
    let latency = Duration::from_millis(100);
    let sandbox = Sandbox::new(Settings {
        latency: (latency, latency),
        limits: Limits::none(),
        ..Settings::default()
    });
    let mut rows = "email\n".to_owned();
    for number in 0..450 {
        let email = format!("u{number}@x.com");
        let body = serde_json::json!({ "email": email });
        sandbox.seed(http::Method::POST, "/user_management/users", body);
        rows.push_str(&format!("{email}\n"));
    }
    let mut options = options(folder.path());
    options.purpose = Purpose::Verify {
        extra: false,
        sample: None,
    };
    let input = || file(folder.path(), &rows);
    let compared = |events: &[Event]| {
        let mut calls = events.iter().filter_map(|event| match event {
            Event::Compared(comparison) => Some(comparison.calls_made["list users"]),
            _ => None,
        });
        let mut notes = events.iter().filter_map(|event| match event {
            Event::Started(started) => started.note.clone(),
            _ => None,
        });
        (calls.next(), notes.next())
    };
    let before = sandbox.counters().total;
    let (events, _) = run(options.clone(), input(), &sandbox).unwrap();
    let undisturbed = sandbox.counters().total - before;
    assert_eq!(compared(&events), (Some(5), None));

    // What is on disk in the middle of it is what a kill leaves.
    let runtime = Runtime::new().unwrap();
    let target = Target::Sandbox(sandbox.clone());
    let import = start(options.clone(), input(), target, runtime.handle()).unwrap();
    let pages = || Store::open(import.journal()).and_then(|store| store.listing("users"));
    while pages().unwrap().pages < 2 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let runs = options.run_dir.clone().unwrap();
    let left = runs.join(".comparison-left");
    fs::create_dir(&left).unwrap();
    for name in ["journal.sqlite3", "journal.sqlite3-wal"] {
        fs::copy(import.journal().with_file_name(name), left.join(name)).unwrap();
    }
    drop(import);
    drop(runtime);

    let before = sandbox.counters().total;
    let (events, summary) = run(options, input(), &sandbox).unwrap();
    let (calls, note) = compared(&events);
    assert!(note.unwrap().contains("was killed"));
    assert_eq!((calls, summary.unchanged), (Some(5), 450));
    // The first two pages are not read again.
    assert!(sandbox.counters().total - before <= undisturbed - 2);
    let names = fs::read_dir(runs)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = names
        .filter(|name| name.to_string_lossy().starts_with(".comparison"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn nothing_stays_beside_the_journal_of_a_run_that_is_over() {
    let folder = TempDir::new().unwrap();
    let options = options(folder.path());
    let input = file(folder.path(), "email\na@x.com\n");
    let (_, summary) = run(options.clone(), input, &sandbox()).unwrap();
    let found = super::find_run(options.run_dir.as_deref(), "latest").unwrap();
    assert_eq!(super::failed_rows(&found, 0, 10).unwrap(), []);
    let entries = fs::read_dir(&summary.folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let logs: Vec<String> = names.filter(|name| name.contains("sqlite3-")).collect();
    assert!(logs.is_empty(), "{logs:?}");
}

const MULTI: &str = "email,org_external_id,org_name\na@x.com,acme,Acme\nbroken,acme,Acme\nb@x.com,acme,\nc@x.com,nowhere,\n";

#[test]
fn a_file_ends_in_a_summary_and_in_files() {
    let folder = TempDir::new().unwrap();
    let mut options = options(folder.path());
    options.errors_out = Some(folder.path().join("errors.json"));
    options.results_out = Some(folder.path().join("results.csv"));
    let sandbox = sandbox();
    let (events, summary) = run(options, file(folder.path(), MULTI), &sandbox).unwrap();

    assert!(
        matches!(&events[0], Event::Started(started) if started.rows == Some(4) && started.mode == "multi-org")
    );
    assert_eq!(
        events
            .iter()
            .filter(|event| matches!(event, Event::Row(_)))
            .count(),
        4
    );
    assert_eq!(summary.status, Status::CompletedWithErrors);
    assert_eq!(
        (
            summary.total,
            summary.imported,
            summary.failed,
            summary.pending
        ),
        (4, 2, 2, 0)
    );
    assert_eq!(
        (summary.cache_hits, summary.cache_misses),
        (Some(1), Some(2))
    );
    assert_eq!(
        (
            summary.memberships_created,
            summary.organizations_created,
            summary.exit_code
        ),
        (2, 1, 1)
    );

    let errors: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.path().join("errors.json")).unwrap()).unwrap();
    let kinds: Vec<_> = errors
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["errorType"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["validation", "org_resolution"]);
    assert_eq!(errors[1]["rawRow"]["email"], "c@x.com");
    let results = fs::read_to_string(folder.path().join("results.csv")).unwrap();
    assert_eq!(results.lines().count(), 5);
    assert!(
        results.starts_with("record_number,email,external_id,outcome,user,membership,evidence,")
    );
    assert!(summary.folder.join("journal.sqlite3").is_file());
}

#[test]
fn the_options_own_organization_is_looked_up_before_the_first_row() {
    let folder = TempDir::new().unwrap();
    let mut options = options(folder.path());
    options.organization.external_id = Some("acme-123".into());
    let sandbox = sandbox();
    let (_, summary) = run(
        options.clone(),
        file(folder.path(), "email\na@x.com\n"),
        &sandbox,
    )
    .unwrap();
    let stopped = summary.stopped.unwrap();
    assert_eq!(
        (stopped.message.as_str(), summary.exit_code, summary.pending),
        (
            "Organization not found: acme-123. Add --create-org-if-missing --org-name \"…\".",
            2,
            1
        )
    );
    assert_eq!(sandbox.dump()["users"].as_array().unwrap().len(), 0);

    let mut by_id = options.clone();
    by_id.organization.external_id = None;
    by_id.organization.id = Some("org_wrong".into());
    let (_, summary) = run(by_id, file(folder.path(), "email\na@x.com\n"), &sandbox).unwrap();
    assert_eq!(summary.exit_code, 2);
    assert_eq!(
        summary.stopped.unwrap().message,
        "Organization not found: org_wrong. Nothing was imported. Check --org-id."
    );
    assert_eq!(sandbox.dump()["users"].as_array().unwrap().len(), 0);

    options.organization.create_if_missing = true;
    options.organization.name = Some("Acme Inc.".into());
    let (_, summary) = run(options, file(folder.path(), "email\na@x.com\n"), &sandbox).unwrap();
    assert_eq!(
        (
            summary.status,
            summary.organizations_created,
            summary.cache_hits
        ),
        (Status::Success, 1, None)
    );
}

#[test]
fn strict_sends_nothing_when_any_record_is_wrong() {
    let folder = TempDir::new().unwrap();
    let mut options = options(folder.path());
    options.strict = true;
    let sandbox = sandbox();
    let (_, summary) = run(options, file(folder.path(), MULTI), &sandbox).unwrap();
    assert_eq!(
        (summary.failed, summary.pending, summary.exit_code),
        (1, 3, 1)
    );
    assert_eq!(summary.status, Status::Failed);
    assert_eq!(sandbox.counters().total, 0);
}

#[test]
fn rows_that_are_handed_over_are_wanted_lazily_and_again_for_parked_ones() {
    let folder = TempDir::new().unwrap();
    let runtime = Runtime::new().unwrap();
    let sandbox = sandbox();
    let input = Input::Fed { can_rewind: true };
    let import = start(
        options(folder.path()),
        input,
        Target::Sandbox(sandbox.clone()),
        runtime.handle(),
    )
    .unwrap();
    let row = |email: &str, name: Option<&str>| {
        let mut row = vec![
            ("email".to_owned(), Cell::text(email)),
            ("org_external_id".to_owned(), Cell::text("acme")),
        ];
        row.extend(name.map(|name| ("org_name".to_owned(), Cell::text(name))));
        row
    };
    let batches = [
        vec![row("a@x.com", None)],
        vec![row("b@x.com", Some("Acme"))],
        vec![],
    ];
    let mut next = 0;
    let mut rewound = 0;
    let (_, summary) = drain(&import, |import, rewind| {
        if rewind {
            rewound += 1;
            next = 0;
        }
        import.feed(Handed::Mappings(batches[next].clone()));
        next += 1;
    });
    assert_eq!((summary.total, summary.imported, rewound), (2, 2, 1));
    assert_eq!(
        sandbox.dump()["organization_memberships"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_source_without_rows_fails_and_says_so() {
    let folder = TempDir::new().unwrap();
    let runtime = Runtime::new().unwrap();
    let input = Input::Fed { can_rewind: true };
    let target = Target::Sandbox(sandbox());
    let import = start(options(folder.path()), input, target, runtime.handle()).unwrap();
    let (_, summary) = drain(&import, |import, _| import.feed(Handed::Mappings(vec![])));
    assert_eq!((summary.status, summary.exit_code), (Status::Failed, 1));
    assert_eq!(summary.stopped.unwrap().message, "The source has no rows.");
}

#[test]
fn a_halted_run_ends_its_rows_and_says_so() {
    let folder = TempDir::new().unwrap();
    let settings = Settings {
        limits: Limits::none(),
        latency: (Duration::from_millis(5), Duration::from_millis(10)),
        ..Settings::default()
    };
    let sandbox = Sandbox::new(settings);
    let mut text = String::from("email\n");
    (0..5_000).for_each(|number| text.push_str(&format!("user{number}@x.com\n")));
    let runtime = Runtime::new().unwrap();
    let import = start(
        options(folder.path()),
        file(folder.path(), &text),
        Target::Sandbox(sandbox.clone()),
        runtime.handle(),
    )
    .unwrap();
    let mut rows = 0;
    let summary = loop {
        let mut ended = None;
        for event in import.poll(50, Duration::from_secs(10)) {
            match event {
                Event::Row(_) => {
                    rows += 1;
                    import.halt(Halt::Drain);
                }
                Event::Ended(summary) => ended = Some(summary),
                _ => {}
            }
        }
        if let Some(summary) = ended {
            break summary;
        }
    };
    assert_eq!(
        (summary.status, summary.exit_code),
        (Status::Interrupted, 130)
    );
    assert_eq!(summary.imported + summary.pending, 5_000);
    assert!(summary.pending > 0);
    assert_eq!(summary.imported, rows);
    assert_eq!(
        sandbox.dump()["users"].as_array().unwrap().len() as u64,
        rows
    );
}

#[test]
fn a_run_that_hangs_on_its_first_read_stops_at_once() {
    let folder = TempDir::new().unwrap();
    let sandbox = sandbox();
    let hang = workos_importer_sandbox::Fault::Hang { applied: false };
    sandbox.fail_next(None, "/user_management/users", hang, 100);
    let runtime = Runtime::new().unwrap();
    let input = file(folder.path(), "email,wrong\na@x.com,\n");
    let target = Target::Sandbox(sandbox);
    let import = start(options(folder.path()), input, target, runtime.handle()).unwrap();
    let mut events = import.poll(1, Duration::from_secs(10));
    assert!(
        matches!(events.remove(0), Event::Started(_)),
        "it comes before the warnings"
    );
    import.halt(Halt::Drain);
    let (_, summary) = drain(&import, no_rows);
    assert_eq!((summary.status, summary.pending), (Status::Interrupted, 1));
    // Far below the time in which the read itself would be given up.
    assert!(summary.duration_seconds < 10.0);
}

#[test]
fn what_can_be_refused_is_refused_before_anything_is_sent() {
    let folder = TempDir::new().unwrap();
    let mut bad = options(folder.path());
    bad.errors_out = Some(folder.path().join("nowhere").join("errors.csv"));
    let refused = run(bad, file(folder.path(), "email\na@x.com\n"), &sandbox());
    assert!(matches!(refused, Err(StartError::Output { .. })));
    let refused = run(
        options(folder.path()),
        file(folder.path(), "mail\na@x.com\n"),
        &sandbox(),
    );
    assert!(matches!(refused, Err(StartError::Columns(_))));
    let empty = run(
        options(folder.path()),
        file(folder.path(), "email\n"),
        &sandbox(),
    )
    .unwrap()
    .1;
    assert_eq!((empty.status, empty.exit_code), (Status::Failed, 1));
    assert_eq!(
        empty.stopped.unwrap().message,
        "The file has a header but no rows."
    );
}
