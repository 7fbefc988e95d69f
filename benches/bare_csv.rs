//! The bare `csv` reader over a file: what `validate` is compared with. Prints the number of records and the seconds.

use std::error::Error;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: bare_csv FILE")?;
    let started = Instant::now();
    let mut reader = csv::Reader::from_path(path)?;
    let mut record = csv::ByteRecord::new();
    let mut records = 0_u64;
    while reader.read_byte_record(&mut record)? {
        records += 1;
    }
    println!("{records} {}", started.elapsed().as_secs_f64());
    Ok(())
}
