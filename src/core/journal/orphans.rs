//! Owns the SQL of `--require-membership`: who is to be taken back, and who was.

use rusqlite::params;

use super::outcome::Effect;
use super::steps::FORGOTTEN;
use super::store::Store;
use crate::row::{Kind, StepKey};

/// A user that `--require-membership` takes back: it was created by this run and all of its rows failed after that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    pub key: StepKey,
    pub user_id: String,
}

impl Store {
    /// Users that this run created (confirmed), of whom a row failed for its membership and no row succeeded, after
    /// `after` in the order of places. Two keys can be one user (found by external id): then the rows of both count.
    pub fn orphans(&self, after: i64, limit: usize) -> rusqlite::Result<Vec<(i64, Orphan)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT s.id, s.name, s.remote_id FROM step s
             WHERE s.id > ? AND s.kind = 1 AND s.state = 2 AND s.inferred IS NULL AND s.remote_id IS NOT NULL
               AND EXISTS (SELECT 1 FROM outcome_step u JOIN outcome o ON o.record_number = u.record_number
                           WHERE u.step_id = s.id AND o.outcome = 4 AND json_extract(o.error, '$.error_type')
                               IN ('membership', 'role_assignment', 'org_resolution', 'in_doubt'))
               AND NOT EXISTS (SELECT 1 FROM step t JOIN outcome_step u ON u.step_id = t.id
                               JOIN outcome o ON o.record_number = u.record_number
                               WHERE t.remote_id = s.remote_id AND t.kind = 1 AND o.outcome <> 4)
             ORDER BY s.id LIMIT ?",
        )?;
        let rows = statement.query_map(params![after, limit as i64], |row| {
            let name: String = row.get(1)?;
            Ok((
                row.get(0)?,
                Orphan {
                    key: StepKey::new(Kind::User, name),
                    user_id: row.get(2)?,
                },
            ))
        })?;
        rows.collect()
    }

    /// Prepares [`Store::orphans`] and [`Store::deleted`]: finds rows by their user. Only a run that takes users back
    /// needs this, so no other pays for it.
    pub fn prepare_orphans(&self) -> rusqlite::Result<()> {
        self.connection.execute_batch(
            "CREATE INDEX IF NOT EXISTS outcome_step_of_step ON outcome_step (step_id);
             CREATE INDEX IF NOT EXISTS step_of_user ON step (remote_id) WHERE kind = 1;",
        )
    }

    /// Notes that a user was taken back.
    pub fn deleted(&self, key: &StepKey) -> rusqlite::Result<()> {
        let id = self.ensure_step(key)?;
        self.connection.execute(
            "UPDATE outcome_step SET effect = ? WHERE kind = 1 AND step_id = ?",
            params![Effect::Deleted.code(), id],
        )?;
        self.connection
            .execute(&format!("UPDATE step SET {FORGOTTEN} WHERE id = ?"), [id])?;
        Ok(())
    }
}
