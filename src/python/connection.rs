//! Owns the connection as Python holds it: address and key, of which the key never comes out again.

use pyo3::prelude::*;
use workos_importer_core::secret::Secret;
use workos_importer_core::wire;

/// Where the API is, and the key.
#[pyclass(frozen, module = "workos_importer._native")]
pub struct Connection {
    pub inner: wire::Connection,
}

#[pymethods]
impl Connection {
    #[new]
    fn new(base_url: String, key: String, ca_bundle: Option<Vec<u8>>, insecure_http: bool) -> Self {
        Self {
            inner: wire::Connection {
                base_url,
                key: Secret::new(key),
                ca_bundle,
                insecure_http,
            },
        }
    }

    fn __repr__(&self) -> &'static str {
        "Connection()"
    }
}
