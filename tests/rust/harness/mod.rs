//! Runs the engine over a sandbox in this process, in virtual time, with the journal inline: the same seed gives the
//! same run, bit for bit.

mod killed;
mod listener;
mod lives;
mod meddler;
mod rows;
mod seams;
mod undoing;
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use workos_importer_core::directory::kratos;
use workos_importer_core::directory::workos::{Limits, WorkOs};
use workos_importer_core::directory::{OnExisting, Policy, Remote};
use workos_importer_core::engine::{Disagreement, Ended, Halt, MaxErrors, Tally};
use workos_importer_core::journal::outcome::RowResult;
use workos_importer_core::journal::{ResultLine, RunRecord};
use workos_importer_core::pace::Standing;
use workos_importer_core::row::{IdentityRules, Kind, OrganizationOptions, RowKind};
use workos_importer_sandbox::kratos::Kratos;
use workos_importer_sandbox::{Limits as SandboxLimits, Sandbox, Settings};

pub use killed::Death;
pub use listener::Collected;
pub use lives::{Known, Life, lines_by_number};
pub use meddler::{Exchange, Meddle, answer};
pub use rows::InlineRows;
pub use seams::Seams;
pub use undoing::Undid;
pub use world::{World, emails, memberships, unlimited};

/// The key under which every simulation runs.
pub const KEY: &str = "sk_test_simulation_0123456789";

type Hook = Arc<dyn Fn(&Sandbox, &workos_importer_core::wire::Request) -> Meddle + Send + Sync>;

type Told = Arc<dyn Fn(WorkOs) -> WorkOs + Send + Sync>;

/// Looks at the directory, and at how many rows have ended.
type Look = Arc<dyn Fn(&dyn Remote, u64) + Send + Sync>;

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
    /// Called once a second.
    pub look: Option<Look>,
    pub seed: u64,
    /// Called before each request: somebody else at work, or a network that is broken in a way of its own.
    pub hook: Option<Hook>,
    /// Where the journal is, if not in memory.
    pub journal: Option<std::path::PathBuf>,
    /// How each attempt dies; the one after the last does not.
    pub deaths: Vec<Death>,
    /// After that the failed rows are tried again so many times, with deaths of their own.
    pub retries: Vec<Vec<Death>>,
    /// Begins again where nothing was heard of the API.
    pub stubborn: bool,
    /// Whether what has left the process may arrive although the process is dead; a seeded half of it does.
    pub lingers: bool,
    /// Steps between the parts of the run.
    pub seams: Option<Arc<dyn Seams>>,
    /// What the directory holds is read before the rows.
    pub compares: bool,
    /// Writes are imagined instead of sent.
    pub rehearses: bool,
    /// The roles that rows name are looked for in a rehearsal.
    pub foresees_roles: bool,
    /// Empty cells clear their fields.
    pub clear_empty: bool,
    /// What lists show is kept, whether or not a row names it.
    pub keeps_all: bool,
    /// Whether exchanges and results are kept; a large run has too many.
    pub logs: bool,
    /// What the caller does with results.
    pub sink: fn() -> Collected,
    /// What the rows are about.
    pub rows: RowKind,
    /// Written to in place of `sandbox`, where there is one, and how.
    pub kratos: Option<(Kratos, kratos::Settings)>,
    /// What identities are held to.
    pub identities: Option<Arc<IdentityRules>>,
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
    /// Every attempt, in order.
    pub lives: Vec<Life>,
    /// Everything that is in the journal's file, where it has one.
    pub journal: Vec<String>,
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
            look: None,
            seed: 1,
            hook: None,
            journal: None,
            deaths: Vec::new(),
            retries: Vec::new(),
            stubborn: false,
            lingers: false,
            seams: None,
            compares: false,
            rehearses: false,
            foresees_roles: false,
            clear_empty: false,
            keeps_all: false,
            logs: true,
            sink: Collected::default,
            rows: RowKind::Users,
            kratos: None,
            identities: None,
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

    /// Looks once a second at the directory, and at how many rows have ended.
    pub fn look(&mut self, look: impl Fn(&dyn Remote, u64) + Send + Sync + 'static) {
        self.look = Some(Arc::new(look));
    }

    /// Runs in virtual time.
    pub fn run(&self) -> Done {
        let (halt, halted) = watch::channel(Halt::Run);
        let done = virtual_time(self.live(halted));
        drop(halt);
        done
    }

    /// Runs several at the same time, in virtual time.
    pub fn run_together<const N: usize>(scenarios: [&Self; N]) -> [Done; N] {
        let (halt, halted) = watch::channel(Halt::Run);
        let runs = scenarios.map(|scenario| scenario.live(halted.clone()));
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
                done = self.live(halted) => done,
                () = asking => unreachable!(),
            }
        })
    }
}

/// What the journal knows of a simulated run.
pub fn record() -> RunRecord {
    RunRecord {
        id: "simulation".into(),
        name: None,
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
