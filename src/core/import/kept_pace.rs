//! Owns which limits a run keeps: the documented ones or the caller's, less what is left to the application, from the
//! start on and after somebody asked for others.

use serde::{Deserialize, Serialize};

use super::StartError;
use crate::directory::workos::Limits;
use crate::pace::Limit;

/// Another pace for a run that is under way. What is `None` stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PaceChange {
    /// The write window.
    pub rate_limit: Option<Limit>,
    /// The share (0 to 1) that is left to the live application.
    pub headroom: Option<f64>,
}

impl PaceChange {
    /// # Errors
    /// For values that no pace can have, and where nothing is to be changed.
    pub(super) fn check(&self) -> Result<(), StartError> {
        check_pace(self.rate_limit, self.headroom)?;
        if *self == Self::default() {
            return Err(StartError::Options(
                "Which pace? Give a headroom, a rate limit, or both.".into(),
            ));
        }
        Ok(())
    }
}

/// What a run keeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct KeptPace {
    pub(super) rate_limit: Option<Limit>,
    pub(super) headroom: f64,
    /// The directory has no limits (a rehearsal), and nobody named one.
    unlimited: bool,
}

impl KeptPace {
    pub(super) fn new(rate_limit: Option<Limit>, headroom: f64, unlimited: bool) -> Self {
        Self {
            rate_limit,
            headroom,
            unlimited: unlimited && rate_limit.is_none(),
        }
    }

    pub(super) fn change(&mut self, change: &PaceChange) {
        self.headroom = change.headroom.unwrap_or(self.headroom);
        *self = Self::new(
            change.rate_limit.or(self.rate_limit),
            self.headroom,
            self.unlimited,
        );
    }

    /// `None`: as fast as the other side answers.
    pub(super) fn limits(&self) -> Option<Limits> {
        (!self.unlimited).then(|| Limits::kept(self.rate_limit, self.headroom))
    }

    /// The writes that are allowed in a window, and its length in seconds.
    pub(super) fn write_limit(&self) -> Option<(u32, f64)> {
        let writes = self.limits()?.writes;
        Some((writes.count, writes.period.as_secs_f64()))
    }
}

/// Refuses what no pace can be.
pub(super) fn check_pace(
    rate_limit: Option<Limit>,
    headroom: Option<f64>,
) -> Result<(), StartError> {
    let refuse = |text: &str| Err(StartError::Options(text.to_owned()));
    if headroom.is_some_and(|share| !(0.0..1.0).contains(&share)) {
        return refuse("--headroom must be at least 0% and less than 100%.");
    }
    if rate_limit.is_some_and(|limit| limit.count == 0 || limit.period.is_zero()) {
        return refuse("--rate-limit must allow at least one request. Write it like 500/10s.");
    }
    Ok(())
}

/// How a change is written down for another process.
#[derive(Serialize, Deserialize)]
pub(super) struct WrittenChange {
    /// `(requests, seconds)`.
    rate_limit: Option<(u32, f64)>,
    headroom: Option<f64>,
}

impl From<PaceChange> for WrittenChange {
    fn from(change: PaceChange) -> Self {
        let written = |limit: Limit| (limit.count, limit.period.as_secs_f64());
        Self {
            rate_limit: change.rate_limit.map(written),
            headroom: change.headroom,
        }
    }
}

impl WrittenChange {
    /// `None` for what makes no sense.
    pub(super) fn read(self) -> Option<PaceChange> {
        let rate_limit = match self.rate_limit {
            Some((count, seconds)) => Some(Limit {
                count,
                period: std::time::Duration::try_from_secs_f64(seconds).ok()?,
            }),
            None => None,
        };
        let change = PaceChange {
            rate_limit,
            headroom: self.headroom,
        };
        change.check().is_ok().then_some(change)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let limit = |count| Limit {
            count,
            period: Duration::from_secs(10),
        };
        let headroom = |share| PaceChange {
            headroom: Some(share),
            ..PaceChange::default()
        };
        let mut kept = KeptPace::new(Some(limit(1_000)), 0.1, false);
        assert_eq!(kept.write_limit(), Some((900, 10.0)));
        kept.change(&headroom(0.5));
        assert_eq!(kept.write_limit(), Some((500, 10.0)));
        kept.change(&PaceChange {
            rate_limit: Some(limit(100)),
            headroom: None,
        });
        assert_eq!(kept.write_limit(), Some((50, 10.0)));
        // A rehearsal without limits stays one, until a limit is named.
        let mut kept = KeptPace::new(None, 0.0, true);
        kept.change(&headroom(0.5));
        assert_eq!(kept.write_limit(), None);
        kept.change(&PaceChange {
            rate_limit: Some(limit(100)),
            headroom: None,
        });
        assert_eq!(kept.write_limit(), Some((50, 10.0)));
    }

    #[test]
    fn a_change_is_read_as_it_was_written_and_nonsense_is_not_read() {
        let change = PaceChange {
            rate_limit: Some(Limit {
                count: 20,
                period: Duration::from_millis(500),
            }),
            headroom: Some(0.25),
        };
        assert_eq!(WrittenChange::from(change).read(), Some(change));
        for text in [
            "{}",
            r#"{"headroom":1.0}"#,
            r#"{"headroom":-0.1}"#,
            r#"{"rate_limit":[0,10.0]}"#,
            r#"{"rate_limit":[5,-1.0]}"#,
        ] {
            let written: WrittenChange = serde_json::from_str(text).unwrap();
            assert_eq!(written.read(), None, "{text}");
        }
    }
}
