//! Owns what becomes of a handing over that an earlier process had begun and did not live to end.

use std::io;

use crate::journal::{Journal, JournalError, OpenRecovery};

/// Why it cannot be said what an earlier process had come to.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EarlierError {
    #[error("{file}: cannot be read: {reason}")]
    File { file: String, reason: String },
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Looks up, in the files that they were to go into, the lines that earlier processes had begun. `handed` says, of these
/// users, whether a file has them, and `None` if it is not there any more. Who is in it was sent to; who is not is due
/// again. A file that was taken away, emptied or replaced says nothing of who was in it: these users are in doubt for
/// good, also when there is a file in its place later. So this comes before a sending makes its own.
///
/// # Errors
/// When the journal cannot be read or written, or a file cannot be read.
pub async fn settle_earlier(
    journal: &Journal,
    handed: impl Fn(&str, &[&str]) -> io::Result<Option<Vec<bool>>>,
) -> Result<(), EarlierError> {
    let open = journal.ask(|store| store.open_recoveries()).await?;
    let mut files: Vec<&str> = open.iter().filter_map(|one| one.into.as_deref()).collect();
    files.sort_unstable();
    files.dedup();
    for file in files {
        let of_file = open.iter().filter(|one| one.into.as_deref() == Some(file));
        settle_file(journal, file, &of_file.collect::<Vec<_>>(), &handed).await?;
    }
    Ok(())
}

async fn settle_file(
    journal: &Journal,
    file: &str,
    begun: &[&OpenRecovery],
    handed: impl Fn(&str, &[&str]) -> io::Result<Option<Vec<bool>>>,
) -> Result<(), EarlierError> {
    let name = file.to_owned();
    let latest = journal.ask(move |store| store.latest_recovery_into(&name));
    let latest = latest.await?;
    let ids = begun.iter().map(|one| one.user_id.as_str());
    let ids: Vec<&str> = ids.chain(latest.as_deref()).collect();
    let has = handed(file, &ids).map_err(|error| EarlierError::File {
        file: file.to_owned(),
        reason: error.to_string(),
    })?;
    // A file is only ever added to: where the line before is missing, it is another one by now.
    let is_as_it_was = has
        .as_ref()
        .is_some_and(|has| latest.is_none() || has.last() == Some(&true));
    let has = has.unwrap_or_else(|| vec![false; begun.len()]);
    for (one, has) in begun.iter().zip(has) {
        let step = one.step;
        let settled = journal.commit(move |store| match (has, is_as_it_was) {
            (true, _) => store.end_recovery(step),
            (false, true) => store.forget_recovery(step),
            (false, false) => store.leave_in_doubt(step),
        });
        settled.await?;
    }
    Ok(())
}
