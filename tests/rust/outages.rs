//! An API that is away: the run waits, goes on by itself, and costs no row; a call that alone always fails is no outage.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use tokio::time::Instant;
use workos_importer_core::directory::Remote;
use workos_importer_core::engine::Ended;
use workos_importer_core::wire::{Request, SendError};
use workos_importer_sandbox::{Fault, Sandbox, Settings};

use crate::harness::{Meddle, Scenario, World, answer, memberships};

const ROWS: u64 = 2_000;

fn rows() -> String {
    let mut csv = "email,org_external_id\n".to_owned();
    for number in 0..ROWS {
        csv.push_str(&format!("u{number}@x.com,o{}\n", number % 5));
    }
    csv
}

fn scenario() -> Scenario {
    let settings = Settings {
        latency: (Duration::from_millis(20), Duration::from_millis(200)),
        ..Settings::default()
    };
    let mut scenario = Scenario::on(Sandbox::new(settings), &rows());
    for number in 0..5 {
        scenario.sandbox.organization(&format!("o{number}"), "O");
    }
    scenario.tell(|directory| {
        directory.expect(2 * ROWS);
        directory
    });
    scenario
}

/// Whether a request meets the outage, which begins after 20 s: `lasts` seconds from then on.
fn during(lasts: u64) -> impl Fn() -> bool {
    let started = Mutex::new(None);
    move || {
        let since = *started.lock().unwrap().get_or_insert_with(Instant::now);
        (20..20 + lasts).contains(&since.elapsed().as_secs())
    }
}

fn unavailable() -> Meddle {
    let body = json!({"message": "Service Unavailable"});
    Meddle::Answer(answer(503, &body, &[]))
}

fn refused() -> Meddle {
    Meddle::Fail(SendError::NeverSent("could not connect (refused)".into()))
}

#[test]
fn ten_minutes_in_the_middle_of_a_run_cost_ten_minutes_and_no_row() {
    let undisturbed = scenario().run().virtual_seconds;
    let lost = || Meddle::Fail(SendError::AnswerLost("connection reset".into()));
    for (name, away) in [
        ("503", unavailable as fn() -> Meddle),
        ("refused", refused),
        ("lost", lost),
    ] {
        let mut scenario = scenario();
        let (is_away, calls) = (during(600), Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&calls);
        scenario.meddle(move |sandbox, _| {
            if !is_away() {
                return Meddle::Pass;
            }
            // The first ones are carried out, and their answers are lost.
            if counted.fetch_add(1, Ordering::Relaxed) < 8 {
                sandbox.fail_next(None, "", Fault::ResetAfter, 1);
                return Meddle::Pass;
            }
            away()
        });
        let done = scenario.run();
        assert_eq!(done.ended, Ended::Complete, "{name}");
        assert_eq!(done.tally.outcomes.get("created"), Some(&ROWS), "{name}");
        assert_eq!(memberships(&scenario.sandbox).len(), ROWS as usize);
        assert!(done.tally.inferred > 0, "{name}: read back afterwards");
        let cost = done.virtual_seconds - undisturbed;
        let calls = calls.load(Ordering::Relaxed);
        println!("{name}: {cost:.0} s, {calls} calls in vain");
        // The pauses grow to a minute; in one of them it comes back.
        assert!((560.0..665.0).contains(&cost), "{name}: {cost}");
        assert!(calls < 120, "{name}: {calls} calls in vain");
        assert_eq!(done.standing.away_for, None);
    }
}

#[test]
fn writes_alone_can_be_away() {
    let mut scenario = scenario();
    let is_away = during(600);
    scenario.meddle(
        move |_, request| match is_away() && request.method == "POST" {
            true => unavailable(),
            false => Meddle::Pass,
        },
    );
    let done = scenario.run();
    assert_eq!(done.ended, Ended::Complete);
    assert_eq!(done.tally.outcomes.get("created"), Some(&ROWS));
    assert!(done.virtual_seconds < 780.0, "{}", done.virtual_seconds);
}

#[test]
fn an_api_that_stays_away_ends_the_run_and_no_row_has_failed() {
    for (minutes, told) in [(30, None), (5, Some(Duration::from_secs(300)))] {
        let mut scenario = scenario();
        if told.is_some() {
            scenario.tell(|directory| directory.giving_up_after(Duration::from_secs(300)));
        }
        let is_away = during(1_000_000);
        scenario.meddle(move |_, _| {
            if is_away() {
                unavailable()
            } else {
                Meddle::Pass
            }
        });
        let done = scenario.run();
        let Ended::Unreachable(why) = &done.ended else {
            panic!("{:?}", done.ended)
        };
        assert!(why.starts_with("No call has succeeded for "), "{why}");
        assert!(why.ends_with(" (Service Unavailable)."), "{why}");
        assert_eq!(done.tally.failed(), 0);
        assert!(
            (300..1_000).contains(&done.results.len()),
            "{}",
            done.results.len()
        );
        let waited = done.virtual_seconds - 20.0;
        let most = f64::from(minutes * 60);
        assert!((most..most + 70.0).contains(&waited), "{waited}");
        assert!(done.standing.away_for.is_some());
        // Another attempt finds what is there, and does the rest.
        let again = Scenario::on(scenario.sandbox.clone(), &rows()).run();
        assert_eq!((again.ended, again.tally.failed()), (Ended::Complete, 0));
        assert_eq!(memberships(&scenario.sandbox).len(), ROWS as usize);
    }
}

#[test]
fn a_row_that_alone_always_fails_fails_and_holds_nobody_up() {
    let mut scenario = scenario();
    let poisoned = |request: &Request| {
        let body = request.body.as_deref().unwrap_or_default();
        request.method == "POST" && body.windows(8).any(|part| part == b"u77@x.co")
    };
    scenario.meddle(move |_, request| match poisoned(request) {
        true => unavailable(),
        false => Meddle::Pass,
    });
    let done = scenario.run();
    assert_eq!(done.ended, Ended::Complete);
    assert_eq!(
        (done.tally.failed(), done.code(78)),
        (1, "user_unavailable")
    );
    assert_eq!(done.standing.away_for, None);
    assert!(done.virtual_seconds < 100.0, "{}", done.virtual_seconds);
}

#[test]
fn a_read_that_alone_always_fails_is_told_from_an_outage_by_asking() {
    let scenario = Scenario::new("email\nold@x.com\n");
    scenario.sandbox.user(json!({"email": "old@x.com"}));
    let down = Fault::Status {
        status: StatusCode::BAD_GATEWAY,
        applied: false,
    };
    scenario.sandbox.fail_next(None, "users?email", down, 100);
    let done = scenario.run();
    assert_eq!(
        (done.outcomes(), done.code(1)),
        (vec!["failed"], "user_unavailable")
    );
    assert_eq!((done.calls_of("find user"), done.calls_of("probe")), (6, 1));
}

#[test]
fn an_api_that_never_answered_is_not_waited_for() {
    let mut scenario = scenario();
    scenario.meddle(|_, _| refused());
    let done = scenario.run();
    assert!(
        matches!(done.ended, Ended::Unreachable(_)),
        "{:?}",
        done.ended
    );
    assert!(done.virtual_seconds < 60.0 && done.calls_of("check key") == 6);
}
