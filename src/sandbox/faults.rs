//! Owns what can go wrong on purpose: the kinds of fault, when one is drawn
//! from the seed, and the faults that a test has asked for.

use http::{Method, StatusCode};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::VecDeque;
use std::fmt;

/// One way in which a request goes wrong. `applied` says whether a write was
/// carried out all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 429; nothing is applied.
    TooManyRequests(RetryAfter),
    /// A status of 5xx with the API's JSON error.
    Status {
        /// What is answered.
        status: StatusCode,
        /// Whether the write was carried out.
        applied: bool,
    },
    /// An HTML page, as a proxy in front of the API gives it.
    HtmlPage {
        /// What is answered.
        status: StatusCode,
        /// Whether the write was carried out.
        applied: bool,
    },
    /// A status without any body.
    EmptyBody {
        /// What is answered.
        status: StatusCode,
        /// Whether the write was carried out.
        applied: bool,
    },
    /// The connection is reset before the API has seen the request.
    ResetBefore,
    /// The connection is reset after the request was carried out.
    ResetAfter,
    /// No answer ever comes.
    Hang {
        /// Whether the write was carried out.
        applied: bool,
    },
    /// The request was carried out; the body ends before its declared length.
    TruncatedBody,
}

/// How a 429 says when to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// `Retry-After: 2`
    Seconds(u32),
    /// `Retry-After: Sun, 06 Nov 1994 08:49:37 GMT`, so many seconds from now.
    Date(u32),
    /// It does not say.
    None,
}

impl Fault {
    /// Every kind, each 5xx both before and after the write was applied.
    pub fn all() -> Vec<Self> {
        let mut all = vec![
            Self::TooManyRequests(RetryAfter::Seconds(1)),
            Self::TooManyRequests(RetryAfter::Date(2)),
            Self::TooManyRequests(RetryAfter::None),
            Self::ResetBefore,
            Self::ResetAfter,
            Self::TruncatedBody,
        ];
        for applied in [false, true] {
            for status in [
                StatusCode::INTERNAL_SERVER_ERROR,
                StatusCode::BAD_GATEWAY,
                StatusCode::SERVICE_UNAVAILABLE,
                StatusCode::GATEWAY_TIMEOUT,
            ] {
                all.push(Self::Status { status, applied });
            }
            let status = StatusCode::BAD_GATEWAY;
            all.push(Self::HtmlPage { status, applied });
            all.push(Self::EmptyBody { status, applied });
            all.push(Self::Hang { applied });
        }
        all
    }

    /// Whether a write is carried out under this fault.
    pub fn is_applied(self) -> bool {
        match self {
            Self::TooManyRequests(_) | Self::ResetBefore => false,
            Self::ResetAfter | Self::TruncatedBody => true,
            Self::Status { applied, .. }
            | Self::HtmlPage { applied, .. }
            | Self::EmptyBody { applied, .. }
            | Self::Hang { applied } => applied,
        }
    }
}

/// The name under which counters have it, such as `502_html_applied`.
impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyRequests(RetryAfter::Seconds(_)) => formatter.write_str("429_seconds")?,
            Self::TooManyRequests(RetryAfter::Date(_)) => formatter.write_str("429_date")?,
            Self::TooManyRequests(RetryAfter::None) => formatter.write_str("429_none")?,
            Self::Status { status, .. } => write!(formatter, "{}", status.as_u16())?,
            Self::HtmlPage { status, .. } => write!(formatter, "{}_html", status.as_u16())?,
            Self::EmptyBody { status, .. } => write!(formatter, "{}_empty", status.as_u16())?,
            Self::ResetBefore => formatter.write_str("reset_before")?,
            Self::ResetAfter => formatter.write_str("reset_after")?,
            Self::Hang { .. } => formatter.write_str("hang")?,
            Self::TruncatedBody => formatter.write_str("truncated_body")?,
        }
        match self {
            Self::Status { applied: true, .. }
            | Self::HtmlPage { applied: true, .. }
            | Self::EmptyBody { applied: true, .. }
            | Self::Hang { applied: true } => formatter.write_str("_applied"),
            _ => Ok(()),
        }
    }
}

/// How often requests go wrong, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    /// The probability for each request, from 0 to 1.
    pub rate: f64,
    /// What is drawn from, each with the same probability.
    pub kinds: Vec<Fault>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            rate: 0.0,
            kinds: Fault::all(),
        }
    }
}

/// Faults that a test asks for: the next requests that match go wrong.
///
/// Scripts are tried in the order in which they were given, and before any
/// fault is drawn. Only requests that pass key and limits count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The method, or any.
    pub method: Option<Method>,
    /// What path and query must contain; "" is in all of them.
    pub path: String,
    /// How many requests that match are let through first.
    pub skip: u32,
    /// What happens to the next ones.
    pub fault: Fault,
    /// To how many it happens.
    pub times: u32,
}

/// Draws faults from the seed, and carries out scripts.
#[derive(Debug)]
pub(crate) struct FaultSchedule {
    generator: StdRng,
    faults: Faults,
    scripts: VecDeque<Script>,
}

impl FaultSchedule {
    pub(crate) fn new(seed: u64, faults: &Faults) -> Self {
        Self {
            // Its own sequence, so that identifiers do not depend on faults.
            generator: StdRng::seed_from_u64(seed ^ 0xfa17_fa17_fa17_fa17),
            faults: faults.clone(),
            scripts: VecDeque::new(),
        }
    }

    pub(crate) fn script(&mut self, script: Script) {
        self.scripts.push_back(script);
    }

    pub(crate) fn next(&mut self, method: &Method, path: &str) -> Option<Fault> {
        if let Some(fault) = self.scripted(method, path) {
            return Some(fault);
        }
        let rate = self.faults.rate.clamp(0.0, 1.0);
        // NaN is no rate either.
        if self.faults.kinds.is_empty() || !(rate > 0.0 && self.generator.random_bool(rate)) {
            return None;
        }
        let index = self.generator.random_range(0..self.faults.kinds.len());
        self.faults.kinds.get(index).copied()
    }

    fn scripted(&mut self, method: &Method, path: &str) -> Option<Fault> {
        self.scripts.retain(|script| script.times > 0);
        let script = self.scripts.iter_mut().find(|script| {
            script.method.as_ref().is_none_or(|wanted| wanted == method)
                && path.contains(&script.path)
        })?;
        if script.skip > 0 {
            script.skip -= 1;
            return None;
        }
        script.times -= 1;
        Some(script.fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(seed: u64, rate: f64) -> Vec<Option<Fault>> {
        let faults = Faults {
            rate,
            ..Faults::default()
        };
        let mut schedule = FaultSchedule::new(seed, &faults);
        (0..500)
            .map(|_| schedule.next(&Method::POST, "/user_management/users"))
            .collect()
    }

    #[test]
    fn the_seed_decides_which_requests_go_wrong() {
        assert_eq!(drawn(1, 0.5), drawn(1, 0.5));
        assert_ne!(drawn(1, 0.5), drawn(2, 0.5));
        assert!(drawn(1, 0.0).iter().all(Option::is_none));
        assert!(drawn(1, f64::NAN).iter().all(Option::is_none));
        let all = drawn(1, 1.0);
        assert!(
            Fault::all()
                .into_iter()
                .all(|kind| all.contains(&Some(kind)))
        );
    }

    #[test]
    fn a_script_hits_what_it_matches_as_often_as_it_says() {
        let mut schedule = FaultSchedule::new(0, &Faults::default());
        schedule.script(Script {
            method: Some(Method::POST),
            path: "users".to_owned(),
            skip: 1,
            fault: Fault::ResetAfter,
            times: 2,
        });
        let mut next = |method| schedule.next(&method, "/user_management/users");
        assert_eq!(next(Method::GET), None);
        assert_eq!(next(Method::POST), None, "skipped");
        assert_eq!(next(Method::POST), Some(Fault::ResetAfter));
        assert_eq!(next(Method::GET), None);
        assert_eq!(next(Method::POST), Some(Fault::ResetAfter));
        assert_eq!(next(Method::POST), None);
    }

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<String> =
            Fault::all().iter().map(Fault::to_string).collect();
        assert_eq!(names.len(), Fault::all().len());
    }
}
