//! Owns the tests of the API keys.

use crate::testing::{call, keys, made, sandbox};
use serde_json::{Value, json};

#[test]
fn a_key_is_told_once_and_obfuscated_from_then_on() {
    let sandbox = sandbox();
    let id = made(&sandbox, "POST /organizations", json!({ "name": "A" }));
    let permission = json!({ "slug": "a", "name": "A" });
    made(&sandbox, "POST /authorization/permissions", permission);
    let path = format!("/organizations/{id}/api_keys");
    let create = |body| call(&sandbox, &format!("POST {path}"), body);
    let (status, key) = create(json!({ "name": "CI", "permissions": ["a"] }));
    assert_eq!(status, 201);
    assert_eq!(
        keys(&key),
        [
            "created_at",
            "id",
            "last_used_at",
            "name",
            "obfuscated_value",
            "object",
            "owner",
            "permissions",
            "updated_at",
            "value",
        ]
    );
    let value = key["value"].as_str().unwrap();
    let ending = &value[value.len() - 4..];
    let (_, list) = call(&sandbox, &format!("GET {path}"), Value::Null);
    assert_eq!(list["data"][0]["id"], key["id"]);
    assert_eq!(
        list["data"][0]["obfuscated_value"],
        format!("sk_...{ending}")
    );
    for told in [list.to_string(), sandbox.dump().to_string()] {
        assert!(!told.contains(value));
    }
    for (body, field) in [
        (json!({}), "name"),
        (json!({ "name": "CI", "permissions": ["x"] }), "permissions"),
    ] {
        let (status, refused) = create(body);
        assert_eq!(
            (status, &refused["errors"][0]["field"]),
            (422, &json!(field))
        );
    }
    let unknown = "GET /organizations/org_x/api_keys";
    assert_eq!(call(&sandbox, unknown, Value::Null).0, 404);
    let delete = format!("DELETE /api_keys/{}", key["id"].as_str().unwrap());
    assert_eq!(call(&sandbox, &delete, Value::Null).0, 204);
    assert_eq!(call(&sandbox, &delete, Value::Null).0, 404);
    create(json!({ "name": "CI" }));
    let line = format!("DELETE /organizations/{id}");
    call(&sandbox, &line, Value::Null);
    assert_eq!(sandbox.dump()["api_keys"], json!([]));
}
