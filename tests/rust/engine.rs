//! Tests that walk through several rooms of the core: the engine over the sandbox, in virtual time. One binary, because
//! linking costs more than running. Here: the shortest way through; each module says what it is about.

mod answers;
mod calls;
mod clearing;
mod comparing;
mod faults;
mod forecasts;
mod harness;
mod journals;
mod kratos;
mod kratos_in_process;
mod objects;
mod organizations;
mod other_rows;
mod outages;
mod pacing;
mod recovering;
mod reports;
mod requests;
mod retries;
mod roles;
mod schedules;
mod secrets;
mod stops;
mod take_back;
mod undoing;
mod users;

use harness::{Scenario, emails, memberships};
use http::Method;
use serde_json::json;
use workos_importer_core::engine::Ended;

const TWO_ORGANIZATIONS: &str = "email,first_name,org_external_id,org_name\n\
    alice@acme.com,Alice,acme,Acme\n\
    bob@acme.com,Bob,acme,Acme\n\
    alice@acme.com,Alice,beta,Beta\n";

#[test]
fn users_organizations_and_memberships_are_made_with_the_fewest_calls() {
    let scenario = Scenario::new(TWO_ORGANIZATIONS);
    let done = scenario.run();
    assert_eq!(done.ended, Ended::Complete);
    assert_eq!(done.outcomes(), ["created", "created", "updated"]);
    assert_eq!(
        emails(&scenario.sandbox),
        ["alice@acme.com", "bob@acme.com"]
    );
    assert_eq!(memberships(&scenario.sandbox).len(), 3);
    let expected = [
        ("check key", 1),
        ("create membership", 3),
        ("create organization", 2),
        ("create user", 2),
        ("look up organization", 2),
    ];
    assert_eq!(done.calls, expected.into_iter().collect());
    assert_eq!((done.tally.hits(), done.tally.lookups), (1, 2));
}

#[test]
fn a_second_run_changes_nothing() {
    let first = Scenario::new(TWO_ORGANIZATIONS);
    first.run();
    let before = first.sandbox.dump();
    let done = Scenario::on(first.sandbox.clone(), TWO_ORGANIZATIONS).run();
    assert_eq!(done.outcomes(), ["unchanged", "unchanged", "unchanged"]);
    assert_eq!(first.sandbox.dump(), before);
}

#[test]
fn a_row_without_a_name_waits_for_the_row_that_has_it() {
    let csv =
        "email,org_external_id,org_name\na@x.com,acme,\nb@x.com,acme,Acme\nc@x.com,nowhere,\n";
    let done = Scenario::new(csv).run();
    assert_eq!(done.outcomes(), ["created", "created", "failed"]);
    assert_eq!(done.message(3), "Organization not found: nowhere");
    assert_eq!(
        done.result(3).error.as_ref().unwrap().api.http_status,
        Some(404)
    );
    assert_eq!((done.tally.hits(), done.tally.lookups), (1, 2));
}

#[test]
fn a_lost_answer_is_read_back_and_never_sent_twice() {
    let scenario = Scenario::new("email,org_external_id,org_name\na@x.com,acme,Acme\n");
    for path in [
        "/user_management/users",
        "/organizations",
        "/user_management/organization_memberships",
    ] {
        scenario.sandbox.fail_next(
            Method::POST,
            path,
            workos_importer_sandbox::Fault::ResetAfter,
            1,
        );
    }
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["created"], "{:?}", done.result(1));
    assert_eq!(done.result(1).evidence().unwrap().as_str(), "inferred");
    assert_eq!(done.calls_of("create user"), 1);
    assert_eq!(memberships(&scenario.sandbox).len(), 1);
    assert_eq!(emails(&scenario.sandbox), ["a@x.com"]);
}

#[test]
fn an_inactive_membership_stays_so_unless_asked() {
    let csv = "email,org_external_id\na@x.com,acme\n";
    let scenario = Scenario::new(csv);
    let organization = scenario.sandbox.seed(
        Method::POST,
        "/organizations",
        json!({"name": "Acme", "external_id": "acme"}),
    );
    let user = scenario.sandbox.seed(
        Method::POST,
        "/user_management/users",
        json!({"email": "a@x.com"}),
    );
    let membership = scenario.sandbox.seed(
        Method::POST,
        "/user_management/organization_memberships",
        json!({"user_id": user["id"], "organization_id": organization["id"]}),
    );
    let path = format!(
        "/user_management/organization_memberships/{}/deactivate",
        membership["id"].as_str().unwrap()
    );
    scenario.sandbox.seed(Method::PUT, &path, json!({}));
    let done = scenario.run();
    assert_eq!(done.code(1), "membership_inactive");
    assert!(memberships(&scenario.sandbox).is_empty());
    let mut again = Scenario::on(scenario.sandbox.clone(), csv);
    again.policy.reactivate = true;
    let done = again.run();
    assert_eq!(done.outcomes(), ["updated"]);
    assert_eq!(memberships(&scenario.sandbox).len(), 1);
}
