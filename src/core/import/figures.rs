//! Makes a run's figures out of the engine's tally: status, summary, exit code, and what ended it in words.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::event::{Status, Stopped, Summary};
use super::options::ImportOptions;
use super::runs::FoundRun;
use crate::engine::{Ended, Tally};
use crate::journal::outcome::{Effect, Outcome};
use crate::journal::{JournalError, RunInfo, Store, UNDOING, UNDONE, Waits};
use crate::row::Kind;
use crate::source::Format;

/// What the summary is made of beside the tally.
pub(super) struct Figures {
    pub(super) run_id: String,
    pub(super) mode: String,
    pub(super) total: Option<u64>,
    pub(super) warnings: Arc<AtomicU64>,
    pub(super) folder: PathBuf,
    pub(super) errors_out: Option<PathBuf>,
    pub(super) results_out: Option<PathBuf>,
    pub(super) calls: BTreeMap<String, u64>,
    pub(super) waits: Waits,
    pub(super) strict_failed: bool,
    /// A stop that was asked for was asked for by `--stop-at`.
    pub(super) time_is_up: bool,
    /// The caller was asked before anything was written, and said no.
    pub(super) declined: bool,
    /// The options name the organization by its WorkOS id: it is not made if it is missing.
    pub(super) organization_by_id: bool,
    /// What to say of a source without rows.
    pub(super) no_rows: &'static str,
}

impl Figures {
    fn imported(tally: &Tally) -> u64 {
        tally.outcome(Outcome::Created)
            + tally.outcome(Outcome::Updated)
            + tally.outcome(Outcome::Unchanged)
    }

    pub(super) fn status(&self, ended: &Ended, tally: &Tally) -> Status {
        if self.strict_failed {
            return Status::Failed;
        }
        match ended {
            Ended::Complete => match (Self::imported(tally), tally.failed()) {
                (0, _) => Status::Failed,
                (_, 0) => Status::Success,
                _ => Status::CompletedWithErrors,
            },
            Ended::Halted if self.time_is_up || self.declined => Status::Stopped,
            Ended::Halted => Status::Interrupted,
            Ended::Key(_) | Ended::Source(_) | Ended::SourceChanged(_) | Ended::Prelude(_) => {
                Status::Failed
            }
            Ended::TooManyErrors | Ended::Unreachable(_) | Ended::Journal(_) | Ended::Output(_) => {
                Status::Stopped
            }
        }
    }

    fn stopped(&self, ended: &Ended, tally: &Tally) -> Option<(Stopped, i32)> {
        let stopped = |kind, message: String, code| Some((Stopped { kind, message }, code));
        if self.strict_failed && *ended == Ended::Complete {
            return stopped(
                "strict",
                "Nothing was sent: --strict, and the source has errors.".into(),
                1,
            );
        }
        match ended {
            Ended::Complete if tally.rows_read == 0 => stopped("empty", self.no_rows.to_owned(), 1),
            Ended::Complete => None,
            Ended::Halted if self.time_is_up => stopped(
                "stop_at",
                "The time that --stop-at names has come. Import the same file again to go on."
                    .into(),
                4,
            ),
            Ended::Halted if self.declined => stopped("declined", "Nothing was sent.".into(), 1),
            Ended::Halted => stopped(
                "interrupted",
                "The run was interrupted. Import the same file again to go on.".into(),
                130,
            ),
            Ended::TooManyErrors => stopped(
                "max_errors",
                format!(
                    "{} rows failed: --max-errors stops the run. Import the same file again to go on.",
                    tally.failed()
                ),
                4,
            ),
            Ended::Key(error) => stopped(
                "auth",
                format!(
                    "The API does not accept the key (HTTP {}): {}",
                    error.status(),
                    error.message
                ),
                3,
            ),
            Ended::Unreachable(message) => stopped("api", message.clone(), 4),
            Ended::Journal(message) => stopped(
                "journal",
                format!(
                    "The journal in {} cannot be written: {message}",
                    self.folder.display()
                ),
                4,
            ),
            Ended::Output(message) => stopped("output", message.clone(), 4),
            Ended::Source(message) => stopped("source", message.clone(), 2),
            Ended::SourceChanged(what) => stopped(
                "source_changed",
                format!(
                    "Run {} cannot go on: {what}. `run` begins a new run; what is already there is kept.",
                    self.run_id
                ),
                2,
            ),
            Ended::Prelude(error) => {
                let not_found = error.code == "org_resolution";
                let advice = match (not_found, self.organization_by_id) {
                    (true, false) => " Add --create-org-if-missing --org-name \"…\".",
                    (true, true) => " Nothing was imported. Check --org-id.",
                    (false, _) => "",
                };
                stopped(
                    "organization",
                    format!("{}.{advice}", error.message.trim_end_matches('.')),
                    if not_found { 2 } else { 4 },
                )
            }
        }
    }

    pub(super) fn summary(&self, ended: Ended, tally: &Tally, duration_seconds: f64) -> Summary {
        let total = self
            .total
            .unwrap_or(tally.rows_read)
            .max(tally.rows_ended());
        let multi = self.mode == "multi-org";
        let (stopped, code) = self.stopped(&ended, tally).unzip();
        Summary {
            run_id: self.run_id.clone(),
            status: self.status(&ended, tally),
            mode: self.mode.clone(),
            total,
            imported: Self::imported(tally),
            created: tally.outcome(Outcome::Created),
            updated: tally.outcome(Outcome::Updated),
            unchanged: tally.outcome(Outcome::Unchanged),
            failed: tally.failed(),
            pending: total - tally.rows_ended(),
            memberships_created: tally.effect(Kind::Membership, Effect::Created),
            organizations_created: tally.created.get(&Kind::Organization).copied().unwrap_or(0),
            differing: tally.differing,
            inferred: tally.inferred,
            users_deleted: tally.taken_back,
            warnings: self.warnings.load(Ordering::Relaxed),
            cache_hits: multi.then(|| tally.hits()),
            cache_misses: multi.then_some(tally.lookups),
            api_calls: self.calls.clone(),
            turned_away: self.waits.turned_away,
            pauses: self.waits.pauses,
            paused_seconds: self.waits.paused_seconds,
            away_seconds: self.waits.away_seconds,
            duration_seconds,
            stopped,
            exit_code: code.unwrap_or(i32::from(tally.failed() > 0 || Self::imported(tally) == 0)),
            note: None,
            folder: self.folder.clone(),
            errors_out: self.errors_out.clone(),
            results_out: self.results_out.clone(),
        }
    }
}

/// The figures of a run, as its journal has them.
pub(super) fn recorded(run: &FoundRun) -> Result<Summary, JournalError> {
    let kept = Store::open(&run.journal())?.kept(false)?;
    let counters = run.info.counters.clone();
    let mut tally = Tally::from_earlier(kept, &counters);
    tally.rows_read = tally.rows_ended();
    let ended = match run.info.status.as_deref() {
        Some("Stopped") => Ended::Output("the run was stopped".into()),
        _ if run.is_whole() => Ended::Complete,
        _ => Ended::Halted,
    };
    let figures = Figures {
        run_id: run.info.id.clone(),
        mode: run.info.mode.clone(),
        total: run.info.total,
        warnings: Arc::new(AtomicU64::new(counters.warnings)),
        folder: run.folder.clone(),
        errors_out: None,
        results_out: None,
        calls: counters.calls,
        waits: counters.waits,
        strict_failed: false,
        time_is_up: false,
        declined: false,
        organization_by_id: false,
        no_rows: "",
    };
    let mut summary = figures.summary(ended, &tally, counters.duration_seconds);
    // Its figures stay those of the import: what it did is history.
    match run.info.status.as_deref() {
        Some(UNDOING) => summary.status = Status::Undoing,
        Some(UNDONE) => summary.status = Status::Undone,
        _ => {}
    }
    Ok(summary)
}

/// The figures of a run that had done it all, for an import that sends nothing.
pub(super) fn already_done(run: &FoundRun) -> Result<Summary, JournalError> {
    let mut summary = recorded(run)?;
    let verify = verifiable(&run.info)
        .map(|name| format!("`verify {name}` checks the directory; "))
        .unwrap_or_default();
    summary.note = Some(format!(
        "Already imported by run {} on {}: {} rows, {} failed. Nothing was sent. {verify}`--no-resume` imports again.",
        run.info.id,
        day(run.info.ended_at.as_deref().unwrap_or(&run.info.started_at)),
        summary.total,
        summary.failed
    ));
    Ok(summary)
}

/// What `verify` is to be told to compare what the run did: its file, or, where flags belong to it, the run, which knows
/// them. `None` for rows of a program.
fn verifiable(run: &RunInfo) -> Option<String> {
    run.source_digest?;
    let usual = ImportOptions::default()
        .shape(&Format::default())
        .to_string();
    if usual != run.options {
        return Some(run.id.clone());
    }
    let path = Path::new(&run.source);
    let here = std::env::current_dir().ok();
    let shown = here
        .and_then(|here| path.strip_prefix(here).ok())
        .unwrap_or(path);
    Some(shown.display().to_string())
}

/// Such as `22 Nov`.
pub(super) fn day(at: &str) -> String {
    let parsed: Option<jiff::Timestamp> = at.parse().ok();
    parsed.map_or_else(|| at.to_owned(), |at| at.strftime("%-d %b").to_string())
}
