//! Runs the engine over a sandbox in this process, in virtual time, with the journal inline: the same seed gives the
//! same run, bit for bit.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::watch;
use workos_importer_core::clock::Clock;
use workos_importer_core::directory::workos::{Limits, WorkOs};
use workos_importer_core::directory::{Directory, OnExisting, Policy};
use workos_importer_core::engine::{
    Claimed, Disagreement, Ended, Engine, Halt, MaxErrors, Options, ReadRow, Rows, Sink, Tally,
};
use workos_importer_core::journal::outcome::{ApiDetails, RowError, RowResult};
use workos_importer_core::journal::{Journal, ResultLine, RunRecord};
use workos_importer_core::row::{
    Claim, Columns, Kind, Mode, OrganizationOptions, Rules, Step, fields_digest, interpret,
};
use workos_importer_core::source::{Format, Source, open_reader};
use workos_importer_core::wire::InProcess;
use workos_importer_sandbox::{Sandbox, Settings};

/// One import over a sandbox, with everything that a test wants to turn.
pub struct Scenario {
    pub csv: String,
    pub sandbox: Sandbox,
    pub organization: OrganizationOptions,
    pub policy: Policy,
    pub require_membership: bool,
    pub max_errors: Option<MaxErrors>,
    pub can_rewind: bool,
    /// `None`: as fast as the sandbox answers.
    pub limits: Option<Limits>,
    pub seed: u64,
}

/// What a run left behind.
pub struct Done {
    pub ended: Ended,
    pub tally: Tally,
    pub results: Vec<RowResult>,
    pub lines: Vec<ResultLine>,
    pub disagreements: Vec<Disagreement>,
    pub calls: BTreeMap<&'static str, u64>,
    pub virtual_seconds: f64,
}

impl Scenario {
    pub fn new(csv: &str) -> Self {
        Self::on(Sandbox::new(Settings::default()), csv)
    }

    pub fn on(sandbox: Sandbox, csv: &str) -> Self {
        Self {
            csv: csv.to_owned(),
            sandbox,
            organization: OrganizationOptions::default(),
            policy: Policy { on_existing: OnExisting::Skip, create_organizations: true, ..Policy::default() },
            require_membership: false,
            max_errors: None,
            can_rewind: true,
            limits: Some(Limits::documented()),
            seed: 1,
        }
    }

    /// Runs in virtual time.
    pub fn run(&self) -> Done {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(self.run_here())
    }

    async fn run_here(&self) -> Done {
        let clock = Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap());
        let started = tokio::time::Instant::now();
        let transport = Arc::new(InProcess::new(self.sandbox.clone(), "sk_test_simulation", clock.clone()));
        let directory = WorkOs::new(transport, self.limits.as_ref(), None, clock.clone(), self.seed);
        let run = RunRecord {
            id: "simulation".into(),
            source: "test".into(),
            mode: "test".into(),
            target: "sandbox".into(),
            options: "{}".into(),
            started_at: clock.now().to_string(),
        };
        let journal = Journal::inline(None, &run).unwrap();
        let mut rows = InlineRows::new(&self.csv, &self.organization, self.can_rewind, self.policy.create_organizations);
        let prelude: Vec<Step> = match &rows.mode {
            Mode::SingleOrganization(claim) => vec![Step::new(Claim::Organization(claim.clone()))],
            _ => Vec::new(),
        };
        let mut sink = Collected::default();
        let options = Options {
            policy: self.policy,
            require_membership: self.require_membership,
            max_errors: self.max_errors,
            seed: self.seed,
        };
        let (_halt, halted) = watch::channel(Halt::Run);
        directory.check().await.unwrap_or_else(|error| panic!("the key check failed: {error:?}"));
        let (ended, tally) = Engine::new(&directory, &journal, clock, options)
            .run(&mut rows, &prelude, &mut sink, halted)
            .await;
        let lines = journal.ask(|store| store.results(0, 1_000_000)).await.unwrap();
        Done {
            ended,
            tally,
            results: sink.results,
            lines,
            disagreements: sink.disagreements,
            calls: directory.calls(),
            virtual_seconds: started.elapsed().as_secs_f64(),
        }
    }
}

impl Done {
    /// `record → outcome` in the order of the source.
    pub fn outcomes(&self) -> Vec<&'static str> {
        let mut results: Vec<&RowResult> = self.results.iter().collect();
        results.sort_by_key(|result| result.identity.record_number);
        results.iter().map(|result| result.outcome.as_str()).collect()
    }

    pub fn result(&self, record_number: u64) -> &RowResult {
        let mut found = self.results.iter().filter(|result| result.identity.record_number == record_number);
        let first = found.next().unwrap_or_else(|| panic!("record {record_number} has no outcome"));
        assert!(found.next().is_none(), "record {record_number} has two outcomes");
        first
    }

    pub fn code(&self, record_number: u64) -> &'static str {
        self.result(record_number).error.as_ref().map_or("none", |error| error.code)
    }

    pub fn message(&self, record_number: u64) -> &str {
        self.result(record_number).error.as_ref().map_or("", |error| error.message.as_str())
    }

    pub fn calls_of(&self, name: &str) -> u64 {
        self.calls.get(name).copied().unwrap_or(0)
    }
}

/// The memberships of a sandbox as sorted (email, organization's external id or id, sorted roles) of active ones.
pub fn memberships(sandbox: &Sandbox) -> Vec<(String, String, Vec<String>)> {
    let dump = sandbox.dump();
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let by_id = |list: &str| -> BTreeMap<String, Value> {
        dump[list].as_array().unwrap().iter().map(|object| (text(object, "id"), object.clone())).collect()
    };
    let (users, organizations) = (by_id("users"), by_id("organizations"));
    let mut found: Vec<(String, String, Vec<String>)> = dump["organization_memberships"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|membership| text(membership, "status") == "active")
        .map(|membership| {
            let user = users.get(&text(membership, "user_id")).cloned().unwrap_or(json!({}));
            let organization = organizations.get(&text(membership, "organization_id")).cloned().unwrap_or(json!({}));
            let external_id = text(&organization, "external_id");
            let name = if external_id.is_empty() { text(&organization, "id") } else { external_id };
            let mut roles: Vec<String> =
                membership["roles"].as_array().into_iter().flatten().map(|role| text(role, "slug")).collect();
            roles.sort();
            (text(&user, "email"), name, roles)
        })
        .collect();
    found.sort();
    found
}

pub fn emails(sandbox: &Sandbox) -> Vec<String> {
    let dump = sandbox.dump();
    let mut emails: Vec<String> =
        dump["users"].as_array().unwrap().iter().map(|user| user["email"].as_str().unwrap().to_owned()).collect();
    emails.sort();
    emails
}

#[derive(Default)]
struct Collected {
    results: Vec<RowResult>,
    disagreements: Vec<Disagreement>,
}

#[async_trait]
impl Sink for Collected {
    async fn row(&mut self, result: &RowResult) -> Result<(), String> {
        self.results.push(result.clone());
        Ok(())
    }

    async fn disagreement(&mut self, disagreement: Disagreement) {
        self.disagreements.push(disagreement);
    }

    fn tally(&mut self, _tally: &Tally) {}
}

/// A CSV text, read in small batches in the calling thread.
struct InlineRows {
    csv: String,
    source: Box<dyn Source>,
    columns: Columns,
    mode: Mode,
    can_rewind: bool,
    rules: Rules,
}

impl InlineRows {
    fn new(csv: &str, organization: &OrganizationOptions, can_rewind: bool, create_organizations: bool) -> Self {
        let source = Self::open(csv);
        let columns = Columns::resolve(source.columns(), &[]).unwrap();
        let (mode, _) = Mode::decide(organization, &columns).unwrap();
        Self { csv: csv.to_owned(), source, columns, mode, can_rewind, rules: Rules { create_organizations } }
    }

    fn open(csv: &str) -> Box<dyn Source> {
        open_reader("test.csv", Box::new(Cursor::new(csv.as_bytes().to_vec())), &Format::default()).unwrap()
    }
}

#[async_trait]
impl Rows for InlineRows {
    async fn next(&mut self) -> Result<Vec<ReadRow>, String> {
        let records = self.source.next_batch(7).map_err(|error| error.to_string())?;
        let read = records.into_iter().map(|record| {
            let interpreted = interpret(&self.columns, &self.mode, record, &self.rules);
            match interpreted.row {
                Ok(row) => ReadRow::Claimed(Box::new(Claimed {
                    fields: row.user().map(|user| fields_digest(user, &[7; 32])),
                    identity: row.identity,
                    steps: row.steps,
                    subject: Kind::User,
                })),
                Err(rejected) => ReadRow::Invalid {
                    error: RowError {
                        error_type: "validation",
                        code: rejected.issues[0].code.as_str(),
                        message: rejected.issues[0].message.clone(),
                        api: ApiDetails::default(),
                    },
                    identity: Box::new(rejected.identity),
                },
            }
        });
        Ok(read.collect())
    }

    async fn rewind(&mut self) -> Result<bool, String> {
        self.source = Self::open(&self.csv);
        Ok(self.can_rewind)
    }

    fn can_rewind(&self) -> bool {
        self.can_rewind
    }
}
