//! Owns the columns of a source: which of its names means what.

mod error;
mod unknown;

use std::sync::Arc;

use super::field::Field;
use super::identity::{IdentityPath, Places};
use super::interpret::Rules;
use super::issue::Issue;
use super::mode::Mode;
use super::row_kind::RowKind;
use super::{IssueCode, clearing, near};

pub use error::ColumnsError;

/// Reads `E-Mail=email`. The last `=` divides, since a column's name may contain one.
pub fn parse_mapping(text: &str) -> Result<(String, String), ColumnsError> {
    match text.rsplit_once('=') {
        Some((from, to)) if !from.trim().is_empty() && !to.trim().is_empty() => {
            Ok((from.trim().to_owned(), to.trim().to_owned()))
        }
        _ => Err(ColumnsError::NoMapping {
            text: text.to_owned(),
        }),
    }
}

pub(super) type Positions = [Option<usize>; Field::ALL.len()];

/// Columns, each under the source's own name for it.
pub(super) type OwnNames = Vec<(usize, String)>;

/// Which column means what. Made once a source, and grown with it.
#[derive(Clone, Debug)]
pub struct Columns {
    /// What the rows are about.
    kind: RowKind,
    names: Vec<String>,
    positions: Arc<Positions>,
    /// Columns that came after another of the same meaning: a row that fills one fails.
    late_duplicates: Vec<(usize, Field)>,
    /// Columns whose cells are not kept: unknown ones and secrets.
    not_kept: Vec<usize>,
    mapping: Vec<(String, Field)>,
    /// Where the cells of identities go.
    places: Places,
    /// Of identities: the columns that are kept, as the source calls them.
    own_names: Option<Arc<OwnNames>>,
    /// Where the cells are that say what the caller calls each row.
    record_id: Option<usize>,
    warnings: Vec<Issue>,
}

impl Columns {
    /// Finds the meaning of a source's columns; `mapping` has pairs such as (`E-Mail`, `email`) and comes first.
    pub fn resolve(names: &[String], mapping: &[(String, String)]) -> Result<Self, ColumnsError> {
        Self::of(RowKind::Users, (names, false), mapping, None)
    }

    /// The same for a source whose columns can still grow: a mapped column may come later, which is a warning.
    pub fn resolve_growing(
        names: &[String],
        mapping: &[(String, String)],
    ) -> Result<Self, ColumnsError> {
        Self::understand(RowKind::Users, names, mapping, None)
    }

    /// The one or the other for rows of a kind, by whether the columns of the source can still grow; the cells of the column `record_id` say
    /// what the caller calls each row.
    pub fn of(
        kind: RowKind,
        (names, grow): (&[String], bool),
        mapping: &[(String, String)],
        record_id: Option<&str>,
    ) -> Result<Self, ColumnsError> {
        let columns = Self::understand(kind, names, mapping, record_id)?;
        let missing = columns
            .mapped_names()
            .find(|from| !names.iter().any(|name| same_column(name, from)));
        if let (Some(name), false) = (missing, grow) {
            let near = near::nearest(name, names.iter().map(String::as_str));
            return Err(ColumnsError::MappedColumnMissing {
                name: name.to_owned(),
                near: near.map(str::to_owned),
            });
        }
        Ok(columns)
    }

    fn has_what_is_needed(&self, names: &[String]) -> Result<(), ColumnsError> {
        let lacking = self.kind.needed().iter();
        let mut lacking = lacking.filter(|any| !any.iter().any(|field| self.has(*field)));
        match lacking.next() {
            None => Ok(()),
            Some([Field::Email]) => Err(ColumnsError::NoEmail {
                near: near_email(names),
            }),
            Some(any) => {
                let columns: Vec<String> = any
                    .iter()
                    .map(|field| format!("`{}`", field.as_str()))
                    .collect();
                Err(ColumnsError::Lacking {
                    columns: columns.join(" or "),
                    rows: self.kind.as_str(),
                })
            }
        }
    }

    /// What the rows are about.
    pub fn kind(&self) -> RowKind {
        self.kind
    }

    /// Where the cells are that say what the caller calls each row.
    pub(super) fn record_id(&self) -> Option<usize> {
        self.record_id
    }

    /// Finds the column that says so.
    fn call_rows_by(&mut self, wanted: &str) -> Result<(), ColumnsError> {
        let names = &self.names;
        let place = names.iter().position(|name| name == wanted);
        let place = place.or_else(|| names.iter().position(|name| same_column(name, wanted)));
        let Some(place) = place else {
            let near = near::nearest(wanted, names.iter().map(String::as_str));
            return Err(ColumnsError::RecordIdMissing {
                name: wanted.to_owned(),
                near: near.map(str::to_owned),
            });
        };
        let mut secrets = Field::ALL.into_iter().filter(|field| field.is_secret());
        if secrets.any(|field| self.position(field) == Some(place)) {
            let name = wanted.to_owned();
            return Err(ColumnsError::RecordIdSecret { name });
        }
        self.record_id = Some(place);
        self.not_kept.retain(|position| *position != place);
        Ok(())
    }

    fn understand(
        kind: RowKind,
        names: &[String],
        mapping: &[(String, String)],
        record_id: Option<&str>,
    ) -> Result<Self, ColumnsError> {
        let of_kind = |field: Field| kind.fields().contains(&field);
        let (mut fields, mut paths) = (Vec::new(), Vec::new());
        for (from, to) in mapping {
            let path = IdentityPath::read(to).filter(|_| kind == RowKind::Identities);
            match (Field::named(to).filter(|field| of_kind(*field)), path) {
                (Some(field), _) => fields.push((from.clone(), field)),
                (None, Some(path)) => paths.push((from.clone(), path)),
                (None, None) => {
                    return Err(ColumnsError::UnknownTarget {
                        name: to.clone(),
                        near: Field::nearest(to, of_kind).map(|field| field.as_str().to_owned()),
                    });
                }
            }
        }
        let holds_secrets = |from: &str| {
            let mut secrets = fields.iter().filter(|(_, field)| field.is_secret());
            secrets.any(|(name, _)| same_column(name, from))
        };
        if let Some((name, path)) = paths.iter().find(|(from, _)| holds_secrets(from)) {
            return Err(ColumnsError::SecretPlace {
                name: name.clone(),
                path: path.to_string(),
            });
        }
        let mut columns = Self {
            kind,
            names: Vec::new(),
            positions: Arc::new([None; Field::ALL.len()]),
            late_duplicates: Vec::new(),
            not_kept: Vec::new(),
            mapping: fields,
            places: Places::new(paths)?,
            own_names: None,
            record_id: None,
            warnings: Vec::new(),
        };
        let unknown = columns.take_in(names);
        if let Some((position, field)) = columns.late_duplicates.first() {
            return Err(ColumnsError::Duplicate {
                first: columns.name_of(*field).unwrap_or_default(),
                second: names[*position].clone(),
                field: field.as_str(),
            });
        }
        if let Some(clash) = columns.places.clash(names) {
            return Err(clash);
        }
        columns.has_what_is_needed(names)?;
        if let Some(wanted) = record_id {
            columns.call_rows_by(wanted.trim())?;
        }
        let warning = columns.warn_of_unknown(&unknown);
        columns.warnings.extend(warning);
        let unmatched = columns
            .mapped_names()
            .filter(|from| !names.iter().any(|name| same_column(name, from)));
        let unmatched = unmatched.map(|name| {
            let message = format!("--map names the column `{name}`, which is not there so far");
            Issue::about_source(IssueCode::UnmatchedMapping, message)
        });
        let unmatched: Vec<Issue> = unmatched.collect();
        columns.warnings.extend(unmatched);
        Ok(columns)
    }

    /// Takes in the columns that a source has got since. It never fails: a column that repeats the meaning of another
    /// fails the rows that fill it. Returns what has to be said once.
    pub fn grow(&mut self, names: &[String], mode: &Mode, rules: &Rules) -> Vec<Issue> {
        if names.len() <= self.names.len() {
            return Vec::new();
        }
        let before = *self.positions;
        let first = self.names.len();
        let unknown = self.take_in(&names[first..]);
        let mut issues: Vec<Issue> = self.warn_of_unknown(&unknown).into_iter().collect();
        let is_new = |field: Field| before[field as usize].is_none() && self.has(field);
        let had_organization = before[Field::OrgId as usize]
            .or(before[Field::OrgExternalId as usize])
            .or(before[Field::OrgName as usize])
            .is_some();
        issues.extend(mode.warnings(self, is_new(Field::RoleSlugs), !had_organization));
        issues.extend(clearing::warning(self, rules, is_new));
        issues.extend(self.traits_of_that_name(first, rules));
        issues
    }

    /// What has to be said once about the columns.
    pub fn warnings(&self) -> &[Issue] {
        &self.warnings
    }

    /// What has to be said once about columns that `--clear-empty` does not clear.
    pub fn never_cleared(&self, rules: &Rules) -> Option<Issue> {
        clearing::warning(self, rules, |_| true)
    }

    pub fn names(&self) -> &[String] {
        &self.names
    }

    pub fn has(&self, field: Field) -> bool {
        self.position(field).is_some()
    }

    /// True if rows can name an organization of their own.
    pub fn has_organization(&self) -> bool {
        self.has(Field::OrgId) || self.has(Field::OrgExternalId)
    }

    /// The field's column, as the user wrote it.
    pub fn name_of(&self, field: Field) -> Option<String> {
        self.names.get(self.position(field)?).cloned()
    }

    pub(super) fn position(&self, field: Field) -> Option<usize> {
        self.positions[field as usize]
    }

    /// Where the cells of identities go.
    pub(super) fn places(&self) -> &Places {
        &self.places
    }

    /// Of identities: the columns that are kept, as the source calls them.
    pub(super) fn own_names(&self) -> Option<&Arc<OwnNames>> {
        self.own_names.as_ref()
    }

    /// The columns that mappings name.
    fn mapped_names(&self) -> impl Iterator<Item = &str> {
        let fields = self.mapping.iter().map(|(from, _)| from.as_str());
        fields.chain(self.places.mapped_names())
    }

    pub(super) fn positions(&self) -> &Arc<Positions> {
        &self.positions
    }

    pub(super) fn not_kept(&self) -> &[usize] {
        &self.not_kept
    }

    pub(super) fn late_duplicates(&self) -> &[(usize, Field)] {
        &self.late_duplicates
    }

    /// Adds names at the end; returns the positions of those that mean nothing.
    fn take_in(&mut self, names: &[String]) -> Vec<usize> {
        let first = self.names.len();
        self.names.extend_from_slice(names);
        let mut positions = *self.positions;
        let mut unknown = Vec::new();
        let mapped = |name: &str| {
            let found = self
                .mapping
                .iter()
                .find(|(from, _)| same_column(name, from));
            found.map(|(_, field)| *field)
        };
        for (position, name) in names.iter().enumerate() {
            let Some(field) = mapped(name) else { continue };
            let position = first + position;
            match positions[field as usize] {
                None => positions[field as usize] = Some(position),
                Some(_) => self.late_duplicates.push((position, field)),
            }
        }
        for (position, name) in names.iter().enumerate() {
            if mapped(name).is_some() {
                continue;
            }
            let position = first + position;
            let is_mapped = |field: Field| self.mapping.iter().any(|(_, to)| *to == field);
            let is_placed = self.places.is_mapped(name);
            // Who says where a column goes says so in place of what its name means, but for the traits that rules are about.
            let stays = |field: &Field| !is_placed || IdentityPath::usual(*field).is_some();
            let field = Field::named(name).filter(|field| self.kind.fields().contains(field));
            match field.filter(stays) {
                Some(field) if positions[field as usize].is_none() => {
                    positions[field as usize] = Some(position);
                }
                // Who maps another column to it has decided which of the two counts.
                Some(field) if !is_mapped(field) => self.late_duplicates.push((position, field)),
                _ if is_placed => {}
                _ => unknown.push(position),
            }
        }
        if self.kind == RowKind::Identities {
            self.place(names, first, &mut positions);
        }
        self.not_kept.extend_from_slice(&unknown);
        self.not_kept
            .extend(self.late_duplicates.iter().map(|(position, _)| *position));
        for field in Field::ALL.into_iter().filter(|field| field.is_secret()) {
            self.not_kept.extend(positions[field as usize]);
        }
        self.not_kept.sort_unstable();
        self.not_kept.dedup();
        if self.kind == RowKind::Identities {
            let kept = self.names.iter().enumerate().filter(|(position, _)| {
                let is_known = positions.contains(&Some(*position)) || self.places.has(*position);
                is_known && !self.not_kept.contains(position)
            });
            let kept = kept.map(|(position, name)| (position, name.clone()));
            self.own_names = Some(Arc::new(kept.collect()));
        }
        self.positions = Arc::new(positions);
        unknown
    }

    /// Finds where the cells of new columns go. A column that is mapped to the usual place of a meaning has the meaning too,
    /// if no other has it.
    fn place(&mut self, names: &[String], first: usize, positions: &mut Positions) {
        for (position, name) in names.iter().enumerate() {
            if let Some(field) = self.places.meant(name) {
                positions[field as usize].get_or_insert(first + position);
            }
        }
        for (position, name) in names.iter().enumerate() {
            let position = first + position;
            let mut fields = Field::ALL.into_iter();
            let field = fields.find(|field| positions[*field as usize] == Some(position));
            self.places.take_in(position, name, field);
        }
    }
}

/// The form in which names are compared.
pub(super) fn fold(name: &str) -> String {
    let kept = name
        .trim()
        .chars()
        .filter(|letter| !letter.is_whitespace() && !matches!(letter, '-' | '_' | '\u{feff}'));
    kept.flat_map(char::to_lowercase).collect()
}

pub(super) fn same_column(name: &str, mapped: &str) -> bool {
    name == mapped || fold(name) == fold(mapped)
}

fn near_email(names: &[String]) -> Option<String> {
    let contains_mail = names.iter().find(|name| fold(name).contains("mail"));
    let folded: Vec<String> = names.iter().map(|name| fold(name)).collect();
    let by_distance = || {
        let near = near::nearest("email", folded.iter().map(String::as_str))?;
        let position = folded.iter().position(|name| name == near)?;
        names.get(position)
    };
    contains_mail.or_else(by_distance).cloned()
}
