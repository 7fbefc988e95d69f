//! Owns the WorkOS sandbox as Python has it: settings in, counters and state out.

use pyo3::prelude::*;
use serde_json::Value;
use workos_importer_sandbox::{self as sandbox, Limits, Script, Settings};

use crate::errors;
use crate::stand_ins::{self, Latency, SandboxServer, parse_method, seconds, to_json, to_python};

/// A WorkOS environment in this process, with the API's codes, rules and limits, and faults on demand.
///
/// Give it to `Importer(sandbox=…)`, or serve it over HTTP. The same settings and the same sequence of requests give
/// the same answers.
///
/// >>> from workos_importer import Importer, Sandbox
/// >>> sandbox = Sandbox()
/// >>> summary = Importer(sandbox=sandbox).run([{"email": "ada@example.com"}]).wait()
/// >>> [user["email"] for user in sandbox.dump()["users"]]
/// ['ada@example.com']
#[pyclass(frozen, module = "workos_importer")]
pub struct Sandbox {
    inner: sandbox::Sandbox,
    seed: u64,
}

impl Sandbox {
    pub fn inner(&self) -> &sandbox::Sandbox {
        &self.inner
    }
}

#[pymethods]
impl Sandbox {
    #[new]
    #[pyo3(signature = (*, seed=0, latency=None, fault_rate=0.0, faults=None, limits=true, strict_limits=false, write_limit=None, multiple_roles=true, roles=None, key=None, password_reset_quota=None))]
    #[allow(clippy::too_many_arguments)] // keyword-only in Python
    fn new(
        py: Python<'_>,
        seed: u64,
        latency: Option<Latency>,
        fault_rate: f64,
        faults: Option<Vec<String>>,
        limits: bool,
        strict_limits: bool,
        write_limit: Option<(u32, f64)>,
        multiple_roles: bool,
        roles: Option<Vec<String>>,
        key: Option<String>,
        password_reset_quota: Option<u32>,
    ) -> PyResult<Self> {
        let refuse = |message: &str| errors::config(py, "sandbox", message);
        let latency = stand_ins::latency_bounds(py, latency)?;
        let faults = stand_ins::faults(py, fault_rate, faults)?;
        let roles = roles.unwrap_or_else(|| Settings::default().roles);
        if roles.is_empty() {
            return Err(refuse("roles must name at least one role"));
        }
        let limits = match (limits, write_limit) {
            (true, None) => Limits::documented(),
            (true, Some((count, period))) => {
                let period = seconds(period).filter(|period| !period.is_zero());
                let period = period.filter(|_| count > 0).ok_or_else(|| {
                    refuse("write_limit must be a number of writes, and the seconds that it holds for, such as (1000, 10)")
                })?;
                Limits::with_writes((count, period))
            }
            (false, None) => Limits::none(),
            (false, Some(_)) => {
                return Err(refuse("write_limit and limits=False contradict each other"));
            }
        };
        let limits = Limits {
            strict: strict_limits,
            password_resets_a_day: password_reset_quota,
            ..limits
        };
        let settings = Settings {
            seed,
            latency,
            limits,
            faults,
            multiple_roles,
            roles,
            key,
        };
        Ok(Self {
            inner: sandbox::Sandbox::new(settings),
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

    /// Makes or changes something directly, outside of keys, limits, faults and counters.
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
        to_python(py, &self.inner.seed(method, path, body))
    }

    /// Lets a user sign in. False if there is no such user.
    fn sign_in(&self, user_id: &str) -> bool {
        self.inner.sign_in(user_id)
    }

    /// Makes a feature flag, or changes it: for these organizations, or for all.
    #[pyo3(signature = (slug, *, organizations=None, enabled=true))]
    fn set_feature_flag(&self, slug: &str, organizations: Option<Vec<String>>, enabled: bool) {
        self.inner.set_feature_flag(slug, organizations, enabled);
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

    /// Empties the environment, counters included.
    fn reset(&self) {
        self.inner.reset();
    }

    /// Serves the environment over HTTP on 127.0.0.1; port 0 takes a free one.
    #[pyo3(signature = (port=0))]
    fn serve(&self, py: Python<'_>, port: u16) -> PyResult<SandboxServer> {
        stand_ins::serve(py, self.inner.clone(), port)
    }

    fn __repr__(&self) -> String {
        format!("Sandbox(seed={})", self.seed)
    }
}
