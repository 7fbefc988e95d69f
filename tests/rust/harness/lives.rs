//! Owns the attempts of a simulated run: each lives until it ends by itself or dies, and the next one has nothing of it
//! but the journal and the sandbox.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use workos_importer_core::clock::Clock;
use workos_importer_core::directory::kratos::Kratos;
use workos_importer_core::directory::workos::WorkOs;
use workos_importer_core::directory::{CallError, Directory, Remote};
use workos_importer_core::engine::{Ended, Engine, Halt, Options, ReadRow, Rows, Sink, Tally};
use workos_importer_core::journal::{Journal, Remembered, ResultLine, Store};
use workos_importer_core::row::{Claim, Kind, Rules, Step, StepKey};
use workos_importer_core::wire::{InProcess, Transport};

use super::killed::{self, Death};
use super::meddler::Meddler;
use super::seams::Listening;
use super::{Collected, Done, InlineRows, KEY, Scenario, record};

/// How often an attempt that is not to die is begun again because the API could not be reached at all.
const STUBBORN: usize = 20;

/// One attempt, as it was found and as it ended.
#[derive(Debug)]
pub struct Life {
    /// Failed rows were tried again.
    pub retry: bool,
    /// What the journal knew when it began.
    pub known: Known,
    /// The first exchange of its own in the log.
    pub first_exchange: usize,
    /// How it died; `None` if it ended by itself.
    pub death: Option<Death>,
    /// How it ended by itself.
    pub ended: Option<Ended>,
    /// Results that had been handed over and that the journal has lost since.
    pub results_lost: usize,
    /// Rows that had ended in doubt, and were tried again after it.
    pub left_in_doubt: BTreeSet<u64>,
}

/// What a journal knows of the rows' keys.
#[derive(Debug, Default)]
pub struct Known {
    /// How rows ended.
    pub outcomes: BTreeMap<u64, String>,
    /// By key, memberships by `user:organization`.
    pub steps: BTreeMap<(Kind, String), Remembered>,
    /// Each row's keys, as far as they are known.
    pub keys_of: BTreeMap<u64, Vec<(Kind, String)>>,
}

impl Known {
    fn read(store: &Store, rows: &[(u64, Vec<Step>)]) -> rusqlite::Result<Self> {
        let mut known = Self::default();
        for line in store.results(0, 1_000_000)? {
            let outcome = line.texts[2].clone().unwrap_or_default();
            known.outcomes.insert(line.record_number, outcome);
        }
        for (number, steps) in rows {
            let mut bases: Vec<Option<String>> = Vec::new();
            for step in steps {
                let key = match step.key() {
                    Some(key) => key,
                    None => match bases.iter().cloned().collect::<Option<Vec<_>>>() {
                        Some(ids) => StepKey::new(step.kind, ids.join(":")),
                        None => continue,
                    },
                };
                let place = (key.kind, key.name.clone());
                let remembered = store.remembered(&key)?;
                bases.push(remembered.as_ref().and_then(|known| known.id.clone()));
                if let Some(remembered) = remembered {
                    known.steps.insert(place.clone(), remembered);
                }
                known.keys_of.entry(*number).or_default().push(place);
            }
        }
        Ok(known)
    }

    /// The first row of the user with this email, if that ended without the user.
    pub fn owed_to(&self, email: &str) -> Option<u64> {
        self.steps.get(&(Kind::User, email.to_owned()))?.owed_to
    }

    /// All of these.
    pub fn owed(&self) -> impl Iterator<Item = u64> {
        self.steps.values().filter_map(|known| known.owed_to)
    }

    /// The id under which the journal has it.
    pub fn id(&self, kind: Kind, name: &str) -> Option<&str> {
        self.steps.get(&(kind, name.to_owned()))?.id.as_deref()
    }
}

impl Scenario {
    pub(super) async fn live(&self, halted: watch::Receiver<Halt>) -> Done {
        let clock = Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap());
        let started = tokio::time::Instant::now();
        let inner = self.in_process(&clock);
        let meddler = Arc::new(Meddler::new(inner, self));
        let transport: Arc<dyn Transport> = Arc::clone(&meddler) as Arc<dyn Transport>;
        let folder = tempfile::tempdir().unwrap();
        let dies = !self.deaths.is_empty() || !self.retries.is_empty() || self.stubborn;
        let path = match dies {
            false => self.journal.clone(),
            true => Some(
                self.journal
                    .clone()
                    .unwrap_or(folder.path().join("journal.sqlite3")),
            ),
        };
        let rows = if dies { self.steps().await } else { Vec::new() };
        let mut sink = (self.sink)();
        sink.forgets = !self.logs;
        let mut calls: BTreeMap<&'static str, u64> = BTreeMap::new();
        let (mut ended, mut tally) = (Ended::Halted, Tally::default());
        let mut lines = Vec::new();
        let mut lives: Vec<Life> = Vec::new();
        let mut standing = None;
        for (phase, deaths) in [&self.deaths].into_iter().chain(&self.retries).enumerate() {
            let retry = phase > 0;
            let mut deaths = deaths.iter().copied();
            let mut unreachable = 0;
            loop {
                let death = deaths.next();
                // Everything but the journal and the sandbox is new: that is what a death leaves.
                let directory = self.directory(&transport, &clock, lives.len() as u64);
                let goes_on = !lives.is_empty();
                let journal = match (goes_on, &path) {
                    (true, Some(path)) if self.rehearses => {
                        drop(Store::compare_again(path).unwrap());
                        sink = Collected {
                            forgets: sink.forgets,
                            ..(self.sink)()
                        };
                        Journal::reopen_inline(path).unwrap()
                    }
                    (true, Some(path)) => Journal::reopen_inline(path).unwrap(),
                    _ => Journal::inline(path.as_deref(), &record()).unwrap(),
                };
                let mut known = Known::default();
                if goes_on {
                    let steps = rows.clone();
                    let asked = journal.ask(move |store| Known::read(store, &steps));
                    known = asked.await.unwrap();
                    let life = lives.last_mut().unwrap();
                    life.left_in_doubt = in_doubt(&sink);
                    life.results_lost = cut_back(&mut sink, &known, retry);
                    if let Some(seams) = &self.seams {
                        seams.reopened(&journal, &known);
                    }
                }
                lives.push(Life {
                    retry,
                    known,
                    first_exchange: meddler.exchanges(),
                    death: None,
                    ended: None,
                    results_lost: 0,
                    left_in_doubt: BTreeSet::new(),
                });
                let attempt = self.attempt(
                    directory.as_ref(),
                    &journal,
                    &clock,
                    (goes_on && !self.rehearses).then_some(retry),
                    &mut sink,
                    halted.clone(),
                );
                let came_to_its_end = match death {
                    Some(death) => {
                        let written = || journal.end_inline(true).unwrap();
                        killed::by(death, attempt, written).await
                    }
                    None => Some(attempt.await),
                };
                for (call, count) in directory.calls() {
                    *calls.entry(call).or_insert(0) += count;
                }
                standing = Some(directory.pace().standing());
                let life = lives.last_mut().unwrap();
                let Some(end) = came_to_its_end else {
                    life.death = death;
                    journal.end_inline(false).unwrap();
                    continue;
                };
                (ended, tally) = end;
                life.ended = Some(ended.clone());
                if self.logs && !matches!(ended, Ended::Journal(_)) {
                    lines = journal
                        .ask(|store| store.results(0, 1_000_000))
                        .await
                        .unwrap();
                }
                unreachable += 1;
                let again = self.stubborn && is_about_the_network(&ended);
                if !again || unreachable > STUBBORN {
                    break;
                }
            }
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
            lives,
            standing: standing.unwrap(),
            journal: path
                .as_deref()
                .map_or_else(Vec::new, |path| contents(path, self.logs)),
        }
    }

    /// The way to whatever is written to.
    pub(super) fn in_process(&self, clock: &Clock) -> InProcess {
        match &self.kratos {
            Some((kratos, _)) => InProcess::new(kratos.clone(), KEY, clock.clone()),
            None => InProcess::new(self.sandbox.clone(), KEY, clock.clone()),
        }
    }

    /// The directory of one life.
    pub(super) fn directory(
        &self,
        transport: &Arc<dyn Transport>,
        clock: &Clock,
        lives: u64,
    ) -> Box<dyn Remote> {
        let (transport, seed) = (Arc::clone(transport), self.seed.wrapping_add(lives));
        if let Some((_, settings)) = &self.kratos {
            return Box::new(Kratos::new(transport, *settings, clock.clone(), seed));
        }
        let directory = WorkOs::new(
            transport,
            self.limits.as_ref(),
            self.concurrency,
            clock.clone(),
            seed,
        );
        Box::new((self.told)(directory))
    }

    /// One attempt of the run: until it ends by itself.
    async fn attempt(
        &self,
        directory: &dyn Remote,
        journal: &Journal,
        clock: &Clock,
        goes_on: Option<bool>,
        sink: &mut Collected,
        halted: watch::Receiver<Halt>,
    ) -> (Ended, Tally) {
        let rows = self.rows();
        let prelude: Vec<Step> = match rows.mode().organization() {
            Some(claim) => {
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
        let seams = self.seams.as_deref();
        let ended = AtomicU64::new(0);
        let looking = self.look_at(directory, &ended);
        let between = seams.and_then(|seams| seams.directory(directory, journal, &self.sandbox));
        let directory: &dyn Directory = between.as_deref().unwrap_or(directory);
        let mut rows: Box<dyn Rows> = match seams {
            Some(seams) => seams.rows(rows),
            None => Box::new(rows),
        };
        let mut listening = Listening {
            inner: sink,
            journal,
            seams,
            ended: &ended,
        };
        match directory.check().await {
            Ok(_) => {
                let mut engine = Engine::new(directory, journal, clock.clone(), options);
                if let Some(retry) = goes_on {
                    engine = engine.going_on(retry);
                }
                if self.compares {
                    engine = engine.comparing();
                }
                if self.rehearses {
                    engine = engine.rehearsing();
                }
                if self.foresees_roles {
                    engine = engine.foreseeing_roles();
                }
                if self.keeps_all {
                    engine = engine.keeping_all();
                }
                let running = engine.run(
                    rows.as_mut(),
                    &prelude,
                    &mut listening as &mut dyn Sink,
                    halted,
                );
                tokio::select! {
                    biased;
                    end = running => end,
                    () = looking => unreachable!(),
                }
            }
            Err(CallError::Key(error)) => (Ended::Key(error), Tally::default()),
            Err(error) => (
                Ended::Unreachable(directory.refusal(Kind::User, &error).message),
                Tally::default(),
            ),
        }
    }

    /// Calls [`Scenario::look`] once a second, for ever.
    async fn look_at(&self, directory: &dyn Remote, ended: &AtomicU64) {
        let Some(look) = &self.look else {
            return std::future::pending().await;
        };
        loop {
            look(directory, ended.load(Ordering::Relaxed));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    fn rows(&self) -> InlineRows {
        InlineRows::about(
            self.rows,
            &self.csv,
            &self.organization,
            self.can_rewind,
            Rules {
                create_organizations: self.policy.create_organizations,
                clear_empty: self.clear_empty,
                exact_permissions: false,
                identities: self.identities.clone(),
            },
        )
    }

    /// What each row claims.
    async fn steps(&self) -> Vec<(u64, Vec<Step>)> {
        let mut rows = self.rows();
        let mut found = Vec::new();
        loop {
            let batch = rows.next().await.unwrap();
            if batch.is_empty() {
                return found;
            }
            for row in batch {
                if let ReadRow::Claimed(row) = row {
                    found.push((row.identity.record_number, row.steps));
                }
            }
        }
    }
}

/// What was handed over and is not in the journal did not happen: files that are written as rows end are cut back too.
/// Where failed rows are tried again, their results are about to be replaced. Returns how many the journal has lost.
fn cut_back(sink: &mut Collected, known: &Known, retry: bool) -> usize {
    let before = sink.results.len();
    let is_kept = |number: u64| known.outcomes.contains_key(&number);
    sink.results
        .retain(|result| is_kept(result.identity.record_number));
    let lost = before - sink.results.len();
    if retry {
        let failed: BTreeSet<u64> = known
            .outcomes
            .iter()
            .filter(|(_, outcome)| *outcome == "failed")
            .map(|(number, _)| *number)
            .collect();
        sink.results
            .retain(|result| !failed.contains(&result.identity.record_number));
    }
    lost
}

fn in_doubt(sink: &Collected) -> BTreeSet<u64> {
    let results = sink.results.iter();
    let doubtful = results.filter(|result| {
        let error = result.error.as_ref();
        error.is_some_and(|error| error.code == "in_doubt")
    });
    doubtful
        .map(|result| result.identity.record_number)
        .collect()
}

fn is_about_the_network(ended: &Ended) -> bool {
    match ended {
        Ended::Unreachable(_) => true,
        // Of the organization that every row needs: nothing was heard of it.
        Ended::Prelude(error) => ["org_unavailable", "in_doubt"].contains(&error.code),
        _ => false,
    }
}

/// Everything that is in the file, table by table, as text: to compare two files with.
fn contents(path: &std::path::Path, wanted: bool) -> Vec<String> {
    if !wanted {
        return Vec::new();
    }
    let plain = rusqlite::Connection::open(path).unwrap();
    let mut tables = plain
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        .unwrap();
    let tables: Vec<String> = tables
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut found = Vec::new();
    for table in tables {
        let mut all = plain
            .prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2"))
            .unwrap();
        let columns = all.column_count();
        let mut rows = all.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values = (0..columns).map(|index| row.get_ref(index).unwrap());
            found.push(format!("{table} {:?}", values.collect::<Vec<_>>()));
        }
    }
    found
}

/// The lines of the journal's results by record number.
pub fn lines_by_number(lines: &[ResultLine]) -> BTreeMap<u64, &ResultLine> {
    lines
        .iter()
        .map(|line| (line.record_number, line))
        .collect()
}
