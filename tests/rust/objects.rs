//! One object at a time: every kind of fault on every write ends with one object, or says that it cannot tell; nothing is
//! made twice, and no mail or key is asked for twice.

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use workos_importer_core::clock::Clock;
use workos_importer_core::objects::{Objects, ObjectsError};
use workos_importer_core::wire::{Answer, InProcess, Request, SendError, Transport};
use workos_importer_sandbox::{Fault, Sandbox};

use crate::harness::{World, unlimited};

fn in_virtual_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(work)
}

/// Calls in virtual time, one after another.
fn called(sandbox: &Sandbox, calls: &[(&str, &str, Value)]) -> Vec<Result<Value, ObjectsError>> {
    in_virtual_time(async {
        let clock = Clock::simulated("2027-01-01T00:00:00Z".parse::<Timestamp>().unwrap());
        let transport = InProcess::new(sandbox.clone(), "sk_test_objects", clock.clone());
        let objects = Objects::over(Arc::new(transport), None, clock, 7);
        let mut answers = Vec::new();
        for (noun, verb, input) in calls {
            answers.push(objects.call(noun, verb, input.clone()).await);
        }
        answers
    })
}

fn one(sandbox: &Sandbox, noun: &str, verb: &str, input: Value) -> Result<Value, ObjectsError> {
    called(sandbox, &[(noun, verb, input)]).remove(0)
}

fn sandbox() -> Sandbox {
    Sandbox::new(unlimited())
}

/// How many requests of this method and path came in.
fn requests(sandbox: &Sandbox, call: &str) -> u64 {
    let counters = sandbox.counters().to_json();
    counters["by_route"][call].as_u64().unwrap_or(0)
}

#[test]
fn an_organization_is_made_once_and_then_found() {
    let sandbox = sandbox();
    let input = json!({
        "name": "Acme", "external_id": "acme", "domains": ["acme.com:verified", "acme.io"], "metadata": {"plan": "pro"},
    });
    let answers = called(
        &sandbox,
        &[
            ("organizations", "create", input.clone()),
            ("organizations", "create", input),
            ("organizations", "get", json!({"name": "acme"})),
        ],
    );
    let [first, second, third] = answers.try_into().unwrap();
    let (first, second, third) = (first.unwrap(), second.unwrap(), third.unwrap());
    assert_eq!(
        (&first["created"], &second["created"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(first["object"], second["object"]);
    assert_eq!(first["object"], third["object"]);
    // The API's own object, whole.
    assert_eq!(first["object"]["object"], "organization");
    assert_eq!(first["object"]["domains"][0]["state"], "verified");
    assert_eq!(first["object"]["domains"][1]["state"], "pending");
    assert_eq!(
        first["object"]["allow_profiles_outside_organization"],
        false
    );
}

#[test]
fn a_domain_of_another_organization_is_named() {
    let sandbox = sandbox();
    let calls = [
        (
            "organizations",
            "create",
            json!({"name": "Acme", "domains": ["acme.com"]}),
        ),
        (
            "organizations",
            "create",
            json!({"name": "Beta", "domains": ["b.com", "acme.com"], "external_id": "b"}),
        ),
        (
            "organizations",
            "create",
            json!({"name": "Acme", "domains": ["acme.com"]}),
        ),
        (
            "organizations",
            "create",
            json!({"name": "Gamma", "external_id": "g"}),
        ),
        (
            "organizations",
            "update",
            json!({"organization": "g", "add_domains": ["acme.com"]}),
        ),
    ];
    let answers = called(&sandbox, &calls);
    let id = answers[0].as_ref().unwrap()["object"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for refused in [&answers[1], &answers[2], &answers[4]] {
        let Err(ObjectsError::Conflict { message, with }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(with.as_ref(), Some(&id));
        assert!(
            message.contains("acme.com") && message.contains("Acme") && message.contains(&id),
            "{message}"
        );
    }
    assert_eq!(sandbox.count("organizations"), 2);
}

#[test]
fn whatever_goes_wrong_there_is_one_object_in_the_end() {
    let cases = [
        (
            "organizations",
            json!({"name": "Acme", "external_id": "acme"}),
            "/organizations",
        ),
        (
            "organizations",
            json!({"name": "Acme", "domains": ["acme.com"]}),
            "/organizations",
        ),
        (
            "users",
            json!({"email": "Ada@x.com", "external_id": "7"}),
            "/user_management/users",
        ),
        (
            "memberships",
            json!({"user": "old@x.com", "organization": "old", "roles": ["admin"]}),
            "/user_management/organization_memberships",
        ),
    ];
    for fault in Fault::all() {
        for (noun, input, path) in &cases {
            let sandbox = sandbox();
            sandbox.user(json!({"email": "old@x.com"}));
            sandbox.organization("old", "Old");
            let list = if *noun == "memberships" {
                "organization_memberships"
            } else {
                noun
            };
            let before = sandbox.count(list);
            sandbox.fail_next(Method::POST, path, fault, 2);
            let made = one(&sandbox, noun, "create", input.clone());
            let made = made.unwrap_or_else(|error| panic!("{fault} {noun}: {error}"));
            assert_eq!(made["created"], true, "{fault} {noun} {input}");
            assert_eq!(sandbox.count(list), before + 1, "{fault} {noun}");
        }
    }
}

#[test]
fn without_a_name_of_its_own_nothing_is_sent_twice() {
    let sandbox = sandbox();
    sandbox.organization("other", "Acme");
    for fault in [Fault::ResetAfter, Fault::ResetBefore] {
        sandbox.fail_next(Method::POST, "/organizations", fault, 1);
        let before = (
            sandbox.count("organizations"),
            requests(&sandbox, "POST /organizations"),
        );
        let lost = one(&sandbox, "organizations", "create", json!({"name": "Acme"}));
        let Err(ObjectsError::InDoubt {
            message,
            candidates,
        }) = lost
        else {
            panic!("{lost:?}");
        };
        assert_eq!(requests(&sandbox, "POST /organizations"), before.1 + 1);
        let made = sandbox.count("organizations") - before.0;
        assert_eq!(made, usize::from(fault.is_applied()), "{fault}");
        if fault.is_applied() {
            // The one that was there before is none.
            assert_eq!(candidates.len(), 1);
            let id = candidates[0]["id"].as_str().unwrap();
            assert!(message.contains(id), "{message}");
        }
    }
}

#[test]
fn domains_are_read_and_written_as_a_whole() {
    let sandbox = sandbox();
    let calls = [
        (
            "organizations",
            "create",
            json!({"name": "A", "external_id": "a", "domains": ["a.com:verified", "b.com"]}),
        ),
        (
            "organizations",
            "update",
            json!({"organization": "a", "add_domains": ["c.com"], "remove_domains": ["b.com"]}),
        ),
        (
            "organizations",
            "update",
            json!({"organization": "a", "name": "Again", "metadata": {"k": "v"}}),
        ),
        ("organizations", "update", json!({"organization": "a"})),
    ];
    sandbox.fail_next(Method::PUT, "/organizations", Fault::ResetAfter, 1);
    let answers = called(&sandbox, &calls);
    let domains = |answer: &Result<Value, ObjectsError>| -> Vec<(String, String)> {
        let answer = answer.as_ref().unwrap();
        let domains = answer["object"]["domains"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        domains
            .map(|one| (text(&one["domain"]), text(&one["state"])))
            .collect()
    };
    let expected =
        [("a.com", "verified"), ("c.com", "pending")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(domains(&answers[1]), expected);
    assert_eq!(domains(&answers[2]), expected);
    assert_eq!(answers[2].as_ref().unwrap()["object"]["name"], "Again");
    assert!(matches!(answers[3], Err(ObjectsError::Input(_))));
}

#[test]
fn deleting_what_is_gone_is_said_and_is_no_error() {
    let sandbox = sandbox();
    sandbox.organization("acme", "Acme");
    let user = sandbox.user(json!({"email": "ada@x.com"}));
    let organization = sandbox.organization("beta", "Beta");
    sandbox.membership(&user, &organization, &[]);
    let pair = json!({"user": "ada@x.com", "organization": "beta"});
    for (noun, input) in [
        ("organizations", json!({"name": "acme"})),
        ("memberships", pair),
        ("users", json!({"name": "ada@x.com"})),
    ] {
        // The first is applied and its answer lost: it was this call that deleted.
        sandbox.fail_next(Method::DELETE, "/", Fault::ResetAfter, 1);
        let gone = one(&sandbox, noun, "delete", input.clone()).unwrap();
        assert!(gone["object"]["id"].is_string(), "{noun} {gone}");
        if noun != "memberships" {
            let again = one(&sandbox, noun, "delete", input).unwrap();
            assert_eq!(again["object"], Value::Null, "{noun}");
        }
    }
}

#[test]
fn a_membership_that_is_there_gets_the_roles_that_it_lacks() {
    let sandbox = sandbox();
    let user = sandbox.user(json!({"email": "ada@x.com", "external_id": "7"}));
    let organization = sandbox.organization("acme", "Acme");
    let id = sandbox.membership(&user, &organization, &["member"]);
    let input = |roles: &[&str]| json!({"user": "7", "organization": "acme", "roles": roles});
    let calls = [
        ("memberships", "create", input(&["admin"])),
        ("memberships", "create", input(&["admin"])),
        ("memberships", "deactivate", json!({"id": id})),
        ("memberships", "create", input(&[])),
        (
            "memberships",
            "set-role",
            json!({"user": user, "organization": organization, "roles": ["member"]}),
        ),
        ("memberships", "reactivate", json!({"id": id})),
        ("memberships", "list", json!({"organization": "acme"})),
    ];
    sandbox.fail_next(Method::PUT, "/user_management", Fault::ResetAfter, 1);
    let answers: Vec<Value> = called(&sandbox, &calls)
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let roles = |answer: &Value| -> Vec<String> {
        let roles = answer["object"]["roles"].as_array().unwrap().iter();
        roles
            .map(|role| role["slug"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        (roles(&answers[0]), &answers[0]["created"]),
        (vec!["member".into(), "admin".into()], &json!(false))
    );
    assert_eq!(
        answers[1]["object"]["updated_at"],
        answers[0]["object"]["updated_at"]
    );
    // What somebody has switched off stays off.
    assert_eq!(answers[3]["object"]["status"], "inactive");
    assert_eq!(roles(&answers[4]), ["member"]);
    assert_eq!(answers[5]["object"]["status"], "active");
    assert_eq!(answers[6]["names"][&organization], "Acme");
    assert_eq!(sandbox.count("organization_memberships"), 1);
}

#[test]
fn names_of_two_users_are_a_conflict_and_no_password_comes_back() {
    let sandbox = sandbox();
    sandbox.user(json!({"email": "ada@x.com"}));
    sandbox.user(json!({"email": "bob@x.com", "external_id": "7"}));
    let both = one(
        &sandbox,
        "users",
        "create",
        json!({"email": "ada@x.com", "external_id": "7"}),
    );
    assert!(
        matches!(both, Err(ObjectsError::Conflict { .. })),
        "{both:?}"
    );
    let fault = Fault::Status {
        status: StatusCode::UNAUTHORIZED,
        applied: false,
    };
    sandbox.fail_next(Method::GET, "/", fault, 1);
    let refused = one(&sandbox, "users", "get", json!({"name": "ada@x.com"}));
    assert!(matches!(refused, Err(ObjectsError::Auth(_))), "{refused:?}");
    for input in [
        json!({"email": "new@x.com", "password": "short"}),
        json!({"email": "new@x.com", "password": 7654321}),
    ] {
        let weak = one(&sandbox, "users", "create", input).unwrap_err();
        assert!(matches!(weak, ObjectsError::Input(_)), "{weak:?}");
        assert!(!format!("{weak:?}").contains("7654321"));
    }
    let none = one(&sandbox, "users", "get", json!({"name": "nobody@x.com"}));
    assert!(matches!(none, Err(ObjectsError::NotFound(_))), "{none:?}");
}

/// Answers writes with what they said, as some servers do.
struct Echo;

#[async_trait]
impl Transport for Echo {
    async fn send(&self, request: Request) -> Result<Answer, SendError> {
        let body = request.body.unwrap_or_default();
        let (status, body) = match request.method {
            Method::GET => (200, json!({"data": []})),
            _ => (422, json!({"message": String::from_utf8_lossy(&body)})),
        };
        Ok(Answer {
            status,
            headers: HeaderMap::new(),
            body: body.to_string().into(),
        })
    }
}

#[test]
fn a_password_that_a_server_quotes_is_not_repeated() {
    let objects = Objects::over(Arc::new(Echo), None, Clock::System, 7);
    let input = json!({"email": "ada@x.com", "password": "planted-horse"});
    let refused = in_virtual_time(objects.call("users", "create", input)).unwrap_err();
    let said = format!("{refused:?} {refused}");
    assert!(
        said.contains("ada@x.com") && !said.contains("planted"),
        "{said}"
    );
}

#[test]
fn pages_follow_each_other() {
    let sandbox = sandbox();
    for number in 0..5 {
        sandbox.user(json!({"email": format!("u{number}@x.com")}));
    }
    let mut seen = Vec::new();
    let mut after = Value::Null;
    loop {
        let page = one(
            &sandbox,
            "users",
            "list",
            json!({"limit": 2, "after": after}),
        )
        .unwrap();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        seen.extend(
            items
                .iter()
                .map(|user| user["email"].as_str().unwrap().to_owned()),
        );
        after = page["after"].clone();
        if after.is_null() {
            break;
        }
    }
    assert_eq!(
        seen,
        ["u0@x.com", "u1@x.com", "u2@x.com", "u3@x.com", "u4@x.com"]
    );
}

#[test]
fn an_open_invitation_is_found_and_no_mail_is_asked_for_twice() {
    for fault in Fault::all() {
        let sandbox = sandbox();
        sandbox.organization("acme", "Acme");
        sandbox.fail_next(Method::POST, "/invitations", fault, 1);
        let input = json!({"email": "new@x.com", "organization": "acme"});
        let sent = one(&sandbox, "invitations", "send", input.clone());
        let sent = sent.unwrap_or_else(|error| panic!("{fault}: {error}"));
        assert_eq!(sent["created"], true, "{fault}");
        let again = one(&sandbox, "invitations", "send", input).unwrap();
        assert_eq!(
            (&again["created"], &again["object"]["id"]),
            (&json!(false), &sent["object"]["id"])
        );
        assert_eq!(sandbox.count("invitations"), 1, "{fault}");
        let id = sent["object"]["id"].as_str().unwrap();
        let call = "POST /user_management/invitations/{id}/resend";
        sandbox.fail_next(Method::POST, "/resend", Fault::ResetAfter, 1);
        let lost = one(&sandbox, "invitations", "resend", json!({"id": id}));
        assert!(
            matches!(lost, Err(ObjectsError::InDoubt { .. })),
            "{lost:?}"
        );
        assert_eq!(requests(&sandbox, call), 1);
        sandbox.fail_next(Method::POST, "/revoke", fault, 1);
        for _ in 0..2 {
            let revoked = one(&sandbox, "invitations", "revoke", json!({"id": id}));
            assert_eq!(revoked.unwrap()["object"]["state"], "revoked", "{fault}");
        }
    }
}

#[test]
fn a_key_whose_answer_is_lost_is_not_made_again() {
    let sandbox = sandbox();
    sandbox.organization("acme", "Acme");
    let input = json!({"organization": "acme", "name": "Production"});
    let made = one(&sandbox, "api-keys", "create", input.clone()).unwrap();
    assert!(made["object"]["value"].is_string());
    sandbox.fail_next(Method::POST, "/api_keys", Fault::TruncatedBody, 1);
    let lost = one(&sandbox, "api-keys", "create", input);
    assert!(
        matches!(lost, Err(ObjectsError::InDoubt { .. })),
        "{lost:?}"
    );
    assert_eq!(sandbox.count("api_keys"), 2);
}
