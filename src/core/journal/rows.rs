//! Owns what the journal keeps of rows: how each ended and which steps it used, and which were set aside.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::outcome::{Effect, Evidence, Outcome, RowResult};
use super::steps::kind_number;
use super::store::Store;
use crate::row::{Kind, StepKey};

/// How a row ended in an earlier attempt of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Before {
    /// It has no outcome yet.
    Open,
    Done,
    Failed(Box<FailedBefore>),
}

/// What the journal knows of a row that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedBefore {
    /// JSON, as in the column `error`.
    pub error: String,
    pub at: Timestamp,
    pub user_id: Option<String>,
    pub organization_id: Option<String>,
}

/// How a row ended, as the journal keeps it: without the row itself.
#[derive(Clone, Debug)]
pub struct EndedRow {
    record_number: u64,
    line: Option<u64>,
    email: Option<String>,
    external_id: Option<String>,
    record_id: Option<String>,
    outcome: Outcome,
    evidence: Option<Evidence>,
    /// JSON.
    error: Option<String>,
    at: Timestamp,
    /// The steps that the row used, and what became of them.
    keys: Vec<(StepKey, Effect)>,
    without_password: bool,
}

impl EndedRow {
    /// Takes of a result what the journal keeps.
    pub fn of(result: &RowResult, keys: Vec<(StepKey, Effect)>) -> Self {
        Self {
            record_number: result.identity.record_number,
            line: result.identity.line,
            email: result.identity.email().map(str::to_owned),
            external_id: result.identity.external_id().map(|id| id.into_owned()),
            record_id: result.identity.record_id().map(|id| id.into_owned()),
            outcome: result.outcome,
            evidence: result.evidence(),
            // A map with text keys always serializes.
            error: result
                .error
                .as_ref()
                .and_then(|error| serde_json::to_string(error).ok()),
            at: result.at,
            keys,
            without_password: false,
        }
    }

    /// Says whether the row names a user and brings nothing to sign in with.
    #[must_use]
    pub fn without_password(mut self, without_password: bool) -> Self {
        self.without_password = without_password;
        self
    }
}

/// One line of the results: what the results file, `show` and Python tables are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultLine {
    pub record_number: u64,
    /// In the order of [`RESULT_COLUMNS`], without the record number.
    pub texts: [Option<String>; 11],
    /// What the caller calls the row.
    pub record_id: Option<String>,
}

impl ResultLine {
    /// Why the row failed, in words.
    pub fn error_message(&self) -> Option<&str> {
        self.texts.last()?.as_deref()
    }
}

/// A row that failed, and where its record begins in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedLine {
    pub result: ResultLine,
    pub line: Option<u64>,
}

/// The column that comes after these, where the caller named one that says what each row is called.
pub const RECORD_ID_COLUMN: &str = "record_id";

/// The columns of the results file, in order; the first is a number, all others are texts.
pub const RESULT_COLUMNS: [&str; 12] = [
    "record_number",
    "email",
    "external_id",
    "outcome",
    "user",
    "membership",
    "evidence",
    "user_id",
    "organization_id",
    "membership_id",
    "error_code",
    "error_message",
];

impl Store {
    /// How rows ended in earlier attempts of this run.
    pub fn before(&self, record_numbers: &[u64]) -> rusqlite::Result<Vec<Before>> {
        let mut outcome = self.connection.prepare_cached(
            "SELECT outcome = 4, coalesce(error, '{}'), at FROM outcome WHERE record_number = ?",
        )?;
        let mut remote_id = self.connection.prepare_cached(
            "SELECT s.remote_id FROM outcome_step o JOIN step s ON s.id = o.step_id
             WHERE o.record_number = ? AND o.kind = ?",
        )?;
        let mut found = Vec::with_capacity(record_numbers.len());
        for number in record_numbers {
            let ended: Option<(bool, String, i64)> = outcome
                .query_row([number], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()?;
            found.push(match ended {
                None => Before::Open,
                Some((true, error, at)) => {
                    let mut id_of = |kind: Kind| -> rusqlite::Result<Option<String>> {
                        let row = params![number, kind_number(kind)];
                        let id: Option<Option<String>> =
                            remote_id.query_row(row, |row| row.get(0)).optional()?;
                        Ok(id.flatten())
                    };
                    Before::Failed(Box::new(FailedBefore {
                        error,
                        at: Timestamp::from_millisecond(at).unwrap_or_default(),
                        user_id: id_of(Kind::User)?,
                        organization_id: id_of(Kind::Organization)?,
                    }))
                }
                Some(_) => Before::Done,
            });
        }
        Ok(found)
    }

    /// Notes how a row ended, and which steps it used. A later result for the same row replaces the earlier one.
    pub fn outcome(&self, ended: &EndedRow) -> rusqlite::Result<()> {
        // Most rows are about the user whose step they used: the address is there already.
        let user = ended.keys.iter().find(|(key, _)| key.kind == Kind::User);
        let named = user.map(|(key, _)| key.name.as_str());
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO outcome (record_number, line, email, external_id, outcome, inferred, error, at,
                                                 without_password)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                ended.record_number,
                ended.line,
                ended.email.as_deref().filter(|email| Some(*email) != named),
                ended.external_id,
                ended.outcome.code(),
                ended.evidence.map(|evidence| evidence == Evidence::Inferred),
                ended.error,
                ended.at.as_millisecond(),
                ended.without_password.then_some(1),
            ])?;
        if let Some(id) = &ended.record_id {
            self.connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO record_id (record_number, id) VALUES (?, ?)",
                )?
                .execute(params![ended.record_number, id])?;
        }
        let mut used = self.connection.prepare_cached(
            "INSERT OR REPLACE INTO outcome_step (record_number, kind, step_id, effect) VALUES (?, ?, ?, ?)",
        )?;
        for (key, effect) in &ended.keys {
            let id = self.ensure_step(key)?;
            used.execute(params![
                ended.record_number,
                kind_number(key.kind),
                id,
                effect.code()
            ])?;
        }
        Ok(())
    }

    /// Sets a row aside until the source has been read: another row may still bring what it lacks.
    pub fn park(&self, record_number: u64, subject: &StepKey) -> rusqlite::Result<()> {
        let id = self.ensure_step(subject)?;
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO parked (record_number, step_id) VALUES (?, ?)")?
            .execute(params![record_number, id])?;
        Ok(())
    }

    /// Whether any row was set aside.
    pub fn has_parked(&self) -> rusqlite::Result<bool> {
        self.connection
            .query_row("SELECT EXISTS (SELECT 1 FROM parked)", [], |row| row.get(0))
    }

    /// Whether an earlier row of the same subject was set aside.
    pub fn earlier_is_parked(
        &self,
        subject: &StepKey,
        record_number: u64,
    ) -> rusqlite::Result<bool> {
        let Some(id) = self.step_id(subject)? else {
            return Ok(false);
        };
        self.connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM parked WHERE step_id = ? AND record_number < ?)",
            )?
            .query_row(params![id, record_number], |row| row.get(0))
    }

    /// Takes a row out of those set aside; `false` if it was not among them.
    pub fn unpark(&self, record_number: u64) -> rusqlite::Result<bool> {
        Ok(self
            .connection
            .prepare_cached("DELETE FROM parked WHERE record_number = ?")?
            .execute([record_number])?
            > 0)
    }

    /// Whether a column of the source says what the caller calls each row.
    pub fn calls_rows(&self) -> rusqlite::Result<bool> {
        let question = "SELECT json_extract(options, '$.record_id') IS NOT NULL FROM run";
        self.connection.query_row(question, [], |row| row.get(0))
    }

    /// Up to `limit` results after record number `after`, in the order of the source.
    pub fn results(&self, after: u64, limit: usize) -> rusqlite::Result<Vec<ResultLine>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT * FROM results WHERE record_number > ? ORDER BY record_number LIMIT ?",
        )?;
        let rows = statement.query_map(params![after, limit as i64], result_line)?;
        rows.collect()
    }

    /// Up to `limit` failed rows after record number `after`, in the order of the source.
    pub fn failed(&self, after: u64, limit: usize) -> rusqlite::Result<Vec<FailedLine>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT r.*, o.line FROM outcome o JOIN results r ON r.record_number = o.record_number
             WHERE o.outcome = 4 AND o.record_number > ? ORDER BY o.record_number LIMIT ?",
        )?;
        let rows = statement.query_map(params![after, limit as i64], |row| {
            Ok(FailedLine {
                result: result_line(row)?,
                line: row.get(RESULT_COLUMNS.len() + 1)?,
            })
        })?;
        rows.collect()
    }
}

fn result_line(row: &rusqlite::Row) -> rusqlite::Result<ResultLine> {
    let mut texts: [Option<String>; 11] = Default::default();
    for (index, text) in texts.iter_mut().enumerate() {
        *text = row.get(index + 1)?;
    }
    Ok(ResultLine {
        record_number: row.get(0)?,
        texts,
        record_id: row.get(RESULT_COLUMNS.len())?,
    })
}
