//! Looks at the settings of a connection: address, key, proxy, certificates. Opens none.

use std::env;
use std::path::Path;

use serde_json::Value;

use super::{Check, Standing, Trouble};
use crate::wire::{
    Connection, ConnectionError, HttpTransport, Proxy, count_certificates, proxy_for,
};

/// Looks at each setting; with a problem among them there is no use in asking the API. An empty key is not judged.
pub fn check_connection(connection: &Connection) -> Vec<Check> {
    let refused = HttpTransport::new(connection).err();
    let mut checks = Vec::new();
    if !connection.key.expose().is_empty() {
        checks.push(environment(connection));
    }
    if let Some(ConnectionError::Key) = &refused {
        checks.push(problem("key", &ConnectionError::Key));
    }
    let address = match &refused {
        Some(error @ (ConnectionError::BaseUrl(..) | ConnectionError::Unencrypted(_))) => {
            checks.push(problem("base_url", error));
            return checks;
        }
        _ => connection.base_url.as_str(),
    };
    checks.push(Check::fine("base_url", address, address));
    checks.push(proxy(address));
    let certificates = certificates(connection);
    checks.push(match &refused {
        Some(error @ (ConnectionError::CertificateBundle(_) | ConnectionError::Client(_)))
            if certificates.standing == Standing::Fine =>
        {
            problem("certificates", error)
        }
        _ => certificates,
    });
    checks
}

/// What is wrong with a setting; its message says what to do.
fn problem(name: &'static str, error: &ConnectionError) -> Check {
    let message = match name {
        "certificates" => "cannot be used",
        _ => "cannot be the right one",
    };
    Check::problem(name, Trouble::Configuration, message, &error.to_string())
}

/// Live or test, as imports tell it: by the key.
fn environment(connection: &Connection) -> Check {
    let key = connection.key.expose();
    let (message, value) = if key.starts_with("sk_test_") {
        ("TEST: a test key", "test")
    } else if key.starts_with("sk_live_") {
        ("LIVE: a live key", "live")
    } else {
        (
            "LIVE: the key does not say that it is one for tests",
            "live",
        )
    };
    Check::fine("environment", message, value)
}

fn proxy(address: &str) -> Check {
    let (message, value) = match proxy_for(address) {
        Proxy::Loopback => (
            "none: this machine is never reached through one".to_owned(),
            None,
        ),
        Proxy::None => ("none: no variable names one".to_owned(), None),
        Proxy::Excepted { variable } => (format!("none: {variable} excepts this host"), None),
        Proxy::Variable { variable, address } => {
            (format!("{address}, by {variable}"), Some(variable))
        }
        Proxy::System { address } => (
            format!("{address}, by the system's settings"),
            Some("system"),
        ),
    };
    Check::fine("proxy", message, value)
}

/// Where the certificates come from that a server's is checked with.
fn certificates(connection: &Connection) -> Check {
    if connection.base_url.starts_with("http:") {
        return Check::fine(
            "certificates",
            "none needed: the address is http:",
            Value::Null,
        );
    }
    let file = env::var("SSL_CERT_FILE").ok();
    let system = match file.filter(|path| cfg!(target_os = "linux") && !path.is_empty()) {
        None => "the system's".to_owned(),
        Some(path) if Path::new(&path).is_file() => format!("those of SSL_CERT_FILE ({path})"),
        Some(path) => {
            return Check::problem(
                "certificates",
                Trouble::Configuration,
                format!("SSL_CERT_FILE names {path}, which is no file"),
                "Correct SSL_CERT_FILE, or unset it to use the system's certificates.",
            );
        }
    };
    let bundle = connection.ca_bundle.as_deref().map(count_certificates);
    let message = match bundle {
        Some(Ok(1)) => format!("{system}, and 1 of the CA bundle"),
        Some(Ok(count)) => format!("{system}, and {count} of the CA bundle"),
        _ => system,
    };
    Check::fine("certificates", message, Value::Null)
}
