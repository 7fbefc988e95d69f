//! Owns what the sandbox counts: requests, answers, refusals and faults.

use crate::limits::Window;
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What has happened so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests that arrived, whatever became of them.
    pub total: u64,
    /// The same by method and path template, such as
    /// `GET /user_management/users/{id}`; calls that do not exist are `unknown`.
    pub by_route: BTreeMap<&'static str, u64>,
    /// Answers by status, truncated ones included; resets and hung requests
    /// have no status.
    pub by_status: BTreeMap<u16, u64>,
    /// Requests refused by a real limit (injected 429s are faults).
    pub refused_by_limit: u64,
    /// Faults by kind, as `Fault` displays them.
    pub faults: BTreeMap<String, u64>,
    /// The most writes below `/user_management` that arrived within any ten
    /// seconds, refused ones included. At most 500 in a client that paces.
    pub most_writes_in_ten_seconds: u64,
    /// The same for any one second: the peak.
    pub most_writes_in_a_second: u64,
}

impl Counters {
    /// All faults together.
    pub fn faults_injected(&self) -> u64 {
        self.faults.values().sum()
    }

    /// The counters as JSON, as the server shows them.
    pub fn to_json(&self) -> Value {
        json!({
            "total": self.total,
            "by_route": self.by_route,
            "by_status": self.by_status,
            "refused_by_limit": self.refused_by_limit,
            "faults": self.faults,
            "most_writes_in_ten_seconds": self.most_writes_in_ten_seconds,
            "most_writes_in_a_second": self.most_writes_in_a_second,
        })
    }
}

/// The counters with what is needed to keep them.
#[derive(Debug)]
pub(crate) struct Counting {
    pub(crate) counters: Counters,
    ten_seconds: Window,
    second: Window,
    latest: SystemTime,
}

impl Counting {
    pub(crate) fn new() -> Self {
        Self {
            counters: Counters::default(),
            ten_seconds: Window::new(Duration::from_secs(10)),
            second: Window::new(Duration::from_secs(1)),
            latest: UNIX_EPOCH,
        }
    }

    pub(crate) fn arrived(&mut self, label: &'static str, write: bool, now: SystemTime) {
        self.counters.total += 1;
        *self.counters.by_route.entry(label).or_default() += 1;
        if write {
            self.latest = self.latest.max(now);
            let ten_seconds = self.ten_seconds.add(self.latest) as u64;
            let second = self.second.add(self.latest) as u64;
            let counters = &mut self.counters;
            counters.most_writes_in_ten_seconds =
                counters.most_writes_in_ten_seconds.max(ten_seconds);
            counters.most_writes_in_a_second = counters.most_writes_in_a_second.max(second);
        }
    }

    pub(crate) fn answered(&mut self, status: StatusCode) {
        *self.counters.by_status.entry(status.as_u16()).or_default() += 1;
    }

    pub(crate) fn went_wrong(&mut self, fault: String) {
        *self.counters.faults.entry(fault).or_default() += 1;
    }
}
