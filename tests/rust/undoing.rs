//! `undo`: what a run has made is gone afterwards, and nothing else is; what is left is said, with a reason that is true.

mod mixes;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use workos_importer_core::directory::OnExisting;
use workos_importer_core::directory::workos::Limits;
use workos_importer_core::engine::Ended;
use workos_importer_core::journal::{UNDOING, UNDONE, Verdict};
use workos_importer_core::pace::Limit;
use workos_importer_core::row::Kind;
use workos_importer_sandbox::{Fault, Sandbox, Settings};

use crate::harness::{Meddle, Scenario, Undid, World, answer, emails, memberships};

const USERS: &str = "/user_management/users";
const MEMBERSHIPS: &str = "/user_management/organization_memberships";

/// A scenario whose journal is on disk, and the folder that it is in.
fn scenario(rows: &str) -> (Scenario, tempfile::TempDir) {
    let csv = format!("email,first_name,org_external_id,org_name,role_slugs\n{rows}");
    let mut scenario = Scenario::new(&csv);
    let folder = tempfile::tempdir().unwrap();
    scenario.journal = Some(folder.path().join("journal.sqlite3"));
    (scenario, folder)
}

const TWO: &str = "a@x.com,Ada,acme,Acme,\nb@x.com,Bob,acme,Acme,admin\na@x.com,Ada,beta,Beta,\n";

fn undone(scenario: &Scenario, organizations: bool) -> Undid {
    let undid = scenario.undo(&[], organizations);
    assert_eq!(undid.ended, Ended::Complete);
    undid
}

fn user_id(scenario: &Scenario, email: &str) -> String {
    let user = scenario.sandbox.find_user(email);
    user["id"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn everything_that_the_run_made_is_deleted_with_the_fewest_calls() {
    let (scenario, _folder) = scenario(TWO);
    scenario.run();
    let undid = undone(&scenario, true);
    assert_eq!(undid.status.as_deref(), Some(UNDONE));
    assert!(undid.left.is_empty(), "{:?}", undid.left);
    let dump = scenario.sandbox.dump();
    for list in ["users", "organizations", "organization_memberships"] {
        assert_eq!(dump[list], json!([]), "{list}");
    }
    let expected = [
        ("check key", 1),
        ("delete membership", 3),
        ("delete organization", 2),
        ("delete user", 2),
        ("get organization", 2),
        ("get user", 2),
        // One for each user, one for each organization.
        ("list memberships", 4),
    ];
    assert_eq!(undid.calls, expected.into_iter().collect());
}

#[test]
fn organizations_stay_unless_asked_for_and_then_only_if_they_are_empty() {
    let (scenario, _folder) = scenario(TWO);
    scenario.run();
    let undid = undone(&scenario, false);
    assert!(undid.left.is_empty());
    assert_eq!(scenario.sandbox.count("organizations"), 2);
    assert_eq!(scenario.sandbox.count("users"), 0);
    // And now they are; one has somebody in it by then, if only an inactive one.
    let dump = scenario.sandbox.dump();
    let acme = dump["organizations"][0]["id"].as_str().unwrap();
    let user = scenario.sandbox.user(json!({"email": "new@x.com"}));
    let membership = scenario.sandbox.membership(&user, acme, &[]);
    scenario.sandbox.deactivate(&membership);
    let undid = undone(&scenario, true);
    assert_eq!(undid.why(acme), Some(Verdict::NotEmpty));
    assert_eq!(scenario.sandbox.count("organizations"), 1);
}

#[test]
fn who_has_signed_in_stays_with_all_memberships() {
    let (scenario, _folder) = scenario(TWO);
    scenario.run();
    let ada = user_id(&scenario, "a@x.com");
    assert!(scenario.sandbox.sign_in(&ada));
    let undid = undone(&scenario, true);
    assert_eq!(undid.why(&ada), Some(Verdict::SignedIn));
    assert_eq!(emails(&scenario.sandbox), ["a@x.com"]);
    assert_eq!(memberships(&scenario.sandbox).len(), 2);
    assert_eq!(undid.count(Kind::Membership, Verdict::SignedIn), 2);
    assert_eq!(undid.count(Kind::Organization, Verdict::NotEmpty), 2);
    let line = undid
        .left
        .iter()
        .find(|line| line.kind == Kind::Membership)
        .unwrap();
    assert_eq!(line.name.as_deref(), Some("a@x.com"));
}

#[test]
fn what_others_have_changed_stays() {
    let (scenario, _folder) =
        scenario("a@x.com,Ada,acme,Acme,\nb@x.com,Bob,acme,Acme,\nc@x.com,Cid,acme,Acme,\n");
    scenario.run();
    let [ada, bob] = ["a@x.com", "b@x.com"].map(|email| user_id(&scenario, email));
    let path = format!("{USERS}/{ada}");
    scenario
        .sandbox
        .seed(Method::PUT, &path, json!({"last_name": "Byron"}));
    let dump = scenario.sandbox.dump();
    let mut listed = dump["organization_memberships"].as_array().unwrap().iter();
    let of_bob = listed.find(|one| one["user_id"] == bob.as_str()).unwrap();
    let of_bob = of_bob["id"].as_str().unwrap();
    let path = format!("{MEMBERSHIPS}/{of_bob}");
    scenario
        .sandbox
        .seed(Method::PUT, &path, json!({"role_slug": "admin"}));
    let acme = dump["organizations"][0]["id"].as_str().unwrap();
    let path = format!("/organizations/{acme}");
    scenario
        .sandbox
        .seed(Method::PUT, &path, json!({"name": "Acme & Sons"}));
    let undid = undone(&scenario, true);
    for id in [ada.as_str(), &bob, of_bob, acme] {
        assert_eq!(undid.why(id), Some(Verdict::Changed), "{id}");
    }
    assert_eq!(emails(&scenario.sandbox), ["a@x.com", "b@x.com"]);
}

#[test]
fn who_has_memberships_that_are_not_the_runs_stays() {
    let (scenario, _folder) = scenario("a@x.com,Ada,acme,Acme,\n");
    scenario.run();
    let ada = user_id(&scenario, "a@x.com");
    let other = scenario.sandbox.organization("other", "Other");
    scenario.sandbox.membership(&ada, &other, &[]);
    let undid = undone(&scenario, false);
    assert_eq!(undid.why(&ada), Some(Verdict::OtherMemberships));
    assert_eq!(memberships(&scenario.sandbox).len(), 2);
}

#[test]
fn users_who_were_there_stay_and_only_their_new_memberships_go() {
    let (mut scenario, _folder) =
        scenario("old@x.com,New,acme,Acme,\nold@x.com,New,beta,Beta,admin\n");
    scenario.policy.on_existing = OnExisting::Update;
    let old = scenario
        .sandbox
        .user(json!({"email": "old@x.com", "first_name": "Old"}));
    let beta = scenario.sandbox.organization("beta", "Beta");
    let there = scenario.sandbox.membership(&old, &beta, &["member"]);
    // Somebody who was there uses what they have: that is no reason to keep what the run has given.
    scenario.sandbox.sign_in(&old);
    scenario.run();
    assert_eq!(memberships(&scenario.sandbox).len(), 2);
    let undid = undone(&scenario, true);
    let left: Vec<_> = undid
        .left
        .iter()
        .map(|line| (line.remote_id.clone().unwrap(), line.verdict))
        .collect();
    let expected = [(old.clone(), Verdict::Updated), (there, Verdict::Updated)];
    assert_eq!(left, expected);
    let notes: Vec<_> = undid.left.iter().map(|line| line.note.as_deref()).collect();
    assert_eq!(notes, [Some("first_name"), Some("roles")]);
    assert_eq!(scenario.sandbox.find_user("old@x.com")["first_name"], "New");
    let roles = vec!["member".to_owned(), "admin".to_owned()];
    let mut roles = roles;
    roles.sort();
    assert_eq!(
        memberships(&scenario.sandbox),
        [("old@x.com".to_owned(), "beta".to_owned(), roles)]
    );
}

#[test]
fn what_is_only_inferred_stays_and_is_listed() {
    let (scenario, _folder) = scenario("a@x.com,Ada,acme,Acme,\nb@x.com,Bob,acme,Acme,\n");
    scenario
        .sandbox
        .fail_next(Method::POST, USERS, Fault::ResetAfter, 1);
    let done = scenario.run();
    let record = if done.evidence(1) == "inferred" { 1 } else { 2 };
    let inferred = done.id(record, Kind::User).to_owned();
    let undid = undone(&scenario, false);
    assert_eq!(undid.why(&inferred), Some(Verdict::Inferred));
    assert_eq!(emails(&scenario.sandbox).len(), 1);
    // The membership is certain.
    assert!(memberships(&scenario.sandbox).is_empty());
}

/// The process dies while three creations are under way: one has arrived, two have not.
#[test]
fn what_is_in_doubt_is_looked_for_and_listed_only_if_it_is_there() {
    let (mut scenario, _folder) = scenario("a@x.com,Ada,,,\nb@x.com,Bob,,,\nc@x.com,Cid,,,\n");
    let hangs = |applied| Fault::Hang { applied };
    for fault in [hangs(true), hangs(false), hangs(false)] {
        scenario.sandbox.fail_next(Method::POST, USERS, fault, 1);
    }
    scenario.concurrency = Some(3);
    let done = scenario.run_halted(&[(5.0, workos_importer_core::engine::Halt::Now)]);
    assert_eq!(done.ended, Ended::Halted);
    assert_eq!(emails(&scenario.sandbox).len(), 1);
    let there = emails(&scenario.sandbox).remove(0);
    let undid = undone(&scenario, false);
    let left: Vec<_> = undid
        .left
        .iter()
        .map(|line| (line.name.clone(), line.verdict))
        .collect();
    assert_eq!(left, [(Some(there.clone()), Verdict::InDoubt)]);
    let id = user_id(&scenario, &there);
    let note = format!("it is there: {id}");
    assert_eq!(undid.left[0].note.as_deref(), Some(note.as_str()));
}

#[test]
fn an_inferred_user_who_has_signed_in_is_not_put_out() {
    let (scenario, _folder) = scenario("a@x.com,Ada,acme,Acme,\n");
    scenario
        .sandbox
        .fail_next(Method::POST, USERS, Fault::ResetAfter, 1);
    scenario.run();
    let ada = user_id(&scenario, "a@x.com");
    scenario.sandbox.sign_in(&ada);
    let undid = undone(&scenario, false);
    assert_eq!(undid.why(&ada), Some(Verdict::Inferred));
    assert_eq!(undid.count(Kind::Membership, Verdict::SignedIn), 1);
    assert_eq!(memberships(&scenario.sandbox).len(), 1);
}

#[test]
fn what_the_api_does_not_let_go_is_said_in_its_words_and_may_go_another_time() {
    let (mut scenario, _folder) = scenario("a@x.com,Ada,,,\nb@x.com,Bob,,,\n");
    scenario.run();
    let ada = user_id(&scenario, "a@x.com");
    let path = format!("{USERS}/{ada}");
    scenario.meddle(move |_, request| {
        if request.method == "DELETE" && request.target == path {
            let body = json!({"code": "user_deletion_not_allowed", "message": "Not this one."});
            return Meddle::Answer(answer(409, &body, &[]));
        }
        Meddle::Pass
    });
    let undid = undone(&scenario, false);
    assert_eq!(undid.why(&ada), Some(Verdict::Refused));
    assert_eq!(undid.left[0].note.as_deref(), Some("Not this one."));
    assert_eq!(undid.status.as_deref(), Some(UNDOING));
    scenario.hook = None;
    let undid = undone(&scenario, false);
    assert_eq!(undid.status.as_deref(), Some(UNDONE));
    assert!(emails(&scenario.sandbox).is_empty());
}

#[test]
fn a_user_who_cannot_be_looked_at_stays_with_all_memberships() {
    let (mut scenario, _folder) = scenario(TWO);
    scenario.run();
    let ada = user_id(&scenario, "a@x.com");
    let path = format!("{USERS}/{ada}");
    scenario.meddle(move |_, request| {
        if request.method == "GET" && request.target == path {
            return Meddle::Answer(answer(403, &json!({"message": "No."}), &[]));
        }
        Meddle::Pass
    });
    // Something is accepted before, so that it is not about the key.
    let undid = undone(&scenario, false);
    assert_eq!(undid.why(&ada), Some(Verdict::Refused));
    assert_eq!(undid.count(Kind::Membership, Verdict::Refused), 2);
    assert_eq!(emails(&scenario.sandbox), ["a@x.com"]);
    assert_eq!(memberships(&scenario.sandbox).len(), 2);
}

#[test]
fn what_is_gone_already_is_no_failure() {
    let (scenario, _folder) = scenario(TWO);
    scenario.run();
    let ada = user_id(&scenario, "a@x.com");
    scenario.sandbox.delete(&format!("{USERS}/{ada}"));
    let undid = undone(&scenario, true);
    assert!(undid.left.is_empty(), "{:?}", undid.left);
    assert_eq!(undid.count(Kind::User, Verdict::Deleted), 2);
    assert_eq!(undid.count(Kind::Membership, Verdict::Deleted), 3);
}

#[test]
fn a_deletion_whose_answer_is_lost_is_looked_at_again() {
    for path in [USERS, MEMBERSHIPS, "/organizations"] {
        for fault in [
            Fault::ResetBefore,
            Fault::ResetAfter,
            Fault::Hang { applied: true },
            Fault::Status {
                status: StatusCode::BAD_GATEWAY,
                applied: true,
            },
        ] {
            let (scenario, _folder) = scenario("a@x.com,Ada,acme,Acme,\n");
            scenario.run();
            scenario.sandbox.fail_next(Method::DELETE, path, fault, 1);
            let undid = undone(&scenario, true);
            assert!(undid.left.is_empty(), "{path} {fault}");
            let dump = scenario.sandbox.dump();
            assert_eq!(dump["organizations"], json!([]), "{path} {fault}");
        }
    }
}

/// A deletion is turned away, and waits for a minute; meanwhile the user signs in.
#[test]
fn a_look_that_has_grown_old_while_its_deletion_waited_is_repeated() {
    let (mut scenario, _folder) = scenario("a@x.com,Ada,,,\n");
    scenario.run();
    let ada = user_id(&scenario, "a@x.com");
    let turned_away = AtomicU32::new(0);
    let who = ada.clone();
    scenario.meddle(move |sandbox, request| {
        let is_first = || turned_away.fetch_add(1, Ordering::Relaxed) == 0;
        if request.method == "DELETE" && is_first() {
            sandbox.sign_in(&who);
            return Meddle::Answer(answer(429, &json!({}), &[("retry-after", "60")]));
        }
        Meddle::Pass
    });
    let undid = undone(&scenario, false);
    assert_eq!(undid.why(&ada), Some(Verdict::SignedIn));
    assert_eq!(undid.calls["delete user"], 1);
    assert_eq!(undid.calls["get user"], 2);
    assert_eq!(emails(&scenario.sandbox), ["a@x.com"]);
}

#[test]
fn a_pace_that_is_slower_than_looks_grow_old_still_comes_to_its_end() {
    let rows: String = (0..12).map(|one| format!("u{one}@x.com,U,,,\n")).collect();
    let (mut scenario, _folder) = scenario(&rows);
    scenario.run();
    scenario.limits = Some(Limits::with_writes(Limit {
        count: 1,
        period: Duration::from_secs(15),
    }));
    let undid = undone(&scenario, false);
    assert!(undid.left.is_empty());
    assert!(emails(&scenario.sandbox).is_empty());
    let seconds = undid.virtual_seconds;
    assert!(seconds < 12.0 * 15.0 * 2.0, "{seconds} {:?}", undid.calls);
}

#[test]
fn organizations_go_at_the_pace_of_their_own_window() {
    let rows: String = (0..120)
        .map(|one| format!("u{one}@x.com,U,org-{one},Org,\n"))
        .collect();
    let (scenario, _folder) = scenario(&rows);
    scenario.run();
    let undid = undone(&scenario, true);
    assert!(undid.left.is_empty());
    assert_eq!(scenario.sandbox.count("organizations"), 0);
    let turned_away = undid
        .log
        .iter()
        .filter(|exchange| exchange.status == Some(429));
    assert_eq!(turned_away.count(), 0);
    // 50 in 60 s: the last of 120 cannot go before two minutes are over.
    let seconds = undid.virtual_seconds;
    assert!(seconds > 100.0 && seconds < 200.0, "{seconds}");
    // Looks that have waited for the window to open are too old, and are repeated.
    let looks = undid.calls["get organization"];
    assert!(looks <= 180, "{looks}");
}

#[test]
fn an_interrupted_import_is_undone_as_far_as_it_came() {
    use workos_importer_core::engine::Halt;
    let rows: String = (0..60)
        .map(|one| format!("u{one}@x.com,U,acme,Acme,\n"))
        .collect();
    let (mut scenario, _folder) = scenario(&rows);
    scenario.limits = Some(Limits::with_writes(Limit {
        count: 5,
        period: Duration::from_secs(1),
    }));
    let done = scenario.run_halted(&[(4.0, Halt::Drain)]);
    assert_eq!(done.ended, Ended::Halted);
    assert!(scenario.sandbox.count("users") > 5);
    let undid = undone(&scenario, true);
    assert!(undid.left.is_empty(), "{:?}", undid.left);
    assert_eq!(scenario.sandbox.count("users"), 0);
}

#[test]
fn results_say_what_is_deleted_and_the_figures_stay() {
    let (scenario, _folder) = scenario(TWO);
    scenario.run();
    undone(&scenario, false);
    let path: PathBuf = scenario.journal.clone().unwrap();
    let store = workos_importer_core::journal::Store::open(&path).unwrap();
    for line in store.results(0, 10).unwrap() {
        assert_eq!(line.texts[3].as_deref(), Some("deleted"));
        assert_eq!(line.texts[4].as_deref(), Some("deleted"));
        assert!(line.texts[6].is_some());
    }
}

#[test]
fn it_runs_at_the_limit() {
    let rows: String = (0..2_000)
        .map(|one| format!("u{one}@x.com,U,org-{},Org,\n", one % 20))
        .collect();
    let (mut scenario, _folder) = scenario(&rows);
    scenario.sandbox = Sandbox::new(Settings {
        latency: (Duration::from_millis(20), Duration::from_millis(400)),
        ..Settings::default()
    });
    scenario.logs = false;
    scenario.run();
    let undid = undone(&scenario, false);
    assert!(undid.left.is_empty());
    // 4,000 deletions, spaced at 500 in 10 seconds; what is looked at before costs reads, which have a window of their own.
    let spaced = 4_000.0 / 50.0;
    let seconds = undid.virtual_seconds;
    assert!(seconds < spaced * 1.05, "{seconds}, spaced {spaced}");
    assert_eq!(undid.calls["get user"], 2_000);
}
