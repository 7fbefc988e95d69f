//! Owns one delivery from arrival to ending: key, limits, fault, and only then
//! the environment. Everything that is drawn comes from the seed.

use crate::answer::Answer;
use crate::clock;
use crate::counters::Counting;
use crate::ending::{Ending, Exchange, under_fault};
use crate::faults::FaultSchedule;
use crate::identifiers::Identifiers;
use crate::limits::Gates;
use crate::reset_limits::{self, ResetGates};
use crate::route::{self, Scope, Target};
use crate::settings::{Limits, Settings};
use crate::state::State;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Method, Request};
use serde_json::Value;
use std::time::{Duration, SystemTime};

#[derive(Debug)]
pub(crate) struct Machine {
    settings: Settings,
    state: State,
    gates: Gates,
    resets: ResetGates,
    pub(crate) schedule: FaultSchedule,
    pub(crate) counting: Counting,
    request_ids: Identifiers,
    latest: SystemTime,
}

impl Machine {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            state: State::new(&settings),
            gates: Gates::new(&settings.limits),
            resets: ResetGates::new(&settings.limits),
            schedule: FaultSchedule::new(settings.seed, &settings.faults),
            counting: Counting::new(&settings.limits),
            request_ids: Identifiers::new(settings.seed ^ 0x1d1d_1d1d_1d1d_1d1d),
            latest: clock::beginning(),
            settings,
        }
    }

    /// The limits that it enforces.
    pub(crate) fn limits(&self) -> &Limits {
        &self.settings.limits
    }

    /// As if it had just been made: same settings, same seed.
    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.settings.clone());
    }

    /// Lets a user sign in, at the time of the latest request.
    pub(crate) fn sign_in(&mut self, user_id: &str) -> bool {
        self.state.sign_in(user_id, self.latest)
    }

    /// Makes a feature flag, or changes it, at the time of the latest request.
    pub(crate) fn set_feature_flag(
        &mut self,
        slug: &str,
        organizations: Option<Vec<String>>,
        enabled: bool,
    ) {
        self.state
            .set_feature_flag(slug, organizations, enabled, self.latest);
    }

    pub(crate) fn dump(&self) -> Value {
        self.state.dump(self.latest)
    }

    /// Changes the environment directly: no key, no limit, no fault, no count,
    /// no mail.
    pub(crate) fn seed(&mut self, method: &Method, path: &str, request: &Request<Bytes>) -> Answer {
        let target = Target::of(method, path);
        let answer = self.state.handle(&target, request, self.latest);
        self.state.take_mail();
        answer
    }

    pub(crate) fn handle(&mut self, request: &Request<Bytes>, now: SystemTime) -> Exchange {
        self.latest = now;
        let (method, path) = (request.method(), request.uri().path());
        let target = Target::of(method, path);
        let scope = route::scope(method, path, target.route);
        let is_write = scope == Scope::UserManagementWrite;
        self.counting.arrived(target.route.label(), is_write, now);
        let request_id = self.request_ids.next("req_", now);
        let (answer, retry_after) = match self.admitted(request, &target, scope, now) {
            Err(refusal) => refusal,
            Ok(()) => {
                let written = request
                    .uri()
                    .path_and_query()
                    .map_or(path, |written| written.as_str());
                if let Some(fault) = self.schedule.next(method, written) {
                    self.counting.went_wrong(fault.to_string());
                    let answer = fault
                        .is_applied()
                        .then(|| self.carried_out(&target, request, now));
                    let ending = under_fault(fault, answer, &request_id, now);
                    return self.ended(ending);
                }
                (self.carried_out(&target, request, now), None)
            }
        };
        self.ended(Ending::Answer(answer.into_response(
            Some(&request_id),
            retry_after,
            now,
        )))
    }

    fn carried_out(
        &mut self,
        target: &Target,
        request: &Request<Bytes>,
        now: SystemTime,
    ) -> Answer {
        let answer = self.state.handle(target, request, now);
        if let Some(mail) = self.state.take_mail() {
            self.counting.mailed(mail);
        }
        answer
    }

    /// Key and limits. A request with a wrong key takes no place.
    fn admitted(
        &mut self,
        request: &Request<Bytes>,
        target: &Target,
        scope: Scope,
        now: SystemTime,
    ) -> Result<(), (Answer, Option<String>)> {
        let key = request
            .headers()
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.strip_prefix("Bearer "))
            .filter(|key| match &self.settings.key {
                Some(only) => key == only,
                None => key.starts_with("sk_test_"),
            });
        let Some(key) = key else {
            return Err((Answer::unauthorized(), None));
        };
        let reset = reset_limits::address(target.route, request);
        // Asked first and taken last: who is refused takes no place anywhere.
        let refusal = reset
            .as_deref()
            .and_then(|address| self.resets.refusal(address, now))
            .or_else(|| {
                let passed = self.gates.pass(key, scope, now);
                passed.err().map(|wait| (Answer::too_many_requests(), wait))
            });
        if let Some((answer, wait)) = refusal {
            self.counting.counters.refused_by_limit += 1;
            return Err((answer, Some(whole_seconds(wait).to_string())));
        }
        if let Some(address) = reset {
            self.resets.take(&address, now);
        }
        Ok(())
    }

    fn ended(&mut self, ending: Ending) -> Exchange {
        if let Ending::Answer(response) | Ending::Truncated(response) = &ending {
            self.counting.answered(response.status());
        }
        Exchange { ending }
    }
}

/// Rounded up, and never 0: who waits so long finds a place.
fn whole_seconds(wait: Duration) -> u64 {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    seconds.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{answered, at, call, request, sandbox, unlimited};
    use crate::{Fault, Faults, Limits, RetryAfter, Sandbox, Settings};
    use http::Response;
    use serde_json::json;

    const USERS: &str = "POST /user_management/users";

    fn user(number: u32) -> Request<Bytes> {
        request(USERS, &json!({ "email": format!("u{number}@example.com") }))
    }

    fn header(response: &Response<Bytes>, name: &str) -> Option<String> {
        let value = response.headers().get(name)?;
        Some(value.to_str().unwrap().to_owned())
    }

    #[test]
    fn keys_are_looked_at_before_anything_else() {
        let with = |settings: Settings, key: Option<&str>| {
            let mut request = user(1);
            request.headers_mut().remove(AUTHORIZATION);
            if let Some(key) = key {
                request
                    .headers_mut()
                    .insert(AUTHORIZATION, key.parse().unwrap());
            }
            answered(Sandbox::new(settings).handle(&request, at(0)).ending)
        };
        let only = Settings {
            key: Some("sk_test_only".to_owned()),
            ..unlimited()
        };
        for refused in [
            with(unlimited(), None),
            with(unlimited(), Some("Bearer sk_live_1")),
            with(unlimited(), Some("sk_test_1")),
            with(only.clone(), Some("Bearer sk_test_other")),
        ] {
            assert_eq!(refused.status(), 401);
            assert_eq!(refused.body(), &r#"{"message":"Unauthorized"}"#);
        }
        assert_eq!(with(only, Some("Bearer sk_test_only")).status(), 201);
    }

    #[test]
    fn the_documented_limit_on_writes_is_exact() {
        let sandbox = Sandbox::new(Settings::default());
        for number in 0..500 {
            let response = answered(sandbox.handle(&user(number), at(number.into())).ending);
            assert_eq!(response.status(), 201);
        }
        let refused = answered(sandbox.handle(&user(500), at(600)).ending);
        assert_eq!(refused.status(), 429);
        assert_eq!(header(&refused, "retry-after").unwrap(), "10");
        let free = answered(sandbox.handle(&user(500), at(10_000)).ending);
        assert_eq!(free.status(), 201);
        let counters = sandbox.counters();
        assert_eq!(counters.refused_by_limit, 1);
        assert_eq!(counters.most_writes_in_ten_seconds, 501);
        assert_eq!(counters.by_status[&201], 501);
        assert_eq!(counters.by_route[USERS], 502);
    }

    #[test]
    fn everything_that_is_answered_says_when_and_under_which_id() {
        let response = answered(
            sandbox()
                .handle(&request("GET /nothing", &json!(null)), at(0))
                .ending,
        );
        assert_eq!(response.status(), 404);
        assert!(
            header(&response, "x-request-id")
                .unwrap()
                .starts_with("req_01")
        );
        assert_eq!(
            header(&response, "date").unwrap(),
            "Mon, 01 Jan 2024 00:00:00 GMT"
        );
        assert_eq!(
            header(&response, "content-type").unwrap(),
            "application/json; charset=utf-8"
        );
    }

    #[test]
    fn a_429_says_when_to_come_back_in_each_form() {
        let sandbox = sandbox();
        let forms = [
            (RetryAfter::Seconds(3), Some("3")),
            (RetryAfter::Date(60), Some("Mon, 01 Jan 2024 00:01:00 GMT")),
            (RetryAfter::None, None),
        ];
        for (form, expected) in forms {
            sandbox.fail_next(Method::POST, "users", Fault::TooManyRequests(form), 1);
            let response = answered(sandbox.handle(&user(1), at(0)).ending);
            assert_eq!(response.status(), 429);
            assert_eq!(header(&response, "retry-after").as_deref(), expected);
        }
        assert_eq!(sandbox.dump()["users"], json!([]));
    }

    #[test]
    fn applied_faults_write_and_the_others_do_not() {
        for fault in Fault::all() {
            let sandbox = sandbox();
            sandbox.fail_next(None, "", fault, 1);
            sandbox.handle(&user(1), at(0));
            let users = sandbox.dump()["users"].as_array().unwrap().len();
            assert_eq!(users, usize::from(fault.is_applied()), "{fault}");
            assert_eq!(sandbox.counters().faults[&fault.to_string()], 1);
            assert_eq!(
                call(&sandbox, "GET /user_management/users", json!(null)).0,
                200
            );
        }
    }

    #[test]
    fn a_truncated_body_is_shorter_than_its_length() {
        let sandbox = sandbox();
        sandbox.fail_next(None, "", Fault::TruncatedBody, 1);
        let Ending::Truncated(response) = sandbox.handle(&user(1), at(0)).ending else {
            panic!("not truncated");
        };
        let declared: usize = header(&response, "content-length")
            .unwrap()
            .parse()
            .unwrap();
        assert!(response.body().len() < declared);
    }

    #[test]
    fn the_same_sequence_has_the_same_answers_bit_for_bit() {
        let settings = Settings {
            seed: 9,
            faults: Faults {
                rate: 0.4,
                ..Faults::default()
            },
            limits: Limits::documented(),
            ..Settings::default()
        };
        let run = |sandbox: &Sandbox| -> Vec<String> {
            let mut endings: Vec<String> = (0..700)
                .map(|number| {
                    // Latency has its own sequence, and must not interfere.
                    sandbox.latency();
                    let ending = sandbox.handle(&user(number / 2), at(number.into())).ending;
                    format!("{ending:?}")
                })
                .collect();
            endings.push(sandbox.dump().to_string());
            endings
        };
        let sandbox = Sandbox::new(settings.clone());
        let first = run(&sandbox);
        assert_eq!(first, run(&Sandbox::new(settings)));
        sandbox.reset();
        assert_eq!(first, run(&sandbox), "a reset begins anew");
    }

    #[test]
    fn what_is_not_json_is_refused() {
        let sandbox = sandbox();
        let mut broken = user(1);
        *broken.body_mut() = Bytes::from_static(b"{");
        assert_eq!(
            answered(sandbox.handle(&broken, at(0)).ending).status(),
            400
        );
        let mut undeclared = user(1);
        undeclared.headers_mut().remove(http::header::CONTENT_TYPE);
        assert_eq!(
            answered(sandbox.handle(&undeclared, at(0)).ending).status(),
            422
        );
    }

    #[test]
    fn seeding_is_neither_counted_nor_limited() {
        let sandbox = Sandbox::new(Settings {
            limits: Limits {
                user_management_writes: Some((1, Duration::from_secs(10))),
                ..Limits::none()
            },
            ..Settings::default()
        });
        for number in 0..3 {
            let body = json!({ "email": format!("s{number}@example.com") });
            let user = sandbox.seed(Method::POST, "/user_management/users", body);
            assert_eq!(user["object"], "user");
        }
        assert_eq!(sandbox.counters().total, 0);
        let list = sandbox.seed(Method::GET, "/user_management/users?limit=2", Value::Null);
        assert_eq!(list["data"].as_array().unwrap().len(), 2);
    }
}
