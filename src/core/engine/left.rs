//! Whether a run that has too many errors leaves any row: one whose every row has ended was not stopped.

use super::pass::Pass;
use super::{Ended, Engine, Rows, Sink, Tally};

impl Engine<'_> {
    /// How a pass ends that has too many errors, once all of its rows that were begun have ended. `at`: which pass, whether
    /// the source has been read, and which reading of it this is.
    pub(super) async fn end_of_errors(
        &self,
        rows: &mut dyn Rows,
        at: (Pass, bool, Option<i64>),
        sink: &mut dyn Sink,
        tally: &mut Tally,
    ) -> Ended {
        match self.leaves_any(rows, at, sink, tally).await {
            Ok(true) => Ended::TooManyErrors,
            Ok(false) => Ended::Complete,
            Err(ended) => ended,
        }
    }

    /// Reads on up to the first row that has no outcome.
    async fn leaves_any(
        &self,
        rows: &mut dyn Rows,
        (pass, at_end, mut reading): (Pass, bool, Option<i64>),
        sink: &mut dyn Sink,
        tally: &mut Tally,
    ) -> Result<bool, Ended> {
        if self.journal.ask(|store| store.has_parked()).await? {
            return Ok(true);
        }
        if pass == Pass::Parked || at_end {
            return Ok(false);
        }
        loop {
            let batch = rows.next().await.map_err(Ended::Source)?;
            if batch.is_empty() {
                return Ok(false);
            }
            let batch = self.numbered(batch, &mut reading, tally.rows_read).await?;
            tally.rows_read += batch.len() as u64;
            if !self.still_open(batch, sink).await?.is_empty() {
                return Ok(true);
            }
        }
    }
}
