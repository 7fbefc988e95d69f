//! Owns the SQL of rows that are known by what they say: their numbers stay, in whatever order they come the next time.

use rusqlite::{OptionalExtension, params};

use super::places::halves;
use super::store::Store;

impl Store {
    /// Begins to read the source, once more: each row of it can be known only once in a reading. Returns the reading.
    pub fn begin_reading(&self) -> rusqlite::Result<i64> {
        self.connection.query_row(
            "UPDATE run SET readings = readings + 1 RETURNING readings",
            [],
            |row| row.get(0),
        )
    }

    /// The record number of a row: that of the first row with this digest that this reading has not met yet, so that
    /// equal rows are counted; else, with `may_add`, the next free one. `None`: the row is not known.
    pub fn number_row(
        &self,
        digest: &[u8; 32],
        reading: i64,
        may_add: bool,
    ) -> rusqlite::Result<Option<u64>> {
        let (first, rest) = halves(digest);
        let known: Option<u64> = self
            .connection
            .prepare_cached(
                "SELECT record_number FROM known_row WHERE digest = ? AND digest_rest = ? AND reading < ?
                 ORDER BY record_number LIMIT 1",
            )?
            .query_row(params![first, rest, reading], |row| row.get(0))
            .optional()?;
        if let Some(number) = known {
            self.connection
                .prepare_cached("UPDATE known_row SET reading = ? WHERE record_number = ?")?
                .execute(params![reading, number])?;
            return Ok(Some(number));
        }
        if !may_add {
            return Ok(None);
        }
        self.connection
            .prepare_cached(
                "INSERT INTO known_row (record_number, digest, digest_rest, reading)
                 VALUES ((SELECT coalesce(max(record_number), 0) + 1 FROM known_row), ?, ?, ?) RETURNING record_number",
            )?
            .query_row(params![first, rest, reading], |row| row.get(0))
            .map(Some)
    }
}
