//! Owns the cells of one record: those of delimited text and of tables share one piece of memory.

use std::fmt;

use zeroize::Zeroizing;

use super::{Cell, CellView};

/// The cells of one record, in the order of the source's columns. The texts of a line share one allocation: a million
/// rows are read in half the time. All of it is wiped when it is dropped.
#[derive(Clone)]
pub struct Cells(Kept);

#[derive(Clone)]
enum Kept {
    Line {
        text: Zeroizing<String>,
        /// Where each cell begins and ends in the text.
        places: Vec<(u32, u32)>,
    },
    /// The texts of a table's row share one allocation too; so do all of its other values that have a size.
    Packed {
        text: Zeroizing<String>,
        slots: Vec<Slot>,
    },
    Values(Vec<Cell>),
}

#[derive(Clone)]
enum Slot {
    Absent,
    /// Where the text begins and ends.
    Text(u32, u32),
    Bool(bool),
    Integer(i64),
    Other(Box<Cell>),
}

/// The place of a cell that was forgotten.
const NOWHERE: (u32, u32) = (u32::MAX, u32::MAX);

impl Cells {
    /// The places must lie on the borders of characters; one that does not is absent.
    pub(super) fn of_line(text: String, places: Vec<(u32, u32)>) -> Self {
        Self(Kept::Line {
            text: Zeroizing::new(text),
            places,
        })
    }

    pub fn len(&self) -> usize {
        match &self.0 {
            Kept::Line { places, .. } => places.len(),
            Kept::Packed { slots, .. } => slots.len(),
            Kept::Values(cells) => cells.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The cell of the column at that position, from 0; missing behind the last.
    pub fn get(&self, position: usize) -> CellView<'_> {
        match &self.0 {
            Kept::Line { text, places } => {
                let place = places.get(position);
                let cell = place.and_then(|(start, end)| text.get(*start as usize..*end as usize));
                cell.map_or(CellView::Absent, CellView::Text)
            }
            Kept::Packed { text, slots } => match slots.get(position) {
                None => CellView::Missing,
                Some(Slot::Absent) => CellView::Absent,
                Some(Slot::Text(start, end)) => {
                    let cell = text.get(*start as usize..*end as usize);
                    cell.map_or(CellView::Absent, CellView::Text)
                }
                Some(Slot::Bool(value)) => CellView::Bool(*value),
                Some(Slot::Integer(value)) => CellView::Integer(*value),
                Some(Slot::Other(cell)) => cell.view(),
            },
            Kept::Values(cells) => cells.get(position).map_or(CellView::Missing, Cell::view),
        }
    }

    /// From now on the cell is absent.
    pub fn forget(&mut self, position: usize) {
        match &mut self.0 {
            Kept::Line { places, .. } => {
                if let Some(place) = places.get_mut(position) {
                    *place = NOWHERE;
                }
            }
            Kept::Packed { slots, .. } => {
                if let Some(slot) = slots.get_mut(position) {
                    *slot = Slot::Absent;
                }
            }
            Kept::Values(cells) => {
                if let Some(cell) = cells.get_mut(position) {
                    *cell = Cell::Absent;
                }
            }
        }
    }

    /// About how much text there is in it.
    pub(super) fn text_length(&self) -> usize {
        match &self.0 {
            Kept::Line { text, .. } => text.len(),
            Kept::Packed { text, slots } => {
                let others = slots.iter().map(|slot| match slot {
                    Slot::Other(cell) => cell.view().text_length(),
                    _ => 0,
                });
                text.len() + others.sum::<usize>()
            }
            Kept::Values(cells) => cells.iter().map(|cell| cell.view().text_length()).sum(),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = CellView<'_>> {
        (0..self.len()).map(|position| self.get(position))
    }
}

/// The cells of a table's row while they are put together, in the order of the columns.
pub(super) struct Packing {
    text: Zeroizing<String>,
    slots: Vec<Slot>,
}

impl Packing {
    /// Makes room for so many bytes of text and so many cells. A text that outgrew its room would leave a copy behind.
    pub fn with_capacity(text: usize, cells: usize) -> Self {
        Self {
            text: Zeroizing::new(String::with_capacity(text)),
            slots: Vec::with_capacity(cells),
        }
    }

    pub fn absent(&mut self) {
        self.slots.push(Slot::Absent);
    }

    pub fn text(&mut self, text: &str) {
        let start = self.text.len();
        self.text.push_str(text);
        self.slots.push(
            match (u32::try_from(start), u32::try_from(self.text.len())) {
                (Ok(start), Ok(end)) => Slot::Text(start, end),
                _ => Slot::Other(Box::new(Cell::text(text))),
            },
        );
    }

    pub fn boolean(&mut self, value: bool) {
        self.slots.push(Slot::Bool(value));
    }

    pub fn integer(&mut self, value: i64) {
        self.slots.push(Slot::Integer(value));
    }

    pub fn cell(&mut self, cell: Cell) {
        self.slots.push(match cell {
            Cell::Absent => Slot::Absent,
            Cell::Bool(value) => Slot::Bool(value),
            Cell::Integer(value) => Slot::Integer(value),
            other => Slot::Other(Box::new(other)),
        });
    }

    pub fn cells(self) -> Cells {
        Cells(Kept::Packed {
            text: self.text,
            slots: self.slots,
        })
    }
}

impl From<Vec<Cell>> for Cells {
    fn from(cells: Vec<Cell>) -> Self {
        Self(Kept::Values(cells))
    }
}

impl PartialEq for Cells {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Cells {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_is_absent() {
        let mut line = Cells::of_line("a,secret".into(), vec![(0, 1), (2, 8)]);
        assert_eq!(line.get(1), CellView::Text("secret"));
        line.forget(1);
        assert_eq!(line.get(1), CellView::Absent);
        assert_eq!(line.get(2), CellView::Absent);
        let mut values = Cells::from(vec![Cell::text("a"), Cell::text("secret")]);
        values.forget(1);
        assert_eq!(values, line);
        let mut packing = Packing::with_capacity(7, 2);
        packing.text("a");
        packing.text("secret");
        let mut packed = packing.cells();
        assert_ne!(packed, line);
        packed.forget(1);
        assert_eq!(packed, line);
    }
}
