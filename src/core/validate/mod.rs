//! Owns the check of a whole source without a connection: each row by itself, then the rows against each other, in
//! memory that does not grow with the source.

#[cfg(test)]
mod speed;
mod spill;

use std::hash::{BuildHasher, RandomState};
use std::io;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::row::digest::for_each_field;
use crate::row::{
    Claim, Columns, ColumnsError, Interpreted, Issue, IssueCode, Mode, ModeError,
    OrganizationClaim, OrganizationOptions, OrganizationReference, Row, Rules, Severity, UserClaim,
    interpret,
};
use crate::source::{Source, SourceError};

use spill::{Entry, Spill};

/// How many records are read at once: few enough to stay in the processor's cache.
const BATCH: usize = 128;

/// What a check needs to know of the options of an import.
#[derive(Clone, Debug, Default)]
pub struct ValidateOptions {
    /// Pairs such as (`E-Mail`, `email`).
    pub mapping: Vec<(String, String)>,
    pub organization: OrganizationOptions,
    pub rules: Rules,
}

/// What a check counted. Every number is of the whole source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidateSummary {
    pub mode: Mode,
    pub records: u64,
    /// Records that would be imported.
    pub valid: u64,
    /// Records with an error.
    pub failed: u64,
    pub errors: u64,
    pub warnings: u64,
    /// Distinct users of the valid records.
    pub users: u64,
    /// Distinct organizations of the valid records.
    pub organizations: u64,
    /// Valid records that claim a membership.
    pub memberships: u64,
}

/// Why a source could not be checked.
#[derive(Debug, Error)]
pub enum ValidateError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Columns(#[from] ColumnsError),
    #[error(transparent)]
    Mode(#[from] ModeError),
    #[error("Cannot use the folder for temporary files: {0}. Free some space, or set TMPDIR")]
    Temporary(#[from] io::Error),
}

/// Checks all records of a source from where it stands. Each issue is told as it is found; those between rows come
/// last, because a source is read once.
pub fn validate(
    source: &mut dyn Source,
    options: &ValidateOptions,
    mut tell: impl FnMut(Issue),
) -> Result<ValidateSummary, ValidateError> {
    let mut batch = source.next_batch(BATCH)?;
    let mut columns = if source.columns_grow() {
        Columns::resolve_growing(source.columns(), &options.mapping)?
    } else {
        Columns::resolve(source.columns(), &options.mapping)?
    };
    let (mode, said) = Mode::decide(&options.organization, &columns)?;
    let mut check = Check::new(mode, &mut tell)?;
    for text in source.warnings() {
        check.tell(Issue::about_source(IssueCode::EncodingDoubt, text));
    }
    let first: Vec<Issue> = columns.warnings().iter().cloned().chain(said).collect();
    first.into_iter().for_each(|issue| check.tell(issue));
    while !batch.is_empty() {
        for record in batch {
            let interpreted = interpret(&columns, &check.summary.mode, record, &options.rules);
            check.take(interpreted)?;
        }
        batch = source.next_batch(BATCH)?;
        let grown = columns.grow(source.columns(), &check.summary.mode);
        grown.into_iter().for_each(|issue| check.tell(issue));
    }
    check.finish()
}

struct Check<'tell> {
    summary: ValidateSummary,
    tell: &'tell mut dyn FnMut(Issue),
    /// Seeded anew for each check: entries mean nothing to anybody else.
    hashing: RandomState,
    /// What a user's fields are, one after the other, to be hashed.
    scratch: Zeroizing<Vec<u8>>,
    users: Spill,
    organizations: Spill,
    /// The organization seen last: files are often sorted by it, and it need not be written again.
    last_organization: Option<OrganizationClaim>,
}

impl<'tell> Check<'tell> {
    fn new(mode: Mode, tell: &'tell mut dyn FnMut(Issue)) -> io::Result<Self> {
        Ok(Self {
            summary: ValidateSummary {
                mode,
                records: 0,
                valid: 0,
                failed: 0,
                errors: 0,
                warnings: 0,
                users: 0,
                organizations: 0,
                memberships: 0,
            },
            tell,
            hashing: RandomState::new(),
            scratch: Zeroizing::default(),
            users: Spill::new(),
            organizations: Spill::new(),
            last_organization: None,
        })
    }

    fn tell(&mut self, issue: Issue) {
        match issue.severity {
            Severity::Error => self.summary.errors += 1,
            Severity::Warning => self.summary.warnings += 1,
        }
        (self.tell)(issue);
    }

    fn take(&mut self, interpreted: Interpreted) -> io::Result<()> {
        self.summary.records += 1;
        for warning in interpreted.warnings {
            self.tell(warning);
        }
        match interpreted.row {
            Ok(row) => {
                self.summary.valid += 1;
                self.remember(&row)
            }
            Err(rejected) => {
                self.summary.failed += 1;
                rejected
                    .issues
                    .into_iter()
                    .for_each(|issue| self.tell(issue));
                Ok(())
            }
        }
    }

    fn remember(&mut self, row: &Row) -> io::Result<()> {
        for step in &row.steps {
            match &step.claim {
                Claim::User(user) => {
                    let entry = Entry {
                        key: self.short_hash(b'u', &user.email),
                        value: self.fields_hash(user),
                        record_number: row.identity.record_number,
                        line: row.identity.line.unwrap_or_default(),
                    };
                    self.users.push(entry)?;
                }
                Claim::Organization(organization) => {
                    self.remember_organization(organization, row)?
                }
                Claim::Membership(_) => self.summary.memberships += 1,
            }
        }
        Ok(())
    }

    fn remember_organization(
        &mut self,
        organization: &OrganizationClaim,
        row: &Row,
    ) -> io::Result<()> {
        if self.last_organization.as_ref() == Some(organization) {
            return Ok(());
        }
        let key = match &organization.reference {
            OrganizationReference::Id(id) => self.short_hash(b'i', id),
            OrganizationReference::ExternalId(id) => self.short_hash(b'x', id),
        };
        let name = organization.name.as_deref();
        self.organizations.push(Entry {
            key,
            value: name.map_or(0, |name| self.short_hash(b'n', name).max(1)),
            record_number: row.identity.record_number,
            line: row.identity.line.unwrap_or_default(),
        })?;
        self.last_organization = Some(organization.clone());
        Ok(())
    }

    fn short_hash(&self, tag: u8, text: &str) -> u64 {
        self.hashing.hash_one((tag, text))
    }

    /// 0 if the row says nothing about its user but the email.
    fn fields_hash(&mut self, user: &UserClaim) -> u64 {
        self.scratch.clear();
        let scratch = &mut self.scratch;
        for_each_field(user, |tag, text| {
            scratch.push(tag);
            scratch.extend_from_slice(&(text.len() as u32).to_le_bytes());
            scratch.extend_from_slice(text.as_bytes());
        });
        match self.scratch.is_empty() {
            true => 0,
            false => self.hashing.hash_one(self.scratch.as_slice()).max(1),
        }
    }

    fn finish(mut self) -> Result<ValidateSummary, ValidateError> {
        let users = std::mem::replace(&mut self.users, Spill::new());
        self.summary.users = users.groups(|first, later| {
            let message = format!(
                "the row is about the same user as record {} and says something else. The first row's fields count",
                first.record_number
            );
            self.tell(between_rows(IssueCode::ConflictingUserFields, later, message));
        })?;
        let organizations = std::mem::replace(&mut self.organizations, Spill::new());
        self.summary.organizations = organizations.groups(|first, later| {
            let message = format!(
                "the row gives its organization another name than record {}. The first name counts",
                first.record_number
            );
            let code = IssueCode::ConflictingOrganizationNames;
            self.tell(between_rows(code, later, message));
        })?;
        Ok(self.summary)
    }
}

fn between_rows(code: IssueCode, entry: &Entry, message: String) -> Issue {
    Issue {
        severity: Severity::Warning,
        code,
        record_number: Some(entry.record_number),
        line: (entry.line > 0).then_some(entry.line),
        column: None,
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Format, open_reader};

    fn validated(text: &'static str) -> (ValidateSummary, Vec<String>) {
        let reader = Box::new(text.as_bytes());
        let mut source = open_reader("users.csv", reader, &Format::default()).unwrap();
        let mut issues = Vec::new();
        let options = ValidateOptions::default();
        let tell = |issue: Issue| {
            let record = issue.record_number.unwrap_or_default();
            issues.push(format!("{record} {}", issue.code.as_str()));
        };
        let summary = validate(source.as_mut(), &options, tell).unwrap();
        (summary, issues)
    }

    #[test]
    fn rows_are_checked_and_then_compared() {
        let (summary, issues) = validated(
            "email,first_name,org_external_id,org_name,phone\n\
             a@b.c,Ada,acme,Acme,1\n\
             A@B.C,Ada,beta,Beta,2\n\
             a@b.c,,acme,,3\n\
             a@b.c,Eve,acme,Acme Inc,4\n\
             nobody,x,acme,,5\n\
             d@e.f,\"x\"y,acme,,6\n\
             g@h.i,,,,\n",
        );
        let expected = [
            "0 unknown_columns",
            "5 invalid_email",
            "6 broken_record",
            "4 conflicting_user_fields",
            "4 conflicting_organization_names",
        ];
        assert_eq!(issues, expected);
        assert_eq!((summary.records, summary.valid, summary.failed), (7, 5, 2));
        assert_eq!((summary.errors, summary.warnings), (2, 3));
        assert_eq!(
            (summary.users, summary.organizations, summary.memberships),
            (2, 2, 4)
        );
    }

    #[test]
    fn a_header_without_rows_is_no_error_here() {
        let (summary, _) = validated("email\n");
        assert_eq!(summary.records, 0);
    }
}
