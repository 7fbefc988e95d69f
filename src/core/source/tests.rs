//! Owns the tests of reading files: the rules of behaviour.md, one by one, and the grammar against the `csv` crate.

use std::io::Read;

use proptest::prelude::*;

use super::file::FileSource;
use super::open::Origin;
use super::*;

/// Gives one byte count after the other, so that every border between reads is met.
struct Dripping(std::io::Cursor<Vec<u8>>, usize);

impl Read for Dripping {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.1.min(buffer.len());
        self.0.read(&mut buffer[..count])
    }
}

fn source(
    name: &str,
    bytes: &[u8],
    format: &Format,
    step: usize,
) -> Result<FileSource, SourceError> {
    let reader = Dripping(std::io::Cursor::new(bytes.to_vec()), step);
    FileSource::open(Origin::Once(Some(Box::new(reader))), name, format, step)
}

fn all(source: &mut FileSource) -> Vec<Record> {
    let mut records = Vec::new();
    loop {
        let batch = source.next_batch(7).unwrap();
        if batch.is_empty() {
            return records;
        }
        records.extend(batch);
    }
}

fn read(bytes: &[u8]) -> Vec<Record> {
    let records = all(&mut source("a.csv", bytes, &Format::default(), 1 << 16).unwrap());
    for step in [1, 2, 3, 7] {
        let dripped = all(&mut source("a.csv", bytes, &Format::default(), step).unwrap());
        assert_eq!(dripped, records, "in steps of {step}");
    }
    records
}

fn refused(name: &str, bytes: &[u8]) -> SourceError {
    match source(name, bytes, &Format::default(), 1 << 16) {
        Ok(_) => panic!("{name} was taken"),
        Err(error) => error,
    }
}

/// What a record says: its cells, or the debug form of what broke it.
fn shown(record: &Record) -> Vec<String> {
    match &record.content {
        Ok(cells) => cells
            .iter()
            .map(|cell| match cell {
                CellView::Text(text) => text.to_owned(),
                other => other.to_json().to_string(),
            })
            .collect(),
        Err(broken) => vec![format!("{:?}", broken.kind)],
    }
}

fn rows(bytes: &[u8]) -> Vec<(u64, u64, Vec<String>)> {
    let records = read(bytes);
    let row = |record: &Record| (record.number, record.line.unwrap(), shown(record));
    records.iter().map(row).collect()
}

fn row(number: u64, line: u64, cells: &[&str]) -> (u64, u64, Vec<String>) {
    (
        number,
        line,
        cells.iter().map(|cell| (*cell).to_owned()).collect(),
    )
}

#[test]
fn the_seeds_samples_import_as_printed() {
    let sample = b"email,first_name,last_name,email_verified,metadata\n\
        ada@example.com,Ada,Lovelace,true,{\"role\":\"admin\"}\n";
    let cells = [
        "ada@example.com",
        "Ada",
        "Lovelace",
        "true",
        "{\"role\":\"admin\"}",
    ];
    assert_eq!(rows(sample), [row(1, 2, &cells)]);
    let surplus = b"email,org_id,org_external_id,org_name\nalice@acme.com,org_01ABC,,,\n";
    assert_eq!(
        rows(surplus),
        [row(1, 2, &["alice@acme.com", "org_01ABC", "", ""])]
    );
}

#[test]
fn quotes_line_ends_and_lines() {
    let text = b"\xef\xbb\xbfemail,\"last\nname\"\r\n\r\na@b.c,\"Doe, \"\"J\"\"\r\nunior\" \r\n , \r\nd@e.f,O\"N\n\ng@h.i,\"x\"";
    assert_eq!(
        rows(text),
        [
            row(1, 4, &["a@b.c", "Doe, \"J\"\r\nunior"]),
            row(2, 7, &["d@e.f", "O\"N"]),
            row(3, 9, &["g@h.i", "x"]),
        ]
    );
    let source = source("a.csv", text, &Format::default(), 1).unwrap();
    assert_eq!(source.columns(), ["email", "last\nname"]);
}

#[test]
fn broken_records_fail_by_themselves() {
    let text = b"email,name\na@b.c\nb@b.c,x,y\nc@b.c,\"x\"y\nd@b.c,\xff\ne@b.c,\0\nf@b.c,ok\n";
    let broken: Vec<_> = rows(text)
        .into_iter()
        .map(|(_, line, cells)| (line, cells))
        .collect();
    let is = |line, text: &str| (line, vec![text.to_owned()]);
    assert_eq!(
        broken,
        [
            is(2, "MissingCells { found: 1, expected: 2 }"),
            is(3, "SurplusCells { found: 3, expected: 2 }"),
            is(4, "TextAfterQuote"),
            is(5, "InvalidByte"),
            is(6, "InvalidByte"),
            (7, vec!["f@b.c".to_owned(), "ok".to_owned()]),
        ]
    );
    let unquoted = read(b"email,metadata\na@b.c,{\"a\":\"b\",\"c\":\"secret\"}\n");
    let message = unquoted[0].content.as_ref().unwrap_err().to_string();
    assert!(message.contains("needs quotes") && !message.contains("secret"));
}

#[test]
fn an_unclosed_quote_breaks_its_line_only() {
    let text = b"email,name\na@b.c,\"open\nb@b.c,plain\nc@b.c,\"quoted\"\n";
    let expected = [
        row(1, 2, &["TextAfterQuote"]),
        row(2, 3, &["b@b.c", "plain"]),
        row(3, 4, &["c@b.c", "quoted"]),
    ];
    assert_eq!(rows(text), expected);
    let to_the_end = b"email,name\na@b.c,\"open\nb@b.c,plain\n";
    let expected = [
        row(1, 2, &["UnclosedQuote"]),
        row(2, 3, &["b@b.c", "plain"]),
    ];
    assert_eq!(rows(to_the_end), expected);
}

#[test]
fn a_huge_unclosed_quote_costs_one_record_and_little_memory() {
    let mut text = b"email,name\na@b.c,\"open\n".to_vec();
    for index in 0..200_000 {
        text.extend_from_slice(format!("u{index}@example.com,plain name\n").as_bytes());
    }
    let mut source = source("a.csv", &text, &Format::default(), 1 << 16).unwrap();
    let records = all(&mut source);
    assert_eq!(records.len(), 200_001);
    assert_eq!(shown(&records[0]), ["CellTooLong"]);
    assert_eq!(records[200_000].line, Some(200_002));
    assert!(records[1..].iter().all(|record| record.content.is_ok()));
}

#[test]
fn what_is_too_long_is_skipped_without_being_held() {
    let mut text = b"email,name\na@b.c,".to_vec();
    text.extend(std::iter::repeat_n(b'x', 3 * CELL_LIMIT));
    text.extend_from_slice(b"\nb@b.c,ok\nc@b.c,\"");
    text.extend(std::iter::repeat_n(b'x', 3 * CELL_LIMIT));
    text.extend_from_slice(b"\"\nd@b.c,ok\n");
    let mut source = source("a.csv", &text, &Format::default(), 1 << 16).unwrap();
    let records = all(&mut source);
    let told: Vec<_> = records
        .iter()
        .map(|record| shown(record).remove(0))
        .collect();
    assert_eq!(told, ["CellTooLong", "b@b.c", "CellTooLong", "d@b.c"]);
    assert_eq!(records[3].line, Some(5));
}

#[test]
fn delimiters_and_encodings() {
    let semicolon = rows(b"email;name\na@b.c;x,y\n");
    assert_eq!(semicolon, [row(1, 2, &["a@b.c", "x,y"])]);
    assert_eq!(
        rows(b"sep=;\nemail;name\na@b.c;x\n"),
        [row(1, 3, &["a@b.c", "x"])]
    );
    assert_eq!(
        rows(b"email\tname\na@b.c\tx\n"),
        [row(1, 2, &["a@b.c", "x"])]
    );
    let western = Format {
        delimiter: Some(b'|'),
        encoding: Some("windows-1252".into()),
    };
    let mut source = source("a.csv", b"email|name\na@b.c|J\xfcrgen\n", &western, 1).unwrap();
    assert_eq!(shown(&all(&mut source)[0]), ["a@b.c", "Jürgen"]);
    let dialect = Dialect::Delimited {
        delimiter: b'|',
        encoding: "windows-1252",
    };
    assert_eq!(source.dialect(), dialect);
}

#[test]
fn files_that_are_no_users_are_refused_whole() {
    let kind = |name: &str, bytes: &[u8]| refused(name, bytes).kind();
    assert_eq!(kind("a.csv", b""), "empty");
    assert_eq!(kind("a.csv", b"\xef\xbb\xbf\r\n\n"), "empty");
    assert_eq!(kind("a.csv", b"\xff\xfee\0m\0"), "utf_16");
    assert_eq!(kind("a.csv", b"e\0m\0a\0i\0l\0\n\0"), "utf_16");
    assert_eq!(kind("a.csv", b"\x7fELF\x02\x01\0\0\0\0"), "binary");
    assert_eq!(kind("a.csv", b"email,name,email\n"), "duplicate_column");
    assert_eq!(kind("a.csv", b"email,name\ra@b.c,x\r"), "carriage_returns");
    assert_eq!(kind("a.json", b"[{\"email\":\"a@b.c\"}]"), "json");
    assert_eq!(kind("a.csv", b"email,\"name\n"), "header");
    let western = refused(
        "a.csv",
        b"email,name\na@b.c,J\xfcrgen\nb@b.c,M\xfcller\nc@b.c,x\n",
    );
    assert!(
        western.to_string().contains("--encoding windows-1252"),
        "{western}"
    );
    let errors = refused(
        "out/errors.csv",
        b"recordNumber,email,userId,errorMessage,httpStatus,workosCode,workosRequestId,timestamp,rawRow\n",
    );
    assert_eq!(
        errors.to_string(),
        "errors.csv lists errors, not users. Fix the rows in your own file and import it again: rows that are in are \
         left alone."
    );
}

#[test]
fn some_undecodable_records_are_a_warning() {
    let text = b"email,name\na@b.c,J\xfcrgen\nb@b.c,x\nc@b.c,y\n";
    let mut source = source("a.csv", text, &Format::default(), 1 << 16).unwrap();
    assert!(source.warnings()[0].contains("1 of the first 3"));
    assert_eq!(all(&mut source).len(), 3);
}

#[test]
fn ndjson_keeps_types_and_grows_columns() {
    let text = b"{\"email\":\"a@b.c\",\"n\":1,\"f\":1.5,\"b\":true,\"l\":[\"x\"],\"m\":{\"k\":null}}\n\n{}\n\
        [1]\n{\"email\":\n{\"late\":\"x\",\"email\":\"b@b.c\"}\r\n{\"email\":\"\xff\"}\n{\"email\":1,\"email\":2}";
    for step in [1, 5, 1 << 16] {
        let mut source = source("a.jsonl", text, &Format::default(), step).unwrap();
        let records = all(&mut source);
        assert_eq!(source.columns(), ["email", "n", "f", "b", "l", "m", "late"]);
        let shown: Vec<_> = records.iter().map(shown).collect();
        assert_eq!(
            shown[0],
            ["a@b.c", "1", "1.5", "true", "[\"x\"]", "{\"k\":null}"]
        );
        assert_eq!(shown[1], ["NotAnObject"]);
        assert!(shown[2][0].starts_with("InvalidJson"));
        assert_eq!(
            shown[3],
            ["b@b.c", "null", "null", "null", "null", "null", "x"]
        );
        assert_eq!(shown[4], ["InvalidByte"]);
        assert_eq!(shown[5], ["DuplicateKey"]);
        let lines: Vec<_> = records.iter().map(|record| record.line.unwrap()).collect();
        assert_eq!(lines, [1, 4, 5, 6, 7, 8]);
    }
    let mut piped = source("standard input", text, &Format::default(), 64).unwrap();
    assert_eq!(all(&mut piped).len(), 6);
}

#[test]
fn files_are_opened_by_path_and_read_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.csv");
    let text = "email\na@b.c\n".to_owned() + &"b@b.c\n".repeat(3_000);
    std::fs::write(&path, text).unwrap();
    let mut source = open(path.to_str().unwrap(), &Format::default()).unwrap();
    for _ in 0..2 {
        let mut numbers = Vec::new();
        loop {
            let batch = source.next_batch(900).unwrap();
            if batch.is_empty() {
                break;
            }
            numbers.extend(batch.iter().map(|record| record.number));
        }
        assert!(numbers.into_iter().eq(1..=3_001));
        assert!(source.rewind().unwrap());
    }
    let kind = |path: &str| open(path, &Format::default()).err().unwrap().kind();
    assert_eq!(kind(folder.path().to_str().unwrap()), "directory");
    assert_eq!(kind("nowhere.xlsx"), "not_found");
    let missing = open("~/no/such/users.csv", &Format::default())
        .err()
        .unwrap();
    assert_eq!(
        missing.to_string(),
        "Cannot find CSV file: ~/no/such/users.csv"
    );
    let format = Format {
        delimiter: Some(b'a'),
        encoding: None,
    };
    assert_eq!(
        open(path.to_str().unwrap(), &format).err().unwrap().kind(),
        "delimiter"
    );
}

#[test]
fn what_is_read_once_cannot_be_rewound() {
    let mut once = open_reader(
        "standard input",
        Box::new(&b"email\na@b.c\n"[..]),
        &Format::default(),
    )
    .unwrap();
    assert!(!once.rewind().unwrap());
    assert_eq!(once.next_batch(5).unwrap().len(), 1);
}

proptest! {
    /// On clean input the grammar is the `csv` crate's.
    #[test]
    fn clean_files_are_read_as_the_csv_crate_reads_them(
        cells in prop::collection::vec(prop::collection::vec("[a-zé\"',;\n\r ]{0,6}", 3), 1..12),
        step in 1usize..9,
        crlf in any::<bool>(),
    ) {
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new().terminator(terminator).from_writer(Vec::new());
        writer.write_record(["email", "b", "c"]).unwrap();
        for record in &cells {
            writer.write_record(record).unwrap();
        }
        let bytes = writer.into_inner().unwrap();
        let expected: Vec<Vec<String>> = cells
            .into_iter()
            .filter(|record| record.iter().any(|cell| !cell.trim().is_empty()))
            .collect();
        let records = all(&mut source("a.csv", &bytes, &Format::default(), step).unwrap());
        let found: Vec<Vec<String>> = records.iter().map(shown).collect();
        prop_assert_eq!(found, expected);
    }

    /// Any text is read to its end, in the same way however it arrives, with lines that grow.
    #[test]
    fn no_text_stops_the_reader(text in "(email,b\n)?[a\",;\n\r{é]{0,60}", step in 1usize..5) {
        let open = |step| source("a.csv", text.as_bytes(), &Format::default(), step);
        if let (Ok(mut dripped), Ok(mut whole)) = (open(step), open(1 << 16)) {
            let records = all(&mut whole);
            prop_assert_eq!(&all(&mut dripped), &records);
            let lines: Vec<_> = records.iter().map(|record| record.line).collect();
            prop_assert!(lines.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
