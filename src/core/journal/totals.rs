//! What a journal tells of its run as a whole: what was asked for, how it ended, and the counts that a later attempt
//! goes on from.

use std::collections::BTreeMap;

use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::outcome::{Effect, Outcome};
use super::store::Store;
use crate::row::Kind;

/// A run as its journal describes it.
#[derive(Clone, Debug)]
pub struct RunInfo {
    pub id: String,
    /// The name that the caller gave to it.
    pub name: Option<String>,
    /// The path of the source as it was given.
    pub source: String,
    pub mode: String,
    pub target: String,
    /// JSON; the options that shape the result.
    pub options: String,
    pub key: [u8; 32],
    pub source_digest: Option<[u8; 32]>,
    pub environment: [u8; 32],
    pub total: Option<u64>,
    pub started_at: String,
    pub ended_at: Option<String>,
    /// `None` while it runs, and after it was killed.
    pub status: Option<String>,
    pub counters: Counters,
    /// The error file that grows line by line, and how many of its bytes belong to rows that have ended.
    pub error_file: Option<(String, u64)>,
    /// Rows by outcome.
    pub outcomes: BTreeMap<&'static str, u64>,
}

impl RunInfo {
    /// Rows are known by what they say, not by their place: they came from a program, or the run has a name.
    pub fn knows_rows(&self) -> bool {
        self.source_digest.is_none() && self.source != "-"
    }

    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(outcome.as_str()).copied().unwrap_or(0)
    }
}

/// What the tables do not tell. Written now and then: a kill loses the latest of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    pub lookups: u64,
    pub differing: u64,
    pub taken_back: u64,
    pub warnings: u64,
    pub duration_seconds: f64,
    pub calls: BTreeMap<String, u64>,
    pub waits: Waits,
}

impl Counters {
    /// What reading has cost, without what was made of it.
    #[must_use]
    pub fn of_reading(self) -> Self {
        Self {
            duration_seconds: self.duration_seconds,
            calls: self.calls,
            waits: self.waits,
            ..Self::default()
        }
    }
}

/// What the calls of a run had to wait for, besides their turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Waits {
    /// Calls that were turned away with 429.
    pub turned_away: u64,
    /// How often a kind of call paused because of that, and for how long in all.
    pub pauses: u64,
    pub paused_seconds: f64,
    /// For how long the API was away.
    pub away_seconds: f64,
}

impl Waits {
    /// Those of two attempts together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            turned_away: self.turned_away + other.turned_away,
            pauses: self.pauses + other.pauses,
            paused_seconds: self.paused_seconds + other.paused_seconds,
            away_seconds: self.away_seconds + other.away_seconds,
        }
    }
}

/// The counts of the rows that an attempt does not look at again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    pub outcomes: BTreeMap<&'static str, u64>,
    pub effects: BTreeMap<(Kind, &'static str), u64>,
    pub created: BTreeMap<Kind, u64>,
    pub shared_uses: u64,
    pub inferred: u64,
}

/// Rows that failed with one code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureGroup {
    pub code: String,
    pub error_type: String,
    pub count: u64,
    /// The first of them.
    pub records: Vec<u64>,
    /// The message of the first one.
    pub example: String,
}

impl Store {
    /// The failed rows by code, the most frequent first, each with up to `examples` record numbers.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn failure_groups(&self, examples: usize) -> rusqlite::Result<Vec<FailureGroup>> {
        let mut groups = self.connection.prepare(
            "SELECT json_extract(error, '$.code') AS code, min(json_extract(error, '$.error_type')), count(*)
             FROM outcome WHERE outcome = 4 GROUP BY code ORDER BY count(*) DESC, code",
        )?;
        let mut records = self.connection.prepare(
            "SELECT record_number, json_extract(error, '$.message') FROM outcome
             WHERE outcome = 4 AND json_extract(error, '$.code') = ? ORDER BY record_number LIMIT ?",
        )?;
        let mut found = Vec::new();
        let mut rows = groups.query([])?;
        while let Some(row) = rows.next()? {
            let code: String = row.get(0)?;
            let named: Vec<(u64, String)> = records
                .query_map(params![code, examples as i64], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?
                .collect::<rusqlite::Result<_>>()?;
            found.push(FailureGroup {
                error_type: row.get(1)?,
                count: row.get(2)?,
                example: named
                    .first()
                    .map(|(_, text)| text.clone())
                    .unwrap_or_default(),
                records: named.into_iter().map(|(number, _)| number).collect(),
                code,
            });
        }
        Ok(found)
    }

    /// What the journal tells of its run.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn run_info(&self) -> rusqlite::Result<RunInfo> {
        let mut info = self.connection.query_row(
            "SELECT id, source, mode, target, options, key, source_digest, environment, total, started_at, ended_at,
                    status, counters, name, error_file, error_length FROM run",
            [],
            |row| {
                let counters: Option<String> = row.get(12)?;
                Ok(RunInfo {
                    id: row.get(0)?,
                    source: row.get(1)?,
                    mode: row.get(2)?,
                    target: row.get(3)?,
                    options: row.get(4)?,
                    key: row.get(5)?,
                    source_digest: row.get(6)?,
                    environment: row.get(7)?,
                    total: row.get(8)?,
                    started_at: row.get(9)?,
                    ended_at: row.get(10)?,
                    status: row.get(11)?,
                    name: row.get(13)?,
                    error_file: row
                        .get::<_, Option<String>>(14)?
                        .zip(row.get::<_, Option<u64>>(15)?),
                    counters: counters
                        .and_then(|text| serde_json::from_str(&text).ok())
                        .unwrap_or_default(),
                    outcomes: BTreeMap::new(),
                })
            },
        )?;
        info.outcomes = self.outcomes(false)?;
        Ok(info)
    }

    /// The counts of the rows that an attempt does not look at again; with `retry` the failed ones are looked at.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn kept(&self, retry: bool) -> rusqlite::Result<Kept> {
        let mut kept = Kept {
            outcomes: self.outcomes(retry)?,
            ..Kept::default()
        };
        let mut effects = self.connection.prepare(
            "SELECT s.kind, s.effect, count(*) FROM outcome_step s JOIN outcome o USING (record_number)
             WHERE o.outcome <> 4 OR NOT ? GROUP BY s.kind, s.effect",
        )?;
        let mut rows = effects.query([retry])?;
        while let Some(row) = rows.next()? {
            if let (Some(kind), Some(effect)) = (kind_of(row.get(0)?), Effect::of_code(row.get(1)?))
            {
                kept.effects.insert((kind, effect.as_str()), row.get(2)?);
            }
        }
        let mut created = self.connection.prepare(
            "SELECT s.kind, count(*) FROM step s JOIN outcome o ON o.record_number = s.by_record
             WHERE s.state = 2 AND s.effect = 1 AND (o.outcome <> 4 OR NOT ?) GROUP BY s.kind",
        )?;
        let mut rows = created.query([retry])?;
        while let Some(row) = rows.next()? {
            if let Some(kind) = kind_of(row.get(0)?) {
                kept.created.insert(kind, row.get(1)?);
            }
        }
        kept.shared_uses = self.count(
            "SELECT count(*) FROM outcome o WHERE (o.outcome <> 4 OR NOT ?)
               AND (EXISTS (SELECT 1 FROM outcome_step s WHERE s.record_number = o.record_number AND s.kind = 0)
                    OR json_extract(o.error, '$.error_type') = 'org_resolution')",
            retry,
        )?;
        kept.inferred = self.count(
            "SELECT count(*) FROM outcome WHERE inferred = 1 AND (outcome <> 4 OR NOT ?)",
            retry,
        )?;
        Ok(kept)
    }

    fn count(&self, question: &str, retry: bool) -> rusqlite::Result<u64> {
        self.connection
            .query_row(question, [retry], |row| row.get(0))
    }

    fn outcomes(&self, retry: bool) -> rusqlite::Result<BTreeMap<&'static str, u64>> {
        let mut found = BTreeMap::new();
        let mut statement = self.connection.prepare(
            "SELECT outcome, count(*) FROM outcome WHERE outcome <> 4 OR NOT ? GROUP BY outcome",
        )?;
        let mut rows = statement.query([retry])?;
        while let Some(row) = rows.next()? {
            if let Some(outcome) = Outcome::of_code(row.get(0)?) {
                found.insert(outcome.as_str(), row.get(1)?);
            }
        }
        Ok(found)
    }

    /// Notes the counts that the tables do not tell, and the number of records where it is known.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn note_counters(&self, counters: &Counters, total: Option<u64>) -> rusqlite::Result<()> {
        let text = serde_json::to_string(counters)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        self.connection.execute(
            // The history is noted by itself, and stays.
            "UPDATE run SET total = coalesce(?2, total),
                            counters = CASE WHEN json_extract(counters, '$.history') IS NULL THEN ?1
                                       ELSE json_set(?1, '$.history', json_extract(counters, '$.history')) END",
            params![text, total],
        )?;
        Ok(())
    }

    /// Another attempt begins: how its source is read, and how many records that has where it is known.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn begin(&self, mode: &str, total: Option<u64>) -> rusqlite::Result<()> {
        self.connection
            .execute("UPDATE run SET mode = ?, total = ?", params![mode, total])?;
        Ok(())
    }

    /// Notes which error file grows line by line and holds the rows that failed so far; `None`: none does.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn note_error_file(&self, path: Option<&str>) -> rusqlite::Result<()> {
        self.connection.execute(
            "UPDATE run SET error_file = ?1, error_length = CASE WHEN ?1 IS NOT NULL THEN 0 END",
            [path],
        )?;
        Ok(())
    }

    /// Notes how many bytes of the error file belong to the rows that have ended.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn note_error_length(&self, length: u64) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("UPDATE run SET error_length = ?")?
            .execute([length])?;
        Ok(())
    }

    /// After a key was changed: the run belongs to the environment as the new key reaches it.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn note_environment(&self, environment: &[u8; 32]) -> rusqlite::Result<()> {
        self.connection
            .execute("UPDATE run SET environment = ?", [environment])?;
        Ok(())
    }
}

pub(super) fn kind_of(number: i64) -> Option<Kind> {
    Kind::of_code(number)
}
