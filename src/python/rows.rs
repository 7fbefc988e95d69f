//! Owns the two ends of a check: sources and listeners on the engine's threads, and the caller's thread that answers
//! them. Only the latter touches Python: the caller's rows are pulled on the caller's own thread, where Ctrl-C is felt.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyList;
use workos_importer_core::import::Judging;
use workos_importer_core::row::{Issue, OwnRules, Remark, SeenRow};
use workos_importer_core::source::{Dialect, Handed, Record, RecordBuilder, Source, SourceError};

use crate::tables::{self, Table};
use crate::{cells, errors, events, judging};

/// How long one wait lasts before Python's signals are looked at.
const SLICE: Duration = Duration::from_millis(50);

/// How many issues cross the boundary at once, and how many such bundles may wait.
const ISSUES: usize = 256;
const BUNDLES: usize = 4;

/// What the engine's threads ask of the caller's.
#[derive(Debug)]
enum Asked {
    Issues(Vec<Issue>),
    /// The next rows are wanted; none mean the end.
    Rows(SyncSender<Handed>),
    /// The caller's own rules are to judge rows.
    Judge(Judging),
}

/// The engine's end. When all of its clones are gone, the check is over.
#[derive(Clone, Debug)]
pub struct Caller {
    asked: SyncSender<Asked>,
    /// Python has raised: the check is to end.
    stopped: Arc<AtomicBool>,
}

/// The caller's end.
pub struct Desk {
    asked: Receiver<Asked>,
    stopped: Arc<AtomicBool>,
}

/// Both ends.
pub fn ends() -> (Caller, Desk) {
    let (sender, asked) = sync_channel(BUNDLES);
    let stopped = Arc::new(AtomicBool::new(false));
    (
        Caller {
            asked: sender,
            stopped: Arc::clone(&stopped),
        },
        Desk { asked, stopped },
    )
}

impl Caller {
    /// Tells issues.
    pub fn tell(&self, issues: Vec<Issue>) {
        // The caller answers until this end is gone.
        let _ = self.asked.send(Asked::Issues(issues));
    }

    /// Asks for the next rows.
    fn ask(&self) -> Receiver<Handed> {
        let (sender, answer) = sync_channel(1);
        let _ = self.asked.send(Asked::Rows(sender));
        answer
    }

    /// Waits for rows that were asked for.
    fn rows(&self, asked: &Receiver<Handed>) -> Result<Handed, SourceError> {
        let rows = asked.recv().map_err(|_| stopped())?;
        self.look()?;
        Ok(rows)
    }

    /// Whether the check is to go on.
    ///
    /// # Errors
    /// When Python has raised.
    pub fn look(&self) -> Result<(), SourceError> {
        if self.stopped.load(Ordering::Relaxed) {
            Err(stopped())
        } else {
            Ok(())
        }
    }
}

impl OwnRules for Caller {
    fn judge(&self, rows: Vec<SeenRow>) -> Result<Vec<Remark>, String> {
        let (judging, awaited) = Judging::of(rows);
        let _ = self.asked.send(Asked::Judge(judging));
        let remarks = awaited.wait()?;
        self.look().map_err(|error| error.to_string())?;
        Ok(remarks)
    }
}

/// Never seen: what Python raised is raised in its place.
fn stopped() -> SourceError {
    SourceError::Other("stopped".into())
}

impl Desk {
    /// Answers until the check is over. `pull` gives how many rows came before and the next ones; `take` gets lists of
    /// issues; `judge` gets what the caller's own rules are to judge.
    ///
    /// # Errors
    /// What Python raised, a signal's exception included; the check has ended then too.
    pub fn answer(
        self,
        py: Python<'_>,
        pull: Option<&Bound<'_, PyAny>>,
        take: &Bound<'_, PyAny>,
        judge: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let mut raised = None;
        let mut receiver = self.asked;
        loop {
            // A receiver may be moved to other threads but not shared with them, so it goes in and comes out.
            let asked;
            (receiver, asked) = py.detach(move || {
                let asked = receiver.recv_timeout(SLICE);
                (receiver, asked)
            });
            let done = match asked {
                Err(RecvTimeoutError::Disconnected) => break,
                // Nothing of Python is called any more once something was raised; senders that are dropped say so.
                Ok(_) if raised.is_some() => Ok(()),
                Err(RecvTimeoutError::Timeout) if raised.is_some() => Ok(()),
                Err(RecvTimeoutError::Timeout) => py.check_signals(),
                Ok(Asked::Issues(issues)) => hand_over(py, take, &issues),
                Ok(Asked::Judge(judging)) => judged(py, judge, judging),
                Ok(Asked::Rows(answer)) => pulled(pull).map(|rows| {
                    let _ = answer.send(rows);
                }),
            };
            if let Err(error) = done {
                self.stopped.store(true, Ordering::Relaxed);
                raised = Some(error);
            }
        }
        raised.map_or(Ok(()), Err)
    }
}

fn hand_over(py: Python<'_>, take: &Bound<'_, PyAny>, issues: &[Issue]) -> PyResult<()> {
    let issues: PyResult<Vec<_>> = issues
        .iter()
        .map(|issue| events::issue(py, issue))
        .collect();
    take.call1((issues?,))?;
    // Native callbacks run no Python code in which a signal would be noticed.
    py.check_signals()
}

fn judged(py: Python<'_>, judge: Option<&Bound<'_, PyAny>>, judging: Judging) -> PyResult<()> {
    let Some(judge) = judge else { return Ok(()) };
    let judging = Bound::new(py, judging::Judging::new(judging))?;
    let done = judge.call1((&judging,)).map(drop);
    if done.is_err() {
        // What was raised may hold the question as long as it lives, and the reading waits for an answer.
        judging.get().fail("a rule ended with an error".into());
    }
    done
}

fn pulled(pull: Option<&Bound<'_, PyAny>>) -> PyResult<Handed> {
    let Some(pull) = pull else {
        return Ok(Handed::Mappings(Vec::new()));
    };
    let (before, rows): (u64, Bound<'_, PyAny>) = pull.call0()?.extract()?;
    handed(&rows, before)
}

/// What Python hands over: a list of mappings, of which `before` came earlier; a `Table`; or the names of columns and a list
/// of their values.
pub fn handed(rows: &Bound<'_, PyAny>, before: u64) -> PyResult<Handed> {
    if let Ok(rows) = rows.cast::<PyList>() {
        return Ok(Handed::Mappings(cells::rows(rows, before)?));
    }
    if let Ok(table) = rows.cast::<Table>() {
        return Ok(table.get().hand_on(rows.py()));
    }
    let Ok((names, columns)) = rows.extract::<(Vec<String>, Bound<'_, PyList>)>() else {
        let what = "Rows are a list, a table, or columns";
        return Err(errors::run(rows.py(), "internal", what));
    };
    tables::columns(names, &columns)
}

/// Bundles issues on their way to the caller.
pub struct Bundle {
    caller: Caller,
    waiting: Vec<Issue>,
}

impl Bundle {
    pub fn new(caller: Caller) -> Self {
        Self {
            caller,
            waiting: Vec::new(),
        }
    }

    /// Who the issues go to.
    pub fn caller(&self) -> Caller {
        self.caller.clone()
    }

    pub fn tell(&mut self, issue: Issue) {
        self.waiting.push(issue);
        if self.waiting.len() >= ISSUES {
            self.caller.tell(std::mem::take(&mut self.waiting));
        }
    }

    /// Hands over what waits.
    pub fn flush(self) {
        if !self.waiting.is_empty() {
            self.caller.tell(self.waiting);
        }
    }
}

/// A source that ends when Python has raised something, Ctrl-C included.
pub struct Watched {
    pub inner: Box<dyn Source>,
    pub caller: Caller,
}

impl Source for Watched {
    fn columns(&self) -> &[String] {
        self.inner.columns()
    }

    fn columns_grow(&self) -> bool {
        self.inner.columns_grow()
    }

    fn next_batch(&mut self, max: usize) -> Result<Vec<Record>, SourceError> {
        self.caller.look()?;
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

/// Rows that the caller's thread pulls out of Python.
pub struct Pulled {
    caller: Caller,
    builder: RecordBuilder,
    ready: VecDeque<Record>,
    /// The caller's thread pulls the next rows while these are checked.
    ahead: Option<Receiver<Handed>>,
    ended: bool,
}

impl Pulled {
    /// The first rows are asked for here, so that the columns are known.
    ///
    /// # Errors
    /// When Python raised.
    pub fn open(caller: Caller) -> Result<Self, SourceError> {
        let mut opened = Self {
            caller,
            builder: RecordBuilder::default(),
            ready: VecDeque::new(),
            ahead: None,
            ended: false,
        };
        opened.fetch()?;
        Ok(opened)
    }

    fn fetch(&mut self) -> Result<(), SourceError> {
        while self.ready.is_empty() && !self.ended {
            let asked = self.ahead.take().unwrap_or_else(|| self.caller.ask());
            let rows = self.caller.rows(&asked)?;
            self.ended = rows.is_empty();
            self.ready.extend(self.builder.records(rows)?);
        }
        Ok(())
    }
}

impl Source for Pulled {
    fn columns(&self) -> &[String] {
        self.builder.columns()
    }

    fn columns_grow(&self) -> bool {
        self.builder.columns_grow()
    }

    fn next_batch(&mut self, max: usize) -> Result<Vec<Record>, SourceError> {
        self.fetch()?;
        if self.ahead.is_none() && !self.ended {
            self.ahead = Some(self.caller.ask());
        }
        let count = self.ready.len().min(max);
        Ok(self.ready.drain(..count).collect())
    }

    fn rewind(&mut self) -> Result<bool, SourceError> {
        Ok(false)
    }
}
