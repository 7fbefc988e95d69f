//! Imports that are earlier runs again: gone on with, tried again, or known to be done.

use std::fs;
use std::path::Path;

use http::Method;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use workos_importer_sandbox::{Fault, RetryAfter, Sandbox};

use super::tests::{drain, file, no_rows, options, run, sandbox};
use super::{
    Again, Event, ImportOptions, Input, StartError, Status, Target, causes, find_run, runs, show,
    start,
};

const TWO: &str = "email,org_external_id,org_name\na@x.com,acme,Acme\nb@x.com,acme,Acme\n";

fn started_note(events: &[Event]) -> Option<String> {
    events.iter().find_map(|event| match event {
        Event::Started(started) => started.note.clone(),
        _ => None,
    })
}

fn again(folder: &TempDir, again: Again) -> ImportOptions {
    ImportOptions {
        again,
        ..options(folder.path())
    }
}

#[test]
fn what_is_done_is_not_sent_again() {
    let folder = TempDir::new().unwrap();
    let sandbox = sandbox();
    run(options(folder.path()), file(folder.path(), TWO), &sandbox).unwrap();
    let calls = sandbox.counters().total;
    let mut second = options(folder.path());
    second.results_out = Some(folder.path().join("results.csv"));
    let (events, summary) = run(second, file(folder.path(), TWO), &sandbox).unwrap();
    assert!(events.is_empty());
    assert_eq!(sandbox.counters().total, calls);
    assert_eq!(
        (summary.status, summary.exit_code, summary.imported),
        (Status::Success, 0, 2)
    );
    assert_eq!(
        (
            summary.created,
            summary.organizations_created,
            summary.cache_hits
        ),
        (2, 1, Some(1))
    );
    assert!(summary.note.unwrap().contains("Already imported by run"));
    assert_eq!(
        fs::read_to_string(folder.path().join("results.csv"))
            .unwrap()
            .lines()
            .count(),
        3
    );

    let (_, summary) = run(
        again(&folder, Again::New),
        file(folder.path(), TWO),
        &sandbox,
    )
    .unwrap();
    assert_eq!((summary.unchanged, summary.note), (2, None));
    assert_eq!(runs(Some(&folder.path().join("runs"))).len(), 2);
}

#[test]
fn failed_rows_are_tried_again_and_the_figures_are_the_runs() {
    let folder = TempDir::new().unwrap();
    let sandbox = sandbox();
    let csv =
        "email,org_external_id,org_name\na@x.com,acme,Acme\nb@x.com,late,\nbroken,acme,Acme\n";
    let mut first = options(folder.path());
    first.errors_out = Some(folder.path().join("errors.jsonl"));
    let (_, summary) = run(first.clone(), file(folder.path(), csv), &sandbox).unwrap();
    assert_eq!(
        (summary.imported, summary.failed, summary.exit_code),
        (1, 2, 1)
    );
    let found = find_run(Some(&folder.path().join("runs")), "latest").unwrap();
    let codes: Vec<_> = causes(&found)
        .unwrap()
        .into_iter()
        .map(|cause| (cause.code, cause.records))
        .collect();
    assert_eq!(
        codes,
        [
            ("invalid_email".to_owned(), vec![3]),
            ("org_resolution".to_owned(), vec![2])
        ]
    );

    let body = serde_json::json!({"name": "Late", "external_id": "late"});
    sandbox.seed(Method::POST, "/organizations", body);
    let (events, summary) = run(first, file(folder.path(), csv), &sandbox).unwrap();
    assert!(
        started_note(&events)
            .unwrap()
            .contains("2 failed rows are tried again")
    );
    assert_eq!(
        events
            .iter()
            .filter(|event| matches!(event, Event::Row(_)))
            .count(),
        2
    );
    assert_eq!((summary.total, summary.imported, summary.failed), (3, 2, 1));
    assert_eq!((summary.created, summary.memberships_created), (2, 2));
    let errors = fs::read_to_string(folder.path().join("errors.jsonl")).unwrap();
    assert_eq!(errors.lines().count(), 1);
    let found = find_run(Some(&folder.path().join("runs")), "latest").unwrap();
    assert_eq!(show(&found).unwrap().imported, 2);
}

#[test]
fn a_stopped_run_goes_on_and_keeps_the_rows_that_failed_in_its_error_file() {
    let folder = TempDir::new().unwrap();
    let sandbox = sandbox();
    let mut csv = String::from("email\nbroken\n");
    (0..600).for_each(|number| csv.push_str(&format!("user{number}@x.com\n")));
    let mut first = options(folder.path());
    first.errors_out = Some(folder.path().join("errors.json"));
    first.max_errors = Some(crate::engine::MaxErrors::Count(3));
    // Refused for good, after the first rows are in.
    for number in 300..310 {
        sandbox.seed(
            Method::POST,
            "/user_management/users",
            serde_json::json!({"email": format!("user{number}@x.com")}),
        );
    }
    first.on_existing = crate::directory::OnExisting::Fail;
    // Few rows under way: when the fourth one has failed, most are still to come.
    first.concurrency = Some(4);
    let (_, summary) = run(first.clone(), file(folder.path(), &csv), &sandbox).unwrap();
    assert_eq!((summary.status, summary.exit_code), (Status::Stopped, 4));
    assert!(summary.pending > 0);
    first.max_errors = None;
    let (events, summary) = run(first, file(folder.path(), &csv), &sandbox).unwrap();
    assert!(started_note(&events).unwrap().contains("goes on"));
    assert_eq!(
        (summary.total, summary.failed, summary.pending),
        (601, 11, 0)
    );
    assert_eq!(summary.created, 590);
    let errors: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.path().join("errors.json")).unwrap()).unwrap();
    assert_eq!(errors.as_array().unwrap().len(), 11);
    assert!(
        errors
            .as_array()
            .unwrap()
            .iter()
            .all(|error| error["errorMessage"].is_string())
    );
}

/// Stops a run in which eleven rows fail after the fourth, lets `meanwhile` have its error file, and goes on.
fn errors_after_a_stop(name: &str, meanwhile: fn(&Path)) -> (String, Vec<u64>) {
    let folder = TempDir::new().unwrap();
    let sandbox = sandbox();
    let mut csv = String::from("email\nbroken\n");
    (0..600).for_each(|number| csv.push_str(&format!("user{number}@x.com\n")));
    for number in 300..310 {
        let body = serde_json::json!({"email": format!("user{number}@x.com")});
        sandbox.seed(Method::POST, "/user_management/users", body);
    }
    let path = folder.path().join(name);
    let mut first = options(folder.path());
    first.errors_out = Some(path.clone());
    first.max_errors = Some(crate::engine::MaxErrors::Count(3));
    first.on_existing = crate::directory::OnExisting::Fail;
    first.concurrency = Some(4);
    run(first.clone(), file(folder.path(), &csv), &sandbox).unwrap();
    let before = fs::read_to_string(&path).unwrap();
    meanwhile(&path);
    first.max_errors = None;
    let (_, summary) = run(first, file(folder.path(), &csv), &sandbox).unwrap();
    assert_eq!((summary.failed, summary.pending), (11, 0));
    let after = fs::read_to_string(&path).unwrap();
    let numbers = after.lines().map(|line| {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(entry["rawRow"]["email"].is_string());
        entry["recordNumber"].as_u64().unwrap()
    });
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    let kept = before.lines().zip(after.lines());
    let kept = kept.filter(|(before, after)| before == after).count();
    (format!("{kept} of {}", before.lines().count()), numbers)
}

#[test]
fn an_error_file_that_grows_is_cut_back_and_gone_on_with() {
    let all: Vec<u64> = [1].into_iter().chain(302..312).collect();
    // A kill leaves a torn line, and whole lines of rows that are done again.
    let (kept, numbers) = errors_after_a_stop("errors.jsonl", |path| {
        let mut text = fs::read_to_string(path).unwrap();
        text.push_str("{\"recordNumber\":310}\n{\"recordNum");
        // Longer than what is added afterwards: it is cut off, not only written over.
        text.push_str(&"x".repeat(100_000));
        fs::write(path, text).unwrap();
    });
    assert_eq!(numbers, all);
    let (same, lines) = kept.split_once(" of ").unwrap();
    assert_eq!(same, lines, "what was there is not written again");
    // Gone, or cut short by a power cut: made anew, with what the journal knows.
    let (_, numbers) = errors_after_a_stop("errors.jsonl", |path| fs::remove_file(path).unwrap());
    assert_eq!(numbers, all);
    let (_, numbers) = errors_after_a_stop("errors.jsonl", |path| fs::write(path, "{").unwrap());
    assert_eq!(numbers, all);
}

#[test]
fn what_has_changed_is_a_new_run_and_a_named_run_refuses_it() {
    let folder = TempDir::new().unwrap();
    let sandbox = sandbox();
    let (_, first) = run(options(folder.path()), file(folder.path(), TWO), &sandbox).unwrap();
    let changed = format!("{TWO}c@x.com,acme,Acme\n");
    let (events, summary) = run(
        options(folder.path()),
        file(folder.path(), &changed),
        &sandbox,
    )
    .unwrap();
    assert!(
        started_note(&events)
            .unwrap()
            .contains(&format!("has changed since run {}", first.run_id))
    );
    assert_eq!((summary.created, summary.unchanged), (1, 2));
    let refused = run(
        again(&folder, Again::Resume(first.run_id)),
        Input::Recorded,
        &sandbox,
    );
    assert!(matches!(refused, Err(StartError::SourceChanged { .. })));
    let unknown = run(
        again(&folder, Again::Resume("nowhere".into())),
        Input::Recorded,
        &sandbox,
    );
    assert!(matches!(unknown, Err(StartError::NoRun(_))));
    // Another environment does not know it.
    let elsewhere = run(
        options(folder.path()),
        file(folder.path(), &changed),
        &Sandbox::new(Default::default()),
    );
    assert_eq!(elsewhere.unwrap().1.created, 3);
}

#[test]
fn a_named_run_goes_on_with_its_own_options() {
    let folder = TempDir::new().unwrap();
    let sandbox = sandbox();
    let mut first = options(folder.path());
    first.mapping = vec![("Mail".into(), "email".into())];
    sandbox.fail_next(
        Method::POST,
        "/user_management/users",
        Fault::TooManyRequests(RetryAfter::Seconds(0)),
        1,
    );
    let csv = "Mail,org_external_id\na@x.com,nowhere\nb@x.com,\n";
    let (_, summary) = run(first, file(folder.path(), csv), &sandbox).unwrap();
    assert_eq!((summary.imported, summary.failed), (1, 1));
    let body = serde_json::json!({"name": "Now", "external_id": "nowhere"});
    sandbox.seed(Method::POST, "/organizations", body);
    let (_, summary) = run(
        again(&folder, Again::Retry("latest".into())),
        Input::Recorded,
        &sandbox,
    )
    .unwrap();
    assert_eq!((summary.imported, summary.failed), (2, 0));
}

#[test]
fn one_process_at_a_time_works_on_a_run() {
    let folder = TempDir::new().unwrap();
    let runtime = Runtime::new().unwrap();
    let sandbox = sandbox();
    let hang = Fault::Hang { applied: false };
    sandbox.fail_next(None, "/user_management/users", hang, 1_000);
    let target = || Target::Sandbox(sandbox.clone());
    let first = start(
        options(folder.path()),
        file(folder.path(), TWO),
        target(),
        runtime.handle(),
    )
    .unwrap();
    // It has begun, and its journal is there.
    assert!(matches!(
        first.poll(1, std::time::Duration::from_secs(10))[0],
        Event::Started(_)
    ));
    let second = start(
        options(folder.path()),
        file(folder.path(), TWO),
        target(),
        runtime.handle(),
    );
    assert!(matches!(second, Err(StartError::Locked(_))));
    first.halt(crate::engine::Halt::Now);
    drain(&first, no_rows);
}

#[test]
fn another_run_in_the_same_environment_sends_no_second_burst() {
    let folder = TempDir::new().unwrap();
    let period = std::time::Duration::from_secs(1);
    let sandbox = Sandbox::new(workos_importer_sandbox::Settings {
        limits: workos_importer_sandbox::Limits {
            user_management_writes: Some((20, period)),
            ..workos_importer_sandbox::Limits::none()
        },
        ..Default::default()
    });
    for name in ["a", "b"] {
        let mut options = options(folder.path());
        options.rate_limit = Some(crate::pace::Limit { count: 20, period });
        let rows = (0..20).map(|number| format!("{name}{number}@x.com\n"));
        let csv = format!("email\n{}", rows.collect::<String>());
        let (_, summary) = run(options, file(folder.path(), &csv), &sandbox).unwrap();
        assert_eq!(summary.created, 20);
    }
    assert_eq!(sandbox.counters().refused_by_limit, 0);
}
