//! Owns the SQL of what the directory held when a source was compared with it: objects by their names, and how far lists
//! were read.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::steps::kind_number;
use super::store::Store;
use crate::row::Kind;

/// One object of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenObject {
    pub remote_id: String,
    /// JSON of what claims are compared with.
    pub details: String,
}

/// What is known of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeenName {
    Unknown,
    Absent,
    Found(SeenObject),
}

/// How far a list was read: where the next page from each end begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListingState {
    pub oldest: Option<String>,
    pub newest: Option<String>,
    pub pages: u64,
    /// How many objects on them are wanted.
    pub found: u64,
    pub complete: bool,
}

impl Store {
    /// Counts rows that use these names.
    pub fn want(&self, names: &[String]) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO wanted (name, rows) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET rows = rows + 1",
        )?;
        for name in names {
            statement.execute([name])?;
        }
        Ok(())
    }

    /// How many different names that begin with `prefix` are wanted.
    pub fn count_wanted(&self, prefix: &str) -> rusqlite::Result<u64> {
        self.connection
            .prepare_cached("SELECT count(*) FROM wanted WHERE name >= ?1 AND name < ?2")?
            .query_row(params![prefix, after_prefix(prefix)], |row| row.get(0))
    }

    /// Up to `limit` wanted names that begin with `prefix`, after `after`, and how many rows use each.
    pub fn wanted(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> rusqlite::Result<Vec<(String, u64)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT name, rows FROM wanted WHERE name >= ?1 AND name < ?2 AND name > ?3 ORDER BY name LIMIT ?4",
        )?;
        let rows = statement.query_map(
            params![prefix, after_prefix(prefix), after, limit as i64],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        rows.collect()
    }

    /// Whether any of these names is wanted.
    pub fn is_wanted(&self, names: &[String]) -> rusqlite::Result<bool> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM wanted WHERE name = ?)")?;
        for name in names {
            if statement.query_row([name], |row| row.get(0))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether an object with this name was seen.
    pub fn has_seen(&self, name: &str) -> rusqlite::Result<bool> {
        self.connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM seen_name WHERE name = ? AND seen IS NOT NULL)",
            )?
            .query_row([name], |row| row.get(0))
    }

    /// Keeps what an object would be after a write that is imagined, beside what it was.
    pub fn see_instead(
        &self,
        kind: Kind,
        object: &SeenObject,
        names: &[String],
    ) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "UPDATE seen SET was = coalesce(was, details) WHERE kind = ? AND remote_id = ?",
            )?
            .execute(params![kind_number(kind), object.remote_id])?;
        let id = self.see_object(kind, object)?;
        for name in names {
            self.name_instead(name, Some(id))?;
        }
        Ok(())
    }

    /// A name that nobody would have any more after a write that is imagined.
    pub fn see_nothing_instead(&self, name: &str) -> rusqlite::Result<()> {
        self.name_instead(name, None)
    }

    fn name_instead(&self, name: &str, seen: Option<i64>) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO seen_name (name, seen, was) VALUES (?1, ?2, -1)
                 ON CONFLICT (name) DO UPDATE SET was = coalesce(was, seen, 0), seen = excluded.seen",
            )?
            .execute(params![name, seen])?;
        Ok(())
    }

    /// Goes back to what the directory showed, from what it would be after the writes that were imagined.
    pub(super) fn forget_imagined(&self) -> rusqlite::Result<()> {
        self.connection.execute_batch(
            "DELETE FROM seen_name WHERE was = -1;
             UPDATE seen_name SET seen = nullif(was, 0), was = NULL WHERE was IS NOT NULL;
             UPDATE seen SET details = was, was = NULL WHERE was IS NOT NULL;
             DELETE FROM seen WHERE remote_id LIKE 'planned:%'",
        )
    }

    /// Keeps an object under its names.
    pub fn see(&self, kind: Kind, object: &SeenObject, names: &[String]) -> rusqlite::Result<()> {
        let id = self.see_object(kind, object)?;
        let mut statement = self
            .connection
            .prepare_cached("INSERT OR REPLACE INTO seen_name (name, seen) VALUES (?, ?)")?;
        for name in names {
            statement.execute(params![name, id])?;
        }
        Ok(())
    }

    fn see_object(&self, kind: Kind, object: &SeenObject) -> rusqlite::Result<i64> {
        self.connection
            .prepare_cached(
                "INSERT INTO seen (kind, remote_id, details) VALUES (?, ?, ?)
                 ON CONFLICT (kind, remote_id) DO UPDATE SET details = excluded.details RETURNING id",
            )?
            .query_row(
                params![kind_number(kind), object.remote_id, object.details],
                |row| row.get(0),
            )
    }

    /// A name that belongs to nobody.
    pub fn see_nothing(&self, name: &str) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO seen_name (name, seen) VALUES (?, NULL)")?
            .execute([name])?;
        Ok(())
    }

    /// What is known of a name; `listing` is the list in which its object would be.
    pub fn seen(&self, name: &str, listing: &str) -> rusqlite::Result<SeenName> {
        let found: Option<Option<SeenObject>> = self
            .connection
            .prepare_cached(
                "SELECT s.remote_id, s.details FROM seen_name n LEFT JOIN seen s ON s.id = n.seen WHERE n.name = ?",
            )?
            .query_row([name], |row| {
                let Some(remote_id) = row.get(0)? else {
                    return Ok(None);
                };
                Ok(Some(SeenObject {
                    remote_id,
                    details: row.get(1)?,
                }))
            })
            .optional()?;
        Ok(match found {
            Some(Some(object)) => SeenName::Found(object),
            Some(None) => SeenName::Absent,
            None if self.listing(listing)?.complete => SeenName::Absent,
            None => SeenName::Unknown,
        })
    }

    /// How far a list was read.
    pub fn listing(&self, name: &str) -> rusqlite::Result<ListingState> {
        let found = self
            .connection
            .prepare_cached(
                "SELECT oldest, newest, pages, found, complete FROM listing WHERE name = ?",
            )?
            .query_row([name], |row| {
                Ok(ListingState {
                    oldest: row.get(0)?,
                    newest: row.get(1)?,
                    pages: row.get(2)?,
                    found: row.get(3)?,
                    complete: row.get(4)?,
                })
            })
            .optional()?;
        Ok(found.unwrap_or_default())
    }

    /// Notes that a page of a list was read, how many of its objects are wanted, and where the next one from that end
    /// begins.
    pub fn note_page(
        &self,
        name: &str,
        from_newest: bool,
        next: Option<&str>,
        found: u64,
        at: Timestamp,
    ) -> rusqlite::Result<()> {
        let end = if from_newest { "newest" } else { "oldest" };
        self.connection
            .prepare_cached(&format!(
                "INSERT INTO listing (name, {end}, pages, found, begun_at, complete) VALUES (?1, ?2, 1, ?3, ?4, 0)
                 ON CONFLICT (name) DO UPDATE SET {end} = ?2, pages = pages + 1, found = found + ?3"
            ))?
            .execute(params![name, next, found, at.as_millisecond()])?;
        Ok(())
    }

    /// Notes that a list was read as a whole.
    pub fn note_complete(&self, name: &str) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("UPDATE listing SET complete = 1 WHERE name = ?")?
            .execute([name])?;
        Ok(())
    }

    /// Forgets all that was seen if reading it began before then.
    pub fn forget_older(&self, than: Timestamp) -> rusqlite::Result<()> {
        let is_old: bool = self.connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM listing WHERE begun_at < ?)
                 OR (SELECT count(*) FROM listing) = 0",
            [than.as_millisecond()],
            |row| row.get(0),
        )?;
        if is_old {
            self.connection
                .execute_batch("DELETE FROM seen_name; DELETE FROM seen; DELETE FROM listing")?;
        }
        Ok(())
    }

    /// Forgets what rows want: they are counted anew.
    pub fn forget_wanted(&self) -> rusqlite::Result<()> {
        self.connection.execute_batch("DELETE FROM wanted")
    }

    /// Forgets what the directory held: a copy of people's data is kept no longer than it is needed.
    pub fn forget_seen(&self) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "secure_delete", "ON")?;
        self.connection.execute_batch(
            "DELETE FROM seen_name; DELETE FROM seen; DELETE FROM wanted; DELETE FROM listing",
        )?;
        self.connection.pragma_update(None, "secure_delete", "OFF")
    }
}

/// The first text that does not begin with `prefix` any more.
fn after_prefix(prefix: &str) -> String {
    format!("{prefix}\u{10FFFF}")
}
