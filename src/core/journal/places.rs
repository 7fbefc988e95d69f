//! Owns where keys are in the tables: the digest that finds a key, and which step each of the latest keys is.

use std::cell::RefCell;

use crate::row::StepKey;

/// A key as the tables have it: 128 bits of a digest, whose first half is indexed.
pub(super) struct Place<'a> {
    pub(super) key: i64,
    pub(super) rest: Option<i64>,
    pub(super) name: Option<&'a str>,
    digest: (i64, i64),
}

impl<'a> Place<'a> {
    /// A key that is made of the ids of other objects is kept as its digest alone: it would repeat them.
    pub(super) fn of(key: &'a StepKey) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(key.kind.as_str().as_bytes());
        hasher.update(b":");
        hasher.update(key.name.as_bytes());
        let digest = halves(hasher.finalize().as_bytes());
        let is_named = key.kind.has_name();
        Self {
            key: digest.0,
            rest: (!is_named).then_some(digest.1),
            name: is_named.then_some(&key.name),
            digest,
        }
    }
}

/// The first 128 bits of a digest as two numbers.
pub(super) fn halves(digest: &[u8; 32]) -> (i64, i64) {
    let [first, rest, ..] = digest.as_chunks::<8>().0 else {
        return (0, 0);
    };
    (i64::from_le_bytes(*first), i64::from_le_bytes(*rest))
}

/// How many keys are kept: more than the rows have that are read ahead and under way.
const SLOTS: usize = 4096;

/// The steps of the latest keys, by their digests. A key is asked for several times while its row is under way and then
/// hardly again. Each has one slot, which the next key that falls into it takes over.
pub(super) struct Latest {
    steps: RefCell<Vec<Option<Kept>>>,
    /// The latest of the texts that many steps share, and its number: hardly any run has many of them.
    detail: RefCell<Option<(String, i64)>>,
}

/// A key's digest, and its step.
type Kept = ((i64, i64), i64);

impl Latest {
    pub(super) fn new() -> Self {
        Self {
            steps: RefCell::new(vec![None; SLOTS]),
            detail: RefCell::new(None),
        }
    }

    pub(super) fn get(&self, place: &Place<'_>) -> Option<i64> {
        let slots = self.steps.borrow();
        let kept = slots.get(slot(place)).copied().flatten();
        kept.filter(|(digest, _)| *digest == place.digest)
            .map(|(_, id)| id)
    }

    pub(super) fn put(&self, place: &Place<'_>, id: i64) {
        if let Some(kept) = self.steps.borrow_mut().get_mut(slot(place)) {
            *kept = Some((place.digest, id));
        }
    }

    /// The number of a text, if it is the latest.
    pub(super) fn detail(&self, text: &str) -> Option<i64> {
        let latest = self.detail.borrow();
        let (_, id) = latest.as_ref().filter(|(kept, _)| kept == text)?;
        Some(*id)
    }

    pub(super) fn put_detail(&self, text: &str, id: i64) {
        self.detail.replace(Some((text.to_owned(), id)));
    }

    /// What was kept may be no longer so: a transaction was taken back.
    pub(super) fn clear(&self) {
        self.steps.borrow_mut().fill(None);
        self.detail.replace(None);
    }
}

fn slot(place: &Place<'_>) -> usize {
    place.digest.1.unsigned_abs() as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Kind;

    #[test]
    fn a_slot_that_was_taken_over_gives_nothing() {
        let latest = Latest::new();
        let keys: Vec<StepKey> = (0..3 * SLOTS)
            .map(|number| StepKey::new(Kind::User, format!("{number}@b.c")))
            .collect();
        for (id, key) in keys.iter().enumerate() {
            latest.put(&Place::of(key), id as i64);
            assert_eq!(latest.get(&Place::of(key)), Some(id as i64));
        }
        let found = keys.iter().enumerate().filter_map(|(id, key)| {
            let found = latest.get(&Place::of(key))?;
            assert_eq!(found, id as i64);
            Some(found)
        });
        let count = found.count();
        assert!(count > SLOTS / 2 && count <= SLOTS, "{count}");
        latest.put_detail("{}", 7);
        assert_eq!((latest.detail("{}"), latest.detail("[]")), (Some(7), None));
        latest.clear();
        assert_eq!(latest.get(&Place::of(&keys[0])), None);
        assert_eq!(latest.detail("{}"), None);
    }
}
