//! Every kind of fault on every call that a row can make: it converges, with the right outcome and evidence, without a
//! duplicate, and in a bounded number of calls.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use workos_importer_core::directory::OnExisting;
use workos_importer_core::engine::Ended;
use workos_importer_core::row::Kind;
use workos_importer_core::wire::SendError;
use workos_importer_sandbox::{Fault, Sandbox, Script, Settings};

use crate::harness::{Done, Meddle, Scenario, World, memberships, unlimited};

/// A call, and a row that makes it.
struct Case {
    name: &'static str,
    method: Method,
    /// What its path and query contain.
    path: &'static str,
    /// How many calls that match come before it.
    skip: u32,
    row: &'static str,
    /// The step whose answer is lost, if it is a write.
    writes: Option<Kind>,
}

const USERS: &str = "/user_management/users";
const MEMBERSHIPS: &str = "/user_management/organization_memberships";

fn cases() -> Vec<Case> {
    let new = "new@x.com,New,,acme,Acme,admin";
    let old = "old@x.com,Old2,crm-1,beta,,admin";
    let out = "out@x.com,,,beta,,";
    let bad = "bad@x.com,,,beta,,wizard";
    let case = |name, method, path, row, writes| Case {
        name,
        method,
        path,
        skip: 0,
        row,
        writes,
    };
    vec![
        case("check", Method::GET, "users?limit=1", new, None),
        case(
            "look up organization",
            Method::GET,
            "/organizations/external_id/",
            new,
            None,
        ),
        case(
            "create organization",
            Method::POST,
            "/organizations",
            new,
            Some(Kind::Organization),
        ),
        case("create user", Method::POST, USERS, new, Some(Kind::User)),
        case(
            "create membership",
            Method::POST,
            MEMBERSHIPS,
            new,
            Some(Kind::Membership),
        ),
        case("refused user", Method::POST, USERS, old, None),
        case("find user", Method::GET, "users?email=", old, None),
        case(
            "find by external id",
            Method::GET,
            "/users/external_id/",
            old,
            None,
        ),
        case("update user", Method::PUT, USERS, old, Some(Kind::User)),
        case("find membership", Method::GET, MEMBERSHIPS, old, None),
        case(
            "update membership",
            Method::PUT,
            MEMBERSHIPS,
            old,
            Some(Kind::Membership),
        ),
        case(
            "reactivate",
            Method::PUT,
            "/reactivate",
            out,
            Some(Kind::Membership),
        ),
        case("refused membership", Method::POST, MEMBERSHIPS, bad, None),
        case("list memberships", Method::GET, MEMBERSHIPS, bad, None),
        case("delete user", Method::DELETE, USERS, bad, None),
    ]
}

fn run(case: &Case, faults: Option<(Fault, u32)>, seed: u64) -> (Done, Sandbox) {
    let csv = format!(
        "email,first_name,external_id,org_external_id,org_name,role_slugs\n{}\n",
        case.row
    );
    let mut scenario = Scenario::on(Sandbox::new(unlimited()), &csv);
    let sandbox = scenario.sandbox.clone();
    let beta = sandbox.organization("beta", "Beta");
    let old = sandbox.user(json!({"email": "old@x.com", "first_name": "Old"}));
    sandbox.membership(&old, &beta, &["member"]);
    let out = sandbox.user(json!({"email": "out@x.com"}));
    sandbox.deactivate(&sandbox.membership(&out, &beta, &[]));
    scenario.limits = None;
    scenario.seed = seed;
    scenario.policy.on_existing = OnExisting::Update;
    scenario.policy.reactivate = true;
    scenario.require_membership = true;
    if let Some((fault, times)) = faults {
        sandbox.script(Script {
            method: Some(case.method.clone()),
            path: case.path.to_owned(),
            skip: case.skip,
            fault,
            times,
        });
    }
    (scenario.run(), sandbox)
}

/// What is there, without what differs from run to run.
fn world(sandbox: &Sandbox) -> Value {
    let dump = sandbox.dump();
    let pick = |list: &str, fields: &[&str]| -> Value {
        let objects = dump[list].as_array().unwrap().iter();
        objects
            .map(|object| fields.iter().map(|field| object[*field].clone()).collect())
            .collect::<Vec<Value>>()
            .into()
    };
    json!({
        "users": pick("users", &["email", "first_name", "external_id"]),
        "organizations": pick("organizations", &["name", "external_id"]),
        "memberships": memberships(sandbox),
    })
}

fn effects(done: &Done) -> [&'static str; 4] {
    [
        done.outcomes()[0],
        done.effect(1, Kind::Organization),
        done.effect(1, Kind::User),
        done.effect(1, Kind::Membership),
    ]
}

#[test]
fn every_fault_on_every_call_once_and_twice() {
    for case in cases() {
        let (usual, sandbox) = run(&case, None, 1);
        assert_eq!(usual.ended, Ended::Complete);
        let there = world(&sandbox);
        for fault in Fault::all() {
            for times in [1, 2] {
                let what = format!("{}: {times} × {fault}", case.name);
                let (done, sandbox) = run(&case, Some((fault, times)), 7);
                assert_eq!(done.ended, Ended::Complete, "{what}");
                assert_eq!(world(&sandbox), there, "{what}");
                assert_eq!(effects(&done), effects(&usual), "{what}");
                assert_eq!(done.code(1), usual.code(1), "{what}");
                assert_eq!(done.tally.taken_back, usual.tally.taken_back, "{what}");
                let hits = sandbox.counters().faults_injected();
                assert!(hits >= 1, "{what}: the call was never made");
                // A write whose answer is lost: one look of two reads, and one more write.
                let most = usual.all_calls() + hits * 4;
                assert!(done.all_calls() <= most, "{what}: {:?}", done.calls);
                let lost = fault.is_applied();
                for kind in [Kind::Organization, Kind::User, Kind::Membership] {
                    let Some(step) = done.result(1).step(kind) else {
                        continue;
                    };
                    let inferred = lost && case.writes == Some(kind);
                    let expected = if inferred { "inferred" } else { "confirmed" };
                    assert_eq!(step.evidence.as_str(), expected, "{what}: {kind:?}");
                }
            }
        }
    }
}

#[test]
fn a_write_that_was_lost_is_not_sent_again_once_it_is_found() {
    for case in cases() {
        for fault in Fault::all().into_iter().filter(|fault| fault.is_applied()) {
            let (usual, _) = run(&case, None, 1);
            let (done, _) = run(&case, Some((fault, 1)), 3);
            let writes = |done: &Done| {
                let sent = done.log.iter();
                sent.filter(|exchange| exchange.method != "GET").count()
            };
            // What answers "no" to a lost request is asked once more: nothing shows that it was refused. A user who is
            // deleted is asked for once more as well: an empty list of memberships does not tell that the user is gone.
            let repeats =
                case.writes.is_none() && case.method != Method::GET && case.name != "refused user";
            assert_eq!(
                writes(&done),
                writes(&usual) + usize::from(repeats),
                "{}: {fault}",
                case.name
            );
        }
    }
}

#[test]
fn a_doubt_that_one_row_had_to_leave_is_settled_by_the_next_and_not_sent_again() {
    let scenario = Scenario::new("email,first_name\na@x.com,A\na@x.com,A\n");
    let sandbox = &scenario.sandbox;
    let users = "/user_management/users";
    sandbox.fail_next(Method::POST, users, Fault::ResetAfter, 1);
    let unavailable = Fault::Status {
        status: StatusCode::SERVICE_UNAVAILABLE,
        applied: false,
    };
    sandbox.fail_next(Method::GET, "users?email", unavailable, 6);
    let done = scenario.run();
    assert_eq!(done.code(1), "in_doubt");
    assert_eq!(done.outcomes(), ["failed", "created"]);
    assert_eq!(done.evidence(2), "inferred");
    assert_eq!(done.calls_of("create user"), 1);
}

/// Over an environment that takes one role for each membership.
fn one_role(csv: &str) -> Scenario {
    Scenario::on(
        Sandbox::new(Settings {
            multiple_roles: false,
            ..unlimited()
        }),
        csv,
    )
}

const TWO_ROLES: &str = "email,org_external_id,org_name,role_slugs\n\
    a@x.com,acme,Acme,\"admin,member\"\n";

#[test]
fn a_smaller_write_whose_answer_was_lost_is_known_for_ours() {
    let scenario = one_role(TWO_ROLES);
    scenario.sandbox.script(Script {
        method: Some(Method::POST),
        path: "organization_memberships".into(),
        // The first one asks for both roles, and is refused.
        skip: 1,
        fault: Fault::ResetAfter,
        times: 1,
    });
    let done = scenario.run();
    assert_eq!(done.code(1), "role_assignment");
    assert_eq!(done.effect(1, Kind::Membership), "created");
    let step = done.result(1).step(Kind::Membership).unwrap();
    assert_eq!(step.evidence.as_str(), "inferred");
}

#[test]
fn what_a_failed_row_made_stays_its_doing_when_it_is_tried_again() {
    // The second row asks for less, and gets it from what the first one made.
    let mut scenario = one_role(&format!("{TWO_ROLES}a@x.com,acme,Acme,admin\n"));
    scenario.retries = vec![Vec::new()];
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["failed", "unchanged"]);
    assert_eq!(done.effect(1, Kind::Membership), "created");
    assert_eq!(done.lives.len(), 2);
}

/// The first of two rows of one user fails before it comes to the user, and is tried again after the other one.
fn first_row_comes_last(on_existing: OnExisting, was_there: bool, changed_since: bool) -> Done {
    let csv =
        "email,first_name,last_name,org_external_id\na@x.com,First,,acme\na@x.com,Second,S,beta\n";
    let mut scenario = Scenario::fast(csv);
    let sandbox = &scenario.sandbox;
    let organizations = ["acme", "beta"].map(|name| sandbox.organization(name, name));
    if was_there {
        sandbox.user(json!({"email": "a@x.com", "first_name": "Before", "last_name": "B"}));
    }
    let unavailable = Fault::Status {
        status: StatusCode::SERVICE_UNAVAILABLE,
        applied: false,
    };
    sandbox.fail_next(
        Method::GET,
        "/organizations/external_id/acme",
        unavailable,
        6,
    );
    scenario.policy.on_existing = on_existing;
    scenario.retries = vec![Vec::new()];
    scenario.meddle(move |sandbox, request| {
        // Once the second row has its membership.
        let user = sandbox.find_user("a@x.com");
        let joined = memberships(sandbox).len() == 1;
        if changed_since && joined && request.target.contains("limit=1") {
            let path = format!("{USERS}/{}", user["id"].as_str().unwrap());
            sandbox.seed(Method::PUT, &path, json!({"first_name": "Theirs"}));
        }
        Meddle::Pass
    });
    let done = scenario.run();
    assert_eq!(done.lives.len(), 2);
    assert_eq!(memberships(&scenario.sandbox).len(), 2, "{organizations:?}");
    let user = scenario.sandbox.find_user("a@x.com");
    let name = user["first_name"].as_str().unwrap();
    let expected = match (on_existing, was_there, changed_since) {
        (OnExisting::Update, ..) | (_, false, false) => "First",
        (_, true, _) => "Before",
        (_, false, true) => "Theirs",
    };
    assert_eq!(
        name, expected,
        "{on_existing:?} {was_there} {changed_since}"
    );
    done
}

#[test]
fn what_the_first_row_says_counts_also_when_it_comes_after_another_one() {
    for was_there in [true, false] {
        for changed_since in [true, false] {
            let done = first_row_comes_last(OnExisting::Update, was_there, changed_since);
            let second = if was_there { "updated" } else { "created" };
            assert_eq!(done.outcomes(), ["updated", second]);
            assert_eq!(done.effect(1, Kind::User), "updated");
            // Looked at, and written to, once more.
            assert_eq!(done.calls_of("update user"), 1 + u64::from(was_there));
        }
    }
}

#[test]
fn who_was_made_by_the_run_gets_what_the_first_row_says_and_nobody_else_does() {
    for (was_there, changed_since, expected) in [
        (false, false, ["updated", "created"]),
        (false, true, ["updated", "created"]),
        (true, false, ["updated", "updated"]),
    ] {
        let done = first_row_comes_last(OnExisting::Skip, was_there, changed_since);
        assert_eq!(done.outcomes(), expected);
        let wrote = !was_there && !changed_since;
        let effect = if wrote { "updated" } else { "existing" };
        assert_eq!(done.effect(1, Kind::User), effect);
    }
}

#[test]
fn what_was_written_in_part_is_told_although_the_rest_failed() {
    let mut scenario = Scenario::fast("email,org_external_id,role_slugs\na@x.com,acme,wizard\n");
    scenario.policy.reactivate = true;
    let sandbox = &scenario.sandbox;
    let (acme, user) = (
        sandbox.organization("acme", "Acme"),
        sandbox.user(json!({"email": "a@x.com"})),
    );
    sandbox.deactivate(&sandbox.membership(&user, &acme, &[]));
    let done = scenario.run();
    assert_eq!(done.code(1), "invalid_role");
    assert_eq!(done.effect(1, Kind::Membership), "reactivated");
    assert_eq!(
        done.message(1),
        "The membership is there, but not all of it could be written: Role 'wizard' does not exist."
    );
}

#[test]
fn what_somebody_else_made_in_the_place_of_ours_is_not_ours() {
    // One role only, so that the row fails, is tried again, and writes to the membership that it made.
    let mut scenario = one_role(TWO_ROLES);
    scenario.retries = vec![Vec::new()];
    let updates = std::sync::atomic::AtomicU32::new(0);
    scenario.meddle(move |sandbox, request| {
        let updates_a_membership = request.method == Method::PUT;
        if updates_a_membership && updates.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
            let dump = sandbox.dump();
            let ours = &dump["organization_memberships"][0];
            let text = |field: &str| ours[field].as_str().unwrap();
            sandbox.delete(&format!("{MEMBERSHIPS}/{}", text("id")));
            sandbox.membership(text("user_id"), text("organization_id"), &["admin"]);
            return Meddle::Fail(SendError::AnswerLost("connection reset".into()));
        }
        Meddle::Pass
    });
    let done = scenario.run();
    assert_eq!(done.lives.len(), 2);
    assert_eq!(done.code(1), "role_assignment");
    assert_eq!(done.effect(1, Kind::Membership), "existing");
}
