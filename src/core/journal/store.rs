//! Owns the SQLite file of a run: how it is made, opened and closed. Synchronous; the drivers decide on which thread.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, params};

use super::places::Latest;
use super::schema::{SCHEMA, SCHEMA_VERSION};

/// One thread at a time has a connection, which the compiler sees to: SQLite need not lock it for each call.
const UNSHARED: OpenFlags = OpenFlags::SQLITE_OPEN_NO_MUTEX;

/// What the run is, as the journal records it at its start.
#[derive(Clone, Debug)]
pub struct RunRecord {
    pub id: String,
    /// The name that the caller gave to the run.
    pub name: Option<String>,
    pub source: String,
    pub mode: String,
    pub target: String,
    /// JSON, without any secret.
    pub options: String,
    /// Keys the digests of this run.
    pub key: [u8; 32],
    /// Keyed digest of the source's content; `None` where rows are known one by one, or not at all.
    pub source_digest: Option<[u8; 32]>,
    /// Keyed digest of base URL and key.
    pub environment: [u8; 32],
    pub started_at: String,
}

/// An open journal.
pub struct Store {
    pub(super) connection: Connection,
    pub(super) latest: Latest,
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
        // In one transaction: a run that is killed here has left no journal, not half of one.
        let transaction = store.connection.unchecked_transaction()?;
        transaction.execute_batch(SCHEMA)?;
        transaction.execute(
            "INSERT INTO run (id, schema_version, name, source, mode, target, options, key, source_digest, environment,
                              started_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                run.id,
                SCHEMA_VERSION,
                run.name,
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
        transaction.commit()?;
        Ok(store)
    }

    /// Opens a finished or running journal for reading.
    ///
    /// # Errors
    /// When the file is not there, is no journal, or is one of another version.
    pub fn open(path: &Path) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | UNSHARED;
        let store = Self {
            connection: Connection::open_with_flags(path, flags)?,
            latest: Latest::new(),
        };
        store.check_version()?;
        Ok(store)
    }

    /// Opens the journal of a run to go on with it: rows that were set aside are looked at again from the
    /// beginning, and what was missing may be there by now.
    ///
    /// # Errors
    /// When the file is not there, is no journal, is one of another version, or cannot be written.
    pub fn reopen(path: &Path) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | UNSHARED;
        let store = Self::configured(Connection::open_with_flags(path, flags)?)?;
        store.check_version()?;
        store.connection.execute_batch(
            "DELETE FROM parked;
             UPDATE step SET state = NULL WHERE state = 0;
             UPDATE run SET status = NULL, ended_at = NULL",
        )?;
        Ok(store)
    }

    /// Opens the journal of a comparison that was killed, to make it again with what it had read of the directory. What it
    /// had made of that is forgotten: reading is what takes time.
    ///
    /// # Errors
    /// As of [`Store::reopen`].
    pub fn compare_again(path: &Path) -> rusqlite::Result<Self> {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
        let store = Self::configured(Connection::open_with_flags(path, flags)?)?;
        store.check_version()?;
        let transaction = store.connection.unchecked_transaction()?;
        store.forget_imagined()?;
        transaction.execute_batch(
            "DELETE FROM step; DELETE FROM detail; DELETE FROM outcome; DELETE FROM outcome_step; DELETE FROM parked;
             DELETE FROM planned; UPDATE run SET status = NULL, ended_at = NULL, total = NULL",
        )?;
        transaction.commit()?;
        Ok(store)
    }

    /// Opens the journal of a run to undo it. Nothing is changed yet.
    ///
    /// # Errors
    /// As of [`Store::reopen`].
    pub fn reopen_to_undo(path: &Path) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | UNSHARED;
        let store = Self::configured(Connection::open_with_flags(path, flags)?)?;
        store.check_version()?;
        Ok(store)
    }

    /// The key of the run's digests.
    pub(super) fn key(&self) -> rusqlite::Result<[u8; 32]> {
        self.connection
            .query_row("SELECT key FROM run", [], |row| row.get(0))
    }

    fn configured(connection: Connection) -> rusqlite::Result<Self> {
        connection.set_prepared_statement_cache_capacity(64);
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        // Bounds the page cache (3 MiB): memory does not grow with the file. What it does not hold is in the system's.
        connection.pragma_update(None, "cache_size", -3072)?;
        // Rows of a large file touch pages all over it: a page that is written often reaches its place once (80 MB).
        connection.pragma_update(None, "wal_autocheckpoint", 20_000)?;
        Ok(Self {
            connection,
            latest: Latest::new(),
        })
    }

    fn check_version(&self) -> rusqlite::Result<()> {
        let version: u32 =
            self.connection
                .query_row("SELECT schema_version FROM run", [], |row| row.get(0))?;
        if version == SCHEMA_VERSION {
            return Ok(());
        }
        let message = format!(
            "the journal has version {version}, this program reads version {SCHEMA_VERSION}: use the one that wrote it"
        );
        Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_MISMATCH),
            Some(message),
        ))
    }

    /// Leaves nothing beside the journal's file: who opens it for reading would else make its log anew, and leave that
    /// there. Whoever reads it at this moment keeps that from happening, and nothing is lost with it.
    pub(super) fn leave_one_file(&self) {
        let _ = self.connection.busy_timeout(Duration::ZERO);
        let _ = self
            .connection
            .pragma_update(None, "journal_mode", "DELETE");
    }

    /// Notes how the run ended.
    pub fn finish(&self, status: &str, ended_at: &str) -> rusqlite::Result<()> {
        self.connection.execute(
            "UPDATE run SET status = ?, ended_at = ?",
            params![status, ended_at],
        )?;
        Ok(())
    }
}
