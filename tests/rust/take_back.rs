//! `--require-membership`: who is taken back at the end, and who is not.

use http::{Method, StatusCode};
use serde_json::json;
use workos_importer_core::engine::Ended;
use workos_importer_core::row::Kind;
use workos_importer_sandbox::Fault;

use crate::harness::{Meddle, Scenario, World, emails, memberships};

const USERS: &str = "/user_management/users";

/// A row whose role does not exist fails for its membership.
fn scenario(rows: &str) -> Scenario {
    let csv = format!("email,external_id,org_external_id,role_slugs\n{rows}");
    let mut scenario = Scenario::new(&csv);
    scenario.sandbox.organization("acme", "Acme");
    scenario.require_membership = true;
    scenario
}

#[test]
fn users_that_this_run_made_and_whose_every_row_failed_are_deleted() {
    let scenario = scenario(
        "gone@x.com,,acme,wizard\ntwice@x.com,,acme,wizard\ntwice@x.com,,acme,witch\n\
         fine@x.com,,acme,admin\nhalf@x.com,,acme,wizard\nhalf@x.com,,acme,admin\nalone@x.com,,,\n",
    );
    let done = scenario.run();
    assert_eq!(done.ended, Ended::Complete);
    assert_eq!(
        done.outcomes(),
        [
            "failed", "failed", "failed", "created", "failed", "updated", "created"
        ]
    );
    assert_eq!(
        emails(&scenario.sandbox),
        ["alone@x.com", "fine@x.com", "half@x.com"]
    );
    assert_eq!(done.tally.taken_back, 2);
    assert_eq!(done.calls_of("delete user"), 2);
    // A fresh read before each deletion.
    assert_eq!(done.calls_of("list memberships"), 2);
    let line = |number: usize| {
        (
            &done.lines[number - 1].texts[3],
            &done.lines[number - 1].texts[6],
        )
    };
    assert_eq!(line(1), (&Some("deleted".into()), &None));
    assert_eq!(line(3).0.as_deref(), Some("deleted"));
    assert_eq!(line(4).0.as_deref(), Some("created"));
    let user = done.id(1, Kind::User);
    assert_eq!(
        done.message(1),
        format!(
            "Membership failed: Role 'wizard' does not exist. The user ({user}) is deleted at the end of the run, \
             unless it has a membership by then (--require-membership)."
        )
    );
}

#[test]
fn an_unknown_organization_takes_back_the_users_that_were_made_for_it() {
    let mut scenario = Scenario::new("email,org_id\na@x.com,org_no\nb@x.com,org_no\n");
    scenario.require_membership = true;
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["failed", "failed"]);
    assert_eq!(done.tally.taken_back, done.calls_of("create user"));
    assert!(done.tally.taken_back > 0);
    assert!(emails(&scenario.sandbox).is_empty());
}

#[test]
fn users_who_were_there_stay() {
    let scenario = scenario("old@x.com,,acme,wizard\n");
    scenario.sandbox.user(json!({"email": "old@x.com"}));
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["failed"]);
    assert_eq!(
        (done.tally.taken_back, done.calls_of("delete user")),
        (0, 0)
    );
    assert_eq!(emails(&scenario.sandbox), ["old@x.com"]);
    assert!(done.message(1).contains("was kept"), "{}", done.message(1));
}

#[test]
fn what_is_only_inferred_to_be_ours_stays() {
    let scenario = scenario("a@x.com,,acme,wizard\n");
    scenario
        .sandbox
        .fail_next(Method::POST, USERS, Fault::ResetAfter, 1);
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["failed"]);
    assert_eq!(done.effect(1, Kind::User), "created");
    assert_eq!(
        (done.tally.taken_back, done.calls_of("delete user")),
        (0, 0)
    );
    assert_eq!(emails(&scenario.sandbox), ["a@x.com"]);
    assert!(done.message(1).contains("was kept"), "{}", done.message(1));
}

#[test]
fn a_user_whom_somebody_else_gave_a_membership_meanwhile_stays() {
    let mut scenario = scenario("a@x.com,,acme,wizard\n");
    scenario.meddle(|sandbox, request| {
        if request.method == "GET" && request.target.contains("organization_memberships?user_id") {
            let user = sandbox.find_user("a@x.com")["id"]
                .as_str()
                .unwrap()
                .to_owned();
            let other = sandbox.organization("other", "Other");
            sandbox.membership(&user, &other, &[]);
        }
        Meddle::Pass
    });
    let done = scenario.run();
    assert_eq!(
        (done.tally.taken_back, done.calls_of("delete user")),
        (0, 0)
    );
    assert_eq!(memberships(&scenario.sandbox).len(), 1);
}

#[test]
fn a_deletion_whose_answer_is_lost_is_looked_at_again_before_it_is_repeated() {
    for fault in [
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::Hang { applied: true },
        Fault::Status {
            status: StatusCode::BAD_GATEWAY,
            applied: false,
        },
    ] {
        let scenario = scenario("a@x.com,,acme,wizard\n");
        scenario.sandbox.fail_next(Method::DELETE, USERS, fault, 1);
        let done = scenario.run();
        assert_eq!(done.tally.taken_back, 1, "{fault}");
        assert_eq!(done.calls_of("delete user"), 2, "{fault}");
        assert_eq!(done.calls_of("list memberships"), 2, "{fault}");
        assert!(emails(&scenario.sandbox).is_empty(), "{fault}");
    }
}

#[test]
fn rows_of_two_emails_with_one_external_id_are_not_made_one_person() {
    // The second row finds the first row's user by its external id: whose it is, nobody can tell.
    let scenario = scenario("a@x.com,crm-1,acme,admin\nb@x.com,crm-1,,\n");
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["created", "failed"]);
    assert_eq!(done.code(2), "user_conflict");
    assert!(done.message(2).contains("a@x.com, which record 1"));
    assert_eq!(
        (done.tally.taken_back, emails(&scenario.sandbox)),
        (0, vec!["a@x.com".to_owned()])
    );
}

#[test]
fn a_user_that_cannot_be_deleted_or_looked_at_stays() {
    for refused in [Method::DELETE, Method::GET] {
        let mut scenario = scenario("a@x.com,,acme,wizard\n");
        let reads = refused == Method::GET;
        scenario.meddle(move |_, request| {
            let looks = request.target.contains("memberships?user_id");
            if (reads && looks) || (!reads && request.method == "DELETE") {
                let body = json!({"code": "user_deletion_not_allowed", "message": "No."});
                return Meddle::Answer(crate::harness::answer(409, &body, &[]));
            }
            Meddle::Pass
        });
        let done = scenario.run();
        assert_eq!(done.ended, Ended::Complete);
        assert_eq!(done.tally.taken_back, 0);
        assert_eq!(emails(&scenario.sandbox), ["a@x.com"]);
    }
}

/// The deletion is turned away and waits for a minute; meanwhile somebody gives the user a membership.
#[test]
fn a_look_that_has_grown_old_while_the_deletion_waited_is_repeated() {
    let mut scenario = scenario("a@x.com,,acme,wizard\n");
    let turned_away = std::sync::atomic::AtomicBool::new(false);
    scenario.meddle(move |sandbox, request| {
        let is_first = || !turned_away.swap(true, std::sync::atomic::Ordering::Relaxed);
        if request.method == "DELETE" && is_first() {
            let user = sandbox.find_user("a@x.com")["id"]
                .as_str()
                .unwrap()
                .to_owned();
            let other = sandbox.organization("other", "Other");
            sandbox.membership(&user, &other, &[]);
            let wait = [("retry-after", "60")];
            return Meddle::Answer(crate::harness::answer(429, &json!({}), &wait));
        }
        Meddle::Pass
    });
    let done = scenario.run();
    assert_eq!(
        (done.tally.taken_back, done.calls_of("delete user")),
        (0, 1)
    );
    assert_eq!(memberships(&scenario.sandbox).len(), 1);
}
