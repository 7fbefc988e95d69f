//! Owns the tests of changes of one identity.

use super::{IDENTITIES, call, get, id_of, kratos, made, person, refusal};
use serde_json::{Value, json};

#[test]
fn a_patch_changes_what_it_names_or_nothing() {
    let kratos = kratos();
    let identity = made(&kratos, person("a@example.com"));
    made(&kratos, person("taken@example.com"));
    let path = format!("/admin/identities/{}", id_of(&identity));
    let line = format!("PATCH {path}");
    let (status, changed) = call(
        &kratos,
        &line,
        json!([
            { "op": "add", "path": "/traits/role", "value": "member" },
            { "op": "test", "path": "/traits/role", "value": "member" },
            { "op": "replace", "path": "/traits/role", "value": "admin" },
            { "op": "replace", "path": "/metadata_public", "value": { "list": [1, 2], "a/b": 1 } },
            { "op": "add", "path": "/metadata_public/list/-", "value": 3 },
            { "op": "remove", "path": "/metadata_public/list/0" },
            { "op": "move", "from": "/metadata_public/a~1b", "path": "/metadata_public/c" },
            { "op": "copy", "from": "/metadata_public", "path": "/metadata_admin" },
            { "op": "replace", "path": "/state", "value": "inactive" },
            { "op": "add", "path": "/external_id", "value": "7" },
            { "op": "replace", "path": "/verifiable_addresses/0/verified", "value": true },
        ]),
    );
    assert_eq!(status, 200, "{changed}");
    assert_eq!(
        changed["traits"],
        json!({ "email": "a@example.com", "role": "admin" })
    );
    assert_eq!(
        changed["metadata_public"],
        json!({ "list": [2, 3], "c": 1 })
    );
    assert_eq!(changed["metadata_admin"], changed["metadata_public"]);
    assert_eq!(changed["state"], "inactive");
    assert_eq!(changed["verifiable_addresses"][0]["verified"], true);
    assert_eq!(changed["id"], identity["id"]);
    assert_eq!(get(&kratos, "/admin/identities/by/external/7").1, changed);
    for (operation, status) in [
        (json!({ "op": "replace", "path": "/id", "value": "x" }), 400),
        (
            json!({ "op": "remove", "path": "/credentials/password" }),
            400,
        ),
        (json!({ "op": "replace", "path": "", "value": {} }), 400),
        (
            json!({ "op": "replace", "path": "/traits/nothing", "value": 1 }),
            400,
        ),
        (json!({ "op": "remove", "path": "/traits/nothing" }), 400),
        (
            json!({ "op": "add", "path": "/nothing/there", "value": 1 }),
            400,
        ),
        (
            json!({ "op": "add", "path": "/traits/age", "value": 1 }),
            400,
        ),
        (
            json!({ "op": "test", "path": "/state", "value": "active" }),
            400,
        ),
        (
            json!({ "op": "replace", "path": "/state", "value": "gone" }),
            400,
        ),
        (json!({ "op": "melt", "path": "/state" }), 400),
        (json!({ "op": "add", "path": "/traits/role" }), 400),
        (
            json!({ "op": "replace", "path": "/traits/email", "value": "taken@example.com" }),
            409,
        ),
    ] {
        let first = json!({ "op": "replace", "path": "/traits/role", "value": "owner" });
        let answer = call(&kratos, &line, json!([first, operation]));
        assert_eq!(refusal(answer).0, status, "{operation}");
        assert_eq!(
            get(&kratos, &path).1,
            changed,
            "{operation} changed something"
        );
    }
    assert_eq!(refusal(call(&kratos, &line, json!({}))).0, 400);
}

#[test]
fn a_changed_email_frees_the_old_one_and_is_not_verified() {
    let kratos = kratos();
    let mut body = person("a@example.com");
    body["verifiable_addresses"] = json!([{ "value": "a@example.com", "verified": true }]);
    let identity = made(&kratos, body);
    let operations =
        json!([{ "op": "replace", "path": "/traits/email", "value": "b@example.com" }]);
    let line = format!("PATCH /admin/identities/{}", id_of(&identity));
    let (_, changed) = call(&kratos, &line, operations);
    assert_eq!(changed["verifiable_addresses"][0]["verified"], false);
    made(&kratos, person("a@example.com"));
    assert_eq!(call(&kratos, IDENTITIES, person("b@example.com")).0, 409);
}

#[test]
fn a_put_replaces_everything_but_the_credentials() {
    let kratos = kratos();
    let mut body = person("a@example.com");
    body["external_id"] = json!("1");
    body["metadata_public"] = json!({ "a": 1 });
    body["state"] = json!("inactive");
    body["credentials"] = json!({ "password": { "config": { "hashed_password": "$2a$x" } } });
    let identity = made(&kratos, body);
    let line = format!("PUT /admin/identities/{}", id_of(&identity));
    let (status, replaced) = call(
        &kratos,
        &line,
        json!({
            "schema_id": "default", "state": "active", "traits": { "email": "a@example.com", "role": "x" },
        }),
    );
    assert_eq!(status, 200, "{replaced}");
    assert_eq!(replaced["traits"]["role"], "x");
    assert_eq!(replaced["state"], "active");
    assert_eq!(replaced["metadata_public"], Value::Null);
    assert_eq!(replaced.get("external_id"), None);
    assert_eq!(kratos.dump()["identities"][0]["password"], "bcrypt");
    assert_eq!(
        refusal(call(&kratos, &line, json!({ "traits": {} }))).0,
        400
    );
    assert_eq!(
        refusal(call(
            &kratos,
            "PUT /admin/identities/x",
            person("b@example.com")
        ))
        .0,
        404
    );
}
