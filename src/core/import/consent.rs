//! Owns the caller's consent: before anything is written into a live environment the caller can be asked, and whoever says
//! no finds everything as it was.

use std::fs;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::StartError;
use super::event::{Event, Started};
use super::figures::Figures;
use super::outputs::{audit_file_of, error_file_of};
use super::prepare::{Prepared, is_asked};
use super::run::unless_halted;
use super::workload::Before;
use crate::engine::Halt;
use crate::row::Mode;

impl Prepared {
    /// Tells the caller what is about to be done, and waits for the answer, where one is wanted and there is anything to
    /// do; then makes what had to wait for it. Returns whether the run goes on. `begun` does not count the wait.
    ///
    /// # Errors
    /// When the error file or the audit file cannot be made.
    pub(super) async fn agreed(
        &mut self,
        mode: &Mode,
        halt: &watch::Receiver<Halt>,
        confirmed: watch::Receiver<Option<bool>>,
        figures: &mut Figures,
        begun: &mut Instant,
    ) -> Result<bool, StartError> {
        if !is_asked(&self.options, &self.connection) {
            return Ok(true);
        }
        let before = Before::of(self.going_on.as_ref());
        let left = figures
            .total
            .map(|rows| before.left_of(rows, self.knows_rows));
        // A run that goes on with no rows can still have users to take back.
        let idle = left == Some(0) && !self.options.require_membership;
        if !figures.strict_failed && !idle {
            let asked = Instant::now();
            let what = self.started(mode, left, left);
            let answer = unless_halted(halt, ask(self.events.clone(), what, confirmed)).await;
            *begun += asked.elapsed();
            // Who stops the run and answers in the same moment has stopped it.
            let halted = *halt.borrow() >= Halt::Drain;
            let answer = answer.filter(|_| !halted);
            if answer != Some(true) {
                figures.declined = answer.is_some();
                self.forget();
                return Ok(false);
            }
        }
        let errors = error_file_of(&self.options, &self.folder, self.going_on.as_ref())?;
        self.errors = Some(errors);
        self.audit = audit_file_of(&self.options, &self.folder, self.going_on.as_ref())?;
        Ok(true)
    }

    /// Removes the folder of a run that has not begun; one that was there before stays as it was.
    fn forget(&self) {
        if self.going_on.is_some() {
            return;
        }
        if let Err(error) = fs::remove_dir_all(&self.folder.path) {
            log::warn!("{}: cannot be removed: {error}", self.folder.path.display());
        }
    }
}

/// What the caller says to what is about to be done; who is gone says no.
async fn ask(
    events: mpsc::Sender<Event>,
    what: Started,
    mut confirmed: watch::Receiver<Option<bool>>,
) -> bool {
    let _ = events.send(Event::Asks(Box::new(what))).await;
    match confirmed.wait_for(Option::is_some).await {
        Ok(answer) => *answer == Some(true),
        Err(_) => false,
    }
}
