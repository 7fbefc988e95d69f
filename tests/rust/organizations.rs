//! How rows name organizations, who makes them, and what happens when they are not there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use workos_importer_core::engine::Ended;
use workos_importer_core::row::Kind;
use workos_importer_sandbox::{Sandbox, Settings};

use crate::harness::{Meddle, Scenario, World, answer, emails, memberships, unlimited};

#[test]
fn one_organization_named_by_its_id_and_by_its_external_id_has_one_membership() {
    let sandbox = Scenario::new("email\n").sandbox;
    let id = sandbox.organization("acme", "Acme");
    let csv = format!(
        "email,org_id,org_external_id,role_slugs\na@x.com,{id},,admin\na@x.com,,acme,member\na@x.com,{id},,\n"
    );
    let scenario = Scenario::on(sandbox, &csv);
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["created", "updated", "unchanged"]);
    let both = vec!["admin".to_owned(), "member".to_owned()];
    assert_eq!(
        memberships(&scenario.sandbox),
        [("a@x.com".into(), "acme".into(), both)]
    );
    // One lookup; what is named by its id is not looked up.
    assert_eq!(
        (
            done.calls_of("look up organization"),
            done.calls_of("get organization")
        ),
        (1, 0)
    );
    assert_eq!(done.calls_of("create membership"), 1);
    assert_eq!(done.id(1, Kind::Membership), done.id(2, Kind::Membership));
}

#[test]
fn an_organization_that_somebody_else_makes_meanwhile_is_looked_up_again() {
    let csv = "email,org_external_id,org_name\na@x.com,acme,Acme\nb@x.com,acme,Acme\n";
    let mut scenario = Scenario::new(csv);
    let seeded = AtomicBool::new(false);
    scenario.meddle(move |sandbox, request| {
        let creates = request.method == "POST" && request.target == "/organizations";
        if creates && !seeded.swap(true, Ordering::Relaxed) {
            sandbox.organization("acme", "Made by somebody else");
        }
        Meddle::Pass
    });
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["created", "created"]);
    assert_eq!(done.effect(1, Kind::Organization), "existing");
    assert_eq!(scenario.sandbox.count("organizations"), 1);
    assert_eq!(memberships(&scenario.sandbox).len(), 2);
    assert_eq!(
        (
            done.calls_of("look up organization"),
            done.calls_of("create organization")
        ),
        (2, 1)
    );
    // A miss is one organization, however often it had to be looked at.
    assert_eq!((done.tally.hits(), done.tally.lookups), (1, 1));
    assert_eq!(done.tally.created.get(&Kind::Organization), None);
}

#[test]
fn an_unknown_org_id_fails_its_rows_and_later_ones_before_they_write() {
    let mut csv = "email,org_id\n".to_owned();
    for number in 0..300 {
        csv.push_str(&format!("u{number}@x.com,org_unknown\n"));
    }
    let done = Scenario::new(&csv).run();
    assert_eq!(done.tally.failed(), 300);
    let (first, last) = (done.result(1), done.result(300));
    let error = first.error.as_ref().unwrap();
    assert_eq!(
        (error.error_type, error.code, error.api.http_status),
        ("org_resolution", "org_resolution", Some(404))
    );
    let user = done.id(1, Kind::User);
    assert_eq!(
        error.message,
        format!(
            "Membership failed: Organization not found: org_unknown. The user was kept ({user}); run again to retry, \
             or use --require-membership."
        )
    );
    // Rows that began after the answer write nothing.
    assert!(last.steps.is_empty());
    assert_eq!(done.message(300), "Organization not found: org_unknown");
    assert!(done.calls_of("create user") < 300);
}

#[test]
fn without_create_orgs_a_missing_organization_fails_before_the_user_is_made() {
    let csv = "email,org_external_id,org_name\na@x.com,nowhere,Nowhere\nb@x.com,nowhere,\n";
    let mut scenario = Scenario::new(csv);
    scenario.policy.create_organizations = false;
    let done = scenario.run();
    for number in [1, 2] {
        assert_eq!(done.code(number), "org_resolution");
        assert_eq!(done.message(number), "Organization not found: nowhere");
        let error = done.result(number).error.as_ref().unwrap();
        assert_eq!(error.api.http_status, Some(404));
    }
    assert!(emails(&scenario.sandbox).is_empty());
    assert_eq!(scenario.sandbox.count("organizations"), 0);
    assert_eq!(
        (
            done.calls_of("look up organization"),
            done.all_calls(),
            done.tally.lookups
        ),
        (1, 2, 1)
    );
}

#[test]
fn a_source_that_is_read_once_fails_a_row_without_a_name_at_once() {
    let csv = "email,org_external_id,org_name\na@x.com,acme,\nb@x.com,acme,Acme\n";
    let mut scenario = Scenario::new(csv);
    scenario.can_rewind = false;
    let done = scenario.run();
    assert_eq!(done.ended, Ended::Complete);
    assert_eq!(done.outcomes(), ["failed", "created"]);
    assert_eq!(done.message(1), "Organization not found: acme");
}

#[test]
fn a_403_about_one_organization_fails_its_rows_and_no_others() {
    let csv =
        "email,org_external_id,org_name\na@x.com,secret,S\nb@x.com,acme,Acme\nc@x.com,secret,S\n";
    let mut scenario = Scenario::new(csv);
    scenario.meddle(|_, request| {
        if request.target == "/organizations/external_id/secret" {
            let body = json!({"message": "Forbidden here.", "code": "forbidden"});
            return Meddle::Answer(answer(403, &body, &[("x-request-id", "req_7")]));
        }
        Meddle::Pass
    });
    let done = scenario.run();
    assert_eq!(done.ended, Ended::Complete);
    assert_eq!(done.outcomes(), ["failed", "created", "failed"]);
    let error = done.result(1).error.as_ref().unwrap();
    assert_eq!(
        (
            error.error_type,
            error.message.as_str(),
            error.api.http_status
        ),
        ("org_resolution", "Forbidden here.", Some(403))
    );
    assert_eq!(error.api.workos_code.as_deref(), Some("forbidden"));
    assert_eq!(error.api.workos_request_id.as_deref(), Some("req_7"));
    assert_eq!(emails(&scenario.sandbox), ["b@x.com"]);
}

#[test]
fn the_name_that_was_read_first_counts_even_where_its_row_comes_late() {
    // The second row of `a` waits for the first one, so the row with the other name gets to the organization first.
    let csv = "email,org_external_id,org_name\na@x.com,beta,Beta\na@x.com,acme,First\nb@x.com,acme,Second\n";
    let latency = Duration::from_millis(100);
    let settings = Settings {
        latency: (latency, latency),
        ..unlimited()
    };
    let scenario = Scenario::on(Sandbox::new(settings), csv);
    let done = scenario.run();
    assert_eq!(done.tally.failed(), 0);
    let dump = scenario.sandbox.dump();
    let mut names: Vec<&str> = dump["organizations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|organization| organization["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["Beta", "First"]);
    assert_eq!(done.disagreements.len(), 1);
    let told = &done.disagreements[0];
    assert_eq!((told.record_number, told.first_record), (3, 2));
    assert_eq!(told.label.as_deref(), Some("First"));
}

#[test]
fn an_organization_that_goes_away_meanwhile_is_made_again_or_fails_the_row_with_its_user() {
    for (name, outcome) in [("Acme", "created"), ("", "failed")] {
        let csv = format!("email,org_external_id,org_name\na@x.com,acme,{name}\n");
        let mut scenario = Scenario::new(&csv);
        let organization = scenario.sandbox.organization("acme", "Acme");
        let deleted = AtomicBool::new(false);
        scenario.meddle(move |sandbox, request| {
            let joins = request.method == "POST" && request.target.contains("memberships");
            if joins && !deleted.swap(true, Ordering::Relaxed) {
                sandbox.delete(&format!("/organizations/{organization}"));
            }
            Meddle::Pass
        });
        let done = scenario.run();
        assert_eq!(done.outcomes(), [outcome], "{:?}", done.result(1));
        // The user that this row made is reported by this row, whatever became of the organization.
        assert_eq!(done.effect(1, Kind::User), "created");
        assert_eq!(done.calls_of("create user"), 1);
        assert_eq!(
            done.lines[0].texts[6].as_deref(),
            Some(done.id(1, Kind::User))
        );
        if outcome == "failed" {
            assert_eq!(done.code(1), "org_resolution");
            let user = done.id(1, Kind::User);
            assert!(done.message(1).contains(&format!("was kept ({user})")));
        }
    }
}

#[test]
fn a_404_that_names_nothing_does_not_make_an_organization_missing_that_was_looked_up() {
    let csv = "email,org_external_id\na@x.com,acme\nb@x.com,acme\n";
    let mut scenario = Scenario::new(csv);
    scenario.sandbox.organization("acme", "Acme");
    scenario.concurrency = Some(1);
    scenario.meddle(|sandbox, request| {
        let first = sandbox.find_user("a@x.com")["id"].clone();
        let joins = request.method == "POST" && request.target.contains("memberships");
        let body = request.body.clone().unwrap_or_default();
        if joins && String::from_utf8_lossy(&body).contains(first.as_str().unwrap_or("none")) {
            return Meddle::Answer(answer(404, &json!({"message": "Not Found"}), &[]));
        }
        Meddle::Pass
    });
    let done = scenario.run();
    assert_eq!(
        done.outcomes(),
        ["failed", "created"],
        "{:?}",
        done.result(2)
    );
    assert_eq!(done.code(1), "membership_create_failed");
}

#[test]
fn single_organization_mode_asks_once_and_stops_before_the_first_row_if_it_is_missing() {
    let mut scenario = Scenario::new("email\na@x.com\nb@x.com\n");
    scenario.organization.external_id = Some("acme".into());
    let done = scenario.run();
    let Ended::Prelude(error) = &done.ended else {
        panic!("{:?}", done.ended)
    };
    assert_eq!(error.message, "Organization not found: acme");
    assert!(emails(&scenario.sandbox).is_empty());
    scenario.organization.create_if_missing = true;
    scenario.organization.name = Some("Acme".into());
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["created", "created"]);
    assert_eq!(done.tally.created.get(&Kind::Organization), Some(&1));
    assert_eq!(done.calls_of("look up organization"), 1);
    assert_eq!(memberships(&scenario.sandbox).len(), 2);
}

#[test]
fn a_wrong_org_id_for_all_rows_stops_before_the_first_user_and_a_key_that_may_not_look_goes_on() {
    let mut scenario = Scenario::new("email\na@x.com\n");
    scenario.organization.id = Some("org_unknown".into());
    let done = scenario.run();
    let Ended::Prelude(error) = &done.ended else {
        panic!("{:?}", done.ended)
    };
    assert_eq!(error.message, "Organization not found: org_unknown");
    assert!(emails(&scenario.sandbox).is_empty());
    let id = scenario.sandbox.organization("acme", "Acme");
    scenario.organization.id = Some(id);
    scenario.meddle(
        |_, request| match request.target.starts_with("/organizations/") {
            true => Meddle::Answer(answer(403, &json!({"message": "Forbidden"}), &[])),
            false => Meddle::Pass,
        },
    );
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["created"], "{:?}", done.ended);
    assert_eq!(memberships(&scenario.sandbox).len(), 1);
}
