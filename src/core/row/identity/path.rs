//! Owns where in an identity a column's cells go: `traits.name.first`, `metadata_public.plan`.

use std::fmt;

use serde_json::{Map, Value};

use crate::row::field::Field;

/// The parts of an identity that columns can fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::row) enum Part {
    Traits,
    MetadataPublic,
    MetadataAdmin,
}

impl Part {
    const ALL: [Part; 3] = [Self::Traits, Self::MetadataPublic, Self::MetadataAdmin];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Traits => "traits",
            Self::MetadataPublic => "metadata_public",
            Self::MetadataAdmin => "metadata_admin",
        }
    }
}

/// A place in an identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::row) struct IdentityPath {
    pub part: Part,
    /// The names on the way, from the outside in; none: the whole part.
    pub names: Vec<String>,
}

impl IdentityPath {
    /// The place that `--map` names, such as `traits.department`; `None` if it names none within a part.
    pub fn read(target: &str) -> Option<Self> {
        let (part, names) = target.split_once('.')?;
        let part = Part::ALL.into_iter().find(|known| known.as_str() == part)?;
        let names: Vec<String> = names
            .split('.')
            .map(|name| name.trim().to_owned())
            .collect();
        let is_whole = names.iter().all(|name| !name.is_empty());
        is_whole.then_some(Self { part, names })
    }

    /// Where the cells of a column go of which nothing else is said.
    pub fn usual(field: Field) -> Option<Self> {
        let (part, names) = match field {
            Field::Email | Field::FirstName | Field::LastName | Field::Role | Field::TenantId => {
                (Part::Traits, vec![field.as_str().to_owned()])
            }
            Field::MetadataPublic => (Part::MetadataPublic, Vec::new()),
            Field::MetadataAdmin => (Part::MetadataAdmin, Vec::new()),
            _ => return None,
        };
        Some(Self { part, names })
    }

    /// Whether one of the two is a part of the other, or both are the same.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (mine, theirs) = (&self.names, &other.names);
        self.part == other.part && (mine.starts_with(theirs) || theirs.starts_with(mine))
    }

    /// Puts a value there. The columns of a source do not overlap, so there is nothing in the way.
    pub fn put(&self, value: Value, whole: &mut Map<String, Value>) {
        match (self.names.split_last(), value) {
            (None, Value::Object(pairs)) => whole.extend(pairs),
            (None, _) => {}
            (Some((last, way)), value) => {
                let mut place = whole;
                for name in way {
                    let inner = place.entry(name.as_str()).or_insert(Value::Null);
                    if !inner.is_object() {
                        *inner = Value::Object(Map::new());
                    }
                    let Value::Object(inner) = inner else { return };
                    place = inner;
                }
                place.insert(last.clone(), value);
            }
        }
    }
}

impl fmt::Display for IdentityPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.part.as_str())?;
        for name in &self.names {
            write!(formatter, ".{name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_are_read_written_and_filled() {
        let path = IdentityPath::read("traits.name.first").unwrap();
        assert_eq!(path.to_string(), "traits.name.first");
        for wrong in ["traits", "traits.", "traits..a", "trait.a", "email", ".a"] {
            assert_eq!(IdentityPath::read(wrong), None, "{wrong}");
        }
        let mut whole = Map::new();
        path.put(json!("Ada"), &mut whole);
        let last = IdentityPath::read("traits.name.last").unwrap();
        last.put(json!(7), &mut whole);
        assert_eq!(
            Value::Object(whole),
            json!({"name": {"first": "Ada", "last": 7}})
        );
        let name = IdentityPath::read("traits.name").unwrap();
        assert!(name.overlaps(&path) && path.overlaps(&name) && path.overlaps(&path));
        assert!(
            !path.overlaps(&last)
                && !path.overlaps(&IdentityPath::read("metadata_admin.name.first").unwrap())
        );
        let whole = IdentityPath::usual(Field::MetadataAdmin).unwrap();
        assert!(whole.overlaps(&IdentityPath::read("metadata_admin.a").unwrap()));
    }
}
