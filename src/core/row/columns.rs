//! Owns the columns of a source: which of its names means what.

use std::sync::Arc;

use thiserror::Error;

use super::field::Field;
use super::interpret::Rules;
use super::issue::Issue;
use super::mode::Mode;
use super::row_kind::RowKind;
use super::{IssueCode, clearing, near};
use crate::source::PROBLEM;

/// Why a source's columns cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ColumnsError {
    #[error("No `email` column.{} Use --map or rename it.", meant(.near))]
    NoEmail { near: Option<String> },
    #[error("No {columns} column: {rows} need it. Use --map or rename one.")]
    Lacking { columns: String, rows: &'static str },
    #[error(
        "The columns `{first}` and `{second}` both mean `{field}`. Rename or remove one of the two"
    )]
    Duplicate {
        first: String,
        second: String,
        field: &'static str,
    },
    #[error("--map names the column `{name}`, which is not there.{}", meant(.near))]
    MappedColumnMissing { name: String, near: Option<String> },
    #[error("--map names `{name}`, which an import does not know.{}", meant(.near))]
    UnknownTarget { name: String, near: Option<String> },
    #[error("record_id names the column `{name}`, which is not there.{}", meant(.near))]
    RecordIdMissing { name: String, near: Option<String> },
    #[error("record_id names the column `{name}`, which holds secrets. Name another one")]
    RecordIdSecret { name: String },
    #[error("`{text}` is no mapping. Write --map \"Your column=email\"")]
    NoMapping { text: String },
}

fn meant(near: &Option<String>) -> String {
    match near {
        Some(name) => format!(" Did you mean `{name}`?"),
        None => String::new(),
    }
}

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
            .mapping
            .iter()
            .find(|(from, _)| !names.iter().any(|name| same_column(name, from)));
        if let (Some((name, _)), false) = (missing, grow) {
            let near = near::nearest(name, names.iter().map(String::as_str));
            return Err(ColumnsError::MappedColumnMissing {
                name: name.clone(),
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
        let mapping = mapping.iter().map(|(from, to)| match Field::named(to) {
            Some(field) if of_kind(field) => Ok((from.clone(), field)),
            _ => Err(ColumnsError::UnknownTarget {
                name: to.clone(),
                near: Field::nearest(to, of_kind).map(|field| field.as_str().to_owned()),
            }),
        });
        let mut columns = Self {
            kind,
            names: Vec::new(),
            positions: Arc::new([None; Field::ALL.len()]),
            late_duplicates: Vec::new(),
            not_kept: Vec::new(),
            mapping: mapping.collect::<Result<_, _>>()?,
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
        columns.has_what_is_needed(names)?;
        if let Some(wanted) = record_id {
            columns.call_rows_by(wanted.trim())?;
        }
        let warning = columns.warn_of_unknown(&unknown);
        columns.warnings.extend(warning);
        let unmatched = columns
            .mapping
            .iter()
            .filter(|(from, _)| !names.iter().any(|name| same_column(name, from)));
        let unmatched = unmatched.map(|(name, _)| {
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
        let unknown = self.take_in(&names[self.names.len()..]);
        let mut issues: Vec<Issue> = self.warn_of_unknown(&unknown).into_iter().collect();
        let is_new = |field: Field| before[field as usize].is_none() && self.has(field);
        let had_organization = before[Field::OrgId as usize]
            .or(before[Field::OrgExternalId as usize])
            .or(before[Field::OrgName as usize])
            .is_some();
        issues.extend(mode.warnings(self, is_new(Field::RoleSlugs), !had_organization));
        issues.extend(clearing::warning(self, rules, is_new));
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
            let field = Field::named(name).filter(|field| self.kind.fields().contains(field));
            match field {
                Some(field) if positions[field as usize].is_none() => {
                    positions[field as usize] = Some(position);
                }
                // Who maps another column to it has decided which of the two counts.
                Some(field) if !is_mapped(field) => self.late_duplicates.push((position, field)),
                _ => unknown.push(position),
            }
        }
        self.not_kept.extend_from_slice(&unknown);
        self.not_kept
            .extend(self.late_duplicates.iter().map(|(position, _)| *position));
        for field in Field::ALL.into_iter().filter(|field| field.is_secret()) {
            self.not_kept.extend(positions[field as usize]);
        }
        self.not_kept.sort_unstable();
        self.not_kept.dedup();
        self.positions = Arc::new(positions);
        unknown
    }

    /// One warning for all columns that mean nothing. The `problem` column of files that were given back is left out.
    fn warn_of_unknown(&self, unknown: &[usize]) -> Option<Issue> {
        let is_marked = |position: &usize| fold(&self.names[*position]) == PROBLEM;
        let told: Vec<usize> = unknown
            .iter()
            .copied()
            .filter(|position| !is_marked(position) && self.record_id != Some(*position))
            .filter(|position| !self.is_of_others(*position))
            .collect();
        if told.is_empty() {
            return None;
        }
        let mut names: Vec<String> = told.iter().take(20).map(|p| self.describe(*p)).collect();
        if told.len() > names.len() {
            names.push(format!("and {} more", told.len() - names.len()));
        }
        let message = format!("Unknown columns are ignored: {}", names.join(", "));
        Some(Issue::about_source(IssueCode::UnknownColumns, message))
    }

    /// Whether a column belongs to rows of another kind: one file of users can serve several commands. An import of users
    /// tells of all that it leaves out.
    fn is_of_others(&self, position: usize) -> bool {
        self.kind != RowKind::Users && Field::named(&self.names[position]).is_some()
    }

    fn describe(&self, position: usize) -> String {
        let name = &self.names[position];
        if name.is_empty() {
            return format!("column {} (without a name)", position + 1);
        }
        let free = |field| !self.has(field) && self.kind.fields().contains(&field);
        match Field::nearest(name, free) {
            Some(field) => format!("`{name}` (did you mean `{}`?)", field.as_str()),
            None => format!("`{name}`"),
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
