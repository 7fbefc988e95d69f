//! Owns what a 429 says about when to come back.

use std::time::Duration;

use jiff::Timestamp;

use crate::pace::Backoff;
use crate::wire::Answer;

/// Not longer than is sane: a typing error in a header must not end a night.
pub(super) fn longest_pause(after: Duration) -> Duration {
    if after > Backoff::LONGEST_PAUSE {
        let (asked, waits) = (after.as_secs(), Backoff::LONGEST_PAUSE.as_secs());
        log::warn!("the API asks for a pause of {asked} s; waiting {waits} s");
    }
    after.min(Backoff::LONGEST_PAUSE)
}

/// `Retry-After`: seconds, or an HTTP date by the server's clock.
pub(super) fn retry_after(answer: &Answer, server_now: Timestamp) -> Option<Duration> {
    let text = answer.header("retry-after")?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return (seconds.is_finite() && seconds >= 0.0)
            .then(|| Duration::from_secs_f64(seconds.min(1e9)));
    }
    let date = Timestamp::try_from(httpdate::parse_http_date(text).ok()?).ok()?;
    // The server's own `Date` beside it is the best clock to compare with.
    let now = answer
        .header("date")
        .and_then(|date| httpdate::parse_http_date(date).ok())
        .and_then(|date| Timestamp::try_from(date).ok())
        .unwrap_or(server_now);
    Some(Duration::from_millis(
        u64::try_from(date.as_millisecond() - now.as_millisecond()).unwrap_or(0),
    ))
}
