//! Owns what a batch has in it: its members, how long they wait for others, and how many have room.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::compare::CREATE_PLAIN;
use crate::directory::{Applied, Write};
use crate::secret::Secret;

/// A batch leaves when nobody has come for so long …
const QUIET: Duration = Duration::from_millis(60);

/// … or when its first member has waited for so long.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The admin API reads no longer bodies than 5 MiB; this leaves room for what stands around the items.
const LARGEST_BODY: usize = 4 * 1024 * 1024;

/// By what batches are kept apart: the server takes fewer of those whose password it has to hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Stores,
    Hashes,
}

impl Work {
    pub(super) fn of(write: &Write) -> Self {
        if write.call == CREATE_PLAIN {
            Self::Hashes
        } else {
            Self::Stores
        }
    }
}

/// What a batch has in it.
pub(super) struct Desk {
    pub(super) work: Work,
    pub(super) members: Mutex<Members>,
    /// Nobody else has room.
    pub(super) full: Notify,
}

pub(super) struct Members {
    pub(super) all: Vec<Member>,
    /// The length of their bodies.
    pub(super) bytes: usize,
    pub(super) is_full: bool,
    pub(super) first: Instant,
    pub(super) latest: Instant,
}

pub(super) struct Member {
    pub(super) write: Write,
    /// Asks it to commit its intent; it answers when that is done.
    pub(super) commit: mpsc::UnboundedSender<oneshot::Sender<()>>,
    /// Tells it what became of it, once.
    pub(super) told: Option<oneshot::Sender<Applied>>,
}

impl Desk {
    /// One that nobody has joined yet.
    pub(super) fn new(work: Work) -> Self {
        let now = Instant::now();
        Self {
            work,
            members: Mutex::new(Members {
                all: Vec::new(),
                bytes: 0,
                is_full: false,
                first: now,
                latest: now,
            }),
            full: Notify::new(),
        }
    }

    pub(super) fn has_room(&self, members: usize, length: usize) -> bool {
        let there = locked(&self.members);
        there.all.len() < members && there.bytes + length <= LARGEST_BODY
    }

    /// Tells members, by their place, what became of them.
    pub(super) fn tell(&self, ends: impl Iterator<Item = (usize, Applied)>) {
        let mut members = locked(&self.members);
        for (place, end) in ends {
            if let Some(told) = members.all.get_mut(place).and_then(|one| one.told.take()) {
                // Who has left does not need it.
                let _ = told.send(end);
            }
        }
    }

    /// Who was told nothing was not sent.
    pub(super) fn is_over(&self) {
        for member in &mut locked(&self.members).all {
            member.told = None;
        }
    }

    /// Nobody waits for it any more.
    pub(super) fn is_deserted(&self) -> bool {
        let members = locked(&self.members);
        members.all.iter().all(|member| member.commit.is_closed())
    }

    pub(super) fn is_full(&self) {
        locked(&self.members).is_full = true;
        self.full.notify_one();
    }

    pub(super) async fn wait_for_members(&self) {
        loop {
            let until = {
                let members = locked(&self.members);
                if members.is_full {
                    return;
                }
                (members.latest + QUIET).min(members.first + LONGEST_WAIT)
            };
            if Instant::now() >= until {
                return;
            }
            tokio::select! {
                () = sleep_until(until) => {}
                () = self.full.notified() => {}
            }
        }
    }

    pub(super) fn secrets(&self) -> Vec<Secret> {
        let members = locked(&self.members);
        let secrets = members.all.iter().flat_map(|member| &member.write.secrets);
        secrets.cloned().collect()
    }

    /// How long the latest call has been under way.
    pub(super) fn took(&self) -> Duration {
        locked(&self.members).first.elapsed()
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
