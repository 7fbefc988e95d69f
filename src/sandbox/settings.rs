//! Owns the settings of a sandbox: seed, latency, limits, faults, roles and key.

use crate::faults::Faults;
use std::time::Duration;

/// What a sandbox is made from. The same settings and the same sequence of
/// requests and times give the same answers, bit for bit.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where every identifier, fault and latency is drawn from.
    pub seed: u64,
    /// Least and largest time that a request takes; drawn uniformly.
    pub latency: (Duration, Duration),
    /// How many requests are let through.
    pub limits: Limits,
    /// How often, and in which ways, a request goes wrong.
    pub faults: Faults,
    /// Whether one membership may have several roles.
    pub multiple_roles: bool,
    /// The role slugs of the environment. A membership that names no role is
    /// given `member`, or the last of these where there is no `member`.
    pub roles: Vec<String>,
    /// The only key that is let in; `None` lets in every key that begins with
    /// `sk_test_`.
    pub key: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            latency: (Duration::ZERO, Duration::ZERO),
            limits: Limits::documented(),
            faults: Faults::default(),
            multiple_roles: true,
            roles: vec!["admin".to_owned(), "member".to_owned()],
            key: None,
        }
    }
}

/// A number of requests in a span of time.
pub type Limit = (u32, Duration);

/// The limits that are enforced; `None` is no limit.
///
/// Windows slide and are exact: with a limit of 500 in 10 s, no 10 s ever hold
/// more than 500 requests that were let through. A refused request takes no
/// place. A request that meets an injected fault does take one, since limits
/// are counted before anything else can go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Everything below `/user_management` that is not a GET, per environment.
    pub user_management_writes: Option<Limit>,
    /// Every GET below `/user_management`, per environment.
    pub user_management_reads: Option<Limit>,
    /// Every request, per key.
    pub everything: Option<Limit>,
    /// `DELETE /organizations/{id}`, per key.
    pub organization_deletes: Option<Limit>,
    /// `POST /user_management/password_reset`, per address.
    pub password_resets_to_one: Option<Limit>,
    /// Password resets in 24 hours, to whomever: more answer 429
    /// `daily_quota_exceeded`. How many WorkOS allows is not documented.
    pub password_resets_a_day: Option<u32>,
    /// Refuse by fixed windows as well, in which refused requests count too:
    /// who hammers stays out until the next window begins.
    pub strict: bool,
    /// A bucket for everything below `/user_management` that is not a GET, beside the window: it holds so many, is full
    /// at first, and fills up again within the given time. Servers that count in buckets refuse bursts.
    pub bucket: Option<Limit>,
}

impl Limits {
    /// The limits that WorkOS documents.
    pub fn documented() -> Self {
        Self {
            user_management_writes: Some((500, Duration::from_secs(10))),
            user_management_reads: Some((1_000, Duration::from_secs(10))),
            everything: Some((6_000, Duration::from_secs(60))),
            organization_deletes: Some((50, Duration::from_secs(60))),
            password_resets_to_one: Some((3, Duration::from_secs(60))),
            password_resets_a_day: None,
            strict: false,
            bucket: None,
        }
    }

    /// The documented limits with another one for writes, as of a larger plan
    /// or a smaller share; those of the other traffic grow with it.
    pub fn with_writes((count, period): Limit) -> Self {
        let documented = Self::documented();
        let per_second = |(count, period): Limit| f64::from(count) / period.as_secs_f64();
        let factor = documented
            .user_management_writes
            .map_or(1.0, |limit| per_second((count, period)) / per_second(limit))
            .max(1.0);
        let grown = |(count, period): Limit| ((f64::from(count) * factor).ceil() as u32, period);
        Self {
            user_management_writes: Some((count, period)),
            user_management_reads: documented.user_management_reads.map(grown),
            everything: documented.everything.map(grown),
            ..documented
        }
    }

    /// No limit at all.
    pub fn none() -> Self {
        Self {
            user_management_writes: None,
            user_management_reads: None,
            everything: None,
            organization_deletes: None,
            password_resets_to_one: None,
            password_resets_a_day: None,
            strict: false,
            bucket: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::documented()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_limits_grow_with_that_on_writes_and_never_shrink() {
        let seconds = Duration::from_secs;
        let larger = Limits::with_writes((1_000, seconds(5)));
        assert_eq!(larger.user_management_writes, Some((1_000, seconds(5))));
        assert_eq!(larger.user_management_reads, Some((4_000, seconds(10))));
        assert_eq!(larger.everything, Some((24_000, seconds(60))));
        let smaller = Limits::with_writes((100, seconds(10)));
        assert_eq!(smaller.user_management_writes, Some((100, seconds(10))));
        assert_eq!(smaller.everything, Limits::documented().everything);
    }
}
