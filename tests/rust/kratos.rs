//! Imports into a Kratos, in virtual time: how few calls they need, what becomes of batches that are refused, lost or half
//! applied, and that nothing is lost or made twice under faults, kills and power cuts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use workos_importer_core::clock::Clock;
use workos_importer_core::directory::kratos as directory;
use workos_importer_core::directory::{Directory, OnExisting};
use workos_importer_core::engine::Ended;
use workos_importer_core::journal::Verdict;
use workos_importer_core::row::{IdentityRules, IdentitySchema, Kind, RowKind};
use workos_importer_core::wire::InProcess;
use workos_importer_sandbox::kratos::{Kratos, Settings};
use workos_importer_sandbox::{Fault, Faults, Script};

use crate::harness::{Death, Done, Meddle, Scenario, answer, virtual_time};

const SEEDS: u64 = 300;

/// `SEED=7` runs that one alone.
fn seeds() -> std::ops::Range<u64> {
    match std::env::var("SEED").map(|text| text.parse()) {
        Ok(Ok(seed)) => seed..seed + 1,
        _ => 0..SEEDS,
    }
}

fn into(kratos: &Kratos, csv: &str) -> Scenario {
    let mut scenario = Scenario::fast(csv);
    scenario.kratos = Some((kratos.clone(), directory::Settings::default()));
    scenario.rows = RowKind::Identities;
    scenario.identities = Some(Arc::new(IdentityRules::default()));
    scenario
}

fn server(settings: Settings) -> Kratos {
    Kratos::new(settings)
}

fn people(count: usize, password: &str) -> String {
    let mut csv = "email,first_name,last_name,role,tenant_id,initial_password\n".to_owned();
    for number in 0..count {
        csv.push_str(&format!(
            "user{number}@x.com,Ada,L{number},user,t1,{password}\n"
        ));
    }
    csv
}

fn identities(kratos: &Kratos) -> Vec<Value> {
    let dump = kratos.dump();
    dump["identities"].as_array().cloned().unwrap_or_default()
}

fn emails(kratos: &Kratos) -> Vec<String> {
    let all = identities(kratos);
    let emails = all.iter().map(|one| one["traits"]["email"].to_string());
    emails.collect()
}

/// Makes identities as another program would.
fn there(kratos: &Kratos, body: Value) -> String {
    let made = kratos.seed(Method::POST, "/admin/identities", &body);
    made["id"].as_str().unwrap().to_owned()
}

/// The next batch is made, and nobody hears of it.
fn lose_an_answer(kratos: &Kratos) {
    kratos.script(Script {
        method: Some(Method::PATCH),
        path: "/admin/identities".into(),
        skip: 0,
        fault: Fault::ResetAfter,
        times: 1,
    });
}

/// Imports 10,000 rows, and says how many batches that took: nothing else is called but once for access.
fn batches_for_ten_thousand(password: &str) -> u64 {
    let kratos = server(Settings::default());
    let mut scenario = into(&kratos, &people(10_000, password));
    scenario.logs = false;
    let done = scenario.run();
    assert_eq!(done.ended, Ended::Complete);
    assert_eq!(emails(&kratos).len(), 10_000);
    let batches = done.calls_of("create identities");
    assert_eq!(done.all_calls(), batches + 1, "{:?}", done.calls);
    batches
}

#[test]
fn ten_thousand_identities_go_in_few_calls() {
    let batches = batches_for_ten_thousand("");
    assert!((10..=12).contains(&batches), "{batches}");
}

#[test]
fn ten_thousand_identities_with_passwords_go_in_few_calls() {
    let batches = batches_for_ten_thousand("TempPass123!");
    assert!((50..=60).contains(&batches), "{batches}");
}

#[test]
fn an_identity_is_as_its_row_says() {
    let kratos = server(Settings::default());
    let csv = "email,first_name,role,tenant_id,initial_password,external_id,state,metadata_public,metadata_admin\n\
               Alice@Example.com,Alice,admin,t1,TempPass123!,a-1,inactive,\"{\"\"plan\"\":1}\",\"{\"\"old\"\":\"\"7\"\"}\"\n\
               bob@example.com,Bob,,,,,,,\n";
    let done = into(&kratos, csv).run();
    assert_eq!(done.outcomes(), ["created", "created"]);
    let all = identities(&kratos);
    let alice = all.iter().find(|one| one["external_id"] == "a-1").unwrap();
    assert_eq!(
        alice["traits"],
        json!({"email": "Alice@Example.com", "first_name": "Alice", "role": "admin", "tenant_id": "t1"})
    );
    assert_eq!(alice["password"], "password");
    assert_eq!(alice["state"], "inactive");
    assert_eq!(alice["metadata_public"], json!({"plan": 1}));
    assert_eq!(alice["metadata_admin"], json!({"old": "7"}));
    let bob = all
        .iter()
        .find(|one| one["traits"]["first_name"] == "Bob")
        .unwrap();
    assert_eq!(
        (&bob["password"], &bob["state"]),
        (&Value::Null, &json!("active"))
    );
}

/// The seed's "Duplicate handling" and "Email collision".
#[test]
fn duplicate_handling() {
    let csv = "email,role,external_id\nalice@example.com,admin,\nbob@example.com,user,b-1\nnew@example.com,user,\n";
    let kratos = || {
        let kratos = server(Settings::default());
        there(
            &kratos,
            json!({"schema_id": "default", "traits": {"email": "alice@example.com", "role": "user", "first_name": "A"}}),
        );
        there(
            &kratos,
            json!({"schema_id": "default", "external_id": "b-1", "traits": {"email": "robert@example.com", "role": "user"}}),
        );
        kratos
    };
    let run = |on_existing| {
        let kratos = kratos();
        let mut scenario = into(&kratos, csv);
        scenario.policy.on_existing = on_existing;
        (scenario.run(), kratos)
    };
    let (done, kratos) = run(OnExisting::Skip);
    assert_eq!(done.outcomes(), ["unchanged", "unchanged", "created"]);
    assert_eq!(identities(&kratos).len(), 3);
    let (done, kratos) = run(OnExisting::Update);
    assert_eq!(done.outcomes(), ["updated", "updated", "created"]);
    let all = identities(&kratos);
    let alice = all
        .iter()
        .find(|one| one["traits"]["email"] == "alice@example.com");
    assert_eq!(
        alice.unwrap()["traits"],
        json!({"email": "alice@example.com", "role": "admin", "first_name": "A"})
    );
    let bob = all.iter().find(|one| one["external_id"] == "b-1").unwrap();
    assert_eq!(bob["traits"]["email"], "bob@example.com");
    let (done, kratos) = run(OnExisting::Fail);
    assert_eq!(done.outcomes(), ["failed", "failed", "created"]);
    assert_eq!(done.code(1), "user_exists");
    assert_eq!(identities(&kratos).len(), 3);
}

#[test]
fn identifier_and_external_id_of_two_identities_are_a_conflict() {
    let kratos = server(Settings::default());
    there(
        &kratos,
        json!({"schema_id": "default", "traits": {"email": "a@x.com"}}),
    );
    there(
        &kratos,
        json!({"schema_id": "default", "external_id": "b", "traits": {"email": "b@x.com"}}),
    );
    let done = into(&kratos, "email,external_id\na@x.com,b\n").run();
    assert_eq!(done.code(1), "user_conflict");
}

/// Servers differ in how they answer when none of a batch can be made.
#[test]
fn batches_of_which_all_are_there_need_one_look_each() {
    for refuses in [true, false] {
        let kratos = server(Settings {
            failed_batches_are_refused: refuses,
            ..Settings::default()
        });
        let done = into(&kratos, &people(40, "")).run();
        assert_eq!(done.ended, Ended::Complete);
        let done = into(&kratos, &people(40, "")).run();
        assert_eq!(done.outcomes(), ["unchanged"; 40]);
        assert_eq!(done.calls_of("create identities"), 1, "{refuses}");
        assert_eq!(done.calls_of("find identity"), 40, "{refuses}");
    }
}

#[test]
fn a_batch_that_is_refused_as_a_whole_is_halved_until_the_bad_row_is_found() {
    let kratos = server(Settings::default());
    let mut scenario = into(&kratos, &people(64, ""));
    scenario.meddle(|_, request| {
        let body = request.body.as_deref().unwrap_or_default();
        let text = String::from_utf8_lossy(body);
        let is_bad = text.contains("user17@x.com");
        if is_bad && request.method == Method::PATCH {
            let error = json!({"error": {"code": 400, "message": "none of them can be made"}});
            return Meddle::Answer(answer(400, &error, &[]));
        }
        if is_bad {
            let error =
                json!({"error": {"code": 400, "message": "no identity can be made of this"}});
            return Meddle::Answer(answer(400, &error, &[]));
        }
        Meddle::Pass
    });
    let done = scenario.run();
    assert_eq!(done.ended, Ended::Complete);
    let failed: Vec<u64> = (1..=64)
        .filter(|record| done.code(*record) != "none")
        .collect();
    assert_eq!(failed, [18]);
    assert_eq!(done.message(18), "no identity can be made of this");
    assert_eq!(emails(&kratos).len(), 63);
    // The whole, and two halves for each of the six times that it can be halved.
    assert_eq!(done.calls_of("create identities"), 13);
    // What is wrong with the one is told by a call of its own.
    assert_eq!(done.calls_of("create identity"), 1);
}

/// Of a server with MySQL one conflict refuses the whole batch. What a look explains is left out the next time; what it
/// does not is found by halving.
#[test]
fn a_conflict_that_no_look_explains_fails_its_row_alone() {
    let mysql = || {
        let mut schema = workos_importer_sandbox::kratos::default_schema();
        schema["properties"]["traits"]["properties"]["role"]["ory.sh/kratos"] =
            json!({"credentials": {"password": {"identifier": true}}});
        let kratos = server(Settings {
            conflicts_refuse_batches: true,
            schemas: vec![("default".to_owned(), schema)],
            ..Settings::default()
        });
        there(
            &kratos,
            json!({"schema_id": "default", "traits": {"email": "other@x.com", "role": "r7"}}),
        );
        kratos
    };
    let file = |external_id: &dyn Fn(usize) -> usize, first: usize| {
        let mut csv = "email,role,external_id\n".to_owned();
        for number in first..first + 100 {
            let external_id = external_id(number);
            csv.push_str(&format!("u{number}@x.com,r{number},e{external_id}\n"));
        }
        csv
    };
    // Nobody knows that the role is something to sign in with, as somebody's old schema may not say.
    let kratos = mysql();
    let done = into(&kratos, &file(&|number| number, 0)).run();
    assert_eq!(done.ended, Ended::Complete);
    assert_eq!((emails(&kratos).len(), done.tally.failed()), (100, 1));
    assert_eq!(done.code(8), "user_create_failed");
    assert!(done.calls_of("create identities") < 30, "{:?}", done.calls);
    // Two rows share an id.
    let kratos = mysql();
    let shared = |number| if number == 150 { 110 } else { number };
    let done = into(&kratos, &file(&shared, 100)).run();
    assert_eq!((emails(&kratos).len(), done.tally.failed()), (100, 1));
    assert_eq!(done.code(51), "user_conflict");
    assert!(
        done.message(51).contains("record 11"),
        "{}",
        done.message(51)
    );
}

/// What the schema marks is looked for, whatever it is called.
#[test]
fn identities_are_found_by_what_they_sign_in_with() {
    let schema = json!({"properties": {"traits": {"type": "object", "properties": {
        "email": {"type": "string", "ory.sh/kratos": {"recovery": {"via": "email"}}},
        "role": {"type": "string", "ory.sh/kratos": {"credentials": {"password": {"identifier": true}}}}
    }}}});
    let kratos = server(Settings {
        schemas: vec![("default".to_owned(), schema.clone())],
        ..Settings::default()
    });
    lose_an_answer(&kratos);
    let rules = IdentityRules {
        schema: Some(IdentitySchema::new(schema).unwrap()),
        ..IdentityRules::default()
    };
    let csv = "email,role\na@x.com,Ada\nb@x.com,bob\n";
    let run = || {
        let mut scenario = into(&kratos, csv);
        scenario.identities = Some(Arc::new(rules.clone()));
        scenario.run()
    };
    let done = run();
    assert_eq!(done.outcomes(), ["created"; 2]);
    assert_eq!(done.evidence(1), "inferred");
    assert_eq!(run().outcomes(), ["unchanged"; 2]);
    assert_eq!(emails(&kratos).len(), 2);
}

/// Who signs in with nothing, and has no id of ours, cannot be seen: after a lost answer nobody is made again.
#[test]
fn who_cannot_be_found_is_never_sent_again() {
    let schema = json!({"properties": {"traits": {"type": "object", "properties": {"email": {"type": "string"}}}}});
    for csv in [
        "email\na@x.com\nb@x.com\n",
        "email,external_id\na@x.com,1\nb@x.com,2\n",
    ] {
        let kratos = server(Settings {
            schemas: vec![("default".to_owned(), schema.clone())],
            ..Settings::default()
        });
        lose_an_answer(&kratos);
        let served = IdentitySchema::new(schema.clone()).unwrap().served();
        let mut scenario = into(&kratos, csv);
        scenario.identities = Some(Arc::new(IdentityRules {
            schema: Some(served),
            ..IdentityRules::default()
        }));
        let done = scenario.run();
        let has_ids = csv.contains("external_id");
        let expected = if has_ids { "created" } else { "failed" };
        assert_eq!(done.outcomes(), [expected; 2]);
        assert_eq!(emails(&kratos).len(), 2);
        assert_eq!(done.calls_of("create identities"), 1);
    }
}

/// A gateway gives up, the server does not: what it makes after a look has come too early is still this run's.
#[test]
fn what_arrives_late_is_still_of_this_run() {
    let kratos = server(Settings {
        latency: (Duration::from_secs(4), Duration::from_secs(4)),
        ..Settings::default()
    });
    let late = kratos.clone();
    let times = std::sync::atomic::AtomicU64::new(0);
    let mut scenario = into(&kratos, &people(5, ""));
    scenario.policy.on_existing = OnExisting::Fail;
    scenario.meddle(move |_, request| {
        if request.method != Method::PATCH {
            return Meddle::Pass;
        }
        match times.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => Meddle::Answer(answer(504, &json!({}), &[])),
            _ => {
                let body: Value = serde_json::from_slice(request.body.as_deref().unwrap()).unwrap();
                late.seed(Method::PATCH, "/admin/identities", &body);
                Meddle::Pass
            }
        }
    });
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["created"; 5]);
    assert_eq!(done.evidence(1), "inferred");
    assert_eq!(emails(&kratos).len(), 5);
}

#[test]
fn a_lost_answer_is_settled_by_reading_back() {
    let kratos = server(Settings::default());
    lose_an_answer(&kratos);
    let done = into(&kratos, &people(50, "")).run();
    assert_eq!(done.outcomes(), ["created"; 50]);
    assert_eq!(done.evidence(7), "inferred");
    assert_eq!(done.calls_of("create identities"), 1);
    assert_eq!(done.calls_of("find identity"), 50);
    assert_eq!(emails(&kratos).len(), 50);
}

#[test]
fn a_gateway_timeout_halves_the_batches_that_follow() {
    let kratos = server(Settings::default());
    let mut scenario = into(&kratos, &people(3_000, ""));
    scenario.kratos.as_mut().unwrap().1.concurrency = Some(1);
    scenario.meddle({
        let failed = std::sync::atomic::AtomicBool::new(false);
        move |_, request| {
            let first = request.method == Method::PATCH
                && !failed.swap(true, std::sync::atomic::Ordering::Relaxed);
            match first {
                true => Meddle::Answer(answer(504, &json!({}), &[])),
                false => Meddle::Pass,
            }
        }
    });
    let done = scenario.run();
    assert_eq!(done.ended, Ended::Complete);
    assert_eq!(emails(&kratos).len(), 3_000);
    let sizes: Vec<usize> = done
        .log
        .iter()
        .filter(|exchange| exchange.method == Method::PATCH)
        .map(|exchange| exchange.body["identities"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes[0], 1_000);
    assert!(sizes.contains(&500), "{sizes:?}");
    assert_eq!(sizes.iter().sum::<usize>(), 4_000, "{sizes:?}");
}

/// A server that takes the longer the more there is to be done, as one that hashes passwords does.
#[test]
fn batches_shrink_until_the_server_answers_soon_enough() {
    let kratos = server(Settings {
        latency_per_identity: Duration::from_millis(50),
        ..Settings::default()
    });
    let mut scenario = into(&kratos, &people(6_000, ""));
    scenario.kratos.as_mut().unwrap().1.concurrency = Some(1);
    let done = scenario.run();
    assert_eq!(done.ended, Ended::Complete);
    assert_eq!(emails(&kratos).len(), 6_000);
    let sizes: Vec<usize> = done
        .log
        .iter()
        .filter(|exchange| exchange.method == Method::PATCH)
        .map(|exchange| exchange.body["identities"].as_array().unwrap().len())
        .collect();
    // 50 s, which is too long; then 25 s, also for those who had joined before. After four of them it is tried again.
    let expected = [1_000, 500, 500, 500, 500, 1_000, 500, 500, 500, 500];
    assert_eq!(sizes, expected);
    assert_eq!(done.calls_of("find identity"), 0);
}

/// 200 passwords that take a quarter of a second each, as with bcrypt of Kratos' default cost: nobody gives the call up.
#[test]
fn passwords_are_hashed_for_as_long_as_the_server_has() {
    let kratos = server(Settings {
        latency_per_identity: Duration::from_millis(250),
        ..Settings::default()
    });
    let mut scenario = into(&kratos, &people(600, "TempPass123!"));
    scenario.kratos.as_mut().unwrap().1.concurrency = Some(1);
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["created"; 600]);
    for record in 1..=600 {
        assert_eq!(done.evidence(record), "confirmed");
    }
    // 50 s, which proxies may not wait for; then 25 s.
    assert_eq!(done.calls_of("create identities"), 5);
    assert_eq!(done.calls_of("find identity"), 0);
}

#[test]
fn a_server_without_batches_gets_them_one_by_one() {
    let kratos = server(Settings {
        batches: false,
        ..Settings::default()
    });
    let done = into(&kratos, &people(30, "")).run();
    assert_eq!(done.outcomes(), ["created"; 30]);
    assert_eq!(emails(&kratos).len(), 30);
    assert_eq!(done.calls_of("create identities"), 1);
    assert_eq!(done.calls_of("create identity"), 30);
}

#[test]
fn batch_size_and_concurrency_are_kept() {
    let kratos = server(Settings {
        latency: (Duration::from_millis(400), Duration::from_millis(500)),
        ..Settings::default()
    });
    let mut scenario = into(&kratos, &people(400, ""));
    let settings = &mut scenario.kratos.as_mut().unwrap().1;
    (settings.batch_size, settings.concurrency) = (Some(25), Some(2));
    let done = scenario.run();
    assert_eq!(emails(&kratos).len(), 400);
    let batches: Vec<_> = done
        .log
        .iter()
        .filter(|exchange| exchange.method == Method::PATCH)
        .collect();
    assert_eq!(batches.len(), 16);
    for batch in &batches {
        assert!(batch.body["identities"].as_array().unwrap().len() <= 25);
        let at_once = batches
            .iter()
            .filter(|other| {
                other.sent <= batch.sent
                    && other.answered.is_none_or(|answered| answered > batch.sent)
            })
            .count();
        assert!(at_once <= 2, "{at_once} at once");
    }
}

/// The seed's "Invalid schema", as the server says it: the row fails, and its neighbours do not.
#[test]
fn an_item_that_the_server_refuses_fails_alone() {
    let kratos = server(Settings::default());
    let mut scenario = into(&kratos, "email,first_name\na@x.com,A\nb@x.com,B\n");
    scenario.meddle(|_, request| {
        let body = request.body.as_deref().unwrap_or_default();
        let text = String::from_utf8_lossy(body);
        if request.method != Method::PATCH || !text.contains("identities") {
            return Meddle::Pass;
        }
        let items: Value = serde_json::from_slice(body).unwrap();
        let ends = items["identities"].as_array().unwrap().iter().map(|item| {
            match item["create"]["traits"]["email"] == "a@x.com" {
                true => json!({"action": "error", "patch_id": item["patch_id"],
                               "error": {"code": 400, "status": "Bad Request", "message": "I[#/traits] S[#] nope"}}),
                false => json!({"action": "create", "patch_id": item["patch_id"],
                                "identity": "9f425a8d-7efc-4768-8f23-7647a74fdf13"}),
            }
        });
        let ends = json!({ "identities": ends.collect::<Vec<_>>() });
        Meddle::Answer(answer(200, &ends, &[]))
    });
    let done = scenario.run();
    assert_eq!(done.outcomes(), ["failed", "created"]);
    assert_eq!(done.code(1), "user_create_failed");
    assert!(done.message(1).contains("nope"));
    assert_eq!(
        done.id(2, Kind::User),
        "9f425a8d-7efc-4768-8f23-7647a74fdf13"
    );
}

#[test]
fn bodies_stay_below_what_the_server_reads() {
    let kratos = server(Settings::default());
    let long = "x".repeat(20_000);
    let mut csv = "email,first_name\n".to_owned();
    for number in 0..600 {
        csv.push_str(&format!("user{number}@x.com,{long}\n"));
    }
    let done = into(&kratos, &csv).run();
    assert_eq!(done.ended, Ended::Complete);
    assert_eq!(emails(&kratos).len(), 600);
    // 12 MB in bodies of at most 4 MiB.
    assert_eq!(done.calls_of("create identities"), 3);
}

#[test]
fn undo_takes_back_what_the_run_made_and_nobody_has_used_or_changed() {
    let kratos = server(Settings::default());
    there(
        &kratos,
        json!({"schema_id": "default", "traits": {"email": "user3@x.com"}}),
    );
    let folder = tempfile::tempdir().unwrap();
    let mut scenario = into(&kratos, &people(8, ""));
    scenario.journal = Some(folder.path().join("journal.sqlite3"));
    let done = scenario.run();
    assert_eq!(done.effect(4, Kind::User), "existing");
    let (used, changed) = (done.id(1, Kind::User), done.id(2, Kind::User));
    assert!(kratos.sign_in(used));
    kratos.seed(
        Method::PATCH,
        &format!("/admin/identities/{changed}"),
        &json!([{"op": "replace", "path": "/traits/role", "value": "admin"}]),
    );
    let undone = scenario.undo(&[], false);
    assert_eq!(undone.count(Kind::User, Verdict::Deleted), 5);
    assert_eq!(undone.why(used), Some(Verdict::SignedIn));
    assert_eq!(undone.why(changed), Some(Verdict::Changed));
    assert_eq!(emails(&kratos).len(), 3);
}

/// As Kratos' own servers do: the admin API sends those who ask for a schema to the public one.
#[test]
fn the_schema_is_read_where_the_admin_api_says_it_is() {
    for schemas_are_redirected in [true, false] {
        let kratos = server(Settings {
            schemas_are_redirected,
            ..Settings::default()
        });
        let schema = virtual_time(async {
            let clock = Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap());
            let way = InProcess::new(kratos.clone(), "token", clock.clone());
            let settings = directory::Settings::default();
            let directory = directory::Kratos::new(Arc::new(way), settings, clock, 1);
            let missing = directory.user_schema("none").await.unwrap_err();
            assert!(format!("{missing:?}").contains("`none`"), "{missing:?}");
            directory.user_schema("default").await.unwrap().unwrap()
        });
        assert_eq!(schema["title"], "Person");
    }
}

/// A server with some people in it, and rows of which some are about the same person.
fn draw(seed: u64) -> (Scenario, BTreeSet<String>) {
    let mut random = StdRng::seed_from_u64(seed);
    let kratos = server(Settings {
        seed,
        latency: (Duration::ZERO, Duration::from_millis(300)),
        faults: Faults {
            rate: random.random_range(0.0..0.25),
            ..Faults::default()
        },
        batches: random.random_bool(0.85),
        failed_batches_are_refused: random.random_bool(0.5),
        ..Settings::default()
    });
    let people = random.random_range(5..40);
    let mut before = BTreeSet::new();
    for number in 0..people {
        if random.random_bool(0.2) {
            before.insert(format!("user{number}@x.com"));
            there(
                &kratos,
                json!({"schema_id": "default", "traits": {"email": format!("user{number}@x.com"), "role": "old"}}),
            );
        }
    }
    let mut csv = "email,first_name,role,external_id,initial_password\n".to_owned();
    for _ in 0..random.random_range(5..80) {
        let number = random.random_range(0..people);
        let password = if random.random_bool(0.4) {
            "Planted-7-Secret!"
        } else {
            ""
        };
        csv.push_str(&format!(
            "user{number}@x.com,N{number},user,e{number},{password}\n"
        ));
    }
    let mut scenario = into(&kratos, &csv);
    let settings = &mut scenario.kratos.as_mut().unwrap().1;
    settings.batch_size = [None, Some(1), Some(3), Some(10)][random.random_range(0..4)];
    settings.concurrency = Some(random.random_range(1..5));
    scenario.seed = seed;
    scenario.stubborn = true;
    scenario.lingers = true;
    scenario.can_rewind = random.random_bool(0.8);
    if random.random_bool(0.5) {
        scenario.policy.on_existing = OnExisting::Update;
        scenario.compares = random.random_bool(0.5) && scenario.can_rewind;
    }
    let mut deaths = |most| {
        let count = random.random_range(0..most);
        let deaths = (0..count).map(|_| Death {
            polls: random.random_range(1..400),
            unwritten: match random.random_bool(0.5) {
                true => Death::POWER,
                false => random.random_range(0..3),
            },
        });
        deaths.collect::<Vec<_>>()
    };
    scenario.deaths = deaths(4);
    scenario.retries = vec![deaths(3), Vec::new()];
    (scenario, before)
}

fn check(scenario: &Scenario, before: &BTreeSet<String>, done: &Done) -> usize {
    let (kratos, _) = scenario.kratos.as_ref().unwrap();
    let mut reader = csv::Reader::from_reader(scenario.csv.as_bytes());
    let rows: Vec<BTreeMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
    assert_eq!(done.lines.len(), rows.len());
    let all = identities(kratos);
    let distinct: BTreeSet<String> = emails(kratos).into_iter().collect();
    assert_eq!(distinct.len(), all.len(), "nobody is there twice");
    let named: BTreeSet<&String> = rows.iter().map(|row| &row["email"]).collect();
    let mut failed = 0;
    let mut failed_emails = BTreeSet::new();
    let mut created: BTreeMap<String, usize> = BTreeMap::new();
    for (row, line) in rows.iter().zip(&done.lines) {
        if line.error_message().is_some() {
            failed += 1;
            failed_emails.insert(row["email"].clone());
            continue;
        }
        let made = all
            .iter()
            .find(|one| one["traits"]["email"] == row["email"].as_str())
            .unwrap_or_else(|| panic!("{} is lost", row["email"]));
        assert_eq!(line.texts[6].as_deref(), made["id"].as_str(), "{row:?}");
        if line.texts[2].as_deref() == Some("created") {
            *created.entry(row["email"].clone()).or_default() += 1;
            assert_eq!(made["traits"]["role"], "user", "{row:?}");
        }
        if scenario.policy.on_existing == OnExisting::Update {
            assert_eq!(made["traits"]["role"], "user", "{row:?}");
            assert_eq!(made["external_id"], row["external_id"].as_str(), "{row:?}");
        }
    }
    // Whoever was not there before was created by one row, and the run knows it.
    for email in named
        .iter()
        .filter(|email| !failed_emails.contains(email.as_str()))
    {
        let times = created.get(email.as_str()).copied().unwrap_or(0);
        let expected = usize::from(!before.contains(email.as_str()));
        assert_eq!(times, expected, "{email} was created by so many rows");
    }
    for one in &all {
        let email = one["traits"]["email"].as_str().unwrap().to_owned();
        let was_there = one["traits"]["role"] == "old";
        assert!(was_there || named.contains(&email) || one["traits"]["role"] == "user");
    }
    for text in &done.journal {
        assert!(!text.contains("Planted-7-Secret"), "{text}");
    }
    failed
}

#[test]
fn nothing_is_lost_or_made_twice_under_faults_and_kills() {
    let (mut rows, mut failed) = (0, 0);
    for seed in seeds() {
        println!("identities with SEED={seed}");
        let (scenario, before) = draw(seed);
        let done = scenario.run();
        rows += done.lines.len();
        failed += check(&scenario, &before, &done);
    }
    assert!(failed * 10 < rows, "{failed} of {rows} rows failed");
}
