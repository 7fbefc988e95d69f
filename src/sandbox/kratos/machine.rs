//! Owns one delivery from arrival to ending: token, fault, and only then the
//! identities. Everything that is drawn comes from the seed.

use super::answers::{self, Reply};
use super::redirects;
use super::settings::Settings;
use super::state::{Route, State};
use super::uuids::Uuids;
use crate::clock;
use crate::counters::{Counters, Counting};
use crate::ending::{Ending, Exchange, under_fault};
use crate::faults::{Fault, FaultSchedule, Script};
use crate::settings::Limits;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Method, Request};
use serde_json::Value;
use std::time::SystemTime;

#[derive(Debug)]
pub(super) struct Machine {
    settings: Settings,
    state: State,
    schedule: FaultSchedule,
    counting: Counting,
    request_ids: Uuids,
    latest: SystemTime,
}

impl Machine {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            state: State::new(&settings),
            schedule: FaultSchedule::new(settings.seed, &settings.faults),
            counting: Counting::new(&Limits::none()),
            request_ids: Uuids::new(settings.seed ^ 0x1d1d_1d1d_1d1d_1d1d),
            latest: clock::beginning(),
            settings,
        }
    }

    /// As if it had just been made: same settings, same seed.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.settings.clone());
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counting.counters
    }

    pub(super) fn script(&mut self, script: Script) {
        self.schedule.script(script);
    }

    pub(super) fn dump(&self) -> Value {
        self.state.dump()
    }

    pub(super) fn sign_in(&mut self, identity_id: &str) -> bool {
        self.state.sign_in(identity_id, self.latest)
    }

    /// Carries out a call directly. A path that is none answers null.
    pub(super) fn seed(&mut self, method: Method, path: &str, body: &Value) -> Value {
        let body = match body {
            Value::Null => Bytes::new(),
            body => Bytes::from(body.to_string()),
        };
        let Ok(uri) = path.parse() else {
            return Value::Null;
        };
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let route = Route::of(request.method(), request.uri().path());
        let reply = self.state.handle(route, &request, self.latest);
        let response = reply.into_response("", self.latest);
        serde_json::from_slice(response.body()).unwrap_or_default()
    }

    pub(super) fn handle(&mut self, request: &Request<Bytes>, now: SystemTime) -> Exchange {
        self.latest = now;
        let (method, path) = (request.method(), request.uri().path());
        let route = Route::of(method, path);
        let is_write = method != Method::GET;
        self.counting.arrived(route.label(), is_write, now);
        let request_id = self.request_ids.next();
        if !self.is_admitted(request) {
            let refusal = Reply::from(answers::unauthorized());
            return self.ended(Ending::Answer(refusal.into_response(&request_id, now)));
        }
        let written = request.uri().path_and_query();
        let written = written.map_or(path, |written| written.as_str());
        let Some(fault) = self.schedule.next(method, written) else {
            let reply = self.state.handle(route, request, now);
            return self.ended(Ending::Answer(reply.into_response(&request_id, now)));
        };
        self.counting.went_wrong(fault.to_string());
        let answer = fault.is_applied().then(|| {
            let reply = self.state.handle(route, request, now);
            answers::identified(reply.answer, &request_id)
        });
        let ending = under_fault(fault, answer, &request_id, now);
        self.ended(worded(fault, ending, &request_id))
    }

    fn is_admitted(&self, request: &Request<Bytes>) -> bool {
        let Some(token) = &self.settings.token else {
            return true;
        };
        if request.uri().path().starts_with(redirects::PUBLIC) {
            return true;
        }
        request
            .headers()
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.strip_prefix("Bearer "))
            .is_some_and(|given| given == token)
    }

    fn ended(&mut self, ending: Ending) -> Exchange {
        if let Ending::Answer(response) | Ending::Truncated(response) = &ending {
            self.counting.answered(response.status());
        }
        Exchange { ending }
    }
}

/// A fault that answers with the service's own JSON, in the words of this one.
fn worded(fault: Fault, ending: Ending, request_id: &str) -> Ending {
    let has_error = matches!(fault, Fault::Status { .. } | Fault::TooManyRequests(_));
    match ending {
        Ending::Answer(response) if has_error => {
            let status = response.status();
            let message = status.canonical_reason().unwrap_or("Error");
            let error = answers::error(status, message, None);
            let body = answers::body_of(answers::identified(error, request_id));
            Ending::Answer(response.map(|_| body))
        }
        other => other,
    }
}
