//! Measures how much of the documented limit an import uses: the engine with its journal in memory, over a sandbox that
//! refuses whatever is over a limit in any sliding or fixed window, and, where the work does not fit one window, in a
//! bucket of 50 that fills up with 50 a second; in virtual time, with 20 to 400 ms of latency. Prints one JSON object.
//!
//! Usage: pace ROWS ORGANIZATIONS (0: users without memberships)

use std::error::Error;
use std::fmt::Write;
use std::time::{Duration, Instant};

use serde_json::json;
use workos_importer_core::directory::Remote;
use workos_importer_core::engine::Ended;
use workos_importer_sandbox::{Limits, Sandbox, Settings};

#[allow(dead_code, unused_imports)] // the engine's tests use all of it
#[path = "../tests/rust/harness/mod.rs"]
mod harness;

use harness::{Scenario, World};

const LEAST: Duration = Duration::from_millis(20);
const MOST: Duration = Duration::from_millis(400);
/// As documented: so many writes in so many seconds.
const LIMIT: (f64, f64) = (500.0, 10.0);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: pace ROWS ORGANIZATIONS";
    let rows: u64 = arguments.next().ok_or(usage)?.parse()?;
    let organizations: u64 = arguments.next().ok_or(usage)?.parse()?;
    let writes = rows * if organizations > 0 { 2 } else { 1 };

    let sandbox = Sandbox::new(Settings {
        seed: 11,
        latency: (LEAST, MOST),
        limits: Limits {
            strict: true,
            // Work that does not fit the window is spaced, and then a server that counts in buckets refuses nothing.
            bucket: (writes > 500).then_some((50, Duration::from_secs(1))),
            ..Limits::documented()
        },
        ..Settings::default()
    });
    for number in 0..organizations {
        sandbox.organization(&format!("org-{number}"), "O");
    }
    let mut scenario = Scenario::on(sandbox, &file(rows, organizations)?);
    scenario.logs = false;
    scenario.tell(move |directory| {
        directory.expect(writes);
        directory
    });
    let began = Instant::now();
    let done = scenario.run();
    let created = done.tally.outcomes.get("created").copied();
    if done.ended != Ended::Complete || created != Some(rows) {
        return Err(format!("{:?}, {created:?} rows created", done.ended).into());
    }

    let counters = scenario.sandbox.counters();
    let latency = (LEAST + MOST).as_secs_f64() / 2.0;
    let (count, period) = LIMIT;
    let rate = writes as f64 / done.virtual_seconds;
    println!(
        "{}",
        json!({
            "writes": writes,
            "virtual_seconds": done.virtual_seconds,
            "round_trips": done.virtual_seconds / latency,
            "of_the_limit": rate / (count / period),
            // A slot is used again one period and its own latency later.
            "of_the_safe_bound": rate / (count / (period + latency)),
            "refused": counters.refused_by_limit,
            "most_in_a_window": counters.most_writes_in_ten_seconds,
            "most_in_a_second": counters.most_writes_in_a_second,
            "seconds": began.elapsed().as_secs_f64(),
        })
    );
    Ok(())
}

fn file(rows: u64, organizations: u64) -> Result<String, std::fmt::Error> {
    let mut csv = String::from(match organizations {
        0 => "email\n",
        _ => "email,org_external_id\n",
    });
    for number in 0..rows {
        match organizations {
            0 => writeln!(csv, "u{number}@x.com")?,
            _ => writeln!(csv, "u{number}@x.com,org-{}", number % organizations)?,
        }
    }
    Ok(csv)
}
