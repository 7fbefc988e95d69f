//! Comparing source and directory: a rehearsal ends as the import then does, and an import over a directory that is as it
//! should be costs little more than reading it.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use workos_importer_core::directory::OnExisting;
use workos_importer_core::engine::Ended;
use workos_importer_core::journal::outcome::RowResult;
use workos_importer_core::row::Kind;
use workos_importer_sandbox::{Limits, Sandbox, Settings};

use crate::harness::{Done, Scenario, World, unlimited};
use crate::schedules::{on_all_cores, source};

const MIXES: u64 = 1_000;

/// How each row ended, as far as it can be known before: the directory's ids of what is made cannot.
fn ends(done: &Done) -> Vec<(u64, &'static str, &'static str, &'static str, &'static str)> {
    let mut ends: Vec<_> = done
        .results
        .iter()
        .map(|result| {
            let effect = |kind| {
                let step = result.step(kind);
                step.map_or("none", |step| step.effect.as_str())
            };
            let code =
                |result: &RowResult| result.error.as_ref().map_or("none", |error| error.code);
            (
                result.identity.record_number,
                result.outcome.as_str(),
                effect(Kind::User),
                effect(Kind::Membership),
                code(result),
            )
        })
        .collect();
    ends.sort();
    ends
}

fn mix(seed: u64) -> Scenario {
    let mut random = StdRng::seed_from_u64(seed);
    let single = random.random_bool(0.15);
    let lines = source::lines_with(&mut random, single, 0.0);
    let sandbox = Sandbox::new(Settings {
        seed,
        ..unlimited()
    });
    let mut scenario = Scenario::on(sandbox, &source::csv(&lines, single));
    source::populate(&scenario.sandbox, &mut random);
    scenario.limits = None;
    scenario.seed = seed;
    scenario.can_rewind = random.random_bool(0.8);
    scenario.policy.reactivate = random.random_bool(0.5);
    scenario.policy.create_organizations = random.random_bool(0.9);
    scenario.policy.on_existing = match random.random_range(0..3) {
        0 => OnExisting::Skip,
        1 => OnExisting::Update,
        _ => OnExisting::Fail,
    };
    if single {
        scenario.organization.external_id = Some(source::SINGLE.to_owned());
        scenario.organization.name = Some(source::name_of(source::SINGLE));
        scenario.organization.create_if_missing = true;
    }
    scenario
}

#[test]
fn a_rehearsal_ends_as_the_import_does_and_changes_nothing() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..MIXES,
    };
    on_all_cores(seeds, |seed| {
        let mut scenario = mix(seed);
        let before = scenario.sandbox.dump();
        scenario.rehearses = true;
        let planned = scenario.run();
        assert_eq!(scenario.sandbox.dump(), before);
        scenario.rehearses = false;
        let done = scenario.run();
        assert_eq!(planned.ended, done.ended);
        assert_eq!(ends(&planned), ends(&done));
        if !scenario.can_rewind {
            // A row may have failed for an organization that a later one has made.
            return;
        }
        // And now that it is done, there is nothing left to do.
        scenario.rehearses = true;
        let again = scenario.run();
        let left = again.results.iter().filter(|result| {
            let steps = result.steps.iter();
            result.error.is_none() && steps.clone().any(|step| step.effect.as_str() != "existing")
        });
        let left: Vec<_> = left.collect();
        assert!(left.is_empty(), "{:?} {left:#?}", scenario.policy);
    });
}

/// A sandbox with so many users, every second one of them in one of a hundred organizations, and a file of these.
fn half_of(users: u64) -> (Sandbox, String) {
    let sandbox = Sandbox::new(Settings {
        latency: (Duration::from_millis(20), Duration::from_millis(400)),
        limits: Limits {
            strict: true,
            ..Limits::documented()
        },
        ..Settings::default()
    });
    let organizations: Vec<String> = (0..100)
        .map(|number| sandbox.organization(&format!("org-{number}"), "O"))
        .collect();
    let mut csv = "email,first_name,org_external_id\n".to_owned();
    for number in 0..users {
        let email = format!("u{number}@x.com");
        let user = sandbox.user(json!({"email": email, "first_name": "A"}));
        if number % 2 == 0 {
            let place = (number / 2 % 100) as usize;
            sandbox.membership(&user, &organizations[place], &[]);
            let name = if number % 200 == 0 { "B" } else { "A" };
            csv.push_str(&format!("{email},{name},org-{place}\n"));
        }
    }
    (sandbox, csv)
}

#[test]
fn an_import_of_what_is_there_writes_what_differs() {
    let users = 20_000;
    let (sandbox, csv) = half_of(users);
    let mut scenario = Scenario::on(sandbox, &csv);
    scenario.policy.on_existing = OnExisting::Update;
    scenario.compares = true;
    scenario.logs = false;
    let done = scenario.run();
    assert_eq!(done.ended, Ended::Complete);
    let outcomes = &done.tally.outcomes;
    assert_eq!((outcomes["updated"], outcomes["unchanged"]), (100, 9_900));
    assert_eq!(done.calls_of("update user"), 100);
    // Pages of users, one of organizations, one of memberships for each of them; the key.
    let least = users / 100 + 1 + 100 + 100 + 1;
    let calls = done.all_calls();
    assert!(calls as f64 <= least as f64 * 1.05, "{:?}", done.calls);
    // Users are read from both ends, and the updates go on beside nothing else.
    println!("{} s, {:?}", done.virtual_seconds, done.calls);
}
