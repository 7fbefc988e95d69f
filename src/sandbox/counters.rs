//! Owns what the sandbox counts: requests, answers, refusals and faults.

use crate::limits::Window;
use crate::settings::Limits;
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const TEN_SECONDS: Duration = Duration::from_secs(10);

/// For how many seconds writes are counted second by second: an hour.
const SECONDS: usize = 3_600;

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
    /// Mails that were sent, by address and then by kind: `invitation` (sent
    /// again included) and `password_reset`. What is seeded sends none.
    pub mails: BTreeMap<String, BTreeMap<&'static str, u64>>,
    /// The most writes below `/user_management` that arrived within any ten
    /// seconds, refused ones included. At most 500 in a client that paces.
    pub most_writes_in_ten_seconds: u64,
    /// The same for any one second: the peak.
    pub most_writes_in_a_second: u64,
    /// The same for the period of the limit on writes; ten seconds where there
    /// is none.
    pub most_writes_in_a_period: u64,
    /// How many writes below `/user_management` arrived in each second from
    /// the first of them on, for an hour.
    pub writes_by_second: Vec<u64>,
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
            "mails": self.mails,
            "most_writes_in_ten_seconds": self.most_writes_in_ten_seconds,
            "most_writes_in_a_second": self.most_writes_in_a_second,
            "most_writes_in_a_period": self.most_writes_in_a_period,
            "writes_by_second": self.writes_by_second,
        })
    }
}

/// A mail that was sent: nothing but to whom, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mail {
    pub(crate) to: String,
    pub(crate) kind: &'static str,
}

/// The counters with what is needed to keep them.
#[derive(Debug)]
pub(crate) struct Counting {
    pub(crate) counters: Counters,
    ten_seconds: Window,
    second: Window,
    period: Window,
    first: Option<SystemTime>,
    latest: SystemTime,
}

impl Counting {
    pub(crate) fn new(limits: &Limits) -> Self {
        let period = limits
            .user_management_writes
            .map_or(TEN_SECONDS, |(_, period)| period);
        Self {
            counters: Counters::default(),
            ten_seconds: Window::new(TEN_SECONDS),
            second: Window::new(Duration::from_secs(1)),
            period: Window::new(period),
            first: None,
            latest: UNIX_EPOCH,
        }
    }

    pub(crate) fn arrived(&mut self, label: &'static str, write: bool, now: SystemTime) {
        self.counters.total += 1;
        *self.counters.by_route.entry(label).or_default() += 1;
        if write {
            self.latest = self.latest.max(now);
            self.written(self.latest);
        }
    }

    fn written(&mut self, now: SystemTime) {
        let counters = &mut self.counters;
        for (window, most) in [
            (
                &mut self.ten_seconds,
                &mut counters.most_writes_in_ten_seconds,
            ),
            (&mut self.second, &mut counters.most_writes_in_a_second),
            (&mut self.period, &mut counters.most_writes_in_a_period),
        ] {
            *most = (*most).max(window.add(now) as u64);
        }
        let first = *self.first.get_or_insert(now);
        let second = now.duration_since(first).unwrap_or_default().as_secs();
        let second = usize::try_from(second).unwrap_or(SECONDS);
        if second < SECONDS {
            let by_second = &mut counters.writes_by_second;
            by_second.resize(by_second.len().max(second + 1), 0);
            by_second[second] += 1;
        }
    }

    pub(crate) fn answered(&mut self, status: StatusCode) {
        *self.counters.by_status.entry(status.as_u16()).or_default() += 1;
    }

    pub(crate) fn mailed(&mut self, mail: Mail) {
        let of_address = self.counters.mails.entry(mail.to).or_default();
        *of_address.entry(mail.kind).or_default() += 1;
    }

    pub(crate) fn went_wrong(&mut self, fault: String) {
        *self.counters.faults.entry(fault).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::beginning;

    #[test]
    fn writes_are_counted_by_second_and_in_the_period_of_the_limit() {
        let mut counting = Counting::new(&Limits {
            user_management_writes: Some((3, Duration::from_secs(2))),
            ..Limits::none()
        });
        let at = |milliseconds| beginning() + Duration::from_millis(milliseconds);
        for time in [5_200, 5_900, 6_100, 6_300, 8_000, 5_000] {
            counting.arrived("POST /user_management/users", true, at(time));
        }
        counting.arrived("GET /user_management/users", false, at(8_100));
        let counters = &counting.counters;
        // A clock that goes back counts as one that stands.
        assert_eq!(counters.writes_by_second, [3, 1, 2]);
        assert_eq!(
            (
                counters.most_writes_in_a_second,
                counters.most_writes_in_a_period,
                counters.most_writes_in_ten_seconds
            ),
            (3, 4, 6)
        );
        counting.arrived("", true, at(5_200 + 1_000 * SECONDS as u64));
        assert_eq!(counting.counters.writes_by_second.len(), 3, "for an hour");
    }
}
