//! Owns what is said of columns that mean nothing: that they are ignored, and what was perhaps meant.

use super::{Columns, fold, same_column};
use crate::row::IssueCode;
use crate::row::field::Field;
use crate::row::interpret::Rules;
use crate::row::issue::Issue;
use crate::row::row_kind::RowKind;
use crate::source::PROBLEM;

impl Columns {
    /// One warning for all columns that mean nothing. The `problem` column of files that were given back is left out.
    pub(super) fn warn_of_unknown(&self, unknown: &[usize]) -> Option<Issue> {
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

    /// Whether a column belongs to rows of another kind: one file of users can serve several commands. Imports of users
    /// tell of all that they leave out, but for the type of a hash that says itself of which it is.
    fn is_of_others(&self, position: usize) -> bool {
        let Some(field) = Field::named(&self.names[position]) else {
            return false;
        };
        match self.kind {
            RowKind::Users => false,
            RowKind::Identities => field == Field::PasswordHashType,
            _ => {
                let mut others = RowKind::ALL.into_iter();
                others.any(|kind| kind != RowKind::Identities && kind.fields().contains(&field))
            }
        }
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

    /// What has to be said once about columns that are ignored though the identity schema has a trait of that name.
    pub fn unmapped_traits(&self, rules: &Rules) -> Option<Issue> {
        self.traits_of_that_name(0, rules)
    }

    pub(super) fn traits_of_that_name(&self, first: usize, rules: &Rules) -> Option<Issue> {
        let schema = rules.identities.as_ref()?.schema.as_ref()?;
        let fields = &self.positions;
        let unknown = (first..self.names.len())
            .filter(|position| !fields.contains(&Some(*position)) && !self.places.has(*position));
        let unknown = unknown.map(|position| &self.names[position]);
        let found: Vec<String> = unknown
            .filter_map(|name| {
                let known = schema.names().find(|known| same_column(name, known))?;
                Some(format!("--map \"{name}=traits.{known}\""))
            })
            .collect();
        (self.kind == RowKind::Identities && !found.is_empty()).then(|| {
            let message = format!(
                "The identity schema has traits for columns that are ignored. To import them: {}",
                found.join(" ")
            );
            Issue::about_source(IssueCode::UnknownColumns, message)
        })
    }
}
