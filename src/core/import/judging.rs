//! Owns the way of rows to the caller's own rules and back: a question among the events, which the caller answers when it
//! gets there.

use tokio::sync::{mpsc, oneshot};

use super::Event;
use crate::row::{Columns, Judged, OwnRules, Remark, SeenRow, seen};
use crate::source::Record;

type Answer = Result<Vec<Remark>, String>;

/// Rows that the caller's own rules are to judge. Dropping it ends the reading.
#[derive(Debug)]
pub struct Judging {
    rows: Vec<SeenRow>,
    answer: oneshot::Sender<Answer>,
}

/// Where the answer comes.
#[derive(Debug)]
pub struct Awaited(oneshot::Receiver<Answer>);

impl Judging {
    /// A question about rows, and where its answer comes.
    pub fn of(rows: Vec<SeenRow>) -> (Self, Awaited) {
        let (answer, awaited) = oneshot::channel();
        (Self { rows, answer }, Awaited(awaited))
    }

    pub fn rows(&self) -> &[SeenRow] {
        &self.rows
    }

    /// What the rules say, or why one of them failed.
    pub fn answer(self, answer: Result<Vec<Remark>, String>) {
        // Nobody waits any more where the run has ended.
        let _ = self.answer.send(answer);
    }
}

impl Awaited {
    /// Waits on a thread that may wait.
    ///
    /// # Errors
    /// When a rule failed, or nobody answers any more.
    pub fn wait(self) -> Result<Vec<Remark>, String> {
        self.0.blocking_recv().map_err(|_| unanswered())?
    }

    /// The same without blocking; nothing is lost if it is dropped before it is done.
    async fn come(&mut self) -> Answer {
        (&mut self.0).await.map_err(|_| unanswered())?
    }
}

fn unanswered() -> String {
    "nobody asks the rules any more".into()
}

/// The caller's own rules, asked by events. For threads that may wait.
#[derive(Clone, Debug)]
pub(super) struct AskedByEvents(pub(super) mpsc::Sender<Event>);

impl OwnRules for AskedByEvents {
    fn judge(&self, rows: Vec<SeenRow>) -> Result<Vec<Remark>, String> {
        let (judging, awaited) = Judging::of(rows);
        let asked = self.0.blocking_send(Event::Judge(judging));
        asked.map_err(|_| unanswered())?;
        awaited.wait()
    }
}

/// Records on their way through the rules, for readers that must not block and may be dropped between any two steps.
#[derive(Default)]
pub(super) struct Stage {
    records: Vec<Record>,
    awaited: Option<Awaited>,
}

impl Stage {
    /// Whether records are under way.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Takes records in, when none are under way.
    pub(super) fn put(&mut self, records: Vec<Record>) {
        self.records = records;
    }

    /// Asks, waits, and gives the records out again.
    pub(super) async fn judged(
        &mut self,
        columns: &Columns,
        events: &mpsc::Sender<Event>,
    ) -> Result<(Vec<Record>, Judged), String> {
        let awaited = match &mut self.awaited {
            Some(awaited) => awaited,
            None => {
                let place = events.reserve().await.map_err(|_| unanswered())?;
                let (judging, awaited) = Judging::of(seen(columns, &self.records));
                place.send(Event::Judge(judging));
                self.awaited.insert(awaited)
            }
        };
        let remarks = awaited.come().await;
        self.awaited = None;
        Ok((std::mem::take(&mut self.records), Judged::new(remarks?)))
    }
}
