//! Answers of the live API, recorded by WorkOS' own SDK tests, are read: whole, and with fields missing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use workos_importer_core::clock::Clock;
use workos_importer_core::directory::workos::WorkOs;
use workos_importer_core::directory::{
    Applied, Ask, Base, BeforeSend, Change, Details, Directory, End, Found, Listing, Policy, State,
};
use workos_importer_core::journal::JournalError;
use workos_importer_core::row::{
    Claim, Kind, MembershipClaim, OrganizationClaim, OrganizationReference, UserClaim,
};
use workos_importer_core::wire::{Answer, Request, SendError, Transport};

use crate::harness::{answer, virtual_time};

const RECORDED: &str = include_str!("../fixtures/workos-recorded-answers.jsonl");

struct Recorded {
    case: String,
    status: u16,
    answer: Value,
}

fn recorded() -> Vec<Recorded> {
    let lines = RECORDED.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        Recorded {
            case: line["case"].as_str().unwrap().to_owned(),
            status: u16::try_from(line["status"].as_u64().unwrap()).unwrap(),
            answer: line["answer"].clone(),
        }
    });
    lines.collect()
}

/// Answers everything in the same way.
struct Scripted(Mutex<Answer>);

#[async_trait]
impl Transport for Scripted {
    async fn send(&self, _request: Request) -> Result<Answer, SendError> {
        Ok(self.0.lock().unwrap().clone())
    }
}

struct NoIntent;

#[async_trait]
impl BeforeSend for NoIntent {
    async fn commit(&self) -> Result<(), JournalError> {
        Ok(())
    }
}

fn directory(status: u16, body: &Value) -> WorkOs {
    let answer = answer(status, body, &[("x-request-id", "req_1")]);
    WorkOs::new(
        Arc::new(Scripted(Mutex::new(answer))),
        None,
        None,
        Clock::System,
        1,
    )
}

fn claim(kind: Kind, answer: &Value) -> Claim {
    match kind {
        Kind::User => Claim::User(Box::new(UserClaim {
            email: answer["email"]
                .as_str()
                .unwrap_or("nobody@x.com")
                .to_owned(),
            ..UserClaim::default()
        })),
        Kind::Organization => Claim::Organization(OrganizationClaim {
            reference: OrganizationReference::ExternalId("acme".into()),
            name: Some("Acme".into()),
            fields: None,
        }),
        Kind::Membership => Claim::Membership(MembershipClaim {
            roles: vec!["admin".into()],
        }),
        _ => unreachable!("no case is about one"),
    }
}

fn bases(answer: &Value) -> [Base; 2] {
    let base = |kind, name: &str| Base {
        kind,
        id: answer[name].as_str().unwrap_or("unknown").to_owned(),
        ours: false,
    };
    [
        base(Kind::User, "user_id"),
        base(Kind::Organization, "organization_id"),
    ]
}

/// Gives `answer` to a write that creates an object of this kind.
async fn applied(kind: Kind, status: u16, answer: &Value) -> Applied {
    let directory = directory(status, answer);
    let (claim, bases) = (claim(kind, answer), bases(answer));
    let ask = Ask {
        claim: &claim,
        bases: &bases,
    };
    let policy = Policy {
        create_organizations: true,
        ..Policy::default()
    };
    let Change::Write(write) = directory.diff(&ask, &State::Absent, &policy) else {
        panic!("nothing to write")
    };
    directory
        .apply(&[*write], &NoIntent)
        .await
        .unwrap()
        .pop()
        .unwrap()
}

fn kind_of(object: &Value) -> Option<Kind> {
    match object["object"].as_str()? {
        "user" => Some(Kind::User),
        "organization" => Some(Kind::Organization),
        "organization_membership" => Some(Kind::Membership),
        _ => None,
    }
}

/// What a person would read in the answer.
fn assert_read(found: &Found, answer: &Value, case: &str) {
    assert_eq!(found.id, answer["id"].as_str().unwrap(), "{case}");
    let created_at = answer["created_at"]
        .as_str()
        .map(|time| time.parse().unwrap());
    assert_eq!(found.created_at, created_at, "{case}");
    let text = |name: &str| answer[name].as_str().map(str::to_owned);
    match &found.details {
        Details::User(user) => {
            assert_eq!(Some(&user.email), text("email").as_ref(), "{case}");
            assert_eq!(user.first_name, text("first_name"), "{case}");
            assert_eq!(user.last_name, text("last_name"), "{case}");
            assert_eq!(user.external_id, text("external_id"), "{case}");
            assert_eq!(
                user.email_verified,
                answer["email_verified"].as_bool(),
                "{case}"
            );
            let pairs = answer["metadata"].as_object().cloned().unwrap_or_default();
            let pairs: BTreeMap<String, String> = pairs
                .into_iter()
                .map(|(key, value)| (key, value.as_str().unwrap().to_owned()))
                .collect();
            assert_eq!(user.metadata, pairs, "{case}");
        }
        Details::Organization {
            name, external_id, ..
        } => {
            assert_eq!(*name, text("name"), "{case}");
            assert_eq!(*external_id, text("external_id"), "{case}");
        }
        Details::Role { .. } | Details::Other(_) => unreachable!("no case is about one"),
        Details::Membership { roles, active } => {
            assert_eq!(*active, answer["status"] != "inactive", "{case}");
            let slug = |role: &Value| role["slug"].as_str().unwrap().to_owned();
            let one = answer["role"].is_object().then(|| slug(&answer["role"]));
            let mut expected: Vec<String> = one.into_iter().collect();
            for role in answer["roles"].as_array().into_iter().flatten().map(slug) {
                if !expected.contains(&role) {
                    expected.push(role);
                }
            }
            // The role that was asked for, where the answer does not tell any.
            let expected = if expected.is_empty() {
                vec!["admin".to_owned()]
            } else {
                expected
            };
            assert_eq!(*roles, expected, "{case}");
        }
    }
}

#[test]
fn each_recorded_object_is_read_whole_and_with_any_field_missing() {
    virtual_time(async {
        let mut read = BTreeMap::new();
        for Recorded {
            case,
            status,
            answer,
        } in recorded()
        {
            let Some(kind) = kind_of(&answer).filter(|_| status < 300) else {
                continue;
            };
            *read.entry(kind.as_str()).or_insert(0) += 1;
            let Applied::Done(found) = applied(kind, status, &answer).await else {
                panic!("{case}")
            };
            assert_read(&found, &answer, &case);
            let fields: Vec<String> = answer.as_object().unwrap().keys().cloned().collect();
            for field in &fields {
                let mut less = answer.clone();
                less.as_object_mut().unwrap().remove(field);
                let what = format!("{case} without {field}");
                match (field.as_str(), applied(kind, status, &less).await) {
                    // Without an id it is no answer at all: doubt.
                    ("id", Applied::InDoubt { .. }) => {}
                    ("id", other) => panic!("{what}: {other:?}"),
                    ("email", Applied::Done(found)) => {
                        assert_eq!(found.id, answer["id"].as_str().unwrap())
                    }
                    (_, Applied::Done(found)) => assert_read(&found, &less, &what),
                    (_, other) => panic!("{what}: {other:?}"),
                }
            }
            // And with nothing but the id.
            let Applied::Done(found) = applied(kind, 200, &json!({"id": answer["id"]})).await
            else {
                panic!("{case}")
            };
            assert_eq!(found.id, answer["id"].as_str().unwrap());
        }
        assert_eq!(
            read,
            [("membership", 7), ("organization", 15), ("user", 8)]
                .into_iter()
                .collect()
        );
    });
}

#[test]
fn each_recorded_list_is_read() {
    virtual_time(async {
        let mut lists = 0;
        for Recorded { case, answer, .. } in recorded() {
            let items = answer["data"].as_array().cloned().unwrap_or_default();
            let Some(kind) = items.first().and_then(kind_of) else {
                continue;
            };
            lists += 1;
            let directory = directory(200, &answer);
            let after = answer["list_metadata"]["after"].as_str().map(str::to_owned);
            let listing = match kind {
                Kind::User => Some(Listing::Users),
                Kind::Organization => Some(Listing::Organizations),
                _ => None,
            };
            if let Some(listing) = listing {
                let page = directory.list(&listing, End::Oldest, None).await.unwrap();
                assert_eq!(
                    (page.items.len(), page.next),
                    (items.len(), after),
                    "{case}"
                );
                for (listed, item) in page.items.iter().zip(&items) {
                    assert_read(&listed.found, item, &case);
                }
            }
            if kind == Kind::Organization {
                continue;
            }
            // Each of them is found in the list by its natural key.
            for item in &items {
                let (claim, bases) = (claim(kind, item), bases(item));
                let ask = Ask {
                    claim: &claim,
                    bases: &bases,
                };
                let Some(Ok(State::Found(found))) = directory.observe(&[ask]).await.pop() else {
                    panic!("{case}")
                };
                assert_eq!(found.id, item["id"].as_str().unwrap(), "{case}");
            }
            let (claim, bases) = (claim(kind, &json!({})), bases(&json!({})));
            let nobody = directory
                .observe(&[Ask {
                    claim: &claim,
                    bases: &bases,
                }])
                .await
                .pop();
            assert_eq!(nobody, Some(Ok(State::Absent)), "{case}");
        }
        assert!(lists >= 5, "{lists}");
    });
}

#[test]
fn each_recorded_error_says_what_it_said() {
    virtual_time(async {
        let mut errors = 0;
        for Recorded {
            case,
            status,
            answer,
        } in recorded()
        {
            if status < 400 {
                continue;
            }
            errors += 1;
            let error = match applied(Kind::User, status, &answer).await {
                Applied::Refused { error, .. } => error,
                other => panic!("{case}: {other:?}"),
            };
            assert_eq!(error.details.http_status, Some(status), "{case}");
            assert_eq!(
                error.details.workos_request_id.as_deref(),
                Some("req_1"),
                "{case}"
            );
            assert_eq!(
                error.details.workos_code.as_deref(),
                answer["code"].as_str().or(answer["error"].as_str()),
                "{case}"
            );
            let own = answer["message"]
                .as_str()
                .or(answer["error_description"].as_str());
            assert!(
                error.message.starts_with(own.unwrap()),
                "{case}: {}",
                error.message
            );
            for one in answer["errors"].as_array().into_iter().flatten() {
                // Each single reason can be read in the message.
                let code = one["message"]
                    .as_str()
                    .or(one["code"].as_str())
                    .or(one.as_str())
                    .unwrap();
                assert!(error.message.contains(code), "{case}: {}", error.message);
            }
        }
        assert!(errors >= 18, "{errors}");
    });
}
