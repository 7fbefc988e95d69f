//! Owns the limits that hold for one address or user alone: a small window for each, forgotten when it is empty.

use std::collections::HashMap;

use tokio::time::Instant;

use super::window::{Limit, Ready, Window};

/// Whom a call is about, where that is limited: a digest is enough to tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subject(u64);

impl Subject {
    pub fn new(name: &str) -> Self {
        let digest = blake3::hash(name.as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&digest.as_bytes()[..8]);
        Self(u64::from_le_bytes(first))
    }
}

pub(super) struct Subjects {
    limit: Option<Limit>,
    windows: HashMap<Subject, Window>,
    /// When those that are empty are forgotten.
    look_again: Option<Instant>,
}

impl Subjects {
    pub(super) fn new(limit: Option<Limit>) -> Self {
        Self {
            limit,
            windows: HashMap::new(),
            look_again: None,
        }
    }

    pub(super) fn ready(&mut self, subject: Option<Subject>, now: Instant) -> Ready {
        match subject.and_then(|subject| self.windows.get_mut(&subject)) {
            Some(window) => window.ready(now, false),
            None => Ready::Now,
        }
    }

    pub(super) fn take(&mut self, subject: Option<Subject>, ticket: u64, now: Instant) {
        let (Some(subject), Some(limit)) = (subject, self.limit) else {
            return;
        };
        if self.look_again.is_none_or(|at| at <= now) {
            // Once in a period: so there are never more than were sent in two.
            self.look_again = Some(now + limit.period);
            let most = limit.at_least_one().count as usize;
            self.windows
                .retain(|_, window| window.free(now) != Some(most));
        }
        let window = self.windows.entry(subject);
        window
            .or_insert_with(|| Window::new(Some(limit)))
            .take(ticket, now, false);
    }

    pub(super) fn untake(&mut self, subject: Option<Subject>, ticket: u64) {
        if let Some(window) = subject.and_then(|subject| self.windows.get_mut(&subject)) {
            window.untake(ticket);
        }
    }

    pub(super) fn release(&mut self, subject: Option<Subject>, ticket: u64, now: Instant) {
        if let Some(window) = subject.and_then(|subject| self.windows.get_mut(&subject)) {
            window.release(ticket, now, true);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.windows.len()
    }
}
