//! Owns the tests of the organizations.

use crate::testing::{call, keys, made, sandbox};
use serde_json::{Value, json};

const ORGANIZATIONS: &str = "POST /organizations";

#[test]
fn an_organization_has_the_recorded_fields() {
    let sandbox = sandbox();
    let body = json!({
        "name": "Test", "external_id": "ext_1", "domains": null,
        "domain_data": [{ "domain": "Example.io", "state": "verified" }],
        "allow_profiles_outside_organization": null,
    });
    let (status, organization) = call(&sandbox, ORGANIZATIONS, body);
    assert_eq!(status, 201);
    assert_eq!(
        keys(&organization),
        [
            "allow_profiles_outside_organization",
            "created_at",
            "domains",
            "external_id",
            "id",
            "metadata",
            "name",
            "object",
            "updated_at",
        ]
    );
    assert_eq!(
        keys(&organization["domains"][0]),
        [
            "created_at",
            "domain",
            "id",
            "object",
            "organization_id",
            "state",
            "updated_at",
            "verification_strategy",
        ]
    );
    let get = |line| call(&sandbox, line, Value::Null).1;
    assert_eq!(get("GET /organizations/external_id/ext_1"), organization);
    assert_eq!(
        get("GET /organizations?domains=example.io,x.y")["data"],
        json!([organization])
    );
    assert_eq!(
        get("GET /organizations?search=tES")["data"],
        json!([organization])
    );
    assert_eq!(
        get("GET /organizations/external_id/other"),
        json!({ "message": "Not Found" })
    );
}

#[test]
fn names_may_repeat_external_ids_and_domains_may_not() {
    let sandbox = sandbox();
    let domain = json!([{ "domain": "example.com", "state": "pending" }]);
    let body = json!({ "name": "Acme", "external_id": "1", "domain_data": domain });
    let id = made(&sandbox, ORGANIZATIONS, body);
    let other = made(&sandbox, ORGANIZATIONS, json!({ "name": "Acme" }));
    let (status, body) = call(
        &sandbox,
        ORGANIZATIONS,
        json!({ "name": "Acme", "external_id": "1" }),
    );
    assert_eq!(
        (status, &body["code"]),
        (400, &json!("external_id_already_used"))
    );
    let (status, body) = call(
        &sandbox,
        ORGANIZATIONS,
        json!({ "name": "B", "domains": ["example.com"] }),
    );
    assert_eq!(status, 409);
    assert_eq!(
        body,
        json!({ "message": "An Organization with the domain example.com already exists." })
    );
    let update = |id: &str, body| call(&sandbox, &format!("PUT /organizations/{id}"), body);
    assert_eq!(update(&other, json!({ "external_id": "1" })).0, 400);
    let (status, changed) = update(&id, json!({ "domain_data": domain, "external_id": null }));
    assert_eq!((status, &changed["name"]), (200, &json!("Acme")));
    assert_eq!(update(&other, json!({ "external_id": "1" })).0, 200);
    assert_eq!(call(&sandbox, ORGANIZATIONS, json!({ "name": "" })).0, 422);
}

#[test]
fn deleting_one_takes_its_memberships_along() {
    let sandbox = sandbox();
    let id = made(
        &sandbox,
        ORGANIZATIONS,
        json!({ "name": "A", "external_id": "1" }),
    );
    let user = made(
        &sandbox,
        "POST /user_management/users",
        json!({ "email": "a@b.c" }),
    );
    let pair = json!({ "user_id": user, "organization_id": id });
    made(
        &sandbox,
        "POST /user_management/organization_memberships",
        pair,
    );
    let line = format!("DELETE /organizations/{id}");
    assert_eq!(call(&sandbox, &line, Value::Null).0, 202);
    assert_eq!(
        call(&sandbox, &line, Value::Null),
        (404, json!({ "message": "Not Found" }))
    );
    let dump = sandbox.dump();
    assert_eq!(dump["organization_memberships"], json!([]));
    assert_eq!(dump["users"].as_array().unwrap().len(), 1);
}

#[test]
fn roles_are_listed_in_the_recorded_fields() {
    let sandbox = sandbox();
    let id = made(&sandbox, ORGANIZATIONS, json!({ "name": "A" }));
    let (_, roles) = call(
        &sandbox,
        &format!("GET /organizations/{id}/roles"),
        Value::Null,
    );
    assert_eq!(keys(&roles), ["data", "object"]);
    let recorded = [
        "created_at",
        "description",
        "id",
        "name",
        "object",
        "permissions",
        "slug",
        "type",
        "updated_at",
    ];
    assert_eq!(keys(&roles["data"][0]), recorded);
    let line = format!("GET /authorization/organizations/{id}/roles");
    let (_, roles) = call(&sandbox, &line, Value::Null);
    assert_eq!(roles["data"][0]["resource_type_slug"], "organization");
    assert_eq!(
        call(&sandbox, "GET /organizations/org_x/roles", Value::Null).0,
        404
    );
}

#[test]
fn an_organization_has_the_roles_of_the_environment_and_its_own() {
    let sandbox = sandbox();
    let id = made(&sandbox, ORGANIZATIONS, json!({ "name": "A" }));
    let other = made(&sandbox, ORGANIZATIONS, json!({ "name": "B" }));
    let own = format!("/authorization/organizations/{id}/roles");
    let make = |slug: &str| {
        let body = json!({ "name": "Owner", "slug": slug });
        call(&sandbox, &format!("POST {own}"), body)
    };
    let (status, role) = make("org-owner");
    assert_eq!((status, &role["type"]), (201, &json!("OrganizationRole")));
    assert_eq!(make("org-owner").0, 409);
    assert_eq!(make("owner").0, 400);
    let slugs = |path: &str| -> Vec<Value> {
        let (_, roles) = call(&sandbox, &format!("GET {path}"), Value::Null);
        let roles = roles["data"].as_array().unwrap().iter();
        roles.map(|role| role["slug"].clone()).collect()
    };
    assert_eq!(slugs("/authorization/roles"), ["admin", "member"]);
    assert_eq!(slugs(&own), ["admin", "member", "org-owner"]);
    let user = made(
        &sandbox,
        "POST /user_management/users",
        json!({ "email": "a@x.com" }),
    );
    let join = |organization: &str| {
        let body =
            json!({ "user_id": user, "organization_id": organization, "role_slug": "org-owner" });
        call(
            &sandbox,
            "POST /user_management/organization_memberships",
            body,
        )
    };
    let (status, refused) = join(&other);
    assert_eq!((status, &refused["code"]), (422, &json!("invalid_role")));
    let (status, membership) = join(&id);
    assert_eq!(status, 201);
    let line = format!(
        "PUT /user_management/organization_memberships/{}",
        membership["id"].as_str().unwrap()
    );
    let both = json!({ "role_slugs": ["member", "org-owner"] });
    assert_eq!(call(&sandbox, &line, both).0, 200);
}

#[test]
fn an_update_replaces_the_domains_and_takes_none_of_another() {
    let sandbox = sandbox();
    let domains = |names: &[&str]| -> Value {
        let domains = names.iter();
        domains
            .map(|name| json!({ "domain": name, "state": "pending" }))
            .collect()
    };
    let body = json!({ "name": "A", "domain_data": domains(&["a.com", "b.com"]) });
    let id = made(&sandbox, ORGANIZATIONS, body);
    let body = json!({ "name": "Secret Name", "domain_data": domains(&["c.com"]) });
    made(&sandbox, ORGANIZATIONS, body);
    let update = |names: &[&str]| {
        let body = json!({ "domain_data": domains(names) });
        call(&sandbox, &format!("PUT /organizations/{id}"), body)
    };
    let (status, refused) = update(&["a.com", "c.com"]);
    let message = "An Organization with the domain c.com already exists.";
    assert_eq!((status, refused), (409, json!({ "message": message })));
    let (_, changed) = update(&["b.com", "d.com"]);
    let names: Vec<&Value> = changed["domains"]
        .as_array()
        .unwrap()
        .iter()
        .map(|domain| &domain["domain"])
        .collect();
    assert_eq!(names, ["b.com", "d.com"]);
    let free = json!({ "name": "B", "domain_data": domains(&["a.com"]) });
    made(&sandbox, ORGANIZATIONS, free);
}
