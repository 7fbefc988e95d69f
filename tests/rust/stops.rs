//! What ends a run before its last row, and how: the key, too many errors, the caller, files that cannot be written.

use std::time::Duration;

use serde_json::json;
use workos_importer_core::directory::Remote;
use workos_importer_core::engine::{DRAIN, Ended, Halt, MaxErrors};
use workos_importer_core::row::Kind;
use workos_importer_sandbox::{Fault, Sandbox, Settings};

use crate::harness::{Collected, Done, Meddle, Scenario, World, answer, memberships, unlimited};

fn many(rows: usize) -> String {
    let mut csv = "email,org_external_id,org_name\n".to_owned();
    for number in 0..rows {
        csv.push_str(&format!("u{number}@x.com,o{},O\n", number % 5));
    }
    csv
}

/// Over a sandbox that takes 200 ms for each request.
fn slow(csv: &str) -> Scenario {
    let latency = Duration::from_millis(200);
    let settings = Settings {
        latency: (latency, latency),
        ..unlimited()
    };
    Scenario::on(Sandbox::new(settings), csv)
}

/// Each row that has an outcome has one, and it is true.
fn assert_sound(scenario: &Scenario, done: &Done) {
    let there = memberships(&scenario.sandbox);
    for result in &done.results {
        let number = result.identity.record_number;
        assert_eq!(done.result(number).outcome, result.outcome);
        let email = result.identity.email().unwrap_or_default();
        if result.outcome.as_str() == "created" && result.step(Kind::Membership).is_some() {
            assert!(there.iter().any(|(member, _, _)| member == email));
        }
    }
    assert_eq!(done.tally.rows_ended(), done.results.len() as u64);
    assert_eq!(done.lines.len(), done.results.len());
}

#[test]
fn a_key_that_is_refused_in_the_middle_stops_the_run_at_once() {
    let mut scenario = slow(&many(200));
    scenario.meddle(|sandbox, _| {
        if sandbox.counters().total >= 150 {
            let body = json!({"message": "Unauthorized"});
            return Meddle::Answer(answer(401, &body, &[]));
        }
        Meddle::Pass
    });
    let done = scenario.run();
    let Ended::Key(error) = &done.ended else {
        panic!("{:?}", done.ended)
    };
    assert_eq!(error.details.http_status, Some(401));
    assert!(done.results.len() < 200);
    let refused = done.log.iter().filter(|one| one.status == Some(401));
    assert_eq!(refused.count(), 1, "nothing is sent after the first");
    assert_eq!(
        done.tally.failed(),
        0,
        "rows that were not reached are pending"
    );
    assert_sound(&scenario, &done);
}

#[test]
fn a_403_on_the_first_answer_is_about_the_key_and_nothing_is_sent() {
    let mut scenario = Scenario::new(&many(5));
    scenario.meddle(|_, _| Meddle::Answer(answer(403, &json!({"message": "Forbidden"}), &[])));
    let done = scenario.run();
    assert!(matches!(done.ended, Ended::Key(_)), "{:?}", done.ended);
    assert_eq!((done.log.len(), scenario.sandbox.counters().total), (1, 0));
}

#[test]
fn too_many_errors_stop_nothing_where_every_row_has_ended() {
    let ends = |csv: &str, most| {
        let mut scenario = slow(csv);
        scenario.policy.create_organizations = false;
        for number in 0..5 {
            scenario.sandbox.organization(&format!("o{number}"), "O");
        }
        scenario.max_errors = Some(MaxErrors::Count(most));
        scenario.retries = vec![Vec::new()];
        scenario.run()
    };
    // The last row fails, which has waited for the one before it; one fails whose follower has ended by then.
    let last = format!("{}u0@x.com,nowhere,\n", many(1));
    let first = many(1).replacen("u0@x.com,o0,O\n", "u0@x.com,nowhere,\n,o1,O\n", 1);
    for (csv, most) in [(last, 0), (first, 1)] {
        let done = ends(&csv, most);
        let ended = done.lives.iter().map(|life| life.ended.clone());
        let complete = vec![Some(Ended::Complete); 2];
        assert_eq!(ended.collect::<Vec<_>>(), complete);
        assert_eq!(done.tally.failed(), most + 1);
        assert_eq!(done.lines.len(), 2);
    }
    let more = many(1_000).replacen("u3@x.com,o3,O", "u3@x.com,nowhere,", 1);
    let done = ends(&more, 0);
    assert_eq!(done.ended, Ended::TooManyErrors);
    assert!(done.results.len() < 1_000);
}

#[test]
fn too_many_errors_stop_rows_that_had_been_begun_and_were_put_back() {
    // All of the file is read by then; what is behind the failed row waits for its turn.
    let csv = many(40).replacen("u3@x.com,o3,O", "u3@x.com,nowhere,", 1);
    let mut scenario = slow(&csv);
    scenario.policy.create_organizations = false;
    for number in 0..5 {
        scenario.sandbox.organization(&format!("o{number}"), "O");
    }
    scenario.concurrency = Some(1);
    scenario.max_errors = Some(MaxErrors::Count(0));
    scenario.retries = Vec::new();
    let done = scenario.run();
    assert!(done.results.len() < 40, "{}", done.results.len());
    assert_eq!(done.ended, Ended::TooManyErrors);
}

#[test]
fn max_errors_counts_validation_errors_too_and_rows_in_flight_still_end() {
    let mut csv = "email,first_name\n".to_owned();
    for number in 0..300 {
        // Every third row has no email.
        let email = match number % 3 {
            0 => String::new(),
            _ => format!("u{number}@x.com"),
        };
        csv.push_str(&format!("{email},A\n"));
    }
    for (most, stops) in [(99, true), (100, false)] {
        let mut scenario = slow(&csv);
        scenario.max_errors = Some(MaxErrors::Count(most));
        let done = scenario.run();
        let expected = if stops {
            Ended::TooManyErrors
        } else {
            Ended::Complete
        };
        assert_eq!(done.ended, expected, "{most}");
        assert_sound(&scenario, &done);
        assert_eq!(done.code(1), "missing_email");
    }
    let mut scenario = slow(&csv);
    scenario.max_errors = Some(MaxErrors::Count(5));
    let done = scenario.run();
    assert_eq!(done.ended, Ended::TooManyErrors);
    assert!(done.results.len() < 100, "{}", done.results.len());
}

#[test]
fn a_percentage_is_looked_at_from_row_100_on() {
    // 4 of the first 10 rows fail, and 3 of every 100 after that.
    let mut csv = "email,role_slugs,org_external_id,org_name\n".to_owned();
    for number in 0..500 {
        let fails = if number < 10 {
            number % 3 == 0
        } else {
            number % 34 == 0
        };
        let role = if fails { "wizard" } else { "admin" };
        csv.push_str(&format!("u{number}@x.com,{role},acme,Acme\n"));
    }
    for (most, stops) in [(3.0, true), (10.0, false)] {
        let mut scenario = slow(&csv);
        scenario.concurrency = Some(1);
        scenario.max_errors = Some(MaxErrors::Percent(most));
        let done = scenario.run();
        let expected = if stops {
            Ended::TooManyErrors
        } else {
            Ended::Complete
        };
        assert_eq!(done.ended, expected, "{most}");
        assert!(done.results.len() >= 100, "{}", done.results.len());
        assert_eq!(done.results.len() < 500, stops);
        assert_sound(&scenario, &done);
    }
}

#[test]
fn a_halt_lets_what_is_in_flight_end_and_starts_nothing_new() {
    let scenario = slow(&many(2_000));
    let done = scenario.run_halted(&[(3.0, Halt::Drain)]);
    assert_eq!(done.ended, Ended::Halted);
    assert!(!done.results.is_empty() && done.results.len() < 2_000);
    assert_eq!(done.tally.failed(), 0);
    assert_sound(&scenario, &done);
    // Every row that was begun has ended: nothing is left that no result speaks of.
    assert_eq!(scenario.sandbox.count("users"), done.results.len());
    assert_eq!(memberships(&scenario.sandbox).len(), done.results.len());
    assert!(done.virtual_seconds < 3.0 + DRAIN.as_secs_f64());
}

#[test]
fn what_hangs_is_given_up_after_the_time_for_draining_and_at_once_when_asked_twice() {
    let hang = Fault::Hang { applied: false };
    let scenario = slow(&many(3));
    scenario.sandbox.fail_next(None, "memberships", hang, 100);
    let done = scenario.run_halted(&[(2.0, Halt::Drain)]);
    assert_eq!((done.ended, done.results.len()), (Ended::Halted, 0));
    assert_eq!(done.virtual_seconds, 2.0 + DRAIN.as_secs_f64());
    let scenario = slow(&many(3));
    scenario.sandbox.fail_next(None, "memberships", hang, 100);
    let done = scenario.run_halted(&[(2.0, Halt::Drain), (5.0, Halt::Now)]);
    assert_eq!((done.ended, done.virtual_seconds), (Ended::Halted, 5.0));
}

#[test]
fn the_organization_that_every_row_needs_does_not_hold_up_a_halt() {
    for (asked, ends) in [
        (vec![(1.0, Halt::Drain)], 1.0 + DRAIN.as_secs_f64()),
        (vec![(1.0, Halt::Now)], 1.0),
    ] {
        let mut scenario = slow("email\na@x.com\n");
        scenario.organization.external_id = Some("acme".into());
        let hang = Fault::Hang { applied: false };
        scenario
            .sandbox
            .fail_next(None, "/organizations/", hang, 100);
        let done = scenario.run_halted(&asked);
        assert_eq!((done.ended, done.virtual_seconds), (Ended::Halted, ends));
    }
}

#[test]
fn taking_back_does_not_hold_up_a_halt() {
    let mut scenario =
        slow("email,org_external_id,org_name,role_slugs\na@x.com,acme,Acme,wizard\n");
    scenario.require_membership = true;
    let hang = Fault::Hang { applied: false };
    scenario
        .sandbox
        .fail_next(http::Method::DELETE, "/users/", hang, 100);
    let done = scenario.run_halted(&[(5.0, Halt::Drain), (6.0, Halt::Now)]);
    assert_eq!((done.ended, done.virtual_seconds), (Ended::Halted, 6.0));
    assert_eq!(done.tally.taken_back, 0);
}

#[test]
fn a_file_of_the_run_that_cannot_be_written_stops_it() {
    let mut scenario = slow(&many(500));
    scenario.sink = || Collected {
        breaks_after: Some(20),
        ..Collected::default()
    };
    let done = scenario.run();
    let Ended::Output(why) = &done.ended else {
        panic!("{:?}", done.ended)
    };
    assert!(why.contains("no space left"));
    assert_eq!(done.results.len(), 20);
    assert!(done.log.len() < 400, "{}", done.log.len());
}

#[test]
fn a_caller_who_is_slow_to_take_results_loses_no_answer() {
    let csv = many(600);
    let mut scenario = slow(&csv);
    scenario.sink = || Collected {
        // Longer than an exchange may take.
        pause: Duration::from_secs(45),
        ..Collected::default()
    };
    let done = scenario.run();
    assert_eq!(done.ended, Ended::Complete);
    assert_eq!(done.tally.outcomes.get("created"), Some(&600));
    assert_eq!(done.tally.inferred, 0);
    assert_eq!(
        (done.calls_of("create user"), done.calls_of("find user")),
        (600, 0)
    );
    assert_sound(&scenario, &done);
    assert_eq!(done.logged[0], done.tally);
}

#[test]
fn a_halt_puts_back_the_rows_that_only_wait_for_their_turn() {
    // Two rows a user, each in an organization of its own; 256 rows are under way, and 50 writes a second go.
    let mut csv = "email,org_external_id,org_name\n".to_owned();
    for number in 0..2_000 {
        csv.push_str(&format!("u{}@x.com,o{},O\n", number / 2, number % 4));
    }
    let mut scenario = slow(&csv);
    scenario.tell(|directory| {
        directory.expect(4_000);
        directory
    });
    let done = scenario.run_halted(&[(3.0, Halt::Drain)]);
    assert_eq!(done.ended, Ended::Halted);
    // To bring all of them to their end would take seven seconds more.
    assert!(done.virtual_seconds < 4.0, "{}", done.virtual_seconds);
    let created = done.calls_of("create user");
    assert!((20..150).contains(&created), "{created}");
    // What was begun has come to its end, and nothing else was begun.
    assert_eq!(done.tally.failed(), 0);
    assert_eq!(scenario.sandbox.count("users"), created as usize);
    assert_eq!(memberships(&scenario.sandbox).len(), done.results.len());
    assert!(done.results.len() >= created as usize);
    assert_sound(&scenario, &done);
}
