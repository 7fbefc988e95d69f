//! Owns what a run does once a second while it goes on: looks whether it is asked for another pace, and says where it is,
//! to its own process and to those that watch it from another one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::beside;
use super::event::{PaceNow, Progress};
use super::forecast::Forecast;
use super::kept_pace::{KeptPace, PaceChange};
use super::reporter::Counters;
use crate::directory::Remote;

const EVERY: Duration = Duration::from_secs(1);

pub(super) struct Beat {
    pub(super) directory: Arc<dyn Remote>,
    pub(super) counters: Arc<Counters>,
    pub(super) folder: PathBuf,
    pub(super) kept: KeptPace,
    /// What this process asks for.
    pub(super) changes: mpsc::UnboundedReceiver<PaceChange>,
}

/// A beat that goes on until it is dropped.
pub(super) struct Beating {
    task: JoinHandle<()>,
    folder: PathBuf,
    counters: Arc<Counters>,
}

impl Beat {
    /// Begins it as a task of its own.
    pub(super) fn begin(self) -> Beating {
        let (folder, counters) = (self.folder.clone(), Arc::clone(&self.counters));
        Beating {
            task: tokio::spawn(self.go_on()),
            folder,
            counters,
        }
    }

    async fn go_on(mut self) {
        let mut forecast = Forecast::default();
        let mut heard = None;
        let mut seconds = interval(EVERY);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                Some(change) = self.changes.recv() => self.change(&change),
                _ = seconds.tick() => {}
            }
            // The files are tiny and in the folder of the journal: where they are slow, so is everything.
            if let Some((id, change)) = beside::asked(&self.folder, heard.as_deref()) {
                heard = Some(id);
                match change {
                    Some(change) => self.change(&change),
                    None => log::warn!("a request for another pace makes no sense and is ignored"),
                }
            }
            let progress = self.look(&mut forecast);
            if let Err(error) = beside::tell(&self.folder, progress, heard.clone()) {
                // Nobody but a watcher misses it.
                log::debug!("where the run is cannot be written: {error}");
            }
        }
    }

    fn change(&mut self, change: &PaceChange) {
        self.kept.change(change);
        let Some(limits) = self.kept.limits() else {
            log::info!("the pace stays as it is: no limit is kept");
            return;
        };
        self.directory
            .keep(self.kept.rate_limit, self.kept.headroom);
        log::info!(
            "the pace is changed: {} writes in {} s, {:.0} % left to the application",
            limits.writes.count,
            limits.writes.period.as_secs_f64(),
            self.kept.headroom * 100.0
        );
    }

    fn look(&self, forecast: &mut Forecast) -> Progress {
        let pace = self.directory.pace();
        let (standing, windows) = (pace.standing(), pace.windows());
        let limited = windows.iter().filter(|window| window.limit.is_some());
        let share = limited.map(|window| window.share).fold(1.0, f64::min);
        let mut progress = self.counters.progress();
        forecast.look(Instant::now(), progress.ended, &standing, windows);
        progress.rate = forecast.rate();
        progress.eta_seconds = progress.total.and_then(|total| {
            let left = total.saturating_sub(progress.ended);
            forecast.seconds_left(left)
        });
        let seconds = |duration: Option<Duration>| duration.map(|one| one.as_secs_f64());
        let away_for = seconds(standing.away_for);
        let closed_for = seconds(standing.closed_for);
        progress.pace = Some(PaceNow {
            write_limit: self.kept.write_limit(),
            headroom: self.kept.headroom,
            share,
            in_flight: standing.in_flight as u64,
            turned_away: standing.turned_away,
            pauses: standing.pauses,
            paused_for: closed_for.filter(|_| away_for.is_none()),
            away_for,
            next_try_in: closed_for.filter(|_| away_for.is_some()),
        });
        self.counters.tell(progress);
        progress
    }
}

impl Beating {
    /// Ends it; what it said is over.
    pub(super) async fn end(mut self) {
        self.task.abort();
        // Until then it may be writing.
        let _ = (&mut self.task).await;
        beside::clear(&self.folder);
        self.counters.has_ended();
    }
}

impl Drop for Beating {
    fn drop(&mut self) {
        self.task.abort();
    }
}
