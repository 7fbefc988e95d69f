//! Owns the words and numbers of a report: the outcome in one sentence, durations, shares, the table behind the chart.

use minijinja::HtmlEscape;
use serde::Serialize;

use super::{Bucket, Report, Throughput, Waits};

/// So many lines has the table behind the chart at most.
const LINES: usize = 24;

/// One line of the table behind the chart: some buckets together.
#[derive(Serialize)]
pub(super) struct Line {
    from: i64,
    seconds: f64,
    writes: u64,
    rows: u64,
    failed: u64,
}

/// `1,234,567`.
pub(super) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut shown = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// `14 s`, `12.3 s`, `7 min 25 s`, `1 h 6 min`.
pub(super) fn duration(seconds: f64) -> String {
    if seconds < 59.95 {
        let shown = format!("{seconds:.1}");
        return format!("{} s", shown.trim_end_matches(".0"));
    }
    let whole = seconds.round() as u64;
    let two = |large: u64, unit: &str, small: u64, smaller: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {smaller}"),
    };
    match whole / 60 {
        minutes @ 0..60 => two(minutes, "min", whole % 60, "s"),
        minutes => two(minutes / 60, "h", minutes % 60, "min"),
    }
}

/// `12.5 %` of a whole; never 0 % or 100 % for what is not.
pub(super) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return String::new();
    }
    let percent = 100.0 * part as f64 / whole as f64;
    match part {
        0 => "0 %".to_owned(),
        _ if part == whole => "100 %".to_owned(),
        _ => format!("{:.1} %", percent.clamp(0.1, 99.9)),
    }
}

/// So many in a second.
pub(super) fn rate(per_second: f64) -> String {
    match per_second {
        fast if fast >= 99.95 => number(fast.round() as u64),
        slow => format!("{slow:.1}"),
    }
}

/// `2026-11-24 13:05:07` out of milliseconds since 1970, in UTC.
pub(super) fn moment(milliseconds: i64) -> String {
    match jiff::Timestamp::from_millisecond(milliseconds) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => String::new(),
    }
}

/// What was imported, without the folders.
pub(super) fn source(path: &str) -> &str {
    match path {
        "rows" => "rows of a program",
        "-" => "standard input",
        _ => path.rsplit(['/', '\\']).next().unwrap_or(path),
    }
}

/// What was done when rows failed.
pub(super) fn stage(error_type: &str) -> &'static str {
    match error_type {
        "validation" => "found before anything was sent",
        "org_resolution" => "while the organization was looked up or made",
        "user" => "while the user was looked up or written",
        "membership" => "while the membership was written",
        "role_assignment" => "while roles were given",
        "in_doubt" => "it is not known whether the write was applied",
        _ => "while the row was worked on",
    }
}

/// Text whose parts between backticks are code, escaped.
pub(super) fn code(text: &str) -> minijinja::Value {
    let escaped = HtmlEscape(text).to_string();
    let parts: Vec<&str> = escaped.split('`').collect();
    // An odd one is no quote.
    if parts.len().is_multiple_of(2) {
        return minijinja::Value::from_safe_string(escaped);
    }
    let mut shown = String::new();
    for (place, part) in parts.iter().enumerate() {
        match place % 2 {
            0 => shown.push_str(part),
            _ => shown.push_str(&format!("<code>{part}</code>")),
        }
    }
    minijinja::Value::from_safe_string(shown)
}

/// How a status is coloured.
pub(super) fn tone(status: &str) -> &'static str {
    match status {
        "Success" => "good",
        "Completed with errors" => "warning",
        "Failed" | "Stopped" | "Interrupted" => "bad",
        _ => "plain",
    }
}

/// What became of the run.
pub(super) fn sentence(report: &Report) -> String {
    let counts = &report.counts;
    let rows = |count: u64| match count {
        1 => "1 row".to_owned(),
        _ => format!("{} rows", number(count)),
    };
    if counts.total == 0 {
        return "The source had no rows: nothing was imported.".to_owned();
    }
    let ways: Vec<String> = [
        (counts.created, "created"),
        (counts.updated, "updated"),
        (counts.unchanged, "unchanged"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, way)| format!("{} {way}", number(count)))
    .collect();
    let in_place = match (counts.imported, counts.total) {
        (0, _) => format!("None of {} is in the directory", rows(counts.total)),
        (1, 1) => format!("The only row is in the directory ({})", ways.join(", ")),
        (done, all) if done == all => {
            format!(
                "All {} are in the directory ({})",
                rows(all),
                ways.join(", ")
            )
        }
        (done, all) => format!(
            "{} of {} are in the directory ({})",
            number(done),
            rows(all),
            ways.join(", ")
        ),
    };
    let mut text = in_place;
    if counts.failed > 0 {
        let why = match report.causes.len() as u64 + report.more_causes.count {
            0 => String::new(),
            1 => ", for one reason".to_owned(),
            several => format!(", for {several} reasons"),
        };
        text += &format!("; {} failed{why}", number(counts.failed));
    }
    if counts.pending > 0 {
        text += &format!("; {} not reached yet", number(counts.pending));
    }
    text += ".";
    match report.status.as_str() {
        "Undone" => text += " Afterwards the run was undone: what it had made was taken back.",
        "Undoing" => text += " The run is being undone, or undoing it was interrupted.",
        "Under way" => text += " The run is under way.",
        "Interrupted" if counts.pending > 0 => text += " The run was interrupted.",
        "Stopped" if counts.pending > 0 => text += " The run was stopped before its end.",
        _ => {}
    }
    text
}

/// What held the run up; empty if nothing did.
pub(super) fn held_up(waits: &Waits) -> String {
    let mut parts = Vec::new();
    if waits.turned_away > 0 {
        let times = |count: u64| match count {
            1 => "once".to_owned(),
            _ => format!("{} times", number(count)),
        };
        parts.push(format!(
            "The API said 429 {}; the run paused {}, {} in all.",
            times(waits.turned_away),
            times(waits.pauses),
            duration(waits.paused_seconds)
        ));
    }
    if waits.away_seconds > 0.0 {
        let away = duration(waits.away_seconds);
        parts.push(format!("The API was away for {away} in all."));
    }
    parts.join(" ")
}

/// The chart as a table: neighbours together, so that it stays short.
pub(super) fn table(throughput: &Throughput) -> Vec<Line> {
    let together = throughput.buckets.len().div_ceil(LINES).max(1);
    let line = |buckets: &[Bucket]| Line {
        from: buckets.first().map_or(0, |bucket| bucket.at),
        seconds: throughput.width * buckets.len() as f64,
        writes: buckets.iter().map(|bucket| bucket.writes).sum(),
        rows: buckets.iter().map(|bucket| bucket.rows).sum(),
        failed: buckets.iter().map(|bucket| bucket.failed).sum(),
    };
    throughput.buckets.chunks(together).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Cause, Counts};
    use super::*;

    fn report(status: &str, counts: Counts) -> Report {
        Report {
            status: status.to_owned(),
            counts,
            ..Report::default()
        }
    }

    #[test]
    fn the_sentence_says_what_became_of_the_rows() {
        let mut all = report(
            "Success",
            Counts {
                total: 10_000,
                imported: 10_000,
                created: 9_990,
                unchanged: 10,
                ..Counts::default()
            },
        );
        assert_eq!(
            sentence(&all),
            "All 10,000 rows are in the directory (9,990 created, 10 unchanged)."
        );
        all.status = "Undone".to_owned();
        assert!(sentence(&all).ends_with("taken back."));
        let mut some = report(
            "Stopped",
            Counts {
                total: 5,
                imported: 2,
                created: 2,
                failed: 1,
                pending: 2,
                ..Counts::default()
            },
        );
        some.causes.push(Cause::default());
        assert_eq!(
            sentence(&some),
            "2 of 5 rows are in the directory (2 created); 1 failed, for one reason; 2 not reached yet. The run was stopped before its end."
        );
        let none = sentence(&report("Failed", Counts::default()));
        assert_eq!(none, "The source had no rows: nothing was imported.");
    }

    #[test]
    fn numbers_read_well_and_shares_are_never_more_than_they_are() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(number),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [0.04, 14.0, 59.94, 60.0, 445.2, 3_960.0, 7_200.0].map(duration),
            [
                "0 s",
                "14 s",
                "59.9 s",
                "1 min",
                "7 min 25 s",
                "1 h 6 min",
                "2 h"
            ]
        );
        assert_eq!(share(1, 1_000_000), "0.1 %");
        assert_eq!(share(999_999, 1_000_000), "99.9 %");
        assert_eq!(share(4, 4), "100 %");
        assert_eq!(moment(1_795_525_507_000), "2026-11-24 13:05:07");
    }

    #[test]
    fn a_source_is_named_by_its_file() {
        let names = ["/a b/users.csv", "C:\\x\\users.csv", "users.csv", "-"].map(source);
        assert_eq!(
            names,
            ["users.csv", "users.csv", "users.csv", "standard input"]
        );
    }

    #[test]
    fn code_is_marked_and_escaped() {
        let shown = |text| code(text).to_string();
        assert_eq!(
            shown("an `org_name`, or <b>"),
            "an <code>org_name</code>, or &lt;b&gt;"
        );
        assert_eq!(shown("`<i>` and ` alone"), "`&lt;i&gt;` and ` alone");
    }

    #[test]
    fn the_table_is_short_and_loses_nothing() {
        let bucket = |at| Bucket {
            at,
            writes: 2,
            rows: 1,
            failed: 0,
        };
        let throughput = Throughput {
            width: 5.0,
            buckets: (0..240).map(bucket).collect(),
            ..Throughput::default()
        };
        let lines = table(&throughput);
        assert_eq!(lines.len(), LINES);
        assert_eq!(lines.iter().map(|line| line.writes).sum::<u64>(), 480);
        assert!(lines.iter().all(|line| line.seconds == 50.0));
    }
}
