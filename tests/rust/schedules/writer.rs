//! Owns the other writer: the live application and its admins, who do to the very same users, organizations and
//! memberships what we are about to do, or take them away, right before one of our requests arrives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use http::Method;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use workos_importer_core::wire::Request;
use workos_importer_sandbox::Sandbox;

use super::source::{Line, pick};
use crate::harness::{Meddle, Scenario};

const USERS: &str = "/user_management/users";
const MEMBERSHIPS: &str = "/user_management/organization_memberships";

/// What the other writer has done.
#[derive(Debug, Default)]
pub struct Deeds {
    /// What it made, by id, as it was made.
    pub made: BTreeMap<String, Value>,
    /// Emails, external ids and pairs (`email external_id_of_organization`) of what it took away or put out.
    pub taken: BTreeSet<String>,
    /// The ids of the same.
    pub taken_ids: BTreeSet<String>,
    pub count: u64,
}

pub struct Writer {
    random: StdRng,
    rate: f64,
    lines: Vec<Line>,
    deeds: Deeds,
}

/// Sets another writer to work in a scenario, from a seed.
pub fn set_to_work(scenario: &mut Scenario, seed: u64, lines: &[Line]) -> Arc<Mutex<Writer>> {
    let mut random = StdRng::seed_from_u64(seed ^ 0x0714_0714);
    let writer = Writer {
        rate: random.random_range(0.005..0.15),
        random,
        lines: lines.to_vec(),
        deeds: Deeds::default(),
    };
    let writer = Arc::new(Mutex::new(writer));
    let at_work = Arc::clone(&writer);
    scenario.meddle(move |sandbox, request| {
        at_work.lock().unwrap().before(sandbox, request);
        Meddle::Pass
    });
    writer
}

impl Writer {
    pub fn deeds(&self) -> &Deeds {
        &self.deeds
    }

    fn before(&mut self, sandbox: &Sandbox, request: &Request) {
        if !self.random.random_bool(self.rate) {
            return;
        }
        self.deeds.count += 1;
        match self.random.random_range(0..10) {
            // The very thing that the request is about.
            0..5 => self.forestall(sandbox, request),
            5 => self.sign_up_anybody(sandbox),
            6 => self.put_out(sandbox, true),
            7 => self.put_out(sandbox, false),
            8 => self.delete(sandbox, "users", USERS),
            _ => self.delete(sandbox, "organizations", "/organizations"),
        }
    }

    fn forestall(&mut self, sandbox: &Sandbox, request: &Request) {
        let body: Value = request
            .body
            .as_ref()
            .and_then(|body| serde_json::from_slice(body).ok())
            .unwrap_or(Value::Null);
        let target = request.target.as_str();
        if target.starts_with("/organizations") {
            let external_id = body["external_id"]
                .as_str()
                .or(target.strip_prefix("/organizations/external_id/"));
            if let Some(external_id) = external_id {
                let name = match self.random.random_bool(0.5) {
                    true => super::source::name_of(external_id),
                    false => "Another name".to_owned(),
                };
                let body = json!({"external_id": external_id, "name": name});
                self.make(sandbox, "/organizations", body);
            }
        } else if target.starts_with(MEMBERSHIPS) {
            let (user, organization) = match request.method == Method::POST {
                true => (body["user_id"].clone(), body["organization_id"].clone()),
                false => (
                    queried(target, "user_id"),
                    queried(target, "organization_id"),
                ),
            };
            if user.is_string() && organization.is_string() {
                let role = pick(&mut self.random, &["admin", "member"]);
                let body =
                    json!({"user_id": user, "organization_id": organization, "role_slug": role});
                self.make(sandbox, MEMBERSHIPS, body);
            }
        } else if request.method == Method::POST && target == USERS {
            self.sign_up(sandbox, body);
        } else if let Some(email) = queried(target, "email").as_str() {
            let line = self.lines.iter().find(|line| line.email == email).cloned();
            if let Some(line) = line {
                self.sign_up(sandbox, as_body(&line));
            }
        }
    }

    fn sign_up_anybody(&mut self, sandbox: &Sandbox) {
        let line = self.lines[self.random.random_range(0..self.lines.len())].clone();
        self.sign_up(sandbox, as_body(&line));
    }

    /// Somebody signs up: with the fields that the row has, with others, or with the email alone.
    fn sign_up(&mut self, sandbox: &Sandbox, mut body: Value) {
        match self.random.random_range(0..3) {
            0 => {}
            1 => body["first_name"] = json!("Somebody"),
            _ => body = json!({"email": body["email"]}),
        }
        self.make(sandbox, USERS, body);
    }

    fn make(&mut self, sandbox: &Sandbox, path: &str, body: Value) {
        let made = sandbox.seed(Method::POST, path, body);
        if let Some(id) = made["id"].as_str() {
            if made["created_at"] != made["updated_at"] {
                // A membership that was inactive.
                self.deeds.taken_ids.insert(id.to_owned());
                return;
            }
            self.deeds.made.entry(id.to_owned()).or_insert(made.clone());
        }
    }

    /// Deactivates or deletes a membership.
    fn put_out(&mut self, sandbox: &Sandbox, only_deactivates: bool) {
        let dump = sandbox.dump();
        let Some(membership) = self.any(&dump["organization_memberships"]) else {
            return;
        };
        let id = membership["id"].as_str().unwrap();
        let find = |list: &str, id: &Value, field: &str| {
            let objects = dump[list].as_array().unwrap();
            let found = objects.iter().find(|object| object["id"] == *id).unwrap();
            found[field].as_str().unwrap_or_default().to_owned()
        };
        let email = find("users", &membership["user_id"], "email");
        let external_id = find("users", &membership["user_id"], "external_id");
        let organization = find(
            "organizations",
            &membership["organization_id"],
            "external_id",
        );
        self.deeds.taken.insert(format!("{email} {organization}"));
        self.deeds
            .taken
            .insert(format!("{external_id} {organization}"));
        self.deeds.taken_ids.insert(id.to_owned());
        let path = format!("{MEMBERSHIPS}/{id}");
        match only_deactivates {
            true => sandbox.seed(Method::PUT, &format!("{path}/deactivate"), json!({})),
            false => sandbox.seed(Method::DELETE, &path, Value::Null),
        };
    }

    fn delete(&mut self, sandbox: &Sandbox, list: &str, path: &str) {
        let dump = sandbox.dump();
        let Some(object) = self.any(&dump[list]) else {
            return;
        };
        let id = object["id"].as_str().unwrap();
        for field in ["email", "external_id"] {
            if let Some(text) = object[field].as_str() {
                self.deeds.taken.insert(text.to_owned());
            }
        }
        self.deeds.taken_ids.insert(id.to_owned());
        // With it go its memberships.
        for membership in dump["organization_memberships"].as_array().unwrap() {
            if membership["user_id"] == *id || membership["organization_id"] == *id {
                let gone = membership["id"].as_str().unwrap();
                self.deeds.taken_ids.insert(gone.to_owned());
            }
        }
        sandbox.seed(Method::DELETE, &format!("{path}/{id}"), Value::Null);
    }

    fn any(&mut self, objects: &Value) -> Option<Value> {
        let objects = objects.as_array().unwrap();
        if objects.is_empty() {
            return None;
        }
        Some(objects[self.random.random_range(0..objects.len())].clone())
    }
}

fn as_body(line: &Line) -> Value {
    let mut body = json!({"email": line.email});
    for (field, text) in [
        ("first_name", &line.first_name),
        ("external_id", &line.external_id),
    ] {
        if !text.is_empty() {
            body[field] = json!(text);
        }
    }
    body
}

fn queried(target: &str, name: &str) -> Value {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs
        .find(|(key, _)| key == name)
        .map_or(Value::Null, |(_, value)| json!(value))
}
