//! Owns the limits that hold for password resets alone: how many one address
//! is sent in a while, and how many everybody together is sent in a day.

use crate::answer::Answer;
use crate::fields::Fields;
use crate::limits::Gate;
use crate::route::{Mailing, Route};
use crate::settings::{Limit, Limits};
use crate::users;
use bytes::Bytes;
use http::Request;
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug)]
pub(crate) struct ResetGates {
    to_one: Option<Limit>,
    of_addresses: HashMap<String, Gate>,
    of_the_day: Option<Gate>,
}

impl ResetGates {
    pub(crate) fn new(limits: &Limits) -> Self {
        let quota = limits.password_resets_a_day;
        Self {
            to_one: limits.password_resets_to_one,
            of_addresses: HashMap::new(),
            of_the_day: quota.map(|most| Gate::new((most, DAY), false)),
        }
    }

    /// What a reset for this address is refused with, and for how long; takes
    /// no place.
    pub(crate) fn refusal(&mut self, address: &str, now: SystemTime) -> Option<(Answer, Duration)> {
        let day = self.of_the_day.as_mut().and_then(|gate| gate.wait(now));
        if let Some(wait) = day {
            return Some((Answer::daily_quota_exceeded(), wait));
        }
        let gate = self.of_addresses.get_mut(address)?;
        gate.wait(now)
            .map(|wait| (Answer::too_many_requests(), wait))
    }

    pub(crate) fn take(&mut self, address: &str, now: SystemTime) {
        if let Some(gate) = &mut self.of_the_day {
            gate.take(now);
        }
        if let Some(limit) = self.to_one {
            let gate = self.of_addresses.entry(address.to_owned());
            gate.or_insert_with(|| Gate::new(limit, false)).take(now);
        }
    }
}

/// Whom a request would send a password reset to, if it is one.
pub(crate) fn address(route: Route, request: &Request<Bytes>) -> Option<String> {
    if route != Route::Mail(Mailing::SendPasswordReset) {
        return None;
    }
    let email = Fields::of(request).ok()?.text("email").ok()?.value()?;
    Some(users::normalized(&email))
}

#[cfg(test)]
mod tests {
    use crate::testing::{answered, at, coded, made, request, unlimited};
    use crate::{Fault, Limits, Sandbox, Settings};
    use http::Method;
    use serde_json::{Value, json};
    use std::time::Duration;

    const RESET: &str = "POST /user_management/password_reset";
    const DAY: u64 = 24 * 60 * 60 * 1_000;

    fn with(limits: Limits) -> Sandbox {
        let sandbox = Sandbox::new(Settings {
            limits,
            ..unlimited()
        });
        for email in ["a@b.c", "b@b.c"] {
            let body = json!({ "email": email });
            made(&sandbox, "POST /user_management/users", body);
        }
        sandbox
    }

    /// Status and code, and `Retry-After`.
    fn reset(sandbox: &Sandbox, email: &str, milliseconds: u64) -> (u16, String, Option<String>) {
        let request = request(RESET, &json!({ "email": email }));
        let response = answered(sandbox.handle(&request, at(milliseconds)).ending);
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        let answer = (response.status().as_u16(), body);
        let (status, code) = coded(&answer);
        let wait = response.headers().get("retry-after");
        let wait = wait.map(|value| value.to_str().unwrap().to_owned());
        (status, code.to_owned(), wait)
    }

    #[test]
    fn one_address_is_sent_three_a_minute() {
        let sandbox = with(Limits::documented());
        for (email, time) in [("a@b.c", 0), (" A@B.c", 10_000), ("a@b.c", 20_000)] {
            assert_eq!(reset(&sandbox, email, time).0, 201);
        }
        let limited = (429, "rate_limit_exceeded".to_owned(), Some("30".to_owned()));
        assert_eq!(reset(&sandbox, "A@b.c", 30_000), limited);
        assert_eq!(reset(&sandbox, "b@b.c", 30_000).0, 201, "another address");
        assert_eq!(reset(&sandbox, "a@b.c", 60_000).0, 201);
        let counters = sandbox.counters();
        assert_eq!(counters.refused_by_limit, 1);
        assert_eq!(counters.mails["a@b.c"]["password_reset"], 4);
    }

    #[test]
    fn the_quota_of_a_day_says_when_there_is_more() {
        let sandbox = with(Limits {
            password_resets_a_day: Some(2),
            ..Limits::none()
        });
        assert_eq!(reset(&sandbox, "a@b.c", 0).0, 201);
        assert_eq!(reset(&sandbox, "b@b.c", 1_000).0, 201);
        let (status, code, wait) = reset(&sandbox, "b@b.c", 3_600_000);
        assert_eq!((status, &*code), (429, "daily_quota_exceeded"));
        assert_eq!(wait.as_deref(), Some("82800"));
        assert_eq!(reset(&sandbox, "b@b.c", DAY - 1).0, 429);
        assert_eq!(reset(&sandbox, "b@b.c", DAY).0, 201);
        assert_eq!(sandbox.counters().mails["b@b.c"]["password_reset"], 2);
    }

    #[test]
    fn who_is_refused_takes_no_place_elsewhere() {
        let second = Duration::from_secs(1);
        let sandbox = with(Limits {
            user_management_writes: Some((3, second)),
            password_resets_to_one: Some((1, 60 * second)),
            ..Limits::none()
        });
        assert_eq!(reset(&sandbox, "a@b.c", 5_000).0, 201);
        for _ in 0..3 {
            assert_eq!(reset(&sandbox, "a@b.c", 5_000).0, 429);
        }
        assert_eq!(reset(&sandbox, "b@b.c", 5_000).0, 201);
    }

    #[test]
    fn a_lost_answer_has_sent_its_mail_and_a_request_that_was_not_has_none() {
        let sandbox = with(Limits::none());
        let send = |email: &str| sandbox.handle(&request(RESET, &json!({ "email": email })), at(0));
        sandbox.fail_next(Method::POST, "password_reset", Fault::ResetAfter, 1);
        send("a@b.c");
        sandbox.fail_next(Method::POST, "password_reset", Fault::ResetBefore, 1);
        send("b@b.c");
        let body = json!({ "email": "b@b.c" });
        sandbox.seed(Method::POST, "/user_management/password_reset", body);
        send("nobody@b.c");
        let mails = sandbox.counters().mails;
        assert_eq!(mails.keys().collect::<Vec<_>>(), ["a@b.c"]);
        assert_eq!(mails["a@b.c"]["password_reset"], 1);
        assert_eq!(
            sandbox.counters().to_json()["mails"],
            json!({ "a@b.c": { "password_reset": 1 } })
        );
    }
}
