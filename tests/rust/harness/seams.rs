//! Owns the places where a test of the tests steps between the parts of a run: every one of them is a trait of the
//! core's own, so that no code of the core has to know of it.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use workos_importer_core::directory::Directory;
use workos_importer_core::engine::{Disagreement, Rows, Sink, Tally};
use workos_importer_core::journal::outcome::RowResult;
use workos_importer_core::journal::{FailedBefore, Journal};
use workos_importer_core::row::RowIdentity;
use workos_importer_sandbox::Sandbox;

use super::lives::Known;
use super::{Collected, InlineRows};

pub trait Seams: Send + Sync {
    /// Stands before the directory; `None` leaves it.
    fn directory<'a>(
        &'a self,
        _inner: &'a dyn Directory,
        _journal: &'a Journal,
        _sandbox: &'a Sandbox,
    ) -> Option<Box<dyn Directory + 'a>> {
        None
    }

    /// Stands before the source.
    fn rows(&self, inner: InlineRows) -> Box<dyn Rows> {
        Box::new(inner)
    }

    /// The journal was opened again, and knows this.
    fn reopened(&self, _journal: &Journal, _known: &Known) {}

    /// A result is about to be handed over.
    fn told(&self, _journal: &Journal, _result: &RowResult) {}
}

/// The caller of a run, with the seams before it.
pub(super) struct Listening<'a> {
    pub(super) inner: &'a mut Collected,
    pub(super) journal: &'a Journal,
    pub(super) seams: Option<&'a dyn Seams>,
    /// Rows that have ended.
    pub(super) ended: &'a AtomicU64,
}

#[async_trait]
impl Sink for Listening<'_> {
    fn failed_before(
        &mut self,
        identity: &RowIdentity,
        failure: &FailedBefore,
    ) -> Result<(), String> {
        self.inner.failed_before(identity, failure)
    }

    fn write_down(&mut self, result: &RowResult) -> Result<Option<u64>, String> {
        self.inner.write_down(result)
    }

    async fn row(&mut self, result: &RowResult) {
        if let Some(seams) = self.seams {
            seams.told(self.journal, result);
        }
        self.inner.row(result).await;
    }

    async fn disagreement(&mut self, disagreement: Disagreement) {
        self.inner.disagreement(disagreement).await;
    }

    fn tally(&mut self, tally: &Tally) {
        self.ended.store(tally.rows_ended(), Ordering::Relaxed);
        self.inner.tally(tally);
    }
}
