//! Owns the audit file: who imported which user, when and from where, one JSON line for each. It is only ever added to,
//! whoever has written what is in it before, and no user of a run is in it twice.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::private_file;
use crate::journal::outcome::{Outcome, RowResult};
use crate::row::Kind;

/// How every line begins that this module writes, and every one that it adds to.
const BEGINS: &[u8] = b"{\"event\":";

/// The longest line that is looked at; ours are far shorter.
const LONGEST: u64 = 1 << 20;

/// What every line of one run says.
#[derive(Clone, Debug)]
pub struct AuditedRun {
    pub run: String,
    /// What the rows come from: the name of a file, `-` for standard input, or `rows`.
    pub source: String,
    /// Who imports.
    pub actor: String,
}

/// An audit file that is being added to.
pub struct AuditFile {
    file: File,
    of: AuditedRun,
    /// Rows, and their users, that have their line and are done again: what came after it was lost in a kill.
    told: HashSet<(u64, String)>,
}

#[derive(Serialize)]
struct Line<'a> {
    event: &'static str,
    target: Target<'a>,
    metadata: Metadata<'a>,
    time: String,
}

#[derive(Serialize)]
struct Target<'a> {
    r#type: &'static str,
    id: &'a str,
    email: Option<&'a str>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    source: &'a str,
    admin: &'a str,
    run: &'a str,
    record_number: u64,
    outcome: &'static str,
}

/// What is read of a line again.
#[derive(Deserialize)]
struct ToldLine {
    target: ToldTarget,
    metadata: ToldMetadata,
}

#[derive(Deserialize)]
struct ToldTarget {
    id: String,
}

#[derive(Deserialize)]
struct ToldMetadata {
    run: String,
    record_number: u64,
}

impl AuditFile {
    /// Opens the file to add to it, and makes it where it is not there; readable by its owner only. What a kill has left
    /// of a line is cut off.
    ///
    /// # Errors
    /// When the file cannot be written, or holds something else.
    pub fn open(path: &Path, of: AuditedRun) -> io::Result<Self> {
        mend(path)?;
        Ok(Self {
            file: private_file::append(path)?,
            of,
            told: HashSet::new(),
        })
    }

    /// Leaves out rows that have their line already. `are_done` says which of these rows are not done again: they need
    /// not be remembered.
    ///
    /// # Errors
    /// When the file cannot be read, or `are_done` returns one.
    pub fn leave_out_told(
        &mut self,
        path: &Path,
        mut are_done: impl FnMut(&[u64]) -> io::Result<Vec<bool>>,
    ) -> io::Result<()> {
        const AT_ONCE: usize = 1_000;
        if !self.file.metadata()?.is_file() {
            return Ok(());
        }
        let mut lines = BufReader::new(File::open(path)?);
        let mut line = Vec::new();
        let mut found = Vec::new();
        loop {
            line.clear();
            let at_end = (&mut lines).take(LONGEST).read_until(b'\n', &mut line)? == 0;
            found.extend(self.told_by(&line));
            if found.len() >= AT_ONCE || at_end {
                let numbers: Vec<u64> = found.iter().map(|(number, _)| *number).collect();
                let done = are_done(&numbers)?;
                let told = found.drain(..).zip(done).filter(|(_, done)| !done);
                self.told.extend(told.map(|(row, _)| row));
            }
            if at_end {
                return Ok(());
            }
        }
    }

    /// The row and the user that a line of this run is about.
    fn told_by(&self, line: &[u8]) -> Option<(u64, String)> {
        let ToldLine { target, metadata } = serde_json::from_slice(line).ok()?;
        (metadata.run == self.of.run).then_some((metadata.record_number, target.id))
    }

    /// Adds the user of a row that did not fail.
    ///
    /// # Errors
    /// When the disk is full or gone.
    pub fn add(&mut self, result: &RowResult) -> io::Result<()> {
        let is_imported = matches!(
            result.outcome,
            Outcome::Created | Outcome::Updated | Outcome::Unchanged
        );
        let record_number = result.identity.record_number;
        let Some(user) = result.step(Kind::User).filter(|_| is_imported) else {
            return Ok(());
        };
        if !self.told.is_empty() && self.told.remove(&(record_number, user.id.clone())) {
            return Ok(());
        }
        let mut line = serde_json::to_vec(&Line {
            event: "user_imported",
            target: Target {
                r#type: "user",
                id: &user.id,
                email: result.identity.email(),
            },
            metadata: Metadata {
                source: &self.of.source,
                admin: &self.of.actor,
                run: &self.of.run,
                record_number,
                outcome: result.outcome.as_str(),
            },
            // In whole milliseconds, as in the error file.
            time: result.at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        })?;
        line.push(b'\n');
        // At once, so that a line is there as a whole, and as soon as its row has ended.
        self.file.write_all(&line)
    }

    /// Waits until all of it is on disk.
    ///
    /// # Errors
    /// When the disk is full or gone.
    pub fn finish(self) -> io::Result<()> {
        private_file::sync(&self.file)
    }
}

/// Cuts off what a kill has left of a line; refuses a file that holds something else.
fn mend(path: &Path) -> io::Result<()> {
    let length = match fs::metadata(path) {
        Ok(there) if there.is_file() => there.len(),
        // A pipe, or nothing yet.
        _ => return Ok(()),
    };
    if length == 0 {
        return Ok(());
    }
    let refuse = || Err(io::Error::other("it is there, and is no audit file"));
    let is_ours = |bytes: &[u8]| bytes.iter().zip(BEGINS).all(|(one, other)| one == other);
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut beginning = Vec::new();
    (&file)
        .take(BEGINS.len() as u64)
        .read_to_end(&mut beginning)?;
    if !is_ours(&beginning) {
        return refuse();
    }
    let from = length.saturating_sub(LONGEST);
    file.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    (&file).take(LONGEST).read_to_end(&mut end)?;
    let whole = match end.iter().rposition(|byte| *byte == b'\n') {
        Some(last) => last + 1,
        None if from == 0 => 0,
        None => return refuse(),
    };
    let torn = end.get(whole..).unwrap_or_default();
    if torn.is_empty() {
        return Ok(());
    }
    if !is_ours(torn) {
        return refuse();
    }
    file.set_len(from + whole as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(run: &str) -> AuditedRun {
        AuditedRun {
            run: run.into(),
            source: "users.csv".into(),
            actor: "ada".into(),
        }
    }

    fn line(run: &str, record: u64) -> String {
        format!(
            "{{\"event\":\"user_imported\",\"target\":{{\"id\":\"u\"}},\"metadata\":{{\"run\":\"{run}\",\"record_number\":{record}}}}}\n"
        )
    }

    #[test]
    fn what_a_kill_left_of_a_line_is_cut_off_and_what_is_something_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let whole = line("1", 1) + &line("1", 2);
        for cut in 1..line("1", 2).len() {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            drop(AuditFile::open(&path, of("1")).unwrap());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), line("1", 1));
        }
        let noted = line("1", 1) + "a note";
        for other in [
            "email\nada@example.com",
            "{\"email\": \"a@x.com\"}\n",
            &noted,
        ] {
            std::fs::write(&path, other).unwrap();
            assert!(AuditFile::open(&path, of("1")).is_err(), "{other}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), other);
        }
    }

    #[test]
    fn rows_of_the_run_that_are_done_again_are_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let mut text: String = (1..=2_500).map(|record| line("1", record)).collect();
        text.push_str("{\"event\":\"something_else\"}\n");
        text.push_str(&line("2", 7));
        std::fs::write(&path, text).unwrap();
        let mut file = AuditFile::open(&path, of("1")).unwrap();
        let done = |numbers: &[u64]| Ok(numbers.iter().map(|number| *number != 2_499).collect());
        file.leave_out_told(&path, done).unwrap();
        assert_eq!(file.told, HashSet::from([(2_499, "u".to_owned())]));
        let none = |numbers: &[u64]| Ok(vec![false; numbers.len()]);
        let mut file = AuditFile::open(&path, of("2")).unwrap();
        file.leave_out_told(&path, none).unwrap();
        assert_eq!(file.told, HashSet::from([(7, "u".to_owned())]));
    }
}
