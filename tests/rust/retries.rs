//! What is sent again and what never is: 429 and its pauses, requests that never left, doubt that is settled or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use tokio::time::Instant;
use workos_importer_core::engine::Ended;
use workos_importer_core::row::Kind;
use workos_importer_core::wire::SendError;
use workos_importer_sandbox::{Fault, RetryAfter, Sandbox, Settings};

use crate::harness::{Meddle, Scenario, World, answer, emails, unlimited};

const USERS: &str = "/user_management/users";
const CREATE: fn(&workos_importer_core::wire::Request) -> bool =
    |request| request.method == "POST" && request.target == USERS;

fn users(rows: usize) -> String {
    let rows = (0..rows).map(|number| format!("u{number}@x.com\n"));
    format!("email\n{}", rows.collect::<String>())
}

#[test]
fn when_attempts_are_exhausted_the_row_fails_with_what_the_api_said() {
    let mut scenario = Scenario::new(&users(1));
    scenario.meddle(|_, request| {
        if CREATE(request) {
            let body =
                json!({"code": "on_fire", "message": "Try later.", "errors": [{"code": "smoke"}]});
            return Meddle::Answer(answer(503, &body, &[("x-request-id", "req_503")]));
        }
        Meddle::Pass
    });
    let done = scenario.run();
    assert_eq!(done.code(1), "user_unavailable");
    let error = done.result(1).error.as_ref().unwrap();
    assert!(
        error.message.ends_with("Try later. smoke"),
        "{}",
        error.message
    );
    assert_eq!(error.api.workos_code.as_deref(), Some("on_fire"));
    assert_eq!(error.api.http_status, Some(503));
    assert_eq!(error.api.workos_request_id.as_deref(), Some("req_503"));
    assert_eq!(error.api.workos_errors, [json!({"code": "smoke"})]);
    // Each of them is read back before the next.
    assert_eq!(
        (done.calls_of("create user"), done.calls_of("find user")),
        (6, 6)
    );
}

#[test]
fn a_408_is_doubt_and_a_page_of_a_proxy_is_no_answer() {
    let mut scenario = Scenario::new(&users(1));
    let times = AtomicU64::new(0);
    scenario.meddle(move |_, request| {
        match CREATE(request).then(|| times.fetch_add(1, Ordering::Relaxed)) {
            Some(0) => Meddle::Answer(answer(408, &json!(null), &[])),
            Some(1) => Meddle::Answer(answer(201, &json!("<html>captive portal</html>"), &[])),
            Some(2) => Meddle::Answer(answer(200, &json!({"id": ""}), &[])),
            _ => Meddle::Pass,
        }
    });
    let done = scenario.run();
    assert_eq!(
        (done.outcomes(), done.evidence(1)),
        (vec!["created"], "confirmed")
    );
    assert_eq!(
        (done.calls_of("create user"), done.calls_of("find user")),
        (4, 3)
    );
}

#[test]
fn retry_after_pauses_the_whole_kind_in_both_forms_and_costs_no_attempt() {
    for form in [RetryAfter::Seconds(30), RetryAfter::Date(30)] {
        let scenario = Scenario::new(&users(50));
        scenario
            .sandbox
            .fail_next(Method::POST, USERS, Fault::TooManyRequests(form), 10);
        let done = scenario.run();
        assert_eq!(done.tally.outcomes.get("created"), Some(&50), "{form:?}");
        assert_eq!(done.calls_of("create user"), 60);
        // One after the other is turned away, and nothing else leaves in the meantime.
        let first_made = done.log.iter().position(|one| one.status == Some(201));
        assert_eq!(
            first_made,
            Some(11),
            "the check, and ten that were turned away"
        );
        assert!(
            (299.0..302.0).contains(&done.virtual_seconds),
            "{}",
            done.virtual_seconds
        );
        assert_eq!(done.calls_of("find user"), 0);
    }
}

#[test]
fn one_row_that_is_turned_away_again_and_again_goes_through_in_the_end() {
    let mut scenario = Scenario::new(&users(1));
    scenario.concurrency = Some(1);
    let kind = Fault::TooManyRequests(RetryAfter::Seconds(20));
    scenario.sandbox.fail_next(Method::POST, USERS, kind, 20);
    let done = scenario.run();
    assert_eq!(
        (done.outcomes(), done.evidence(1)),
        (vec!["created"], "confirmed")
    );
    assert_eq!(done.calls_of("create user"), 21);
    assert!(
        (400.0..402.0).contains(&done.virtual_seconds),
        "{}",
        done.virtual_seconds
    );
}

#[test]
fn a_pause_is_for_one_kind_of_call() {
    let csv = "email,org_external_id,org_name\nold@x.com,acme,A\nnew@x.com,acme,A\n";
    let mut scenario = Scenario::new(csv);
    scenario.sandbox.user(json!({"email": "old@x.com"}));
    let reads = Fault::TooManyRequests(RetryAfter::Seconds(60));
    scenario
        .sandbox
        .fail_next(Method::GET, "users?email", reads, 1);
    let started: Arc<std::sync::Mutex<Option<Instant>>> = Arc::default();
    let joined = Arc::new(AtomicU64::new(0));
    let (at, since) = (Arc::clone(&joined), Arc::clone(&started));
    scenario.meddle(move |_, request| {
        let since = *since.lock().unwrap().get_or_insert_with(Instant::now);
        if request.method == "POST" && request.target.contains("memberships") {
            at.fetch_max(since.elapsed().as_secs().max(1), Ordering::Relaxed);
        }
        Meddle::Pass
    });
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["updated", "created"]);
    // The new user did not wait for the reads of the other one.
    assert_eq!(joined.load(Ordering::Relaxed), 60);
    let first = done
        .log
        .iter()
        .position(|one| one.target.contains("organization_memberships"));
    let second = done
        .log
        .iter()
        .rposition(|one| one.target.contains("users?email"));
    assert!(first < second, "{:?}", done.log);
}

#[test]
fn a_huge_retry_after_is_cut_and_one_of_nothing_is_no_hammer() {
    let mut scenario = Scenario::new(&users(1));
    let kind = Fault::TooManyRequests(RetryAfter::Seconds(1_000_000));
    scenario.sandbox.fail_next(Method::POST, USERS, kind, 1);
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["created"]);
    assert!(
        (300.0..301.0).contains(&done.virtual_seconds),
        "{}",
        done.virtual_seconds
    );
    for paced in [true, false] {
        scenario = Scenario::on(Sandbox::new(unlimited()), &users(1));
        if !paced {
            scenario.limits = None;
        }
        scenario.meddle(|_, request| match CREATE(request) {
            true => {
                let headers = [("retry-after", "0"), ("x-request-id", "req_429")];
                Meddle::Answer(answer(429, &json!({"message": "Slow down."}), &headers))
            }
            false => Meddle::Pass,
        });
        let done = scenario.run();
        // It is given up after half an hour, and was asked politely until then. The row has not failed.
        let Ended::Unreachable(why) = &done.ended else {
            panic!("{:?}", done.ended)
        };
        assert!(why.contains("30 min (Slow down)"), "{why}");
        assert!(done.results.is_empty());
        assert!((1_800.0..1_900.0).contains(&done.virtual_seconds));
        assert!(done.calls_of("create user") < 400, "{:?}", done.calls);
    }
}

#[test]
fn a_request_that_never_left_is_sent_again_without_a_look() {
    // As often as it takes while nobody else gets through either.
    for fails in [1, 5, 30] {
        let mut scenario = Scenario::new(&users(1));
        let times = AtomicU64::new(0);
        scenario.meddle(move |_, request| {
            let connects = request.target.contains("limit=1");
            if !connects && times.fetch_add(1, Ordering::Relaxed) < fails {
                return Meddle::Fail(SendError::NeverSent("could not connect (refused)".into()));
            }
            Meddle::Pass
        });
        let done = scenario.run();
        if fails < 6 {
            assert_eq!(done.outcomes(), ["created"], "{fails}");
            assert_eq!(done.calls_of("create user"), fails + 1);
        } else {
            // The API is there, as a small read shows, and does not take this one.
            assert_eq!(
                (done.outcomes(), done.code(1)),
                (vec!["failed"], "user_unavailable")
            );
            assert!(
                done.message(1).contains("could not connect"),
                "{}",
                done.message(1)
            );
            assert_eq!(
                (done.calls_of("create user"), done.calls_of("probe")),
                (6, 1)
            );
            assert!(emails(&scenario.sandbox).is_empty());
        }
        assert_eq!(done.calls_of("find user"), 0);
    }
}

#[test]
fn doubt_that_cannot_be_settled_fails_the_row_and_is_never_sent_again() {
    let scenario = Scenario::new(&users(1));
    scenario
        .sandbox
        .fail_next(Method::POST, USERS, Fault::ResetAfter, 1);
    let down = Fault::Status {
        status: StatusCode::BAD_GATEWAY,
        applied: false,
    };
    scenario
        .sandbox
        .fail_next(Method::GET, "users?email", down, 100);
    let done = scenario.run();
    let error = done.result(1).error.as_ref().unwrap();
    assert_eq!((error.error_type, error.code), ("in_doubt", "in_doubt"));
    assert_eq!(
        (done.calls_of("create user"), done.calls_of("find user")),
        (1, 6)
    );
    assert!(
        done.message(1).contains("connection reset"),
        "{}",
        done.message(1)
    );
    assert_eq!(emails(&scenario.sandbox), ["u0@x.com"]);
    // Another import finds what is there.
    scenario.sandbox.fail_next(None, "", Fault::ResetBefore, 0);
    let again = Scenario::on(scenario.sandbox.clone(), &users(1));
    assert_eq!(
        again.run().outcomes(),
        ["failed"],
        "the reads are still down"
    );
}

#[test]
fn what_others_made_before_the_request_left_is_not_taken_for_ours() {
    let mut scenario = Scenario::new(&users(1));
    // Turned away for a minute; somebody makes the same user in that time; then the answer of the second try is lost.
    let turned_away = Fault::TooManyRequests(RetryAfter::Seconds(60));
    scenario
        .sandbox
        .fail_next(Method::POST, USERS, turned_away, 1);
    scenario
        .sandbox
        .fail_next(Method::POST, USERS, Fault::ResetAfter, 1);
    let times = AtomicU64::new(0);
    scenario.meddle(move |sandbox, request| {
        if CREATE(request) && times.fetch_add(1, Ordering::Relaxed) == 1 {
            // At the time of the latest request, which was a minute ago.
            sandbox.user(json!({"email": "u0@x.com"}));
        }
        Meddle::Pass
    });
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["unchanged"]);
    assert_eq!(
        (done.effect(1, Kind::User), done.evidence(1)),
        ("existing", "confirmed")
    );
}

#[test]
fn what_has_other_fields_is_not_taken_for_ours_either() {
    let mut scenario = Scenario::new("email,first_name\na@x.com,Ours\n");
    scenario.meddle(|sandbox, request| {
        if CREATE(request) {
            sandbox.user(json!({"email": "a@x.com", "first_name": "Theirs"}));
            return Meddle::Fail(SendError::AnswerLost("connection reset".into()));
        }
        Meddle::Pass
    });
    let done = scenario.run();
    assert_eq!(
        (done.outcomes(), done.effect(1, Kind::User)),
        (vec!["unchanged"], "existing")
    );
    assert_eq!(done.calls_of("create user"), 1);
}

#[test]
fn a_hung_request_is_given_up_after_the_time_of_an_exchange() {
    let settings = Settings {
        latency: (Duration::from_millis(10), Duration::from_millis(10)),
        ..unlimited()
    };
    let scenario = Scenario::on(Sandbox::new(settings), &users(1));
    scenario
        .sandbox
        .fail_next(Method::POST, USERS, Fault::Hang { applied: true }, 1);
    let done = scenario.run();
    assert_eq!(
        (done.outcomes(), done.evidence(1)),
        (vec!["created"], "inferred")
    );
    assert!(
        (30.0..31.0).contains(&done.virtual_seconds),
        "{}",
        done.virtual_seconds
    );
}
