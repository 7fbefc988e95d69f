//! Owns what a comparison of source and directory says: as a plan, what an import would do; as a verification, how each
//! row stands.

use std::collections::BTreeMap;

use serde::Serialize;

use super::causes::{Cause, causes_in};
use super::workload::least_seconds;
use super::{Import, JournalError};
pub use crate::directory::Changes;
use crate::directory::workos::Limits;
use crate::directory::{Details, Directory, Expected, OnExisting};
use crate::engine::Tally;
use crate::journal::outcome::Effect;
use crate::journal::{AnswerLine, ComparedRow, ComparedStep, Store};
use crate::row::Kind;

/// What an import would do, in figures. Counts are of objects, not of rows, unless they say otherwise.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Comparison {
    /// Rows, by the outcome that they would have.
    pub rows: BTreeMap<String, u64>,
    pub users: Changes,
    /// How many users would get another value, by field.
    pub fields: BTreeMap<String, u64>,
    /// How many of them would have it emptied, or lose pairs of it.
    pub cleared: BTreeMap<String, u64>,
    pub organizations: Changes,
    pub memberships: Changes,
    /// Users who are there, differ from their row, and would be left as they are.
    pub users_left: u64,
    /// Rows that would fail, by cause.
    pub failures: Vec<Cause>,
    /// The calls that an import would make, by name; reads as far as they can be told before.
    pub calls: BTreeMap<String, u64>,
    /// The least time that the limits allow for them, in seconds; `None` without limits.
    pub least_seconds: Option<f64>,
    /// The calls that the comparison itself has made.
    pub calls_made: BTreeMap<String, u64>,
}

impl Comparison {
    /// What the journal of a rehearsed run says.
    pub(super) fn found(store: &Store) -> rusqlite::Result<Self> {
        let mut found = Self {
            fields: store.changed_fields("fields")?.into_iter().collect(),
            cleared: store.changed_fields("cleared")?.into_iter().collect(),
            failures: causes_in(store)?,
            ..Self::default()
        };
        for (kind, effect, count) in store.effects()? {
            let changes = match kind {
                Kind::User => &mut found.users,
                Kind::Organization => &mut found.organizations,
                Kind::Membership => &mut found.memberships,
                // Rows of their kinds are not compared.
                _ => continue,
            };
            changes.count(effect, count);
        }
        Ok(found)
    }

    pub(super) fn completed(
        mut self,
        tally: &Tally,
        calls_made: &BTreeMap<String, u64>,
        on_existing: OnExisting,
        directory: &dyn Directory,
        limits: Option<&Limits>,
    ) -> Self {
        let outcomes = tally.outcomes.iter();
        self.rows = outcomes
            .map(|(outcome, count)| ((*outcome).to_owned(), *count))
            .collect();
        self.users_left = tally.differing;
        self.calls_made.clone_from(calls_made);
        let expected = Expected {
            organizations: self.organizations,
            users: self.users,
            memberships: self.memberships,
            lists_first: on_existing == OnExisting::Update,
            calls_made,
        };
        self.calls = directory
            .calls_for(&expected)
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .collect();
        let calls = expected
            .writes()
            .div_ceil(directory.batch_limit(Kind::User) as u64);
        self.least_seconds = limits.map(|limits| least_seconds(calls, limits));
        self
    }
}

/// How a row stands against the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The directory holds what the row says.
    Matches,
    /// It holds something else.
    Differs,
    /// It does not hold it.
    Missing,
    /// The user was there before and was left as it was; all else is as the row says.
    Kept,
    /// It could not be found out.
    Unknown,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Matches => "matches",
            Self::Differs => "differs",
            Self::Missing => "missing",
            Self::Kept => "kept",
            Self::Unknown => "unknown",
        }
    }
}

/// One row of a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRow {
    pub record_number: u64,
    pub line: Option<u64>,
    pub email: Option<String>,
    pub external_id: Option<String>,
    /// What the caller calls the row.
    pub record_id: Option<String>,
    pub verdict: Verdict,
    /// What differs or is missing: fields of the user, `roles`, `membership status`, or the kind of the object.
    pub fields: Vec<String>,
    /// Why an import would fail the row.
    pub message: Option<String>,
}

/// A membership that the directory has and no row names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra {
    /// Where the next page begins.
    pub place: i64,
    pub membership_id: String,
    pub user_id: String,
    pub email: Option<String>,
    pub organization_id: String,
    pub roles: Vec<String>,
    pub active: bool,
}

impl Import {
    /// Up to `limit` rows of a verification after record number `after`; once it has ended.
    ///
    /// # Errors
    /// When a journal cannot be read.
    pub fn verified(&self, after: u64, limit: usize) -> Result<Vec<VerifiedRow>, JournalError> {
        let rows = Store::open(&self.journal)?.compared(after, limit)?;
        let run = self.verified.as_deref().map(Store::open).transpose()?;
        let mut verified = Vec::with_capacity(rows.len());
        for row in rows {
            let mut is_left = self.leaves_existing;
            if let (true, Some(run), Some((key, _))) = (is_left, &run, &row.user) {
                // What the run has made, it has made as its row says.
                is_left = !run.made_user(key)?;
            }
            verified.push(verify(row, is_left));
        }
        Ok(verified)
    }

    /// Up to `limit` memberships after `after` that the directory has, in the source's organizations, and no row names.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn extra(&self, after: i64, limit: usize) -> Result<Vec<Extra>, JournalError> {
        let found = Store::reopen(&self.journal)?.extra(after, limit)?;
        let extra = found.into_iter().map(|one| {
            let (roles, active) = match serde_json::from_str(&one.details) {
                Ok(Details::Membership { roles, active }) => (roles, active),
                _ => (Vec::new(), true),
            };
            let email = one.user.and_then(|text| match serde_json::from_str(&text) {
                Ok(Details::User(user)) => Some(user.email),
                _ => None,
            });
            Extra {
                place: one.place,
                membership_id: one.membership_id,
                user_id: one.user_id,
                email,
                organization_id: one.organization_id,
                roles,
                active,
            }
        });
        Ok(extra.collect())
    }

    /// Up to `limit` lines of what the directory showed, after `after`, in an order that is always the same: for a digest.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn answers(
        &self,
        after: &(i64, String),
        limit: usize,
    ) -> Result<Vec<AnswerLine>, JournalError> {
        Ok(Store::open(&self.journal)?.answers(after, limit)?)
    }

    /// Writes a plan into a file of its own, for its owner only: beside it first, and then in its place.
    ///
    /// # Errors
    /// When it cannot be written; in the system's words.
    pub fn save_plan(&self, path: &std::path::Path) -> Result<(), String> {
        crate::report::write_private(path, |beside| {
            let beside = beside.to_str().ok_or("the path is no text")?;
            let store = Store::reopen(&self.journal).map_err(|error| error.to_string())?;
            store.copy_to(beside).map_err(|error| error.to_string())
        })
    }
}

fn verify(row: ComparedRow, is_left: bool) -> VerifiedRow {
    let mut fields = Vec::new();
    let mut verdict = Verdict::Matches;
    let worse = |now: &mut Verdict, other: Verdict| {
        let rank = |verdict| match verdict {
            Verdict::Matches => 0,
            Verdict::Kept => 1,
            Verdict::Differs => 2,
            Verdict::Missing => 3,
            Verdict::Unknown => 4,
        };
        if rank(other) > rank(*now) {
            *now = other;
        }
    };
    let steps = [
        (Kind::Organization, row.organization.as_ref()),
        (Kind::User, row.user.as_ref().map(|(_, step)| step)),
        (Kind::Membership, row.membership.as_ref()),
    ];
    for (kind, step) in steps {
        let Some(step) = step else { continue };
        match (kind, step.effect) {
            (_, Some(Effect::Created)) => {
                worse(&mut verdict, Verdict::Missing);
                fields.push(kind.as_str().to_owned());
            }
            (Kind::User, Some(Effect::Updated)) => {
                let differs = if is_left {
                    Verdict::Kept
                } else {
                    Verdict::Differs
                };
                worse(&mut verdict, differs);
                fields.extend(changed(step));
            }
            (Kind::Organization, Some(Effect::Updated)) => {
                worse(&mut verdict, Verdict::Differs);
                fields.extend(changed(step));
            }
            (_, Some(Effect::Updated)) => {
                worse(&mut verdict, Verdict::Differs);
                fields.push("roles".to_owned());
            }
            (_, Some(Effect::Reactivated)) => {
                worse(&mut verdict, Verdict::Differs);
                fields.push("membership status".to_owned());
            }
            (_, Some(Effect::Existing | Effect::Deleted) | None) => {}
        }
    }
    if row.failed {
        let (failed, field) = match (row.error_type.as_deref(), row.error_code.as_deref()) {
            (_, Some("user_conflict")) => (Verdict::Differs, "external_id"),
            (_, Some("membership_inactive")) => (Verdict::Differs, "membership status"),
            (_, Some("role_assignment")) => (Verdict::Differs, "roles"),
            (Some("validation"), _) => (Verdict::Missing, "user"),
            (Some("org_resolution"), _) => (Verdict::Missing, "organization"),
            _ => (Verdict::Unknown, ""),
        };
        worse(&mut verdict, failed);
        if !field.is_empty() && !fields.iter().any(|name| name == field) {
            fields.push(field.to_owned());
        }
    }
    VerifiedRow {
        record_number: row.record_number,
        line: row.line,
        email: row.email,
        external_id: row.external_id,
        record_id: row.record_id,
        verdict,
        fields,
        message: row.error_message,
    }
}

/// The names of a user's fields that would get another value.
fn changed(step: &ComparedStep) -> Vec<String> {
    let before: serde_json::Value =
        serde_json::from_str(step.before.as_deref().unwrap_or_default()).unwrap_or_default();
    serde_json::from_value(before["fields"].clone()).unwrap_or_default()
}
