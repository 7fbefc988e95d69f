//! Owns the tests of the invitations.

use crate::testing::{at, call, call_at, coded, keys, made, request, sandbox};
use crate::{Fault, Sandbox};
use http::Method;
use serde_json::{Value, json};

const INVITATIONS: &str = "POST /user_management/invitations";
const DAY: u64 = 24 * 60 * 60 * 1_000;

fn organization(sandbox: &Sandbox) -> String {
    made(sandbox, "POST /organizations", json!({ "name": "A" }))
}

fn act(sandbox: &Sandbox, id: &str, action: &str, milliseconds: u64) -> (u16, Value) {
    let line = format!("{INVITATIONS}/{id}/{action}");
    call_at(sandbox, &line, Value::Null, milliseconds)
}

fn sent(sandbox: &Sandbox, email: &str) -> u64 {
    let mails = sandbox.counters().mails;
    let of_address = mails.get(email);
    of_address
        .and_then(|kinds| kinds.get("invitation").copied())
        .unwrap_or_default()
}

#[test]
fn an_invitation_has_the_specified_fields_and_sends_one_mail() {
    let sandbox = sandbox();
    let organization = organization(&sandbox);
    let body = json!({ "email": " Ada@Example.com", "organization_id": organization, "role_slug": "admin" });
    let (status, invitation) = call(&sandbox, INVITATIONS, body);
    assert_eq!(status, 201);
    assert_eq!(
        keys(&invitation),
        [
            "accept_invitation_url",
            "accepted_at",
            "accepted_user_id",
            "created_at",
            "email",
            "expires_at",
            "id",
            "inviter_user_id",
            "object",
            "organization_id",
            "revoked_at",
            "role_slug",
            "state",
            "token",
            "updated_at",
        ]
    );
    assert_eq!(invitation["email"], "ada@example.com");
    assert_eq!(invitation["state"], "pending");
    assert_eq!(invitation["expires_at"], "2024-01-08T00:00:00.000Z");
    let id = invitation["id"].as_str().unwrap();
    let line = format!("GET /user_management/invitations/{id}");
    assert_eq!(call(&sandbox, &line, Value::Null).1, invitation);
    assert_eq!(sent(&sandbox, "ada@example.com"), 1);
    let dumped = &sandbox.dump()["invitations"][0];
    assert_eq!(dumped["id"], invitation["id"]);
    assert_eq!(dumped["token"], Value::Null, "tokens are secrets");
}

#[test]
fn refusals_have_the_documented_codes_and_send_nothing() {
    let sandbox = sandbox();
    let into = organization(&sandbox);
    let user = made(
        &sandbox,
        "POST /user_management/users",
        json!({ "email": "member@b.c" }),
    );
    made(
        &sandbox,
        "POST /user_management/organization_memberships",
        json!({ "user_id": user, "organization_id": into }),
    );
    made(
        &sandbox,
        INVITATIONS,
        json!({ "email": "in@b.c", "organization_id": into }),
    );
    made(&sandbox, INVITATIONS, json!({ "email": "out@b.c" }));
    for (body, status, code) in [
        (
            json!({ "email": "IN@b.c", "organization_id": into }),
            400,
            "email_already_invited_to_organization",
        ),
        (json!({ "email": "out@b.c" }), 400, "email_already_invited"),
        (
            json!({ "email": "member@b.c", "organization_id": into }),
            400,
            "user_already_organization_member",
        ),
        (json!({ "email": "member@b.c" }), 400, "user_already_exists"),
        (
            json!({ "email": "x@b.c", "organization_id": into, "role_slug": "x" }),
            400,
            "invalid_role",
        ),
        (
            json!({ "email": "x@b.c", "expires_in_days": 0 }),
            400,
            "expires_in_days_too_short",
        ),
        (
            json!({ "email": "x@b.c", "expires_in_days": 31 }),
            400,
            "expires_in_days_too_long",
        ),
        (
            json!({ "email": "x@b.c", "expires_in_days": "7" }),
            422,
            "invalid_request_parameters",
        ),
        (json!({ "email": "x" }), 422, "invalid_request_parameters"),
        (
            json!({ "email": "x@b.c", "organization_id": "org_x" }),
            404,
            "entity_not_found",
        ),
        (
            json!({ "email": "x@b.c", "inviter_user_id": "user_x" }),
            404,
            "entity_not_found",
        ),
    ] {
        let answer = call(&sandbox, INVITATIONS, body.clone());
        assert_eq!(coded(&answer), (status, code), "{body}");
    }
    let mails = sandbox.counters().mails;
    assert_eq!(mails.keys().collect::<Vec<_>>(), ["in@b.c", "out@b.c"]);
    assert_eq!(sent(&sandbox, "in@b.c"), 1);
    // Into another organization, or into none, is another invitation.
    made(&sandbox, INVITATIONS, json!({ "email": "in@b.c" }));
}

#[test]
fn an_invitation_expires_by_the_clock_and_makes_room() {
    let sandbox = sandbox();
    let body = json!({ "email": "a@b.c", "expires_in_days": 2 });
    let id = made(&sandbox, INVITATIONS, body.clone());
    let state = |time| {
        let line = format!("GET /user_management/invitations/{id}");
        call_at(&sandbox, &line, Value::Null, time).1["state"].clone()
    };
    assert_eq!(state(2 * DAY - 1), "pending");
    assert_eq!(state(2 * DAY), "expired");
    assert_eq!(sandbox.dump()["invitations"][0]["state"], "expired");
    let resent = act(&sandbox, &id, "resend", 2 * DAY);
    assert_eq!(coded(&resent), (400, "invite_expired"));
    let revoked = act(&sandbox, &id, "revoke", 2 * DAY);
    assert_eq!(coded(&revoked), (400, "invite_not_pending"));
    assert_eq!(sent(&sandbox, "a@b.c"), 1);
    assert_eq!(call_at(&sandbox, INVITATIONS, body, 2 * DAY).0, 201);
}

#[test]
fn what_is_sent_again_is_counted_and_what_is_revoked_is_over() {
    let sandbox = sandbox();
    let id = made(&sandbox, INVITATIONS, json!({ "email": "a@b.c" }));
    let (status, again) = act(&sandbox, &id, "resend", 0);
    assert_eq!((status, &again["state"]), (200, &json!("pending")));
    assert_eq!(sent(&sandbox, "a@b.c"), 2);
    let (status, revoked) = act(&sandbox, &id, "revoke", 1_000);
    assert_eq!((status, &revoked["state"]), (200, &json!("revoked")));
    assert_eq!(revoked["revoked_at"], "2024-01-01T00:00:01.000Z");
    let twice = act(&sandbox, &id, "revoke", 2_000);
    assert_eq!(coded(&twice), (400, "invite_not_pending"));
    let resent = act(&sandbox, &id, "resend", 2_000);
    assert_eq!(coded(&resent), (400, "invite_revoked"));
    assert_eq!(act(&sandbox, "invitation_x", "revoke", 0).0, 404);
    assert_eq!(sent(&sandbox, "a@b.c"), 2);
    made(&sandbox, INVITATIONS, json!({ "email": "a@b.c" }));
}

#[test]
fn who_accepts_becomes_a_member() {
    let sandbox = sandbox();
    let organization = organization(&sandbox);
    let body = json!({ "email": "a@b.c", "organization_id": organization, "role_slug": "admin" });
    let id = made(&sandbox, INVITATIONS, body);
    let early = act(&sandbox, &id, "accept", 0);
    assert_eq!(coded(&early), (400, "invalid_invite"));
    let user = made(
        &sandbox,
        "POST /user_management/users",
        json!({ "email": "a@b.c" }),
    );
    let (status, accepted) = act(&sandbox, &id, "accept", 0);
    assert_eq!((status, &accepted["state"]), (200, &json!("accepted")));
    assert_eq!(accepted["accepted_user_id"], json!(user));
    let membership = &sandbox.dump()["organization_memberships"][0];
    assert_eq!(membership["user_id"], json!(user));
    assert_eq!(membership["role"]["slug"], "admin");
    let resent = act(&sandbox, &id, "resend", 0);
    assert_eq!(coded(&resent), (400, "invite_accepted"));
}

#[test]
fn invitations_are_listed_by_address_and_organization() {
    let sandbox = sandbox();
    let [one, other] = [(); 2].map(|()| organization(&sandbox));
    let mut ids = Vec::new();
    for (email, organization) in [("a@b.c", &one), ("b@b.c", &one), ("a@b.c", &other)] {
        let body = json!({ "email": email, "organization_id": organization });
        ids.push(made(&sandbox, INVITATIONS, body));
    }
    let list = |query: &str| -> Vec<String> {
        let line = format!("GET /user_management/invitations?order=asc&{query}");
        let (status, list) = call(&sandbox, &line, Value::Null);
        assert_eq!(status, 200);
        let data = list["data"].as_array().unwrap().iter();
        data.map(|one| one["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let of = |places: &[usize]| -> Vec<String> {
        places.iter().map(|place| ids[*place].clone()).collect()
    };
    assert_eq!(list(""), of(&[0, 1, 2]));
    assert_eq!(list("email=A%40b.c"), of(&[0, 2]));
    assert_eq!(list(&format!("organization_id={one}")), of(&[0, 1]));
    assert_eq!(
        list(&format!("organization_id={other}&email=a@b.c")),
        of(&[2])
    );
    assert_eq!(list(&format!("limit=1&after={}", ids[0])), of(&[1]));
    assert!(list("email=x@b.c").is_empty());
    let line = format!("DELETE /organizations/{one}");
    call(&sandbox, &line, Value::Null);
    assert_eq!(list(""), of(&[2]), "they go with their organization");
    assert_eq!(list("email=a@b.c"), of(&[2]));
}

#[test]
fn a_lost_answer_has_sent_its_mail() {
    let sandbox = sandbox();
    let send = || {
        sandbox.handle(&request(INVITATIONS, &json!({ "email": "a@b.c" })), at(0));
    };
    sandbox.fail_next(Method::POST, "invitations", Fault::ResetBefore, 1);
    send();
    assert_eq!(sent(&sandbox, "a@b.c"), 0);
    sandbox.fail_next(Method::POST, "invitations", Fault::TruncatedBody, 1);
    send();
    assert_eq!(sent(&sandbox, "a@b.c"), 1);
    let body = json!({ "email": "seeded@b.c" });
    sandbox.seed(Method::POST, "/user_management/invitations", body);
    assert_eq!(sent(&sandbox, "seeded@b.c"), 0, "a seed sends nothing");
    assert_eq!(sandbox.dump()["invitations"].as_array().unwrap().len(), 2);
}
