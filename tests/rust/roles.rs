//! Memberships and roles: the union, environments that take one role only, inactive memberships.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use workos_importer_core::row::Kind;
use workos_importer_sandbox::{Sandbox, Settings};

use crate::harness::{Done, Meddle, Scenario, World, answer, memberships};

fn roles_of(sandbox: &Sandbox) -> Vec<String> {
    let found = memberships(sandbox);
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].2.clone()
}

fn one_role_only() -> Sandbox {
    Sandbox::new(Settings {
        multiple_roles: false,
        ..Settings::default()
    })
}

#[test]
fn an_existing_membership_with_all_roles_is_done_and_lacking_roles_are_added() {
    for (has, wants, outcome, ends) in [
        (
            vec!["admin", "member"],
            "admin",
            "unchanged",
            vec!["admin", "member"],
        ),
        (vec!["member"], "", "unchanged", vec!["member"]),
        (vec!["member"], "admin", "updated", vec!["admin", "member"]),
        (
            vec!["admin"],
            "member,admin",
            "updated",
            vec!["admin", "member"],
        ),
    ] {
        let csv = format!("email,org_external_id,role_slugs\na@x.com,acme,\"{wants}\"\n");
        let scenario = Scenario::new(&csv);
        let organization = scenario.sandbox.organization("acme", "Acme");
        let user = scenario.sandbox.user(json!({"email": "a@x.com"}));
        let membership = scenario.sandbox.membership(&user, &organization, &has);
        let done = scenario.run();
        assert_eq!(done.outcomes(), [outcome], "{has:?} {wants}");
        assert_eq!(roles_of(&scenario.sandbox), ends, "{has:?} {wants}");
        assert_eq!(done.id(1, Kind::Membership), membership);
        let updates = u64::from(outcome == "updated");
        assert_eq!(done.calls_of("update membership"), updates);
    }
}

#[test]
fn where_one_role_only_is_allowed_the_lowest_record_wins() {
    let csv = "email,org_external_id,org_name,role_slugs\n\
        a@x.com,acme,Acme,admin\na@x.com,acme,Acme,member\na@x.com,acme,Acme,admin\na@x.com,acme,Acme,\n";
    let scenario = Scenario::on(one_role_only(), csv);
    let done = scenario.run();
    assert_eq!(
        done.outcomes(),
        ["created", "failed", "unchanged", "unchanged"]
    );
    let error = done.result(2).error.as_ref().unwrap();
    assert_eq!(
        (error.error_type, error.code),
        ("role_assignment", "role_assignment")
    );
    assert_eq!(
        error.message,
        "This environment allows one role for each membership: `admin` is assigned, `member` not."
    );
    assert_eq!(error.api.http_status, Some(422));
    assert_eq!(
        error.api.workos_code.as_deref(),
        Some("multiple_roles_not_enabled")
    );
    // The membership is there, with fewer roles than asked for.
    assert_eq!(done.effect(2, Kind::Membership), "existing");
    assert_eq!(roles_of(&scenario.sandbox), ["admin"]);
}

#[test]
fn where_one_role_only_is_allowed_a_row_with_two_gets_its_first_and_an_error() {
    let csv = "email,org_external_id,org_name,role_slugs\na@x.com,acme,Acme,\"member,admin\"\n";
    let scenario = Scenario::on(one_role_only(), csv);
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["failed"]);
    assert_eq!(done.code(1), "role_assignment");
    assert!(
        done.message(1)
            .ends_with("`member` was assigned, `admin` not.")
    );
    assert_eq!(roles_of(&scenario.sandbox), ["member"]);
    assert_eq!(
        (done.effect(1, Kind::User), done.effect(1, Kind::Membership)),
        ("created", "created")
    );
}

#[test]
fn a_role_that_is_not_there_fails_the_row_and_the_message_says_what_became_of_the_user() {
    let csv = "email,org_external_id,org_name,role_slugs\na@x.com,acme,Acme,wizard\n";
    let scenario = Scenario::new(csv);
    let done = scenario.run();
    let error = done.result(1).error.as_ref().unwrap();
    assert_eq!(
        (error.error_type, error.code),
        ("role_assignment", "invalid_role")
    );
    let user = done.id(1, Kind::User);
    assert_eq!(
        error.message,
        format!(
            "Membership failed: Role 'wizard' does not exist. The user was kept ({user}); run again to retry, or use \
             --require-membership."
        )
    );
}

#[test]
fn reactivate_lets_in_again_and_adds_the_roles_and_without_it_nobody_is_let_in() {
    let csv = "email,org_external_id,role_slugs\na@x.com,acme,admin\n";
    let mut scenario = Scenario::new(csv);
    let organization = scenario.sandbox.organization("acme", "Acme");
    let user = scenario.sandbox.user(json!({"email": "a@x.com"}));
    let membership = scenario.sandbox.membership(&user, &organization, &[]);
    scenario.sandbox.deactivate(&membership);
    let before = scenario.sandbox.dump();
    let done = scenario.run();
    assert_eq!(done.code(1), "membership_inactive");
    assert!(done.message(1).contains(&membership));
    assert_eq!(scenario.sandbox.dump(), before);
    scenario.policy.reactivate = true;
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["updated"]);
    assert_eq!(done.effect(1, Kind::Membership), "reactivated");
    assert_eq!(roles_of(&scenario.sandbox), ["admin", "member"]);
    assert_eq!(scenario.run().outcomes(), ["unchanged"]);
}

#[test]
fn answers_that_do_not_tell_roles_take_none_away() {
    let csv = "email,org_external_id,org_name,role_slugs\na@x.com,acme,Acme,admin\na@x.com,acme,Acme,member\n";
    let mut scenario = Scenario::new(csv);
    scenario.meddle(|sandbox, request| {
        // The sandbox does it, and answers without roles.
        let joins = request.method == "POST" && request.target.contains("memberships");
        if !joins {
            return Meddle::Pass;
        }
        let body = serde_json::from_slice(request.body.as_deref().unwrap()).unwrap();
        let mut made = sandbox.seed(request.method.clone(), &request.target, body);
        made.as_object_mut().unwrap().remove("role");
        made.as_object_mut().unwrap().remove("roles");
        Meddle::Answer(answer(201, &made, &[]))
    });
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["created", "updated"]);
    assert_eq!(roles_of(&scenario.sandbox), ["admin", "member"]);
}

/// Rehearses and then imports; the rows end in the same way. Returns the rehearsal.
fn foreseen(mut scenario: Scenario) -> Done {
    scenario.rehearses = true;
    scenario.foresees_roles = true;
    let planned = scenario.run();
    scenario.rehearses = false;
    let done = scenario.run();
    for call in ["list roles", "list organization roles"] {
        assert_eq!(planned.calls_of(call), done.calls_of(call), "{call}");
    }
    let ends = |done: &Done| -> Vec<_> {
        (1..=done.results.len() as u64)
            .map(|number| {
                let (result, code) = (done.result(number), done.code(number));
                let message = result.error.as_ref().map(|error| error.message.clone());
                (result.outcome.as_str(), code, message)
            })
            .collect()
    };
    assert_eq!(ends(&planned), ends(&done));
    planned
}

#[test]
fn a_rehearsal_reads_the_roles_once_and_those_of_an_organization_where_it_may_have_more() {
    let csv = "email,org_external_id,org_name,role_slugs\n\
        a@x.com,acme,Acme,admin\n\
        b@x.com,acme,Acme,org-owner\n\
        c@x.com,acme,Acme,\"member,org-owner\"\n\
        d@x.com,acme,Acme,\"admin,wizard\"\n\
        e@x.com,new,New,org-owner\n\
        f@x.com,new,New,member\n\
        g@x.com,acme,Acme,org-owner\n\
        h@x.com,acme,Acme,wizard\n";
    let scenario = Scenario::fast(csv);
    let organization = scenario.sandbox.organization("acme", "Acme");
    scenario.sandbox.role(&organization, "org-owner");
    // One who is a member and lacks the role, and one who cannot be given it.
    for email in ["g@x.com", "h@x.com"] {
        let user = scenario.sandbox.user(json!({"email": email}));
        scenario.sandbox.membership(&user, &organization, &[]);
    }
    let planned = foreseen(scenario);
    let codes: Vec<_> = (1..=8).map(|number| planned.code(number)).collect();
    let wrong = "invalid_role";
    let expected = ["none", "none", "none", wrong, wrong, "none", "none", wrong];
    assert_eq!(codes, expected);
    assert_eq!(planned.message(4), "Role 'wizard' does not exist.");
    assert_eq!(planned.calls_of("list roles"), 1);
    assert_eq!(planned.calls_of("list organization roles"), 1);
}

#[test]
fn roles_are_not_read_for_rows_that_name_none_and_once_for_rows_that_have_what_they_name() {
    for (wants, reads) in [("", 0), ("admin", 1)] {
        let csv = format!(
            "email,org_external_id,role_slugs\na@x.com,acme,{wants}\nb@x.com,acme,\nc@x.com,acme,{wants}\n"
        );
        let scenario = Scenario::fast(&csv);
        let organization = scenario.sandbox.organization("acme", "Acme");
        let user = scenario.sandbox.user(json!({"email": "a@x.com"}));
        scenario
            .sandbox
            .membership(&user, &organization, &["admin"]);
        let planned = foreseen(scenario);
        assert_eq!(planned.outcomes(), ["unchanged", "created", "created"]);
        assert_eq!(planned.calls_of("list roles"), reads);
        assert_eq!(planned.calls_of("list organization roles"), 0);
    }
}

/// Rows that all name a role with a typing error, in an organization that is not there (`made`: only one of them makes it),
/// and in one that is.
#[test]
fn a_typing_error_in_a_role_costs_one_read_and_writes_nothing() {
    let mut csv = String::from("email,org_external_id,org_name,role_slugs\n");
    for number in 0..200 {
        let organization = ["new,New", "acme,"][number % 2];
        csv.push_str(&format!(
            "u{number}@x.com,{organization},\"member,amdin\"\n"
        ));
    }
    let mut scenario = Scenario::fast(&csv);
    scenario.foresees_roles = true;
    scenario.sandbox.organization("acme", "Acme");
    scenario.sandbox.user(json!({"email": "u7@x.com"}));
    let before = scenario.sandbox.dump();
    let done = scenario.run();
    assert_eq!(scenario.sandbox.dump(), before);
    for number in 1..=200 {
        let error = done.result(number).error.as_ref().unwrap();
        assert_eq!(
            (error.error_type, error.code),
            ("role_assignment", "invalid_role")
        );
        let message = "Role 'amdin' does not exist. Did you mean `admin`?";
        assert_eq!(error.message, message);
        assert!(done.result(number).steps.len() < 2, "only its organization");
    }
    assert_eq!(done.calls_of("list roles"), 1);
    assert_eq!(done.calls_of("list organization roles"), 1);
    assert_eq!(done.calls_of("look up organization"), 2);
    assert_eq!(done.log.len(), 5, "and the first, small read");
}

#[test]
fn the_roles_of_an_organization_that_the_run_has_made_are_its_own_when_rows_are_tried_again() {
    let csv = "email,org_external_id,org_name,role_slugs\n\
        a@x.com,new,New,member\nb@x.com,new,New,org-ownr\nc@x.com,new,New,org-owner\n";
    let mut scenario = Scenario::fast(csv);
    scenario.foresees_roles = true;
    scenario.retries = vec![Vec::new()];
    let reads = AtomicU64::new(0);
    scenario.meddle(move |sandbox, request| {
        let is_read = request.target == "/authorization/roles";
        // Somebody makes the role before the second attempt.
        if is_read && reads.fetch_add(1, Ordering::Relaxed) == 1 {
            let organizations = &sandbox.dump()["organizations"];
            sandbox.role(organizations[0]["id"].as_str().unwrap(), "org-owner");
        }
        Meddle::Pass
    });
    let done = scenario.run();
    assert_eq!(done.lives.len(), 2);
    assert_eq!(done.outcomes(), ["created", "failed", "created"]);
    assert_eq!(
        done.message(2),
        "Role 'org-ownr' does not exist. Did you mean `org-owner`?"
    );
}

#[test]
fn where_roles_cannot_be_listed_they_are_not_foreseen_and_rows_go_on() {
    let csv = "email,org_external_id,org_name,role_slugs\n\
        a@x.com,acme,Acme,wizard\nb@x.com,acme,Acme,admin\n";
    let mut scenario = Scenario::fast(csv);
    scenario.meddle(|_, request| match request.target.contains("/roles") {
        true => Meddle::Answer(answer(403, &json!({"message": "Forbidden"}), &[])),
        false => Meddle::Pass,
    });
    scenario.rehearses = true;
    scenario.foresees_roles = true;
    let planned = scenario.run();
    assert_eq!(planned.outcomes(), ["created", "created"]);
    assert_eq!(planned.calls_of("list roles"), 1);
    // The API itself says no to the membership.
    scenario.rehearses = false;
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["failed", "created"]);
    assert_eq!(done.code(1), "invalid_role");
    assert!(done.message(1).contains("The user was kept"));
    assert_eq!(done.calls_of("list roles"), 1);
}
