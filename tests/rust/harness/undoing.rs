//! Owns the attempts to undo a simulated run: each lives until it ends by itself or dies, and the next one has nothing of
//! it but the journal and the sandbox.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::watch;
use workos_importer_core::clock::Clock;
use workos_importer_core::engine::{Ended, Halt, Undo};
use workos_importer_core::journal::{Journal, LeftLine, UNDONE, Verdict};
use workos_importer_core::row::Kind;
use workos_importer_core::wire::Transport;

use super::killed::{self, Death};
use super::meddler::Meddler;
use super::{Exchange, Scenario, virtual_time};

/// How often an undo is begun again that has not come to its end by itself.
const STUBBORN: usize = 30;

/// What undoing left behind.
#[derive(Debug)]
pub struct Undid {
    pub ended: Ended,
    pub status: Option<String>,
    pub left: Vec<LeftLine>,
    pub counts: BTreeMap<(Kind, Verdict), u64>,
    pub calls: BTreeMap<&'static str, u64>,
    pub virtual_seconds: f64,
    pub deaths: usize,
    pub log: Vec<Exchange>,
}

impl Undid {
    /// Why the object with this id is left.
    pub fn why(&self, id: &str) -> Option<Verdict> {
        let mut left = self.left.iter();
        let line = left.find(|line| line.remote_id.as_deref() == Some(id));
        line.map(|line| line.verdict)
    }

    pub fn count(&self, kind: Kind, verdict: Verdict) -> u64 {
        self.counts.get(&(kind, verdict)).copied().unwrap_or(0)
    }
}

impl Scenario {
    /// Undoes what [`Scenario::run`] has left in the journal on disk, a day later: once for each death, and then until it
    /// comes to its end.
    pub fn undo(&self, deaths: &[Death], organizations: bool) -> Undid {
        virtual_time(self.undo_all(deaths, organizations))
    }

    async fn undo_all(&self, deaths: &[Death], organizations: bool) -> Undid {
        let clock = Clock::simulated("2026-01-02T00:00:00Z".parse().unwrap());
        let started = tokio::time::Instant::now();
        let inner = self.in_process(&clock);
        let meddler = Arc::new(Meddler::new(inner, self));
        let transport: Arc<dyn Transport> = Arc::clone(&meddler) as Arc<dyn Transport>;
        let path = self.journal.as_deref().unwrap();
        let (halt, halted) = watch::channel(Halt::Run);
        let mut calls: BTreeMap<&'static str, u64> = BTreeMap::new();
        let (mut died, mut attempt) = (0, 0);
        let mut deaths = deaths.iter().copied();
        loop {
            attempt += 1;
            let directory = self.directory(&transport, &clock, attempt as u64);
            let journal = Journal::reopen_to_undo_inline(path).unwrap();
            let settled = AtomicU64::new(0);
            let seed = self.seed + attempt as u64;
            let undo = Undo::new(
                directory.as_ref(),
                &journal,
                clock.clone(),
                seed,
                organizations,
                &settled,
            );
            let work = async {
                match directory.check().await {
                    Ok(_) => undo.run(halted.clone()).await,
                    Err(error) => Ended::Unreachable(format!("{error:?}")),
                }
            };
            let death = deaths.next();
            let ended = match death {
                Some(death) => {
                    let written = || journal.end_inline(true).unwrap();
                    killed::by(death, work, written).await
                }
                None => Some(work.await),
            };
            for (call, count) in directory.calls() {
                *calls.entry(call).or_insert(0) += count;
            }
            let Some(ended) = ended else {
                died += 1;
                journal.end_inline(false).unwrap();
                continue;
            };
            let asked = journal.ask(|store| {
                let info = store.run_info()?;
                Ok((
                    info.status,
                    store.left(0, 1_000_000)?,
                    store.undone_counts()?,
                ))
            });
            let (status, left, counts) = asked.await.unwrap();
            let at_its_end = status.as_deref() == Some(UNDONE);
            if self.stubborn && !at_its_end && attempt < STUBBORN {
                continue;
            }
            drop(halt);
            return Undid {
                ended,
                status,
                left,
                counts: counts
                    .into_iter()
                    .map(|one| ((one.kind, one.verdict), one.count))
                    .collect(),
                calls,
                virtual_seconds: started.elapsed().as_secs_f64(),
                deaths: died,
                log: meddler.log(),
            };
        }
    }
}
