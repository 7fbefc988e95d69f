//! What people read: error files, results files, and the report. Computes no outcome.

mod audit_file;
mod cells;
mod error_file;
pub(crate) mod html;
mod marked_file;
pub(crate) mod private_file;
mod recovery_file;
mod results_file;

pub use audit_file::{AuditFile, AuditedRun};
pub use error_file::ErrorFile;
pub use marked_file::{GivenBack, MarkedFile, MarkedFileError, Rows};
pub use private_file::write_private;
pub use recovery_file::{RECOVERY_COLUMNS, RecoveryFile};
pub use results_file::{write_recorded_results, write_results};
