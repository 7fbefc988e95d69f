//! Owns the way of Arrow's tables to rows: batches come in, rows go out in small pieces, so that no more than a piece is
//! ever held beside the batch itself, which is not copied.

mod column;
mod nested;
#[cfg(test)]
mod tests;
mod text;
mod value;

use std::sync::Arc;

use arrow_array::RecordBatch;

use super::cells::Packing;
use super::{Broken, BrokenKind, CELL_LIMIT, Cells, Handed, RECORD_LIMIT, SourceError};
use column::{Column, open};
use value::Value;

/// How many rows are handed on at once.
const ROWS: usize = 1_024;
/// How much text is: a piece of large rows has fewer of them.
const TEXT: usize = RECORD_LIMIT;

/// How a table is called in messages.
const NAME: &str = "The table";

/// A table that comes batch by batch.
#[derive(Default)]
pub struct Table {
    /// As in the first batch.
    names: Option<Arc<[String]>>,
    columns: Vec<Box<dyn Column>>,
    /// How many rows the latest batch has, and how many of them were handed on.
    rows: usize,
    taken: usize,
}

impl Table {
    /// The names of the columns; none before the first batch.
    pub fn columns(&self) -> &[String] {
        self.names.as_deref().unwrap_or_default()
    }

    /// Whether all rows of the latest batch were handed on: the next one is wanted.
    pub fn is_used_up(&self) -> bool {
        self.taken >= self.rows
    }

    /// Takes in the next batch, in place of the one before.
    ///
    /// # Errors
    /// When a column is there twice, or the columns are not those of the batches before.
    pub fn load(&mut self, batch: &RecordBatch) -> Result<(), SourceError> {
        let schema = batch.schema_ref();
        let trimmed = schema.fields().iter().map(|field| field.name().trim());
        match &self.names {
            Some(names) if trimmed.clone().eq(names.iter()) => {}
            Some(_) => return Err(SourceError::Changed { path: NAME.into() }),
            None => self.names = Some(distinct(trimmed.map(str::to_owned).collect())?),
        }
        let fields = schema.fields().iter();
        self.columns = fields
            .zip(batch.columns())
            .map(|(field, array)| open(array, field, 0))
            .collect();
        (self.rows, self.taken) = (batch.num_rows(), 0);
        Ok(())
    }

    /// The next rows of the latest batch; none if it is used up.
    pub fn hand_on(&mut self) -> Handed {
        let mut rows = Vec::with_capacity(ROWS.min(self.rows - self.taken));
        let mut texts = 0;
        while !self.is_used_up() && rows.len() < ROWS && texts < TEXT {
            let row = self.row(self.taken);
            texts += row.as_ref().map_or(0, Cells::text_length);
            rows.push(row);
            self.taken += 1;
        }
        if self.is_used_up() {
            // What the batch holds is given back at once.
            self.columns = Vec::new();
        }
        Handed::Table {
            columns: self.names.clone().unwrap_or_default(),
            rows,
        }
    }

    fn row(&self, row: usize) -> Result<Cells, Broken> {
        // Asked first, so that the texts, which may be secrets, never move.
        let lengths = self.columns.iter().map(|column| column.text_length(row));
        let length: usize = lengths.clone().sum();
        if length > RECORD_LIMIT {
            let cell = lengths.clone().position(|length| length > CELL_LIMIT);
            return Err(match cell {
                Some(cell) => Broken::in_cell(BrokenKind::CellTooLong, cell),
                None => Broken::new(BrokenKind::RecordTooLong),
            });
        }
        let mut packing = Packing::with_capacity(length, self.columns.len());
        for (position, column) in self.columns.iter().enumerate() {
            match column.value(row) {
                Value::Text(text) if text.len() > CELL_LIMIT => {
                    return Err(Broken::in_cell(BrokenKind::CellTooLong, position));
                }
                Value::Text(text) => packing.text(text),
                Value::Absent => packing.absent(),
                Value::Bool(value) => packing.boolean(value),
                Value::Integer(value) => packing.integer(value),
                Value::Made(cell) => packing.cell(cell),
            }
        }
        Ok(packing.cells())
    }
}

/// The names of a table's columns, if each is there once.
///
/// # Errors
/// With the name that is there twice.
pub fn distinct(names: Vec<String>) -> Result<Arc<[String]>, SourceError> {
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort_unstable();
    let twice = sorted.windows(2).find(|pair| pair[0] == pair[1]);
    match twice {
        Some(pair) => Err(SourceError::DuplicateColumn {
            path: NAME.into(),
            name: pair[0].clone(),
        }),
        None => Ok(names.into()),
    }
}
