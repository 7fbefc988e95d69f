//! Answers what a report asks of a journal: when how much happened, how organizations fared, which rows failed how.

use std::collections::BTreeMap;

use rusqlite::params;

use super::store::Store;

/// What happened in one bucket of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Busy {
    /// Writes that were about to be sent: the first and the latest try of each.
    pub writes: u64,
    /// Rows that ended, and those of them that failed.
    pub rows: u64,
    pub failed: u64,
}

/// How the rows of one organization ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrganizationRows {
    /// The natural key, such as `external_id:acme`.
    pub name: Option<String>,
    /// The first name that a row gave to it.
    pub label: Option<String>,
    pub remote_id: Option<String>,
    pub created: u64,
    pub updated: u64,
    pub unchanged: u64,
    pub failed: u64,
}

/// How many organizations rows have, and how those rows ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrganizationTotals {
    pub organizations: u64,
    pub rows: u64,
    pub failed: u64,
}

/// One row that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureExample {
    pub record_number: u64,
    pub line: Option<u64>,
    pub email: Option<String>,
    pub message: String,
    pub http_status: Option<u16>,
    pub request_id: Option<String>,
}

/// Times at which something happened: what, and where it is.
const HAPPENED: [(&str, &str); 3] = [
    ("at", "outcome"),
    ("intent_at", "step"),
    ("last_intent", "step"),
];

impl Store {
    /// The minutes in which anything happened (since 1970), each with its first and its last moment in milliseconds.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn active_minutes(&self) -> rusqlite::Result<BTreeMap<i64, (i64, i64)>> {
        let mut minutes: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
        for (time, table) in HAPPENED {
            let mut statement = self.connection.prepare(&format!(
                "SELECT {time} / 60000, min({time}), max({time}) FROM {table} WHERE {time} IS NOT NULL GROUP BY 1"
            ))?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (first, last) = (row.get(1)?, row.get(2)?);
                let known = minutes.entry(row.get(0)?).or_insert((first, last));
                *known = (known.0.min(first), known.1.max(last));
            }
        }
        Ok(minutes)
    }

    /// What happened when, in buckets of `width` milliseconds, by their number since 1970. Empty ones are not there.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn busy(&self, width: i64) -> rusqlite::Result<BTreeMap<i64, Busy>> {
        let mut buckets: BTreeMap<i64, Busy> = BTreeMap::new();
        for (time, table) in HAPPENED {
            let failed = if table == "outcome" {
                "sum(outcome = 4)"
            } else {
                "0"
            };
            let mut statement = self.connection.prepare(&format!(
                "SELECT {time} / ?, count(*), {failed} FROM {table} WHERE {time} IS NOT NULL GROUP BY 1"
            ))?;
            let mut rows = statement.query([width])?;
            while let Some(row) = rows.next()? {
                let bucket = buckets.entry(row.get(0)?).or_default();
                let count: u64 = row.get(1)?;
                if table == "outcome" {
                    bucket.rows += count;
                    bucket.failed += row.get::<_, u64>(2)?;
                } else {
                    bucket.writes += count;
                }
            }
        }
        Ok(buckets)
    }

    /// The organizations with the most rows, and what there is of all of them.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn largest_organizations(
        &self,
        most: usize,
    ) -> rusqlite::Result<(Vec<OrganizationRows>, OrganizationTotals)> {
        let totals = self.connection.query_row(
            "SELECT count(DISTINCT g.step_id), count(*), coalesce(sum(o.outcome = 4), 0)
             FROM outcome_step g JOIN outcome o USING (record_number) WHERE g.kind = 0",
            [],
            |row| {
                Ok(OrganizationTotals {
                    organizations: row.get(0)?,
                    rows: row.get(1)?,
                    failed: row.get(2)?,
                })
            },
        )?;
        let mut statement = self.connection.prepare(
            "SELECT s.name, s.label, s.remote_id, n.created, n.updated, n.unchanged, n.failed
             FROM (SELECT g.step_id, count(*) AS rows, sum(o.outcome = 1) AS created, sum(o.outcome = 2) AS updated,
                          sum(o.outcome = 3) AS unchanged, sum(o.outcome = 4) AS failed
                   FROM outcome_step g JOIN outcome o USING (record_number) WHERE g.kind = 0
                   GROUP BY g.step_id ORDER BY rows DESC, g.step_id LIMIT ?) n
             JOIN step s ON s.id = n.step_id ORDER BY n.rows DESC, n.step_id",
        )?;
        let found = statement.query_map([most as i64], |row| {
            Ok(OrganizationRows {
                name: row.get(0)?,
                label: row.get(1)?,
                remote_id: row.get(2)?,
                created: row.get(3)?,
                updated: row.get(4)?,
                unchanged: row.get(5)?,
                failed: row.get(6)?,
            })
        })?;
        Ok((found.collect::<rusqlite::Result<_>>()?, totals))
    }

    /// The first rows that failed with one code.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn failure_examples(
        &self,
        code: &str,
        most: usize,
    ) -> rusqlite::Result<Vec<FailureExample>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT o.record_number, o.line, coalesce(o.email, s.name), json_extract(o.error, '$.message'),
                    json_extract(o.error, '$.http_status'), json_extract(o.error, '$.workos_request_id')
             FROM outcome o
             LEFT JOIN outcome_step u ON u.record_number = o.record_number AND u.kind = 1
             LEFT JOIN step s ON s.id = u.step_id
             WHERE o.outcome = 4 AND json_extract(o.error, '$.code') = ? ORDER BY o.record_number LIMIT ?",
        )?;
        let found = statement.query_map(params![code, most as i64], |row| {
            Ok(FailureExample {
                record_number: row.get(0)?,
                line: row.get(1)?,
                email: row.get(2)?,
                message: row.get(3)?,
                http_status: row.get(4)?,
                request_id: row.get(5)?,
            })
        })?;
        found.collect()
    }
}
