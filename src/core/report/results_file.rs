//! Owns the results file: every row's outcome, in the order of the source, out of the journal.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::cells::guarded;
use super::private_file;
use crate::journal::{Journal, RESULT_COLUMNS, ResultLine};

/// How many rows are read from the journal at once.
const PAGE: usize = 2_000;

/// Writes all results beside `path` and renames: CSV, `.json` (an array), or `.jsonl`/`.ndjson` (a line a row).
///
/// # Errors
/// When the journal cannot be read or the file cannot be written; what was at the path before is then still there.
pub async fn write_results(journal: &Journal, path: &Path) -> io::Result<()> {
    let beside = private_file::beside(path);
    let ending = path
        .extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let mut writer = io::BufWriter::new(private_file::create(&beside)?);
    let mut rows = 0_u64;
    let mut after = 0;
    match ending.as_str() {
        "json" => writer.write_all(b"[")?,
        "jsonl" | "ndjson" => {}
        _ => write_cells(&mut writer, RESULT_COLUMNS.map(str::to_owned).to_vec())?,
    }
    loop {
        let page = journal
            .ask(move |store| store.results(after, PAGE))
            .await
            .map_err(io::Error::other)?;
        let Some(last) = page.last() else { break };
        after = last.record_number;
        for line in page {
            match ending.as_str() {
                "json" => {
                    writer.write_all(if rows == 0 { b"\n  " } else { b",\n  " })?;
                    write!(writer, "{}", object(&line))?;
                }
                "jsonl" | "ndjson" => writeln!(writer, "{}", object(&line))?,
                _ => {
                    let mut cells = vec![line.record_number.to_string()];
                    cells.extend(line.texts.into_iter().map(Option::unwrap_or_default));
                    write_cells(&mut writer, cells)?;
                }
            }
            rows += 1;
        }
    }
    if ending == "json" {
        writer.write_all(if rows == 0 { b"]\n" } else { b"\n]\n" })?;
    }
    let file = writer.into_inner().map_err(|error| error.into_error())?;
    private_file::take_place(&file, &beside, path)
}

fn write_cells(writer: &mut impl Write, cells: Vec<String>) -> io::Result<()> {
    let mut line = csv::Writer::from_writer(writer);
    line.write_record(cells.iter().map(|cell| guarded(cell).into_owned()))?;
    line.flush()
}

fn object(line: &ResultLine) -> Value {
    let mut object = Map::new();
    object.insert(RESULT_COLUMNS[0].into(), json!(line.record_number));
    for (column, text) in RESULT_COLUMNS.iter().skip(1).zip(&line.texts) {
        object.insert((*column).into(), json!(text));
    }
    Value::Object(object)
}
