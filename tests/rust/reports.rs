//! The files that people read: their columns, their forms, their rights.

use std::fs;
use std::path::Path;

use http::Method;
use serde_json::{Value, json};
use workos_importer_core::journal::{Journal, RESULT_COLUMNS};
use workos_importer_core::report::{ErrorFile, write_results};
use workos_importer_sandbox::Fault;

use crate::harness::{Done, Meddle, Scenario, World, answer, record, virtual_time};

/// The seeds' columns.
const COLUMNS: &str =
    "recordNumber,email,userId,errorMessage,httpStatus,workosCode,workosRequestId,timestamp,rawRow";

fn failures() -> Done {
    let csv = "email,first_name,password,passwrd,metadata,org_id,org_external_id,org_name,role_slugs\n\
        ok@x.com,A,secret-1-horse-battery,typo-secret,,,acme,Acme,\n\
        =cmd@x.com,\"Zoë, \"\"Z\"\"\",secret-2-horse-battery,typo-secret,\"{\"\"a\"\":1}\",,acme,Acme,wizard\n\
        refused@x.com,A,secret-3-horse-battery,typo-secret,,,acme,Acme,\n\
        broken@x.com,secret-4\n\
        nobody,A,,,,,acme,Acme,\n\
        gone@x.com,A,,,,org_gone,,,\n";
    let mut scenario = Scenario::new(csv);
    scenario.meddle(|_, request| {
        let body = request.body.as_deref().unwrap_or_default();
        if String::from_utf8_lossy(body).contains("refused@x.com") {
            let body = json!({"code": "user_creation_error", "message": "-no", "errors": [{"code": "x", "message": "y"}]});
            return Meddle::Answer(answer(400, &body, &[("x-request-id", "req_9")]));
        }
        Meddle::Pass
    });
    let done = scenario.run();
    assert_eq!(
        done.outcomes(),
        ["created", "failed", "failed", "failed", "failed", "failed"]
    );
    done
}

fn write(path: &Path, done: &Done) -> String {
    let mut file = ErrorFile::create(path).unwrap();
    let mut results: Vec<_> = done.results.iter().collect();
    results.sort_by_key(|result| result.identity.record_number);
    results
        .into_iter()
        .for_each(|result| file.add(result).unwrap());
    file.finish().unwrap();
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_csv_error_file_has_the_seeds_columns_and_no_formulas() {
    let folder = tempfile::tempdir().unwrap();
    let done = failures();
    let text = write(&folder.path().join("errors.csv"), &done);
    assert_eq!(text.lines().next(), Some(COLUMNS));
    let rows: Vec<csv::StringRecord> = csv::Reader::from_reader(text.as_bytes())
        .into_records()
        .map(Result::unwrap)
        .collect();
    let numbers: Vec<&str> = rows.iter().map(|row| &row[0]).collect();
    assert_eq!(numbers, ["2", "3", "4", "5", "6"]);
    let (role, refused, broken, gone) = (&rows[0], &rows[1], &rows[2], &rows[4]);
    assert_eq!(&role[1], "'=cmd@x.com");
    assert!(role[2].starts_with("user_01"));
    assert!(role[3].starts_with(
        "Membership failed: Role 'wizard' does not exist. The user was kept (user_01"
    ));
    assert_eq!((&role[4], &role[5]), ("422", "invalid_role"));
    assert!(role[6].starts_with("req_"));
    // Known columns only, none of them secret, as JSON.
    let raw: Value = serde_json::from_str(&role[8]).unwrap();
    assert_eq!(
        raw,
        json!({
            "email": "=cmd@x.com", "first_name": "Zoë, \"Z\"", "metadata": "{\"a\":1}", "org_external_id": "acme",
            "org_name": "Acme", "org_id": "", "role_slugs": "wizard",
        })
    );
    assert_eq!(&refused[3], "'-no y");
    assert_eq!(
        (&refused[2], &refused[4], &refused[5], &refused[6]),
        ("", "400", "user_creation_error", "req_9")
    );
    // Nothing of a broken record is quoted.
    assert_eq!((&broken[1], &broken[8]), ("", ""));
    assert!(!text.contains("secret-"), "{text}");
    assert_eq!(&gone[4], "404");
    for row in &rows {
        let time = &row[7];
        assert!(
            time.len() == 24 && time.starts_with("2026-01-01T00:0") && time.ends_with('Z'),
            "{time}"
        );
    }
}

#[test]
fn json_error_files_have_the_same_keys_and_more() {
    let folder = tempfile::tempdir().unwrap();
    let done = failures();
    let array: Vec<Value> =
        serde_json::from_str(&write(&folder.path().join("errors.json"), &done)).unwrap();
    for name in ["errors.jsonl", "errors.txt", "errors"] {
        let text = write(&folder.path().join(name), &done);
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines, array, "{name}");
    }
    assert_eq!(array.len(), 5);
    let refused = &array[1];
    assert_eq!(refused["recordNumber"], 3);
    assert_eq!(refused["errorType"], "user");
    assert_eq!(refused["httpStatus"], 400);
    assert_eq!(
        refused["workosErrors"],
        json!([{"code": "x", "message": "y"}])
    );
    assert_eq!(refused["errorMessage"], "-no y");
    assert_eq!(refused["rawRow"]["email"], "refused@x.com");
    assert!(refused["orgId"].as_str().unwrap().starts_with("org_01"));
    assert_eq!(refused["orgExternalId"], "acme");
    // Rows that failed by themselves name what the row says.
    assert_eq!(array[4]["orgId"], "org_gone");
    assert_eq!(array[3]["errorType"], "validation");
    assert!(
        array[2].get("rawRow").is_none() && array[2].get("email").is_none(),
        "{}",
        array[2]
    );
    for entry in &array {
        let known = [
            "recordNumber",
            "email",
            "userId",
            "errorType",
            "errorMessage",
            "httpStatus",
            "workosCode",
            "workosRequestId",
            "workosErrors",
            "orgId",
            "orgExternalId",
            "timestamp",
            "rawRow",
        ];
        assert!(
            entry
                .as_object()
                .unwrap()
                .keys()
                .all(|key| known.contains(&key.as_str())),
            "{entry}"
        );
    }
}

#[test]
fn lines_are_there_at_once_and_other_forms_take_their_place_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let done = failures();
    let failed: Vec<_> = done
        .results
        .iter()
        .filter(|result| result.error.is_some())
        .collect();
    let live = folder.path().join("errors.jsonl");
    let mut file = ErrorFile::create(&live).unwrap();
    for (index, result) in failed.iter().enumerate() {
        file.add(result).unwrap();
        assert_eq!(
            fs::read_to_string(&live).unwrap().lines().count(),
            index + 1
        );
    }
    for name in ["errors.csv", "errors.json"] {
        let path = folder.path().join(name);
        fs::write(&path, "of an earlier run").unwrap();
        let mut file = ErrorFile::create(&path).unwrap();
        failed.iter().for_each(|result| file.add(result).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "of an earlier run");
        file.finish().unwrap();
        assert!(fs::read_to_string(&path).unwrap().contains("req_9"));
        assert!(!folder.path().join(format!("{name}.partial")).exists());
    }
}

#[test]
fn files_exist_when_nothing_failed_and_are_private() {
    let folder = tempfile::tempdir().unwrap();
    for (name, expected) in [
        ("e.csv", format!("{COLUMNS}\n")),
        ("e.json", "[]\n".into()),
        ("e.jsonl", String::new()),
    ] {
        let path = folder.path().join(name);
        // A file that others could read before is private now.
        fs::write(&path, "old").unwrap();
        ErrorFile::create(&path).unwrap().finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        assert_private(&path);
    }
    let journal = Journal::inline(None, &record()).unwrap();
    for name in ["r.csv", "r.json", "r.jsonl"] {
        let path = folder.path().join(name);
        virtual_time(write_results(&journal, &path)).unwrap();
        assert_private(&path);
    }
}

#[cfg(unix)]
fn assert_private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(
        fs::metadata(path).unwrap().permissions().mode() & 0o777,
        0o600,
        "{}",
        path.display()
    );
}

#[cfg(not(unix))]
fn assert_private(_: &Path) {}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_can_take_the_lines() {
    let mut file = ErrorFile::create(Path::new("/dev/null")).unwrap();
    failures()
        .results
        .iter()
        .for_each(|result| file.add(result).unwrap());
    file.finish().unwrap();
}

#[test]
fn results_have_the_documented_columns_in_each_form() {
    let documented = "record_number,email,external_id,outcome,user,membership,evidence,user_id,organization_id,\
                      membership_id,error_code,error_message";
    assert_eq!(RESULT_COLUMNS.join(","), documented);
    let csv = "email,external_id,org_external_id,org_name,role_slugs\n\
        -new@x.com,crm-1,acme,Acme,\nold@x.com,,acme,Acme,admin\nlost@x.com,,,,\nbad@x.com,,acme,Acme,wizard\nnobody,,,,\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite3");
    let mut scenario = Scenario::new(csv);
    scenario.journal = Some(path.clone());
    scenario.concurrency = Some(1);
    scenario.sandbox.user(json!({"email": "old@x.com"}));
    scenario.meddle(|sandbox, request| {
        if String::from_utf8_lossy(request.body.as_deref().unwrap_or_default())
            .contains("lost@x.com")
        {
            sandbox.fail_next(Method::POST, "/user_management/users", Fault::ResetAfter, 1);
        }
        Meddle::Pass
    });
    let done = scenario.run();
    let store = workos_importer_core::journal::Store::open(&path).unwrap();
    let lines: Vec<Vec<String>> = store
        .results(0, 100)
        .unwrap()
        .into_iter()
        .map(|line| {
            line.texts
                .into_iter()
                .map(Option::unwrap_or_default)
                .collect()
        })
        .collect();
    let short: Vec<String> = lines.iter().map(|line| line[..6].join("|")).collect();
    assert_eq!(
        short,
        [
            "-new@x.com|crm-1|created|created|created|confirmed",
            "old@x.com||updated|existing|created|confirmed",
            "lost@x.com||created|created|none|inferred",
            "bad@x.com||failed|created|none|",
            "nobody||failed|||",
        ]
    );
    assert_eq!(lines[0][6], scenario.sandbox.find_user("-new@x.com")["id"]);
    assert_eq!(lines[0][7], lines[1][7]);
    assert!(lines[0][8].starts_with("om_"));
    assert_eq!(
        (lines[3][9].as_str(), lines[4][9].as_str()),
        ("invalid_role", "invalid_email")
    );
    assert_eq!(lines[3][10], done.message(4));
}

#[test]
fn results_files_are_in_the_order_of_the_source_and_guard_formulas() {
    let mut results = failures_of(2_500);
    results.reverse();
    virtual_time(async {
        let journal = Journal::inline(None, &record()).unwrap();
        for result in results {
            let ended = workos_importer_core::journal::EndedRow::of(&result, Vec::new());
            journal.note(move |store| store.outcome(&ended)).unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.csv");
        write_results(&journal, &path).await.unwrap();
        let mut reader = csv::Reader::from_path(&path).unwrap();
        assert_eq!(
            reader.headers().unwrap().iter().collect::<Vec<_>>(),
            RESULT_COLUMNS
        );
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 2_500);
        for (index, row) in rows.iter().enumerate() {
            assert_eq!(row[0], (index + 1).to_string());
            assert_eq!(row[1], format!("'@{}", index + 1));
        }
        for (name, lines) in [("r.json", false), ("r.jsonl", true)] {
            let path = folder.path().join(name);
            write_results(&journal, &path).await.unwrap();
            let text = fs::read_to_string(&path).unwrap();
            let objects: Vec<Value> = match lines {
                true => text
                    .lines()
                    .map(|line| serde_json::from_str(line).unwrap())
                    .collect(),
                false => serde_json::from_str(&text).unwrap(),
            };
            assert_eq!(objects.len(), 2_500);
            assert_eq!(objects[2_499]["record_number"], 2_500);
            assert_eq!(objects[0]["email"], "@1");
            assert_eq!(objects[0]["user_id"], Value::Null);
        }
    });
}

/// Results of so many rows whose emails are no emails.
fn failures_of(rows: usize) -> Vec<workos_importer_core::journal::outcome::RowResult> {
    let lines: String = (1..=rows).map(|number| format!("@{number}\n")).collect();
    Scenario::fast(&format!("email\n{lines}")).run().results
}
