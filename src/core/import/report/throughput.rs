//! Owns how fast a run went, over time: buckets of one width, with the spans cut out in which nobody worked on it.

use std::collections::BTreeMap;

use crate::journal::{History, RunInfo, Store};
use crate::report::html::{Bucket, Throughput};
use crate::spans::Spans;

/// About so many buckets are drawn.
const BUCKETS: i64 = 240;

/// Their widths, in milliseconds.
const WIDTHS: [i64; 15] = [
    100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000,
    1_800_000, 3_600_000,
];

/// A run that lasts so long is not looked at in less than seconds: the answers of single calls say nothing.
const NOT_SHORT: i64 = 5_000;

const MINUTE: i64 = 60_000;

/// How fast the run went; `None` where nothing has happened.
pub(super) fn of(
    store: &Store,
    run: &RunInfo,
    history: &History,
) -> rusqlite::Result<Option<Throughput>> {
    let mut minutes = store.active_minutes()?;
    if minutes.is_empty() {
        return Ok(None);
    }
    let begun = history.attempts.iter().map(|attempt| attempt.began_at);
    let started = milliseconds(&run.started_at);
    for at in begun.chain(started) {
        let known = minutes.entry(at.div_euclid(MINUTE)).or_insert((at, at));
        *known = (known.0.min(at), known.1.max(at));
    }
    let axis = Axis::over(&minutes, [&history.paused, &history.away]);
    let found = store.busy(axis.width)?;
    let buckets = axis.buckets(|number| {
        let busy = found.get(&number).copied().unwrap_or_default();
        Bucket {
            at: number * axis.width,
            writes: busy.writes,
            rows: busy.rows,
            failed: busy.failed,
        }
    });
    let spans = |spans: &Spans<i64>| {
        let spans = spans.iter();
        spans
            .map(|(from, until)| (axis.place(from), axis.place(until)))
            .collect()
    };
    let limits = limits(history, &axis);
    let periods: Vec<f64> = history
        .limits
        .iter()
        .filter_map(|one| Some(one.1?.1))
        .collect();
    let one_period = periods.windows(2).all(|pair| pair[0] == pair[1]);
    Ok(Some(Throughput {
        width: axis.width as f64 / 1000.0,
        buckets,
        limits,
        limit_period: periods.first().copied().filter(|_| one_period),
        paused: spans(&history.paused),
        away: spans(&history.away),
        cuts: axis.cuts(),
    }))
}

fn milliseconds(time: &str) -> Option<i64> {
    let time: jiff::Timestamp = time.parse().ok()?;
    Some(time.as_millisecond())
}

/// The limits in requests a second: each until the next one, those that go on as they were as one.
fn limits(history: &History, axis: &Axis) -> Vec<(f64, f64, f64)> {
    let mut found: Vec<(f64, f64, f64)> = Vec::new();
    let next = history.limits.iter().skip(1).map(|(at, _)| *at);
    for ((at, limit), until) in history.limits.iter().zip(next.chain([i64::MAX])) {
        let Some((count, seconds)) = limit else {
            continue;
        };
        let rate = f64::from(*count) / seconds;
        let (from, until) = (axis.place(*at), axis.place(until));
        match found.last_mut() {
            Some(last) if last.2 == rate && last.1 == from => last.1 = until,
            _ => found.push((from, until, rate)),
        }
    }
    found
}

/// What is drawn of time: stretches, one behind the other.
struct Axis {
    /// Of a bucket.
    width: i64,
    /// The first and the last bucket of each.
    stretches: Vec<(i64, i64)>,
    /// How long the spans between them are, in milliseconds.
    between: Vec<i64>,
}

impl Axis {
    /// Over the minutes in which anything happened, each with its first and last moment. A span without anything is cut
    /// out where it is long, measured by the rest, and it is not known that something was waited for.
    fn over(minutes: &BTreeMap<i64, (i64, i64)>, waits: [&Spans<i64>; 2]) -> Self {
        let longest = (minutes.len() as i64 / 10).max(2) * MINUTE;
        let waited = |from: i64, until: i64| -> i64 {
            let spans = waits.iter().flat_map(|spans| spans.iter());
            spans
                .map(|span| (span.1.min(until) - span.0.max(from)).max(0))
                .sum()
        };
        let mut moments: Vec<(i64, i64)> = Vec::new();
        for &(first, last) in minutes.values() {
            match moments.last_mut() {
                Some(stretch) if first - stretch.1 - waited(stretch.1, first) <= longest => {
                    stretch.1 = last;
                }
                _ => moments.push((first, last)),
            }
        }
        let length: i64 = moments.iter().map(|(first, last)| last - first).sum();
        let fits =
            |width: &&i64| length / **width <= BUCKETS && (**width >= 1_000 || length < NOT_SHORT);
        let width = WIDTHS.iter().find(fits).copied();
        let width = width.unwrap_or(length / BUCKETS + 1);
        let mut stretches: Vec<(i64, i64)> = Vec::new();
        let mut between = Vec::new();
        let mut ended = None;
        for (first, last) in moments {
            let (from, until) = (first.div_euclid(width), last.div_euclid(width));
            match (stretches.last_mut(), ended) {
                // So wide are the buckets that nothing is between them.
                (Some(stretch), _) if from <= stretch.1 + 1 => stretch.1 = until.max(stretch.1),
                (_, Some(ended)) => {
                    between.push(first - ended);
                    stretches.push((from, until));
                }
                _ => stretches.push((from, until)),
            }
            ended = Some(last);
        }
        Self {
            width,
            stretches,
            between,
        }
    }

    fn buckets(&self, of: impl Fn(i64) -> Bucket) -> Vec<Bucket> {
        let numbers = self
            .stretches
            .iter()
            .flat_map(|(from, until)| *from..=*until);
        numbers.map(of).collect()
    }

    /// Where a moment is, in seconds from the beginning; what was cut out is at its cut.
    fn place(&self, at: i64) -> f64 {
        let mut before = 0;
        for (from, until) in &self.stretches {
            let (begin, end) = (from * self.width, (until + 1) * self.width);
            if at < end {
                return (before + (at - begin).max(0)) as f64 / 1000.0;
            }
            before += end - begin;
        }
        before as f64 / 1000.0
    }

    fn cuts(&self) -> Vec<(f64, f64)> {
        let begins = self
            .stretches
            .iter()
            .skip(1)
            .map(|(from, _)| self.place(from * self.width));
        let lengths = self.between.iter().map(|length| *length as f64 / 1000.0);
        begins.zip(lengths).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(moments: &[(i64, i64)], waits: &Spans<i64>) -> Axis {
        let minutes = moments.iter().map(|one| (one.0 / MINUTE, *one)).collect();
        Axis::over(&minutes, [waits, &Spans::default()])
    }

    #[test]
    fn nights_are_cut_out_and_outages_are_not() {
        let night = 8 * 60 * MINUTE;
        let moments = [(1_000, 50_000), (60_000, 119_000), (night, night + 30_000)];
        let cut = axis(&moments, &Spans::default());
        assert_eq!(cut.width, 1_000);
        assert_eq!(cut.stretches, [(1, 119), (28_800, 28_830)]);
        assert_eq!(cut.cuts(), [(119.0, 28_681.0)]);
        assert_eq!(cut.place(2_500), 1.5);
        // What is within the cut is at it, and what is after the end at the end.
        assert_eq!([cut.place(night / 2), cut.place(night)], [119.0, 119.0]);
        assert_eq!(cut.place(i64::MAX / 2), 150.0);
        let mut waits = Spans::default();
        waits.add(100_000, night - 1_000);
        let whole = axis(&moments, &waits);
        assert_eq!(whole.stretches.len(), 1);
        assert_eq!(whole.width, 120_000);
        assert!(whole.cuts().is_empty());
    }

    #[test]
    fn buckets_are_few_however_long_a_run_is() {
        for minutes in [1, 10, 1_000, 100_000] {
            let moments: Vec<(i64, i64)> = (0..minutes)
                .map(|minute| (minute * MINUTE, minute * MINUTE + 59_000))
                .collect();
            let axis = axis(&moments, &Spans::default());
            let buckets = axis.buckets(|_| Bucket::default()).len() as i64;
            assert!(
                (minutes.min(50)..=BUCKETS + 2).contains(&buckets),
                "{minutes}: {buckets}"
            );
        }
    }
}
