//! Owns what another process can see of a run that is under way, and ask of it.

use super::StartError;
use super::beside;
use super::event::Progress;
use super::kept_pace::PaceChange;
use super::lock;
use super::runs::FoundRun;

/// Where a run is, as it says itself once a second; `None` if nobody works on it.
///
/// # Errors
/// When it cannot be told whether somebody does.
pub fn progress(run: &FoundRun) -> Result<Option<Progress>, StartError> {
    if !is_worked_on(run)? {
        return Ok(None);
    }
    let told = beside::told(&run.folder);
    // While it reads its source it says nothing yet.
    let known = || Progress {
        ended: run.info.outcomes.values().sum(),
        failed: run.failed(),
        total: run.info.total,
        ..Progress::default()
    };
    Ok(Some(told.map_or_else(known, |told| told.progress)))
}

/// A request for another pace.
pub struct PaceRequest {
    run: FoundRun,
    id: String,
}

/// Asks the process that works on a run for another pace, and returns at once.
///
/// # Errors
/// When nobody works on the run, when a value makes no sense, and when the run's folder cannot be written.
pub fn ask_for_pace(run: FoundRun, change: PaceChange) -> Result<PaceRequest, StartError> {
    change.check()?;
    if !is_worked_on(&run)? {
        return Err(StartError::NotRunning(run.info.id));
    }
    match beside::ask(&run.folder, change) {
        Ok(id) => Ok(PaceRequest { run, id }),
        Err(error) => Err(refused(&run, &error)),
    }
}

impl PaceRequest {
    /// Where the run is since it heard of the request; `None` as long as it has not.
    ///
    /// # Errors
    /// When nobody works on the run any more.
    pub fn heard(&self) -> Result<Option<Progress>, StartError> {
        let told = beside::told(&self.run.folder);
        let told = told.filter(|told| told.heard.as_ref() == Some(&self.id));
        if told.is_none() && !is_worked_on(&self.run)? {
            return Err(StartError::NotRunning(self.run.info.id.clone()));
        }
        Ok(told.map(|told| told.progress))
    }
}

fn is_worked_on(run: &FoundRun) -> Result<bool, StartError> {
    lock::is_held(&run.folder).map_err(|error| refused(run, &error))
}

fn refused(run: &FoundRun, error: &std::io::Error) -> StartError {
    StartError::Beside {
        path: run.folder.display().to_string(),
        reason: error.to_string(),
    }
}
