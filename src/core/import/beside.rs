//! Owns the two small files beside the journal of a run that is under way: `pace.json`, in which others ask for another
//! pace, and `progress.json`, in which the run says once a second where it is. Private, without secrets or rows, written
//! beside and renamed, not waited for on disk: after a kill they mean nothing, and the next attempt removes them.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::event::Progress;
use super::kept_pace::{PaceChange, WrittenChange};
use crate::report::private_file;

const PACE: &str = "pace.json";
const PROGRESS: &str = "progress.json";

/// Grows with every change that a reader could stumble over.
const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Asked {
    schema_version: u32,
    /// By which the run says that it has heard of it.
    id: String,
    #[serde(flatten)]
    change: WrittenChange,
}

/// Where a run is, as it says itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Told {
    schema_version: u32,
    /// Which request for another pace it heard of last.
    pub(super) heard: Option<String>,
    #[serde(flatten)]
    pub(super) progress: Progress,
}

/// Asks the run in this folder for another pace; returns the id of the request.
pub(super) fn ask(folder: &Path, change: PaceChange) -> io::Result<String> {
    let id = format!("{:016x}", rand::random::<u64>());
    let asked = Asked {
        schema_version: SCHEMA_VERSION,
        id: id.clone(),
        change: change.into(),
    };
    put(folder, PACE, &id, &asked)?;
    Ok(id)
}

/// What was asked for last, unless it is the request that was heard of; `None` for a change that makes no sense.
pub(super) fn asked(folder: &Path, heard: Option<&str>) -> Option<(String, Option<PaceChange>)> {
    let asked: Asked = get(folder, PACE)?;
    (heard != Some(asked.id.as_str())).then(|| (asked.id, asked.change.read()))
}

/// Says where the run is.
pub(super) fn tell(folder: &Path, progress: Progress, heard: Option<String>) -> io::Result<()> {
    let told = Told {
        schema_version: SCHEMA_VERSION,
        heard,
        progress,
    };
    put(folder, PROGRESS, "new", &told)
}

/// What the run said last.
pub(super) fn told(folder: &Path) -> Option<Told> {
    get(folder, PROGRESS)
}

/// Takes both away: what is in them is over.
pub(super) fn clear(folder: &Path) {
    for name in [PACE, PROGRESS] {
        // Mostly it is not there.
        let _ = fs::remove_file(folder.join(name));
    }
}

/// `distinct` keeps two who write at the same time apart.
fn put(folder: &Path, name: &str, distinct: &str, value: &impl Serialize) -> io::Result<()> {
    let written = folder.join(format!("{name}.{distinct}"));
    let text = serde_json::to_string(value)?;
    let done = private_file::create(&written)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&written, folder.join(name)));
    if done.is_err() {
        // Half a file, on a disk that is full.
        let _ = fs::remove_file(&written);
    }
    done
}

fn get<T: for<'a> Deserialize<'a>>(folder: &Path, name: &str) -> Option<T> {
    let text = fs::read(folder.join(name)).ok()?;
    serde_json::from_slice(&text).ok()
}
