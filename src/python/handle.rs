//! Owns what handles of running things share: they are useless in a forked child, and say so there.

use std::process;
use std::time::Duration;

use pyo3::prelude::*;

use crate::errors;

/// How long one wait lasts before Python's signals are looked at: Ctrl-C is felt within this.
pub const SLICE: Duration = Duration::from_millis(50);

/// Something that works in threads of this process.
pub struct Handle<T> {
    /// Always there; taken out only to be forgotten in a forked child.
    inner: Option<T>,
    process: u32,
}

impl<T> Handle<T> {
    pub fn new(inner: T) -> Self {
        Self {
            inner: Some(inner),
            process: process::id(),
        }
    }

    /// What it stands for.
    ///
    /// # Errors
    /// In a forked child.
    pub fn get(&self, py: Python<'_>) -> PyResult<&T> {
        match &self.inner {
            Some(inner) if self.process == process::id() => Ok(inner),
            _ => Err(errors::run(
                py,
                "forked",
                "A run cannot be used in a forked process. Start it there.",
            )),
        }
    }
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        if self.process != process::id() {
            // Its threads, locks and files belong to the parent.
            std::mem::forget(self.inner.take());
        }
    }
}
