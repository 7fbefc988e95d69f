//! Owns what tests say and ask about a sandbox's environment: people who are there already, and what is there at the end.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};
use workos_importer_sandbox::{Limits, Sandbox, Settings};

const USERS: &str = "/user_management/users";
const MEMBERSHIPS: &str = "/user_management/organization_memberships";

/// Settings without limits.
pub fn unlimited() -> Settings {
    Settings {
        limits: Limits::none(),
        ..Settings::default()
    }
}

/// Changes an environment as somebody else would.
pub trait World {
    /// Adds a user, and returns the id.
    fn user(&self, body: Value) -> String;
    fn organization(&self, external_id: &str, name: &str) -> String;
    fn membership(&self, user_id: &str, organization_id: &str, roles: &[&str]) -> String;
    fn deactivate(&self, membership_id: &str);
    /// Adds a role that only this organization has.
    fn role(&self, organization_id: &str, slug: &str);
    fn delete(&self, path: &str);
    /// The user with this email, password included; null if there is none.
    fn find_user(&self, email: &str) -> Value;
    fn count(&self, list: &str) -> usize;
}

impl World for Sandbox {
    fn user(&self, body: Value) -> String {
        id(&self.seed(Method::POST, USERS, body))
    }

    fn organization(&self, external_id: &str, name: &str) -> String {
        let body = json!({ "name": name, "external_id": external_id });
        id(&self.seed(Method::POST, "/organizations", body))
    }

    fn membership(&self, user_id: &str, organization_id: &str, roles: &[&str]) -> String {
        let mut body = json!({ "user_id": user_id, "organization_id": organization_id });
        if !roles.is_empty() {
            body["role_slugs"] = json!(roles);
        }
        id(&self.seed(Method::POST, MEMBERSHIPS, body))
    }

    fn deactivate(&self, membership_id: &str) {
        let path = format!("{MEMBERSHIPS}/{membership_id}/deactivate");
        id(&self.seed(Method::PUT, &path, json!({})));
    }

    fn role(&self, organization_id: &str, slug: &str) {
        let path = format!("/authorization/organizations/{organization_id}/roles");
        id(&self.seed(Method::POST, &path, json!({ "name": slug, "slug": slug })));
    }

    fn delete(&self, path: &str) {
        self.seed(Method::DELETE, path, Value::Null);
    }

    fn find_user(&self, email: &str) -> Value {
        let dump = self.dump();
        let mut users = dump["users"].as_array().unwrap().iter();
        users
            .find(|user| user["email"] == email)
            .cloned()
            .unwrap_or(Value::Null)
    }

    fn count(&self, list: &str) -> usize {
        self.dump()[list].as_array().unwrap().len()
    }
}

fn id(made: &Value) -> String {
    made["id"]
        .as_str()
        .unwrap_or_else(|| panic!("not made: {made}"))
        .to_owned()
}

/// The memberships of a sandbox as sorted (email, organization's external id or id, sorted roles) of active ones.
pub fn memberships(sandbox: &Sandbox) -> Vec<(String, String, Vec<String>)> {
    let dump = sandbox.dump();
    let by_id = |list: &str| -> BTreeMap<String, Value> {
        let objects = dump[list].as_array().unwrap().iter();
        objects
            .map(|object| (text(object, "id"), object.clone()))
            .collect()
    };
    let (users, organizations) = (by_id("users"), by_id("organizations"));
    let mut found: Vec<(String, String, Vec<String>)> = dump["organization_memberships"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|membership| text(membership, "status") == "active")
        .map(|membership| {
            let user = &users[&text(membership, "user_id")];
            let organization = &organizations[&text(membership, "organization_id")];
            let external_id = text(organization, "external_id");
            let name = if external_id.is_empty() {
                text(organization, "id")
            } else {
                external_id
            };
            let roles = membership["roles"].as_array().into_iter().flatten();
            let mut roles: Vec<String> = roles.map(|role| text(role, "slug")).collect();
            roles.sort();
            (text(user, "email"), name, roles)
        })
        .collect();
    found.sort();
    found
}

pub fn emails(sandbox: &Sandbox) -> Vec<String> {
    let dump = sandbox.dump();
    let users = dump["users"].as_array().unwrap().iter();
    let mut emails: Vec<String> = users.map(|user| text(user, "email")).collect();
    emails.sort();
    emails
}

fn text(value: &Value, name: &str) -> String {
    value
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}
