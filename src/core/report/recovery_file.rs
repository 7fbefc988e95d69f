//! Owns the file of recovery links that a mail provider is given: one line for each user, NDJSON or (`.csv`) CSV. It holds
//! what lets people into accounts, so it is for its owner alone. It is only ever added to, and a line counts once it is on
//! disk as a whole.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::cells::guarded;
use super::private_file;
use crate::recovery::Recover;

/// The columns, in order; the same names in both forms.
pub const RECOVERY_COLUMNS: [&str; 7] = [
    "email",
    "first_name",
    "identity_id",
    "recovery_link",
    "recovery_code",
    "expires_at",
    "record_number",
];

/// The longest line that is looked at; ours are far shorter.
const LONGEST: u64 = 1 << 20;

/// Where `identity_id` is among them.
const ID: usize = 2;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Lines,
    Csv,
}

impl Form {
    fn of(path: &Path) -> Self {
        let ending = path.extension().unwrap_or_default();
        match ending.eq_ignore_ascii_case("csv") {
            true => Self::Csv,
            false => Self::Lines,
        }
    }
}

/// A file of recovery links that is being added to.
pub struct RecoveryFile {
    file: File,
    form: Form,
}

impl RecoveryFile {
    /// Opens the file to add to it, and makes it where it is not there; readable by its owner only. What a kill has left of
    /// a line is cut off: whoever it was about gets another one.
    ///
    /// # Errors
    /// When the file cannot be written, or holds something else.
    pub fn open(path: &Path) -> io::Result<Self> {
        let form = Form::of(path);
        let is_new = !mend(path, form)?;
        let mut file = private_file::append(path)?;
        if is_new && form == Form::Csv {
            file.write_all(csv_line(RECOVERY_COLUMNS)?.as_bytes())?;
        }
        Ok(Self { file, form })
    }

    /// Whether [`RecoveryFile::open`] would take the file, or could make it, as far as what is in it says. Nothing is
    /// changed.
    ///
    /// # Errors
    /// When the file cannot be read, or holds something else.
    pub fn check(path: &Path) -> io::Result<()> {
        lines_of(path, Form::of(path)).map(drop)
    }

    /// Adds one user, and waits until the line is on disk.
    ///
    /// # Errors
    /// When the disk is full or gone.
    pub fn add(&mut self, recover: &Recover) -> io::Result<()> {
        let line = match self.form {
            Form::Lines => json_line(recover)?,
            Form::Csv => csv_cells(recover)?,
        };
        // At once, so that a line is there as a whole or not at all.
        self.file.write_all(line.as_bytes())?;
        private_file::sync(&self.file)
    }

    /// Of these identity ids, which a file has, in the same order; `None` if it is not there, holds something else, or is no
    /// file that can be read twice. A torn line has none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn has(path: &Path, ids: &[&str]) -> io::Result<Option<Vec<bool>>> {
        match fs::metadata(path) {
            Ok(there) if there.is_file() => {}
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        let looked_for: HashSet<&str> = ids.iter().copied().collect();
        let mut found: HashSet<&str> = HashSet::new();
        let form = Form::of(path);
        let mut lines = BufReader::new(File::open(path)?);
        let mut line = Zeroizing::new(Vec::new());
        let mut is_first = true;
        while next_line(&mut lines, &mut line)? {
            if is_first && !is_our_beginning(&line, form) {
                return Ok(None);
            }
            is_first = false;
            let id = identity(&line, form).filter(|_| line.ends_with(b"\n"));
            found.extend(id.and_then(|id| looked_for.get(id.as_str()).copied()));
        }
        Ok(Some(ids.iter().map(|id| found.contains(id)).collect()))
    }
}

/// Reads the next line, or so much of it as can be ours; `false` at the end.
fn next_line(lines: &mut BufReader<File>, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    Ok(lines.by_ref().take(LONGEST).read_until(b'\n', line)? > 0)
}

fn json_line(recover: &Recover) -> io::Result<Zeroizing<String>> {
    #[derive(serde::Serialize)]
    struct Line<'a> {
        email: &'a str,
        first_name: Option<&'a str>,
        identity_id: &'a str,
        recovery_link: &'a str,
        recovery_code: Option<&'a str>,
        expires_at: String,
        record_number: u64,
    }
    let mut line = Zeroizing::new(serde_json::to_string(&Line {
        email: &recover.email,
        first_name: recover.first_name.as_deref(),
        identity_id: &recover.user_id,
        recovery_link: recover.link.expose(),
        recovery_code: recover.code.as_ref().map(|code| code.expose()),
        expires_at: recover.expires_at.to_string(),
        record_number: recover.record_number,
    })?);
    line.push('\n');
    Ok(line)
}

fn csv_cells(recover: &Recover) -> io::Result<Zeroizing<String>> {
    // Every record is one line, so that a torn one is known by its missing end.
    let one_line = |text: &str| text.replace(['\r', '\n'], " ");
    // The address is read by a program, and would not arrive with a quote in front.
    let first_name = recover.first_name.as_deref().unwrap_or_default();
    csv_line([
        one_line(&recover.email).as_str(),
        &guarded(&one_line(first_name)),
        &recover.user_id,
        recover.link.expose(),
        recover.code.as_ref().map_or("", |code| code.expose()),
        &recover.expires_at.to_string(),
        &recover.record_number.to_string(),
    ])
}

fn csv_line<'a>(cells: impl IntoIterator<Item = &'a str>) -> io::Result<Zeroizing<String>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells)?;
    let bytes = writer.into_inner().map_err(|error| error.into_error())?;
    String::from_utf8(bytes)
        .map(Zeroizing::new)
        .map_err(io::Error::other)
}

/// The identity of a whole line of ours.
fn identity(line: &[u8], form: Form) -> Option<String> {
    match form {
        Form::Lines => {
            let line: Map<String, Value> = serde_json::from_slice(line).ok()?;
            line.get(RECOVERY_COLUMNS[ID])?.as_str().map(str::to_owned)
        }
        Form::Csv => Some(cells_of(line)?.get(ID)?.to_owned()),
    }
}

fn cells_of(line: &[u8]) -> Option<csv::StringRecord> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(line);
    reader.records().next()?.ok()
}

/// Whether a file's first line is one of ours.
fn begins_like_ours(line: &[u8], form: Form) -> bool {
    match form {
        Form::Lines => {
            let line: Option<Map<String, Value>> = serde_json::from_slice(line).ok();
            line.is_some_and(|line| line.keys().eq(RECOVERY_COLUMNS))
        }
        Form::Csv => cells_of(line).is_some_and(|cells| cells.iter().eq(RECOVERY_COLUMNS)),
    }
}

/// Whether this is what a kill has left of our first line.
fn is_torn_beginning(text: &[u8], form: Form) -> bool {
    match form {
        Form::Lines => {
            // Somebody else's last line may lack its end of line: that one can be read.
            let begins = b"{\"email\":"
                .iter()
                .zip(text)
                .all(|(one, other)| one == other);
            let whole: Result<Value, _> = serde_json::from_slice(text);
            begins && whole.is_ok_and(|whole| whole.is_object()) == begins_like_ours(text, form)
        }
        Form::Csv => {
            csv_line(RECOVERY_COLUMNS).is_ok_and(|header| header.as_bytes().starts_with(text))
        }
    }
}

/// Whether a file may begin with this and be ours.
fn is_our_beginning(line: &[u8], form: Form) -> bool {
    match line.ends_with(b"\n") {
        true => begins_like_ours(line, form),
        false => is_torn_beginning(line, form),
    }
}

/// Cuts off what a kill has left of a line; refuses a file that holds something else. Whether there is anything in it.
fn mend(path: &Path, form: Form) -> io::Result<bool> {
    let Some(lines) = lines_of(path, form)? else {
        return Ok(false);
    };
    if lines.is_torn {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(lines.whole)?;
    }
    Ok(lines.whole > 0)
}

/// What is in a file of ours.
struct Lines {
    /// How many bytes its whole lines have.
    whole: u64,
    /// A line without an end is behind them.
    is_torn: bool,
}

/// Reads through a file; `None` where there is none that can be read twice. Refuses one that holds something else.
fn lines_of(path: &Path, form: Form) -> io::Result<Option<Lines>> {
    match fs::metadata(path) {
        Ok(there) if there.is_file() => {}
        // A pipe, or nothing yet.
        _ => return Ok(None),
    }
    let mut lines = BufReader::new(File::open(path)?);
    let mut line = Zeroizing::new(Vec::new());
    let mut found = Lines {
        whole: 0,
        is_torn: false,
    };
    while next_line(&mut lines, &mut line)? {
        let is_ours = match found.whole {
            0 => is_our_beginning(&line, form),
            // Of lines after the first only one without an end is ever touched.
            _ => (line.len() as u64) < LONGEST,
        };
        if !is_ours {
            let what = "it is there, and is no file of recovery links of this kind";
            return Err(io::Error::other(what));
        }
        if !line.ends_with(b"\n") {
            found.is_torn = true;
            break;
        }
        found.whole += line.len() as u64;
    }
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn recover(number: u64) -> Recover {
        Recover {
            step: number as i64,
            record_number: number,
            user_id: format!("id-{number}"),
            email: format!("{number}@x.com"),
            first_name: Some("=\"Ann\",\nB".into()),
            link: Secret::new(format!("https://x/?token={number}&flow=1")),
            code: None,
            expires_at: "2026-01-01T10:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_torn_line_is_cut_off_wherever_it_was_torn_and_its_user_is_not_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["links.csv", "links.jsonl"] {
            let path = folder.path().join(name);
            let mut file = RecoveryFile::open(&path).unwrap();
            file.add(&recover(1)).unwrap();
            let one = fs::read(&path).unwrap();
            file.add(&recover(2)).unwrap();
            let two = fs::read(&path).unwrap();
            let ids = ["id-1", "id-2", "id-3"];
            let has = RecoveryFile::has(&path, &ids).unwrap().unwrap();
            assert_eq!(has, [true, true, false], "{name}");
            for cut in 0..two.len() {
                fs::write(&path, &two[..cut]).unwrap();
                let has = RecoveryFile::has(&path, &ids).unwrap().unwrap();
                assert_eq!(has, [cut >= one.len(), false, false], "{name} {cut}");
                RecoveryFile::check(&path).unwrap();
                assert_eq!(fs::read(&path).unwrap(), two[..cut], "as it was");
                drop(RecoveryFile::open(&path).unwrap());
                let left = fs::read(&path).unwrap();
                if cut >= one.len() {
                    assert!(left == one, "{name} {cut}");
                } else {
                    assert!(one.starts_with(&left), "{name} {cut}");
                    assert!(left.is_empty() || left.ends_with(b"\n"), "{name} {cut}");
                    assert_eq!(left.is_empty(), name == "links.jsonl");
                }
            }
        }
    }

    #[test]
    fn what_is_something_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("a.csv", "email,first_name\nada@x.com,Ada\n"),
            ("b.csv", "email,first_name,last_name"),
            ("c.jsonl", "{\"email\":\"ada@x.com\"}\n"),
            ("d.jsonl", "{\"email\":\"ada@x.com\"}"),
            ("e.jsonl", "a note"),
        ] {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            assert!(RecoveryFile::check(&path).is_err(), "{name}");
            assert!(RecoveryFile::open(&path).is_err(), "{name}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        for name in ["a.csv", "b.csv", "c.jsonl", "d.jsonl", "gone.csv"] {
            let has = RecoveryFile::has(&folder.path().join(name), &["id-1"]);
            assert!(has.unwrap().is_none(), "{name}");
        }
    }

    #[test]
    fn both_forms_say_the_same_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let csv = folder.path().join("links.csv");
        RecoveryFile::open(&csv).unwrap().add(&recover(7)).unwrap();
        let mut reader = csv::Reader::from_path(&csv).unwrap();
        assert!(reader.headers().unwrap().iter().eq(RECOVERY_COLUMNS));
        let row = reader.records().next().unwrap().unwrap();
        // In one line, and no formula for a spreadsheet.
        let expected = [
            "7@x.com",
            "'=\"Ann\", B",
            "id-7",
            "https://x/?token=7&flow=1",
            "",
            "2026-01-01T10:00:00Z",
            "7",
        ];
        assert_eq!(row.iter().collect::<Vec<_>>(), expected);
        let lines = folder.path().join("links.jsonl");
        RecoveryFile::open(&lines)
            .unwrap()
            .add(&recover(7))
            .unwrap();
        let text = fs::read_to_string(&lines).unwrap();
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["first_name"], "=\"Ann\",\nB");
        assert_eq!(line["recovery_code"], Value::Null);
        assert_eq!(line["record_number"], 7);
        #[cfg(unix)]
        for path in [csv, lines] {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
