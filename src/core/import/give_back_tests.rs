//! Owns the tests of rows that are given back: that nothing of them is changed, that they mean what they meant, and
//! that what is broken stays broken by itself.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;

use super::give_back::{GiveBackError, Marked, validate_marked};
use crate::report::{GivenBack, MarkedFile, MarkedFileError, Rows};
use crate::row::{Issue, Severity};
use crate::source::{self, BrokenKind, CELL_LIMIT, Format, Pieces};
use crate::validate::{ValidateOptions, validate};

/// A folder with the file `users.csv` (or another name) in it.
struct Place {
    folder: TempDir,
    name: &'static str,
    format: Format,
    options: ValidateOptions,
}

impl Place {
    fn new(bytes: impl AsRef<[u8]>) -> Self {
        Self::named("users.csv", None, bytes)
    }

    fn named(name: &'static str, encoding: Option<&str>, bytes: impl AsRef<[u8]>) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join(name), bytes).unwrap();
        let format = Format {
            encoding: encoding.map(str::to_owned),
            ..Format::default()
        };
        let options = ValidateOptions::default();
        Self {
            folder,
            name,
            format,
            options,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn source(&self) -> String {
        self.path(self.name).display().to_string()
    }

    fn try_marked(&self, out: &Path) -> Result<GivenBack, GiveBackError> {
        let path = self.source();
        let mut source = source::open(&path, &self.format).unwrap();
        let marked = Marked {
            path: &path,
            format: &self.format,
            out,
        };
        let done = validate_marked(&self.options, &marked, source.as_mut(), |_| {}, || Ok(()));
        done.map(|(_, given)| given)
    }

    /// The file with what is wrong with it, as another place.
    fn marked(&self) -> (Self, GivenBack, Vec<u8>) {
        let out = self.path(&format!("marked-{}", self.name));
        let given = self.try_marked(&out).unwrap();
        let bytes = fs::read(&out).unwrap();
        let mut marked = Self::named(self.name, self.format.encoding.as_deref(), &bytes);
        marked.options = self.options.clone();
        (marked, given, bytes)
    }

    /// The records of which `said` says something, each with that.
    fn given_back(&self, rows: Rows, said: impl Fn(u64) -> Option<&'static str>) -> Vec<u8> {
        let (path, out) = (self.source(), self.path(&format!("back-{}", self.name)));
        let pieces = Pieces::open(&path, &self.format).unwrap();
        let mut file = MarkedFile::create(&out, &path, pieces, &[], rows).unwrap();
        file.write(|number| Ok(said(number).map(str::to_owned)), || Ok(()))
            .unwrap();
        file.finish().unwrap();
        fs::read(&out).unwrap()
    }

    /// A file of which most is not UTF-8 is refused whole.
    fn is_refused(&self) -> bool {
        source::open(&self.source(), &self.format).is_err()
    }

    /// Everything that is wrong.
    fn issues(&self) -> Vec<Issue> {
        let mut source = source::open(&self.source(), &self.format).unwrap();
        let mut issues = Vec::new();
        validate(source.as_mut(), &self.options, |issue| issues.push(issue)).unwrap();
        issues
    }

    /// The lines on which records begin.
    fn lines(&self) -> Vec<u64> {
        let mut source = source::open(&self.source(), &self.format).unwrap();
        let records = source.next_batch(10_000).unwrap();
        records.iter().filter_map(|record| record.line).collect()
    }

    fn kinds(&self) -> Vec<Option<BrokenKind>> {
        let mut source = source::open(&self.source(), &self.format).unwrap();
        let records = source.next_batch(10_000).unwrap();
        let kind = |record: source::Record| record.content.err().map(|broken| broken.kind);
        records.into_iter().map(kind).collect()
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_file_comes_back_as_it_is_with_what_is_wrong() {
    let file = "\u{feff}\"E-Mail\";first_name;password\r\n\r\nnobody;\"Ada \"\"x\"\"\";a\r\n;;\r\n\"a@b.c\";\"Two\nlines\";b;\r\nd@e.f;x";
    let mut place = Place::new(file);
    place.options.mapping = vec![("E-Mail".into(), "email".into())];
    let (again, given, bytes) = place.marked();
    let invalid = "Error: E-Mail: `nobody` is no email address: one @, something on both sides, no spaces, no < > , ;";
    let missing = "Error: 2 cells where the header has 3. Write empty cells too, or put a cell that has a line break in \
                   it into quotes";
    let expected = format!(
        "\u{feff}problem;\"E-Mail\";first_name;password\r\n\r\n\"{invalid}\";nobody;\"Ada \"\"x\"\"\";a\r\n;;\r\n\
         ;\"a@b.c\";\"Two\nlines\";b;\r\n\"{missing}\";d@e.f;x"
    );
    assert_eq!(text(&bytes), expected);
    assert_eq!(
        (given.rows, given.secret_columns),
        (3, vec!["password".into()])
    );
    assert_eq!(again.issues(), place.issues());
    // The earlier column is replaced.
    assert_eq!(again.marked().2, bytes);
}

#[test]
fn warnings_are_said_too_and_rows_are_compared() {
    let place = Place::new("email,external_id,phone\na@b.c,1.2E+15,\nA@b.c,7,\nnobody,1E+9,\n");
    let (_, given, bytes) = place.marked();
    let lines: Vec<&str> = text(&bytes).lines().collect();
    assert!(
        lines[1].starts_with("\"Warning: external_id: `1.2E+15` looks like"),
        "{lines:?}"
    );
    assert!(
        lines[2].starts_with("\"Warning: the row is about the same user as record 1"),
        "{lines:?}"
    );
    assert!(
        lines[3].starts_with("\"Error: email: ") && lines[3].contains("; Warning: external_id: ")
    );
    assert!(given.secret_columns.is_empty());
}

#[test]
fn other_encodings_come_back_in_themselves() {
    let place = Place::named(
        "users.csv",
        Some("windows-1252"),
        b"email;first_name;metadata\nJ\xfcrgen;M\xfcller;{\xe4}\nx@y.z;\x81;\n",
    );
    let (again, _, bytes) = place.marked();
    let (shown, _, _) = encoding_rs::WINDOWS_1252.decode(&bytes);
    assert!(
        shown.contains("\"Error: email: `Jürgen` is no email"),
        "{shown}"
    );
    assert!(shown.contains(";Jürgen;Müller;{ä}\n"), "{shown}");
    assert_eq!(again.issues(), place.issues());
    // What the encoding lacks becomes plain.
    let said = place.given_back(Rows::Some, |number| {
        (number == 1).then_some("Error: … → あ“")
    });
    let begins = b"problem;email;first_name;metadata\n\"Error: \x85 -> ?\x93\";J\xfcrgen;";
    assert!(said.starts_with(begins), "{said:?}");

    let wide = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let place = Place::named(
        "users.csv",
        Some("utf-16le"),
        wide("\u{feff}email,name\r\nnobody,\u{a0a}\u{10a}\r\na@b.c,\"x\n\"\r\n"),
    );
    let (again, _, bytes) = place.marked();
    assert!(bytes.starts_with(&wide(
        "\u{feff}problem,email,name\r\n\"Error: email: `nobody`"
    )));
    assert!(bytes.ends_with(&wide(",nobody,\u{a0a}\u{10a}\r\n,a@b.c,\"x\n\"\r\n")));
    assert_eq!(again.issues(), place.issues());
    assert_eq!(again.marked().2, bytes);

    for (label, name) in [
        ("shift_jis", &b"\x83\x5c\x82\xa0"[..]),
        ("iso-2022-jp", b"\x1b$B$\"\x1b(B"),
    ] {
        let file = [b"email,name\nnobody,", name, b"\na@b.c,", name, b"\n"].concat();
        let place = Place::named("users.csv", Some(label), &file);
        let (again, _, bytes) = place.marked();
        assert!(
            bytes.ends_with(&[b"\n,a@b.c,", name, b"\n"].concat()),
            "{label}"
        );
        assert_eq!(again.issues(), place.issues(), "{label}");
        assert_eq!(again.marked().2, bytes, "{label}");
    }
}

#[test]
fn objects_get_their_problem_first() {
    let file = "\u{feff}\n  {\"email\":\"nobody\",\"password\":\"x\"}\r\n{}\n{\"email\":\"a@b.c\"}\n[1]\n{\"email\":\n\
                { \"email\": \"b@b.c\", \"email\": 1}\n{\"email\":\"c@b.c\",\"problem\":\"Error: old\"}\n";
    let place = Place::named("users.ndjson", None, file);
    let (again, given, bytes) = place.marked();
    let lines: Vec<&str> = text(&bytes).lines().collect();
    assert!(
        lines[1].starts_with("  {\"problem\":\"Error: email: `nobody` is no email"),
        "{lines:?}"
    );
    assert!(
        lines[1].ends_with("\",\"email\":\"nobody\",\"password\":\"x\"}"),
        "{lines:?}"
    );
    let expected = ["{}", "{\"problem\":\"\",\"email\":\"a@b.c\"}", "[1]"];
    assert_eq!(lines[2..5], expected);
    assert!(lines[5].starts_with("{\"problem\":\"Error: ") && lines[5].ends_with("\",\"email\":"));
    assert!(lines[6].ends_with("\", \"email\": \"b@b.c\", \"email\": 1}"));
    assert_eq!(lines[7], "{\"problem\":\"\",\"email\":\"c@b.c\"}");
    assert_eq!(
        (given.rows, given.secret_columns),
        (6, vec!["password".into()])
    );
    assert_eq!(again.issues(), place.issues());
    assert_eq!(again.marked().2, bytes);
    let escaped = Place::named("users.jsonl", Some("iso-8859-2"), "{\"email\":\"a@b.c\"}\n");
    let said = escaped.given_back(Rows::Some, |_| Some("Error: “あ”"));
    assert_eq!(
        text(&said),
        "{\"problem\":\"Error: \\u201c\\u3042\\u201d\",\"email\":\"a@b.c\"}\n"
    );
}

/// A quote that is opened, and what may come after it.
const OPEN: &str = "email,name\na@b.c,\"Ada\nnobody,\"x\"\nd@e.f,\"\ntwo\",\n,\"\"\nfoo\"bar,\"\"\"\nlast,\"open\n";

#[test]
fn a_broken_record_takes_no_other_along() {
    let unclosed = "email,name\nx,y\na@b.c,\"Ada\nnobody,x\nd@e.f,z \"\"quoted\"\"\n";
    let too_long = format!(
        "email,name\na@b.c,\"{}\nnobody,\"x\"\nd@e.f,y\n",
        "z".repeat(CELL_LIMIT)
    );
    for file in [OPEN, unclosed, &too_long] {
        let place = Place::new(file);
        let (again, _, _) = place.marked();
        assert_eq!(again.issues(), place.issues());
        assert_eq!(again.kinds(), place.kinds());
        assert_eq!(again.lines(), place.lines());
        // Whichever rows are given back, each is by itself what it was.
        let kinds = place.kinds();
        for chosen in 1u64..1 << kinds.len() {
            let is_chosen = |number: u64| chosen & (1 << (number - 1)) != 0;
            let some = place.given_back(Rows::Some, |number| {
                is_chosen(number).then_some("Error: \"no\", so")
            });
            let expected = kinds
                .iter()
                .zip(1..)
                .filter(|(_, number)| is_chosen(*number));
            let found = Place::new(&some).kinds();
            let is_broken: Vec<bool> = found.iter().map(Option::is_some).collect();
            let was_broken: Vec<bool> = expected.map(|(kind, _)| kind.is_some()).collect();
            assert_eq!(is_broken, was_broken, "{chosen:b} of {file:?}");
        }
    }
}

#[test]
fn a_cell_in_the_place_of_a_mark_is_no_row_that_vanishes() {
    let place = Place::new("Problem,email\na@b.c\nold,\n\nold,b@b.c\n");
    let kinds = place.kinds();
    let alone = BrokenKind::MissingCells {
        found: 0,
        expected: 1,
    };
    assert_eq!(kinds, [Some(alone), None]);
    let (_, _, bytes) = place.marked();
    assert!(
        bytes.ends_with(b"\",a@b.c\nold,\n\n,b@b.c\n"),
        "{}",
        text(&bytes)
    );
}

#[test]
fn what_is_there_is_never_harmed() {
    let place = Place::new("email\nnobody\n");
    let refused = |name: &str| place.try_marked(&place.path(name)).unwrap_err().to_string();
    assert!(refused("users.csv").ends_with("it is the file that is read. Name another one"));
    assert!(refused("marked.ndjson").contains("Name it .csv"));
    assert!(refused("nowhere/marked.csv").contains("cannot be written"));
    fs::create_dir(place.path("folder.csv")).unwrap();
    assert!(refused("folder.csv").contains("no regular file"));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(place.path("users.csv"), place.path("link.csv")).unwrap();
        assert!(refused("link.csv").contains("the file that is read"));
    }
    assert_eq!(
        fs::read(place.path("users.csv")).unwrap(),
        b"email\nnobody\n"
    );
    let lines = Place::named("users.ndjson", None, "{\"email\":\"a@b.c\"}\n");
    let error = lines.try_marked(&lines.path("marked.csv")).unwrap_err();
    assert!(error.to_string().contains("Name it .ndjson"));
}

#[test]
fn a_file_that_is_given_up_is_gone_and_the_older_one_stays() {
    let place = Place::new("email\nnobody\n");
    let out = place.path("marked.csv");
    fs::write(&out, "older").unwrap();
    let pieces = Pieces::open(&place.source(), &place.format).unwrap();
    let mut file = MarkedFile::create(&out, &place.source(), pieces, &[], Rows::All).unwrap();
    let partial = place.path("marked.csv.partial");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            partial.metadata().unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    let failed = file.write(|_| Err(std::io::Error::other("gone")), || Ok(()));
    assert!(matches!(failed, Err(MarkedFileError::Problems(_))));
    assert!(partial.exists());
    drop(file);
    assert!(!partial.exists());
    assert_eq!(fs::read(&out).unwrap(), b"older");
}

/// Records of every sort, whole and broken, out of pieces that matter to the grammar.
fn messy() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"a@b.c"[..],
        b"A@B.C",
        b"nobody",
        b"",
        b" ",
        b",",
        b",",
        b",",
        b"\"",
        b"\"",
        b"\"\"",
        b"\n",
        b"\n",
        b"\r\n",
        b"x",
        b"\xff",
        b"\0",
        b"\xc3\xbc",
        b"=1+1",
        b"1.2E+15",
        b"{\"a\":1}",
    ]);
    (
        prop::sample::select(vec![&b""[..], b"\xef\xbb\xbf", b"sep=,\r\n", b"\n"]),
        prop::sample::select(vec![
            &b"email,external_id"[..],
            b"\"email\"",
            b"email,metadata,\"na\nme\"",
        ]),
        prop::collection::vec(piece, 0..60),
    )
        .prop_map(|(head, header, pieces)| [head, header, b"\n", &pieces.concat()].concat())
}

/// The same of lines of objects.
fn messy_lines() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"{"[..],
        b"}",
        b"{\"email\":",
        b"\"a@b.c\"",
        b"\"x\"",
        b":",
        b",",
        b"}\n",
        b"\n",
        b"\r\n",
        b" ",
        b"[",
        b"]",
        b"\"",
        b"\\",
        b"\xff",
        b"1",
        b"{}\n",
        b"{\"email\":\"nobody\"}\n",
        b"{\"email\":\"a@b.c\",\"problem\":{\"a\":[1]}}\n",
        b"{\"email\":\"a@b.c\",\"email\":1}\n",
    ]);
    prop::collection::vec(piece, 0..40)
        .prop_map(|pieces| [&b"{\"email\":\"first@b.c\"}\n"[..], &pieces.concat()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn marked_lines_mean_what_the_lines_mean(file in messy_lines()) {
        let place = Place::named("users.ndjson", None, &file);
        if place.is_refused() {
            return Ok(());
        }
        let (again, _, bytes) = place.marked();
        prop_assert_eq!(again.issues(), place.issues());
        prop_assert_eq!(again.lines(), place.lines());
        prop_assert_eq!(again.marked().2, bytes);
    }

    #[test]
    fn a_marked_file_means_what_the_file_means(file in messy()) {
        let place = Place::new(&file);
        if place.is_refused() {
            return Ok(());
        }
        let (again, _, bytes) = place.marked();
        prop_assert_eq!(again.issues(), place.issues());
        prop_assert_eq!(again.lines(), place.lines());
        prop_assert_eq!(again.marked().2, bytes);
    }

    #[test]
    fn not_a_byte_is_changed(file in messy()) {
        let place = Place::new(&file);
        if place.is_refused() {
            return Ok(());
        }
        let begins = place.lines();
        let header = 1 + u64::from(file.starts_with(b"sep=") || file.starts_with(b"\n"));
        let mut expected = Vec::new();
        for (line, number) in file.split_inclusive(|byte| *byte == b'\n').zip(1u64..) {
            let mark: &[u8] = match number {
                number if number == header => b"problem,",
                number if begins.contains(&number) => b",",
                _ => b"",
            };
            let at = if line.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
            expected.extend_from_slice(&[&line[..at], mark, &line[at..]].concat());
        }
        prop_assert_eq!(place.given_back(Rows::All, |_| Some("")), expected);
    }

    #[test]
    fn rows_that_fail_fail_by_themselves(file in messy()) {
        let place = Place::new(&file);
        if place.is_refused() {
            return Ok(());
        }
        let errors = |place: &Place| {
            let mut failed: Vec<(u64, &'static str)> = Vec::new();
            for issue in place.issues() {
                if let (Severity::Error, Some(number)) = (issue.severity, issue.record_number)
                    && failed.last().is_none_or(|(last, _)| *last != number)
                {
                    failed.push((number, issue.code.as_str()));
                }
            }
            failed
        };
        let failed = errors(&place);
        let is_failed = |number| failed.iter().any(|(failed, _)| *failed == number);
        let some = place.given_back(Rows::Some, |number| is_failed(number).then_some("Error: it failed"));
        let again = Place::new(&some);
        // Of few rows, more may be undecodable than a file may have.
        if again.is_refused() {
            return Ok(());
        }
        let codes = |failed: Vec<(u64, &'static str)>| failed.into_iter().map(|(_, code)| code).collect::<Vec<_>>();
        prop_assert_eq!(codes(errors(&again)), codes(failed.clone()));
        prop_assert_eq!(again.lines().len(), failed.len());
    }
}
