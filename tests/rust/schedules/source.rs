//! Owns what a schedule's file says, and what is in the directory before.

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::json;
use workos_importer_sandbox::Sandbox;

use crate::harness::World;

pub const ROWS: usize = 40;
const PEOPLE: u32 = 25;
/// The organization of a run that has one for all rows.
pub const SINGLE: &str = "acme";

/// A role that the environment does not have.
pub const WIZARD: &str = "wizard";

/// One row as it was written down.
#[derive(Clone, Debug)]
pub struct Line {
    pub email: String,
    pub first_name: String,
    pub external_id: String,
    pub organization: String,
    pub name: String,
    pub roles: Vec<&'static str>,
}

pub fn pick<'a>(random: &mut StdRng, among: &[&'a str]) -> &'a str {
    among[random.random_range(0..among.len())]
}

/// Users in several organizations, in any order, some of them twice in the same one.
pub fn lines(random: &mut StdRng, single: bool) -> Vec<Line> {
    let wizards = if random.random_bool(0.3) { 0.4 } else { 0.0 };
    lines_with(random, single, wizards)
}

/// The same, of which a share has a role that the environment does not know.
pub fn lines_with(random: &mut StdRng, single: bool, wizards: f64) -> Vec<Line> {
    let line = |_| {
        let person = random.random_range(0..PEOPLE);
        let organization = match single {
            true => SINGLE,
            false => pick(random, &["acme", "beta", "gamma", "delta", "epsilon", ""]),
        };
        // Each organization has one name, which only some of its rows know; `delta` is never named.
        let named = random.random_bool(0.5) && !["delta", ""].contains(&organization);
        let roles = match random.random_bool(wizards) {
            true => WIZARD,
            false => pick(random, &["", "", "admin", "member", "admin,member"]),
        };
        let has_external_id = person % 3 == 0;
        Line {
            email: format!("u{person}@x.com"),
            first_name: pick(random, &["", "", "A", "A", "B"]).to_owned(),
            external_id: if has_external_id {
                format!("crm-{person}")
            } else {
                String::new()
            },
            organization: organization.to_owned(),
            name: if named {
                name_of(organization)
            } else {
                String::new()
            },
            roles: roles
                .split(',')
                .filter(|role| !role.is_empty() && !organization.is_empty())
                .collect(),
        }
    };
    (0..ROWS).map(line).collect()
}

/// What an organization is called by the rows that know it.
pub fn name_of(organization: &str) -> String {
    format!("{organization} Inc.")
}

pub fn csv(lines: &[Line], single: bool) -> String {
    let mut csv = match single {
        true => "email,first_name,external_id,role_slugs\n".to_owned(),
        false => "email,first_name,external_id,org_external_id,org_name,role_slugs\n".to_owned(),
    };
    for line in lines {
        let Line {
            email,
            first_name,
            external_id,
            organization,
            name,
            roles,
        } = line;
        let roles = roles.join(",");
        let organization = match single {
            true => String::new(),
            false => format!("{organization},{name},"),
        };
        csv.push_str(&format!(
            "{email},{first_name},{external_id},{organization}\"{roles}\"\n"
        ));
    }
    csv
}

/// People who are there before, some of them with memberships, some of these inactive.
pub fn populate(sandbox: &Sandbox, random: &mut StdRng) {
    let organizations: Vec<String> = ["acme", "beta", "delta"]
        .into_iter()
        .filter(|_| random.random_bool(0.8))
        .map(|name| sandbox.organization(name, &name_of(name)))
        .collect();
    for person in 0..PEOPLE {
        if !random.random_bool(0.3) {
            continue;
        }
        // Known by the external id only, or by the email.
        let user = if person % 6 == 0 {
            json!({"email": format!("former{person}@x.com"), "external_id": format!("crm-{person}")})
        } else {
            json!({"email": format!("u{person}@x.com"), "first_name": "Before"})
        };
        let user = sandbox.user(user);
        for organization in &organizations {
            if random.random_bool(0.4) {
                let membership = sandbox.membership(&user, organization, &["member"]);
                if random.random_bool(0.2) {
                    sandbox.deactivate(&membership);
                }
            }
        }
    }
}
