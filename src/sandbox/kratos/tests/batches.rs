//! Owns the tests of the batch endpoint.

use super::{BATCH, call, count, get, kratos, made, person, refusal};
use crate::kratos::{Kratos, Settings};
use serde_json::{Value, json};

/// A UUID with this number in it.
fn patch_id(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// A batch that makes these, numbered.
fn batch(bodies: impl IntoIterator<Item = Value>) -> Value {
    let patches = bodies
        .into_iter()
        .enumerate()
        .map(|(number, create)| json!({ "patch_id": patch_id(number), "create": create }));
    json!({ "identities": patches.collect::<Vec<_>>() })
}

fn people(count: usize) -> Vec<Value> {
    let email = |number| format!("u{number}@example.com");
    (0..count).map(|number| person(&email(number))).collect()
}

fn with_password(mut body: Value, config: Value) -> Value {
    body["credentials"] = json!({ "password": { "config": config } });
    body
}

/// The results of a batch that was carried out.
fn results(kratos: &Kratos, bodies: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let (status, body) = call(kratos, BATCH, batch(bodies));
    assert_eq!(status, 200, "{body}");
    body["identities"].as_array().unwrap().clone()
}

#[test]
fn a_thousand_with_one_bad_row_give_a_result_each() {
    let kratos = kratos();
    let mut bodies = people(1_000);
    bodies[437] = person("no address");
    let results = results(&kratos, bodies);
    assert_eq!(results.len(), 1_000);
    for (number, result) in results.iter().enumerate() {
        assert_eq!(result["patch_id"], patch_id(number));
        if number == 437 {
            assert_eq!(result["action"], "error");
            assert_eq!(result["error"]["code"], 400);
            assert!(
                result["error"]["reason"]
                    .as_str()
                    .unwrap()
                    .contains("email")
            );
            assert_eq!(result.get("identity"), None);
        } else {
            assert_eq!(result["action"], "create");
            assert_eq!(result.get("error"), None);
        }
    }
    assert_eq!(count(&kratos), 999);
    let id = results[999]["identity"].as_str().unwrap();
    let (_, identity) = get(&kratos, &format!("/admin/identities/{id}"));
    assert_eq!(identity["traits"]["email"], "u999@example.com");
    assert_eq!(kratos.counters().by_route["PATCH /admin/identities"], 1);
}

#[test]
fn more_than_a_thousand_are_refused() {
    let kratos = kratos();
    let (status, reason) = refusal(call(&kratos, BATCH, batch(people(1_001))));
    assert_eq!(status, 400);
    assert!(reason.contains("1000"), "{reason}");
    assert_eq!(count(&kratos), 0);
}

#[test]
fn two_hundred_may_have_a_password_in_plain_text_and_all_a_hash() {
    let plain = |body| with_password(body, json!({ "password": "correct horse" }));
    let bodies = |count| {
        let (with, without) = people(1_000).into_iter().fold(
            (Vec::new(), Vec::new()),
            |(mut with, mut without), body| {
                if with.len() < count {
                    with.push(plain(body))
                } else {
                    without.push(body)
                }
                (with, without)
            },
        );
        [with, without].concat()
    };
    let kratos = kratos();
    let (status, reason) = refusal(call(&kratos, BATCH, batch(bodies(201))));
    assert_eq!(status, 400);
    assert!(reason.contains("200"), "{reason}");
    assert_eq!(count(&kratos), 0);
    results(&kratos, bodies(200));
    assert_eq!(count(&kratos), 1_000);
    kratos.reset();
    let hashed = |body| with_password(body, json!({ "hashed_password": "$2a$10$x" }));
    results(&kratos, people(1_000).into_iter().map(hashed));
    assert_eq!(count(&kratos), 1_000);
}

#[test]
fn the_first_of_two_alike_in_a_batch_is_made() {
    let kratos = kratos();
    made(&kratos, person("there@example.com"));
    let emails = [
        "a@example.com",
        "A@example.com",
        "there@example.com",
        "b@example.com",
    ];
    let results = results(&kratos, emails.map(person));
    let actions = results
        .iter()
        .map(|result| result["action"].as_str().unwrap());
    assert_eq!(
        actions.collect::<Vec<_>>(),
        ["create", "error", "error", "create"]
    );
    assert_eq!(
        results[1]["error"],
        json!({
            "code": 409,
            "status": "Conflict",
            "message": "The resource could not be created due to a conflict",
            "reason": "This identity conflicts with another identity that already exists.",
        })
    );
    assert_eq!(results[2]["error"]["code"], 409);
    assert_eq!(count(&kratos), 3);
}

#[test]
fn one_item_of_which_no_identity_can_be_made_refuses_the_whole_call() {
    let unknown_field = json!({ "schema_id": "default", "traits": {}, "mail": "" });
    let no_state = json!({ "traits": { "email": "x@example.com" }, "state": "gone" });
    let no_hash = with_password(person("x@example.com"), json!({ "hashed_password": "abc" }));
    for bad in [unknown_field, no_state, no_hash, json!("text")] {
        let kratos = kratos();
        let mut bodies = people(3);
        bodies.insert(1, bad);
        assert_eq!(refusal(call(&kratos, BATCH, batch(bodies))).0, 400);
        assert_eq!(count(&kratos), 0);
    }
}

#[test]
fn bodies_that_are_no_batch_are_refused() {
    let kratos = kratos();
    for body in [
        json!([]),
        json!({ "identities": {} }),
        json!({ "identities": [7] }),
        json!({ "identity": [] }),
        json!({ "identities": [{ "patch_id": "row-1", "create": person("a@example.com") }] }),
        json!({ "identities": [{ "delete": "x" }] }),
    ] {
        assert_eq!(refusal(call(&kratos, BATCH, body.clone())).0, 400, "{body}");
    }
    assert_eq!(count(&kratos), 0);
}

#[test]
fn items_that_make_nothing_have_no_result_and_names_are_not_demanded() {
    let kratos = kratos();
    let body = json!({ "identities": [{ "create": null }, { "create": person("a@example.com") }] });
    let (status, body) = call(&kratos, BATCH, body);
    assert_eq!(status, 200);
    assert_eq!(body["identities"][0], Value::Null);
    assert_eq!(body["identities"][1]["action"], "create");
    assert_eq!(body["identities"][1].get("patch_id"), None);
    assert_eq!(call(&kratos, BATCH, json!({ "identities": [] })).0, 200);
}

#[test]
fn a_batch_that_fails_altogether_is_refused_or_not_as_is_set() {
    for (is_refused, conflicts, mixed) in [(true, 409, 400), (false, 200, 200)] {
        let kratos = Kratos::new(Settings {
            failed_batches_are_refused: is_refused,
            ..Settings::default()
        });
        made(&kratos, person("a@example.com"));
        let again = || person("a@example.com");
        let (status, body) = call(&kratos, BATCH, batch([again(), again()]));
        assert_eq!(status, conflicts, "{body}");
        let (status, body) = call(&kratos, BATCH, batch([again(), person("b")]));
        assert_eq!(status, mixed, "{body}");
        if !is_refused {
            assert_eq!(body["identities"][0]["error"]["code"], 409);
            assert_eq!(body["identities"][1]["error"]["code"], 400);
        }
        assert_eq!(count(&kratos), 1);
    }
}

#[test]
fn older_servers_have_no_batches() {
    let kratos = Kratos::new(Settings {
        batches: false,
        ..Settings::default()
    });
    assert_eq!(refusal(call(&kratos, BATCH, batch(people(1)))).0, 404);
    assert_eq!(count(&kratos), 0);
}
