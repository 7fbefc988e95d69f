//! Owns the sandbox as Python has it: settings in, counters and state out, faults by name, a server on loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::process;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{Method, StatusCode};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use serde_json::Value;
use workos_importer_sandbox::{
    self as sandbox, Fault, Faults, Limits, RetryAfter, Script, Server, Settings,
};

use crate::{errors, runtime};

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

/// A time in seconds, or the least and the largest.
#[derive(FromPyObject)]
enum Latency {
    Fixed(f64),
    Between(f64, f64),
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
        let (least, most) = match latency {
            None => (0.0, 0.0),
            Some(Latency::Fixed(seconds)) => (seconds, seconds),
            Some(Latency::Between(least, most)) => (least, most),
        };
        let seconds = |value: f64| {
            Duration::try_from_secs_f64(value)
                .ok()
                .filter(|time| time.as_secs() < 3_600)
        };
        let (Some(least), Some(most)) = (seconds(least), seconds(most)) else {
            return Err(refuse(
                "latency must be a number of seconds from 0 on, or the least and the largest",
            ));
        };
        if !(0.0..=1.0).contains(&fault_rate) {
            return Err(refuse("fault_rate must be from 0 to 1"));
        }
        let kinds = match faults {
            None => Fault::all(),
            Some(names) => names
                .iter()
                .map(|name| fault(py, name))
                .collect::<PyResult<_>>()?,
        };
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
            latency: (least, most.max(least)),
            limits,
            faults: Faults {
                rate: fault_rate,
                kinds,
            },
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
        let fault = self::fault(py, fault)?;
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
        let runtime = runtime::handle(py)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let environment = self.inner.clone();
        let served = py.detach(|| runtime.block_on(sandbox::serve(environment, address)));
        let server = served.map_err(|error| {
            errors::config(
                py,
                "sandbox",
                &format!("The sandbox cannot listen on {address}: {error}. Choose another port."),
            )
        })?;
        Ok(SandboxServer {
            url: server.url(),
            server: Mutex::new(Some(server)),
            process: process::id(),
        })
    }

    fn __repr__(&self) -> String {
        format!("Sandbox(seed={})", self.seed)
    }
}

/// A sandbox on loopback. Use it in a `with` block, or close it.
///
/// >>> from workos_importer import Importer, Sandbox
/// >>> with Sandbox().serve() as server:
/// ...     Importer(api_key="sk_test_1", base_url=server.url).run([{"email": "ada@example.com"}]).wait().created
/// 1
#[pyclass(frozen, module = "workos_importer")]
pub struct SandboxServer {
    /// The base URL.
    #[pyo3(get)]
    url: String,
    server: Mutex<Option<Server>>,
    process: u32,
}

#[pymethods]
impl SandboxServer {
    /// Stops listening and lets the answers that are on their way end.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if self.process != process::id() {
            return Err(errors::run(
                py,
                "forked",
                "A server cannot be used in a forked process.",
            ));
        }
        let server = self
            .server
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(server) = server {
            let runtime = runtime::handle(py)?;
            py.detach(|| {
                runtime.block_on(async {
                    // Connections that clients keep open must not hold it up.
                    let _ = tokio::time::timeout(Duration::from_secs(5), server.shutdown()).await;
                });
            });
        }
        Ok(())
    }

    fn __enter__(this: Py<Self>) -> Py<Self> {
        this
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<bool> {
        self.close(py)?;
        Ok(false)
    }

    fn __repr__(&self) -> String {
        format!("SandboxServer({})", self.url)
    }
}

impl Drop for SandboxServer {
    fn drop(&mut self) {
        if self.process != process::id() {
            let server = self
                .server
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            std::mem::forget(server);
        }
    }
}

/// The fault of a name as counters show it; `429_seconds:5` says for how long.
fn fault(py: Python<'_>, name: &str) -> PyResult<Fault> {
    let (kind, seconds) = match name.split_once(':') {
        Some((kind, seconds)) => (kind, seconds.parse().ok()),
        None => (name, None),
    };
    let known = match (kind, seconds) {
        ("429_seconds", Some(seconds)) => {
            Some(Fault::TooManyRequests(RetryAfter::Seconds(seconds)))
        }
        ("429_date", Some(seconds)) => Some(Fault::TooManyRequests(RetryAfter::Date(seconds))),
        _ if name.contains(':') => None,
        _ => Fault::all()
            .into_iter()
            .find(|fault| fault.to_string() == name)
            .or_else(|| of_status(name)),
    };
    known.ok_or_else(|| {
        let names: Vec<String> = Fault::all().iter().map(Fault::to_string).collect();
        let message = format!(
            "There is no fault {name:?}. There are: {}",
            names.join(", ")
        );
        errors::config(py, "sandbox", &message)
    })
}

/// Any other status of 4xx or 5xx, such as `403` or `507_applied`.
fn of_status(name: &str) -> Option<Fault> {
    let (name, applied) = match name.strip_suffix("_applied") {
        Some(rest) => (rest, true),
        None => (name, false),
    };
    let (number, shape) = name.split_once('_').unwrap_or((name, ""));
    let status = StatusCode::from_bytes(number.as_bytes())
        .ok()
        .filter(|status| status.as_u16() >= 400)?;
    match shape {
        "" => Some(Fault::Status { status, applied }),
        "html" => Some(Fault::HtmlPage { status, applied }),
        "empty" => Some(Fault::EmptyBody { status, applied }),
        _ => None,
    }
}

fn parse_method(py: Python<'_>, method: &str) -> PyResult<Method> {
    let known = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    let found = known
        .into_iter()
        .find(|known| known.as_str().eq_ignore_ascii_case(method));
    found.ok_or_else(|| {
        errors::config(
            py,
            "sandbox",
            "The method must be GET, POST, PUT, PATCH or DELETE",
        )
    })
}

pub fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?
        .call_method1("loads", (value.to_string(),))
}

fn to_json(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    let text: String = value
        .py()
        .import("json")?
        .call_method1("dumps", (value,))?
        .extract()?;
    serde_json::from_str(&text)
        .map_err(|error| errors::config(value.py(), "sandbox", &error.to_string()))
}
