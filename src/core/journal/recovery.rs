//! Owns the SQL of recovery: which users this run made without anything to sign in with, and which of them have been
//! handed what lets them set a password. Links and codes are never here.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::steps::kind_number;
use super::store::Store;
use crate::row::Kind;

/// How far the handing over to one user has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoveryState {
    /// Begun, and not known to be done: after a kill it is in doubt.
    HandingOver,
    HandedOver,
    /// Tried again when the run is sent to again.
    Failed,
    /// The directory does not have the user. Looked for again when the run is sent to again: it may have been another
    /// directory.
    Gone,
}

impl RecoveryState {
    pub const ALL: [RecoveryState; 4] = [
        Self::HandingOver,
        Self::HandedOver,
        Self::Failed,
        Self::Gone,
    ];

    /// The word for it once nobody is at it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HandingOver => "in_doubt",
            Self::HandedOver => "sent",
            Self::Failed => "failed",
            Self::Gone => "gone",
        }
    }

    /// The number that the journal has for it.
    fn code(self) -> i64 {
        match self {
            Self::HandingOver => 1,
            Self::HandedOver => 2,
            Self::Failed => 3,
            Self::Gone => 4,
        }
    }

    fn of_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }
}

/// A user who is to be handed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueRecovery {
    pub step: i64,
    /// The row through which the run made the user.
    pub record_number: u64,
    /// The directory's id.
    pub user_id: String,
    /// The email that the row has.
    pub email: String,
}

/// A handing over that was begun, and whose end is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRecovery {
    pub step: i64,
    pub user_id: String,
    /// The file that it was to go into; `None`: a program was to take it, and nobody can look whether it did.
    pub into: Option<String>,
}

/// A user who was handed nothing, or not for certain, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryLine {
    /// Where the next page begins.
    pub step: i64,
    pub record_number: Option<u64>,
    pub email: Option<String>,
    pub user_id: Option<String>,
    pub state: RecoveryState,
    pub reason: Option<String>,
}

/// How many users are how far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoveryCounts {
    pub sent: u64,
    pub failed: u64,
    pub in_doubt: u64,
    pub gone: u64,
    /// Not come to yet.
    pub left: u64,
}

impl RecoveryCounts {
    /// Everybody who is settled, in whatever way.
    pub fn settled(&self) -> u64 {
        self.sent + self.failed + self.in_doubt + self.gone
    }
}

/// Users whom the run made, through a row without a password. What counts is the row that wrote the user: others either
/// say the same or failed.
const DUE: &str = "FROM step s JOIN outcome o ON o.record_number = s.by_record
    WHERE s.kind = ?1 AND s.state = 2 AND s.remote_id IS NOT NULL AND o.without_password = 1
      AND NOT EXISTS (SELECT 1 FROM undone u WHERE u.step_id = s.id AND u.what = 'deleted')";

impl Store {
    /// Up to `limit` users after `after` (from 0) who are to be handed something, in the order in which rows named them.
    pub fn due_recoveries(&self, after: i64, limit: usize) -> rusqlite::Result<Vec<DueRecovery>> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT s.id, s.by_record, s.remote_id, s.name {DUE} AND s.id > ?2
             AND NOT EXISTS (SELECT 1 FROM recovery r WHERE r.step_id = s.id AND r.state NOT IN (3, 4))
             ORDER BY s.id LIMIT ?3"
        ))?;
        let rows = statement.query_map(
            params![kind_number(Kind::User), after, limit as i64],
            |row| {
                Ok(DueRecovery {
                    step: row.get(0)?,
                    record_number: row.get(1)?,
                    user_id: row.get(2)?,
                    email: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
                })
            },
        )?;
        rows.collect()
    }

    /// Notes how far the handing over to a user has come.
    pub fn note_recovery(
        &self,
        step: i64,
        state: RecoveryState,
        note: Option<&str>,
        at: Timestamp,
    ) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO recovery (step_id, state, note, at) VALUES (?, ?, ?, ?)",
            )?
            .execute(params![step, state.code(), note, at.as_millisecond()])?;
        Ok(())
    }

    /// What was being handed over to the user has arrived. Its file stays known, and when it was begun.
    pub fn end_recovery(&self, step: i64) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("UPDATE recovery SET state = 2 WHERE step_id = ?")?
            .execute([step])?;
        Ok(())
    }

    /// Nobody can look any more whether what was begun has arrived.
    pub fn leave_in_doubt(&self, step: i64) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("UPDATE recovery SET note = NULL WHERE step_id = ?")?
            .execute([step])?;
        Ok(())
    }

    /// Nothing was handed over to the user after all: it is due again.
    pub fn forget_recovery(&self, step: i64) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("DELETE FROM recovery WHERE step_id = ?")?
            .execute([step])?;
        Ok(())
    }

    /// Those that were begun and have no end: one for each time that a sending was killed.
    pub fn open_recoveries(&self) -> rusqlite::Result<Vec<OpenRecovery>> {
        let mut statement = self.connection.prepare(
            "SELECT r.step_id, s.remote_id, r.note FROM recovery r JOIN step s ON s.id = r.step_id
             WHERE r.state = 1 AND s.remote_id IS NOT NULL ORDER BY r.step_id",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(OpenRecovery {
                step: row.get(0)?,
                user_id: row.get(1)?,
                into: row.get(2)?,
            })
        })?;
        rows.collect()
    }

    /// When something was handed over last, or was about to be.
    pub fn latest_recovery(&self) -> rusqlite::Result<Option<Timestamp>> {
        let at: Option<i64> = self
            .connection
            .query_row("SELECT max(at) FROM recovery WHERE state <> 4", [], |row| {
                row.get(0)
            })
            .optional()?
            .flatten();
        Ok(at.and_then(|at| Timestamp::from_millisecond(at).ok()))
    }

    /// The user who was sent to last, if anybody was.
    pub fn latest_sent(&self) -> rusqlite::Result<Option<String>> {
        self.latest_of("r.state = 2", [])
    }

    /// The user who was put into this file last, if anybody was.
    pub fn latest_recovery_into(&self, file: &str) -> rusqlite::Result<Option<String>> {
        self.latest_of("r.state = 2 AND r.note = ?", [file])
    }

    fn latest_of(
        &self,
        condition: &str,
        params: impl rusqlite::Params,
    ) -> rusqlite::Result<Option<String>> {
        let sql = format!(
            "SELECT s.remote_id FROM recovery r JOIN step s ON s.id = r.step_id
             WHERE {condition} AND s.remote_id IS NOT NULL ORDER BY r.at DESC, r.step_id DESC LIMIT 1"
        );
        let mut statement = self.connection.prepare(&sql)?;
        statement.query_row(params, |row| row.get(0)).optional()
    }

    /// How many users are how far.
    pub fn recovery_counts(&self) -> rusqlite::Result<RecoveryCounts> {
        let mut counts = RecoveryCounts::default();
        let mut statement = self
            .connection
            .prepare_cached("SELECT state, count(*) FROM recovery GROUP BY state")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let count = row.get(1)?;
            match RecoveryState::of_code(row.get(0)?) {
                Some(RecoveryState::HandingOver) => counts.in_doubt = count,
                Some(RecoveryState::HandedOver) => counts.sent = count,
                Some(RecoveryState::Failed) => counts.failed = count,
                Some(RecoveryState::Gone) => counts.gone = count,
                None => {}
            }
        }
        counts.left = self
            .connection
            .prepare_cached(&format!(
                "SELECT count(*) {DUE} AND NOT EXISTS (SELECT 1 FROM recovery r WHERE r.step_id = s.id)"
            ))?
            .query_row([kind_number(Kind::User)], |row| row.get(0))?;
        Ok(counts)
    }

    /// Up to `limit` users after `after` (from 0) who were handed nothing, or not for certain.
    pub fn unsent_recoveries(
        &self,
        after: i64,
        limit: usize,
    ) -> rusqlite::Result<Vec<RecoveryLine>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT r.step_id, coalesce(s.by_record, s.first_record), s.name, s.remote_id, r.state,
                    CASE r.state WHEN 3 THEN r.note END
             FROM recovery r JOIN step s ON s.id = r.step_id
             WHERE r.step_id > ? AND r.state <> 2 ORDER BY r.step_id LIMIT ?",
        )?;
        let mut rows = statement.query(params![after, limit as i64])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let Some(state) = RecoveryState::of_code(row.get(4)?) else {
                continue;
            };
            found.push(RecoveryLine {
                step: row.get(0)?,
                record_number: row.get(1)?,
                email: row.get(2)?,
                user_id: row.get(3)?,
                state,
                reason: row.get(5)?,
            });
        }
        Ok(found)
    }
}
