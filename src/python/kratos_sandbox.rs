//! Owns the Kratos sandbox as Python has it: settings in, counters and state out.

use pyo3::prelude::*;
use serde_json::Value;
use workos_importer_sandbox::Script;
use workos_importer_sandbox::kratos::{Kratos, Settings, default_schema};

use crate::errors;
use crate::stand_ins::{self, Latency, SandboxServer, parse_method, seconds, to_json, to_python};

/// A stand-in for the admin API of Ory Kratos in this process, with its codes, bodies and rules, and faults on demand.
///
/// Serve it over HTTP. The same settings and the same sequence of requests give the same answers.
///
/// >>> from workos_importer import KratosSandbox
/// >>> sandbox = KratosSandbox()
/// >>> made = sandbox.seed("POST", "/admin/identities", {"traits": {"email": "ada@example.com"}})
/// >>> [identity["traits"] for identity in sandbox.dump()["identities"]]
/// [{'email': 'ada@example.com'}]
#[pyclass(frozen, module = "workos_importer")]
pub struct KratosSandbox {
    inner: Kratos,
    seed: u64,
}

impl KratosSandbox {
    /// The sandbox itself.
    pub fn inner(&self) -> &Kratos {
        &self.inner
    }
}

#[pymethods]
impl KratosSandbox {
    #[new]
    #[pyo3(signature = (*, seed=0, latency=None, latency_per_identity=0.0, fault_rate=0.0, faults=None, token=None, identity_schema=None, schemas=None, schemas_are_redirected=false, batches=true, failed_batches_are_refused=true, conflicts_refuse_batches=false, recovery_links=true, recovery_codes=true))]
    #[allow(clippy::too_many_arguments)] // keyword-only in Python
    fn new(
        py: Python<'_>,
        seed: u64,
        latency: Option<Latency>,
        latency_per_identity: f64,
        fault_rate: f64,
        faults: Option<Vec<String>>,
        token: Option<String>,
        identity_schema: Option<&Bound<'_, PyAny>>,
        schemas: Option<&Bound<'_, PyAny>>,
        schemas_are_redirected: bool,
        batches: bool,
        failed_batches_are_refused: bool,
        conflicts_refuse_batches: bool,
        recovery_links: bool,
        recovery_codes: bool,
    ) -> PyResult<Self> {
        let latency_per_identity = seconds(latency_per_identity).ok_or_else(|| {
            let message = "latency_per_identity must be a number of seconds from 0 on";
            errors::config(py, "sandbox", message)
        })?;
        let settings = Settings {
            seed,
            latency: stand_ins::latency_bounds(py, latency)?,
            latency_per_identity,
            faults: stand_ins::faults(py, fault_rate, faults)?,
            token,
            schemas: schemas_of(py, identity_schema, schemas)?,
            schemas_are_redirected,
            batches,
            failed_batches_are_refused,
            conflicts_refuse_batches,
            recovery_links,
            recovery_codes,
        };
        Ok(Self {
            inner: Kratos::new(settings),
            seed,
        })
    }

    /// What was counted so far.
    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.inner.counters().to_json())
    }

    /// Everything there is, in the order of creation.
    fn dump<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let dump = py.detach(|| self.inner.dump());
        to_python(py, &dump)
    }

    /// Makes or changes something directly, outside of the token, faults and counters.
    #[pyo3(signature = (method, path, body=None))]
    fn seed<'py>(
        &self,
        py: Python<'py>,
        method: &str,
        path: &str,
        body: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let method = parse_method(py, method)?;
        let body = match body {
            Some(body) => to_json(body)?,
            None => Value::Null,
        };
        to_python(py, &self.inner.seed(method, path, &body))
    }

    /// Lets somebody sign in. False if there is no such identity.
    fn sign_in(&self, identity_id: &str) -> bool {
        self.inner.sign_in(identity_id)
    }

    /// Lets the next `times` requests that match go wrong, after `skip` that are let through.
    #[pyo3(signature = (fault, *, method=None, path="", times=1, skip=0))]
    fn fail_next(
        &self,
        py: Python<'_>,
        fault: &str,
        method: Option<&str>,
        path: &str,
        times: u32,
        skip: u32,
    ) -> PyResult<()> {
        let method = method.map(|method| parse_method(py, method)).transpose()?;
        let fault = stand_ins::fault(py, fault)?;
        self.inner.script(Script {
            method,
            path: path.to_owned(),
            skip,
            fault,
            times,
        });
        Ok(())
    }

    /// Empties it, counters included.
    fn reset(&self) {
        self.inner.reset();
    }

    /// Serves it over HTTP on 127.0.0.1; port 0 takes a free one.
    #[pyo3(signature = (port=0))]
    fn serve(&self, py: Python<'_>, port: u16) -> PyResult<SandboxServer> {
        stand_ins::serve(py, self.inner.clone(), port)
    }

    fn __repr__(&self) -> String {
        format!("KratosSandbox(seed={})", self.seed)
    }
}

/// The schemas by their identifiers: one under `default`, or several, of which the first is the one of identities that
/// name none. Raises ConfigError for what is no schema, and for both.
fn schemas_of(
    py: Python<'_>,
    one: Option<&Bound<'_, PyAny>>,
    several: Option<&Bound<'_, PyAny>>,
) -> PyResult<Vec<(String, Value)>> {
    let refuse = |message: &str| errors::config(py, "sandbox", message);
    let schemas: Vec<(String, Value)> = match (one, several) {
        (None, None) => vec![("default".to_owned(), default_schema())],
        (Some(schema), None) => vec![("default".to_owned(), to_json(schema)?)],
        (None, Some(schemas)) => match to_json(schemas)? {
            Value::Object(schemas) if !schemas.is_empty() => schemas.into_iter().collect(),
            _ => return Err(refuse("schemas must be a dict with at least one schema")),
        },
        (Some(_), Some(_)) => {
            return Err(refuse("identity_schema and schemas contradict each other"));
        }
    };
    for (id, schema) in &schemas {
        if !schema["properties"]["traits"].is_object() {
            return Err(refuse(&format!(
                "The identity schema {id:?} must be a JSON Schema with the property `traits`"
            )));
        }
    }
    Ok(schemas)
}
