//! Owns one pass over the rows: which are under way, in which order, what becomes of each result, and how the run
//! comes to its end.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::pin;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};

use super::drive::{Driven, Finished, RegisteredRow};
use super::{
    Claimed, DRAIN, Disagreement, Ended, Engine, Halt, MaxErrors, ReadRow, Rows, Sink, Tally,
};
use crate::directory::relabel;
use crate::journal::outcome::{Outcome, RowResult};
use crate::journal::{Before, EndedRow, JournalError, Registration};
use crate::row::{Step, StepKey};

/// The last row of each subject that is under way: rows of one subject go one after another, in the order of reading.
type LastOf = HashMap<StepKey, (u64, oneshot::Receiver<()>)>;

/// After how many rows the counters are noted: a kill loses what came after.
const COUNTED_EVERY: u64 = 256;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    First,
    /// Only the rows that were set aside.
    Parked,
}

/// A run that comes to its end: why, and when what is in flight is dropped.
struct Ending {
    why: Ended,
    deadline: Instant,
}

impl Ending {
    fn new(why: Ended) -> Self {
        Self {
            why,
            deadline: Instant::now() + DRAIN,
        }
    }
}

impl Engine<'_> {
    pub(super) async fn pass(
        &self,
        rows: &mut dyn Rows,
        sink: &mut dyn Sink,
        tally: &mut Tally,
        mut halt: watch::Receiver<Halt>,
        pass: Pass,
    ) -> Ended {
        let mut waiting: VecDeque<RegisteredRow> = VecDeque::new();
        let mut under_way = FuturesUnordered::new();
        // Rows that ended while an earlier result was being handed over; no row is started as long as there are any.
        let mut held: VecDeque<Driven> = VecDeque::new();
        let mut last_of = LastOf::new();
        let mut at_end = false;
        let mut reading = None;
        let mut ending: Option<Ending> = None;
        // Rows that were begun have been put back: they have no outcome.
        let mut leaves_begun = false;
        loop {
            if ending.is_none() && held.is_empty() {
                while under_way.len() < self.rows_in_flight {
                    let Some(row) = waiting.pop_front() else {
                        break;
                    };
                    let (done, predecessor) = chain(&mut last_of, &row.row);
                    under_way.push(self.drive(row, predecessor, done));
                }
            }
            let drained = under_way.is_empty() && held.is_empty();
            if drained && (ending.is_some() || (at_end && waiting.is_empty())) {
                let why = why(ending, Ended::Complete);
                if why != Ended::TooManyErrors || leaves_begun || !waiting.is_empty() {
                    return why;
                }
                let end = self.end_of_errors(rows, (pass, at_end, reading), sink, tally);
                return until_halted(end, &mut halt).await.unwrap_or(why);
            }
            let deadline = ending.as_ref().map(|ending| ending.deadline);
            let mut driven = None;
            let mut batch = None;
            tokio::select! {
                biased;
                level = halted(&mut halt, ending.is_some()) => {
                    if level == Halt::Now {
                        return why(ending, Ended::Halted);
                    }
                    self.end(&mut ending, Ended::Halted);
                }
                () = at(deadline) => return why(ending, Ended::Halted),
                one = next_driven(&mut held, &mut under_way) => driven = Some(one),
                read = rows.next(), if !at_end && ending.is_none() && waiting.is_empty() => {
                    batch = Some(read);
                }
            }
            let mut stop = None;
            if let Some(driven) = driven {
                leaves_begun |= matches!(driven.finished, Finished::PutBack);
                let handed_over = self.finish(driven, &mut last_of, sink, tally);
                let handed_over = meanwhile(handed_over, &mut under_way, &mut held, &mut halt);
                match handed_over.await {
                    Some(Ok(())) => {}
                    Some(Err(ended)) => stop = Some(ended),
                    None => return why(ending, Ended::Halted),
                }
            }
            match batch {
                None => {}
                Some(Err(error)) => stop = Some(Ended::Source(error)),
                Some(Ok(batch)) => {
                    at_end = batch.is_empty();
                    let taken_in = self.take_in(batch, pass, &mut reading, sink, tally);
                    match meanwhile(taken_in, &mut under_way, &mut held, &mut halt).await {
                        Some(Ok(rows)) => waiting.extend(rows),
                        Some(Err(ended)) => stop = Some(ended),
                        None => return why(ending, Ended::Halted),
                    }
                }
            }
            let Some(stop) = stop.or_else(|| self.too_many_errors(tally)) else {
                continue;
            };
            // What is in flight ends: its answers are worth knowing. Where no answer comes any more, or nothing can be
            // done with it, the run ends at once.
            if matches!(
                stop,
                Ended::Key(_) | Ended::Unreachable(_) | Ended::Journal(_) | Ended::Output(_)
            ) {
                return stop;
            }
            self.end(&mut ending, stop);
        }
    }

    /// The run comes to its end: what was begun is brought to its own, and the other rows are put back. The first
    /// reason counts.
    fn end(&self, ending: &mut Option<Ending>, why: Ended) {
        if ending.is_none() {
            *ending = Some(Ending::new(why));
            self.ending.send_replace(true);
        }
    }

    /// Registers a batch in the order of reading, and lets records that failed by themselves end.
    async fn take_in(
        &self,
        batch: Vec<ReadRow>,
        pass: Pass,
        reading: &mut Option<i64>,
        sink: &mut dyn Sink,
        tally: &mut Tally,
    ) -> Result<Vec<RegisteredRow>, Ended> {
        let mut rows = Vec::with_capacity(batch.len());
        let batch = self.numbered(batch, reading, tally.rows_read).await?;
        let batch = match pass {
            Pass::First => {
                tally.rows_read += batch.len() as u64;
                self.still_open(batch, sink).await?
            }
            Pass::Parked => batch,
        };
        for read in batch {
            match read {
                ReadRow::Invalid {
                    identity, error, ..
                } if pass == Pass::First => {
                    let result = RowResult {
                        identity: *identity,
                        outcome: Outcome::Failed,
                        steps: Vec::new(),
                        error: Some(error),
                        at: self.clock.now(),
                    };
                    let noted = EndedRow::of(&result, Vec::new());
                    self.record(&result, noted, sink, tally).await?;
                }
                ReadRow::Invalid { .. } => {}
                ReadRow::Claimed(row) => rows.push(*row),
            }
        }
        if pass == Pass::Parked {
            let numbers: Vec<u64> = rows.iter().map(|row| row.identity.record_number).collect();
            let parked = self
                .journal
                .ask(move |store| {
                    numbers
                        .into_iter()
                        .map(|number| store.unpark(number))
                        .collect::<Result<Vec<_>, _>>()
                })
                .await?;
            let mut parked = parked.into_iter();
            rows.retain(|_| parked.next().unwrap_or(false));
            let known = |row| RegisteredRow { row, is_new: false };
            return Ok(rows.into_iter().map(known).collect());
        }
        Ok(self.register(rows, sink).await?)
    }

    /// Gives rows that are known by what they say the numbers that the journal has for them.
    pub(super) async fn numbered(
        &self,
        mut batch: Vec<ReadRow>,
        reading: &mut Option<i64>,
        rows_before: u64,
    ) -> Result<Vec<ReadRow>, Ended> {
        let digests: Vec<_> = batch.iter().map(ReadRow::digest).collect();
        if digests.iter().all(Option::is_none) {
            return Ok(batch);
        }
        let (begun, may_add) = (*reading, !self.only_known);
        let (now, numbers) = self
            .journal
            .ask(move |store| {
                let reading = match begun {
                    Some(reading) => reading,
                    None => store.begin_reading()?,
                };
                let numbers = digests.iter().map(|digest| match digest {
                    Some(digest) => store.number_row(digest, reading, may_add),
                    None => Ok(None),
                });
                Ok((reading, numbers.collect::<rusqlite::Result<Vec<_>>>()?))
            })
            .await?;
        *reading = Some(now);
        for (read, (number, place)) in batch
            .iter_mut()
            .zip(numbers.into_iter().zip(rows_before + 1..))
        {
            match number {
                Some(number) => read.renumber(number),
                None if read.digest().is_some() => {
                    return Err(Ended::SourceChanged(format!(
                        "row {place} of the source is not among its rows"
                    )));
                }
                None => {}
            }
        }
        Ok(batch)
    }

    /// Leaves out the rows that ended in an earlier attempt of the run.
    pub(super) async fn still_open(
        &self,
        batch: Vec<ReadRow>,
        sink: &mut dyn Sink,
    ) -> Result<Vec<ReadRow>, Ended> {
        if !self.goes_on {
            return Ok(batch);
        }
        let numbers: Vec<u64> = batch
            .iter()
            .map(|read| read.identity().record_number)
            .collect();
        let before = self
            .journal
            .ask(move |store| store.before(&numbers))
            .await?;
        let mut open = Vec::new();
        for (read, before) in batch.into_iter().zip(before) {
            match before {
                Before::Done => {}
                Before::Failed(failure) if !self.retries => {
                    let told = sink.failed_before(read.identity(), &failure);
                    told.map_err(Ended::Output)?;
                }
                Before::Open | Before::Failed(_) => open.push(read),
            }
        }
        Ok(open)
    }

    async fn register(
        &self,
        mut rows: Vec<Claimed>,
        sink: &mut dyn Sink,
    ) -> Result<Vec<RegisteredRow>, JournalError> {
        let mut are_new = vec![false; rows.len()];
        let mut registrations = Vec::new();
        let mut places = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            for (step_index, step) in row.steps.iter().enumerate() {
                let Some(key) = step.key() else { continue };
                let fields = if step.kind == row.subject {
                    row.fields
                } else {
                    None
                };
                let label = step.label().map(str::to_owned);
                registrations.push(Registration {
                    key,
                    record_number: row.identity.record_number,
                    fields,
                    label,
                });
                places.push((index, step_index));
            }
        }
        let (registrations, registered) = self
            .journal
            .ask(move |store| {
                let registered = registrations.iter().map(|one| store.register(one));
                let registered = registered.collect::<rusqlite::Result<Vec<_>>>()?;
                Ok((registrations, registered))
            })
            .await?;
        for ((registration, registered), (index, step_index)) in
            registrations.into_iter().zip(registered).zip(places)
        {
            let is_about = registration.key.kind == rows[index].subject;
            are_new[index] |= is_about && registered.is_new;
            if registered.same_fields && registered.other_label.is_none() {
                continue;
            }
            let row = &mut rows[index];
            if let Some(label) = &registered.other_label {
                // The name that counts is the one that was read first, whichever row comes to make the object.
                relabel(&mut row.steps[step_index].claim, label);
            }
            sink.disagreement(Disagreement {
                key: registration.key,
                record_number: registration.record_number,
                line: row.identity.line,
                first_record: registered.first_record,
                label: registered.other_label,
            })
            .await;
        }
        let rows = rows.into_iter().zip(are_new);
        let registered = rows.map(|(row, is_new)| RegisteredRow { row, is_new });
        Ok(registered.collect())
    }

    async fn finish(
        &self,
        driven: Driven,
        last_of: &mut LastOf,
        sink: &mut dyn Sink,
        tally: &mut Tally,
    ) -> Result<(), Ended> {
        if let Some(key) = &driven.subject {
            let last = last_of.get(key);
            if last.is_some_and(|(record, _)| *record == driven.record_number) {
                last_of.remove(key);
            }
        }
        match driven.finished {
            Finished::Ended { result, noted } => self.record(&result, *noted, sink, tally).await,
            // What it made until then is counted when it ends.
            Finished::Parked | Finished::PutBack => Ok(()),
            Finished::Stop(ended) => Err(ended),
        }
    }

    /// A row's result is noted, counted and handed over: once.
    async fn record(
        &self,
        result: &RowResult,
        noted: EndedRow,
        sink: &mut dyn Sink,
        tally: &mut Tally,
    ) -> Result<(), Ended> {
        tally.ended(result);
        tally.lookups = self.memo.lookups();
        let length = sink.write_down(result).map_err(Ended::Output)?;
        self.journal.note(move |store| {
            store.outcome(&noted)?;
            length.map_or(Ok(()), |length| store.note_error_length(length))
        })?;
        if tally.rows_ended().is_multiple_of(COUNTED_EVERY) {
            let counters = self.counters(tally, self.earlier.warnings);
            self.journal
                .note(move |store| store.note_counters(&counters, None))?;
        }
        sink.row(result).await;
        sink.tally(tally);
        Ok(())
    }

    fn too_many_errors(&self, tally: &Tally) -> Option<Ended> {
        let ended = tally.rows_ended();
        let exceeded = match self.options.max_errors? {
            MaxErrors::Count(most) => tally.failed() > most,
            MaxErrors::Percent(most) => {
                ended >= 100 && tally.failed() as f64 * 100.0 > most * ended as f64
            }
        };
        exceeded.then_some(Ended::TooManyErrors)
    }
}

/// Puts a row behind the last one of the same subject.
fn chain(
    last_of: &mut LastOf,
    row: &Claimed,
) -> (oneshot::Sender<()>, Option<oneshot::Receiver<()>>) {
    let (done, ended) = oneshot::channel();
    let subject = row.steps.iter().find(|step| step.kind == row.subject);
    let key = subject.and_then(Step::key);
    let predecessor = key.and_then(|key| last_of.insert(key, (row.identity.record_number, ended)));
    (done, predecessor.map(|(_, receiver)| receiver))
}

fn why(ending: Option<Ending>, otherwise: Ended) -> Ended {
    ending.map_or(otherwise, |ending| ending.why)
}

/// The next row that ended; never, while none is under way.
async fn next_driven<F: Future<Output = Driven>>(
    held: &mut VecDeque<Driven>,
    under_way: &mut FuturesUnordered<F>,
) -> Driven {
    if let Some(driven) = held.pop_front() {
        return driven;
    }
    match under_way.next().await {
        Some(driven) => driven,
        None => std::future::pending().await,
    }
}

/// Lets the rows under way go on while something is handed over: a caller who is slow to take results must not make
/// answers come too late to be read. `None`: the run is to stop at once.
async fn meanwhile<T, F: Future<Output = Driven>>(
    work: impl Future<Output = T>,
    under_way: &mut FuturesUnordered<F>,
    held: &mut VecDeque<Driven>,
    halt: &mut watch::Receiver<Halt>,
) -> Option<T> {
    let mut work = pin!(work);
    loop {
        tokio::select! {
            biased;
            result = &mut work => return Some(result),
            _ = halted(halt, true) => return None,
            Some(driven) = under_way.next(), if !under_way.is_empty() => held.push_back(driven),
        }
    }
}

/// Lets something end that is not made of rows, in the time that a run has for it once it is asked to stop.
pub(super) async fn until_halted<T>(
    work: impl Future<Output = T>,
    halt: &mut watch::Receiver<Halt>,
) -> Option<T> {
    let mut work = pin!(work);
    let mut deadline = None;
    loop {
        tokio::select! {
            biased;
            level = halted(halt, deadline.is_some()) => {
                if level == Halt::Now {
                    return None;
                }
                deadline = Some(Instant::now() + DRAIN);
            }
            () = at(deadline) => return None,
            result = &mut work => return Some(result),
        }
    }
}

/// Resolves at an instant; never, where there is none.
pub(super) async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Resolves when the run is asked to stop; while it drains, only when it is asked to stop at once.
pub(super) async fn halted(halt: &mut watch::Receiver<Halt>, draining: bool) -> Halt {
    let least = if draining { Halt::Now } else { Halt::Drain };
    loop {
        let level = *halt.borrow_and_update();
        if level >= least {
            return level;
        }
        if halt.changed().await.is_err() {
            // Nobody can ask any more.
            return std::future::pending().await;
        }
    }
}
