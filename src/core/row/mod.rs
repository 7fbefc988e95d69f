//! What one record means: columns, conversion, rules, and the steps that a row claims. Pure functions.

pub mod claim;
pub mod step;
