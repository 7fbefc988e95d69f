//! The documented limits, kept: a sandbox that enforces them strictly never has to refuse, and the rate is used.

use std::time::Duration;

use workos_importer_core::engine::Ended;
use workos_importer_sandbox::{Limits, Sandbox, Settings};

use crate::harness::{Scenario, World};

const ROWS: u64 = 5_000;

fn run(organizations: u64, concurrency: Option<usize>, least: u64, most: u64) -> (f64, Sandbox) {
    let mut csv = String::from(match organizations {
        0 => "email\n",
        _ => "email,org_external_id\n",
    });
    for number in 0..ROWS {
        csv.push_str(&format!("u{number}@x.com"));
        if organizations > 0 {
            csv.push_str(&format!(",org-{}", number % organizations));
        }
        csv.push('\n');
    }
    let settings = Settings {
        seed: 5,
        latency: (Duration::from_millis(least), Duration::from_millis(most)),
        limits: Limits {
            strict: true,
            ..Limits::documented()
        },
        ..Settings::default()
    };
    let mut scenario = Scenario::on(Sandbox::new(settings), &csv);
    for number in 0..organizations {
        scenario.sandbox.organization(&format!("org-{number}"), "O");
    }
    scenario.concurrency = concurrency;
    let done = scenario.run();
    assert_eq!(done.ended, Ended::Complete);
    assert_eq!(done.tally.outcomes.get("created"), Some(&ROWS));
    let counters = scenario.sandbox.counters();
    assert_eq!(counters.refused_by_limit, 0);
    assert!(counters.most_writes_in_ten_seconds <= 500, "{counters:?}");
    (done.virtual_seconds, scenario.sandbox)
}

#[test]
fn users_alone_with_jitter() {
    let (seconds, sandbox) = run(0, None, 20, 300);
    // 500 in 10 s from the first request on: 5,000 writes take at least 90 s; an answer's time is lost in each window.
    assert!((90.0..100.0).contains(&seconds), "{seconds}");
    assert_eq!(sandbox.counters().most_writes_in_ten_seconds, 500);
}

#[test]
fn users_with_memberships_with_jitter() {
    let (seconds, _) = run(50, None, 20, 300);
    assert!((190.0..210.0).contains(&seconds), "{seconds}");
}

#[test]
fn a_slow_network_is_filled_and_a_fast_one_is_not_flooded() {
    let (slow, _) = run(0, None, 900, 1_100);
    assert!((90.0..115.0).contains(&slow), "{slow}");
    let (fast, _) = run(20, None, 0, 1);
    assert!((190.0..202.0).contains(&fast), "{fast}");
}

#[test]
fn one_request_at_a_time() {
    let (seconds, sandbox) = run(20, Some(1), 100, 140);
    assert!(sandbox.counters().most_writes_in_a_second <= 11);
    // 10,000 writes of 120 ms each, and 20 lookups.
    assert!((1_150.0..1_250.0).contains(&seconds), "{seconds}");
}
