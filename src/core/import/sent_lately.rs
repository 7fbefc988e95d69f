//! Owns what earlier runs have sent so lately that it still counts in the API's windows: a restart must send no second burst.

use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::again::Identity;
use super::runs::{FoundRun, runs};
use crate::journal::Store;

/// When the writes of all runs in this environment that are younger than `period` were about to leave. What cannot be read
/// is passed over.
pub(super) fn sent_lately(
    run_dir: Option<&Path>,
    identity: &Identity,
    period: Duration,
) -> Vec<Timestamp> {
    let now = Timestamp::now();
    let Ok(since) = now.checked_sub(period) else {
        return Vec::new();
    };
    let lately = runs(run_dir)
        .into_iter()
        .filter(|run| was_written(run, period) && identity.same_environment(&run.info));
    lately
        .filter_map(|run| {
            Store::open(&run.journal())
                .and_then(|store| store.intents_since(since))
                .ok()
        })
        .flatten()
        .collect()
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
