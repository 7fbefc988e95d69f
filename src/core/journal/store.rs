//! Owns the SQL: one SQLite file a run, the memo and the outcomes in it. Synchronous; the drivers decide on which thread.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::outcome::{Effect, Evidence};
use super::schema::{SCHEMA, SCHEMA_VERSION};
use crate::row::{Kind, NOTHING_CLAIMED, StepKey};

/// What the run is, as the journal records it at its start.
#[derive(Clone, Debug)]
pub struct RunRecord {
    pub id: String,
    pub source: String,
    pub mode: String,
    pub target: String,
    /// JSON, without any secret.
    pub options: String,
    /// Keys the digests of this run.
    pub key: [u8; 32],
    /// Keyed digest of the source's content; `None` for what can be read only once.
    pub source_digest: Option<[u8; 32]>,
    /// Keyed digest of base URL and key.
    pub environment: [u8; 32],
    pub started_at: String,
}

/// A write of an earlier attempt whose answer is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenIntent {
    pub effect: Effect,
    /// When the first such write was about to be sent, and the latest.
    pub first: Timestamp,
    pub last: Timestamp,
}

/// What a row says about a key while it is read.
#[derive(Clone, Debug)]
pub struct Registration {
    pub key: StepKey,
    pub record_number: u64,
    /// Keyed digest of the fields that the row claims for it.
    pub fields: Option<[u8; 16]>,
    /// A name that the row gives to it.
    pub label: Option<String>,
}

/// What was known about the key when the row was registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The first row that named the key.
    pub first_record: u64,
    /// `false`: an earlier row claims other fields, and they count.
    pub same_fields: bool,
    /// The first name given, where this row gives another one.
    pub other_label: Option<String>,
}

/// What is known about an object of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// `None`: the directory is known not to have it.
    pub id: Option<String>,
    /// This run created it.
    pub ours: bool,
    pub evidence: Evidence,
    /// What this run did to it, and through which row.
    pub done: Option<(u64, Effect)>,
    /// JSON of what else is known, such as the roles of a membership.
    pub detail: Option<String>,
}

impl Remembered {
    /// The directory is known not to have it.
    pub fn missing() -> Self {
        Self {
            id: None,
            ours: false,
            evidence: Evidence::Confirmed,
            done: None,
            detail: None,
        }
    }
}

/// An open journal.
pub struct Store {
    pub(super) connection: Connection,
}

impl Store {
    /// Creates the journal of a new run. `None` keeps it in memory (simulations).
    ///
    /// # Errors
    /// When the file cannot be made or written.
    pub fn create(path: Option<&Path>, run: &RunRecord) -> rusqlite::Result<Self> {
        let connection = match path {
            Some(path) => Connection::open(path)?,
            None => Connection::open_in_memory()?,
        };
        let store = Self::configured(connection)?;
        let connection = &store.connection;
        connection.execute_batch(SCHEMA)?;
        connection.execute(
            "INSERT INTO run (id, schema_version, source, mode, target, options, key, source_digest, environment, started_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                run.id,
                SCHEMA_VERSION,
                run.source,
                run.mode,
                run.target,
                run.options,
                run.key,
                run.source_digest,
                run.environment,
                run.started_at
            ],
        )?;
        Ok(store)
    }

    /// Opens a finished or running journal for reading.
    ///
    /// # Errors
    /// When the file is not there or is no journal.
    pub fn open(path: &Path) -> rusqlite::Result<Self> {
        Ok(Self {
            connection: Connection::open_with_flags(
                path,
                rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
            )?,
        })
    }

    /// Opens the journal of a run to go on with it: rows that were set aside are looked at again from the
    /// beginning, and what was missing may be there by now.
    ///
    /// # Errors
    /// When the file is not there, is no journal, or cannot be written.
    pub fn reopen(path: &Path) -> rusqlite::Result<Self> {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
        let store = Self::configured(Connection::open_with_flags(path, flags)?)?;
        store.connection.execute_batch(
            "DELETE FROM parked;
             UPDATE step SET missing = NULL WHERE missing = 1;
             UPDATE run SET status = NULL, ended_at = NULL",
        )?;
        Ok(store)
    }

    fn configured(connection: Connection) -> rusqlite::Result<Self> {
        connection.set_prepared_statement_cache_capacity(64);
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        // Bounds the page cache: memory does not grow with the file.
        connection.pragma_update(None, "cache_size", -8192)?;
        Ok(Self { connection })
    }

    /// Notes how the run ended.
    pub fn finish(&self, status: &str, ended_at: &str) -> rusqlite::Result<()> {
        self.connection.execute(
            "UPDATE run SET status = ?, ended_at = ?",
            params![status, ended_at],
        )?;
        Ok(())
    }

    /// Finds the place of a key: its own if it is there, else a free one. Two names that share a digest get
    /// neighbouring places, so that they are never taken for one another.
    pub(super) fn place(&self, key: &StepKey) -> rusqlite::Result<(i64, bool)> {
        let digest = blake3::hash(format!("{}:{}", key.kind.as_str(), key.name).as_bytes());
        let mut id = i64::from_le_bytes(first_eight(digest.as_bytes()));
        let mut statement = self
            .connection
            .prepare_cached("SELECT kind, name FROM step WHERE id = ?")?;
        loop {
            let found: Option<(i64, String)> = statement
                .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            match found {
                None => return Ok((id, false)),
                Some((kind, name)) if kind == kind_number(key.kind) && name == key.name => {
                    return Ok((id, true));
                }
                Some(_) => id = id.wrapping_add(1),
            }
        }
    }

    /// The place of a key, made if it is not there yet.
    pub(super) fn ensure_place(&self, key: &StepKey) -> rusqlite::Result<i64> {
        let (id, there) = self.place(key)?;
        if !there {
            self.connection
                .prepare_cached("INSERT INTO step (id, kind, name) VALUES (?, ?, ?)")?
                .execute(params![id, kind_number(key.kind), key.name])?;
        }
        Ok(id)
    }

    /// Registers a key for a row, in the order of reading: the first row's fields and name count.
    pub fn register(&self, registration: &Registration) -> rusqlite::Result<Registered> {
        let id = self.ensure_place(&registration.key)?;
        let (first, fields, label): (Option<u64>, Option<Vec<u8>>, Option<String>) = self
            .connection
            .prepare_cached("SELECT first_record, fields, label FROM step WHERE id = ?")?
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        if first.is_none() || (label.is_none() && registration.label.is_some()) {
            self.connection
                .prepare_cached(
                    "UPDATE step SET first_record = coalesce(first_record, ?), fields = coalesce(fields, ?),
                     label = coalesce(label, ?) WHERE id = ?",
                )?
                .execute(params![
                    registration.record_number,
                    registration.fields.map(|digest| digest.to_vec()),
                    registration.label,
                    id
                ])?;
        }
        let same_fields = match (&fields, &registration.fields) {
            // A row that says nothing but who the user is agrees with every earlier one.
            (Some(_), Some(now)) if *now == NOTHING_CLAIMED => true,
            (Some(earlier), Some(now)) => earlier.as_slice() == now.as_slice(),
            _ => true,
        };
        let other_label = match (label, &registration.label) {
            (Some(earlier), Some(now)) if earlier != *now => Some(earlier),
            _ => None,
        };
        Ok(Registered {
            first_record: first.unwrap_or(registration.record_number),
            same_fields,
            other_label,
        })
    }

    /// What is known about a key; `None` if nothing is.
    pub fn remembered(&self, key: &StepKey) -> rusqlite::Result<Option<Remembered>> {
        let (id, there) = self.place(key)?;
        if !there {
            return Ok(None);
        }
        self.connection
            .prepare_cached(
                "SELECT remote_id, ours, evidence, detail, by_record, effect FROM step
                 WHERE id = ? AND (remote_id IS NOT NULL OR missing = 1)",
            )?
            .query_row([id], remembered_from)
            .optional()
    }

    /// Notes that a write for the key is about to leave; the time of the first one stays.
    pub fn intent(&self, key: &StepKey, effect: Effect, at: &str) -> rusqlite::Result<()> {
        let id = self.ensure_place(key)?;
        self.connection
            .prepare_cached(
                "UPDATE step SET intent = ?, intent_at = coalesce(intent_at, ?2), last_intent = ?2 WHERE id = ?3",
            )?
            .execute(params![effect.as_str(), at, id])?;
        Ok(())
    }

    /// The write of an earlier attempt whose answer is not known; `None` if every answer is.
    pub fn open_intent(&self, key: &StepKey) -> rusqlite::Result<Option<OpenIntent>> {
        let (id, there) = self.place(key)?;
        if !there {
            return Ok(None);
        }
        let found: Option<(String, String, String)> = self
            .connection
            .prepare_cached(
                "SELECT intent, intent_at, last_intent FROM step
                 WHERE id = ? AND intent IS NOT NULL AND remote_id IS NULL",
            )?
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        Ok(found.and_then(|(effect, first, last)| {
            Some(OpenIntent {
                effect: Effect::named(&effect)?,
                first: first.parse().ok()?,
                last: last.parse().ok()?,
            })
        }))
    }

    /// Notes what the directory said about the key.
    pub fn remember(&self, key: &StepKey, known: &Remembered) -> rusqlite::Result<()> {
        let id = self.ensure_place(key)?;
        self.connection
            .prepare_cached(
                "UPDATE step SET remote_id = ?, missing = ?, ours = max(coalesce(ours, 0), ?), evidence = ?, detail = ?,
                 by_record = coalesce(?, by_record), effect = coalesce(?, effect) WHERE id = ?",
            )?
            .execute(params![
                known.id,
                known.id.is_none(),
                known.ours,
                known.evidence.as_str(),
                known.detail,
                known.done.map(|(record, _)| record),
                known.done.map(|(_, effect)| effect.as_str()),
                id
            ])?;
        Ok(())
    }

    /// Notes that the API's answer was no: nothing was written, and nothing is in doubt.
    pub fn refused(&self, key: &StepKey) -> rusqlite::Result<()> {
        let id = self.ensure_place(key)?;
        self.connection
            .prepare_cached("UPDATE step SET intent = NULL, intent_at = NULL WHERE id = ?")?
            .execute([id])?;
        Ok(())
    }

    /// Forgets what the directory said: the next row asks again.
    pub fn forget(&self, key: &StepKey) -> rusqlite::Result<()> {
        let id = self.ensure_place(key)?;
        self.connection
            .prepare_cached("UPDATE step SET remote_id = NULL, missing = NULL, ours = NULL, detail = NULL, intent = NULL, intent_at = NULL,
                 by_record = NULL, effect = NULL WHERE id = ?")?
            .execute([id])?;
        Ok(())
    }
}

fn remembered_from(row: &Row<'_>) -> rusqlite::Result<Remembered> {
    let evidence: Option<String> = row.get(2)?;
    Ok(Remembered {
        id: row.get(0)?,
        ours: row.get::<_, Option<bool>>(1)?.unwrap_or(false),
        evidence: if evidence.as_deref() == Some("inferred") {
            Evidence::Inferred
        } else {
            Evidence::Confirmed
        },
        detail: row.get(3)?,
        done: row.get::<_, Option<u64>>(4)?.zip(
            row.get::<_, Option<String>>(5)?
                .as_deref()
                .and_then(Effect::named),
        ),
    })
}

fn first_eight(bytes: &[u8; 32]) -> [u8; 8] {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[..8]);
    eight
}

pub(super) fn kind_number(kind: Kind) -> i64 {
    match kind {
        Kind::Organization => 0,
        Kind::User => 1,
        Kind::Membership => 2,
    }
}
