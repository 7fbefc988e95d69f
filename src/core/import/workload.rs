//! Owns how much an import has to do: rows that have not ended, the writes that they need, and the least time for those.

use super::prepare::GoingOn;
use crate::directory::workos::Limits;
use crate::journal::outcome::Outcome;
use crate::row::Mode;

/// Rows of earlier attempts of a run that this one does not look at again, and how many of them have failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Before {
    pub(super) ended: u64,
    pub(super) failed: u64,
}

impl Before {
    pub(super) fn of(going_on: Option<&GoingOn>) -> Self {
        let Some(going_on) = going_on else {
            return Self::default();
        };
        let ended: u64 = going_on.info.outcomes.values().sum();
        let failed = going_on.info.outcome(Outcome::Failed);
        // Those that are tried again have not ended.
        match going_on.retry {
            true => Self {
                ended: ended - failed,
                failed: 0,
            },
            false => Self { ended, failed },
        }
    }

    /// How many of so many rows are left. Where rows are known one by one, those that have ended may have left the source:
    /// then all of them.
    pub(super) fn left_of(self, rows: u64, knows_rows: bool) -> u64 {
        match knows_rows {
            true => rows,
            false => rows.saturating_sub(self.ended),
        }
    }
}

/// The writes that a new row needs.
pub(super) fn writes_per_row(mode: &Mode) -> u64 {
    match mode {
        Mode::SingleOrganization(_) | Mode::MultiOrganization => 2,
        Mode::UserOnly | Mode::Others { .. } => 1,
    }
}

/// The least time in which the limits let this many writes through, in seconds.
pub(super) fn least_seconds(writes: u64, limits: &Limits) -> f64 {
    writes as f64 / limits.writes.per_second()
}
