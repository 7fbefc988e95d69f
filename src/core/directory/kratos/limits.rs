//! Owns in which windows Kratos' calls count. Kratos documents no limit: without one of the caller's own nothing is counted,
//! and a kind of call pauses only where a proxy turns it away.

use crate::directory::Write;
use crate::pace::{Call, Limit, Turn, WindowIndex};

pub(super) const WRITES: WindowIndex = WindowIndex(0);
const READS: WindowIndex = WindowIndex(1);

pub(super) const OF_WRITES: &[WindowIndex] = &[WRITES];
const OF_READS: &[WindowIndex] = &[READS];

/// By window index.
pub(super) fn windows(writes: Option<Limit>) -> [Option<Limit>; 2] {
    [writes, None]
}

pub(super) fn of_read(_target: &str) -> Call {
    Call::in_windows(OF_READS)
}

/// What is there already goes on before new identities begin.
pub(super) fn of_write(_write: &Write) -> Call {
    Call::in_windows(OF_WRITES)
}

/// What a batch of new identities counts in: one call, however many there are.
pub(super) fn of_batch() -> Call {
    Call {
        turn: Turn::Begins,
        ..Call::in_windows(OF_WRITES)
    }
}
