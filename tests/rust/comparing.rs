//! Comparing source and directory: a rehearsal ends as the import then does, and an import over a directory that is as it
//! should be costs little more than reading it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use workos_importer_core::directory::OnExisting;
use workos_importer_core::engine::Ended;
use workos_importer_core::journal::outcome::{Effect, RowResult, StepResult};
use workos_importer_core::journal::{ComparedRow, Store};
use workos_importer_core::row::Kind;
use workos_importer_sandbox::{Faults, Limits, Sandbox, Settings};

use crate::harness::{
    Collected, Death, Done, Exchange, Meddle, Scenario, World, emails, memberships, unlimited,
};
use crate::schedules::{Schedule, on_all_cores, source};

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

/// All of them, or the one of `SEED=`.
fn seeds(most: u64) -> std::ops::Range<u64> {
    let seed = std::env::var("SEED").ok();
    match seed.and_then(|text| text.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..most,
    }
}

fn mix(seed: u64) -> Scenario {
    mix_with(seed, unlimited())
}

fn mix_with(seed: u64, settings: Settings) -> Scenario {
    let mut random = StdRng::seed_from_u64(seed);
    let single = random.random_bool(0.15);
    let lines = source::lines(&mut random, single);
    let sandbox = Sandbox::new(Settings { seed, ..settings });
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
    let updates = scenario.policy.on_existing == OnExisting::Update;
    scenario.clear_empty = updates && random.random_bool(0.5);
    scenario.foresees_roles = true;
    if single {
        scenario.organization.external_id = Some(source::SINGLE.to_owned());
        scenario.organization.name = Some(source::name_of(source::SINGLE));
        scenario.organization.create_if_missing = true;
    }
    scenario
}

#[test]
fn a_rehearsal_ends_as_the_import_does_and_changes_nothing() {
    on_all_cores(seeds(MIXES), |seed| {
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
fn what_is_there_is_verified_and_imported_again_at_the_cost_of_reading_it() {
    let users = 200_000;
    let (sandbox, csv) = half_of(users);
    let mut scenario = Scenario::on(sandbox, &csv);
    scenario.policy.on_existing = OnExisting::Update;
    scenario.logs = false;
    // Pages of users, one of organizations, ten of memberships for each of them; the key.
    let reads = users / 100 + 1 + 100 * 10 + 1;
    let within = |calls: u64, least: u64| calls as f64 <= least as f64 * 1.05;

    scenario.rehearses = true;
    let verified = scenario.run();
    assert_eq!(verified.ended, Ended::Complete);
    assert!(within(verified.all_calls(), reads), "{:?}", verified.calls);
    // Users are read from both ends: half of the pages one after the other, 210 ms each in the mean. All reads together
    // would need a tenth of that at 1,000 in 10 s.
    let longest_chain = users as f64 / 100.0 / 2.0 * 0.21;
    let share = verified.virtual_seconds / longest_chain;
    assert!(share <= 1.1, "{share}");
    assert_eq!(scenario.sandbox.counters().refused_by_limit, 0);

    scenario.rehearses = false;
    scenario.compares = true;
    let done = scenario.run();
    assert_eq!(done.ended, Ended::Complete);
    let outcomes = &done.tally.outcomes;
    assert_eq!(
        (outcomes["updated"], outcomes["unchanged"]),
        (1_000, 99_000)
    );
    assert_eq!(done.calls_of("update user"), 1_000);
    assert!(within(done.all_calls(), reads + 1_000), "{:?}", done.calls);
}

#[test]
fn a_list_is_read_as_long_as_that_pays() {
    // Rows, users in the directory, the most calls that finding them may cost.
    for (rows, users, most) in [
        (1, 5_000, 1),
        (10, 5_000, 13),
        (100, 2_000, 21),
        (100, 20_000, 135),
        (1_000, 5_000, 52),
    ] {
        let sandbox = Sandbox::new(unlimited());
        for number in 0..users {
            sandbox.user(json!({"email": format!("u{number}@x.com")}));
        }
        let step = users / rows;
        let lines = (0..rows).map(|number| format!("u{}@x.com\n", number * step));
        let csv = format!("email\n{}", lines.collect::<String>());
        let mut scenario = Scenario::on(sandbox, &csv);
        scenario.rehearses = true;
        scenario.limits = None;
        let done = scenario.run();
        assert_eq!(done.tally.outcomes["unchanged"], rows);
        let calls = done.all_calls() - done.calls_of("check key");
        assert!(calls <= most, "{rows} of {users}: {:?}", done.calls);
    }
}

#[test]
fn what_many_rows_name_is_looked_up_once() {
    let sandbox = Sandbox::new(Settings {
        latency: (Duration::from_millis(50), Duration::from_millis(200)),
        ..unlimited()
    });
    let organization = sandbox.organization("acme", "Acme");
    let rows = (0..50).map(|number| format!("u{number}@x.com,{organization}\n"));
    let csv = format!("email,org_id\n{}", rows.collect::<String>());
    let mut scenario = Scenario::on(sandbox, &csv);
    scenario.rehearses = true;
    scenario.limits = None;
    let done = scenario.run();
    assert_eq!(done.tally.outcomes["created"], 50);
    let looked_up = done.log.iter().filter(|one| {
        let path = one.target.strip_prefix("/organizations/");
        path.is_some_and(|id| id == organization)
    });
    assert_eq!(looked_up.count(), 1, "{:?}", done.calls);
}

#[test]
fn after_an_import_with_faults_and_kills_nothing_is_left_to_do() {
    on_all_cores(seeds(MIXES), |seed| {
        let schedule = Schedule::draw(seed);
        // Another writer leaves it otherwise than the import did.
        if schedule.writer.is_some() {
            return;
        }
        let done = schedule.run();
        let mut again = Scenario::on(schedule.scenario.sandbox.clone(), &schedule.scenario.csv);
        again
            .organization
            .clone_from(&schedule.scenario.organization);
        again.policy = schedule.scenario.policy;
        again.rehearses = true;
        again.stubborn = true;
        let verified = again.run();
        // Of a user whose first row failed, another row's fields may have been written, or are compared.
        let failed: BTreeSet<&str> = done
            .results
            .iter()
            .chain(&verified.results)
            .filter(|result| result.error.is_some())
            .filter_map(|result| result.identity.email())
            .collect();
        for result in &verified.results {
            // A read that failed for good says nothing.
            let email = result.identity.email().unwrap_or_default();
            if failed.contains(email) {
                continue;
            }
            let as_it_is = |step: &StepResult| step.effect == Effect::Existing;
            assert!(result.steps.iter().all(as_it_is), "{result:?}");
        }
    });
}

#[test]
fn an_import_that_compares_and_is_killed_ends_as_one_that_does_neither() {
    on_all_cores(seeds(MIXES), |seed| {
        let drawn = |compares| {
            let mut scenario = mix(seed);
            scenario.policy.on_existing = OnExisting::Update;
            scenario.can_rewind = true;
            scenario.compares = compares;
            scenario
        };
        let calm = drawn(false);
        let expected = calm.run();
        let mut random = StdRng::seed_from_u64(seed);
        let mut killed = drawn(true);
        killed.deaths = (0..random.random_range(1..5))
            .map(|_| Death {
                polls: random.random_range(1..120),
                unwritten: random.random_range(0..20),
            })
            .collect();
        let done = killed.run();
        assert_eq!(done.ended, expected.ended);
        let failures = |done: &Done| -> Vec<_> {
            let ends = ends(done).into_iter();
            ends.map(|(number, outcome, _, _, code)| (number, outcome == "failed", code))
                .collect()
        };
        assert_eq!(failures(&done), failures(&expected));
        assert_eq!(memberships(&killed.sandbox), memberships(&calm.sandbox));
        assert_eq!(emails(&killed.sandbox), emails(&calm.sandbox));
    });
}

/// The rows that name one membership with others: which of them makes it, and which changes its roles, is decided by who
/// comes first.
fn sharing(journal: &Path) -> BTreeSet<u64> {
    let journal = rusqlite::Connection::open(journal).unwrap();
    let mut statement = journal
        .prepare(
            "SELECT record_number FROM outcome_step WHERE kind = 2 AND step_id IN
                 (SELECT step_id FROM outcome_step WHERE kind = 2 GROUP BY step_id HAVING count(*) > 1)",
        )
        .unwrap();
    let numbers = statement.query_map([], |row| row.get(0)).unwrap();
    numbers.map(Result::unwrap).collect()
}

/// The rows, how many users differ in each field, what the directory showed, and what no row names.
type Found = (
    Vec<ComparedRow>,
    Vec<(String, u64)>,
    Vec<String>,
    Vec<String>,
);

/// All that a comparison has found, as its journal has it: how each row stands, which fields differ, what the directory
/// showed, and what it has that no row names. `shared`: rows whose memberships are left out.
fn found(journal: &Path, shared: &BTreeSet<u64>) -> Found {
    let store = Store::reopen(journal).unwrap();
    let answers = store.answers(&(-1, String::new()), 10_000).unwrap();
    let mut extra: Vec<String> = store
        .extra(0, 10_000)
        .unwrap()
        .into_iter()
        .map(|one| format!("{} {}", one.membership_id, one.details))
        .collect();
    extra.sort();
    let mut rows = store.compared(0, 10_000).unwrap();
    for row in &mut rows {
        if shared.contains(&row.record_number) {
            row.membership = None;
        }
    }
    (
        rows,
        store.changed_fields("fields").unwrap(),
        answers.into_iter().map(|(_, line)| line).collect(),
        extra,
    )
}

/// A caller between whose results there is time to die.
fn slow() -> Collected {
    Collected {
        pause: Duration::from_millis(1),
        ..Collected::default()
    }
}

/// People of whom the file says nothing, some of them in its organizations: lists of several pages.
fn strangers(sandbox: &Sandbox, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let dump = sandbox.dump();
    let organizations = dump["organizations"].as_array().unwrap();
    for number in 0..random.random_range(100..400) {
        let user = sandbox.user(json!({"email": format!("stranger{number}@x.com")}));
        if let Some(organization) = organizations.get(random.random_range(0..6)) {
            sandbox.membership(&user, organization["id"].as_str().unwrap(), &[]);
        }
    }
}

/// Calls that were answered; a fault has cost nothing but itself. Without the lists of roles: these few are read by each
/// attempt.
fn answered(done: &Done) -> usize {
    let answered = |status: u16| status < 429;
    let is_of_roles = |one: &&Exchange| one.target.starts_with("/authorization/");
    let log = done.log.iter().filter(|one| !is_of_roles(one));
    log.filter(|one| one.status.is_some_and(answered)).count()
}

#[test]
fn a_comparison_with_faults_and_kills_says_what_an_undisturbed_one_says() {
    let counts: Mutex<BTreeMap<&str, usize>> = Mutex::default();
    on_all_cores(seeds(MIXES), |seed| {
        let folder = tempfile::tempdir().unwrap();
        let drawn = |name: &str, rate: f64| {
            let faults = Faults {
                rate,
                ..Faults::default()
            };
            let latency = (Duration::from_millis(1), Duration::from_millis(100));
            let mut scenario = mix_with(
                seed,
                Settings {
                    faults,
                    latency,
                    ..unlimited()
                },
            );
            if seed.is_multiple_of(4) {
                strangers(&scenario.sandbox, seed);
            }
            scenario.can_rewind = true;
            scenario.rehearses = true;
            scenario.stubborn = true;
            scenario.keeps_all = seed.is_multiple_of(3);
            scenario.journal = Some(folder.path().join(name));
            scenario
        };
        let calm = drawn("calm", 0.0);
        let expected = calm.run();
        let mut random = StdRng::seed_from_u64(seed);
        let mut killed = drawn("killed", random.random_range(0.0..0.15));
        killed.sink = slow;
        let longest = random.random_range(5..80);
        killed.deaths = (0..random.random_range(1..5))
            .map(|_| Death {
                polls: random.random_range(1..longest),
                unwritten: match random.random_range(0..4) {
                    0 | 1 => 0,
                    2 => random.random_range(1..20),
                    _ => Death::POWER,
                },
            })
            .collect();
        let before = killed.sandbox.dump();
        let done = killed.run();
        assert_eq!(killed.sandbox.dump(), before);
        assert!(done.log.iter().all(|one| one.method == "GET"));
        assert_eq!(done.ended, expected.ended);
        let path = |scenario: &Scenario| scenario.journal.clone().unwrap();
        let (one, other) = (path(&killed), path(&calm));
        let shared: BTreeSet<u64> = &sharing(&one) | &sharing(&other);
        let alone = |done: &Done| -> Vec<_> {
            let ends = ends(done).into_iter();
            ends.filter(|end| !shared.contains(&end.0)).collect()
        };
        assert_eq!(done.results.len(), expected.results.len());
        assert_eq!(alone(&done), alone(&expected));
        assert_eq!(found(&one, &shared), found(&other, &shared));
        // What was read and is on disk is not read again: an attempt costs its first reads, what was under way, and what a
        // power cut has taken.
        let deaths = done.lives.iter().filter_map(|life| life.death);
        let lost: usize = deaths
            .clone()
            .map(|death| match death.unwritten {
                Death::POWER => answered(&expected),
                polls => polls as usize,
            })
            .sum();
        let most = answered(&expected) + 2 * (done.lives.len() - 1) + lost;
        assert!(answered(&done) <= most, "{} of {most}", answered(&done));
        let mut counts = counts.lock().unwrap();
        *counts.entry("deaths").or_default() += deaths.count();
        *counts.entry("calls").or_default() += answered(&done);
        *counts.entry("calls undisturbed").or_default() += answered(&expected);
    });
    let counts = counts.into_inner().unwrap();
    println!("{counts:?}");
    // They are about something.
    assert!(counts["deaths"] as u64 > MIXES / 2 || seeds(MIXES).end - seeds(MIXES).start == 1);
}

#[test]
fn a_long_list_that_was_read_in_part_is_read_to_where_its_ends_meet() {
    const USERS: u64 = 5_000;
    let run = |polls: Option<u32>| {
        let sandbox = Sandbox::new(Settings {
            latency: (Duration::from_millis(50), Duration::from_millis(50)),
            ..unlimited()
        });
        for number in 0..USERS {
            sandbox.user(json!({"email": format!("u{number}@x.com")}));
        }
        let rows = (0..USERS).map(|number| format!("u{number}@x.com\n"));
        let mut scenario = Scenario::on(sandbox, &format!("email\n{}", rows.collect::<String>()));
        scenario.rehearses = true;
        scenario.limits = None;
        let deaths = polls.map(|polls| Death {
            polls,
            unwritten: 0,
        });
        scenario.deaths = deaths.into_iter().collect();
        let done = scenario.run();
        assert_eq!(done.tally.outcomes["unchanged"], USERS);
        (answered(&done), done.lives.len() - 1)
    };
    let (undisturbed, _) = run(None);
    // One of these comes when all but a page or two is read.
    on_all_cores(45..60, |polls| {
        let (calls, deaths) = run(Some(polls as u32));
        // The first read, and what was under way.
        assert!(
            calls <= undisturbed + 4 * deaths,
            "{polls}: {calls} of {undisturbed}"
        );
    });
}

#[test]
fn who_is_put_out_after_the_lists_were_read_is_not_let_in() {
    let sandbox = Sandbox::new(unlimited());
    let organization = sandbox.organization("acme", "Acme");
    let users: Vec<String> = (0..4)
        .map(|number| sandbox.user(json!({"email": format!("u{number}@x.com")})))
        .collect();
    let rows = (0..4).map(|number| format!("u{number}@x.com,acme\n"));
    let csv = format!("email,org_external_id\n{}", rows.collect::<String>());
    let mut scenario = Scenario::on(sandbox, &csv);
    scenario.limits = None;
    scenario.policy.on_existing = OnExisting::Update;
    scenario.compares = true;
    let listed = AtomicBool::new(false);
    scenario.meddle(move |sandbox, request| {
        // Between the list of memberships, in which the user is not yet, and what is made of it.
        if request
            .target
            .contains("organization_memberships?limit=100")
        {
            listed.store(true, Ordering::Relaxed);
        } else if listed.swap(false, Ordering::Relaxed) {
            let membership = sandbox.membership(&users[0], &organization, &[]);
            sandbox.deactivate(&membership);
        }
        Meddle::Pass
    });
    let done = scenario.run();
    assert_eq!(done.code(1), "membership_inactive");
    assert_eq!(memberships(&scenario.sandbox).len(), 3);
}

#[test]
fn rows_that_come_to_each_others_users_are_rehearsed_as_they_are_imported() {
    let files = [
        // Two addresses of one person; the address that a user gives up; one that is taken and given up.
        "email,external_id\na@x.com,one\nb@x.com,one\n",
        "email,external_id\nnew@x.com,there\nformer@x.com,\n",
        "email,external_id\nformer@x.com,one\nnew@x.com,there\nformer@x.com,two\n",
    ];
    for csv in files {
        for policy in [OnExisting::Skip, OnExisting::Update, OnExisting::Fail] {
            let sandbox = Sandbox::new(unlimited());
            sandbox.user(json!({"email": "former@x.com", "external_id": "there"}));
            let mut scenario = Scenario::on(sandbox, csv);
            scenario.limits = None;
            scenario.policy.on_existing = policy;
            scenario.concurrency = Some(1);
            scenario.rehearses = true;
            let planned = scenario.run();
            scenario.sink = slow;
            for polls in 1..12 {
                scenario.deaths = vec![Death {
                    polls,
                    unwritten: 0,
                }];
                let killed = scenario.run();
                assert_eq!(ends(&killed), ends(&planned), "{polls} {policy:?} {csv}");
            }
            scenario.deaths.clear();
            scenario.sink = Collected::default;
            scenario.rehearses = false;
            let done = scenario.run();
            assert_eq!(ends(&planned), ends(&done), "{policy:?} {csv}");
        }
    }
}
