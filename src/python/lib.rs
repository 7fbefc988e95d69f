//! The door between Python and the engine: classes, conversions, exceptions, the handling of the interpreter's lock.
//! The only place where PyO3 is known. Nothing here attaches to Python from a Rust thread: Python pulls.

mod arrow;
mod arrow_out;
mod cells;
mod columns;
mod connection;
mod doctor;
mod errors;
mod events;
mod exit;
mod handle;
mod import;
mod judging;
mod kratos;
mod kratos_sandbox;
mod logging;
mod objects;
mod options;
mod preview;
mod recovery;
mod rows;
mod runs;
mod runtime;
mod sandbox;
mod stand_ins;
mod tables;
mod undo;

use pyo3::prelude::*;

/// The native half of `workos_importer`; not a public interface.
#[pymodule(gil_used = false)]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::arrow_out::arrow_stream;
    #[pymodule_export]
    use super::columns::{known_column, source_columns};
    #[pymodule_export]
    use super::connection::Connection;
    #[pymodule_export]
    use super::doctor::{check_api, check_connection, check_run_folder};
    #[pymodule_export]
    use super::exit::end_waits;
    #[pymodule_export]
    use super::import::{Import, start};
    #[pymodule_export]
    use super::judging::Judging;
    #[pymodule_export]
    use super::kratos::KratosTarget;
    #[pymodule_export]
    use super::kratos_sandbox::KratosSandbox;
    #[pymodule_export]
    use super::logging::drain_logs;
    #[pymodule_export]
    use super::objects::Objects;
    #[pymodule_export]
    use super::options::check_options;
    #[pymodule_export]
    use super::preview::{dry_run, validate};
    #[pymodule_export]
    use super::recovery::{Recovering, recover, recovery_left};
    #[pymodule_export]
    use super::runs::{FoundRun, find_run, runs};
    #[pymodule_export]
    use super::sandbox::Sandbox;
    #[pymodule_export]
    use super::stand_ins::SandboxServer;
    #[pymodule_export]
    use super::tables::Table;
    #[pymodule_export]
    use super::undo::{Undoing, undo, undo_left};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::logging::install();
        let end = module.getattr("end_waits")?;
        module
            .py()
            .import("atexit")?
            .call_method1("register", (end,))?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
