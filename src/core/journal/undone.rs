//! Owns the SQL of `undo`: what a run has made, what it left it like, and what became of that.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};

use super::steps::kind_number;
use super::store::Store;
use super::totals::kind_of;
use crate::row::{Kind, StepKey};

/// The statuses of a run that is being undone, and of one whose undoing has come to its end.
pub const UNDOING: &str = "Undoing";
pub const UNDONE: &str = "Undone";

/// What became of something that the run had written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Deleted,
    /// The user has signed in since.
    SignedIn,
    /// Somebody else has changed it since.
    Changed,
    /// The user has memberships that are not the run's.
    OtherMemberships,
    /// Somebody is in the organization.
    NotEmpty,
    /// It is not certain that this run made it.
    Inferred,
    /// It was there before; what the run changed is not changed back.
    Updated,
    /// The API does not let it go, or could not be asked.
    Refused,
    /// It is not known whether it was written.
    InDoubt,
}

impl Verdict {
    pub const ALL: [Verdict; 9] = [
        Self::Deleted,
        Self::SignedIn,
        Self::Changed,
        Self::OtherMemberships,
        Self::NotEmpty,
        Self::Inferred,
        Self::Updated,
        Self::Refused,
        Self::InDoubt,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::SignedIn => "signed_in",
            Self::Changed => "changed",
            Self::OtherMemberships => "other_memberships",
            Self::NotEmpty => "not_empty",
            Self::Inferred => "inferred",
            Self::Updated => "updated",
            Self::Refused => "refused",
            Self::InDoubt => "in_doubt",
        }
    }

    fn of(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|verdict| verdict.as_str() == word)
    }
}

/// Something that this run made, for certain, and that no undo has settled yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undoable {
    pub step: i64,
    pub remote_id: String,
    /// JSON of what the run left it like (memberships).
    pub detail: Option<String>,
}

/// Which of what the run made is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// The API said so.
    Confirmed(Kind),
    /// Users who were found by reading back.
    InferredUsers,
    /// It is not known whether it was made; what was sent before this moment has arrived by now, or never will. Known by
    /// its name in place of an id.
    InDoubt(Kind, Timestamp),
}

/// How many of a kind ended in this way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UndoneCount {
    pub kind: Kind,
    pub verdict: Verdict,
    pub count: u64,
}

/// One object that undoing has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftLine {
    /// Where the next page begins.
    pub step: i64,
    pub kind: Kind,
    /// The row through which the run wrote it, or the first one that names it.
    pub record_number: Option<u64>,
    /// The user's email, or the organization's key.
    pub name: Option<String>,
    pub remote_id: Option<String>,
    pub verdict: Verdict,
    pub note: Option<String>,
}

/// What the run has made for certain.
const CONFIRMED: &str = "state = 2 AND inferred IS NULL AND remote_id IS NOT NULL";

/// What was found by reading back.
const INFERRED: &str = "state = 2 AND inferred = 1 AND remote_id IS NOT NULL";

/// Creations and changes whose answers were never settled. (One that met what was there already has its intent too.)
const IN_DOUBT: &str =
    "((intent IS NOT NULL AND remote_id IS NULL) OR (intent IN (2, 3) AND effect IS NULL))";

/// What was there before, and was changed.
const CHANGED: &str = "state <> 2 AND effect IN (2, 3) AND remote_id IS NOT NULL";

impl Store {
    /// The run is about to be undone, or undoing it goes on: what was left is looked at once more. What is known from the
    /// journal alone to be left is noted.
    pub fn begin_undo(&self, at: Timestamp) -> rusqlite::Result<()> {
        self.connection.execute_batch(
            "CREATE INDEX IF NOT EXISTS step_of_remote_id ON step (remote_id);
             DELETE FROM undone WHERE what <> 'deleted';",
        )?;
        self.connection
            .execute("UPDATE run SET status = ?", [UNDOING])?;
        let at = at.as_millisecond();
        for (verdict, which) in [(Verdict::Inferred, INFERRED), (Verdict::InDoubt, IN_DOUBT)] {
            self.connection.execute(
                &format!(
                    "INSERT OR IGNORE INTO undone (step_id, what, at) SELECT id, ?, ? FROM step WHERE {which}"
                ),
                params![verdict.as_str(), at],
            )?;
        }
        Ok(())
    }

    /// Undoing has come to its end: what the run has changed of what was there is listed. The run is undone unless
    /// something is left that may go another time.
    pub fn end_undo(&self, at: Timestamp) -> rusqlite::Result<()> {
        self.connection.execute(
            &format!(
                "INSERT OR IGNORE INTO undone (step_id, what, note, at)
                 SELECT id, 'updated', coalesce((SELECT group_concat(value, ', ') FROM json_each(before, '$.fields')),
                                                CASE effect WHEN 3 THEN 'status' ELSE 'roles' END), ?
                 FROM step WHERE {CHANGED}"
            ),
            [at.as_millisecond()],
        )?;
        self.connection.execute(
            "UPDATE run SET status = CASE WHEN EXISTS (SELECT 1 FROM undone WHERE what = 'refused') THEN ?1 ELSE ?2 END,
                            ended_at = ?3",
            params![UNDOING, UNDONE, at.to_string()],
        )?;
        Ok(())
    }

    /// Up to `limit` objects that the run has made and that are still to be looked at, after `after`. Of inferred users
    /// all, since they are looked at for the sake of their memberships.
    pub fn undoable(
        &self,
        made: Made,
        after: i64,
        limit: usize,
    ) -> rusqlite::Result<Vec<Undoable>> {
        let (kind, id, which) = match made {
            Made::Confirmed(kind) => (
                kind,
                "remote_id",
                format!(
                    "{CONFIRMED} AND NOT EXISTS (SELECT 1 FROM undone u WHERE u.step_id = s.id)"
                ),
            ),
            Made::InferredUsers => (
                Kind::User,
                "remote_id",
                INFERRED.to_owned(),
            ),
            Made::InDoubt(kind, before) => (
                kind,
                "name",
                format!(
                    "name IS NOT NULL AND remote_id IS NULL AND coalesce(last_intent, intent_at) < {}
                     AND EXISTS (SELECT 1 FROM undone u WHERE u.step_id = s.id AND u.what = 'in_doubt')",
                    before.as_millisecond()
                ),
            ),
        };
        let mut statement = self.connection.prepare(&format!(
            "SELECT s.id, s.{id}, d.text FROM step s LEFT JOIN detail d ON d.id = s.detail
             WHERE s.id > ? AND s.kind = ? AND {which} ORDER BY s.id LIMIT ?"
        ))?;
        let rows =
            statement.query_map(params![after, kind_number(kind), limit as i64], undoable)?;
        rows.collect()
    }

    /// How many objects of a kind the run has made for certain and no undo has deleted yet.
    pub fn count_undoable(&self, kind: Kind) -> rusqlite::Result<u64> {
        self.connection.query_row(
            &format!(
                "SELECT count(*) FROM step s WHERE kind = ? AND {CONFIRMED}
                 AND NOT EXISTS (SELECT 1 FROM undone u WHERE u.step_id = s.id AND u.what = 'deleted')"
            ),
            [kind_number(kind)],
            |row| row.get(0),
        )
    }

    /// How many of them have been neither deleted nor left so far: organizations also because nobody asked for it.
    pub fn count_unsettled(&self, kind: Kind) -> rusqlite::Result<u64> {
        self.connection.query_row(
            &format!(
                "SELECT count(*) FROM step s WHERE kind = ? AND {CONFIRMED}
                 AND NOT EXISTS (SELECT 1 FROM undone u WHERE u.step_id = s.id)"
            ),
            [kind_number(kind)],
            |row| row.get(0),
        )
    }

    /// What is known, before anything is looked at, to be left: inferred, in doubt, updated.
    pub fn count_known_left(&self) -> rusqlite::Result<Vec<UndoneCount>> {
        let mut statement = self.connection.prepare(&format!(
            "SELECT kind, CASE WHEN {INFERRED} THEN 'inferred' WHEN {IN_DOUBT} THEN 'in_doubt' ELSE 'updated' END AS what,
                    count(*) FROM step
             WHERE ({INFERRED}) OR {IN_DOUBT} OR ({CHANGED}) GROUP BY kind, what ORDER BY kind, what"
        ))?;
        counted(&mut statement)
    }

    /// What became of it so far, by kind. Of an object that rows know by two keys one counts.
    pub fn undone_counts(&self) -> rusqlite::Result<Vec<UndoneCount>> {
        let mut statement = self.connection.prepare(
            "SELECT s.kind, u.what, count(*) FROM undone u JOIN step s ON s.id = u.step_id
             WHERE u.what <> 'deleted' OR s.state = 2 GROUP BY s.kind, u.what ORDER BY s.kind, u.what",
        )?;
        counted(&mut statement)
    }

    /// The digests of what the run left an object like, under each of its keys; see `Remembered::content`.
    pub fn contents(&self, kind: Kind, remote_id: &str) -> rusqlite::Result<Vec<i32>> {
        self.connection
            .prepare_cached(
                "SELECT content FROM step WHERE remote_id = ? AND kind = ? AND content IS NOT NULL",
            )?
            .query_map(params![remote_id, kind_number(kind)], |row| row.get(0))?
            .collect()
    }

    /// Those of these memberships that the run has made for certain, in the same order.
    pub fn own_memberships(&self, ids: &[String]) -> rusqlite::Result<Vec<Option<Undoable>>> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT s.id, s.remote_id, d.text FROM step s LEFT JOIN detail d ON d.id = s.detail
             WHERE s.remote_id = ? AND s.kind = 2 AND {CONFIRMED}"
        ))?;
        ids.iter()
            .map(|id| statement.query_row([id], undoable).optional())
            .collect()
    }

    /// The memberships that the run has made of a user, by the ids of all its organizations: for users whose memberships
    /// cannot be listed. Slow.
    pub fn memberships_by_pairs(&self, user_id: &str) -> rusqlite::Result<Vec<i64>> {
        let mut organizations = self.connection.prepare_cached(
            "SELECT DISTINCT remote_id FROM step WHERE kind = 0 AND remote_id IS NOT NULL",
        )?;
        let mut is_own = self.connection.prepare_cached(&format!(
            "SELECT EXISTS (SELECT 1 FROM step WHERE id = ? AND {CONFIRMED})"
        ))?;
        let mut found = Vec::new();
        let mut rows = organizations.query([])?;
        while let Some(row) = rows.next()? {
            let organization: String = row.get(0)?;
            // In the order in which a membership names what it builds on.
            let key = StepKey::new(Kind::Membership, format!("{organization}:{user_id}"));
            if let Some(step) = self.step_id(&key)?
                && is_own.query_row([step], |row| row.get(0))?
            {
                found.push(step);
            }
        }
        Ok(found)
    }

    /// Notes that an object is gone, under each of its keys.
    pub fn note_deleted(&self, kind: Kind, remote_id: &str, at: Timestamp) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO undone (step_id, what, at)
                 SELECT id, 'deleted', ? FROM step WHERE remote_id = ? AND kind = ?",
            )?
            .execute(params![at.as_millisecond(), remote_id, kind_number(kind)])?;
        Ok(())
    }

    /// Notes what was found in the place of something in doubt: an object with this id, or nothing.
    pub fn note_looked_for(&self, step: i64, found: Option<&str>) -> rusqlite::Result<()> {
        match found {
            Some(id) => self.connection.execute(
                "UPDATE undone SET note = ? WHERE step_id = ?",
                params![format!("it is there: {id}"), step],
            )?,
            None => self
                .connection
                .execute("DELETE FROM undone WHERE step_id = ?", [step])?,
        };
        Ok(())
    }

    /// Notes why something is left; what is gone stays so.
    pub fn note_left(
        &self,
        steps: &[i64],
        verdict: Verdict,
        note: Option<&str>,
        at: Timestamp,
    ) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached(
            "INSERT OR IGNORE INTO undone (step_id, what, note, at) VALUES (?, ?, ?, ?)",
        )?;
        for step in steps {
            statement.execute(params![step, verdict.as_str(), note, at.as_millisecond()])?;
        }
        Ok(())
    }

    /// Up to `limit` of what is left, after `after`, in the order in which rows named it.
    pub fn left(&self, after: i64, limit: usize) -> rusqlite::Result<Vec<LeftLine>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT s.id, s.kind, coalesce(s.by_record, s.first_record), coalesce(s.name, us.name), s.remote_id, u.what,
                    u.note
             FROM undone u JOIN step s ON s.id = u.step_id
             LEFT JOIN outcome_step o ON o.record_number = s.by_record AND o.kind = 1 AND s.kind = 2
             LEFT JOIN step us ON us.id = o.step_id
             WHERE u.step_id > ? AND u.what <> 'deleted' ORDER BY u.step_id LIMIT ?",
        )?;
        let mut rows = statement.query(params![after, limit as i64])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let word: String = row.get(5)?;
            let (Some(kind), Some(verdict)) = (kind_of(row.get(1)?), Verdict::of(&word)) else {
                continue;
            };
            found.push(LeftLine {
                step: row.get(0)?,
                kind,
                record_number: row.get(2)?,
                name: row.get(3)?,
                remote_id: row.get(4)?,
                verdict,
                note: row.get(6)?,
            });
        }
        Ok(found)
    }
}

fn undoable(row: &Row<'_>) -> rusqlite::Result<Undoable> {
    Ok(Undoable {
        step: row.get(0)?,
        remote_id: row.get(1)?,
        detail: row.get(2)?,
    })
}

fn counted(statement: &mut rusqlite::Statement<'_>) -> rusqlite::Result<Vec<UndoneCount>> {
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let word: String = row.get(1)?;
        if let (Some(kind), Some(verdict)) = (kind_of(row.get(0)?), Verdict::of(&word)) {
            let count = row.get(2)?;
            found.push(UndoneCount {
                kind,
                verdict,
                count,
            });
        }
    }
    Ok(found)
}
