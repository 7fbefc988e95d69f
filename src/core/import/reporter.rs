//! Hands on what the engine says: to the error file, to the caller's events, to the counters of the progress line.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::Event;
use super::reading::Warnings;
use crate::engine::{Disagreement, Sink, Tally};
use crate::journal::FailedBefore;
use crate::journal::outcome::RowResult;
use crate::report::ErrorFile;
use crate::row::{Issue, IssueCode, RowIdentity, Severity};

/// What can be looked at from outside while the run goes on.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) ended: AtomicU64,
    pub(super) failed: AtomicU64,
    /// 0: not known.
    pub(super) total: AtomicU64,
    /// It was `--stop-at` that asked the run to stop.
    pub(super) time_is_up: AtomicBool,
}

pub(super) struct Reporter {
    pub(super) events: mpsc::Sender<Event>,
    pub(super) warnings: Warnings,
    pub(super) counters: Arc<Counters>,
    pub(super) errors: Option<ErrorFile>,
}

#[async_trait]
impl Sink for Reporter {
    fn failed_before(
        &mut self,
        identity: &RowIdentity,
        failure: &FailedBefore,
    ) -> Result<(), String> {
        if let Some(file) = &mut self.errors {
            file.add_earlier(identity, failure)
                .map_err(|error| format!("the error file cannot be written: {error}"))?;
        }
        Ok(())
    }

    async fn row(&mut self, result: &RowResult) -> Result<(), String> {
        if let Some(file) = &mut self.errors {
            file.add(result)
                .map_err(|error| format!("the error file cannot be written: {error}"))?;
        }
        // A caller that is gone stops the run by other means.
        let _ = self.events.send(Event::Row(Box::new(result.clone()))).await;
        Ok(())
    }

    async fn disagreement(&mut self, disagreement: Disagreement) {
        let Disagreement {
            record_number,
            line,
            first_record,
            label,
            ..
        } = disagreement;
        let (code, message) = match label {
            Some(name) => (
                IssueCode::ConflictingOrganizationNames,
                format!(
                    "the row gives its organization another name than `{name}`, which an earlier row gives it. The first name counts"
                ),
            ),
            None => (
                IssueCode::ConflictingUserFields,
                format!(
                    "the row is about the same user as record {first_record} and says something else. The first row's fields count"
                ),
            ),
        };
        let issue = Issue {
            severity: Severity::Warning,
            code,
            record_number: Some(record_number),
            line,
            column: None,
            message,
        };
        self.warnings.tell(issue).await;
    }

    fn tally(&mut self, tally: &Tally) {
        self.counters
            .ended
            .store(tally.rows_ended(), Ordering::Relaxed);
        self.counters
            .failed
            .store(tally.failed(), Ordering::Relaxed);
    }
}
