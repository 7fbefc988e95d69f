//! Owns the making of numbered, aligned records out of what has no lines: mappings whose keys become known one after the
//! other (NDJSON, Python), and the rows of tables.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Broken, BrokenKind, CELL_LIMIT, COLUMN_LIMIT, Cell, Cells, Record, SourceError};

/// One row as names and cells.
pub type Mapping = Vec<(String, Cell)>;

/// Rows as a program hands them over. No rows are the end.
#[derive(Debug)]
pub enum Handed {
    Mappings(Vec<Mapping>),
    /// The columns are the same each time.
    Table {
        columns: Arc<[String]>,
        rows: Vec<Result<Cells, Broken>>,
    },
}

impl Handed {
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Mappings(rows) => rows.is_empty(),
            Self::Table { rows, .. } => rows.is_empty(),
        }
    }
}

/// The columns seen so far, each with its position. It only grows.
#[derive(Clone, Debug, Default)]
pub struct ColumnRegistry {
    names: Vec<String>,
    positions: HashMap<String, usize>,
}

impl ColumnRegistry {
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Where the key's cells go; `None` if there are too many keys already.
    pub fn position(&mut self, key: &str) -> Option<usize> {
        if let Some(position) = self.positions.get(key) {
            return Some(*position);
        }
        if self.names.len() >= COLUMN_LIMIT {
            return None;
        }
        let position = self.names.len();
        self.names.push(key.to_owned());
        self.positions.insert(key.to_owned(), position);
        Some(position)
    }
}

/// Numbers records and aligns their cells with a growing list of columns.
#[derive(Clone, Debug, Default)]
pub struct RecordBuilder {
    registry: ColumnRegistry,
    is_table: bool,
    last_number: u64,
}

impl RecordBuilder {
    pub fn columns(&self) -> &[String] {
        self.registry.names()
    }

    /// True if further keys can come: not so with tables.
    pub fn columns_grow(&self) -> bool {
        !self.is_table
    }

    /// The records of what a program handed over. Rows of which all cells are blank are skipped and not counted.
    ///
    /// # Errors
    /// When it is of a table that has other columns than before.
    pub fn records(&mut self, handed: Handed) -> Result<Vec<Record>, SourceError> {
        let (columns, rows) = match handed {
            Handed::Mappings(rows) => {
                let records = rows.into_iter().filter_map(|row| self.record(None, row));
                return Ok(records.collect());
            }
            Handed::Table { columns, rows } => (columns, rows),
        };
        if self.registry.names.is_empty() {
            self.registry.names = columns.to_vec();
            self.is_table = true;
        } else if *self.registry.names != *columns {
            let path = "The table".to_owned();
            return Err(SourceError::Changed { path });
        }
        let is_blank = |cells: &Cells| cells.iter().all(|cell| cell.is_blank());
        let rows = rows.into_iter();
        let counted = rows.filter(|row| !row.as_ref().is_ok_and(is_blank));
        Ok(counted.map(|row| self.number(None, row)).collect())
    }

    /// The record of one mapping; `None` if all its cells are blank: such a record is skipped and not counted.
    pub fn record<Key: AsRef<str>>(
        &mut self,
        line: Option<u64>,
        pairs: impl IntoIterator<Item = (Key, Cell)>,
    ) -> Option<Record> {
        match self.align(pairs) {
            Ok(cells) if cells.iter().all(Cell::is_blank) => None,
            Ok(cells) => Some(self.number(line, Ok(cells.into()))),
            Err(broken) => Some(self.broken(line, broken)),
        }
    }

    /// A record that could not be read.
    pub fn broken(&mut self, line: Option<u64>, broken: Broken) -> Record {
        self.number(line, Err(broken))
    }

    /// Counts from 1 again and keeps the columns, so that positions stay what they were.
    pub fn rewind(&mut self) {
        self.last_number = 0;
    }

    fn number(&mut self, line: Option<u64>, content: Result<Cells, Broken>) -> Record {
        self.last_number += 1;
        Record {
            number: self.last_number,
            line,
            content,
        }
    }

    fn align<Key: AsRef<str>>(
        &mut self,
        pairs: impl IntoIterator<Item = (Key, Cell)>,
    ) -> Result<Vec<Cell>, Broken> {
        let mut cells: Vec<Cell> = Vec::with_capacity(self.registry.names.len());
        let mut filled = vec![false; self.registry.names.len()];
        for (key, cell) in pairs {
            let position = self
                .registry
                .position(key.as_ref().trim())
                .ok_or(Broken::new(BrokenKind::TooManyColumns))?;
            if matches!(&cell, Cell::Text(text) if text.len() > CELL_LIMIT) {
                return Err(Broken::in_cell(BrokenKind::CellTooLong, position));
            }
            if position >= cells.len() {
                cells.resize(position + 1, Cell::Missing);
                filled.resize(filled.len().max(position + 1), false);
            }
            if std::mem::replace(&mut filled[position], true) {
                return Err(Broken::in_cell(BrokenKind::DuplicateKey, position));
            }
            cells[position] = cell;
        }
        Ok(cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_grow_and_cells_align() {
        let mut builder = RecordBuilder::default();
        let first = builder
            .record(None, [("email", Cell::text("a@b.c"))])
            .unwrap();
        let second = builder
            .record(
                None,
                [("name", Cell::text("A")), ("email", Cell::text("d@e.f"))],
            )
            .unwrap();
        assert_eq!(builder.columns(), ["email", "name"]);
        assert_eq!(first.content.unwrap().len(), 1);
        assert_eq!(
            second.content.unwrap(),
            vec![Cell::text("d@e.f"), Cell::text("A")].into()
        );
        assert_eq!(second.number, 2);
    }

    #[test]
    fn blank_mappings_are_skipped_and_double_keys_break() {
        let mut builder = RecordBuilder::default();
        assert!(
            builder
                .record(None, [("email", Cell::Absent), ("name", Cell::text("  "))])
                .is_none()
        );
        let twice = builder
            .record(None, [("email", Cell::Absent), ("email ", Cell::text("x"))])
            .unwrap();
        assert_eq!(twice.number, 1);
        assert_eq!(
            twice.content,
            Err(Broken::in_cell(BrokenKind::DuplicateKey, 0))
        );
    }

    #[test]
    fn the_number_of_columns_is_bounded() {
        let mut builder = RecordBuilder::default();
        let pairs = (0..=COLUMN_LIMIT).map(|index| (format!("key{index}"), Cell::Integer(1)));
        let record = builder.record(None, pairs).unwrap();
        assert_eq!(record.content, Err(Broken::new(BrokenKind::TooManyColumns)));
        assert_eq!(builder.columns().len(), COLUMN_LIMIT);
    }
}
