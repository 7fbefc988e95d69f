//! Owns the Tokio runtime: one a process. A forked child gets its own; the parent's is forgotten there, never dropped,
//! because its threads did not come along.

use std::process;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::prelude::*;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::errors;

struct Slot {
    process: u32,
    runtime: Runtime,
}

/// Never freed. An atomic, not a lock: a lock that another thread holds while the process is forked stays locked in the
/// child for ever.
static SLOT: AtomicPtr<Slot> = AtomicPtr::new(ptr::null_mut());

/// This process's runtime, made when it is first asked for.
pub fn handle(py: Python<'_>) -> PyResult<Handle> {
    let seen = SLOT.load(Ordering::Acquire);
    if let Some(slot) = slot(seen) {
        return Ok(slot.runtime.handle().clone());
    }
    // One thread sends and listens. The API's limits leave it idle, files and journals have threads of their own, and a
    // second one would mostly be woken up to find that the first has done the work.
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("workos-importer")
        .enable_all()
        .build()
        .map_err(|error| {
            errors::run(
                py,
                "internal",
                &format!("No threads can be started: {error}"),
            )
        })?;
    let made = Box::into_raw(Box::new(Slot {
        process: process::id(),
        runtime,
    }));
    match SLOT.compare_exchange(seen, made, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => {}
        // Another thread was faster: its runtime is used. The one made here is idle, and dropping it waits for nothing.
        Err(_) => {
            // SAFETY: `made` comes from `Box::into_raw` just above and was given to nobody.
            let unused = unsafe { Box::from_raw(made) };
            unused.runtime.shutdown_background();
        }
    }
    match slot(SLOT.load(Ordering::Acquire)) {
        Some(slot) => Ok(slot.runtime.handle().clone()),
        None => Err(errors::run(
            py,
            "internal",
            "The runtime of another process is in the way",
        )),
    }
}

fn slot(pointer: *mut Slot) -> Option<&'static Slot> {
    // SAFETY: the pointer is null or comes from `Box::into_raw`, and what it points to is never freed or changed.
    unsafe { pointer.as_ref() }.filter(|slot| slot.process == process::id())
}
