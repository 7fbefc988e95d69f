//! Owns the enforcement of limits: exact sliding windows, fixed windows and
//! buckets beside them where that is asked for, and how long one has to wait.

use crate::route::Scope;
use crate::settings::{Limit, Limits};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The times of the requests in the last `span`.
#[derive(Debug)]
pub(crate) struct Window {
    span: Duration,
    times: VecDeque<SystemTime>,
}

impl Window {
    pub(crate) fn new(span: Duration) -> Self {
        Self {
            span,
            times: VecDeque::new(),
        }
    }

    /// How many requests the window that ends now holds. One that is exactly
    /// `span` old is no longer in it.
    fn count(&mut self, now: SystemTime) -> usize {
        while let Some(oldest) = self.times.front()
            && now.duration_since(*oldest).unwrap_or_default() >= self.span
        {
            self.times.pop_front();
        }
        self.times.len()
    }

    /// Adds a request, and says how many there are with it.
    pub(crate) fn add(&mut self, now: SystemTime) -> usize {
        let count = self.count(now);
        self.times.push_back(now);
        count + 1
    }
}

/// One limit, and what has been let through under it.
#[derive(Debug)]
pub(crate) struct Gate {
    most: usize,
    sliding: Window,
    fixed: Option<Fixed>,
}

/// A window that begins at multiples of its span; refused requests count.
#[derive(Debug, Default)]
struct Fixed {
    number: u128,
    seen: usize,
}

impl Gate {
    pub(crate) fn new((most, span): Limit, strict: bool) -> Self {
        Self {
            most: usize::try_from(most).unwrap_or(usize::MAX),
            sliding: Window::new(span),
            fixed: strict.then(Fixed::default),
        }
    }

    /// How long until this gate lets a request through; `None` is now.
    pub(crate) fn wait(&mut self, now: SystemTime) -> Option<Duration> {
        let span = self.sliding.span;
        let mut wait = None;
        if self.sliding.count(now) >= self.most {
            let oldest = self.sliding.times.front().copied().unwrap_or(now);
            let age = now.duration_since(oldest).unwrap_or_default();
            wait = Some(span.saturating_sub(age));
        }
        if let Some(fixed) = &mut self.fixed {
            let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
            let number = since.as_nanos() / span.as_nanos().max(1);
            if fixed.number != number {
                *fixed = Fixed { number, seen: 0 };
            }
            fixed.seen += 1;
            if fixed.seen > self.most {
                let into = since.as_nanos() % span.as_nanos().max(1);
                let into = Duration::from_nanos(u64::try_from(into).unwrap_or_default());
                wait = wait.max(Some(span.saturating_sub(into)));
            }
        }
        wait
    }

    /// Takes a place for one that was let through.
    pub(crate) fn take(&mut self, now: SystemTime) {
        self.sliding.add(now);
    }
}

/// A bucket of places that fills up again evenly.
#[derive(Debug)]
struct Bucket {
    size: f64,
    per_second: f64,
    places: f64,
    at: SystemTime,
}

impl Bucket {
    fn new((size, time): Limit) -> Self {
        Self {
            size: f64::from(size),
            per_second: f64::from(size) / time.as_secs_f64(),
            places: f64::from(size),
            at: UNIX_EPOCH,
        }
    }

    /// How long until there is a place; `None` is now.
    fn wait(&mut self, now: SystemTime) -> Option<Duration> {
        let since = now.duration_since(self.at).unwrap_or_default();
        self.places = (self.places + since.as_secs_f64() * self.per_second).min(self.size);
        self.at = now;
        let missing = 1.0 - self.places;
        // What floating point loses is no place.
        (missing > 1e-6).then(|| Duration::from_secs_f64(missing / self.per_second))
    }
}

/// The gates that hold for one key alone.
#[derive(Debug, Default)]
struct OfKey {
    everything: Option<Gate>,
    organization_deletes: Option<Gate>,
}

/// Every gate of the environment.
#[derive(Debug)]
pub(crate) struct Gates {
    limits: Limits,
    user_management_writes: Option<Gate>,
    user_management_reads: Option<Gate>,
    bucket: Option<Bucket>,
    of_keys: HashMap<String, OfKey>,
    latest: SystemTime,
}

impl Gates {
    pub(crate) fn new(limits: &Limits) -> Self {
        let gate = |limit: Option<Limit>| limit.map(|limit| Gate::new(limit, limits.strict));
        Self {
            user_management_writes: gate(limits.user_management_writes),
            user_management_reads: gate(limits.user_management_reads),
            bucket: limits.bucket.map(Bucket::new),
            of_keys: HashMap::new(),
            limits: limits.clone(),
            latest: UNIX_EPOCH,
        }
    }

    /// Lets a request through, or says how long to wait. A request takes a
    /// place under all of its limits or under none.
    pub(crate) fn pass(
        &mut self,
        key: &str,
        scope: Scope,
        now: SystemTime,
    ) -> Result<(), Duration> {
        // Two threads may bring their times in the wrong order.
        self.latest = self.latest.max(now);
        let now = self.latest;
        let strict = self.limits.strict;
        if !self.of_keys.contains_key(key) {
            let gate = |limit: Option<Limit>| limit.map(|limit| Gate::new(limit, strict));
            let of_key = OfKey {
                everything: gate(self.limits.everything),
                organization_deletes: gate(self.limits.organization_deletes),
            };
            self.of_keys.insert(key.to_owned(), of_key);
        }
        let (everything, deletes) = match self.of_keys.get_mut(key) {
            Some(of_key) => (
                of_key.everything.as_mut(),
                of_key.organization_deletes.as_mut(),
            ),
            None => (None, None),
        };
        let narrow = match scope {
            Scope::UserManagementWrite => self.user_management_writes.as_mut(),
            Scope::UserManagementRead => self.user_management_reads.as_mut(),
            Scope::OrganizationDelete => deletes,
            Scope::Other => None,
        };
        let bucket = self.bucket.as_mut();
        let mut bucket = bucket.filter(|_| matches!(scope, Scope::UserManagementWrite));
        let bucket_wait = bucket.as_mut().and_then(|bucket| bucket.wait(now));
        let mut gates: Vec<&mut Gate> = everything.into_iter().chain(narrow).collect();
        let waits = gates.iter_mut().map(|gate| gate.wait(now));
        let waits = waits.chain([bucket_wait]);
        // Every gate is asked, for in fixed windows asking counts.
        if let Some(wait) = waits.fold(None, Option::max) {
            return Err(wait);
        }
        for gate in gates {
            gate.take(now);
        }
        if let Some(bucket) = bucket {
            bucket.places -= 1.0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::beginning;

    fn writes(most: u32, seconds: u64) -> Limits {
        Limits {
            user_management_writes: Some((most, Duration::from_secs(seconds))),
            ..Limits::none()
        }
    }

    fn at(milliseconds: u64) -> SystemTime {
        beginning() + Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_window_slides_exactly() {
        let mut gates = Gates::new(&writes(2, 10));
        let mut pass = |time| gates.pass("sk", Scope::UserManagementWrite, at(time));
        assert_eq!(pass(0), Ok(()));
        assert_eq!(pass(9_000), Ok(()));
        assert_eq!(pass(9_999), Err(Duration::from_millis(1)));
        assert_eq!(pass(10_000), Ok(()), "the first is 10 s old");
        assert_eq!(pass(10_001), Err(Duration::from_millis(8_999)));
        assert_eq!(pass(19_000), Ok(()));
        assert_eq!(pass(19_999), Err(Duration::from_millis(1)));
    }

    #[test]
    fn each_scope_and_key_has_its_own_places() {
        let second = Duration::from_secs(1);
        let mut gates = Gates::new(&Limits {
            user_management_writes: Some((1, second)),
            user_management_reads: Some((1, second)),
            organization_deletes: Some((1, second)),
            everything: Some((3, second)),
            ..Limits::none()
        });
        let mut pass = |key, scope| gates.pass(key, scope, at(0)).is_ok();
        assert!(pass("sk_1", Scope::UserManagementWrite));
        assert!(!pass("sk_2", Scope::UserManagementWrite), "one environment");
        assert!(pass("sk_1", Scope::UserManagementRead));
        assert!(pass("sk_1", Scope::OrganizationDelete));
        assert!(!pass("sk_1", Scope::Other), "three of this key");
        assert!(pass("sk_2", Scope::OrganizationDelete));
    }

    #[test]
    fn a_refused_request_takes_no_place_anywhere() {
        let mut gates = Gates::new(&Limits {
            everything: Some((2, Duration::from_secs(60))),
            ..writes(1, 1)
        });
        let mut pass = |scope, time| gates.pass("sk", scope, at(time)).is_ok();
        assert!(pass(Scope::UserManagementWrite, 0));
        assert!(!pass(Scope::UserManagementWrite, 1));
        assert!(pass(Scope::Other, 2));
        assert!(!pass(Scope::Other, 3));
    }

    #[test]
    fn strict_windows_keep_out_who_hammers() {
        let limits = Limits {
            strict: true,
            ..writes(2, 10)
        };
        let mut gates = Gates::new(&limits);
        let mut pass = |time| gates.pass("sk", Scope::UserManagementWrite, at(time));
        assert_eq!(pass(0), Ok(()));
        assert_eq!(pass(9_000), Ok(()));
        assert!(pass(9_500).is_err());
        assert_eq!(pass(10_000), Ok(()), "a new window, and a place is free");
        assert!(pass(10_001).is_err());
        // The sliding window has a place at 19 s; the fixed one has seen two.
        assert_eq!(pass(19_000), Err(Duration::from_secs(1)));
    }

    #[test]
    fn a_bucket_refuses_bursts_and_fills_up_again() {
        let limits = Limits {
            bucket: Some((5, Duration::from_secs(1))),
            ..writes(500, 10)
        };
        let mut gates = Gates::new(&limits);
        let mut pass = |time| gates.pass("sk", Scope::UserManagementWrite, at(time));
        assert!((0..5).all(|_| pass(0) == Ok(())));
        assert_eq!(pass(0), Err(Duration::from_millis(200)));
        assert_eq!(pass(150), Err(Duration::from_millis(50)));
        assert_eq!(pass(200), Ok(()));
        assert!(pass(201).is_err());
        assert!(
            (0..5).all(|_| pass(60_000) == Ok(())),
            "never more than it holds"
        );
        assert!(pass(60_000).is_err());
        assert!(
            gates
                .pass("sk", Scope::UserManagementRead, at(60_000))
                .is_ok()
        );
    }

    #[test]
    fn a_clock_that_goes_back_opens_nothing() {
        let mut gates = Gates::new(&writes(1, 10));
        assert!(
            gates
                .pass("sk", Scope::UserManagementWrite, at(5_000))
                .is_ok()
        );
        assert!(gates.pass("sk", Scope::UserManagementWrite, at(0)).is_err());
    }
}
