//! Owns the tests of what surrounds the calls: token, faults, counters, seeds.

use super::{BATCH, IDENTITIES, call, count, get, kratos, made, person, refusal};
use crate::kratos::{Kratos, Settings};
use crate::testing::{at, request};
use crate::{Ending, Fault, Faults, RetryAfter, Script};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn every_fault_leaves_the_state_that_it_says() {
    for fault in Fault::all() {
        let kratos = kratos();
        kratos.fail_next(Method::PATCH, "/admin/identities", fault, 1);
        let batch = json!({ "identities": [{ "create": person("a@example.com") }] });
        let exchange = kratos.handle(&request("PATCH /admin/identities", &batch), at(0));
        assert_eq!(count(&kratos), usize::from(fault.is_applied()), "{fault}");
        match (fault, exchange.ending) {
            (Fault::Status { status, .. }, Ending::Answer(response)) => {
                assert_eq!(response.status(), status);
                let body: Value = serde_json::from_slice(response.body()).unwrap();
                assert_eq!(refusal((status.as_u16(), body)).0, status.as_u16());
            }
            (Fault::TooManyRequests(retry_after), Ending::Answer(response)) => {
                let body: Value = serde_json::from_slice(response.body()).unwrap();
                assert_eq!(refusal((429, body)).0, 429);
                let said = response.headers().get("retry-after");
                assert_eq!(said.is_some(), retry_after != RetryAfter::None);
            }
            (Fault::HtmlPage { status, .. }, Ending::Answer(response)) => {
                assert_eq!(response.status(), status);
                assert!(response.body().starts_with(b"<html>"));
            }
            (Fault::EmptyBody { status, .. }, Ending::Answer(response)) => {
                assert_eq!((response.status(), response.body().len()), (status, 0));
            }
            (Fault::ResetBefore | Fault::ResetAfter, Ending::Reset)
            | (Fault::Hang { .. }, Ending::Hang) => {}
            (Fault::TruncatedBody, Ending::Truncated(response)) => {
                assert!(!response.body().is_empty());
                assert!(serde_json::from_slice::<Value>(response.body()).is_err());
            }
            (_, ending) => panic!("{fault} ended with {ending:?}"),
        }
        assert_eq!(kratos.counters().faults[&fault.to_string()], 1);
        let (status, _) = call(&kratos, IDENTITIES, person("a@example.com"));
        let expected = if fault.is_applied() { 409 } else { 201 };
        assert_eq!(status, expected, "{fault} is there once");
    }
}

#[test]
fn scripts_hit_what_they_match() {
    let kratos = kratos();
    kratos.script(Script {
        method: Some(Method::POST),
        path: "recovery".to_owned(),
        skip: 1,
        fault: Fault::Status {
            status: StatusCode::GATEWAY_TIMEOUT,
            applied: true,
        },
        times: 1,
    });
    let identity = made(&kratos, person("a@example.com"));
    let body = json!({ "identity_id": identity["id"] });
    let statuses = [(); 3].map(|()| call(&kratos, "POST /admin/recovery/link", body.clone()).0);
    assert_eq!(statuses, [200, 504, 200]);
    let recoveries = kratos.dump()["recoveries"].as_array().unwrap().len();
    assert_eq!(recoveries, 3, "the one without an answer was made");
}

#[test]
fn the_seed_decides() {
    let run = |seed| {
        let kratos = Kratos::new(Settings {
            seed,
            faults: Faults {
                rate: 0.3,
                ..Faults::default()
            },
            latency: (Duration::from_millis(1), Duration::from_millis(90)),
            ..Settings::default()
        });
        for number in 0..50 {
            let body = person(&format!("u{number}@example.com"));
            kratos.handle(&request(IDENTITIES, &body), at(number));
        }
        let pages = request("GET /admin/identities", &Value::Null);
        (kratos.dump(), kratos.counters(), kratos.latency(&pages))
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).0, run(2).0);
    assert!(run(1).1.faults_injected() > 0);
}

#[test]
fn a_batch_takes_the_longer_the_more_it_makes() {
    let millis = Duration::from_millis;
    let kratos = Kratos::new(Settings {
        latency: (millis(10), millis(10)),
        latency_per_identity: millis(3),
        ..Settings::default()
    });
    let whole = |line: &str, body: &Value| {
        let (before, after) = kratos.latency(&request(line, body));
        before + after
    };
    let batch = |count: usize| json!({ "identities": vec![json!({ "create": {} }); count] });
    assert_eq!(whole(BATCH, &batch(0)), millis(10));
    assert_eq!(whole(BATCH, &batch(100)), millis(310));
    assert_eq!(whole(BATCH, &batch(1_000)), millis(3_010));
    assert_eq!(whole(BATCH, &Value::Null), millis(10), "no batch at all");
    assert_eq!(whole(IDENTITIES, &person("a@example.com")), millis(13));
    assert_eq!(whole("GET /admin/identities", &Value::Null), millis(10));
}

#[test]
fn a_token_is_asked_for_where_one_is_set() {
    let set = |token: &str| {
        Kratos::new(Settings {
            token: Some(token.to_owned()),
            ..Settings::default()
        })
    };
    let kratos = set("other");
    assert_eq!(refusal(get(&kratos, "/admin/identities")).0, 401);
    assert_eq!(
        refusal(call(&kratos, IDENTITIES, person("a@example.com"))).0,
        401
    );
    assert_eq!(count(&kratos), 0);
    // What the requests of these tests bear.
    assert_eq!(get(&set("sk_test_1"), "/admin/identities").0, 200);
}

#[test]
fn calls_are_counted_by_their_template_and_seeds_are_not() {
    let kratos = kratos();
    let seeded = kratos.seed(Method::POST, "/admin/identities", &person("a@example.com"));
    let id = seeded["id"].as_str().unwrap();
    get(&kratos, &format!("/admin/identities/{id}"));
    get(&kratos, "/admin/identities/by/external/x");
    call(&kratos, IDENTITIES, person("a@example.com"));
    assert_eq!(refusal(get(&kratos, "/admin/sessions")).0, 404);
    let counters = kratos.counters();
    assert_eq!(counters.total, 4);
    let routes: Vec<(&str, u64)> = counters.by_route.into_iter().collect();
    assert_eq!(
        routes,
        [
            ("GET /admin/identities/by/external/{externalID}", 1),
            ("GET /admin/identities/{id}", 1),
            ("POST /admin/identities", 1),
            ("unknown", 1),
        ]
    );
    let statuses: Vec<(u16, u64)> = counters.by_status.into_iter().collect();
    assert_eq!(statuses, [(200, 1), (404, 2), (409, 1)]);
    assert_eq!(counters.most_writes_in_a_second, 1);
}

#[test]
fn a_reset_makes_it_as_it_was() {
    let kratos = kratos();
    kratos.fail_next(None, "", Fault::ResetBefore, 5);
    let first = kratos.seed(Method::POST, "/admin/identities", &person("a@example.com"));
    kratos.handle(&request("GET /schemas", &Value::Null), at(0));
    kratos.reset();
    assert_eq!(count(&kratos), 0);
    assert_eq!(kratos.counters().total, 0);
    let second = kratos.seed(Method::POST, "/admin/identities", &person("a@example.com"));
    assert_eq!(first, second);
    assert_eq!(get(&kratos, "/schemas").0, 200, "and nothing goes wrong");
}

#[test]
fn clones_are_the_same_and_others_are_not() {
    let (one, other) = (kratos(), kratos());
    assert_eq!(one.identity(), one.clone().identity());
    assert_ne!(one.identity(), other.identity());
}
