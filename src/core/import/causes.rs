//! Groups the failed rows of a run by cause, and says for each whether trying again can help and what to do.

use serde::Serialize;

use super::runs::FoundRun;
use crate::journal::{JournalError, Store};
use crate::row::IssueCode;

/// How many record numbers are named for a cause.
const EXAMPLES: usize = 5;

/// Rows that failed alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    pub code: String,
    /// The stage: `validation`, `org_resolution`, `user`, `membership`, `role_assignment` or `in_doubt`.
    pub error_type: String,
    /// Rows.
    pub count: u64,
    /// The first of them.
    pub records: Vec<u64>,
    /// The message of the first one.
    pub example: String,
    /// `retry` can end differently without a change in the file or in the environment.
    pub retry_helps: bool,
    /// What to do, in plain words.
    pub remedy: String,
}

/// The causes of a run's failures, the most frequent first.
///
/// # Errors
/// When the journal cannot be read.
pub fn causes(run: &FoundRun) -> Result<Vec<Cause>, JournalError> {
    Ok(causes_in(&Store::open(&run.journal())?)?)
}

/// The same, of an open journal.
pub(super) fn causes_in(store: &Store) -> rusqlite::Result<Vec<Cause>> {
    let groups = store.failure_groups(EXAMPLES)?;
    Ok(groups
        .into_iter()
        .map(|group| {
            let (retry_helps, remedy) = remedy(&group.error_type, &group.code);
            Cause {
                retry_helps,
                remedy: remedy.to_owned(),
                code: group.code,
                error_type: group.error_type,
                count: group.count,
                records: group.records,
                example: group.example,
            }
        })
        .collect())
}

fn remedy(error_type: &str, code: &str) -> (bool, &'static str) {
    if let Some(issue) = IssueCode::ALL
        .into_iter()
        .find(|issue| issue.as_str() == code)
    {
        return (false, issue.remedy());
    }
    match code {
        "org_resolution" => (
            false,
            "Give one row of the organization an `org_name`, so that it is made, or correct its id.",
        ),
        "org_create_failed" => (
            true,
            "Read what the API says about the organization; correct its name or external id.",
        ),
        "user_create_failed" | "user_update_failed" => (
            false,
            "Read what the API says about the user (a weak password, a field that it refuses), and correct the row.",
        ),
        "not_cleared" => (
            false,
            "The API does not empty this field. Empty it in the dashboard, or import without --clear-empty.",
        ),
        "user_not_found" => (
            true,
            "The user is not there. Import the user first, or correct the row.",
        ),
        "organization_exists" | "role_exists" => (
            false,
            "It is there already. --on-existing skip leaves it as it is, update writes what differs.",
        ),
        "role_create_failed"
        | "role_update_failed"
        | "permission_create_failed"
        | "invitation_failed"
        | "password_reset_failed"
        | "totp_factor_failed" => (false, "Read what the API says, and correct the row."),
        "user_exists" => (
            false,
            "The user is there already. --on-existing skip leaves the user as is, update writes what differs.",
        ),
        "user_conflict" => (
            false,
            "The email and the external id belong to two different users. Correct the row, or merge the two.",
        ),
        "membership_inactive" => (
            false,
            "The user was taken out of the organization. --reactivate lets such users in again.",
        ),
        "role_assignment" => (
            false,
            "This environment allows one role for each membership. Turn multiple roles on, or name one role.",
        ),
        "invalid_role" => (
            false,
            "The role is not there. Make it in the dashboard, or correct its slug, and import again.",
        ),
        "directory_moved" => (
            false,
            "The directory is not any more as it was when the plan was made. Plan again, and look at what has changed.",
        ),
        "in_doubt" => (
            true,
            "It is not known whether the write was applied. Try again: what is there is found.",
        ),
        _ if error_type == "validation" => (false, IssueCode::Own("own_rule").remedy()),
        _ => (
            true,
            "The API did not answer, or refused. Try again; if it stays, read what it says.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_issue_has_its_own_remedy_and_no_retry_helps_a_wrong_row() {
        for issue in IssueCode::ALL {
            assert_eq!(
                remedy("validation", issue.as_str()),
                (false, issue.remedy())
            );
        }
        assert!(remedy("user", "user_unavailable").0);
        assert!(!remedy("validation", "wrong_team").0);
    }
}
