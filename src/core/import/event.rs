//! Owns what an import tells its caller while it runs and when it ends.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::comparison::Comparison;
use super::judging::Judging;
use crate::journal::outcome::RowResult;
use crate::journal::{UNDOING, UNDONE};
use crate::row::Issue;

/// What happened, in order.
#[derive(Debug)]
pub enum Event {
    /// The import knows what it will do; the first event.
    Started(Box<Started>),
    /// The caller's consent is wanted ([`super::Import::confirm`]), before anything is written: what the run would do
    /// with the rows that are left. Comes only where [`super::ImportOptions::asks_first`] says so, and before
    /// [`Event::Started`].
    Asks(Box<Started>),
    /// Something is odd; the row goes on.
    Warning(Issue),
    /// A row ended.
    Row(Box<RowResult>),
    /// The caller's rows are wanted ([`super::Import::feed`]); `rewind`: from the first one again.
    WantRows { rewind: bool },
    /// The caller's own rules are to judge rows. Comes only where [`super::ImportOptions::rules`] names some.
    Judge(Judging),
    /// What a comparison found; comes before the last event.
    Compared(Box<Comparison>),
    /// The import is over; the last event.
    Ended(Box<Summary>),
}

/// The first line of what is printed, in parts.
#[derive(Clone, Debug, Serialize)]
pub struct Started {
    pub run_id: String,
    /// `user-only`, `single-org`, `multi-org`.
    pub mode: String,
    /// The sentence that is printed for the mode.
    pub mode_sentence: String,
    /// Records in the source; `None` where that cannot be known before reading it (a pipe, a generator).
    pub rows: Option<u64>,
    /// The key is that of a live environment.
    pub live: bool,
    /// Writes that are allowed in each window, and its length in seconds; `None` without limits.
    pub write_limit: Option<(u32, f64)>,
    /// The share that is left to the application (0 to 1).
    pub headroom: f64,
    /// The least time that the limits allow, in seconds.
    pub least_seconds: Option<f64>,
    /// What has to be said of earlier runs: that one goes on, or that this one is new although there was another.
    pub note: Option<String>,
    /// Where the journal is.
    pub folder: PathBuf,
}

/// How an import ended, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Status {
    Success,
    #[serde(rename = "Completed with errors")]
    CompletedWithErrors,
    Failed,
    Stopped,
    Interrupted,
    #[serde(rename = "Dry run")]
    DryRun,
    /// What the run had made is being taken back, and that has not come to its end.
    Undoing,
    Undone,
}

impl Status {
    /// As the summary prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::CompletedWithErrors => "Completed with errors",
            Self::Failed => "Failed",
            Self::Stopped => "Stopped",
            Self::Interrupted => "Interrupted",
            Self::DryRun => "Dry run",
            Self::Undoing => UNDOING,
            Self::Undone => UNDONE,
        }
    }
}

/// Why an import ended before its last row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stopped {
    /// `interrupted`, `declined`, `stop_at`, `max_errors`, `strict`, `auth`, `api`, `journal`, `output`, `source`, `organization`.
    pub kind: &'static str,
    /// What happened and what to do.
    pub message: String,
}

/// The figures of a run. Counts are of rows unless they say otherwise.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    pub run_id: String,
    pub status: Status,
    pub mode: String,
    /// Records of the source; of those that were read, where the source cannot be counted before.
    pub total: u64,
    /// Rows that did not fail.
    pub imported: u64,
    pub created: u64,
    pub updated: u64,
    pub unchanged: u64,
    pub failed: u64,
    pub pending: u64,
    pub memberships_created: u64,
    pub organizations_created: u64,
    /// Users who were there, differ from their row, and were left as they are.
    pub differing: u64,
    /// Rows whose answer was lost, and whose write was found by reading back.
    pub inferred: u64,
    /// Users that `--require-membership` took back.
    pub users_deleted: u64,
    pub warnings: u64,
    /// Multi-org only: rows whose organization was known, and organizations that the API was asked for.
    pub cache_hits: Option<u64>,
    pub cache_misses: Option<u64>,
    /// How many calls were made, by name.
    pub api_calls: BTreeMap<String, u64>,
    /// Calls that the API turned away with 429; how often calls paused because of that, and for how long in all.
    pub turned_away: u64,
    pub pauses: u64,
    pub paused_seconds: f64,
    /// For how long the API was away.
    pub away_seconds: f64,
    pub duration_seconds: f64,
    pub stopped: Option<Stopped>,
    /// Said when nothing was sent because an earlier run had done it all.
    pub note: Option<String>,
    /// 0, 1, 2, 3, 4 or 130, as documented.
    pub exit_code: i32,
    pub folder: PathBuf,
    pub errors_out: Option<PathBuf>,
    pub results_out: Option<PathBuf>,
}

/// Where a running import is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    pub ended: u64,
    pub failed: u64,
    pub total: Option<u64>,
    /// Rows that end in a second, of late; `None` as long as none has ended.
    pub rate: Option<f64>,
    /// In how many seconds the last row ends; `None` where that is not known: at the very beginning, where the number of
    /// rows is not known, and while the API is away.
    pub eta_seconds: Option<f64>,
    /// `None` before anything was sent, and after the end.
    pub pace: Option<PaceNow>,
}

/// Where the pace of a running import is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PaceNow {
    /// Writes that are allowed in a window, and its length in seconds; `None` without limits.
    pub write_limit: Option<(u32, f64)>,
    /// The share (0 to 1) that is left to the application.
    pub headroom: f64,
    /// The share of the limit that is used: less than all of it for a while after a 429.
    pub share: f64,
    pub in_flight: u64,
    /// 429s of this attempt, and how often calls paused because of them.
    pub turned_away: u64,
    pub pauses: u64,
    /// For how many seconds more calls pause after a 429.
    pub paused_for: Option<f64>,
    /// For how many seconds the API has been away, and in how many the next call tries whether it is back.
    pub away_for: Option<f64>,
    pub next_try_in: Option<f64>,
}
