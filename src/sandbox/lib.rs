//! A stand-in for the WorkOS API in one process: users, organizations,
//! memberships, roles, invitations and what else a migration touches, with the
//! API's own codes and bodies, its documented limits, and faults from a seed.
//!
//! One state machine, two ways in: [`Sandbox::handle`] in process, which knows
//! no socket and reads no clock, and [`serve`], an HTTP server on loopback over
//! it. This file owns the handle that both share.
//!
//! [`kratos`] is a stand-in for another service, Ory Kratos, and shares faults,
//! counters and the server with this one: a transport takes either as a
//! [`StandIn`].

mod answer;
mod api_keys;
mod calls;
mod clock;
mod connection;
mod counters;
mod domains;
mod ending;
mod factors;
mod faults;
mod feature_flags;
mod fields;
mod identifiers;
mod invitations;
pub mod kratos;
mod latency;
mod limits;
mod machine;
mod memberships;
mod organizations;
mod owned;
mod paging;
mod passwords;
mod permissions;
mod reset_limits;
mod roles;
mod route;
mod server;
mod settings;
mod stand_in;
mod state;
#[cfg(test)]
mod testing;
mod users;

pub use counters::Counters;
pub use ending::{Ending, Exchange};
pub use faults::{Fault, Faults, RetryAfter, Script};
pub use server::{Server, serve};
pub use settings::{Limit, Limits, Settings};
pub use stand_in::StandIn;

use answer::Body;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request};
use latency::Latency;
use machine::Machine;
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// A WorkOS environment. Clones are the same environment.
#[derive(Clone, Debug)]
pub struct Sandbox {
    machine: Arc<Mutex<Machine>>,
    latency: Latency,
    identity: u64,
}

impl Sandbox {
    /// An empty environment.
    pub fn new(settings: Settings) -> Self {
        Self {
            latency: Latency::new(settings.seed, settings.latency),
            machine: Arc::new(Mutex::new(Machine::new(settings))),
            // Not from the seed: two environments made alike are two environments.
            identity: rand::random(),
        }
    }

    /// Delivers one request at one time, and says what the transport must do.
    /// Counts it, holds it to the limits and draws its fault.
    pub fn handle(&self, request: &Request<Bytes>, now: SystemTime) -> Exchange {
        self.machine().handle(request, now)
    }

    /// How long one request takes, drawn from the seed: the time before it is
    /// delivered, and the time until its answer is back.
    pub fn latency(&self) -> (Duration, Duration) {
        self.latency.draw()
    }

    /// Tells environments in one process, or in several, from each other. Clones have the same.
    pub fn identity(&self) -> u64 {
        self.identity
    }

    /// The limits that it enforces.
    pub fn limits(&self) -> Limits {
        self.machine().limits().clone()
    }

    /// What has been counted so far.
    pub fn counters(&self) -> Counters {
        self.machine().counting.counters.clone()
    }

    /// Everything there is, in the order of creation: `users`,
    /// `organizations`, `organization_memberships` (inactive ones included),
    /// `roles`, `permissions`, `invitations` (in their state at the time of the
    /// latest request), `authentication_factors`, `api_keys` and
    /// `feature_flags`. Each user has a `password`: null, `"password"`, or the
    /// type of the hash that was given. Secrets, tokens and the values of keys
    /// are not in it.
    pub fn dump(&self) -> Value {
        self.machine().dump()
    }

    /// Lets the next requests that match go wrong.
    pub fn script(&self, script: Script) {
        self.machine().schedule.script(script);
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

    /// Makes a feature flag, or changes the one with this slug: for these
    /// organizations, or for all (`None`), and whether it is on in the
    /// environment. The API can only list them.
    pub fn set_feature_flag(&self, slug: &str, organizations: Option<Vec<String>>, enabled: bool) {
        self.machine()
            .set_feature_flag(slug, organizations, enabled);
    }

    /// Makes or changes something directly, outside of keys, limits, faults
    /// and counters, and without a mail, at the time of the latest request (1 January 2024 before
    /// the first). Returns the answer's body, which is null if it has none.
    pub fn seed(&self, method: Method, path: &str, body: Value) -> Value {
        let mut request = Request::new(match body {
            Value::Null => Bytes::new(),
            body => Bytes::from(body.to_string()),
        });
        request
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let (path_only, _) = path.split_once('?').unwrap_or((path, ""));
        if let Ok(uri) = path.parse() {
            *request.uri_mut() = uri;
        }
        match self.machine().seed(&method, path_only, &request).body {
            Body::Json(body) => body,
            Body::Text(_) | Body::Html(_) | Body::Empty => Value::Null,
        }
    }

    /// Lets a user sign in, at the time of the latest request: the API shows it
    /// as `last_sign_in_at` from then on. False if there is no such user.
    pub fn sign_in(&self, user_id: &str) -> bool {
        self.machine().sign_in(user_id)
    }

    /// Empties the environment: as if it had just been made from its settings,
    /// counters, windows and scripts included.
    pub fn reset(&self) {
        self.machine().reset();
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        locked(&self.machine)
    }
}

/// A thread that panicked in a test of its own must not take the others down.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
