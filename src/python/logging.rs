//! Owns the way of log records to Python's `logging`. Rust threads put them into a bounded queue; Python takes them out
//! when it pulls. Only the engine's own records are taken: HTTP libraries log what must not be seen.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::thread;

use log::{Level, LevelFilter, Log, Metadata, Record};
use pyo3::prelude::*;

use crate::exit::Busy;

/// The oldest go when nobody takes them out.
const MOST_RECORDS: usize = 10_000;

/// How often a busy queue is tried before a record is given up. Never waited for: see [`crate::runtime`] on forks.
const TRIES: usize = 1_000;

struct Queued {
    level: Level,
    message: String,
}

struct Queue(Mutex<VecDeque<Queued>>);

static QUEUE: Queue = Queue(Mutex::new(VecDeque::new()));

impl Queue {
    fn lock(&self) -> Option<MutexGuard<'_, VecDeque<Queued>>> {
        for _ in 0..TRIES {
            match self.0.try_lock() {
                Ok(guard) => return Some(guard),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => thread::yield_now(),
            }
        }
        None
    }
}

impl Log for Queue {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("workos_importer")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let queued = Queued {
            level: record.level(),
            message: record.args().to_string(),
        };
        if let Some(mut queue) = self.lock() {
            if queue.len() >= MOST_RECORDS {
                queue.pop_front();
            }
            queue.push_back(queued);
        }
    }

    fn flush(&self) {}
}

/// Makes this the process's logger, unless another extension with the same engine did.
pub fn install() {
    if log::set_logger(&QUEUE).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}

/// Hands the records that wait to the logger `workos_importer`, and takes over its level.
#[pyfunction]
pub fn drain_logs(py: Python<'_>) -> PyResult<()> {
    let _busy = Busy::begin()?;
    let logger = py
        .import("logging")?
        .call_method1("getLogger", ("workos_importer",))?;
    let level: i64 = logger.call_method0("getEffectiveLevel")?.extract()?;
    log::set_max_level(match level {
        ..10 => LevelFilter::Trace,
        10..20 => LevelFilter::Debug,
        20..30 => LevelFilter::Info,
        30..40 => LevelFilter::Warn,
        _ => LevelFilter::Error,
    });
    let waiting = match QUEUE.lock() {
        Some(mut queue) => std::mem::take(&mut *queue),
        None => VecDeque::new(),
    };
    for record in waiting {
        let level = match record.level {
            Level::Error => 40,
            Level::Warn => 30,
            Level::Info => 20,
            Level::Debug => 10,
            Level::Trace => 5,
        };
        logger.call_method1("log", (level, "%s", record.message))?;
    }
    Ok(())
}
