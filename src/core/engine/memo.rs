//! Owns what the run knows: the journal's memo, a bounded cache in front of it, and one flight for each key.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use quick_cache::sync::Cache;
use tokio::sync::{Mutex as FlightLock, OwnedMutexGuard};

use crate::journal::{Journal, JournalError, Remembered};
use crate::row::{Kind, StepKey};

/// How many shared objects are kept in memory; the journal knows all of them.
pub const CACHE_CAPACITY: usize = 10_000;

/// Who works on which key.
#[derive(Default)]
struct Flights {
    under_way: HashMap<StepKey, Weak<FlightLock<()>>>,
    /// With so many those that have ended are removed.
    many: usize,
}

impl Flights {
    /// The fewest for which that is done.
    const FEW: usize = 1_024;

    fn join(&mut self, key: &StepKey) -> Arc<FlightLock<()>> {
        if let Some(lock) = self.under_way.get(key).and_then(Weak::upgrade) {
            return lock;
        }
        // Ended flights leave with later ones: the map stays as small as what is under way, and is not gone through each time
        // where that is much.
        if self.under_way.len() > self.many.max(Self::FEW) {
            self.under_way.retain(|_, lock| lock.strong_count() > 0);
            self.many = 2 * self.under_way.len();
        }
        let lock = Arc::new(FlightLock::new(()));
        self.under_way.insert(key.clone(), Arc::downgrade(&lock));
        lock
    }
}

pub(super) struct Memo<'a> {
    journal: &'a Journal,
    /// Objects that many rows name. S3-FIFO: a long tail of rare ones does not push out the frequent.
    cache: Cache<StepKey, Arc<Remembered>>,
    flights: Mutex<Flights>,
    lookups: AtomicU64,
}

impl<'a> Memo<'a> {
    pub(super) fn new(journal: &'a Journal) -> Self {
        Self {
            journal,
            cache: Cache::new(CACHE_CAPACITY),
            flights: Mutex::default(),
            lookups: AtomicU64::new(0),
        }
    }

    /// What is known about a key.
    pub(super) async fn get(&self, key: &StepKey) -> Result<Option<Arc<Remembered>>, JournalError> {
        if is_shared(key.kind)
            && let Some(known) = self.cache.get(key)
        {
            return Ok(Some(known));
        }
        let asked = key.clone();
        let known = self
            .journal
            .ask(move |store| store.remembered(&asked))
            .await?
            .map(Arc::new);
        if let (true, Some(known)) = (is_shared(key.kind), &known) {
            self.cache.insert(key.clone(), Arc::clone(known));
        }
        Ok(known)
    }

    /// Keeps what was found out.
    pub(super) fn put(&self, key: &StepKey, known: Remembered) -> Result<(), JournalError> {
        if is_shared(key.kind) {
            self.cache.insert(key.clone(), Arc::new(known.clone()));
        }
        let key = key.clone();
        self.journal.note(move |store| store.remember(&key, &known))
    }

    /// Forgets what turned out to be no longer so.
    pub(super) fn forget(&self, key: &StepKey) -> Result<(), JournalError> {
        self.cache.remove(key);
        let key = key.clone();
        self.journal.note(move |store| store.forget(&key))
    }

    /// Waits until nobody else works on the key. The guard ends the flight.
    pub(super) async fn flight(&self, key: &StepKey) -> OwnedMutexGuard<()> {
        let lock = {
            let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
            flights.join(key)
        };
        lock.lock_owned().await
    }

    /// Counts one shared object that the API is asked for.
    pub(super) fn count_lookup(&self, kind: Kind) {
        if is_shared(kind) {
            self.lookups.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts those of earlier attempts of the run.
    pub(super) fn add_lookups(&self, lookups: u64) {
        self.lookups.fetch_add(lookups, Ordering::Relaxed);
    }

    pub(super) fn lookups(&self) -> u64 {
        self.lookups.load(Ordering::Relaxed)
    }
}

/// Objects that many rows name are worth a place in memory; the others are asked for about once.
pub(super) fn is_shared(kind: Kind) -> bool {
    kind == Kind::Organization
}
