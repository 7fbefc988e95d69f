//! Owns how a time is written: RFC 3339 in bodies, HTTP dates in headers,
//! milliseconds in identifiers. Reads no clock: every time comes from outside.

use jiff::Timestamp;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// When the environment itself was made: its roles bear this time, and so does
/// what is seeded before the first request. (1 January 2024)
pub(crate) const BEGINNING: &str = "2024-01-01T00:00:00.000Z";

/// [`BEGINNING`] as a time.
pub(crate) fn beginning() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_704_067_200)
}

pub(crate) fn milliseconds(now: SystemTime) -> u64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// `2026-01-15T12:00:00.000Z`
pub(crate) fn written(now: SystemTime) -> String {
    // Times that the calendar cannot hold are clamped by falling back to the
    // epoch: a test clock may be anything, and must not be able to panic.
    let timestamp = Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{timestamp:.3}")
}

/// Whether a text is a time, in the form of bodies, after another one.
pub(crate) fn is_later(text: &str, now: SystemTime) -> bool {
    let (then, now) = (text.parse::<Timestamp>(), Timestamp::try_from(now));
    then.is_ok_and(|then| now.is_ok_and(|now| then > now))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
pub(crate) fn http_date(now: SystemTime) -> String {
    // `httpdate` panics outside the years 1970 to 9999.
    let seconds = (milliseconds(now) / 1_000).min(253_402_300_799);
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_a_z() {
        let now = beginning() + Duration::from_micros(1_234_567);
        assert_eq!(written(beginning()), BEGINNING);
        assert_eq!(written(now), "2024-01-01T00:00:01.234Z");
        assert_eq!(http_date(now), "Mon, 01 Jan 2024 00:00:01 GMT");
    }
}
