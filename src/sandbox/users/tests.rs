//! Owns the tests of the users.

use crate::testing::{call, keys, made, sandbox};
use serde_json::{Value, json};

const USERS: &str = "POST /user_management/users";

/// Code, and the code of the first of the errors.
fn codes(answer: (u16, Value)) -> (u16, String, String) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (status, body) = answer;
    assert!(body["message"].is_string(), "{body} has no message");
    (
        status,
        text(&body["code"]),
        text(&body["errors"][0]["code"]),
    )
}

#[test]
fn a_user_has_the_recorded_fields() {
    let sandbox = sandbox();
    let body = json!({
        "email": " Foo@Example.COM ", "first_name": "Foo", "password": null,
        "email_verified": null, "external_id": "ext_1", "metadata": { "a": "1" },
        "password_hash": null, "password_hash_type": null,
    });
    let (status, user) = call(&sandbox, USERS, body);
    assert_eq!(status, 201);
    assert_eq!(
        keys(&user),
        [
            "created_at",
            "email",
            "email_verified",
            "external_id",
            "first_name",
            "id",
            "last_name",
            "last_sign_in_at",
            "locale",
            "metadata",
            "name",
            "object",
            "profile_picture_url",
            "updated_at",
        ]
    );
    assert_eq!(user["email"], "foo@example.com");
    assert_eq!(user["email_verified"], false);
    assert_eq!(user["last_name"], Value::Null);
    let id = user["id"].as_str().unwrap();
    assert_eq!(
        call(
            &sandbox,
            &format!("GET /user_management/users/{id}"),
            Value::Null
        )
        .1,
        user
    );
    let by_external_id = "GET /user_management/users/external_id/ext_1";
    assert_eq!(call(&sandbox, by_external_id, Value::Null).1, user);
    let (_, list) = call(
        &sandbox,
        "GET /user_management/users?email=foo%40example.com",
        Value::Null,
    );
    assert_eq!(list["data"], json!([user]));
    assert_eq!(
        list["list_metadata"],
        json!({ "before": null, "after": null })
    );
}

#[test]
fn emails_and_external_ids_are_unique() {
    let sandbox = sandbox();
    made(
        &sandbox,
        USERS,
        json!({ "email": "a@example.com", "external_id": "1" }),
    );
    let other = made(&sandbox, USERS, json!({ "email": "b@example.com" }));
    let refused = |reason: &str| (400, "user_creation_error".to_owned(), reason.to_owned());
    let create = |body| codes(call(&sandbox, USERS, body));
    assert_eq!(
        create(json!({ "email": "A@example.com " })),
        refused("email_not_available")
    );
    assert_eq!(
        create(json!({ "email": "c@example.com", "external_id": "1" })),
        refused("external_id_already_used")
    );
    let update = |body| {
        codes(call(
            &sandbox,
            &format!("PUT /user_management/users/{other}"),
            body,
        ))
        .1
    };
    assert_eq!(
        update(json!({ "email": "a@example.com" })),
        "email_not_available"
    );
    assert_eq!(
        update(json!({ "external_id": "1" })),
        "external_id_already_used"
    );
}

#[test]
fn what_is_wrong_is_named_as_the_api_names_it() {
    let sandbox = sandbox();
    let create = |body| codes(call(&sandbox, USERS, body));
    let invalid = |reason: &str| {
        (
            422,
            "invalid_request_parameters".to_owned(),
            reason.to_owned(),
        )
    };
    let refused = |code: &str| (400, code.to_owned(), String::new());
    let bcrypt = "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
    assert_eq!(create(json!({})), invalid("email_string_required"));
    assert_eq!(
        create(json!({ "email": "" })),
        invalid("email_string_required")
    );
    assert_eq!(
        create(json!({ "email": "a@b.c", "email_verified": "yes" })).0,
        422
    );
    assert_eq!(
        create(json!({ "email": "a@b.c", "external_id": "é" })).0,
        422
    );
    assert_eq!(
        create(json!({ "email": "a@b.c", "password": "correct horse", "password_hash": bcrypt })),
        refused("password_and_password_hash_provided")
    );
    assert_eq!(
        create(json!({ "email": "a@b.c", "password": "short" })).1,
        "password_strength_error"
    );
    assert_eq!(
        create(json!({ "email": "a@b.c", "password_hash": "x", "password_hash_type": "bcrypt" })),
        refused("invalid_password_hash")
    );
    assert_eq!(
        create(json!({ "email": "a@b.c", "metadata": { "a": 1 } })),
        refused("invalid_metadata")
    );
    assert_eq!(create(json!({ "email": "no" })).2, "invalid_email");
    let dump = sandbox.dump();
    assert_eq!(dump["users"], json!([]), "nothing was made");
}

#[test]
fn an_update_leaves_what_it_does_not_name() {
    let sandbox = sandbox();
    let body = json!({ "email": "a@b.c", "first_name": "A", "last_name": "B", "external_id": "1", "locale": "de" });
    let id = made(&sandbox, USERS, body);
    let update = |body| call(&sandbox, &format!("PUT /user_management/users/{id}"), body).1;
    let user = update(json!({ "first_name": "C", "last_name": null, "external_id": null }));
    assert_eq!(user["first_name"], "C");
    assert_eq!(user["last_name"], "B", "null is not given, for names");
    assert_eq!(user["external_id"], Value::Null);
    assert_eq!(user["locale"], "de");
    made(
        &sandbox,
        USERS,
        json!({ "email": "b@b.c", "external_id": "1" }),
    );
    update(json!({ "email": "z@b.c" }));
    made(&sandbox, USERS, json!({ "email": "a@b.c" }));
}

#[test]
fn deleting_a_user_frees_what_was_unique() {
    let sandbox = sandbox();
    let body = json!({ "email": "a@b.c", "external_id": "1", "password": "correct horse" });
    let id = made(&sandbox, USERS, body.clone());
    assert_eq!(sandbox.dump()["users"][0]["password"], "password");
    let line = format!("DELETE /user_management/users/{id}");
    assert_eq!(call(&sandbox, &line, Value::Null), (200, Value::Null));
    let (status, body_of_404) = call(&sandbox, &line, Value::Null);
    assert_eq!(status, 404);
    assert_eq!(
        body_of_404,
        json!({ "message": format!("User not found: '{id}'."), "code": "entity_not_found", "entity_id": id })
    );
    made(&sandbox, USERS, body);
}
