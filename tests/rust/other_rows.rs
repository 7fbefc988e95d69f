//! Rows that are not about users to be imported, under faults, kills and power cuts, in virtual time: nothing is lost,
//! nothing is made twice, and nobody gets a second mail.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use http::Method;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use workos_importer_core::directory::OnExisting;
use workos_importer_core::row::RowKind;
use workos_importer_sandbox::{Faults, Limits, Sandbox, Settings};

use crate::harness::{Death, Done, Scenario};

const SEEDS: u64 = 300;

const PEOPLE: usize = 9;

/// `SEED=7` runs that one alone.
fn seeds() -> std::ops::Range<u64> {
    match std::env::var("SEED").map(|text| text.parse()) {
        Ok(Ok(seed)) => seed..seed + 1,
        _ => 0..SEEDS,
    }
}

fn texts<'a>(objects: &'a Value, name: &str) -> Vec<&'a str> {
    let objects = objects.as_array().into_iter().flatten();
    objects.filter_map(|one| one[name].as_str()).collect()
}

/// An environment with people and organizations in it, and rows of a kind, of which some say the same thing twice.
fn draw(kind: RowKind, seed: u64) -> Scenario {
    let mut random = StdRng::seed_from_u64(seed);
    let sandbox = Sandbox::new(Settings {
        seed,
        latency: (Duration::ZERO, Duration::from_millis(100)),
        limits: Limits::documented(),
        faults: Faults {
            rate: random.random_range(0.0..0.25),
            ..Faults::default()
        },
        ..Settings::default()
    });
    for number in 0..PEOPLE {
        let email = format!("user{number}@x.com");
        let user = json!({ "email": email, "external_id": format!("u{number}") });
        sandbox.seed(Method::POST, "/user_management/users", user);
    }
    for name in ["acme", "beta", "gamma"] {
        let organization = json!({ "name": name, "external_id": name });
        sandbox.seed(Method::POST, "/organizations", organization);
    }
    let header = match kind {
        RowKind::Organizations => "org_external_id,org_name,domains,metadata",
        RowKind::Memberships => "email,user_external_id,org_external_id,role_slugs",
        RowKind::Roles => "role_slug,role_name,permissions,org_external_id",
        RowKind::Invitations => "email,org_external_id,role_slug",
        RowKind::PasswordResets => "email",
        _ => "email,totp_secret",
    };
    let mut csv = format!("{header}\n");
    for _ in 0..random.random_range(5..25) {
        let person = random.random_range(0..PEOPLE);
        let organization = ["acme", "beta", "gamma"][random.random_range(0..3)];
        let role = ["admin", "member"][random.random_range(0..2)];
        let line = match kind {
            RowKind::Organizations => {
                format!(
                    "org{person},Organization {person},d{person}.com:verified,\"{{\"\"a\"\":\"\"{person}\"\"}}\""
                )
            }
            RowKind::Memberships if random.random_bool(0.5) => {
                format!("user{person}@x.com,,{organization},{role}")
            }
            RowKind::Memberships => format!(",u{person},{organization},{role}"),
            RowKind::Roles if random.random_bool(0.5) => {
                format!("role-{person},Role,p{person},")
            }
            RowKind::Roles => format!("org-role-{person},Role,\"p{person},q\",{organization}"),
            RowKind::Invitations => format!("new{person}@x.com,{organization},{role}"),
            RowKind::PasswordResets => format!("user{person}@x.com"),
            _ => format!("user{person}@x.com,JBSWY3DPEHPK3PXP"),
        };
        csv.push_str(&line);
        csv.push('\n');
    }
    let mut scenario = Scenario::on(sandbox, &csv);
    scenario.rows = kind;
    scenario.seed = seed;
    scenario.stubborn = true;
    scenario.lingers = true;
    scenario.can_rewind = random.random_bool(0.8);
    if random.random_bool(0.5) {
        scenario.policy.on_existing = OnExisting::Update;
    }
    let mut deaths = |most| {
        let count = random.random_range(0..most);
        let deaths = (0..count).map(|_| Death {
            polls: random.random_range(1..400),
            unwritten: match random.random_bool(0.5) {
                true => Death::POWER,
                false => random.random_range(0..3),
            },
        });
        deaths.collect::<Vec<_>>()
    };
    scenario.deaths = deaths(4);
    scenario.retries = vec![deaths(3), Vec::new()];
    scenario
}

/// Runs a kind with all seeds; `check` gets what the rows that did not fail say, and what is there.
fn each(kind: RowKind, check: impl Fn(&[BTreeMap<String, String>], &Sandbox, &Done)) {
    let mut failed = 0;
    let mut rows = 0;
    for seed in seeds() {
        let scenario = draw(kind, seed);
        println!("{} with SEED={seed}", kind.as_str());
        let done = scenario.run();
        let mut reader = csv::Reader::from_reader(scenario.csv.as_bytes());
        let lines: Vec<BTreeMap<String, String>> =
            reader.deserialize().map(Result::unwrap).collect();
        assert_eq!(done.lines.len(), lines.len());
        let well = lines.into_iter().zip(&done.lines);
        let well: Vec<_> = well
            .filter(|(_, line)| line.error_message().is_none())
            .map(|(row, _)| row)
            .collect();
        rows += done.lines.len();
        failed += done.lines.len() - well.len();
        check(&well, &scenario.sandbox, &done);
    }
    // What is in doubt for good, and what has met too many faults at once.
    assert!(failed * 5 < rows, "{failed} of {rows} rows failed");
}

#[test]
fn organizations_are_made_once_with_what_their_rows_say() {
    each(RowKind::Organizations, |rows, sandbox, _| {
        let dump = sandbox.dump();
        let there = texts(&dump["organizations"], "external_id");
        let distinct: BTreeSet<_> = there.iter().collect();
        assert_eq!(there.len(), distinct.len());
        for row in rows {
            let mut all = dump["organizations"].as_array().into_iter().flatten();
            let made = all.find(|one| one["external_id"] == row["org_external_id"].as_str());
            let made = made.unwrap();
            assert_eq!(made["name"], row["org_name"].as_str());
            let domain = row["domains"].split(':').next().unwrap();
            assert_eq!(texts(&made["domains"], "domain"), [domain]);
            assert!(made["metadata"]["a"].is_string());
        }
    });
}

#[test]
fn memberships_are_made_once_with_the_roles_of_all_their_rows() {
    each(RowKind::Memberships, |rows, sandbox, _| {
        let dump = sandbox.dump();
        let id_of = |list: &str, by: &str, value: &str| {
            let mut all = dump[list].as_array().into_iter().flatten();
            all.find(|one| one[by] == value).unwrap()["id"].clone()
        };
        let all = dump["organization_memberships"].as_array().unwrap();
        let pairs: BTreeSet<_> = all
            .iter()
            .map(|one| {
                (
                    one["user_id"].to_string(),
                    one["organization_id"].to_string(),
                )
            })
            .collect();
        assert_eq!(pairs.len(), all.len());
        assert_eq!(dump["users"].as_array().unwrap().len(), PEOPLE);
        for row in rows {
            let user = match row["email"].as_str() {
                "" => id_of("users", "external_id", &row["user_external_id"]),
                email => id_of("users", "email", email),
            };
            let organization = id_of("organizations", "external_id", &row["org_external_id"]);
            let mut all = all.iter();
            let made =
                all.find(|one| one["user_id"] == user && one["organization_id"] == organization);
            let roles = texts(&made.unwrap()["roles"], "slug");
            assert!(
                roles.contains(&row["role_slugs"].as_str()),
                "{row:?}: {roles:?}"
            );
        }
    });
}

#[test]
fn roles_have_the_permissions_of_all_their_rows() {
    each(RowKind::Roles, |rows, sandbox, _| {
        for row in rows {
            let path = match row["org_external_id"].as_str() {
                "" => format!("/authorization/roles/{}", row["role_slug"]),
                external_id => {
                    let path = format!("/organizations/external_id/{external_id}");
                    let organization = sandbox.seed(Method::GET, &path, Value::Null);
                    let id = organization["id"].as_str().unwrap();
                    let slug = &row["role_slug"];
                    format!("/authorization/organizations/{id}/roles/{slug}")
                }
            };
            let role = sandbox.seed(Method::GET, &path, Value::Null);
            for permission in row["permissions"].split(',') {
                let has = role["permissions"].as_array().unwrap();
                assert!(has.contains(&json!(permission)), "{row:?}: {role}");
            }
        }
    });
}

#[test]
fn nobody_is_invited_twice_into_one_organization() {
    each(RowKind::Invitations, |rows, sandbox, _| {
        let dump = sandbox.dump();
        let all = dump["invitations"].as_array().unwrap();
        let distinct: BTreeSet<_> = all
            .iter()
            .map(|one| (one["email"].to_string(), one["organization_id"].to_string()))
            .collect();
        assert_eq!(distinct.len(), all.len());
        for row in rows {
            assert!(texts(&dump["invitations"], "email").contains(&row["email"].as_str()));
        }
    });
}

#[test]
fn nobody_gets_a_second_mail_to_set_a_password() {
    each(RowKind::PasswordResets, |rows, sandbox, done| {
        let mails = sandbox.counters().mails;
        for (address, kinds) in &mails {
            let sent: u64 = kinds.values().sum();
            assert_eq!(sent, 1, "{address}");
        }
        for row in rows {
            assert!(mails.contains_key(&row["email"]), "{row:?}");
        }
        let in_doubt = done.lines.iter().filter_map(|line| line.error_message());
        for message in in_doubt.filter(|message| message.contains("not known")) {
            assert!(message.contains("not sent a second time"), "{message}");
        }
    });
}

#[test]
fn nobody_gets_a_second_factor() {
    each(RowKind::TotpFactors, |rows, sandbox, _| {
        for row in rows {
            let dump = sandbox.dump();
            let mut users = dump["users"].as_array().into_iter().flatten();
            let user = users.find(|one| one["email"] == row["email"].as_str());
            let id = user.unwrap()["id"].as_str().unwrap();
            let path = format!("/user_management/users/{id}/auth_factors");
            let factors = sandbox.seed(Method::GET, &path, Value::Null);
            assert_eq!(factors["data"].as_array().unwrap().len(), 1);
        }
    });
}
