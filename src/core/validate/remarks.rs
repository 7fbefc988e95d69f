//! Owns what a check found about each record until the file is written in which it is said: in a private temporary
//! database, because issues between rows are found last, and there may be as many as rows.

use std::collections::VecDeque;
use std::io;

use rusqlite::{Connection, params};

use crate::row::{Issue, Severity};

/// How many remarks are read at once.
const PAGE: usize = 1_000;

struct Remark {
    record_number: u64,
    /// Errors first, each as it was found.
    place: u64,
    is_error: bool,
    text: String,
}

/// Issues of records: put in as they are found, and then asked for by ascending record number.
pub struct Remarks {
    connection: Connection,
    count: u64,
    page: VecDeque<Remark>,
    /// Record number and place of the last one that was read.
    last: (u64, u64),
    ended: bool,
}

impl Remarks {
    /// # Errors
    /// When there is no room for temporary files.
    pub fn new() -> io::Result<Self> {
        // A database without a name is a file of its owner's alone, which is gone with the connection.
        let connection = Connection::open("").map_err(io::Error::other)?;
        let made = connection.execute_batch(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;
             CREATE TABLE remark (
                 record_number INTEGER, place INTEGER, is_error INTEGER, text TEXT, PRIMARY KEY (record_number, place)
             ) WITHOUT ROWID;",
        );
        made.map_err(io::Error::other)?;
        Ok(Self {
            connection,
            count: 0,
            page: VecDeque::new(),
            last: (0, 0),
            ended: false,
        })
    }

    /// Keeps an issue, if it is about a record.
    ///
    /// # Errors
    /// When there is no room for temporary files.
    pub fn add(&mut self, issue: &Issue) -> io::Result<()> {
        let Some(record_number) = issue.record_number else {
            return Ok(());
        };
        self.count += 1;
        let is_error = issue.severity == Severity::Error;
        let place = self.count + if is_error { 0 } else { 1 << 48 };
        let text = match &issue.column {
            Some(column) => format!("{column}: {}", issue.message),
            None => issue.message.clone(),
        };
        let added = self
            .connection
            .prepare_cached("INSERT INTO remark VALUES (?, ?, ?, ?)")
            .and_then(|mut added| added.execute(params![record_number, place, is_error, text]));
        added.map(drop).map_err(io::Error::other)
    }

    /// What is wrong and odd with a record, in plain words; empty if nothing is. Record numbers must ascend.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn about(&mut self, record_number: u64) -> io::Result<String> {
        let mut said = String::new();
        let mut severity = None;
        while let Some(remark) = self.next(record_number)? {
            if remark.record_number < record_number {
                continue;
            }
            if !said.is_empty() {
                said.push_str("; ");
            }
            if severity.replace(remark.is_error) != Some(remark.is_error) {
                said.push_str(if remark.is_error {
                    "Error: "
                } else {
                    "Warning: "
                });
            }
            said.push_str(&remark.text);
        }
        Ok(said)
    }

    /// The next remark that is not about a later record.
    fn next(&mut self, record_number: u64) -> io::Result<Option<Remark>> {
        if self.page.is_empty() && !self.ended {
            self.page = self.read().map_err(io::Error::other)?.into();
            self.ended = self.page.len() < PAGE;
            if let Some(last) = self.page.back() {
                self.last = (last.record_number, last.place);
            }
        }
        let is_due = |remark: &Remark| remark.record_number <= record_number;
        Ok(match self.page.front().is_some_and(is_due) {
            true => self.page.pop_front(),
            false => None,
        })
    }

    fn read(&self) -> rusqlite::Result<Vec<Remark>> {
        let mut remarks = self.connection.prepare_cached(
            "SELECT record_number, place, is_error, text FROM remark
             WHERE (record_number, place) > (?, ?) ORDER BY record_number, place LIMIT ?",
        )?;
        let page = params![self.last.0, self.last.1, PAGE as i64];
        let found = remarks.query_map(page, |row| {
            Ok(Remark {
                record_number: row.get(0)?,
                place: row.get(1)?,
                is_error: row.get(2)?,
                text: row.get(3)?,
            })
        })?;
        found.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::IssueCode;

    fn issue(record_number: Option<u64>, severity: Severity, message: &str) -> Issue {
        Issue {
            severity,
            code: IssueCode::InvalidEmail,
            record_number,
            record_id: None,
            line: None,
            column: severity.as_str().starts_with('e').then(|| "E-Mail".into()),
            message: message.into(),
        }
    }

    #[test]
    fn errors_come_before_warnings_whenever_they_are_found() {
        let mut remarks = Remarks::new().unwrap();
        for (record, severity, message) in [
            (None, Severity::Warning, "about the file"),
            (Some(2), Severity::Warning, "odd"),
            (Some(2), Severity::Error, "wrong"),
            (Some(5), Severity::Error, "wrong"),
            (Some(5), Severity::Error, "and this"),
            (Some(2), Severity::Warning, "found last"),
        ] {
            remarks.add(&issue(record, severity, message)).unwrap();
        }
        assert_eq!(remarks.about(1).unwrap(), "");
        let second = "Error: E-Mail: wrong; Warning: odd; found last";
        assert_eq!(remarks.about(2).unwrap(), second);
        assert_eq!(remarks.about(3).unwrap(), "");
        let fifth = "Error: E-Mail: wrong; E-Mail: and this";
        assert_eq!(remarks.about(5).unwrap(), fifth);
        assert_eq!(remarks.about(6).unwrap(), "");
    }

    #[test]
    fn a_record_may_be_on_the_border_of_two_pages() {
        let mut remarks = Remarks::new().unwrap();
        let last = 3 * PAGE as u64;
        for number in (1..=last).rev() {
            for text in ["a", "b", "c"] {
                let issue = issue(Some(number), Severity::Warning, text);
                remarks.add(&issue).unwrap();
            }
        }
        for number in 1..=last {
            assert_eq!(remarks.about(number).unwrap(), "Warning: a; b; c");
        }
    }
}
