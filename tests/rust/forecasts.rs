//! When a run ends, as it is foretold once a second: within 5 % from the first minute on, whatever the bound is.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use serde_json::json;
use tokio::time::Instant;
use workos_importer_core::directory::Remote;
use workos_importer_core::directory::workos::Limits as Kept;
use workos_importer_core::engine::Ended;
use workos_importer_core::import::Forecast;
use workos_importer_core::pace::Limit;
use workos_importer_sandbox::{Fault, Limits, RetryAfter, Sandbox, Script, Settings};

use crate::harness::{Done, Scenario, World};

/// Seconds since the beginning, and seconds that are left, as they were foretold.
type Foretold = Arc<Mutex<Vec<(f64, Option<f64>)>>>;

fn sandbox(latency: (u64, u64), limits: Limits) -> Sandbox {
    Sandbox::new(Settings {
        seed: 3,
        latency: (
            Duration::from_millis(latency.0),
            Duration::from_millis(latency.1),
        ),
        limits,
        ..Settings::default()
    })
}

/// Rows of users who each belong to one of twenty organizations.
fn people(rows: u64) -> String {
    let mut csv = String::from("email,org_external_id\n");
    for number in 0..rows {
        csv.push_str(&format!("u{number}@x.com,org-{}\n", number % 20));
    }
    csv
}

fn with_organizations(sandbox: &Sandbox) -> Vec<String> {
    (0..20)
        .map(|number| sandbox.organization(&format!("org-{number}"), "O"))
        .collect()
}

/// Runs to the end, and keeps what was foretold each second.
fn foretold(mut scenario: Scenario, rows: u64) -> (Done, Vec<(f64, Option<f64>)>) {
    let kept: Foretold = Arc::default();
    let (forecast, begun) = (Mutex::new(Forecast::default()), Mutex::new(None));
    let keep = Arc::clone(&kept);
    scenario.logs = false;
    scenario.look(move |directory, ended| {
        let now = Instant::now();
        let begun = *begun.lock().unwrap().get_or_insert(now);
        let mut forecast = forecast.lock().unwrap();
        forecast.look(
            now,
            ended,
            &directory.pace().standing(),
            directory.pace().windows(),
        );
        let left = forecast.seconds_left(rows - ended);
        let since = now.duration_since(begun).as_secs_f64();
        keep.lock().unwrap().push((since, left));
    });
    let done = scenario.run();
    assert_eq!(done.ended, Ended::Complete);
    drop(scenario);
    let kept = std::mem::take(&mut *kept.lock().unwrap());
    (done, kept)
}

/// The largest error from the first minute on, as a share of the time that was left. When the very last answer comes is
/// chance: so much as a request takes (`slack`, in seconds) is no error.
fn worst(done: &Done, foretold: &[(f64, Option<f64>)], slack: f64) -> f64 {
    let ends = done.virtual_seconds;
    assert!(ends > 120.0, "too short to tell: {ends}");
    let from_the_first_minute_on = foretold.iter().filter(|(at, _)| *at >= 60.0);
    let errors = from_the_first_minute_on.map(|(at, left)| {
        let (left, truly) = (left.unwrap(), ends - at);
        ((left - truly).abs() - slack).max(0.0) / truly
    });
    let worst = errors.fold(0.0, f64::max);
    println!(
        "ends after {ends:.1} s, at worst {:.2} % off",
        worst * 100.0
    );
    worst
}

#[test]
fn new_users_with_memberships_at_the_limit() {
    let sandbox = sandbox((20, 400), Limits::documented());
    with_organizations(&sandbox);
    let mut scenario = Scenario::on(sandbox, &people(10_000));
    scenario.tell(|directory| {
        directory.expect(20_000);
        directory
    });
    let (done, foretold) = foretold(scenario, 10_000);
    assert!(worst(&done, &foretold, 0.5) <= 0.05);
    // Not only from the first minute on.
    let (_, left) = foretold[10];
    assert!((left.unwrap() + 10.0 - done.virtual_seconds).abs() < 0.05 * done.virtual_seconds);
}

#[test]
fn rows_of_which_half_are_there_already_in_no_order() {
    let sandbox = sandbox((20, 400), Limits::documented());
    let organizations = with_organizations(&sandbox);
    let mut random: u64 = 7;
    for number in 0..10_000_u64 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        if random >> 63 == 0 {
            let user = sandbox.user(json!({ "email": format!("u{number}@x.com") }));
            sandbox.membership(&user, &organizations[(number % 20) as usize], &[]);
        }
    }
    let mut scenario = Scenario::on(sandbox, &people(10_000));
    scenario.tell(|directory| {
        directory.expect(20_000);
        directory
    });
    let (done, foretold) = foretold(scenario, 10_000);
    let unchanged = done.tally.outcomes["unchanged"];
    assert!((4_800..5_200).contains(&unchanged), "{unchanged}");
    assert!(worst(&done, &foretold, 0.5) <= 0.05);
}

#[test]
fn a_slow_network_where_the_limit_is_not_the_bound() {
    let sandbox = sandbox((2_000, 6_000), Limits::documented());
    with_organizations(&sandbox);
    let mut scenario = Scenario::on(sandbox, &people(5_000));
    scenario.tell(|directory| {
        directory.expect(10_000);
        directory
    });
    let (done, foretold) = foretold(scenario, 5_000);
    // At the limit it would take 200 s.
    assert!(done.virtual_seconds > 380.0);
    assert!(worst(&done, &foretold, 4.0) <= 0.05);
}

#[test]
fn few_requests_at_a_time() {
    let sandbox = sandbox((100, 140), Limits::documented());
    with_organizations(&sandbox);
    let mut scenario = Scenario::on(sandbox, &people(2_000));
    scenario.concurrency = Some(2);
    let (done, foretold) = foretold(scenario, 2_000);
    assert!(worst(&done, &foretold, 0.5) <= 0.05);
}

#[test]
fn another_pace_is_in_it_at_once() {
    let sandbox = sandbox((20, 100), Limits::documented());
    with_organizations(&sandbox);
    let mut scenario = Scenario::on(sandbox, &people(6_000));
    scenario.tell(|directory| {
        directory.expect(12_000);
        directory
    });
    let seconds = Mutex::new(0);
    let kept: Foretold = Arc::default();
    let (keep, forecast) = (Arc::clone(&kept), Mutex::new(Forecast::default()));
    scenario.logs = false;
    scenario.look(move |directory, ended| {
        let mut seconds = seconds.lock().unwrap();
        if *seconds == 90 {
            directory.keep(None, 0.5);
        }
        let mut forecast = forecast.lock().unwrap();
        let (standing, windows) = (directory.pace().standing(), directory.pace().windows());
        forecast.look(Instant::now(), ended, &standing, windows);
        let left = forecast.seconds_left(6_000 - ended);
        keep.lock().unwrap().push((f64::from(*seconds), left));
        *seconds += 1;
    });
    let done = scenario.run();
    let foretold: Vec<_> = kept.lock().unwrap().split_off(90);
    // 90 s at 50 in a second, the rest at half of it, and some seconds in between until the last ten fit.
    let seconds = done.virtual_seconds;
    assert!((390.0..400.0).contains(&seconds), "{seconds}");
    assert!(worst(&done, &foretold, 0.5) <= 0.05);
}

/// Somebody says no once, in the midst of a run.
#[test]
fn a_limit_that_grows_back_after_a_429_is_in_it() {
    let sandbox = sandbox((20, 100), Limits::documented());
    with_organizations(&sandbox);
    sandbox.script(Script {
        method: Some(Method::POST),
        path: "/user_management".into(),
        skip: 2_500,
        fault: Fault::TooManyRequests(RetryAfter::Seconds(8)),
        times: 1,
    });
    let mut scenario = Scenario::on(sandbox, &people(10_000));
    scenario.tell(|directory| {
        directory.expect(20_000);
        directory
    });
    let (done, foretold) = foretold(scenario, 10_000);
    assert_eq!((done.standing.turned_away, done.standing.pauses), (1, 1));
    assert!((7.9..8.1).contains(&done.standing.paused.as_secs_f64()));
    // It takes 2.5 minutes until all of the limit is used again: at the least share it would take twice as long.
    assert!(worst(&done, &foretold, 0.5) <= 0.05);
}

/// Somebody else needs the limit as well: it never grows back for long.
#[test]
fn a_limit_that_is_shared_with_others_is_taken_as_it_was_of_late() {
    let sandbox = sandbox((20, 100), Limits::documented());
    with_organizations(&sandbox);
    for _ in 0..20 {
        sandbox.script(Script {
            method: Some(Method::POST),
            path: "/user_management".into(),
            skip: 1_500,
            fault: Fault::TooManyRequests(RetryAfter::Seconds(1)),
            times: 1,
        });
    }
    let mut scenario = Scenario::on(sandbox, &people(10_000));
    scenario.tell(|directory| {
        directory.expect(20_000);
        directory
    });
    let (done, mut foretold) = foretold(scenario, 10_000);
    assert!(
        (12..=14).contains(&done.standing.pauses),
        "{}",
        done.standing.pauses
    );
    // It has to be seen that it is so, and at the very end it counts whether there is one refusal more. Who takes it that
    // the limit grows back is off by half.
    let ends = done.virtual_seconds;
    foretold.retain(|(at, _)| (300.0..ends - 120.0).contains(at));
    assert!(worst(&done, &foretold, 0.5) <= 0.2);
}

/// Another plan's limit, so that the time is short enough to see the beginning.
#[test]
fn nothing_is_foretold_before_a_row_has_ended() {
    let sandbox = sandbox((1_500, 1_500), Limits::none());
    let mut scenario = Scenario::on(sandbox, "email\na@x.com\nb@x.com\n");
    scenario.limits = Some(Kept::with_writes(Limit {
        count: 1,
        period: Duration::from_secs(10),
    }));
    let (_, foretold) = foretold(scenario, 2);
    assert_eq!(foretold[1].1, None);
}
