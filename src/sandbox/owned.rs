//! Owns what belongs to one user or one organization, and goes with it:
//! found by identifier, and listed by owner.

use std::collections::{BTreeMap, BTreeSet, HashMap};

static NOTHING: BTreeSet<String> = BTreeSet::new();

/// Things by identifier, each with the identifier of its owner.
#[derive(Debug)]
pub(crate) struct Owned<T> {
    by_id: BTreeMap<String, (String, T)>,
    by_owner: HashMap<String, BTreeSet<String>>,
}

impl<T> Default for Owned<T> {
    fn default() -> Self {
        Self {
            by_id: BTreeMap::new(),
            by_owner: HashMap::new(),
        }
    }
}

impl<T> Owned<T> {
    pub(crate) fn insert(&mut self, owner: &str, id: String, thing: T) {
        let of_owner = self.by_owner.entry(owner.to_owned()).or_default();
        of_owner.insert(id.clone());
        self.by_id.insert(id, (owner.to_owned(), thing));
    }

    /// The owner of a thing, and the thing.
    pub(crate) fn get(&self, id: &str) -> Option<(&str, &T)> {
        let (owner, thing) = self.by_id.get(id)?;
        Some((owner, thing))
    }

    pub(crate) fn ids_of(&self, owner: &str) -> &BTreeSet<String> {
        self.by_owner.get(owner).unwrap_or(&NOTHING)
    }

    /// False if there is no such thing.
    pub(crate) fn delete(&mut self, id: &str) -> bool {
        let Some((owner, _)) = self.by_id.remove(id) else {
            return false;
        };
        if let Some(of_owner) = self.by_owner.get_mut(&owner) {
            of_owner.remove(id);
        }
        true
    }

    pub(crate) fn delete_of(&mut self, owner: &str) {
        for id in self.by_owner.remove(owner).unwrap_or_default() {
            self.by_id.remove(&id);
        }
    }

    /// Every identifier, in the order of creation.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &String> {
        self.by_id.keys()
    }
}
