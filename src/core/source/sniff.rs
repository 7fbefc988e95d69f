//! Owns what is told from the first bytes of a file: whether it is text at all, its delimiter, which encoding it may be.

use encoding_rs::{Encoding, SHIFT_JIS, WINDOWS_1251, WINDOWS_1252};

use super::SourceError;

const SPREADSHEETS: [&str; 5] = ["xlsx", "xlsm", "xls", "ods", "numbers"];

/// File formats that are no text, by their first bytes.
const MAGIC: [(&[u8], &str); 8] = [
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"%PDF", "a PDF"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
];

/// The lower-cased ending of a file name.
pub(super) fn ending(path: &str) -> String {
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
    match name.rsplit_once('.') {
        Some((_, ending)) => ending.to_ascii_lowercase(),
        None => String::new(),
    }
}

/// Refuses what is no text, from the first bytes.
pub(super) fn refuse(bytes: &[u8], path: &str) -> Result<(), SourceError> {
    let path_text = || path.to_owned();
    let is_spreadsheet = SPREADSHEETS.contains(&ending(path).as_str());
    let is_zip = bytes.starts_with(b"PK\x03\x04");
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(SourceError::Utf16 { path: path_text() });
    }
    // The first line tells: one stray zero further down is a matter of its record.
    let first_line = bytes.split_inclusive(|byte| *byte == b'\n').next();
    let first_line = first_line.unwrap_or_default();
    let zeros = first_line.iter().filter(|byte| **byte == 0).count();
    let is_workbook =
        is_zip && contains(bytes, b"[Content_Types].xml") || bytes.starts_with(b"\xd0\xcf\x11\xe0");
    if is_workbook || is_spreadsheet && (is_zip || zeros > 0) {
        return Err(SourceError::Spreadsheet { path: path_text() });
    }
    let known = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic));
    let what = if is_zip {
        Some("a zip archive")
    } else {
        known.map(|(_, what)| *what)
    };
    if let Some(what) = what {
        return Err(SourceError::Binary {
            path: path_text(),
            what,
        });
    }
    if zeros == 0 {
        return Ok(());
    }
    // UTF-16 without a mark: every other byte of Western text is zero.
    let zeros_in = |parity: usize| {
        first_line
            .iter()
            .skip(parity)
            .step_by(2)
            .filter(|byte| **byte == 0)
            .count()
    };
    let (even, odd) = (zeros_in(0), zeros_in(1));
    if even.abs_diff(odd) * 5 > first_line.len() {
        Err(SourceError::Utf16 { path: path_text() })
    } else {
        Err(SourceError::Binary {
            path: path_text(),
            what: "binary",
        })
    }
}

/// By its name alone, for spreadsheets that are refused before a byte of them is read.
pub(super) fn refuse_name(path: &str) -> Result<(), SourceError> {
    if SPREADSHEETS.contains(&ending(path).as_str()) {
        return Err(SourceError::Spreadsheet {
            path: path.to_owned(),
        });
    }
    Ok(())
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// The delimiter that is most often outside quotes in the header's first line; a comma where none is there. What comes
/// after that line does not count: it may or may not have been read yet.
pub(super) fn delimiter(bytes: &[u8]) -> u8 {
    let bytes = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let candidates = [b',', b';', b'\t'];
    let mut counts = [0usize; 3];
    let mut quoted = false;
    let mut cell_begins = true;
    for byte in bytes {
        if quoted {
            quoted = *byte != b'"';
            continue;
        }
        if let Some(index) = candidates.iter().position(|candidate| candidate == byte) {
            counts[index] += 1;
        }
        quoted = *byte == b'"' && cell_begins;
        cell_begins = candidates.contains(byte);
    }
    let most = counts.iter().max().copied().unwrap_or_default();
    let best = counts.iter().position(|count| *count == most);
    candidates[best.unwrap_or_default()]
}

/// `sep=;`, the line with which Excel names the delimiter: the delimiter and the length of the line.
pub(super) fn separator_line(bytes: &[u8]) -> Option<(u8, usize)> {
    let end = bytes.iter().position(|byte| *byte == b'\n')? + 1;
    let line = bytes[..end].trim_ascii_end();
    match line {
        [s, e, p, b'=', delimiter] if [*s, *e, *p].eq_ignore_ascii_case(b"sep") => {
            Some((*delimiter, end))
        }
        // The tab has been trimmed away with the line's end.
        [s, e, p, b'='] if [*s, *e, *p].eq_ignore_ascii_case(b"sep") && bytes[4] == b'\t' => {
            Some((b'\t', end))
        }
        _ => None,
    }
}

/// The encoding that bytes which are not UTF-8 look like. A guess: it is only ever proposed.
pub(super) fn guess_encoding(bytes: &[u8]) -> Option<&'static str> {
    let decodes = |encoding: &'static Encoding| {
        encoding
            .decode_without_bom_handling_and_without_replacement(bytes)
            .is_some()
    };
    let high = bytes.iter().filter(|byte| **byte >= 0x80).count();
    let beside_high = bytes
        .windows(2)
        .filter(|pair| pair[0] >= 0x80 && pair[1] >= 0x80)
        .count();
    let leads = bytes
        .iter()
        .filter(|byte| matches!(byte, 0x81..=0x84))
        .count();
    let letters = bytes
        .iter()
        .filter(|byte| matches!(byte, 0xC0..=0xFF))
        .count();
    // Western text has single letters with accents, others have runs of high bytes.
    if beside_high * 3 <= high {
        Some(WINDOWS_1252.name())
    } else if leads * 4 > high && decodes(SHIFT_JIS) {
        Some(SHIFT_JIS.name())
    } else if letters * 10 > high * 9 && decodes(WINDOWS_1251) {
        Some(WINDOWS_1251.name())
    } else {
        None
    }
}

/// Which of our own output files has this header: such files list what happened, not users.
pub(super) fn own_output(columns: &[String]) -> Option<&'static str> {
    let has = |wanted: &str| {
        columns.iter().any(|name| {
            name.chars()
                .filter(|letter| !matches!(letter, '_' | '-' | ' '))
                .flat_map(char::to_lowercase)
                .eq(wanted.chars())
        })
    };
    match has("recordnumber") {
        true if has("outcome") => Some("results"),
        true if has("errormessage") => Some("errors"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delimiter_is_told_from_the_header() {
        assert_eq!(delimiter(b"email,name\na;b;c"), b',');
        assert_eq!(delimiter(b"email;\"last,first,other\"\n"), b';');
        assert_eq!(delimiter(b"email\tname"), b'\t');
        assert_eq!(delimiter(b"email\n"), b',');
        assert_eq!(delimiter(b"a,a;\"\n\";;;\n"), delimiter(b"a,a;\"\n"));
        assert_eq!(separator_line(b"sep=;\r\nemail"), Some((b';', 7)));
        assert_eq!(separator_line(b"sep=\t\nemail"), Some((b'\t', 6)));
        assert_eq!(separator_line(b"email;x\n"), None);
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let kind = |bytes: &[u8], path| refuse(bytes, path).unwrap_err().kind();
        assert_eq!(kind(b"\xff\xfee\0", "a.csv"), "utf_16");
        assert_eq!(kind(b"e\0m\0a\0i\0l\0", "a.csv"), "utf_16");
        assert_eq!(kind(b"\0e\0m\0a\0i\0l", "a.csv"), "utf_16");
        assert_eq!(
            kind(b"PK\x03\x04..[Content_Types].xml", "a.csv"),
            "spreadsheet"
        );
        assert_eq!(kind(b"PK\x03\x04", "a.xlsx"), "spreadsheet");
        assert_eq!(kind(b"PK\x03\x04", "a.csv"), "binary");
        assert_eq!(kind(b"\x7fELF\0\0\x01", "a.csv"), "binary");
        assert!(refuse(b"email\n", "a.csv").is_ok());
    }

    #[test]
    fn encodings_are_guessed() {
        assert_eq!(guess_encoding(b"J\xfcrgen M\xfcller"), Some("windows-1252"));
        assert_eq!(
            guess_encoding(b"\xc8\xe2\xe0\xed \xcf\xe5\xf2\xf0\xee\xe2"),
            Some("windows-1251")
        );
        assert_eq!(
            guess_encoding(b"\x82\xa0\x82\xa2\x82\xa4"),
            Some("Shift_JIS")
        );
    }
}
