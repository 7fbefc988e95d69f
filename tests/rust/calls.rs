//! How many calls an import costs: to the last one.

use std::collections::BTreeMap;

use serde_json::json;
use workos_importer_core::engine::Ended;

use crate::harness::{Done, Scenario, World};

/// `rows` users over `organizations`, evenly or so that a few organizations have most of the users.
fn file(rows: usize, organizations: usize, skewed: bool) -> String {
    let mut csv = String::with_capacity(rows * 48);
    csv.push_str("email,org_external_id,org_name\n");
    for number in 0..rows {
        let organization = if !skewed || number < organizations {
            number % organizations
        } else {
            // Four of five rows in the first fifth, like the seeds' generator.
            let spread = number.wrapping_mul(2_654_435_761) >> 7;
            if number % 5 == 0 {
                spread % organizations
            } else {
                spread % organizations.div_ceil(5)
            }
        };
        csv.push_str(&format!(
            "u{number}@example.com,org-{organization},Organization {organization}\n"
        ));
    }
    csv
}

fn assert_calls(done: &Done, expected: &[(&'static str, u64)]) {
    let expected: BTreeMap<&'static str, u64> = expected.iter().copied().collect();
    assert_eq!(done.calls, expected);
}

#[test]
fn ten_thousand_rows_over_a_hundred_organizations_that_are_there() {
    let scenario = Scenario::fast(&file(10_000, 100, false));
    for number in 0..100 {
        scenario
            .sandbox
            .organization(&format!("org-{number}"), "There");
    }
    let done = scenario.run();
    assert_eq!(done.tally.outcomes.get("created"), Some(&10_000));
    assert_eq!(scenario.sandbox.counters().total, done.all_calls());
    assert_calls(
        &done,
        &[
            ("check key", 1),
            ("look up organization", 100),
            ("create user", 10_000),
            ("create membership", 10_000),
        ],
    );
    assert_eq!((done.tally.hits(), done.tally.lookups), (9_900, 100));
}

#[test]
fn an_existing_user_with_an_existing_membership_costs_one_refused_write_and_two_reads() {
    for external_id in ["", "crm-1"] {
        let csv = format!("email,external_id,org_id\na@x.com,{external_id},ORG\n");
        let sandbox = Scenario::new("email\n").sandbox;
        let organization = sandbox.organization("acme", "Acme");
        let user = match external_id {
            "" => sandbox.user(json!({"email": "a@x.com"})),
            id => sandbox.user(json!({"email": "a@x.com", "external_id": id})),
        };
        sandbox.membership(&user, &organization, &[]);
        let done = Scenario::on(sandbox, &csv.replace("ORG", &organization)).run();
        assert_eq!(done.outcomes(), ["unchanged"]);
        assert_calls(
            &done,
            &[
                ("check key", 1),
                ("create user", 1),
                ("find user", 1),
                ("find membership", 1),
            ],
        );
    }
}

#[test]
fn a_new_user_in_a_known_organization_costs_two_writes_and_an_organization_one_read_and_one_write()
{
    let known = "email,org_id\na@x.com,ORG\nb@x.com,ORG\n";
    let there = "email,org_external_id\na@x.com,acme\nb@x.com,acme\n";
    let new = "email,org_external_id,org_name\na@x.com,beta,Beta\nb@x.com,beta,Beta\n";
    let rows = [
        ("check key", 1),
        ("create user", 2),
        ("create membership", 2),
    ];
    let look = ("look up organization", 1);
    let make = ("create organization", 1);
    for (csv, more) in [
        (known, vec![]),
        (there, vec![look]),
        (new, vec![look, make]),
    ] {
        let sandbox = Scenario::new("email\n").sandbox;
        let organization = sandbox.organization("acme", "Acme");
        let done = Scenario::on(sandbox, &csv.replace("ORG", &organization)).run();
        assert_eq!(done.outcomes(), ["created", "created"]);
        assert_calls(&done, &[&rows[..], &more].concat());
    }
}

#[test]
fn users_without_organizations_cost_one_write_each() {
    let mut csv = "email\n".to_owned();
    for number in 0..1_000 {
        csv.push_str(&format!("u{number}@x.com\n"));
    }
    let done = Scenario::fast(&csv).run();
    assert_calls(&done, &[("check key", 1), ("create user", 1_000)]);
    assert_eq!((done.tally.hits(), done.tally.lookups), (0, 0));
}

fn org_cache(rows: usize, organizations: usize, skewed: bool) {
    let mut scenario = Scenario::fast(&file(rows, organizations, skewed));
    scenario.logs = false;
    let done = scenario.run();
    let (rows, organizations) = (rows as u64, organizations as u64);
    assert_eq!(done.ended, Ended::Complete);
    assert_eq!(done.tally.outcomes.get("created"), Some(&rows));
    assert_eq!(done.tally.lookups, organizations, "misses");
    assert_eq!(done.tally.hits(), rows - organizations, "hits");
    assert_calls(
        &done,
        &[
            ("check key", 1),
            ("look up organization", organizations),
            ("create organization", organizations),
            ("create user", rows),
            ("create membership", rows),
        ],
    );
}

/// The files of the seeds' tables.
mod org_cache_scale {
    use super::org_cache;

    #[test]
    fn small() {
        for skewed in [false, true] {
            org_cache(100, 10, skewed);
            org_cache(1_000, 50, skewed);
            org_cache(10_000, 100, skewed);
            org_cache(10_000, 1_000, skewed);
        }
    }

    #[test]
    fn large_uniform() {
        org_cache(100_000, 1_000, false);
    }

    #[test]
    fn large_skewed() {
        org_cache(100_000, 1_000, true);
    }

    #[test]
    fn more_organizations_than_the_cache_holds() {
        org_cache(25_000, 12_000, false);
    }
}
