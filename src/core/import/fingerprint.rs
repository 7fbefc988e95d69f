//! Owns how a run is known again: by the content of its source, its options, its target and its environment. Digests
//! are keyed for each run, so that nothing can be learnt from one.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The digest of a file's bytes; only keyed forms of it are ever stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentDigest([u8; 32]);

impl ContentDigest {
    /// Reads a regular file once, in small pieces; `None` for what can be read only once.
    pub(super) fn of_file(path: &Path) -> io::Result<Option<Self>> {
        let mut file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Ok(None);
        }
        let mut hasher = blake3::Hasher::new();
        let mut piece = vec![0; 1 << 18];
        loop {
            let length = file.read(&mut piece)?;
            if length == 0 {
                return Ok(Some(Self(*hasher.finalize().as_bytes())));
            }
            hasher.update(&piece[..length]);
        }
    }

    /// What the journal of a run with this key stores.
    pub(super) fn keyed(&self, key: &[u8; 32]) -> [u8; 32] {
        *blake3::keyed_hash(key, &self.0).as_bytes()
    }
}

/// What the journal of a run with this key stores of the environment that it writes to.
pub(super) fn environment(key: &[u8; 32], base_url: &str, api_key: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(base_url.as_bytes());
    hasher.update(&[0]);
    hasher.update(api_key.as_bytes());
    *hasher.finalize().as_bytes()
}
