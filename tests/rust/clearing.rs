//! `--clear-empty`: empty cells clear the fields of users who are there, and nothing else.

use serde_json::{Value, json};
use workos_importer_core::directory::OnExisting;
use workos_importer_core::row::Kind;
use workos_importer_sandbox::Sandbox;

use crate::harness::{Death, Meddle, Scenario, World, answer};

const CSV: &str = "email,first_name,last_name,name,external_id,email_verified,metadata\n\
    a@x.com,,,,,,\n\
    b@x.com,Bob,,,b-1,true,\"{\"\"team\"\":\"\"eng\"\",\"\"dept\"\":null,\"\"none\"\":null}\"\n\
    c@x.com,,,,,,\n\
    new@x.com,,,,,,\n";

/// Two who have everything, and one who has nothing.
fn populate(sandbox: &Sandbox) {
    for letter in ["a", "b"] {
        sandbox.user(json!({
            "email": format!("{letter}@x.com"), "first_name": "F", "last_name": "L", "name": "N", "email_verified": true,
            "external_id": format!("{letter}-1"), "metadata": {"team": "ops", "dept": "1"},
        }));
    }
    sandbox.user(json!({"email": "c@x.com"}));
}

fn clearing(csv: &str) -> Scenario {
    let mut scenario = Scenario::fast(csv);
    populate(&scenario.sandbox);
    scenario.policy.on_existing = OnExisting::Update;
    scenario.compares = true;
    scenario.clear_empty = true;
    scenario
}

/// First name, last name, name, external id, verified, metadata.
fn fields(sandbox: &Sandbox, email: &str) -> Value {
    let user = sandbox.find_user(email);
    let names = [
        "first_name",
        "last_name",
        "name",
        "external_id",
        "email_verified",
        "metadata",
    ];
    names.map(|name| user[name].clone()).into_iter().collect()
}

fn assert_cleared(sandbox: &Sandbox) {
    let has = |email| fields(sandbox, email);
    assert_eq!(has("a@x.com"), json!(["", "", "", "a-1", true, {}]));
    assert_eq!(
        has("b@x.com"),
        json!(["Bob", "", "", "b-1", true, {"team": "eng"}])
    );
    let nothing = json!([null, null, null, null, false, {}]);
    assert_eq!(has("c@x.com"), nothing);
    assert_eq!(has("new@x.com"), nothing);
}

#[test]
fn empty_cells_clear_what_is_there_at_one_call_a_user_and_only_once() {
    for compares in [true, false] {
        let mut scenario = clearing(CSV);
        scenario.compares = compares;
        let done = scenario.run();
        let expected = ["updated", "updated", "unchanged", "created"];
        assert_eq!(done.outcomes(), expected);
        assert_eq!(done.calls_of("update user"), 2);
        assert_cleared(&scenario.sandbox);
        let again = scenario.run();
        assert_eq!(again.outcomes(), ["unchanged"; 4]);
        assert_eq!(again.calls_of("update user"), 0);
    }
}

#[test]
fn without_it_empty_cells_and_nulls_leave_everything_alone() {
    let mut scenario = clearing(CSV);
    scenario.clear_empty = false;
    scenario.run();
    let sandbox = &scenario.sandbox;
    let whole = json!(["F", "L", "N", "a-1", true, {"team": "ops", "dept": "1"}]);
    assert_eq!(fields(sandbox, "a@x.com"), whole);
    let changed = json!(["Bob", "L", "N", "b-1", true, {"team": "eng", "dept": "1"}]);
    assert_eq!(fields(sandbox, "b@x.com"), changed);
}

#[test]
fn a_column_that_the_source_does_not_have_is_left_alone() {
    let scenario = clearing("email,last_name\na@x.com,\n");
    assert_eq!(scenario.run().outcomes(), ["updated"]);
    let left = json!(["F", "", "N", "a-1", true, {"team": "ops", "dept": "1"}]);
    assert_eq!(fields(&scenario.sandbox, "a@x.com"), left);
}

#[test]
fn a_rehearsal_clears_what_the_import_clears() {
    let mut scenario = clearing(CSV);
    let before = scenario.sandbox.dump();
    scenario.rehearses = true;
    let planned = scenario.run();
    assert_eq!(scenario.sandbox.dump(), before);
    scenario.rehearses = false;
    let done = scenario.run();
    assert_eq!(planned.outcomes(), done.outcomes());
    scenario.rehearses = true;
    assert_eq!(scenario.run().outcomes(), ["unchanged"; 4]);
}

#[test]
fn it_converges_wherever_it_is_killed() {
    for polls in 1..60 {
        for unwritten in [0, Death::POWER] {
            let mut scenario = clearing(CSV);
            scenario.stubborn = true;
            scenario.lingers = true;
            scenario.deaths = vec![Death { polls, unwritten }];
            let done = scenario.run();
            assert_eq!(done.results.len(), 4, "{polls}");
            assert!(done.results.iter().all(|result| result.error.is_none()));
            assert_cleared(&scenario.sandbox);
        }
    }
}

#[test]
fn the_first_row_of_a_user_counts_also_where_it_clears() {
    let scenario = clearing("email,first_name\na@x.com,\na@x.com,Ann\nb@x.com,Bob\nb@x.com,\n");
    let done = scenario.run();
    assert_eq!(fields(&scenario.sandbox, "a@x.com")[0], "");
    assert_eq!(fields(&scenario.sandbox, "b@x.com")[0], "Bob");
    let said = done.disagreements.iter().map(|one| one.record_number);
    assert_eq!(said.collect::<Vec<_>>(), [2, 4]);
}

#[test]
fn what_the_api_keeps_although_it_was_to_be_cleared_is_said() {
    let mut scenario = clearing("email,first_name,last_name\na@x.com,,Lee\n");
    scenario.meddle(|sandbox, request| {
        if request.method != "PUT" {
            return Meddle::Pass;
        }
        let mut body: Value = serde_json::from_slice(request.body.as_deref().unwrap()).unwrap();
        // As an API would that takes an empty name for none.
        body.as_object_mut().unwrap().remove("first_name");
        let made = sandbox.seed(request.method.clone(), &request.target, body);
        Meddle::Answer(answer(200, &made, &[]))
    });
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["failed"]);
    assert_eq!(done.code(1), "not_cleared");
    assert_eq!(
        done.message(1),
        "The user is there, but not all of it could be written: The API took the change and has kept `first_name`: it does \
         not clear that."
    );
    assert_eq!(done.effect(1, Kind::User), "updated");
    assert_eq!(done.calls_of("update user"), 1);
    assert_eq!(fields(&scenario.sandbox, "a@x.com")[1], "Lee");
    // Nor does trying again make it true.
    scenario.retries = vec![Vec::new()];
    let tried = scenario.run();
    assert_eq!(tried.lives.len(), 2);
    assert_eq!(tried.outcomes(), ["failed"]);
    assert_eq!(tried.code(1), "not_cleared");
}
