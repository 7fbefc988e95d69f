//! Gathers what a report shows of a run out of its journal, and writes it. Sends nothing and computes no outcome.

mod receipt;
mod settings;
mod source;
mod throughput;

use std::fs;
use std::path::Path;

use super::StartError;
use super::causes::causes_in;
use super::figures::recorded;
use super::runs::{FoundRun, found_in};
use super::watch::progress;
use crate::clock::Clock;
use crate::journal::{
    FailureExample, JournalError, OrganizationRows, OrganizationTotals, Store, UndoneCount, Verdict,
};
use crate::report::html::{Cause, Counts, Example, HtmlError, Organization, Report, Rest, Waits};
use crate::report::write_private;
use crate::row::Kind;

/// How many causes are shown, and how many rows of each.
const CAUSES: usize = 25;
const EXAMPLES: usize = 3;

/// How many organizations are shown.
const ORGANIZATIONS: usize = 15;

/// How a report is written.
#[derive(Clone, Debug, Default)]
pub struct ReportOptions<'a> {
    /// Email addresses are masked, wherever they are.
    pub redact: bool,
    /// The receipt of a verification, which the report shows too.
    pub receipt: Option<&'a Path>,
}

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error("{path}: is no receipt of `verify`: {reason}.")]
    Receipt { path: String, reason: String },
    #[error("{path}: cannot be written: {reason}.")]
    Output { path: String, reason: String },
    #[error(transparent)]
    Html(#[from] HtmlError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Writes the report on the run in this folder, which may be under way, as one HTML file that only its owner can read.
///
/// # Errors
/// When the journal or the receipt cannot be read, or the file cannot be written; what was at its path before is then
/// still there.
pub fn write_report(
    folder: &Path,
    out: &Path,
    options: &ReportOptions<'_>,
) -> Result<(), ReportError> {
    let mut report = report(&found_in(folder)?, options)?;
    if options.redact {
        report = report.redacted()?;
    }
    let page = report.to_html()?;
    let written = write_private(out, |beside| {
        fs::write(beside, page).map_err(|error| error.to_string())
    });
    written.map_err(|reason| ReportError::Output {
        path: out.display().to_string(),
        reason,
    })
}

/// What there is to show.
fn report(run: &FoundRun, options: &ReportOptions<'_>) -> Result<Report, ReportError> {
    let store = Store::open(&run.journal()).map_err(JournalError::from)?;
    let summary = recorded(run)?;
    let under_way = progress(run)?.is_some();
    let causes = causes_in(&store).map_err(JournalError::from)?;
    let (organizations, totals) = store
        .largest_organizations(ORGANIZATIONS)
        .map_err(JournalError::from)?;
    let history = store.history().map_err(JournalError::from)?;
    let throughput = throughput::of(&store, &run.info, &history).map_err(JournalError::from)?;
    let reproduction = source::reproduction(run);
    let receipt = options
        .receipt
        .map(|path| receipt::read(path, &run.info.id, reproduction.sha256.as_deref()))
        .transpose()?;
    let undone = store.undone_counts().map_err(JournalError::from)?;
    let mut calls: Vec<(String, u64)> = summary.api_calls.into_iter().collect();
    calls.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    calls.retain(|(_, count)| *count > 0);
    let other_causes = causes.iter().skip(CAUSES);
    let more_causes = Rest {
        count: causes.len().saturating_sub(CAUSES) as u64,
        rows: other_causes.map(|cause| cause.count).sum(),
        failed: 0,
    };
    let mut shown = Vec::new();
    for cause in causes.into_iter().take(CAUSES) {
        let examples = store.failure_examples(&cause.code, EXAMPLES);
        let examples = examples.map_err(JournalError::from)?;
        shown.push(Cause {
            code: cause.code,
            error_type: cause.error_type,
            count: cause.count,
            retry_helps: cause.retry_helps,
            remedy: cause.remedy,
            examples: examples.into_iter().map(example).collect(),
        });
    }
    let has_organizations = totals.organizations > 0;
    let ended = summary.total - summary.pending;
    Ok(Report {
        run_id: run.info.id.clone(),
        run_name: run.info.name.clone(),
        status: match under_way {
            true => "Under way".to_owned(),
            false => summary.status.as_str().to_owned(),
        },
        source: run.info.source.clone(),
        target: run.info.target.clone(),
        mode: summary.mode,
        counts: Counts {
            total: summary.total,
            imported: summary.imported,
            created: summary.created,
            updated: summary.updated,
            unchanged: summary.unchanged,
            failed: summary.failed,
            pending: summary.pending,
            inferred: summary.inferred,
            warnings: summary.warnings,
            differing: summary.differing,
            users_deleted: summary.users_deleted,
            memberships_created: summary.memberships_created,
            organizations_created: summary.organizations_created,
        },
        started_at: settings::moment(&run.info.started_at),
        ended_at: run.info.ended_at.as_deref().map(settings::moment),
        duration_seconds: summary.duration_seconds,
        waits: Waits {
            turned_away: summary.turned_away,
            pauses: summary.pauses,
            paused_seconds: summary.paused_seconds,
            away_seconds: summary.away_seconds,
        },
        causes: shown,
        more_causes,
        throughput,
        more_organizations: rest(&organizations, totals),
        organizations: organizations.into_iter().map(organization).collect(),
        rows_without_organization: match has_organizations {
            true => ended.saturating_sub(totals.rows),
            false => 0,
        },
        calls,
        settings: settings::of(&run.info),
        attempts: history.attempts.iter().map(settings::attempt).collect(),
        receipt,
        undone: undone.iter().map(undone_line).collect(),
        reproduction,
        redacted: false,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        written_at: settings::moment(&Clock::System.now().to_string()),
    })
}

fn example(found: FailureExample) -> Example {
    Example {
        record_number: found.record_number,
        line: found.line,
        email: found.email,
        message: found.message,
        http_status: found.http_status,
        request_id: found.request_id,
    }
}

fn organization(found: OrganizationRows) -> Organization {
    let key = found.name.as_deref().unwrap_or_default();
    let key = key.split_once(':').map_or(key, |(_, name)| name);
    Organization {
        name: found.label.unwrap_or_else(|| key.to_owned()),
        id: found.remote_id,
        rows: found.created + found.updated + found.unchanged + found.failed,
        created: found.created,
        updated: found.updated,
        unchanged: found.unchanged,
        failed: found.failed,
    }
}

/// What is left of all organizations without those that are shown.
fn rest(shown: &[OrganizationRows], totals: OrganizationTotals) -> Rest {
    let rows = |one: &OrganizationRows| one.created + one.updated + one.unchanged + one.failed;
    let failed: u64 = shown.iter().map(|one| one.failed).sum();
    Rest {
        count: totals.organizations.saturating_sub(shown.len() as u64),
        rows: totals.rows.saturating_sub(shown.iter().map(rows).sum()),
        failed: totals.failed.saturating_sub(failed),
    }
}

fn undone_line(found: &UndoneCount) -> (String, u64) {
    let kind = match found.kind {
        Kind::Organization => "Organizations",
        Kind::User => "Users",
        Kind::Membership => "Memberships",
        _ => "Others",
    };
    let what = match found.verdict {
        Verdict::Deleted => "deleted",
        Verdict::SignedIn => "left: signed in since",
        Verdict::Changed => "left: changed by others",
        Verdict::OtherMemberships => "left: with memberships of others",
        Verdict::NotEmpty => "left: not empty",
        Verdict::Inferred => "left: only inferred to be the run's",
        Verdict::Updated => "left: were there before, and were changed",
        Verdict::Refused => "left: the API did not let them go",
        Verdict::InDoubt => "left: it is not known whether they were written",
    };
    (format!("{kind} {what}"), found.count)
}
