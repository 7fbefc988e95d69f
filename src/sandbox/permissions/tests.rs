//! Owns the tests of permissions, and of the roles that are given them.

use crate::Sandbox;
use crate::testing::{call, coded, keys, made, sandbox};
use serde_json::{Value, json};

const PERMISSIONS: &str = "POST /authorization/permissions";
const ROLES: &str = "POST /authorization/roles";

fn with_permissions(slugs: &[&str]) -> Sandbox {
    let sandbox = sandbox();
    for slug in slugs {
        made(&sandbox, PERMISSIONS, json!({ "slug": slug, "name": slug }));
    }
    sandbox
}

#[test]
fn a_permission_has_the_specified_fields_and_a_slug_of_its_own() {
    let sandbox = sandbox();
    let body = json!({ "slug": "documents:read", "name": "Read", "description": "All of them" });
    let (status, permission) = call(&sandbox, PERMISSIONS, body.clone());
    assert_eq!(status, 201);
    assert_eq!(
        keys(&permission),
        [
            "created_at",
            "description",
            "id",
            "name",
            "object",
            "resource_type_slug",
            "slug",
            "system",
            "updated_at",
        ]
    );
    let again = call(&sandbox, PERMISSIONS, body);
    assert_eq!(coded(&again), (409, "permission_slug_conflict"));
    for slug in ["", "Read", "a b"] {
        let body = json!({ "slug": slug, "name": "N" });
        assert_eq!(call(&sandbox, PERMISSIONS, body).0, 422, "{slug:?}");
    }
    let line = |method| format!("{method} /authorization/permissions/documents:read");
    assert_eq!(call(&sandbox, &line("GET"), Value::Null).1, permission);
    let body = json!({ "name": "See", "description": null });
    let (_, changed) = call(&sandbox, &line("PATCH"), body);
    assert_eq!(changed["name"], "See");
    assert_eq!(changed["description"], Value::Null);
    assert_eq!(call(&sandbox, &line("DELETE"), Value::Null).0, 204);
    let gone = call(&sandbox, &line("DELETE"), Value::Null);
    assert_eq!(coded(&gone), (404, "entity_not_found"));
}

#[test]
fn permissions_are_listed_by_pages() {
    let sandbox = with_permissions(&["a", "b", "c"]);
    let line = "GET /authorization/permissions?order=asc&limit=2";
    let (_, page) = call(&sandbox, line, Value::Null);
    assert_eq!(page["data"][1]["slug"], "b");
    let after = page["list_metadata"]["after"].as_str().unwrap();
    let (_, page) = call(&sandbox, &format!("{line}&after={after}"), Value::Null);
    assert_eq!(page["data"][0]["slug"], "c");
    assert_eq!(page["list_metadata"]["after"], Value::Null);
}

#[test]
fn a_role_of_the_environment_is_made_found_and_changed() {
    let sandbox = sandbox();
    let body = json!({ "slug": "editor", "name": "Editor", "description": "Edits" });
    let (status, role) = call(&sandbox, ROLES, body.clone());
    assert_eq!((status, &role["type"]), (201, &json!("EnvironmentRole")));
    assert_eq!(
        coded(&call(&sandbox, ROLES, body)),
        (409, "role_slug_conflict")
    );
    let refused = |body| call(&sandbox, ROLES, body);
    let own = refused(json!({ "slug": "org-x", "name": "X" }));
    assert_eq!(coded(&own), (400, "bad_request"));
    assert_eq!(refused(json!({ "slug": "x" })).0, 422);
    assert_eq!(
        refused(json!({ "slug": "x", "name": "X", "resource_type_slug": "document" })).0,
        404
    );
    let line = "GET /authorization/roles/editor";
    assert_eq!(call(&sandbox, line, Value::Null).1, role);
    let line = "PATCH /authorization/roles/editor";
    let (_, changed) = call(&sandbox, line, json!({ "name": "Writer" }));
    assert_eq!(changed["name"], "Writer");
    assert_eq!(changed["description"], "Edits");
    let unknown = call(&sandbox, "PATCH /authorization/roles/x", json!({}));
    assert_eq!(coded(&unknown), (404, "entity_not_found"));
}

#[test]
fn the_permissions_of_a_role_are_replaced_as_a_set() {
    let sandbox = with_permissions(&["a", "b", "c"]);
    let put = |role: &str, permissions: Value| {
        let line = format!("PUT /authorization/roles/{role}/permissions");
        call(&sandbox, &line, json!({ "permissions": permissions }))
    };
    let of = |role: &Value| role["permissions"].clone();
    assert_eq!(
        of(&put("admin", json!(["a", "b", "a"])).1),
        json!(["a", "b"])
    );
    assert_eq!(of(&put("admin", json!(["c"])).1), json!(["c"]));
    let unknown = put("admin", json!(["a", "x"]));
    assert_eq!(coded(&unknown), (404, "entity_not_found"));
    assert_eq!(unknown.1["entity_id"], "x");
    assert_eq!(put("x", json!(["a"])).1["entity_id"], "x", "no such role");
    assert_eq!(put("admin", Value::Null).0, 422);
    let line = "POST /authorization/roles/admin/permissions";
    let (_, added) = call(&sandbox, line, json!({ "slug": "a" }));
    assert_eq!(of(&added), json!(["c", "a"]));
    let (_, roles) = call(&sandbox, "GET /authorization/roles", Value::Null);
    assert_eq!(of(&roles["data"][0]), json!(["c", "a"]));
    call(&sandbox, "DELETE /authorization/permissions/c", Value::Null);
    assert_eq!(of(&sandbox.dump()["roles"][0]), json!(["a"]));
}

#[test]
fn roles_of_organizations_have_permissions_too_and_go_when_nobody_has_them() {
    let sandbox = with_permissions(&["a"]);
    let id = made(&sandbox, "POST /organizations", json!({ "name": "A" }));
    let roles = format!("/authorization/organizations/{id}/roles");
    let body = json!({ "name": "Owner", "slug": "org-owner" });
    made(&sandbox, &format!("POST {roles}"), body);
    let one = format!("{roles}/org-owner");
    let line = format!("PUT {one}/permissions");
    let (status, role) = call(&sandbox, &line, json!({ "permissions": ["a"] }));
    assert_eq!((status, &role["permissions"]), (200, &json!(["a"])));
    let of_all = format!("PUT {roles}/admin/permissions");
    assert_eq!(call(&sandbox, &of_all, json!({ "permissions": [] })).0, 404);
    let found = |path: String| call(&sandbox, &format!("GET {path}"), Value::Null).0;
    assert_eq!(found(one.clone()), 200);
    assert_eq!(found(format!("{roles}/admin")), 200, "it holds here too");
    assert_eq!(found("/authorization/roles/org-owner".to_owned()), 404);
    let user = made(
        &sandbox,
        "POST /user_management/users",
        json!({ "email": "a@b.c" }),
    );
    let membership = made(
        &sandbox,
        "POST /user_management/organization_memberships",
        json!({ "user_id": user, "organization_id": id, "role_slug": "org-owner" }),
    );
    let delete = format!("DELETE {one}");
    let held = call(&sandbox, &delete, Value::Null);
    assert_eq!(coded(&held), (409, "role_has_assignments"));
    let line = format!("PUT /user_management/organization_memberships/{membership}");
    call(&sandbox, &line, json!({ "role_slug": "member" }));
    assert_eq!(call(&sandbox, &delete, Value::Null).0, 204);
    assert_eq!(call(&sandbox, &delete, Value::Null).0, 404);
}
