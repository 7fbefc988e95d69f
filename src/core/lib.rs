//! The engine of workos-importer. Data walks through the rooms in one direction:
//! `source` → `row` → `engine` → `directory` → `wire`, with `pace` before the wire, `journal` beside the engine and
//! `report` after it.

pub mod clock;
pub mod directory;
pub mod engine;
pub mod import;
pub mod journal;
pub mod objects;
pub mod pace;
pub mod recovery;
pub mod report;
pub mod row;
pub mod secret;
pub mod source;
pub mod spans;
pub mod validate;
pub mod wire;
