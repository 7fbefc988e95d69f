//! Owns the tests of where schemas are, and of how large a body may be.

use super::{BATCH, call, count, get, kratos, refusal};
use crate::kratos::{Kratos, Settings};
use crate::testing::{answered, at, keys, request};
use http::header::{HOST, HeaderValue, LOCATION};
use serde_json::{Value, json};

/// Where a request leads, and how it is answered there.
fn followed(kratos: &Kratos, path: &str, host: Option<&'static str>) -> (Vec<String>, u16, Value) {
    let mut places = vec![path.to_owned()];
    for _ in 0..5 {
        let path = places.last().unwrap();
        let mut request = request(
            &format!("GET {}", path.trim_start_matches("http://x:1")),
            &Value::Null,
        );
        if let Some(host) = host {
            let host = HeaderValue::from_static(host);
            request.headers_mut().insert(HOST, host);
        }
        let response = answered(kratos.handle(&request, at(0)).ending);
        if response.status() != 307 {
            let body = serde_json::from_slice(response.body()).unwrap();
            return (places, response.status().as_u16(), body);
        }
        let place = response.headers()[LOCATION].to_str().unwrap();
        places.push(place.to_owned());
    }
    panic!("sent on for ever: {places:?}");
}

#[test]
fn schemas_are_at_both_paths_or_sent_on_to_the_public_api() {
    for path in ["/schemas/default", "/admin/schemas/default"] {
        assert_eq!(keys(&get(&kratos(), path).1)[0], "$id", "{path}");
    }
    let kratos = Kratos::new(Settings {
        schemas_are_redirected: true,
        token: Some("sk_test_1".to_owned()),
        ..Settings::default()
    });
    let (places, status, schema) = followed(&kratos, "/schemas/default", Some("x:1"));
    assert_eq!(
        places,
        [
            "/schemas/default",
            "/admin/schemas/default",
            "http://x:1/.ory/kratos/public/schemas/default"
        ]
    );
    assert_eq!((status, &schema["title"]), (200, &json!("Person")));
    let (places, status, list) = followed(&kratos, "/admin/schemas", None);
    assert_eq!(
        places,
        ["/admin/schemas", "/.ory/kratos/public/schemas"],
        "in process there is no host"
    );
    assert_eq!((status, &list[0]["id"]), (200, &json!("default")));
    assert_eq!(kratos.counters().by_route["GET /schemas/{id}"], 3);
}

#[test]
fn the_public_api_asks_for_no_token() {
    let kratos = Kratos::new(Settings {
        token: Some("other".to_owned()),
        ..Settings::default()
    });
    assert_eq!(get(&kratos, "/.ory/kratos/public/schemas/default").0, 200);
    assert_eq!(refusal(get(&kratos, "/schemas/default")).0, 401);
}

#[test]
fn a_body_of_more_than_five_megabytes_is_refused() {
    let kratos = kratos();
    let with = |length: usize| {
        let traits = json!({ "email": "a@example.com", "role": "x".repeat(length) });
        json!({ "identities": [{ "create": { "schema_id": "default", "traits": traits } }] })
    };
    let (status, reason) = refusal(call(&kratos, BATCH, with(5 * 1024 * 1024)));
    assert_eq!((status, count(&kratos)), (400, 0));
    assert!(reason.contains("too large"), "{reason}");
    assert_eq!(call(&kratos, BATCH, with(5 * 1024 * 1024 - 200)).0, 200);
}
