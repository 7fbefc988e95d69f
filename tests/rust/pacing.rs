//! The documented limits, kept: a sandbox that enforces them strictly never has to refuse, and the rate is used.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use workos_importer_core::directory::Remote;
use workos_importer_core::engine::Ended;
use workos_importer_sandbox::{Limits, Sandbox, Settings};

use crate::harness::{Death, Meddle, Scenario, World};

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
    // 500 in 10 s, spaced; an answer's time is lost in each window.
    assert!((100.0..103.0).contains(&seconds), "{seconds}");
    assert!(sandbox.counters().most_writes_in_ten_seconds >= 490);
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

/// `rows` users, each in one of a few organizations that are there, or in none.
fn people(rows: u64, organizations: u64, name: &str) -> String {
    let mut csv = String::from(match organizations {
        0 => "email\n",
        _ => "email,org_external_id\n",
    });
    for number in 0..rows {
        csv.push_str(&format!("{name}{number}@x.com"));
        if organizations > 0 {
            csv.push_str(&format!(",org-{}", number % organizations));
        }
        csv.push('\n');
    }
    csv
}

fn sandbox(limits: Limits, latency: (u64, u64), organizations: u64) -> Sandbox {
    let (least, most) = latency;
    let sandbox = Sandbox::new(Settings {
        seed: 11,
        latency: (Duration::from_millis(least), Duration::from_millis(most)),
        limits,
        ..Settings::default()
    });
    for number in 0..organizations {
        sandbox.organization(&format!("org-{number}"), "O");
    }
    sandbox
}

fn strict() -> Limits {
    Limits {
        strict: true,
        ..Limits::documented()
    }
}

#[test]
fn a_long_import_reaches_the_safe_bound_and_bursts_nowhere() {
    let limits = Limits {
        bucket: Some((50, Duration::from_secs(1))),
        ..strict()
    };
    let mut scenario = Scenario::on(sandbox(limits, (20, 400), 20), &people(10_000, 20, "u"));
    scenario.logs = false;
    scenario.tell(|directory| {
        directory.expect(20_000);
        directory
    });
    let done = scenario.run();
    assert_eq!(done.tally.outcomes.get("created"), Some(&10_000));
    let counters = scenario.sandbox.counters();
    assert_eq!(counters.refused_by_limit, 0);
    assert!(counters.most_writes_in_a_second <= 75, "{counters:?}");
    // A slot is used again ten seconds plus its own latency later: 210 ms in the mean.
    let share = 20_000.0 * 10.21 / 500.0 / done.virtual_seconds;
    assert!(share >= 0.99, "{share}");
}

#[test]
fn a_job_that_fits_one_window_ends_in_a_few_round_trips() {
    for (rows, organizations, writes, round_trips) in [(400, 0, 400, 5), (200, 5, 400, 7)] {
        let mut scenario = Scenario::on(
            sandbox(strict(), (100, 100), organizations),
            &people(rows, organizations, "u"),
        );
        scenario.tell(|directory| {
            directory.expect(400);
            directory
        });
        let done = scenario.run();
        assert_eq!(done.tally.outcomes.get("created"), Some(&rows));
        assert_eq!(
            done.calls_of("create user") + done.calls_of("create membership"),
            writes
        );
        // One of them checks the key.
        let most = 0.1 * f64::from(round_trips) + 0.05;
        assert!(done.virtual_seconds <= most, "{}", done.virtual_seconds);
    }
}

#[test]
fn a_restart_sends_no_second_burst() {
    for knows in [true, false] {
        let mut scenario = Scenario::on(sandbox(strict(), (20, 80), 0), &people(800, 0, "u"));
        scenario.deaths = vec![Death {
            polls: 400,
            unwritten: 0,
        }];
        let sent = Arc::new(AtomicI64::new(0));
        let counted = Arc::clone(&sent);
        scenario.meddle(move |_, request| {
            let writes = i64::from(request.method == http::Method::POST);
            counted.fetch_add(writes, Ordering::Relaxed);
            Meddle::Pass
        });
        scenario.tell(move |directory| {
            let before = sent.load(Ordering::Relaxed);
            assert!(before == 0 || before > 200, "killed after {before} writes");
            if knows {
                directory.already_sent(&vec![Duration::ZERO; before as usize]);
            }
            directory.expect(400);
            directory
        });
        let done = scenario.run();
        assert_eq!(done.tally.outcomes.get("created"), Some(&800));
        let refused = scenario.sandbox.counters().refused_by_limit;
        assert_eq!(refused > 0, !knows, "{refused}");
    }
}

#[test]
fn another_share_holds_from_now_on() {
    let sandbox = sandbox(Limits::documented(), (10, 10), 0);
    let mut scenario = Scenario::on(sandbox, &people(3_000, 0, "u"));
    let limits = workos_importer_core::directory::workos::Limits::documented;
    scenario.limits = Some(limits().with_headroom(0.9));
    scenario.tell(|directory| {
        directory.expect(3_000);
        directory.keep(None, 0.5);
        directory
    });
    let seconds = scenario.run().virtual_seconds;
    assert!((117.0..123.0).contains(&seconds), "{seconds}");
}

#[test]
fn two_importers_that_do_not_know_of_each_other_share_the_limit() {
    for latency in [(5, 20), (20, 200), (20, 400)] {
        two_importers(latency);
    }
}

fn two_importers(latency: (u64, u64)) {
    const ROWS: u64 = 20_000;
    let sandbox = sandbox(strict(), latency, 0);
    let sent = [
        Arc::new(Mutex::new(Vec::new())),
        Arc::new(Mutex::new(Vec::new())),
    ];
    let scenarios = ["a", "b"].map(|name| {
        let mut scenario = Scenario::on(sandbox.clone(), &people(ROWS, 0, name));
        scenario.seed = u64::from(name.as_bytes()[0]);
        scenario.tell(|directory| {
            directory.expect(ROWS);
            directory
        });
        let sent = Arc::clone(&sent[usize::from(name == "b")]);
        scenario.meddle(move |_, request| {
            if request.method == http::Method::POST {
                sent.lock().unwrap().push(tokio::time::Instant::now());
            }
            Meddle::Pass
        });
        scenario
    });
    let done = Scenario::run_together([&scenarios[0], &scenarios[1]]);
    for done in &done {
        assert_eq!(done.ended, Ended::Complete);
        assert_eq!(
            done.tally.outcomes.get("created"),
            Some(&ROWS),
            "no row fails"
        );
        assert!(done.standing.pauses > 0 && done.standing.turned_away > 0);
    }
    // As long as both are at work.
    let [one, other] = sent.map(|sent| std::mem::take(&mut *sent.lock().unwrap()));
    let until = *one.last().unwrap().min(other.last().unwrap());
    let began = *one.first().unwrap().min(other.first().unwrap());
    let allowance = (until - began).as_secs_f64() * 50.0;
    let shares =
        [&one, &other].map(|sent| sent.partition_point(|at| *at <= until) as f64 / allowance);
    let refused = sandbox.counters().refused_by_limit;
    println!("{latency:?}: {shares:.3?} of {allowance:.0}, {refused} refused");
    // Not fought over: hardly a request in a hundred meets the limit.
    assert!(refused < 200, "{refused}");
    assert!(shares.iter().all(|share| *share >= 0.4), "{shares:?}");
}

#[test]
fn few_rows_are_half_done_at_any_moment() {
    let mut scenario = Scenario::on(sandbox(strict(), (20, 400), 20), &people(4_000, 20, "u"));
    scenario.tell(|directory| {
        directory.expect(8_000);
        directory
    });
    let (begun, most) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
    let (counts, maximum) = (Arc::clone(&begun), Arc::clone(&most));
    scenario.meddle(move |_, request| {
        if request.method == http::Method::POST {
            // A user is sent, or a membership that completes one.
            let more = if request.target.ends_with("/users") {
                1
            } else {
                -1
            };
            let now = counts.fetch_add(more, Ordering::Relaxed) + more;
            maximum.fetch_max(now, Ordering::Relaxed);
        }
        Meddle::Pass
    });
    let done = scenario.run();
    assert_eq!(done.tally.outcomes.get("created"), Some(&4_000));
    assert_eq!(begun.load(Ordering::Relaxed), 0);
    let most = most.load(Ordering::Relaxed);
    println!("{most} half done at most");
    // What is in flight, and a few whose second write waits for its moment.
    assert!(most <= 20, "{most}");
}
