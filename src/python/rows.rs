//! Owns the sources of a check as it runs on the caller's own thread: files that are read while Ctrl-C is looked for,
//! and rows that are pulled out of Python.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyList;
use workos_importer_core::row::Issue;
use workos_importer_core::source::{Dialect, Record, RecordBuilder, Source, SourceError};

use crate::{cells, events};

const SLICE: Duration = Duration::from_millis(50);

/// How many issues cross the boundary at once.
const ISSUES: usize = 256;

/// Where issues go, and what Python raised: the check itself cannot carry an exception.
#[derive(Clone)]
pub struct Listener(Arc<Mutex<Heard>>);

struct Heard {
    take: Py<PyAny>,
    waiting: Vec<Issue>,
    raised: Option<PyErr>,
}

impl Listener {
    /// `take` is called with lists of issues.
    pub fn new(take: Py<PyAny>) -> Self {
        Self(Arc::new(Mutex::new(Heard { take, waiting: Vec::new(), raised: None })))
    }

    pub fn tell(&self, issue: Issue) {
        let mut heard = self.heard();
        heard.waiting.push(issue);
        if heard.waiting.len() >= ISSUES {
            drop(heard);
            self.flush();
        }
    }

    /// Hands over what waits.
    pub fn flush(&self) {
        let waiting = std::mem::take(&mut self.heard().waiting);
        if waiting.is_empty() || self.heard().raised.is_some() {
            return;
        }
        // The lock is not held here: Python code may do anything.
        let handed = Python::attach(|py| {
            let take = self.heard().take.clone_ref(py);
            let issues: PyResult<Vec<_>> = waiting.iter().map(|issue| events::issue(py, issue)).collect();
            take.call1(py, (issues?,)).map(drop)
        });
        if let Err(error) = handed {
            self.heard().raised = Some(error);
        }
    }

    /// What Python raised, if it did.
    pub fn raised(&self) -> Option<PyErr> {
        self.heard().raised.take()
    }

    /// Keeps an exception, and gives the check a reason to end.
    fn stop(&self, error: PyErr) -> SourceError {
        self.heard().raised = Some(error);
        self.stopped()
    }

    fn stopped(&self) -> SourceError {
        SourceError::Other("stopped".into())
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A source that ends when Python has raised something, Ctrl-C included.
pub struct Watched {
    pub inner: Box<dyn Source>,
    pub listener: Listener,
    pub looked: Instant,
}

impl Source for Watched {
    fn columns(&self) -> &[String] {
        self.inner.columns()
    }

    fn columns_grow(&self) -> bool {
        self.inner.columns_grow()
    }

    fn next_batch(&mut self, max: usize) -> Result<Vec<Record>, SourceError> {
        if self.listener.heard().raised.is_some() {
            return Err(self.listener.stopped());
        }
        if self.looked.elapsed() >= SLICE {
            self.looked = Instant::now();
            Python::attach(|py| py.check_signals()).map_err(|error| self.listener.stop(error))?;
        }
        self.inner.next_batch(max)
    }

    fn rewind(&mut self) -> Result<bool, SourceError> {
        self.inner.rewind()
    }

    fn warnings(&self) -> &[String] {
        self.inner.warnings()
    }

    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }
}

/// Rows out of Python; `pull` returns how many came before, and the next ones.
pub struct Pulled {
    pull: Py<PyAny>,
    listener: Listener,
    builder: RecordBuilder,
    ready: VecDeque<Record>,
    ended: bool,
}

impl Pulled {
    /// The first rows are pulled here, so that the columns are known.
    pub fn open(pull: Py<PyAny>, listener: Listener) -> Result<Self, SourceError> {
        let mut opened =
            Self { pull, listener, builder: RecordBuilder::default(), ready: VecDeque::new(), ended: false };
        opened.fetch()?;
        Ok(opened)
    }

    fn fetch(&mut self) -> Result<(), SourceError> {
        while self.ready.is_empty() && !self.ended {
            let pulled = Python::attach(|py| {
                let (before, rows): (u64, Bound<'_, PyList>) = self.pull.bind(py).call0()?.extract()?;
                cells::rows(&rows, before)
            });
            let rows = pulled.map_err(|error| self.listener.stop(error))?;
            self.ended = rows.is_empty();
            let builder = &mut self.builder;
            self.ready.extend(rows.into_iter().filter_map(|row| builder.record(None, row)));
        }
        Ok(())
    }
}

impl Source for Pulled {
    fn columns(&self) -> &[String] {
        self.builder.columns()
    }

    fn columns_grow(&self) -> bool {
        true
    }

    fn next_batch(&mut self, max: usize) -> Result<Vec<Record>, SourceError> {
        self.fetch()?;
        let count = self.ready.len().min(max);
        Ok(self.ready.drain(..count).collect())
    }

    fn rewind(&mut self) -> Result<bool, SourceError> {
        Ok(false)
    }
}
