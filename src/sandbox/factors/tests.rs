//! Owns the tests of the second factors.

use crate::testing::{call, coded, keys, made, sandbox};
use serde_json::{Value, json};

const SECRET: &str = "JBSWY3DPEHPK3PXP";

#[test]
fn a_factor_is_enrolled_and_its_secret_told_once() {
    let sandbox = sandbox();
    let user = made(
        &sandbox,
        "POST /user_management/users",
        json!({ "email": "a@b.c" }),
    );
    let path = format!("/user_management/users/{user}/auth_factors");
    let enroll = |body| call(&sandbox, &format!("POST {path}"), body);
    let body = json!({ "type": "totp", "totp_issuer": "Foo Corp", "totp_user": "a+b@c.d", "totp_secret": SECRET });
    let (status, answer) = enroll(body.clone());
    assert_eq!(status, 201);
    assert_eq!(
        keys(&answer),
        ["authentication_challenge", "authentication_factor"]
    );
    let totp = &answer["authentication_factor"]["totp"];
    assert_eq!(keys(totp), ["issuer", "qr_code", "secret", "uri", "user"]);
    assert_eq!(totp["secret"], SECRET);
    assert_eq!(
        totp["uri"],
        "otpauth://totp/Foo%20Corp:a%2Bb%40c.d?secret=JBSWY3DPEHPK3PXP&issuer=Foo%20Corp&algorithm=SHA1&digits=6&period=30"
    );
    let challenge = &answer["authentication_challenge"];
    assert_eq!(
        challenge["authentication_factor_id"],
        answer["authentication_factor"]["id"]
    );
    assert_eq!(challenge["expires_at"], "2024-01-01T00:10:00.000Z");
    assert_eq!(enroll(body).0, 201, "there may be several");
    let (_, list) = call(
        &sandbox,
        &format!("GET {path}?order=asc&limit=1"),
        Value::Null,
    );
    assert_eq!(list["data"][0]["id"], answer["authentication_factor"]["id"]);
    assert_eq!(keys(&list["data"][0]["totp"]), ["issuer", "user"]);
    assert!(list["list_metadata"]["after"].is_string());
    let dump = sandbox.dump();
    assert_eq!(dump["authentication_factors"].as_array().unwrap().len(), 2);
    assert!(!dump.to_string().contains(SECRET));
    let line = format!("DELETE /user_management/users/{user}");
    call(&sandbox, &line, Value::Null);
    assert_eq!(sandbox.dump()["authentication_factors"], json!([]));
    assert_eq!(call(&sandbox, &format!("GET {path}"), Value::Null).0, 404);
}

#[test]
fn a_secret_is_drawn_or_checked() {
    let sandbox = sandbox();
    let user = made(
        &sandbox,
        "POST /user_management/users",
        json!({ "email": "a@b.c" }),
    );
    let line = format!("POST /user_management/users/{user}/auth_factors");
    let enroll = |body| call(&sandbox, &line, body);
    let drawn = |answer: (u16, Value)| {
        let totp = &answer.1["authentication_factor"]["totp"];
        assert_eq!(totp["user"], "a@b.c");
        totp["secret"].as_str().unwrap().to_owned()
    };
    let first = drawn(enroll(json!({ "type": "totp" })));
    assert_eq!(first.len(), 32);
    assert!(super::is_base_32(&first));
    assert_ne!(first, drawn(enroll(json!({ "type": "totp" }))));
    for secret in ["", "0189", "a b"] {
        let answer = enroll(json!({ "type": "totp", "totp_secret": secret }));
        assert_eq!(coded(&answer), (422, "invalid_request_parameters"));
    }
    assert_eq!(enroll(json!({ "type": "sms" })).0, 422);
    let unknown = "POST /user_management/users/user_x/auth_factors";
    let answer = call(&sandbox, unknown, json!({ "type": "totp" }));
    assert_eq!(coded(&answer), (404, "entity_not_found"));
}
