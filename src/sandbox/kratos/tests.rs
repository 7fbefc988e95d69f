//! Owns what the tests of the Kratos sandbox share, and the tests of how one
//! identity is made.

mod batches;
mod changes;
mod deliveries;
mod pages;
mod recoveries;
mod schemas;

use super::{Kratos, Settings};
use crate::testing::{answered, at, keys, request};
use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

const IDENTITIES: &str = "POST /admin/identities";
const BATCH: &str = "PATCH /admin/identities";

fn kratos() -> Kratos {
    Kratos::new(Settings::default())
}

fn response(kratos: &Kratos, line: &str, body: &Value) -> Response<Bytes> {
    answered(kratos.handle(&request(line, body), at(0)).ending)
}

/// Status and body of a call.
fn call(kratos: &Kratos, line: &str, body: Value) -> (u16, Value) {
    let response = response(kratos, line, &body);
    let body = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
    (response.status().as_u16(), body)
}

fn get(kratos: &Kratos, path: &str) -> (u16, Value) {
    call(kratos, &format!("GET {path}"), Value::Null)
}

/// A body that makes an identity with this email.
fn person(email: &str) -> Value {
    json!({ "schema_id": "default", "traits": { "email": email } })
}

fn made(kratos: &Kratos, body: Value) -> Value {
    let (status, identity) = call(kratos, IDENTITIES, body);
    assert_eq!(status, 201, "{identity}");
    identity
}

fn id_of(identity: &Value) -> &str {
    identity["id"].as_str().unwrap()
}

fn count(kratos: &Kratos) -> usize {
    kratos.dump()["identities"].as_array().unwrap().len()
}

/// Status and reason (or message) of a refusal, whose shape is checked.
fn refusal(answer: (u16, Value)) -> (u16, String) {
    let (status, body) = answer;
    let error = &body["error"];
    assert_eq!(error["code"], status, "{body}");
    for name in ["status", "message", "request"] {
        assert!(error[name].is_string(), "{body} has no {name}");
    }
    let told = error.get("reason").unwrap_or(&error["message"]);
    (status, told.as_str().unwrap().to_owned())
}

#[test]
fn an_identity_has_the_documented_fields_and_is_found_by_both_identifiers() {
    let kratos = kratos();
    let body = json!({
        "schema_id": "default", "state": "inactive", "external_id": "a/1",
        "traits": { "email": " Ada@Example.com ".trim(), "role": "admin", "tenant_id": "t1" },
        "metadata_public": { "a": 1 }, "metadata_admin": { "b": [2] },
        "verifiable_addresses": [
            { "value": "ADA@example.com", "verified": true, "via": "email", "status": "completed" },
            { "value": "not-in-the-traits@example.com", "verified": true, "via": "email" },
        ],
        "recovery_addresses": null, "organization_id": null, "credentials": null,
    });
    let answer = response(&kratos, IDENTITIES, &body);
    let identity: Value = serde_json::from_slice(answer.body()).unwrap();
    let id = id_of(&identity).to_owned();
    assert_eq!(answer.status(), 201, "{identity}");
    assert_eq!(
        answer.headers()["location"],
        format!("/admin/identities/{id}")
    );
    assert_eq!(
        keys(&identity),
        [
            "created_at",
            "credentials",
            "external_id",
            "id",
            "metadata_admin",
            "metadata_public",
            "organization_id",
            "recovery_addresses",
            "schema_id",
            "schema_url",
            "state",
            "state_changed_at",
            "traits",
            "updated_at",
            "verifiable_addresses",
        ]
    );
    assert_eq!(
        identity["traits"]["email"], "Ada@Example.com",
        "as it was given"
    );
    assert_eq!(
        identity["credentials"]["password"]["identifiers"],
        json!(["ada@example.com"]),
        "there are identifiers even without a password"
    );
    let verifiable = identity["verifiable_addresses"].as_array().unwrap();
    assert_eq!(verifiable.len(), 1, "only what the traits have");
    assert_eq!(verifiable[0]["verified"], true);
    assert_eq!(
        identity["recovery_addresses"][0]["value"],
        "ada@example.com"
    );
    assert_eq!(
        get(&kratos, &format!("/admin/identities/{id}")),
        (200, identity.clone())
    );
    assert_eq!(
        get(&kratos, "/admin/identities/by/external/a%2F1"),
        (200, identity)
    );
    for path in ["/admin/identities/x", "/admin/identities/by/external/b"] {
        assert_eq!(refusal(get(&kratos, path)).0, 404);
    }
}

#[test]
fn identifiers_and_external_identifiers_are_taken_once_and_free_again_when_deleted() {
    let kratos = kratos();
    let mut first = person("a@example.com");
    first["external_id"] = json!("1");
    let id = id_of(&made(&kratos, first)).to_owned();
    let mut second = person("b@example.com");
    second["external_id"] = json!("1");
    for body in [person("A@EXAMPLE.com"), second.clone()] {
        let answer = call(&kratos, IDENTITIES, body);
        assert_eq!(
            refusal(answer),
            (
                409,
                "This identity conflicts with another identity that already exists.".into()
            )
        );
    }
    assert_eq!(count(&kratos), 1);
    let line = format!("DELETE /admin/identities/{id}");
    assert_eq!(call(&kratos, &line, Value::Null), (204, Value::Null));
    assert_eq!(refusal(call(&kratos, &line, Value::Null)).0, 404);
    made(&kratos, second);
    made(&kratos, person("a@example.com"));
}

#[test]
fn connections_of_other_services_are_taken_once() {
    let kratos = kratos();
    let connected = |email: &str| {
        let mut body = person(email);
        let providers = json!([{ "provider": "google", "subject": "7" }]);
        body["credentials"] = json!({ "oidc": { "config": { "providers": providers } } });
        body
    };
    let identity = made(&kratos, connected("a@example.com"));
    assert_eq!(
        identity["credentials"]["oidc"]["identifiers"],
        json!(["google:7"])
    );
    assert_eq!(call(&kratos, IDENTITIES, connected("b@example.com")).0, 409);
}

#[test]
fn traits_keep_to_the_schema() {
    let kratos = kratos();
    for (traits, told) in [
        (json!({}), "missing properties: \"email\""),
        (json!({ "email": 7 }), "expected string, but got integer"),
        (json!({ "email": "ada@" }), "is not valid \"email\""),
        (
            json!({ "email": "a@b.c", "age": 7 }),
            "additionalProperties \"age\" not allowed",
        ),
        (
            json!({ "email": "a@b.c", "name": { "middle": "" } }),
            "I[#/traits/name/middle]",
        ),
        (Value::Null, "expected object, but got null"),
    ] {
        let body = json!({ "schema_id": "default", "traits": traits });
        let (status, reason) = refusal(call(&kratos, IDENTITIES, body));
        assert_eq!(status, 400);
        assert!(reason.contains(told), "{reason} does not say {told}");
    }
    let mut elsewhere = person("a@example.com");
    elsewhere["schema_id"] = json!("other");
    assert_eq!(refusal(call(&kratos, IDENTITIES, elsewhere)).0, 400);
    assert_eq!(count(&kratos), 0);
}

#[test]
fn a_schema_can_be_set_and_is_shown() {
    let schema = json!({ "properties": { "traits": {
        "type": "object",
        "properties": {
            "user": { "type": "string", "minLength": 2, "maxLength": 3,
                "ory.sh/kratos": { "credentials": { "password": { "identifier": true } } } },
            "role": { "enum": ["admin", "member"] },
            "kind": { "const": 1 },
            "tags": { "type": ["array", "null"], "items": { "type": "string" } },
        },
        "additionalProperties": { "type": "number" },
    } } });
    let kratos = Kratos::new(Settings {
        schemas: vec![("staff".to_owned(), schema.clone())],
        ..Settings::default()
    });
    assert_eq!(
        get(&kratos, "/schemas"),
        (200, json!([{ "id": "staff", "schema": schema }]))
    );
    assert_eq!(get(&kratos, "/schemas/staff"), (200, schema));
    assert_eq!(refusal(get(&kratos, "/schemas/default")).0, 404);
    let good = json!({ "user": "bob", "role": "admin", "kind": 1, "tags": ["x"], "other": 1.5 });
    let identity = made(&kratos, json!({ "traits": good }));
    assert_eq!(identity["schema_id"], "staff", "the first is the default");
    assert_eq!(identity["verifiable_addresses"], json!([]));
    for (name, value) in [
        ("user", json!("b")),
        ("user", json!("bobby")),
        ("role", json!("owner")),
        ("kind", json!(2)),
        ("tags", json!([1])),
        ("other", json!("text")),
    ] {
        let mut traits = good.clone();
        traits["user"] = json!("tom");
        traits[name] = value;
        let answer = call(&kratos, IDENTITIES, json!({ "traits": traits }));
        assert_eq!(refusal(answer).0, 400, "{name}");
    }
}

#[test]
fn bodies_are_read_strictly() {
    let kratos = kratos();
    for (name, value) in [
        ("email", json!("a@example.com")),
        ("state", json!("gone")),
        ("state", json!(7)),
        ("external_id", json!(7)),
        ("organization_id", json!("org_1")),
        ("verifiable_addresses", json!({})),
        ("verifiable_addresses", json!([{ "verified": "yes" }])),
        ("credentials", json!({ "pasword": {} })),
        (
            "credentials",
            json!({ "password": { "config": { "hash": "" } } }),
        ),
    ] {
        let mut body = person("a@example.com");
        body[name] = value;
        assert_eq!(refusal(call(&kratos, IDENTITIES, body)).0, 400, "{name}");
    }
    assert_eq!(refusal(call(&kratos, IDENTITIES, Value::Null)).0, 400);
    assert_eq!(count(&kratos), 0);
}

#[test]
fn of_passwords_and_hashes_only_the_kind_stays() {
    let kratos = kratos();
    for (number, (config, kind)) in [
        (json!({ "password": "secret-in-plain-text" }), "password"),
        (json!({ "hashed_password": "$2a$10$secret" }), "bcrypt"),
        (
            json!({ "hashed_password": "$argon2id$v=19$secret" }),
            "argon2id",
        ),
        (
            json!({ "hashed_password": "$pbkdf2-sha256$i=1$secret" }),
            "pbkdf2",
        ),
        (json!({ "hashed_password": "{SSHA512}secret" }), "ssha512"),
        (json!({ "hashed_password": "$hmac-sha256$secret" }), "hmac"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut body = person(&format!("u{number}@example.com"));
        body["credentials"] = json!({ "password": { "config": config } });
        let identity = made(&kratos, body);
        assert!(!identity.to_string().contains("secret"), "{identity}");
        assert_eq!(kratos.dump()["identities"][number]["password"], kind);
    }
    assert!(!kratos.dump().to_string().contains("secret"));
    assert!(!format!("{kratos:?}").contains("secret"));
    for hash in ["5f4dcc3b5aa765d61d8327deb882cf99", "$2a$", "$1$x"] {
        let mut body = person("other@example.com");
        body["credentials"] = json!({ "password": { "config": { "hashed_password": hash } } });
        let (status, reason) = refusal(call(&kratos, IDENTITIES, body));
        assert_eq!(status, 400);
        assert!(reason.contains("any known hash format"), "{reason}");
        assert!(!reason.contains(hash), "{reason}");
    }
}
