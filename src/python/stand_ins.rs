//! Owns what the sandboxes share as Python has them: times and faults by name, methods, JSON both ways, and the server
//! on loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::process;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{Method, StatusCode};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use serde_json::Value;
use workos_importer_sandbox::{self as sandbox, Fault, Faults, RetryAfter, Server, StandIn};

use crate::{errors, runtime};

/// A time in seconds, or the least and the largest.
#[derive(FromPyObject)]
pub enum Latency {
    Fixed(f64),
    Between(f64, f64),
}

/// The bounds of a latency; none is nothing. Raises ConfigError for what is no time, or above an hour.
pub fn latency_bounds(py: Python<'_>, latency: Option<Latency>) -> PyResult<(Duration, Duration)> {
    let (least, most) = match latency {
        None => (0.0, 0.0),
        Some(Latency::Fixed(seconds)) => (seconds, seconds),
        Some(Latency::Between(least, most)) => (least, most),
    };
    let (Some(least), Some(most)) = (seconds(least), seconds(most)) else {
        return Err(errors::config(
            py,
            "sandbox",
            "latency must be a number of seconds from 0 on, or the least and the largest",
        ));
    };
    Ok((least, most.max(least)))
}

/// A time of less than an hour; none, if it is not one.
pub fn seconds(value: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(value)
        .ok()
        .filter(|time| time.as_secs() < 3_600)
}

/// How often, and in which ways, requests go wrong; without names in all of them. Raises ConfigError.
pub fn faults(py: Python<'_>, rate: f64, names: Option<Vec<String>>) -> PyResult<Faults> {
    if !(0.0..=1.0).contains(&rate) {
        return Err(errors::config(
            py,
            "sandbox",
            "fault_rate must be from 0 to 1",
        ));
    }
    let kinds = match names {
        None => Fault::all(),
        Some(names) => names
            .iter()
            .map(|name| fault(py, name))
            .collect::<PyResult<_>>()?,
    };
    Ok(Faults { rate, kinds })
}

/// Serves a stand-in over HTTP on 127.0.0.1; port 0 takes a free one. Raises ConfigError if it is taken.
pub fn serve(
    py: Python<'_>,
    stand_in: impl StandIn + 'static,
    port: u16,
) -> PyResult<SandboxServer> {
    let runtime = runtime::handle(py)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let served = py.detach(|| runtime.block_on(sandbox::serve(stand_in, address)));
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
pub fn fault(py: Python<'_>, name: &str) -> PyResult<Fault> {
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

/// A method by its name, in any case.
pub fn parse_method(py: Python<'_>, method: &str) -> PyResult<Method> {
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

/// JSON as Python has it.
pub fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?
        .call_method1("loads", (value.to_string(),))
}

/// Python's dicts, lists and so on as JSON.
pub fn to_json(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    let text: String = value
        .py()
        .import("json")?
        .call_method1("dumps", (value,))?
        .extract()?;
    serde_json::from_str(&text)
        .map_err(|error| errors::config(value.py(), "sandbox", &error.to_string()))
}
