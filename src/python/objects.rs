//! Owns the way to single objects as Python has it: a noun, a verb and JSON in, JSON out, with the interpreter's lock
//! released.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use tokio::time::timeout;
use workos_importer_core::objects as core;

use crate::exit::Busy;
use crate::handle::Handle;
use crate::import::GivenTarget;
use crate::{errors, runtime};

/// How long one wait lasts before Python's signals are looked at.
const SLICE: Duration = Duration::from_millis(50);

/// The way to single objects of one environment.
#[pyclass(frozen, module = "workos_importer._native")]
pub struct Objects {
    inner: Handle<Arc<core::Objects>>,
}

#[pymethods]
impl Objects {
    /// Sends nothing yet.
    #[new]
    fn new(py: Python<'_>, target: GivenTarget<'_>) -> PyResult<Self> {
        let target = target.into_core();
        // Setting the client up reads the system's certificates.
        let connected = py.detach(|| core::Objects::connect(&target));
        let inner = connected.map_err(|error| errors::connection(py, &error))?;
        Ok(Self {
            inner: Handle::new(Arc::new(inner)),
        })
    }

    /// Does one thing and waits for it. A signal that ends the wait gives the call up where it is.
    fn call(&self, py: Python<'_>, noun: &str, verb: &str, input: &str) -> PyResult<String> {
        let input = serde_json::from_str(input)
            .map_err(|_| errors::objects(py, &core::ObjectsError::Input("No JSON.".into())))?;
        let busy = Busy::begin()?;
        let objects = Arc::clone(self.inner.get(py)?);
        let runtime = runtime::handle(py)?;
        let (noun, verb) = (noun.to_owned(), verb.to_owned());
        let mut asking = runtime.spawn(async move { objects.call(&noun, &verb, input).await });
        loop {
            let asked = py.detach(|| runtime.block_on(async { timeout(SLICE, &mut asking).await }));
            match asked {
                Ok(Ok(Ok(answer))) => return Ok(answer.to_string()),
                Ok(Ok(Err(error))) => return Err(errors::objects(py, &error)),
                Ok(Err(error)) => return Err(errors::run(py, "internal", &error.to_string())),
                Err(_) => {
                    if let Err(signal) = py.check_signals().and_then(|()| busy.go_on()) {
                        asking.abort();
                        return Err(signal);
                    }
                }
            }
        }
    }
}
