//! The engine of workos-importer. Data walks through the rooms in one direction:
//! `source` → `row` → `engine` → `directory` → `wire`, with `pace` before the wire, `journal` beside the engine and
//! `report` after it.

pub mod row;
pub mod secret;
