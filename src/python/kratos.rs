//! Owns Kratos as a target, as Python gives it, and what identities are held to.

use std::collections::BTreeSet;
use std::sync::Arc;

use pyo3::prelude::*;
use workos_importer_core::import::Target;
use workos_importer_core::row::{IdentityRules, IdentitySchema};

use crate::connection::Connection;
use crate::errors;
use crate::kratos_sandbox::KratosSandbox;

/// Kratos behind a connection, or a sandbox of it.
#[pyclass(frozen, module = "workos_importer._native")]
pub struct KratosTarget {
    inner: Target,
}

impl KratosTarget {
    /// The engine's own type.
    pub fn target(&self) -> Target {
        self.inner.clone()
    }
}

/// Where a Kratos is.
#[derive(FromPyObject)]
pub enum Place<'py> {
    Connection(PyRef<'py, Connection>),
    Sandbox(PyRef<'py, KratosSandbox>),
}

#[pymethods]
impl KratosTarget {
    /// `batch_size`: identities in one call at most.
    #[new]
    fn new(place: Place<'_>, batch_size: Option<usize>) -> Self {
        let inner = match place {
            Place::Connection(connection) => Target::Kratos {
                connection: connection.inner.clone(),
                batch_size,
            },
            Place::Sandbox(sandbox) => Target::KratosSandbox {
                sandbox: sandbox.inner().clone(),
                batch_size,
            },
        };
        Self { inner }
    }

    fn __repr__(&self) -> &'static str {
        "KratosTarget()"
    }
}

/// What identities are held to, as `_native.pyi` has it.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct GivenIdentities {
    schema_id: String,
    /// JSON.
    schema: Option<String>,
    allowed_roles: Option<BTreeSet<String>>,
    allowed_tenants: Option<BTreeSet<String>>,
    random_password: bool,
}

impl GivenIdentities {
    /// The engine's own type.
    pub fn into_core(self, py: Python<'_>) -> PyResult<Arc<IdentityRules>> {
        let schema = self.schema.as_deref().map(|text| {
            let schema = serde_json::from_str(text).map_err(|error| error.to_string());
            schema.and_then(IdentitySchema::new).map_err(|why| {
                let message = format!("The identity schema cannot be used: {why}");
                errors::config(py, "identity_schema", &message)
            })
        });
        Ok(Arc::new(IdentityRules {
            schema_id: self.schema_id,
            schema: schema.transpose()?,
            allowed_roles: self.allowed_roles,
            allowed_tenants: self.allowed_tenants,
            random_password: self.random_password,
        }))
    }
}
