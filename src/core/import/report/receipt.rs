//! Reads the receipt that `verify` has written, and says whether it fits the run.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::ReportError;
use crate::report::html::Receipt;

/// The latest form of a receipt that is understood.
const VERSION: u32 = 1;

/// A receipt is small: what is larger is something else.
const MOST_BYTES: u64 = 1 << 20;

#[derive(Deserialize)]
struct Written {
    receipt_version: u32,
    verified_at: String,
    ok: bool,
    rows: u64,
    counts: BTreeMap<String, u64>,
    extra_memberships: Option<u64>,
    #[serde(default)]
    is_sample: bool,
    run_id: Option<String>,
    environment: Environment,
    source: Source,
    directory: Directory,
}

#[derive(Deserialize)]
struct Environment {
    base_url: String,
    live: bool,
}

#[derive(Deserialize)]
struct Source {
    name: String,
    sha256: Option<String>,
}

#[derive(Deserialize)]
struct Directory {
    objects: u64,
    sha256: String,
}

/// Reads a receipt. `run`: whose report it is for; `sha256`: of what was imported, where that is known.
pub(super) fn read(path: &Path, run: &str, sha256: Option<&str>) -> Result<Receipt, ReportError> {
    let refuse = |reason: String| ReportError::Receipt {
        path: path.display().to_string(),
        reason,
    };
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MOST_BYTES).read_to_string(&mut text))
        .map_err(|error| refuse(error.to_string()))?;
    let written: Written =
        serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))?;
    if written.receipt_version > VERSION {
        return Err(refuse("a later version has written it".into()));
    }
    let of_other_run = written.run_id.as_deref().filter(|id| *id != run);
    let differs = sha256
        .zip(written.source.sha256.as_deref())
        .is_some_and(|(ours, theirs)| ours != theirs);
    let remark = match of_other_run {
        Some(other) => Some(format!("The receipt is that of another run, {other}.")),
        None if differs => {
            Some("The receipt is that of another source: the digests differ.".into())
        }
        None => None,
    };
    let environment = written.environment;
    let kind = if environment.live { "live" } else { "test" };
    Ok(Receipt {
        ok: written.ok,
        verified_at: super::settings::moment(&written.verified_at),
        rows: written.rows,
        counts: written.counts.into_iter().collect(),
        extra_memberships: written.extra_memberships,
        is_sample: written.is_sample,
        environment: format!("{}, {kind}", environment.base_url),
        source: written.source.name,
        source_sha256: written.source.sha256,
        directory_sha256: written.directory.sha256,
        directory_objects: written.directory.objects,
        remark,
    })
}
