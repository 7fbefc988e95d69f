//! Owns the caller of a simulated run: keeps what it is told, and may be slow or broken.

use std::time::Duration;

use async_trait::async_trait;
use workos_importer_core::engine::{Disagreement, Sink, Tally};
use workos_importer_core::journal::FailedBefore;
use workos_importer_core::journal::outcome::RowResult;
use workos_importer_core::row::RowIdentity;

#[derive(Default)]
pub struct Collected {
    pub results: Vec<RowResult>,
    pub disagreements: Vec<Disagreement>,
    pub tallies: Vec<Tally>,
    /// How long it takes over each result.
    pub pause: Duration,
    /// Keeps no result: only the counts are looked at.
    pub forgets: bool,
    /// After so many results it fails.
    pub breaks_after: Option<usize>,
}

#[async_trait]
impl Sink for Collected {
    fn failed_before(
        &mut self,
        _identity: &RowIdentity,
        _failure: &FailedBefore,
    ) -> Result<(), String> {
        Ok(())
    }

    fn write_down(&mut self, _result: &RowResult) -> Result<Option<u64>, String> {
        if self
            .breaks_after
            .is_some_and(|most| self.results.len() >= most)
        {
            return Err("the error file cannot be written: no space left".into());
        }
        Ok(None)
    }

    async fn row(&mut self, result: &RowResult) {
        if !self.forgets {
            self.results.push(result.clone());
        }
        if !self.pause.is_zero() {
            tokio::time::sleep(self.pause).await;
        }
    }

    async fn disagreement(&mut self, disagreement: Disagreement) {
        self.disagreements.push(disagreement);
    }

    fn tally(&mut self, tally: &Tally) {
        // Only the latest: a hundred thousand of them would be the test's own weight.
        self.tallies.clear();
        self.tallies.push(tally.clone());
    }
}
