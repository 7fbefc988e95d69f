//! Thousands of imports, each drawn from one seed: faults of every kind, kills at any await, power cuts, retries, and in
//! some of them another writer. After the last attempt the invariants of `check` and `ledger` hold.
//!
//! `SEED=123 cargo test … schedules` replays one, bit for bit; `SCHEDULES=50000` runs more.

mod check;
mod ledger;
mod mutations;
pub mod source;
mod writer;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use workos_importer_core::directory::OnExisting;
use workos_importer_core::engine::Ended;
use workos_importer_sandbox::{Faults, Limits, Sandbox, Settings};

use crate::harness::{Death, Done, Scenario, Seams};
use source::Line;
use writer::Writer;

const SCHEDULES: u64 = 5_000;

/// One import with everything that happens to it.
pub struct Schedule {
    pub scenario: Scenario,
    pub lines: Vec<Line>,
    /// What was in the directory before.
    pub before: Value,
    /// One organization for all rows, named by options.
    pub single: bool,
    /// The environment takes one role for each membership.
    pub one_role: bool,
    pub writer: Option<Arc<Mutex<Writer>>>,
}

/// Of ten seeds the last three have another writer in them.
fn is_crowded(seed: u64) -> bool {
    seed % 10 >= 7
}

impl Schedule {
    pub fn draw(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let calm = random.random_bool(0.1);
        let rate = random.random_range(0.0..0.3);
        let one_role = random.random_bool(0.3);
        let settings = Settings {
            seed,
            latency: (
                Duration::ZERO,
                Duration::from_millis(random.random_range(0..200)),
            ),
            limits: Limits::documented(),
            faults: Faults {
                rate: if calm { 0.0 } else { rate },
                ..Faults::default()
            },
            multiple_roles: !one_role,
            ..Settings::default()
        };
        let single = random.random_bool(0.15);
        let lines = source::lines(&mut random, single);
        let mut scenario = Scenario::on(Sandbox::new(settings), &source::csv(&lines, single));
        source::populate(&scenario.sandbox, &mut random);
        scenario.seed = seed;
        scenario.stubborn = true;
        scenario.lingers = true;
        scenario.can_rewind = random.random_bool(0.8);
        scenario.require_membership = random.random_bool(0.4);
        scenario.policy.reactivate = random.random_bool(0.5);
        if random.random_bool(0.5) {
            scenario.policy.on_existing = OnExisting::Update;
        }
        if random.random_bool(0.3) {
            scenario.concurrency = Some(random.random_range(1..5));
        }
        if single {
            scenario.organization.external_id = Some(source::SINGLE.to_owned());
            scenario.organization.name = Some(source::name_of(source::SINGLE));
            scenario.organization.create_if_missing = true;
        }
        if !calm && random.random_bool(0.8) {
            scenario.deaths = deaths(&mut random, 1..5);
        }
        if random.random_bool(0.3) {
            let how_many = if calm { 0..1 } else { 0..3 };
            scenario.retries = vec![deaths(&mut random, how_many)];
        }
        let before = scenario.sandbox.dump();
        let writer = is_crowded(seed).then(|| writer::set_to_work(&mut scenario, seed, &lines));
        Self {
            scenario,
            lines,
            before,
            single,
            one_role,
            writer,
        }
    }

    /// Prints what happened, to read after a failure: `SEED=… SHOW=1`.
    fn show(&self, done: &Done) {
        for (index, life) in done.lives.iter().enumerate() {
            let (first, retry) = (life.first_exchange, life.retry);
            println!(
                "attempt {index} from exchange {first}, retry {retry}: {:?} {:?}",
                life.death, life.ended
            );
        }
        for (index, exchange) in done.log.iter().enumerate() {
            let (method, target, body) = (&exchange.method, &exchange.target, &exchange.body);
            println!(
                "{index} {method} {target} {body} -> {:?} {}",
                exchange.status, exchange.id
            );
        }
        for (index, line) in self.lines.iter().enumerate() {
            let results = done.results.iter();
            let of_line =
                results.filter(|result| result.identity.record_number == index as u64 + 1);
            for result in of_line {
                println!(
                    "{} {line:?}\n   {:?} {:?} {:?}",
                    index + 1,
                    result.outcome,
                    result.steps,
                    result.error
                );
            }
        }
    }

    /// Runs it, and checks every invariant.
    pub fn run(&self) -> Done {
        let done = self.scenario.run();
        if std::env::var_os("SHOW").is_some() {
            self.show(&done);
        }
        assert_eq!(done.ended, Ended::Complete);
        ledger::check(self, &done);
        check::End::of(self, &done).check();
        done
    }
}

fn deaths(random: &mut StdRng, how_many: std::ops::Range<u32>) -> Vec<Death> {
    // As far as the longest runs get, and most often in the middle of the shorter ones.
    let longest = random.random_range(20..400);
    let death = |random: &mut StdRng| Death {
        polls: random.random_range(1..longest),
        unwritten: match random.random_range(0..3) {
            0 => 0,
            1 => random.random_range(1..20),
            _ => Death::POWER,
        },
    };
    let how_many = random.random_range(how_many);
    (0..how_many).map(|_| death(random)).collect()
}

/// Runs the schedule of a seed.
fn one(seed: u64, seams: Option<Arc<dyn Seams>>) -> Done {
    let mut schedule = Schedule::draw(seed);
    schedule.scenario.seams = seams;
    schedule.run()
}

/// Runs seeds on all cores, until `FAILURES` (1) of them have failed; each is printed.
pub fn on_all_cores(seeds: std::ops::Range<u64>, work: impl Fn(u64) + Sync) {
    let failed = AtomicU64::new(0);
    let most = number("FAILURES").unwrap_or(1);
    on_all_cores_until(seeds, |seed| {
        if catch_unwind(AssertUnwindSafe(|| work(seed))).is_err() {
            failed.fetch_add(1, Ordering::Relaxed);
            eprintln!("\nSEED={seed} replays it\n");
        }
        failed.load(Ordering::Relaxed) >= most
    });
    let failed = failed.into_inner();
    assert_eq!(failed, 0, "seeds failed; they are printed above");
}

/// Runs seeds on all cores, until `work` says that it is enough.
fn on_all_cores_until(seeds: std::ops::Range<u64>, work: impl Fn(u64) -> bool + Sync) {
    let next = AtomicU64::new(seeds.start);
    let enough = AtomicBool::new(false);
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    if work(seed) {
                        enough.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn whatever_happens_nothing_is_lost_nothing_is_made_twice_and_every_outcome_is_true() {
    if let Some(seed) = number("SEED") {
        let done = one(seed, None);
        println!("{:?} {:#?}", done.tally, done.lives.len());
        return;
    }
    let counts: Mutex<BTreeMap<&str, u64>> = Mutex::default();
    let seeds = number("SCHEDULES").unwrap_or(SCHEDULES);
    on_all_cores(0..seeds, |seed| {
        let done = one(seed, None);
        let power = |death: Option<Death>| death.is_some_and(|death| death.unwritten > 0);
        let died = done
            .lives
            .iter()
            .filter(|life| life.death.is_some())
            .count();
        let cut = done.lives.iter().filter(|life| power(life.death)).count();
        let lost: usize = done.lives.iter().map(|life| life.results_lost).sum();
        let mut counts = counts.lock().unwrap();
        for (what, count) in [
            ("rows", done.results.len() as u64),
            ("failed", done.tally.failed()),
            ("inferred", done.tally.inferred),
            ("taken back", done.tally.taken_back),
            ("deaths", died as u64),
            ("power cuts", cut as u64),
            ("results lost by them", lost as u64),
        ] {
            *counts.entry(what).or_insert(0) += count;
        }
    });
    let counts = counts.into_inner().unwrap();
    println!("{seeds} schedules: {counts:?}");
    // They are about something: much goes wrong in them, and little of it makes rows fail.
    assert_eq!(counts["rows"], seeds * source::ROWS as u64);
    assert!(counts["failed"] * 4 < counts["rows"]);
    assert!(counts["inferred"] > seeds);
    assert!(counts["deaths"] > seeds);
    assert!(counts["power cuts"] > seeds / 2);
    assert!(counts["results lost by them"] > seeds / 4);
    assert!(counts["taken back"] > seeds / 10);
}

#[test]
fn the_same_seed_is_the_same_run_bit_for_bit() {
    on_all_cores(0..40, |seed| {
        let (one, other) = (one(seed, None), one(seed, None));
        assert_eq!(one.log, other.log);
        assert_eq!(one.calls, other.calls);
        assert_eq!(one.virtual_seconds, other.virtual_seconds);
        assert!(!one.journal.is_empty() || one.lives.len() == 1);
        assert_eq!(one.journal, other.journal);
    });
}
