//! Runs the engine over a sandbox in this process, in virtual time, with the journal inline: the same seed gives the
//! same run, bit for bit.

mod killed;
mod listener;
mod meddler;
mod rows;
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use workos_importer_core::clock::Clock;
use workos_importer_core::directory::workos::{Limits, WorkOs};
use workos_importer_core::directory::{CallError, Directory, OnExisting, Policy};
use workos_importer_core::engine::{
    Disagreement, Ended, Engine, Halt, MaxErrors, Options, Sink, Tally,
};
use workos_importer_core::journal::outcome::RowResult;
use workos_importer_core::journal::{Journal, ResultLine, RunRecord};
use workos_importer_core::pace::Standing;
use workos_importer_core::row::{Claim, Kind, Mode, OrganizationOptions, Step};
use workos_importer_core::wire::{InProcess, Transport};
use workos_importer_sandbox::{Limits as SandboxLimits, Sandbox, Settings};

pub use listener::Collected;
pub use meddler::{Exchange, Meddle, Meddler, answer};
pub use rows::InlineRows;
pub use world::{World, emails, memberships, unlimited};

/// The key under which every simulation runs.
pub const KEY: &str = "sk_test_simulation_0123456789";

type Hook = Arc<dyn Fn(&Sandbox, &workos_importer_core::wire::Request) -> Meddle + Send + Sync>;

type Told = Arc<dyn Fn(WorkOs) -> WorkOs + Send + Sync>;

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
    pub concurrency: Option<usize>,
    /// What the directory is told before it is used: how much work there is, when to give up.
    pub told: Told,
    pub seed: u64,
    /// Called before each request: somebody else at work, or a network that is broken in a way of its own.
    pub hook: Option<Hook>,
    /// Where the journal is, if not in memory.
    pub journal: Option<std::path::PathBuf>,
    /// After how often being polled each attempt is killed; the one after the last is not.
    pub kills: Vec<u32>,
    /// Whether exchanges and results are kept; a large run has too many.
    pub logs: bool,
    /// What the caller does with results.
    pub sink: fn() -> Collected,
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
    /// Every exchange, in the order in which requests left.
    pub log: Vec<Exchange>,
    pub logged: Vec<Tally>,
    /// Where the pace was when the last attempt ended.
    pub standing: Standing,
}

impl Scenario {
    pub fn new(csv: &str) -> Self {
        Self::on(Sandbox::new(Settings::default()), csv)
    }

    /// Over a sandbox without limits, sent to without pace.
    pub fn fast(csv: &str) -> Self {
        let limits = SandboxLimits::none();
        let mut scenario = Self::on(
            Sandbox::new(Settings {
                limits,
                ..Settings::default()
            }),
            csv,
        );
        scenario.limits = None;
        scenario
    }

    pub fn on(sandbox: Sandbox, csv: &str) -> Self {
        Self {
            csv: csv.to_owned(),
            sandbox,
            organization: OrganizationOptions::default(),
            policy: Policy {
                on_existing: OnExisting::Skip,
                create_organizations: true,
                ..Policy::default()
            },
            require_membership: false,
            max_errors: None,
            can_rewind: true,
            limits: Some(Limits::documented()),
            concurrency: None,
            told: Arc::new(|directory| directory),
            seed: 1,
            hook: None,
            journal: None,
            kills: Vec::new(),
            logs: true,
            sink: Collected::default,
        }
    }

    /// Calls `hook` before each request.
    pub fn meddle(
        &mut self,
        hook: impl Fn(&Sandbox, &workos_importer_core::wire::Request) -> Meddle + Send + Sync + 'static,
    ) {
        self.hook = Some(Arc::new(hook));
    }

    /// Tells the directory something before it is used.
    pub fn tell(&mut self, told: impl Fn(WorkOs) -> WorkOs + Send + Sync + 'static) {
        self.told = Arc::new(told);
    }

    /// Runs in virtual time.
    pub fn run(&self) -> Done {
        let (halt, halted) = watch::channel(Halt::Run);
        let done = virtual_time(self.run_here(halted));
        drop(halt);
        done
    }

    /// Runs several at the same time, in virtual time.
    pub fn run_together<const N: usize>(scenarios: [&Self; N]) -> [Done; N] {
        let (halt, halted) = watch::channel(Halt::Run);
        let runs = scenarios.map(|scenario| scenario.run_here(halted.clone()));
        let done = virtual_time(futures_util::future::join_all(runs));
        drop(halt);
        done.try_into().unwrap_or_else(|_| unreachable!())
    }

    /// Runs in virtual time, and asks it to stop at the given moments.
    pub fn run_halted(&self, at: &[(f64, Halt)]) -> Done {
        virtual_time(async {
            let (halt, halted) = watch::channel(Halt::Run);
            let asking = async {
                let started = tokio::time::Instant::now();
                for (seconds, level) in at {
                    let moment = started + std::time::Duration::from_secs_f64(*seconds);
                    tokio::time::sleep_until(moment).await;
                    halt.send(*level).unwrap();
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                done = self.run_here(halted) => done,
                () = asking => unreachable!(),
            }
        })
    }

    async fn run_here(&self, halted: watch::Receiver<Halt>) -> Done {
        let clock = Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap());
        let started = tokio::time::Instant::now();
        let inner = InProcess::new(self.sandbox.clone(), KEY, clock.clone());
        let meddler = Meddler::new(inner, self.sandbox.clone(), self.hook.clone(), self.logs);
        let meddler = Arc::new(meddler);
        let transport: Arc<dyn Transport> = Arc::clone(&meddler) as Arc<dyn Transport>;
        let folder = tempfile::tempdir().unwrap();
        let killed = folder.path().join("journal.sqlite3");
        let path = match self.kills.is_empty() {
            true => self.journal.clone(),
            false => Some(self.journal.clone().unwrap_or(killed)),
        };
        let mut sink = (self.sink)();
        sink.forgets = !self.logs;
        let mut calls: BTreeMap<&'static str, u64> = BTreeMap::new();
        let (mut ended, mut tally) = (Ended::Halted, Tally::default());
        let mut lines = Vec::new();
        let mut goes_on = false;
        let mut standing = None;
        for kill in self.kills.iter().copied().map(Some).chain([None]) {
            // Everything but the journal and the sandbox is new: that is what a kill leaves.
            let directory = WorkOs::new(
                Arc::clone(&transport),
                self.limits.as_ref(),
                self.concurrency,
                clock.clone(),
                self.seed,
            );
            let directory = (self.told)(directory);
            let journal = match (goes_on, &path) {
                (true, Some(path)) => Journal::reopen_inline(path).unwrap(),
                _ => Journal::inline(path.as_deref(), &record()).unwrap(),
            };
            let attempt = self.attempt(
                &directory,
                &journal,
                &clock,
                goes_on,
                &mut sink,
                halted.clone(),
            );
            let came_to_its_end = match kill {
                Some(polls) => killed::after(polls, attempt).await,
                None => Some(attempt.await),
            };
            for (call, count) in directory.calls() {
                *calls.entry(call).or_insert(0) += count;
            }
            goes_on = true;
            standing = Some(directory.standing());
            let Some(end) = came_to_its_end else { continue };
            (ended, tally) = end;
            if self.logs && !matches!(ended, Ended::Journal(_)) {
                lines = journal
                    .ask(|store| store.results(0, 1_000_000))
                    .await
                    .unwrap();
            }
            break;
        }
        Done {
            ended,
            tally,
            results: sink.results,
            lines,
            disagreements: sink.disagreements,
            calls,
            virtual_seconds: started.elapsed().as_secs_f64(),
            log: meddler.log(),
            logged: sink.tallies,
            standing: standing.unwrap(),
        }
    }

    /// One attempt of the run: until it ends by itself.
    async fn attempt(
        &self,
        directory: &WorkOs,
        journal: &Journal,
        clock: &Clock,
        goes_on: bool,
        sink: &mut Collected,
        halted: watch::Receiver<Halt>,
    ) -> (Ended, Tally) {
        let mut rows = InlineRows::new(
            &self.csv,
            &self.organization,
            self.can_rewind,
            self.policy.create_organizations,
        );
        let prelude: Vec<Step> = match rows.mode() {
            Mode::SingleOrganization(claim) => {
                vec![Step::new(Claim::Organization(claim.clone()))]
            }
            _ => Vec::new(),
        };
        let options = Options {
            policy: self.policy,
            require_membership: self.require_membership,
            max_errors: self.max_errors,
            seed: self.seed,
        };
        match directory.check().await {
            Ok(_) => {
                let mut engine = Engine::new(directory, journal, clock.clone(), options);
                if goes_on {
                    engine = engine.going_on(false);
                }
                engine
                    .run(&mut rows, &prelude, sink as &mut dyn Sink, halted)
                    .await
            }
            Err(CallError::Key(error)) => (Ended::Key(error), Tally::default()),
            Err(error) => (
                Ended::Unreachable(directory.refusal(Kind::User, &error).message),
                Tally::default(),
            ),
        }
    }
}

/// What the journal knows of a simulated run.
pub fn record() -> RunRecord {
    RunRecord {
        id: "simulation".into(),
        source: "test".into(),
        mode: "test".into(),
        target: "sandbox".into(),
        options: "{}".into(),
        key: [7; 32],
        source_digest: None,
        environment: [0; 32],
        started_at: "2026-01-01T00:00:00Z".into(),
    }
}

/// Lets a future run with a clock that jumps whenever everybody waits.
pub fn virtual_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(work)
}

impl Done {
    /// `record → outcome` in the order of the source.
    pub fn outcomes(&self) -> Vec<&'static str> {
        let mut results: Vec<&RowResult> = self.results.iter().collect();
        results.sort_by_key(|result| result.identity.record_number);
        results
            .iter()
            .map(|result| result.outcome.as_str())
            .collect()
    }

    pub fn result(&self, record_number: u64) -> &RowResult {
        let mut found = self
            .results
            .iter()
            .filter(|result| result.identity.record_number == record_number);
        let first = found
            .next()
            .unwrap_or_else(|| panic!("record {record_number} has no outcome"));
        assert!(
            found.next().is_none(),
            "record {record_number} has two outcomes"
        );
        first
    }

    pub fn code(&self, record_number: u64) -> &'static str {
        let error = self.result(record_number).error.as_ref();
        error.map_or("none", |error| error.code)
    }

    pub fn message(&self, record_number: u64) -> &str {
        let error = self.result(record_number).error.as_ref();
        error.map_or("", |error| error.message.as_str())
    }

    /// What a row's step did: `created`, `existing`, … or `none`.
    pub fn effect(&self, record_number: u64, kind: Kind) -> &'static str {
        let step = self.result(record_number).step(kind);
        step.map_or("none", |step| step.effect.as_str())
    }

    pub fn evidence(&self, record_number: u64) -> &'static str {
        let evidence = self.result(record_number).evidence();
        evidence.map_or("none", |evidence| evidence.as_str())
    }

    /// The directory's id of what a row's step is about.
    pub fn id(&self, record_number: u64, kind: Kind) -> &str {
        let step = self.result(record_number).step(kind);
        step.map_or("", |step| step.id.as_str())
    }

    pub fn calls_of(&self, name: &str) -> u64 {
        self.calls.get(name).copied().unwrap_or(0)
    }

    pub fn all_calls(&self) -> u64 {
        self.calls.values().sum()
    }
}
