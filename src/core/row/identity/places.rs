//! Owns which column's cells go where in an identity: by a mapping, or because of what the column means.

use super::path::IdentityPath;
use crate::row::columns::{ColumnsError, same_column};
use crate::row::field::Field;

/// A column, and one place that its cells go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::row) struct Place {
    pub position: usize,
    pub path: IdentityPath,
    /// The place is the usual one of the column's meaning; `false`: a mapping names it.
    pub is_usual: bool,
}

/// A column that came after another of the same place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::row) struct Clash {
    pub position: usize,
    pub path: IdentityPath,
    pub other: Place,
}

/// Where the columns of a source go in an identity; nowhere, if its rows are about something else.
#[derive(Clone, Debug, Default)]
pub(in crate::row) struct Places {
    /// (the source's column, the place).
    mapping: Vec<(String, IdentityPath)>,
    /// By path.
    taken: Vec<Place>,
    clashes: Vec<Clash>,
}

impl Places {
    /// # Errors
    /// When two columns are mapped to one place, or to a place and a part of it, or one that holds secrets to any.
    pub fn new(mapping: Vec<(String, IdentityPath)>) -> Result<Self, ColumnsError> {
        let mut places = Self::default();
        for (name, path) in mapping {
            if Field::named(&name).is_some_and(Field::is_secret) {
                let path = path.to_string();
                return Err(ColumnsError::SecretPlace { name, path });
            }
            let other = places
                .mapping
                .iter()
                .find(|(_, other)| other.overlaps(&path));
            match other {
                Some((same, known)) if same_column(same, &name) && *known == path => {}
                Some((first, known)) => {
                    return Err(clash((first, known), (&name, &path)));
                }
                None => places.mapping.push((name, path)),
            }
        }
        Ok(places)
    }

    /// The columns that mappings name.
    pub fn mapped_names(&self) -> impl Iterator<Item = &str> {
        self.mapping.iter().map(|(from, _)| from.as_str())
    }

    /// Whether a mapping says where this column's cells go.
    pub fn is_mapped(&self, name: &str) -> bool {
        self.mapping.iter().any(|(from, _)| same_column(name, from))
    }

    /// Whether cells at the position go anywhere.
    pub fn has(&self, position: usize) -> bool {
        self.taken.iter().any(|place| place.position == position)
    }

    /// The field whose usual place a mapping gives to this column.
    pub fn meant(&self, name: &str) -> Option<Field> {
        let paths = self
            .mapping
            .iter()
            .filter(|(from, _)| same_column(name, from));
        let mut paths = paths.map(|(_, path)| path);
        paths.find_map(|path| {
            let usual = |field: &Field| IdentityPath::usual(*field).as_ref() == Some(path);
            Field::ALL.into_iter().find(usual)
        })
    }

    /// Takes in a new column; `field` is what it means.
    pub fn take_in(&mut self, position: usize, name: &str, field: Option<Field>) {
        let mapped = self
            .mapping
            .iter()
            .filter(|(from, _)| same_column(name, from));
        let mut paths: Vec<(IdentityPath, bool)> =
            mapped.map(|(_, path)| (path.clone(), false)).collect();
        if paths.is_empty()
            && let Some(usual) = field.and_then(IdentityPath::usual)
        {
            paths.push((usual, true));
        }
        for (path, is_usual) in paths {
            match self.taken.iter().find(|other| other.path.overlaps(&path)) {
                Some(other) => self.clashes.push(Clash {
                    position,
                    path,
                    other: other.clone(),
                }),
                None => self.taken.push(Place {
                    position,
                    path,
                    is_usual,
                }),
            }
        }
        self.taken.sort_by(|one, other| one.path.cmp(&other.path));
    }

    /// Columns whose place was taken by one before them: a row that fills one fails.
    pub fn clashes(&self) -> &[Clash] {
        &self.clashes
    }

    /// The first of them as an error; `names` are those of the source.
    pub fn clash(&self, names: &[String]) -> Option<ColumnsError> {
        let found = self.clashes.first()?;
        let name = |position: usize| names.get(position).map_or("", String::as_str);
        let other = (name(found.other.position), &found.other.path);
        Some(clash(other, (name(found.position), &found.path)))
    }

    /// In the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = &Place> {
        self.taken.iter()
    }
}

fn clash(
    (first, one): (&str, &IdentityPath),
    (second, other): (&str, &IdentityPath),
) -> ColumnsError {
    ColumnsError::OnePlace {
        first: first.to_owned(),
        one: one.to_string(),
        second: second.to_owned(),
        other: other.to_string(),
    }
}
