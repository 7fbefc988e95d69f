//! Owns in which windows Kratos' calls count, and how long a batch may take. Kratos documents no limit: without one of the
//! caller's own nothing is counted, and a kind of call pauses only where a proxy turns it away.

use std::time::Duration;

use crate::directory::Write;
use crate::pace::{Call, Limit, Turn, WindowIndex};

/// How long a batch may take before its answer counts as lost: so long Kratos' admin port has to answer (its
/// `cmd/daemon/serve.go`, `WriteTimeout`). It hashes the passwords of a batch one after another, 200 of them in most of a
/// minute with bcrypt of its default cost.
pub const BATCH_TIMEOUT: Duration = Duration::from_secs(120);

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
