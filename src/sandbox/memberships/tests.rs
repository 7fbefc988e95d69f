//! Owns the tests of the memberships.

use crate::testing::{call, keys, made, sandbox, unlimited};
use crate::{Sandbox, Settings};
use serde_json::{Value, json};

const MEMBERSHIPS: &str = "POST /user_management/organization_memberships";

fn pair(sandbox: &Sandbox) -> (String, String) {
    let user = made(
        sandbox,
        "POST /user_management/users",
        json!({ "email": "a@b.c" }),
    );
    let organization = made(sandbox, "POST /organizations", json!({ "name": "A" }));
    (user, organization)
}

fn path(method: &str, rest: &str) -> String {
    format!("{method} /user_management/organization_memberships{rest}")
}

#[test]
fn a_membership_has_the_fields_of_recordings_and_specification() {
    let sandbox = sandbox();
    let (user, organization) = pair(&sandbox);
    let body = json!({ "user_id": user, "organization_id": organization });
    let (status, membership) = call(&sandbox, MEMBERSHIPS, body.clone());
    assert_eq!(status, 201);
    assert_eq!(
        keys(&membership),
        [
            "created_at",
            "custom_attributes",
            "directory_managed",
            "id",
            "object",
            "organization_id",
            "organization_name",
            "role",
            "roles",
            "status",
            "updated_at",
            "user",
            "user_id",
        ]
    );
    assert_eq!(membership["role"], json!({ "slug": "member" }));
    let (status, body) = call(&sandbox, MEMBERSHIPS, body);
    assert_eq!(
        (status, &body["code"]),
        (409, &json!("organization_membership_already_exists"))
    );
}

#[test]
fn an_inactive_one_is_reactivated_with_the_given_roles() {
    let sandbox = sandbox();
    let (user, organization) = pair(&sandbox);
    let body = json!({ "user_id": user, "organization_id": organization });
    let id = made(&sandbox, MEMBERSHIPS, body);
    let (_, inactive) = call(
        &sandbox,
        &path("PUT", &format!("/{id}/deactivate")),
        Value::Null,
    );
    assert_eq!(inactive["status"], "inactive");
    let list = |query: &str| {
        call(&sandbox, &path("GET", &format!("?{query}")), Value::Null).1["data"].clone()
    };
    let both = format!("user_id={user}&organization_id={organization}");
    assert_eq!(list(&both), json!([]), "active ones only");
    assert_eq!(
        list(&format!("{both}&statuses=active,inactive")),
        json!([inactive])
    );
    assert_eq!(
        list(&format!("organization_id={organization}&statuses=inactive")),
        json!([inactive])
    );
    let users = format!("GET /user_management/users?organization_id={organization}");
    assert_eq!(call(&sandbox, &users, Value::Null).1["data"], json!([]));
    let body = json!({ "user_id": user, "organization_id": organization, "role_slugs": ["admin", "member"] });
    let again = made(&sandbox, MEMBERSHIPS, body);
    assert_eq!(again, id);
    let shown = &list(&format!("user_id={user}"))[0];
    assert_eq!(
        shown["roles"],
        json!([{ "slug": "admin" }, { "slug": "member" }])
    );
    assert_eq!(
        call(&sandbox, &users, Value::Null).1["data"][0]["id"],
        json!(user)
    );
}

#[test]
fn refusals_are_the_recorded_ones() {
    let sandbox = Sandbox::new(Settings {
        multiple_roles: false,
        ..unlimited()
    });
    let (user, organization) = pair(&sandbox);
    let create = |body| call(&sandbox, MEMBERSHIPS, body);
    assert_eq!(
        create(json!({ "user_id": "", "organization_id": "" })),
        (
            422,
            json!({
                "code": "invalid_request_parameters", "message": "Validation failed",
                "errors": [{
                    "code": "user_id_string_required",
                    "message": "User ID should be a non-empty string.",
                }],
            })
        )
    );
    let with = |roles: Value| {
        create(json!({ "user_id": user, "organization_id": organization, "role_slugs": roles }))
    };
    let code = |answer: (u16, Value)| (answer.0, answer.1["code"].as_str().unwrap().to_owned());
    assert_eq!(
        code(with(json!(["owner"]))),
        (422, "invalid_role".to_owned())
    );
    assert_eq!(
        code(with(json!(["admin", "member"]))),
        (422, "multiple_roles_not_enabled".to_owned())
    );
    let unknown = json!({ "user_id": user, "organization_id": "org_x" });
    assert_eq!(create(unknown).1["entity_id"], "org_x");
    assert_eq!(code(call(&sandbox, &path("GET", ""), Value::Null)).0, 400);
    assert_eq!(
        code(call(&sandbox, &path("PUT", "/om_x"), json!({}))),
        (404, "entity_not_found".to_owned())
    );
}

#[test]
fn roles_are_replaced_and_deletion_makes_room() {
    let sandbox = sandbox();
    let (user, organization) = pair(&sandbox);
    let body = json!({ "user_id": user, "organization_id": organization });
    let id = made(&sandbox, MEMBERSHIPS, body.clone());
    let one = path("PUT", &format!("/{id}"));
    let (status, changed) = call(&sandbox, &one, json!({ "role_slug": "admin" }));
    assert_eq!(
        (status, &changed["roles"]),
        (200, &json!([{ "slug": "admin" }]))
    );
    assert_eq!(call(&sandbox, &one, json!({ "role_slugs": [] })).0, 422);
    let delete = path("DELETE", &format!("/{id}"));
    assert_eq!(call(&sandbox, &delete, Value::Null), (200, Value::Null));
    assert_ne!(made(&sandbox, MEMBERSHIPS, body), id);
    call(
        &sandbox,
        &format!("DELETE /user_management/users/{user}"),
        Value::Null,
    );
    assert_eq!(sandbox.dump()["organization_memberships"], json!([]));
}
