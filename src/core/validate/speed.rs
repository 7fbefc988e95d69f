//! Owns the measurement of `validate` against the bare csv reader. Run by hand, in a release build.
use super::*;
use crate::source::{Format, open};
use std::time::Instant;

#[test]
#[ignore = "a measurement, by hand: cargo test --release -p workos-importer-core --lib speed -- --ignored --nocapture"]
fn validate_against_the_bare_reader() {
    use std::fmt::Write as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.csv");
    let mut text = String::from(
        "email,first_name,last_name,email_verified,external_id,metadata,org_external_id,org_name\n",
    );
    let rows = 1_000_000;
    for row in 0..rows {
        writeln!(text, "user{row}@example.com,First{row},Last{row},true,id-{row},\"{{\"\"team\"\":\"\"t{}\"\"}}\",org-{},Org {}", row % 50, row % 1000, row % 1000).unwrap();
    }
    std::fs::write(&path, &text).unwrap();
    let path = path.to_str().unwrap();
    for _ in 0..2 {
        let start = Instant::now();
        let mut reader = csv::ReaderBuilder::new().from_path(path).unwrap();
        let mut record = csv::ByteRecord::new();
        let mut count = 0;
        while reader.read_byte_record(&mut record).unwrap() {
            count += 1;
        }
        let bare = start.elapsed();
        let start = Instant::now();
        let mut source = open(path, &Format::default()).unwrap();
        let mut read = 0;
        loop {
            let batch = source.next_batch(1000).unwrap();
            if batch.is_empty() {
                break;
            }
            read += batch.len();
        }
        let reading = start.elapsed();
        let start = Instant::now();
        let mut source = open(path, &Format::default()).unwrap();
        let summary = validate(source.as_mut(), &ValidateOptions::default(), |_| {}).unwrap();
        let validating = start.elapsed();
        assert_eq!((count, read as u64, summary.valid), (rows, rows, rows));
        println!(
            "bare {bare:?} read {reading:?} validate {validating:?} ratio {:.2}",
            bare.as_secs_f64() / validating.as_secs_f64()
        );
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    println!(
        "{}",
        status
            .lines()
            .filter(|l| l.starts_with("VmHWM") || l.starts_with("VmRSS"))
            .collect::<Vec<_>>()
            .join(" ")
    );
}
