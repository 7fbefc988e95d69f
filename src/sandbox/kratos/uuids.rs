//! Owns UUIDs: random ones (version 4), drawn from the seed, and what counts as
//! one. Identities are listed in the order of theirs, which says nothing about
//! when they were made.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The source of UUIDs, and of whatever else is random.
#[derive(Debug)]
pub(super) struct Uuids(StdRng);

impl Uuids {
    pub(super) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// `xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx`, lower case.
    pub(super) fn next(&mut self) -> String {
        let (high, low) = (self.0.next_u64(), self.0.next_u64());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0x3fff | 0x8000,
            low & 0xffff_ffff_ffff
        )
    }

    /// Six digits.
    pub(super) fn code(&mut self) -> String {
        format!("{:06}", self.0.next_u64() % 1_000_000)
    }
}

/// Whether a text is a UUID in its usual form.
pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
