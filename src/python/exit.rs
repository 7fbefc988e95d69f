//! Owns what threads do when the interpreter ends. A daemon thread that asks for the interpreter's lock by then is ended on
//! the spot (before Python 3.14); in the middle of native code, that aborts the process. So by then no thread is in here
//! for longer than it takes to look something up.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use std::time::Duration;

use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;

/// How many threads of which process are where they give the interpreter's lock away and ask for it again.
static BUSY: AtomicUsize = AtomicUsize::new(0);
static PROCESS: AtomicU32 = AtomicU32::new(0);
/// Set when the interpreter ends: the thread that ends it, which may go on to the last.
static ENDING: Mutex<Option<ThreadId>> = Mutex::new(None);

/// How often the end looks whether all have come back, and how long it waits between.
const LOOKS: u32 = 200;
const PAUSE: Duration = Duration::from_millis(5);

/// A thread is in native code that waits, or calls Python. To be had, and let go of, under the interpreter's lock.
pub struct Busy(());

impl Busy {
    /// # Errors
    /// `SystemExit` where the interpreter is ending, which ends the thread silently.
    pub fn begin() -> PyResult<Self> {
        let process = std::process::id();
        if PROCESS.swap(process, Ordering::SeqCst) != process {
            // In a forked child the threads of the parent are not there.
            BUSY.store(0, Ordering::SeqCst);
        }
        let busy = Self(());
        BUSY.fetch_add(1, Ordering::SeqCst);
        busy.go_on()?;
        Ok(busy)
    }

    /// # Errors
    /// As of [`Busy::begin`].
    pub fn go_on(&self) -> PyResult<()> {
        let ending = *ENDING.lock().unwrap_or_else(PoisonError::into_inner);
        match ending.is_some_and(|thread| thread != thread::current().id()) {
            true => Err(PySystemExit::new_err(())),
            false => Ok(()),
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        BUSY.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Lets no other thread wait here any more, and gives those that do the time to come back: a second at most. To be called
/// when the interpreter ends.
#[pyfunction]
pub fn end_waits(py: Python<'_>) {
    *ENDING.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current().id());
    if PROCESS.load(Ordering::SeqCst) != std::process::id() {
        return;
    }
    for _ in 0..LOOKS {
        if BUSY.load(Ordering::SeqCst) == 0 {
            return;
        }
        // They need the lock to come back.
        py.detach(|| thread::sleep(PAUSE));
    }
}
