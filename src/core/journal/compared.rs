//! Owns the SQL of a comparison: what a rehearsed run would do, and how each row stands against the directory.

use rusqlite::params;

use super::outcome::{Effect, Outcome};
use super::steps::kind_number;
use super::store::Store;
use super::totals::kind_of;
use crate::row::{Kind, StepKey};

/// What a rehearsed run would do to one of the objects that a row names, or has done for an earlier row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComparedStep {
    /// `None`: nothing has to be done.
    pub effect: Option<Effect>,
    /// JSON of what would be changed.
    pub before: Option<String>,
}

/// One row of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedRow {
    pub record_number: u64,
    pub line: Option<u64>,
    pub email: Option<String>,
    pub external_id: Option<String>,
    pub record_id: Option<String>,
    pub failed: bool,
    pub error_type: Option<String>,
    pub error_code: Option<String>,
    pub error_message: Option<String>,
    pub organization: Option<ComparedStep>,
    /// With the key of the user's step.
    pub user: Option<(StepKey, ComparedStep)>,
    pub membership: Option<ComparedStep>,
}

/// A line of what the directory showed, after its place in their order.
pub type AnswerLine = ((i64, String), String);

/// A membership that the directory has and no row names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtraMembership {
    /// Where the next page begins.
    pub place: i64,
    pub membership_id: String,
    pub user_id: String,
    pub organization_id: String,
    /// JSON of the membership, and of its user where that was read.
    pub details: String,
    pub user: Option<String>,
}

impl Store {
    /// How many objects something would be done to, by kind and effect; `None`: they are as they should be.
    pub fn effects(&self) -> rusqlite::Result<Vec<(Kind, Option<Effect>, u64)>> {
        let mut statement = self.connection.prepare(
            "SELECT kind, effect, count(*) FROM step WHERE remote_id IS NOT NULL GROUP BY kind, effect",
        )?;
        let rows = statement.query_map([], |row| {
            let effect: Option<i64> = row.get(1)?;
            Ok((row.get(0)?, effect.and_then(Effect::of_code), row.get(2)?))
        })?;
        let rows: Vec<(i64, Option<Effect>, u64)> = rows.collect::<rusqlite::Result<_>>()?;
        let known = rows.into_iter();
        Ok(known
            .filter_map(|(kind, effect, count)| Some((kind_of(kind)?, effect, count)))
            .collect())
    }

    /// How many users (or organizations, where rows are about those) would get another value of each field (`fields`), or would have it emptied (`cleared`).
    pub fn changed_fields(&self, which: &str) -> rusqlite::Result<Vec<(String, u64)>> {
        let mut statement = self.connection.prepare(
            "SELECT f.value, count(*) FROM step s, json_each(s.before, '$.' || ?) f
             WHERE s.kind IN (0, 1) AND s.effect = 2 GROUP BY f.value ORDER BY count(*) DESC, f.value",
        )?;
        let rows = statement.query_map([which], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    }

    /// Up to `limit` rows after record number `after`, in the order of the source.
    pub fn compared(&self, after: u64, limit: usize) -> rusqlite::Result<Vec<ComparedRow>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT o.record_number, o.line, coalesce(o.email, us.name), o.external_id, o.outcome,
                    json_extract(o.error, '$.error_type'), json_extract(o.error, '$.code'),
                    json_extract(o.error, '$.message'),
                    gs.id, gs.effect, gs.before, us.id, us.effect, us.before, ms.id, ms.effect, ms.before, us.name, i.id
             FROM outcome o
             LEFT JOIN record_id i ON i.record_number = o.record_number
             LEFT JOIN outcome_step g ON g.record_number = o.record_number AND g.kind = 0
             LEFT JOIN outcome_step u ON u.record_number = o.record_number AND u.kind = 1
             LEFT JOIN outcome_step m ON m.record_number = o.record_number AND m.kind = 2
             LEFT JOIN step gs ON gs.id = g.step_id
             LEFT JOIN step us ON us.id = u.step_id
             LEFT JOIN step ms ON ms.id = m.step_id
             WHERE o.record_number > ? ORDER BY o.record_number LIMIT ?",
        )?;
        let rows = statement.query_map(params![after, limit as i64], |row| {
            let step = |first: usize| -> rusqlite::Result<Option<ComparedStep>> {
                let id: Option<i64> = row.get(first)?;
                let effect: Option<i64> = row.get(first + 1)?;
                let before = row.get(first + 2)?;
                Ok(id.map(|_| ComparedStep {
                    effect: effect.and_then(Effect::of_code),
                    before,
                }))
            };
            let outcome: i64 = row.get(4)?;
            let name: Option<String> = row.get(17)?;
            Ok(ComparedRow {
                record_number: row.get(0)?,
                line: row.get(1)?,
                email: row.get(2)?,
                external_id: row.get(3)?,
                record_id: row.get(18)?,
                failed: outcome == Outcome::Failed.code(),
                error_type: row.get(5)?,
                error_code: row.get(6)?,
                error_message: row.get(7)?,
                organization: step(8)?,
                user: step(11)?
                    .map(|user| (StepKey::new(Kind::User, name.unwrap_or_default()), user)),
                membership: step(14)?,
            })
        })?;
        rows.collect()
    }

    /// Up to `limit` memberships, after `after` in the order of places, that the directory has and no row names.
    pub fn extra(&self, after: i64, limit: usize) -> rusqlite::Result<Vec<ExtraMembership>> {
        self.connection.execute_batch(
            "CREATE INDEX IF NOT EXISTS step_remote ON step (remote_id) WHERE kind = 2",
        )?;
        let mut statement = self.connection.prepare_cached(
            "SELECT s.id, s.remote_id, n.name, s.details, us.details FROM seen s
             JOIN seen_name n ON n.seen = s.id
             LEFT JOIN seen_name un ON un.name =
                 'user.id:' || substr(n.name, 17, instr(substr(n.name, 17), ':') - 1)
             LEFT JOIN seen us ON us.id = un.seen
             WHERE s.id > ? AND s.kind = 2 AND s.was IS NULL AND s.remote_id NOT LIKE 'planned:%'
               AND NOT EXISTS (SELECT 1 FROM step t WHERE t.kind = 2 AND t.remote_id = s.remote_id)
             ORDER BY s.id LIMIT ?",
        )?;
        let rows = statement.query_map(params![after, limit as i64], |row| {
            let name: String = row.get(2)?;
            let pair = name.strip_prefix("membership.pair:").unwrap_or_default();
            let (user_id, organization_id) = pair.split_once(':').unwrap_or_default();
            Ok(ExtraMembership {
                place: row.get(0)?,
                membership_id: row.get(1)?,
                user_id: user_id.to_owned(),
                organization_id: organization_id.to_owned(),
                details: row.get(3)?,
                user: row.get(4)?,
            })
        })?;
        rows.collect()
    }

    /// Up to `limit` objects after the one of this kind and id, in that order, as the directory showed them: one line of
    /// text each, for a digest over all of them.
    pub fn answers(
        &self,
        after: &(i64, String),
        limit: usize,
    ) -> rusqlite::Result<Vec<AnswerLine>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT kind, remote_id, coalesce(was, details) FROM seen
             WHERE (kind, remote_id) > (?, ?) AND remote_id NOT LIKE 'planned:%' ORDER BY kind, remote_id LIMIT ?",
        )?;
        let rows = statement.query_map(params![after.0, after.1, limit as i64], |row| {
            let (kind, id): (i64, String) = (row.get(0)?, row.get(1)?);
            let details: String = row.get(2)?;
            let line = format!("{id} {details}");
            Ok(((kind, id), line))
        })?;
        rows.collect()
    }

    /// Notes in which state a step was found when the run was rehearsed.
    pub fn note_planned(&self, key: &StepKey, state: i64) -> rusqlite::Result<()> {
        let id = self.ensure_step(key)?;
        self.connection
            .prepare_cached("INSERT OR IGNORE INTO planned (step_id, state) VALUES (?, ?)")?
            .execute([id, state])?;
        Ok(())
    }

    /// In which state a step was found when the run was rehearsed; `None` if it was not looked at.
    pub fn planned(&self, key: &StepKey) -> rusqlite::Result<Option<i64>> {
        use rusqlite::OptionalExtension;
        let Some(id) = self.step_id(key)? else {
            return Ok(None);
        };
        self.connection
            .prepare_cached("SELECT state FROM planned WHERE step_id = ?")?
            .query_row([id], |row| row.get(0))
            .optional()
    }

    /// Writes the journal into another file, which must not be there or be empty, without what the directory held.
    pub fn copy_to(&self, path: &str) -> rusqlite::Result<()> {
        self.forget_seen()?;
        self.connection.execute("VACUUM INTO ?", [path])?;
        Ok(())
    }

    /// Whether a user with this key was created by the run.
    pub fn made_user(&self, key: &StepKey) -> rusqlite::Result<bool> {
        debug_assert_eq!(kind_number(key.kind), 1);
        Ok(self.remembered(key)?.is_some_and(|known| known.ours))
    }
}
