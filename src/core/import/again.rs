//! Owns whether an import is an earlier run again: by the content of its source or by the run's name, by the options that
//! shape the result, by the target and the environment.

use std::path::Path;

use super::StartError;
use super::fingerprint::{ContentDigest, environment};
use super::options::{Again, ImportOptions};
use super::runs::{FoundRun, runs};
use super::target::{Environment, Target};
use crate::journal::RunInfo;
use crate::secret::Secret;

/// By what a run is known again.
pub(super) struct Identity {
    /// `None`: the source can be read only once, or its rows are known one by one.
    pub(super) content: Option<ContentDigest>,
    /// The name that the caller gave to the run.
    pub(super) name: Option<String>,
    /// JSON of the options that shape the result.
    pub(super) options: String,
    pub(super) target: String,
    base_url: String,
    api_key: Secret,
}

impl Identity {
    pub(super) fn of(
        content: Option<ContentDigest>,
        name: Option<String>,
        options: String,
        target: &Target,
    ) -> Self {
        let Environment {
            target,
            base_url,
            key,
        } = target.environment();
        Self {
            content,
            name,
            options,
            target: target.to_owned(),
            base_url,
            api_key: key,
        }
    }

    /// What the journal of a run with this key stores of the environment.
    pub(super) fn environment(&self, key: &[u8; 32]) -> [u8; 32] {
        environment(key, &self.base_url, self.api_key.expose())
    }

    pub(super) fn same_environment(&self, info: &RunInfo) -> bool {
        info.target == self.target && info.environment == self.environment(&info.key)
    }

    pub(super) fn same_content(&self, info: &RunInfo) -> bool {
        match (&self.content, &info.source_digest) {
            (Some(content), Some(digest)) => content.keyed(&info.key) == *digest,
            _ => false,
        }
    }
}

/// What an import is, seen against the runs before it.
pub(super) enum Earlier {
    /// A new run; what has to be said about an earlier one.
    New(Option<String>),
    /// The same again, which did not come to its end, or in which rows failed; or one whose rows are known one by one.
    GoesOn { run: Box<FoundRun>, retry: bool },
    /// The same again, and all of it is done.
    Done(Box<FoundRun>),
}

/// Compares an import with the runs before it, the latest first.
pub(super) fn earlier(run_dir: Option<&Path>, identity: &Identity, source: &str) -> Earlier {
    if let Some(name) = &identity.name {
        return earlier_of_name(run_dir, identity, name);
    }
    if identity.content.is_none() {
        return Earlier::New(None);
    }
    let mut said = None;
    for run in runs(run_dir) {
        if run.info.knows_rows() || !identity.same_environment(&run.info) {
            continue;
        }
        let same_content = identity.same_content(&run.info);
        let same_options = run.info.options == identity.options;
        if same_content && same_options && run.is_undone() {
            let id = run.info.id;
            return Earlier::New(Some(format!(
                "{source}: run {id} was undone: new run; what is already there is kept"
            )));
        }
        if same_content && same_options {
            return match (run.is_whole(), run.failed()) {
                (true, 0) => Earlier::Done(Box::new(run)),
                (whole, _) => Earlier::GoesOn {
                    run: Box::new(run),
                    retry: whole,
                },
            };
        }
        if said.is_none() && run.info.source == source {
            let what = if same_content {
                "the options have changed"
            } else {
                "it has changed"
            };
            said = Some(format!(
                "{source}: {what} since run {}: new run; what is already there is kept",
                run.info.id
            ));
        }
    }
    Earlier::New(said)
}

/// Runs of one name are one run for as long as options and environment are the same.
fn earlier_of_name(run_dir: Option<&Path>, identity: &Identity, name: &str) -> Earlier {
    let mut said = None;
    for run in runs(run_dir) {
        if run.info.name.as_deref() != Some(name) {
            continue;
        }
        let what = match identity.same_environment(&run.info) {
            true if run.is_undone() => {
                let id = run.info.id;
                return Earlier::New(Some(format!(
                    "run {id} was undone: new run; what is already there is kept"
                )));
            }
            true if run.info.options == identity.options => {
                let retry = run.is_whole();
                let run = Box::new(run);
                return Earlier::GoesOn { run, retry };
            }
            true => "the options have changed",
            false => "the key or the base URL has changed",
        };
        said.get_or_insert_with(|| {
            let id = run.info.id;
            format!("{what} since run {id}: new run; what is already there is kept")
        });
    }
    Earlier::New(said)
}

/// A run that was named: refused where going on would not be the same run.
pub(super) fn checked(
    run: FoundRun,
    identity: &Identity,
    options: &ImportOptions,
) -> Result<Earlier, StartError> {
    let refuse = |what: &str| {
        let (run, what) = (run.info.id.clone(), what.to_owned());
        Err(StartError::SourceChanged { run, what })
    };
    if run.is_undone() {
        return Err(StartError::Undone(format!(
            "Run {} was undone, and does not go on. `import` begins a new run.",
            run.info.id
        )));
    }
    let knows_rows = run.info.knows_rows();
    if !knows_rows && !identity.same_content(&run.info) {
        return refuse(&format!("{} has changed since", run.info.source));
    }
    if !identity.same_environment(&run.info) && !options.new_key {
        return refuse("the key or the base URL is another one (after a key rotation: --new-key)");
    }
    // Of rows that are known one by one it shows only when they are read.
    if !knows_rows && run.is_whole() && run.failed() == 0 {
        return Ok(Earlier::Done(Box::new(run)));
    }
    Ok(Earlier::GoesOn {
        run: Box::new(run),
        retry: matches!(options.again, Again::Retry(_)),
    })
}

/// What is said of a run that goes on.
pub(super) fn goes_on(run: &FoundRun, retry: bool) -> String {
    let ended: u64 = run.info.outcomes.values().sum();
    let id = &run.info.id;
    let failed = run.failed();
    match run.info.total {
        _ if retry && failed > 0 => {
            let rows = if failed == 1 { "row is" } else { "rows are" };
            format!("Run {id} goes on: {failed} failed {rows} tried again.")
        }
        Some(total) if ended < total => {
            format!("Run {id} goes on: {ended} of {total} rows have ended.")
        }
        _ => format!("Run {id} goes on: {ended} rows have ended."),
    }
}
