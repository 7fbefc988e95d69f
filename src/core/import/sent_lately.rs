//! Owns what earlier runs have sent so lately that it still counts in the API's windows: a restart must send no second burst.

use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::again::Identity;
use super::runs::{FoundRun, runs};
use crate::journal::Store;

/// When the directory may have counted, at the latest, each of the writes of all runs in this environment that can still
/// count in a window of `period`; none was waited for longer than `longest`. What cannot be read is passed over.
pub(super) fn sent_lately(
    run_dir: Option<&Path>,
    identity: &Identity,
    period: Duration,
    longest: Duration,
) -> Vec<Timestamp> {
    let now = Timestamp::now();
    // The oldest that can count left this long ago, and was counted just before its answer was given up.
    let oldest = period + longest;
    let Ok(since) = now.checked_sub(oldest) else {
        return Vec::new();
    };
    let lately = runs(run_dir)
        .into_iter()
        .filter(|run| was_written(run, oldest) && identity.same_environment(&run.info));
    let sent = lately
        .filter_map(|run| {
            Store::open(&run.journal())
                .and_then(|store| store.sent_since(since))
                .ok()
        })
        .flatten();
    sent.map(|(left, answered)| answered.unwrap_or_else(|| given_up(left, longest)).min(now))
        .filter(|counted| now.duration_since(*counted).unsigned_abs() < period)
        .collect()
}

/// When the answer of a write that left at `left` was no longer waited for.
fn given_up(left: Timestamp, longest: Duration) -> Timestamp {
    left.checked_add(longest).unwrap_or(left)
}

/// Whether anything was written to the journal within the last `period`: only then it is worth reading.
fn was_written(run: &FoundRun, period: Duration) -> bool {
    ["journal.sqlite3", "journal.sqlite3-wal"]
        .iter()
        .filter_map(|name| run.folder.join(name).metadata().ok()?.modified().ok())
        .any(|at| SystemTime::now().duration_since(at).unwrap_or_default() <= period)
}

/// How long ago each of them was, seen from now.
pub(super) fn ages(sent: &[Timestamp]) -> Vec<Duration> {
    let now = Timestamp::now();
    sent.iter()
        .map(|at| Duration::try_from(now.duration_since(*at)).unwrap_or_default())
        .collect()
}
