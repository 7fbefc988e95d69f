//! Owns what a check remembers of every row: small entries, divided by their key over temporary files, so that one
//! part after the other fits into memory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

const PARTS: usize = 64;
const ENTRY: usize = 20;
/// What is kept in memory of a part before it is written: 64 parts of 512 entries are 640 KiB, so that a large file
/// needs hardly more memory than a small one.
const BUFFERED: usize = 512 * ENTRY;

/// Which entry of a key counts when they differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counts {
    /// The first row's, even if it says nothing: a user's fields.
    First,
    /// That of the first row that says something: an organization's name.
    FirstThatSaysSomething,
}

/// What is remembered of one row. Only keyed hashes: nothing of the row can be read from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub key: u64,
    /// 0: the row says nothing about the key.
    pub value: u32,
    pub record_number: u32,
    /// 0: there are no lines.
    pub line: u32,
}

impl Entry {
    fn write_to(&self, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(&self.key.to_le_bytes());
        for field in [self.value, self.record_number, self.line] {
            buffer.extend_from_slice(&field.to_le_bytes());
        }
    }

    fn from_bytes(bytes: &[u8; ENTRY]) -> Self {
        let field = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        Self {
            key: u64::from(field(0)) | u64::from(field(4)) << 32,
            value: field(8),
            record_number: field(12),
            line: field(16),
        }
    }
}

/// Entries by the million, in less than 1 MiB of memory until they are asked for.
pub(super) struct Spill {
    parts: Vec<Part>,
}

#[derive(Default)]
struct Part {
    buffer: Vec<u8>,
    file: Option<TemporaryFile>,
}

impl Spill {
    pub fn new() -> Self {
        Self {
            parts: (0..PARTS).map(|_| Part::default()).collect(),
        }
    }

    pub fn push(&mut self, entry: &Entry) -> io::Result<()> {
        let part = &mut self.parts[entry.key as usize % PARTS];
        entry.write_to(&mut part.buffer);
        if part.buffer.len() < BUFFERED {
            return Ok(());
        }
        let mut file = match part.file.take() {
            Some(file) => file,
            None => TemporaryFile::new()?,
        };
        file.file.write_all(&part.buffer)?;
        part.file = Some(file);
        part.buffer.clear();
        Ok(())
    }

    /// Tells of each entry that differs from the one of its key that counts; returns the number of keys.
    pub fn groups(
        self,
        counts: Counts,
        mut differs: impl FnMut(&Entry, &Entry),
    ) -> io::Result<u64> {
        let mut keys = 0;
        for part in self.parts {
            let mut entries = part.entries()?;
            entries.sort_unstable_by_key(|entry| (entry.key, entry.record_number));
            let groups = entries.chunk_by(|one, other| one.key == other.key);
            // In the order of the file, as people read it.
            let mut found = Vec::new();
            for group in groups {
                keys += 1;
                let says_something = |entry: &&Entry| entry.value != 0;
                let first = match counts {
                    Counts::First => Some(&group[0]),
                    Counts::FirstThatSaysSomething => group.iter().find(says_something),
                };
                let Some(first) = first else { continue };
                found.extend(
                    group
                        .iter()
                        .filter(says_something)
                        .filter(|entry| entry.value != first.value)
                        .map(|entry| (*first, *entry)),
                );
            }
            found.sort_unstable_by_key(|(_, later)| later.record_number);
            for (first, later) in &found {
                differs(first, later);
            }
        }
        Ok(keys)
    }
}

impl Part {
    fn entries(self) -> io::Result<Vec<Entry>> {
        let mut bytes = Vec::new();
        if let Some(mut file) = self.file {
            file.file.seek(SeekFrom::Start(0))?;
            file.file.read_to_end(&mut bytes)?;
        }
        bytes.extend_from_slice(&self.buffer);
        let (entries, _) = bytes.as_chunks::<ENTRY>();
        Ok(entries.iter().map(Entry::from_bytes).collect())
    }
}

/// A file that nobody else can read and that goes with its owner.
struct TemporaryFile {
    file: File,
    path: PathBuf,
}

impl TemporaryFile {
    fn new() -> io::Result<Self> {
        let name = format!("workos-importer-{:016x}", rand::random::<u64>());
        let path = std::env::temp_dir().join(name);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        // Where an open file can be removed it is gone even if this process is killed.
        #[cfg(unix)]
        fs::remove_file(&path)?;
        Ok(Self { file, path })
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if cfg!(not(unix)) {
            // Nothing is left to do about a file that stays: it holds keyed hashes only.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_across_memory_and_files() {
        let mut spill = Spill::new();
        let count = 300_000;
        for record_number in 1..=2 * count {
            let entry = Entry {
                key: u64::from(record_number % count) * 7_919,
                value: if record_number == count + 5 { 9 } else { 1 },
                record_number,
                line: 0,
            };
            spill.push(&entry).unwrap();
        }
        assert!(spill.parts.iter().any(|part| part.file.is_some()));
        let mut told = Vec::new();
        let keys = spill
            .groups(Counts::First, |first, later| {
                told.push((first.record_number, later.record_number))
            })
            .unwrap();
        assert_eq!(keys, u64::from(count));
        assert_eq!(told, [(5, count + 5)]);
    }

    #[test]
    fn what_says_nothing_agrees_with_everything_before_it() {
        let entry = |value, record_number| Entry {
            key: 1,
            value,
            record_number,
            line: 0,
        };
        let told = |counts, entries: &[Entry]| {
            let mut spill = Spill::new();
            for entry in entries {
                spill.push(entry).unwrap();
            }
            let mut told = 0;
            spill.groups(counts, |_, _| told += 1).unwrap();
            told
        };
        for counts in [Counts::First, Counts::FirstThatSaysSomething] {
            assert_eq!(told(counts, &[entry(5, 1), entry(0, 2)]), 0);
            assert_eq!(told(counts, &[entry(5, 1), entry(6, 2)]), 1);
        }
        assert_eq!(told(Counts::First, &[entry(0, 1), entry(5, 2)]), 1);
        let named_later = [entry(0, 1), entry(5, 2), entry(6, 3)];
        assert_eq!(told(Counts::FirstThatSaysSomething, &named_later), 1);
        assert_eq!(
            told(Counts::FirstThatSaysSomething, &[entry(0, 1), entry(0, 2)]),
            0
        );
    }
}
