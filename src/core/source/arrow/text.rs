//! Owns the texts of decimals, dates, times and UUIDs: those that Python's own types have.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

/// A decimal as Python prints it: `digits` is the whole number without the point, which stands `scale` digits from its
/// end.
pub(super) fn decimal(digits: &str, scale: i8) -> String {
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits),
    };
    let exponent = -i64::from(scale);
    let length = digits.len() as i64;
    // How many digits are before the point, if it is written without an exponent.
    let before = exponent + length;
    let is_plain = exponent <= 0 && before > -6;
    let point = if is_plain { before } else { 1 };
    let mut text = sign.to_owned();
    if point <= 0 {
        text.push_str("0.");
        text.extend((point..0).map(|_| '0'));
        text.push_str(digits);
    } else if point >= length {
        text.push_str(digits);
    } else {
        let (whole, fraction) = digits.split_at(point as usize);
        text.push_str(whole);
        text.push('.');
        text.push_str(fraction);
    }
    if !is_plain {
        let _ = write!(text, "E{:+}", before - point);
    }
    text
}

/// The time zone of a column.
pub(super) struct Zone {
    zone: TimeZone,
    /// The column names one: its times are written with their distance from UTC.
    is_named: bool,
}

impl Zone {
    /// The zone of that name, `+02:00` among them; `None` if it is not known.
    pub fn named(name: Option<&str>) -> Option<Self> {
        let zone = match name {
            None => TimeZone::UTC,
            Some("UTC" | "Z" | "utc") => TimeZone::UTC,
            Some(name) if name.starts_with(['+', '-']) => TimeZone::fixed(offset(name)?),
            Some(name) => TimeZone::get(name).ok()?,
        };
        Some(Self {
            zone,
            is_named: name.is_some(),
        })
    }
}

/// `+02:00`, `-0530`, `+02`.
fn offset(text: &str) -> Option<Offset> {
    let digits: String = text[1..].chars().filter(|letter| *letter != ':').collect();
    if !matches!(digits.len(), 2 | 4) {
        return None;
    }
    let hours: i32 = digits.get(..2)?.parse().ok()?;
    let minutes: i32 = digits
        .get(2..)
        .filter(|rest| !rest.is_empty())
        .map_or(Ok(0), str::parse)
        .ok()?;
    let seconds = hours * 3_600 + minutes * 60;
    Offset::from_seconds(if text.starts_with('-') {
        -seconds
    } else {
        seconds
    })
    .ok()
}

/// A moment, as so many parts of a second since 1970; `None` if it is outside of the years 1 to 9999.
pub(super) fn moment(value: i64, parts: i64, zone: &Zone) -> Option<String> {
    let nanoseconds = value.rem_euclid(parts) * (1_000_000_000 / parts);
    let at = Timestamp::new(value.div_euclid(parts), nanoseconds as i32).ok()?;
    let at = at.to_zoned(zone.zone.clone());
    if !(1..=9_999).contains(&at.year()) {
        return None;
    }
    let mut text = at.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    push_fraction(&mut text, nanoseconds);
    if zone.is_named {
        let seconds = at.offset().seconds();
        let (sign, seconds) = (if seconds < 0 { '-' } else { '+' }, seconds.abs());
        let _ = write!(
            text,
            "{sign}{:02}:{:02}",
            seconds / 3_600,
            seconds / 60 % 60
        );
        if seconds % 60 != 0 {
            let _ = write!(text, ":{:02}", seconds % 60);
        }
    }
    Some(text)
}

/// A date, as days since 1970; `None` if it is outside of the years 1 to 9999.
pub(super) fn date(days: i64) -> Option<String> {
    let zone = Zone {
        zone: TimeZone::UTC,
        is_named: false,
    };
    let mut text = moment(days.checked_mul(86_400)?, 1, &zone)?;
    text.truncate("2026-11-22".len());
    Some(text)
}

/// A time of the day, as so many parts of a second since midnight; `None` if no day has it.
pub(super) fn time_of_day(value: i64, parts: i64) -> Option<String> {
    let seconds = value.div_euclid(parts);
    if !(0..86_400).contains(&seconds) {
        return None;
    }
    let mut text = format!(
        "{:02}:{:02}:{:02}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    );
    push_fraction(&mut text, value.rem_euclid(parts) * (1_000_000_000 / parts));
    Some(text)
}

/// Nothing, millionths or, where they are needed, billionths.
fn push_fraction(text: &mut String, nanoseconds: i64) {
    let _ = match (nanoseconds, nanoseconds % 1_000) {
        (0, _) => Ok(()),
        (_, 0) => write!(text, ".{:06}", nanoseconds / 1_000),
        _ => write!(text, ".{nanoseconds:09}"),
    };
}

/// `21b1000c-58d0-4e2a-b872-2f800d1e1333`.
pub(super) fn uuid(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_written_as_python_writes_them() {
        let cases = [
            ("110", 2, "1.10"),
            ("-5", 3, "-0.005"),
            ("0", 2, "0.00"),
            ("1", 7, "1E-7"),
            ("123", 10, "1.23E-8"),
            ("12", -3, "1.2E+4"),
            ("1042", 0, "1042"),
            ("0", 7, "0E-7"),
        ];
        for (digits, scale, text) in cases {
            assert_eq!(decimal(digits, scale), text);
        }
    }

    #[test]
    fn times_are_written_as_python_writes_them() {
        let naive = Zone::named(None).unwrap();
        assert_eq!(moment(0, 1, &naive).unwrap(), "1970-01-01T00:00:00");
        assert_eq!(
            moment(-1, 1_000, &naive).unwrap(),
            "1969-12-31T23:59:59.999000"
        );
        assert_eq!(
            moment(1, 1_000_000_000, &naive).unwrap(),
            "1970-01-01T00:00:00.000000001"
        );
        let named = |name: &str| moment(1_700_000_000, 1, &Zone::named(Some(name)).unwrap());
        assert_eq!(named("UTC").unwrap(), "2023-11-14T22:13:20+00:00");
        assert_eq!(named("-05:30").unwrap(), "2023-11-14T16:43:20-05:30");
        assert_eq!(named("Europe/Berlin").unwrap(), "2023-11-14T23:13:20+01:00");
        assert!(Zone::named(Some("Nowhere/Land")).is_none());
        assert_eq!(date(-719_162).unwrap(), "0001-01-01");
        assert_eq!(date(-719_163), None);
        assert_eq!(time_of_day(36_000_500, 1_000).unwrap(), "10:00:00.500000");
        assert_eq!(time_of_day(86_400, 1), None);
    }
}
