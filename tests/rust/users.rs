//! Users who are there already, users in several rows, and rows that disagree about a user.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use workos_importer_core::directory::OnExisting;
use workos_importer_core::row::Kind;

use crate::harness::{Meddle, Scenario, World, emails, memberships};

#[test]
fn a_user_found_by_email_is_left_as_is_and_still_becomes_a_member() {
    let scenario = Scenario::new(
        "email,first_name,org_external_id,org_name\nAlice@Acme.com,Alice,acme,Acme\n",
    );
    let id = scenario
        .sandbox
        .user(json!({"email": "alice@acme.com", "first_name": "Al"}));
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["updated"]);
    assert_eq!(done.id(1, Kind::User), id);
    assert_eq!(
        (
            done.effect(1, Kind::User),
            done.effect(1, Kind::Membership),
            done.evidence(1)
        ),
        ("existing", "created", "confirmed")
    );
    assert!(done.result(1).step(Kind::User).unwrap().differs);
    assert_eq!(done.tally.differing, 1);
    let user = scenario.sandbox.find_user("alice@acme.com");
    assert_eq!(user["first_name"], "Al");
    assert_eq!(done.calls_of("update user"), 0);
    assert_eq!(
        memberships(&scenario.sandbox),
        [(
            "alice@acme.com".into(),
            "acme".into(),
            vec!["member".into()]
        )]
    );
}

#[test]
fn a_user_found_by_external_id_is_the_same_person_under_another_email() {
    let csv = "email,external_id,org_external_id,org_name\nnew@x.com,crm-1,acme,Acme\n";
    let scenario = Scenario::new(csv);
    let id = scenario
        .sandbox
        .user(json!({"email": "old@x.com", "external_id": "crm-1"}));
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["updated"]);
    assert_eq!(done.id(1, Kind::User), id);
    assert_eq!(emails(&scenario.sandbox), ["old@x.com"]);
    let mut again = Scenario::on(scenario.sandbox.clone(), csv);
    again.policy.on_existing = OnExisting::Update;
    let done = again.run();
    assert_eq!(done.effect(1, Kind::User), "updated");
    assert_eq!(emails(&scenario.sandbox), ["new@x.com"]);
}

#[test]
fn two_different_people_are_an_error_that_names_both_and_nothing_is_written() {
    let csv = "email,external_id,org_external_id\nalice@x.com,crm-1,acme\n";
    let scenario = Scenario::new(csv);
    scenario.sandbox.organization("acme", "Acme");
    let alice = scenario.sandbox.user(json!({"email": "alice@x.com"}));
    let other = scenario
        .sandbox
        .user(json!({"email": "other@x.com", "external_id": "crm-1"}));
    let before = scenario.sandbox.dump();
    for on_existing in [OnExisting::Skip, OnExisting::Update] {
        let mut scenario = Scenario::on(scenario.sandbox.clone(), csv);
        scenario.policy.on_existing = on_existing;
        let done = scenario.run();
        assert_eq!(done.code(1), "user_conflict");
        let message = done.message(1);
        assert!(
            message.contains(&alice) && message.contains(&other),
            "{message}"
        );
        assert_eq!(scenario.sandbox.dump(), before);
    }
}

#[test]
fn several_rows_of_one_user_make_one_user_in_whatever_order() {
    let rows = [
        "a@x.com,acme,Acme,admin",
        "A@x.com,beta,Beta,member",
        "a@x.com,acme,Acme,member",
        "a@X.com,acme,Acme,admin",
        "b@x.com,beta,Beta,",
    ];
    for rotation in 0..rows.len() {
        let mut order = rows.to_vec();
        order.rotate_left(rotation);
        let csv = format!(
            "email,org_external_id,org_name,role_slugs\n{}\n",
            order.join("\n")
        );
        let scenario = Scenario::new(&csv);
        let done = scenario.run();
        assert_eq!(done.tally.failed(), 0, "{csv}");
        assert_eq!(done.calls_of("create user"), 2, "{csv}");
        assert_eq!(done.tally.outcomes.get("created"), Some(&2), "{csv}");
        let both = vec!["admin".to_owned(), "member".to_owned()];
        assert_eq!(
            memberships(&scenario.sandbox),
            [
                ("a@x.com".into(), "acme".into(), both),
                ("a@x.com".into(), "beta".into(), vec!["member".into()]),
                ("b@x.com".into(), "beta".into(), vec!["member".into()]),
            ],
            "{csv}"
        );
        assert_eq!(done.calls_of("create membership"), 3, "{csv}");
        assert_eq!(done.calls_of("find membership"), 0, "{csv}");
    }
}

#[test]
fn the_first_row_of_a_user_counts_and_the_others_are_told_apart() {
    let csv = "email,first_name,org_external_id,org_name\n\
        a@x.com,First,acme,Acme\na@x.com,Second,beta,Beta\na@x.com,,beta,Beta\na@x.com,First,beta,Beta\n";
    let scenario = Scenario::new(csv);
    let done = scenario.run();
    assert_eq!(
        done.outcomes(),
        ["created", "updated", "unchanged", "unchanged"]
    );
    assert_eq!(
        scenario.sandbox.find_user("a@x.com")["first_name"],
        json!("First")
    );
    let told: Vec<(u64, Option<u64>, u64)> = done
        .disagreements
        .iter()
        .map(|one| (one.record_number, one.line, one.first_record))
        .collect();
    assert_eq!(told, [(2, Some(3), 1)]);
    assert_eq!(done.disagreements[0].label, None);
}

#[test]
fn the_first_row_counts_even_where_it_has_to_wait_for_its_organization() {
    let csv = "email,first_name,org_external_id,org_name,role_slugs\n\
        a@x.com,First,acme,,admin\na@x.com,Second,acme,Acme,member\n";
    let mut settings = crate::harness::unlimited();
    settings.multiple_roles = false;
    let scenario = Scenario::on(workos_importer_sandbox::Sandbox::new(settings), csv);
    let done = scenario.run();
    assert_eq!(
        scenario.sandbox.find_user("a@x.com")["first_name"],
        json!("First")
    );
    assert_eq!(done.outcomes(), ["created", "failed"]);
    assert_eq!(done.code(2), "role_assignment");
    assert_eq!(done.tally.created.get(&Kind::Organization), Some(&1));
    assert_eq!((done.tally.hits(), done.tally.lookups), (1, 1));
    assert_eq!(
        memberships(&scenario.sandbox),
        [("a@x.com".into(), "acme".into(), vec!["admin".into()])]
    );
}

#[test]
fn update_writes_what_the_row_says_and_differs_and_nothing_else() {
    let csv = "email,first_name,last_name,name,email_verified,external_id,metadata,password\n\
        a@x.com,New,Same,,yes,crm-1,\"{\"\"team\"\":\"\"red\"\"}\",correct horse battery\n";
    let mut scenario = Scenario::new(csv);
    let there = json!({
        "email": "a@x.com", "first_name": "Old", "last_name": "Same", "name": "Kept",
        "metadata": {"team": "red", "shoe": "42"}, "external_id": "crm-1", "email_verified": true,
    });
    let id = scenario.sandbox.user(there);
    scenario.policy.on_existing = OnExisting::Update;
    let done = scenario.run();
    assert_eq!(
        (done.outcomes(), done.effect(1, Kind::User)),
        (vec!["updated"], "updated")
    );
    let update = done
        .log
        .iter()
        .find(|exchange| exchange.method == "PUT")
        .unwrap();
    assert_eq!(update.target, format!("/user_management/users/{id}"));
    assert_eq!(update.body, json!({"first_name": "New"}));
    let user = scenario.sandbox.find_user("a@x.com");
    assert_eq!(
        (&user["name"], &user["metadata"]["shoe"], &user["password"]),
        (&json!("Kept"), &json!("42"), &json!(null))
    );
    let mut again = Scenario::on(scenario.sandbox.clone(), csv);
    again.policy.on_existing = OnExisting::Update;
    let done = again.run();
    assert_eq!(done.outcomes(), ["unchanged"]);
    assert_eq!(done.calls_of("update user"), 0);
    again.policy.update_passwords = true;
    let done = again.run();
    assert_eq!(done.outcomes(), ["updated"]);
    assert_eq!(
        scenario.sandbox.find_user("a@x.com")["password"],
        "password"
    );
    let update = done
        .log
        .iter()
        .find(|exchange| exchange.method == "PUT")
        .unwrap();
    assert_eq!(update.body, json!({"password": "correct horse battery"}));
}

#[test]
fn on_existing_fail_fails_those_who_were_there_and_not_our_own() {
    let csv = "email,org_external_id,org_name\nold@x.com,acme,Acme\nnew@x.com,acme,Acme\nnew@x.com,beta,Beta\n";
    let mut scenario = Scenario::new(csv);
    let old = scenario.sandbox.user(json!({"email": "old@x.com"}));
    scenario.policy.on_existing = OnExisting::Fail;
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["failed", "created", "updated"]);
    assert_eq!(done.code(1), "user_exists");
    assert!(done.message(1).contains(&old), "{}", done.message(1));
    assert_eq!(memberships(&scenario.sandbox).len(), 2);
    // A user whom we made, and learnt of by looking, was not there before.
    let mut scenario = Scenario::new("email\na@x.com\n");
    scenario.policy.on_existing = OnExisting::Fail;
    let lost = workos_importer_sandbox::Fault::ResetAfter;
    scenario
        .sandbox
        .fail_next(http::Method::POST, "/users", lost, 1);
    let done = scenario.run();
    assert_eq!(
        (done.outcomes(), done.evidence(1)),
        (vec!["created"], "inferred")
    );
}

#[test]
fn a_user_who_is_deleted_meanwhile_is_made_again() {
    let csv = "email,org_external_id,org_name\na@x.com,acme,Acme\n";
    let mut scenario = Scenario::new(csv);
    let deleted = AtomicBool::new(false);
    scenario.meddle(move |sandbox, request| {
        let joins = request.method == "POST" && request.target.contains("memberships");
        if joins && !deleted.swap(true, Ordering::Relaxed) {
            let id = sandbox.find_user("a@x.com")["id"].clone();
            sandbox.delete(&format!("/user_management/users/{}", id.as_str().unwrap()));
        }
        Meddle::Pass
    });
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["created"], "{:?}", done.result(1));
    assert_eq!(done.calls_of("create user"), 2);
    assert_eq!(
        done.id(1, Kind::User),
        scenario.sandbox.find_user("a@x.com")["id"]
    );
    assert_eq!(memberships(&scenario.sandbox).len(), 1);
}
