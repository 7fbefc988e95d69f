//! Hands on what the engine says: to the error file and the audit file, to the caller's events, to the counters of the progress line.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::event::{Event, Progress};
use super::reading::Warnings;
use crate::engine::{Disagreement, Sink, Tally};
use crate::journal::FailedBefore;
use crate::journal::outcome::{Outcome, RowResult};
use crate::report::{AuditFile, ErrorFile};
use crate::row::{Issue, IssueCode, RowIdentity, Severity};

/// What can be looked at from outside while the run goes on.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) ended: AtomicU64,
    pub(super) failed: AtomicU64,
    /// 0: not known.
    pub(super) total: AtomicU64,
    /// What was said last of where the run is; `None` before it sends, and after its end.
    told: Mutex<Option<Progress>>,
    /// It was `--stop-at` that asked the run to stop.
    pub(super) time_is_up: AtomicBool,
    /// Nobody looks at rows that did not fail.
    pub(super) only_failures: AtomicBool,
}

impl Counters {
    /// Where the run is: the counts of this moment, and what was told last of the rest.
    pub(super) fn progress(&self) -> Progress {
        let told = *self.told.lock().unwrap_or_else(PoisonError::into_inner);
        Progress {
            ended: self.ended.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            total: Some(self.total.load(Ordering::Relaxed)).filter(|total| *total > 0),
            ..told.unwrap_or_default()
        }
    }

    pub(super) fn tell(&self, progress: Progress) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
    }

    pub(super) fn has_ended(&self) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

pub(super) struct Reporter {
    pub(super) events: mpsc::Sender<Event>,
    pub(super) warnings: Warnings,
    pub(super) counters: Arc<Counters>,
    pub(super) errors: Option<Errors>,
    pub(super) audit: Option<AuditFile>,
}

/// The error file of the run.
pub(super) struct Errors {
    pub(super) file: ErrorFile,
    /// Where it is, as the journal has it.
    pub(super) path: String,
    /// It holds the rows that failed in earlier attempts already.
    pub(super) has_earlier: bool,
    /// Its length is noted with each row, so that another attempt can go on with it.
    pub(super) is_tracked: bool,
}

#[async_trait]
impl Sink for Reporter {
    fn failed_before(
        &mut self,
        identity: &RowIdentity,
        failure: &FailedBefore,
    ) -> Result<(), String> {
        match &mut self.errors {
            Some(errors) if !errors.has_earlier => errors
                .file
                .add_earlier(identity, failure)
                .map_err(cannot_be_written),
            _ => Ok(()),
        }
    }

    fn write_down(&mut self, result: &RowResult) -> Result<Option<u64>, String> {
        if let Some(audit) = &mut self.audit {
            audit
                .add(result)
                .map_err(|error| format!("the audit file cannot be written: {error}"))?;
        }
        let Some(errors) = &mut self.errors else {
            return Ok(None);
        };
        let before = errors.file.length();
        errors.file.add(result).map_err(cannot_be_written)?;
        let length = errors.file.length();
        Ok(length.filter(|_| errors.is_tracked && length != before))
    }

    async fn row(&mut self, result: &RowResult) {
        for remark in result.steps.iter().filter_map(|step| step.remark.as_ref()) {
            let issue = Issue {
                severity: Severity::Warning,
                code: IssueCode::MoreThanNamed,
                record_number: Some(result.identity.record_number),
                record_id: result.identity.record_id().map(|id| id.into_owned()),
                line: result.identity.line,
                column: None,
                message: remark.clone(),
            };
            self.warnings.tell(issue).await;
        }
        let only_failures = self.counters.only_failures.load(Ordering::Relaxed);
        if only_failures && result.outcome != Outcome::Failed {
            return;
        }
        // A caller that is gone stops the run by other means.
        let _ = self.events.send(Event::Row(Box::new(result.clone()))).await;
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
            record_id: None,
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

fn cannot_be_written(error: io::Error) -> String {
    format!("the error file cannot be written: {error}")
}
