//! A stand-in for the admin API of Ory Kratos in one process: identities one by
//! one and in batches, pages, schemas, and recovery links and codes, with
//! Kratos' own codes and bodies, and faults from a seed.
//!
//! [`Kratos::handle`] knows no socket and reads no clock. It means what the
//! handle of the WorkOS sandbox means, so a transport can serve both. Kratos
//! has no limits of its own on requests, so there are none here. This file owns
//! the handle.

mod addresses;
mod answers;
mod batch;
mod draft;
mod identities;
mod identity;
mod identity_patch;
mod json_patch;
mod listing;
mod machine;
mod passwords;
mod recovery;
mod redirects;
mod schema;
mod sessions;
mod settings;
mod state;
#[cfg(test)]
mod tests;
mod uuids;

pub use settings::{Settings, default_schema};

use crate::latency::Latency;
use crate::{Counters, Exchange, Fault, Script, locked};
use bytes::Bytes;
use http::{Method, Request};
use machine::Machine;
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

/// A Kratos with its identities. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Kratos {
    machine: Arc<Mutex<Machine>>,
    latency: Latency,
    per_identity: Duration,
    identity: u64,
}

impl Kratos {
    /// One without identities.
    pub fn new(settings: Settings) -> Self {
        Self {
            latency: Latency::new(settings.seed, settings.latency),
            per_identity: settings.latency_per_identity,
            machine: Arc::new(Mutex::new(Machine::new(settings))),
            // Not from the seed: two that are made alike are two.
            identity: rand::random(),
        }
    }

    /// Delivers one request at one time, and says what the transport must do.
    /// Counts it, asks for the token where one is set, and draws its fault.
    pub fn handle(&self, request: &Request<Bytes>, now: SystemTime) -> Exchange {
        self.machine().handle(request, now)
    }

    /// How long this request takes, drawn from the seed: the time before it is
    /// delivered, and the time until its answer is back. Each identity that it
    /// makes adds to the first: Kratos commits a batch when it is through.
    pub fn latency(&self, request: &Request<Bytes>) -> (Duration, Duration) {
        let (before, after) = self.latency.draw();
        if self.per_identity.is_zero() {
            return (before, after);
        }
        let work = self.per_identity.saturating_mul(batch::makes(request));
        (before.saturating_add(work), after)
    }

    /// Tells sandboxes in one process, or in several, from each other. Clones
    /// have the same.
    pub fn identity(&self) -> u64 {
        self.identity
    }

    /// What has been counted so far. Nothing is refused by a limit, and no mail
    /// is sent; every call that is not a GET is a write.
    pub fn counters(&self) -> Counters {
        self.machine().counters().clone()
    }

    /// Everything there is, in the order of creation: `identities`, each with a
    /// `password` (null, `"password"`, or the kind of the hash that was given),
    /// and `recoveries` (`identity_id`, `kind`, which is `link` or `code`, and
    /// `expires_at`). Passwords, hashes, links and codes are not in it.
    pub fn dump(&self) -> Value {
        self.machine().dump()
    }

    /// Lets the next requests that match go wrong.
    pub fn script(&self, script: Script) {
        self.machine().script(script);
    }

    /// Lets the next `times` requests with this method (or any), whose path
    /// and query contain `path`, go wrong.
    pub fn fail_next(
        &self,
        method: impl Into<Option<Method>>,
        path: &str,
        fault: Fault,
        times: u32,
    ) {
        self.script(Script {
            method: method.into(),
            path: path.to_owned(),
            skip: 0,
            fault,
            times,
        });
    }

    /// Makes or changes something directly, outside of the token, faults and
    /// counters, at the time of the latest request (1 January 2024 before the
    /// first). Returns the answer's body, which is null if it has none.
    pub fn seed(&self, method: Method, path: &str, body: &Value) -> Value {
        self.machine().seed(method, path, body)
    }

    /// Lets somebody sign in, at the time of the latest request: the identity has a
    /// session from then on. False if there is no such identity.
    pub fn sign_in(&self, identity_id: &str) -> bool {
        self.machine().sign_in(identity_id)
    }

    /// As if it had just been made from its settings, counters and scripts
    /// included.
    pub fn reset(&self) {
        self.machine().reset();
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        locked(&self.machine)
    }
}
