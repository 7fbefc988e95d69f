//! Owns what is noted of a run's course beside its rows: when it was worked on and within which limits, when calls paused,
//! when the API was away. Short, however long the run is. Times are milliseconds since 1970, UTC.

use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::store::Store;
use crate::spans::Spans;

/// A limit: so many requests in so many seconds.
pub type KeptLimit = (u32, f64);

/// The course of a run, all attempts together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    pub attempts: Vec<Attempt>,
    /// Since when which limit was kept for writes; `None`: none was.
    pub limits: Vec<(i64, Option<KeptLimit>)>,
    /// Calls paused after a 429.
    pub paused: Spans<i64>,
    pub away: Spans<i64>,
}

/// One attempt at a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attempt {
    pub began_at: i64,
    /// Of the program.
    pub version: String,
    /// The key was a live one.
    pub live: bool,
    /// The limit for writes, without what was left to the application.
    pub limit: Option<KeptLimit>,
    /// The share (0 to 1) that was left to the application.
    pub headroom: f64,
}

impl History {
    /// Of longer lists the first entry and the latest ones are kept.
    const MOST: usize = 50;

    /// Another attempt begins.
    pub fn begin(&mut self, attempt: Attempt) {
        self.limited(attempt.began_at, attempt.limit);
        self.attempts.push(attempt);
        if self.attempts.len() > Self::MOST {
            self.attempts.remove(1);
        }
    }

    /// Another limit is kept from now on.
    pub fn limited(&mut self, at: i64, limit: Option<KeptLimit>) {
        self.limits.push((at, limit));
        if self.limits.len() > Self::MOST {
            self.limits.remove(1);
        }
    }
}

impl Store {
    /// Notes the course of the run so far.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn note_history(&self, history: &History) -> rusqlite::Result<()> {
        let text = serde_json::to_string(history)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        self.connection.execute(
            "UPDATE run SET counters = json_set(coalesce(counters, '{}'), '$.history', json(?))",
            params![text],
        )?;
        Ok(())
    }

    /// The course of the run; empty where nobody has noted it.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn history(&self) -> rusqlite::Result<History> {
        let text: Option<String> = self.connection.query_row(
            "SELECT json_extract(counters, '$.history') FROM run",
            [],
            |row| row.get(0),
        )?;
        let read = text.and_then(|text| serde_json::from_str(&text).ok());
        Ok(read.unwrap_or_default())
    }
}
