//! Owns the tests of recovery links and codes.

use super::{call, id_of, kratos, made, person, refusal};
use crate::kratos::{Kratos, Settings};
use crate::testing::keys;
use serde_json::{Value, json};

#[test]
fn links_and_codes_hold_as_long_as_was_asked() {
    let kratos = kratos();
    let id = id_of(&made(&kratos, person("a@example.com"))).to_owned();
    let link = |body: Value| call(&kratos, "POST /admin/recovery/link", body);
    let (status, answer) = link(json!({ "identity_id": id, "expires_in": "1h30m" }));
    assert_eq!(
        (status, keys(&answer)),
        (200, vec!["expires_at", "recovery_link"])
    );
    assert_eq!(answer["expires_at"], "2024-01-01T01:30:00.000Z");
    let (status, answer) = call(
        &kratos,
        "POST /admin/recovery/code",
        json!({ "identity_id": id }),
    );
    assert_eq!(status, 201);
    assert_eq!(
        keys(&answer),
        ["expires_at", "recovery_code", "recovery_link"]
    );
    assert_eq!(
        answer["expires_at"], "2024-01-01T01:00:00.000Z",
        "an hour by itself"
    );
    let code = answer["recovery_code"].as_str().unwrap();
    assert!(code.len() == 6 && code.bytes().all(|digit| digit.is_ascii_digit()));
    for expires_in in ["soon", "1", "h", "1d", "-1h", "0s"] {
        let answer = link(json!({ "identity_id": id, "expires_in": expires_in }));
        assert_eq!(refusal(answer).0, 400, "{expires_in}");
    }
    let nobody = "00000000-0000-4000-8000-000000000000";
    assert_eq!(refusal(link(json!({ "identity_id": nobody }))).0, 404);
    assert_eq!(refusal(link(json!({ "identity_id": "x" }))).0, 400);
    let dump = kratos.dump();
    assert_eq!(
        dump["recoveries"],
        json!([
            { "identity_id": id, "kind": "link", "expires_at": "2024-01-01T01:30:00.000Z" },
            { "identity_id": id, "kind": "code", "expires_at": "2024-01-01T01:00:00.000Z" },
        ])
    );
    assert!(
        !dump.to_string().contains(code),
        "the code is no part of it"
    );
}

#[test]
fn a_way_of_recovery_can_be_switched_off() {
    let kratos = Kratos::new(Settings {
        recovery_links: false,
        ..Settings::default()
    });
    let id = id_of(&made(&kratos, person("a@example.com"))).to_owned();
    let answer = call(
        &kratos,
        "POST /admin/recovery/link",
        json!({ "identity_id": id }),
    );
    let (status, reason) = refusal(answer);
    assert_eq!(status, 404);
    assert!(
        reason.contains("disabled by system administrator"),
        "{reason}"
    );
    assert_eq!(
        call(
            &kratos,
            "POST /admin/recovery/code",
            json!({ "identity_id": id })
        )
        .0,
        201
    );
}
