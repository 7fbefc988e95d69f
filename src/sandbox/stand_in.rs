//! Owns what a transport and the server need of a stand-in, whichever service
//! it stands in for.

use crate::kratos::Kratos;
use crate::{Counters, Exchange, Sandbox};
use bytes::Bytes;
use http::Request;
use serde_json::Value;
use std::fmt;
use std::time::{Duration, SystemTime};

/// A service in this process: requests in, endings out, and what scripts ask
/// about it. It knows no socket and reads no clock.
pub trait StandIn: fmt::Debug + Send + Sync {
    /// Delivers one request at one time, and says what the transport must do.
    fn handle(&self, request: &Request<Bytes>, now: SystemTime) -> Exchange;

    /// How long this request takes, drawn from the seed: the time before it is
    /// delivered, and the time until its answer is back.
    fn latency(&self, request: &Request<Bytes>) -> (Duration, Duration);

    /// What has been counted so far.
    fn counters(&self) -> Counters;

    /// Everything there is, in the order of creation, without what is secret.
    fn dump(&self) -> Value;

    /// As if it had just been made from its settings.
    fn reset(&self);
}

impl StandIn for Sandbox {
    fn handle(&self, request: &Request<Bytes>, now: SystemTime) -> Exchange {
        Self::handle(self, request, now)
    }

    fn latency(&self, _request: &Request<Bytes>) -> (Duration, Duration) {
        Self::latency(self)
    }

    fn counters(&self) -> Counters {
        Self::counters(self)
    }

    fn dump(&self) -> Value {
        Self::dump(self)
    }

    fn reset(&self) {
        Self::reset(self);
    }
}

impl StandIn for Kratos {
    fn handle(&self, request: &Request<Bytes>, now: SystemTime) -> Exchange {
        Self::handle(self, request, now)
    }

    fn latency(&self, request: &Request<Bytes>) -> (Duration, Duration) {
        Self::latency(self, request)
    }

    fn counters(&self) -> Counters {
        Self::counters(self)
    }

    fn dump(&self) -> Value {
        Self::dump(self)
    }

    fn reset(&self) {
        Self::reset(self);
    }
}
