//! `undo` against the runs on disk: which run may be undone, what follows for other commands, and what ends it.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::runtime::Runtime;
use workos_importer_sandbox::{Limits, Sandbox, Settings};

use super::*;
use crate::source::Format;

struct Desk {
    runtime: Runtime,
    folder: TempDir,
    sandbox: Sandbox,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let csv = "email,org_external_id,org_name\na@x.com,acme,Acme\nb@x.com,acme,Acme\n";
        std::fs::write(folder.path().join("users.csv"), csv).unwrap();
        Self {
            runtime: Runtime::new().unwrap(),
            folder,
            sandbox: sandbox(),
        }
    }

    fn options(&self) -> ImportOptions {
        ImportOptions {
            run_dir: Some(self.folder.path().join("runs")),
            ..ImportOptions::default()
        }
    }

    fn import(&self, again: Again) -> Result<Summary, StartError> {
        let path = self.folder.path().join("users.csv").display().to_string();
        let input = match again {
            Again::GoOn | Again::New => Input::Path {
                path,
                format: Format::default(),
            },
            _ => Input::Recorded,
        };
        let options = ImportOptions {
            again,
            ..self.options()
        };
        let target = Target::Sandbox(self.sandbox.clone());
        let import = start(options, input, target, self.runtime.handle())?;
        let mut note = None;
        loop {
            for event in import.poll(100, Duration::from_secs(10)) {
                match event {
                    Event::Started(started) => note = started.note,
                    Event::Ended(summary) => {
                        let note = summary.note.clone().or(note);
                        return Ok(Summary { note, ..*summary });
                    }
                    _ => {}
                }
            }
        }
    }

    fn begin(&self, run: &str, organizations: bool) -> Result<Undoing, StartError> {
        let target = Target::Sandbox(self.sandbox.clone());
        undo(
            self.options(),
            run,
            organizations,
            target,
            self.runtime.handle(),
        )
    }

    fn undo(&self, run: &str, organizations: bool) -> Result<UndoSummary, StartError> {
        let undoing = self.begin(run, organizations)?;
        loop {
            if let Some(summary) = undoing.poll(Duration::from_secs(10)).unwrap() {
                return Ok(summary);
            }
        }
    }

    fn plan(&self, organizations: bool) -> Result<UndoPlan, StartError> {
        undo_plan(&self.run("latest"), organizations)
    }

    fn run(&self, name: &str) -> FoundRun {
        find_run(Some(&self.runs()), name).unwrap()
    }

    fn runs(&self) -> PathBuf {
        self.folder.path().join("runs")
    }

    fn users(&self) -> usize {
        self.sandbox.dump()["users"].as_array().unwrap().len()
    }
}

fn sandbox() -> Sandbox {
    Sandbox::new(Settings {
        limits: Limits::none(),
        ..Settings::default()
    })
}

fn message<T>(refused: Result<T, StartError>) -> String {
    match refused {
        Ok(_) => panic!("it was not refused"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_plan_says_what_an_undo_does_and_changes_nothing() {
    let desk = Desk::new();
    desk.import(Again::GoOn).unwrap();
    let plan = desk.plan(true).unwrap();
    assert_eq!(
        (plan.users, plan.memberships, plan.organizations),
        (2, 2, 1)
    );
    let plan = desk.plan(false).unwrap();
    assert_eq!((plan.organizations, plan.organizations_kept), (0, 1));
    assert!(plan.left.is_empty());
    assert_eq!(desk.run("latest").info.status.as_deref(), Some("Success"));
    let done = desk.undo("latest", true).unwrap();
    let deleted = (
        done.users_deleted,
        done.memberships_deleted,
        done.organizations_deleted,
    );
    assert_eq!(deleted, (2, 2, 1));
    assert_eq!(
        (done.status, done.exit_code, done.pending),
        ("Undone", 0, 0)
    );
    assert!(done.left.is_empty() && done.stopped.is_none());
}

#[test]
fn an_undo_cannot_be_undone_but_for_the_organizations_that_it_kept() {
    let desk = Desk::new();
    desk.import(Again::GoOn).unwrap();
    let done = desk.undo("latest", false).unwrap();
    assert_eq!(
        (done.organizations_deleted, done.organizations_kept),
        (0, 1)
    );
    assert_eq!(done.exit_code, 0);
    let refused = message(desk.undo("latest", false));
    assert!(refused.contains("An undo cannot be undone"), "{refused}");
    assert!(refused.contains("--organizations"), "{refused}");
    assert_eq!(message(desk.plan(false)), refused);
    let done = desk.undo("latest", true).unwrap();
    assert_eq!((done.organizations_deleted, done.users_deleted), (1, 2));
    let refused = message(desk.undo("latest", true));
    assert!(refused.ends_with("import the file again."), "{refused}");
}

#[test]
fn an_import_after_an_undo_is_a_new_run_and_says_so() {
    let desk = Desk::new();
    let first = desk.import(Again::GoOn).unwrap();
    desk.undo("latest", false).unwrap();
    assert_eq!(show(&desk.run("latest")).unwrap().status, Status::Undone);
    for again in [
        Again::Resume("latest".into()),
        Again::Retry("latest".into()),
    ] {
        let refused = message(desk.import(again));
        assert!(refused.contains("was undone"), "{refused}");
    }
    let second = desk.import(Again::GoOn).unwrap();
    assert_ne!(second.run_id, first.run_id);
    assert_eq!((second.created, second.organizations_created), (2, 0));
    let note = second.note.unwrap();
    assert!(
        note.contains(&format!("run {} was undone", first.run_id)),
        "{note}"
    );
    assert_eq!(desk.users(), 2);
    // And the next one is that again.
    assert_eq!(desk.import(Again::GoOn).unwrap().run_id, second.run_id);
}

#[test]
fn a_run_with_a_name_begins_anew_too() {
    let desk = Desk::new();
    let named = || {
        let options = ImportOptions {
            run_name: Some("crm".into()),
            ..desk.options()
        };
        let target = Target::Sandbox(desk.sandbox.clone());
        let input = Input::Path {
            path: desk.folder.path().join("users.csv").display().to_string(),
            format: Format::default(),
        };
        let import = start(options, input, target, desk.runtime.handle()).unwrap();
        let ended = |event| matches!(event, Event::Ended(_));
        while !import
            .poll(100, Duration::from_secs(10))
            .into_iter()
            .any(ended)
        {}
        import.run_id().to_owned()
    };
    assert_eq!(named(), "crm");
    desk.undo("crm", false).unwrap();
    assert_eq!(named(), "crm-2");
    assert_eq!(named(), "crm-2");
    assert_eq!(desk.users(), 2);
}

#[test]
fn what_is_left_is_counted_and_listed() {
    let desk = Desk::new();
    desk.import(Again::GoOn).unwrap();
    let user = desk.sandbox.dump()["users"][0]["id"].clone();
    desk.sandbox.sign_in(user.as_str().unwrap());
    let done = desk.undo("latest", true).unwrap();
    assert_eq!((done.status, done.exit_code), ("Partly undone", 1));
    let lines = left(&desk.run("latest").journal(), 0, 10).unwrap();
    let words: Vec<_> = lines.iter().map(|line| line.verdict.as_str()).collect();
    assert_eq!(words, ["not_empty", "signed_in", "signed_in"]);
    assert_eq!(lines[1].remote_id.as_deref(), user.as_str());
    assert_eq!(lines[1].name.as_deref(), lines[2].name.as_deref());
}

#[test]
fn a_run_of_somewhere_else_and_one_that_is_worked_on_are_refused() {
    let mut desk = Desk::new();
    desk.import(Again::GoOn).unwrap();
    let run = desk.run("latest");
    let lock = lock::RunLock::take(&run.folder).unwrap().unwrap();
    assert!(matches!(
        desk.begin("latest", false),
        Err(StartError::Locked(_))
    ));
    drop(lock);
    desk.sandbox = sandbox();
    let refused = message(desk.begin("latest", false));
    assert!(refused.contains("another sandbox"), "{refused}");
    assert!(matches!(
        desk.begin("nope", false),
        Err(StartError::NoRun(_))
    ));
}

#[test]
fn asked_to_stop_it_stops_and_goes_on_later() {
    let desk = Desk::new();
    let rows: String = (0..300).map(|one| format!("u{one}@x.com\n")).collect();
    let file: &Path = &desk.folder.path().join("users.csv");
    std::fs::write(file, format!("email\n{rows}")).unwrap();
    desk.import(Again::GoOn).unwrap();
    let undoing = desk.begin("latest", false).unwrap();
    undoing.halt(crate::engine::Halt::Drain);
    let done = loop {
        if let Some(done) = undoing.poll(Duration::from_secs(10)).unwrap() {
            break done;
        }
    };
    assert_eq!((done.status, done.exit_code), ("Interrupted", 130));
    assert_eq!(done.pending + done.users_deleted, 300);
    assert!(desk.users() as u64 == done.pending);
    let done = desk.undo("latest", false).unwrap();
    assert_eq!((done.users_deleted, done.exit_code), (300, 0));
    assert_eq!(desk.users(), 0);
}
