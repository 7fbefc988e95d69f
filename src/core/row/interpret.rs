//! Owns the way from a record to a row: the steps that it claims, or what is wrong with it.

use std::sync::Arc;

use super::claim::{Claim, MembershipClaim, UserClaim};
use super::columns::Columns;
use super::field::Field;
use super::identity::{self, IdentityRules};
use super::issue::{Issue, Notes, quoted};
use super::metadata::longer_than;
use super::mode::Mode;
use super::row_identity::{RowIdentity, label};
use super::row_kind::RowKind;
use super::step::Step;
use super::{IssueCode, clearing, convert, metadata, organization, other_rows, password};
use crate::source::{CellView, Cells, Record};

/// OpenAPI document of WorkOS, in characters.
const EXTERNAL_ID_LENGTH: usize = 128;
/// workos.com/docs: longer ids are not promised.
const PROMISED_EXTERNAL_ID_LENGTH: usize = 64;

/// What of the options changes the meaning of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// `false` with `--no-create-orgs`: a row's `org_name` is not used.
    pub create_organizations: bool,
    /// `--clear-empty`: an empty cell says that its field is to be empty.
    pub clear_empty: bool,
    /// `--remove-permissions`: permissions of a role that its row does not name are taken away.
    pub exact_permissions: bool,
    /// What is known of identities; needed where rows are about them.
    pub identities: Option<Arc<IdentityRules>>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            create_organizations: true,
            clear_empty: false,
            exact_permissions: false,
            identities: None,
        }
    }
}

/// A record that makes sense.
#[derive(Clone, Debug)]
pub struct Row {
    pub identity: RowIdentity,
    /// In the order in which they are ensured; of users: organization (if the row has one), user, membership (if it has an
    /// organization).
    pub steps: Vec<Step>,
}

impl Row {
    /// What the row says about its user.
    pub fn user(&self) -> Option<&UserClaim> {
        self.steps.iter().find_map(|step| match &step.claim {
            Claim::User(user) => Some(user.as_ref()),
            _ => None,
        })
    }
}

/// A record that fails before anything is sent.
#[derive(Clone, Debug)]
pub struct Rejected {
    pub identity: RowIdentity,
    /// Errors only, at least one.
    pub issues: Vec<Issue>,
}

/// What became of a record.
#[derive(Clone, Debug)]
pub struct Interpreted {
    pub row: Result<Row, Rejected>,
    pub warnings: Vec<Issue>,
}

impl Interpreted {
    pub fn identity(&self) -> &RowIdentity {
        match &self.row {
            Ok(row) => &row.identity,
            Err(rejected) => &rejected.identity,
        }
    }
}

/// Says what a record means. All that is wrong with it is found at once.
pub fn interpret(columns: &Columns, mode: &Mode, record: Record, rules: &Rules) -> Interpreted {
    let mut notes = Notes::new(columns, record.number, record.line);
    let mut identity = RowIdentity {
        record_number: record.number,
        line: record.line,
        kind: columns.kind(),
        positions: Arc::clone(columns.positions()),
        record_id: columns.record_id(),
        own_names: columns.own_names().cloned(),
        cells: None,
    };
    let mut steps = Vec::new();
    match record.content {
        Ok(mut cells) => {
            steps = read(columns, mode, &cells, rules, &mut notes);
            if let Some(position) = columns.record_id() {
                notes.call(label(cells.get(position)).as_deref());
            }
            for position in columns.not_kept() {
                cells.forget(*position);
            }
            identity.cells = Some(cells);
        }
        Err(broken) => notes.error_at(IssueCode::BrokenRecord, broken.cell, broken.to_string()),
    }
    let row = if notes.errors.is_empty() {
        Ok(Row { identity, steps })
    } else {
        Err(Rejected {
            identity,
            issues: notes.errors,
        })
    };
    Interpreted {
        row,
        warnings: notes.warnings,
    }
}

fn read(
    columns: &Columns,
    mode: &Mode,
    cells: &Cells,
    rules: &Rules,
    notes: &mut Notes,
) -> Vec<Step> {
    for (position, field) in columns.late_duplicates() {
        if !cells.get(*position).is_blank() {
            let message = format!(
                "this key means `{}`, as another key before it did. Use one spelling",
                field.as_str()
            );
            notes.error_at(IssueCode::DuplicateColumn, Some(*position), message);
        }
    }
    let cell = |field| match columns.position(field) {
        Some(position) => cells.get(position),
        None => CellView::Missing,
    };
    if columns.kind() == RowKind::Identities {
        return match &rules.identities {
            Some(identities) => identity::read(columns, cells, identities, notes),
            None => identity::read(columns, cells, &IdentityRules::default(), notes),
        };
    }
    if let Mode::Others { kind, organization } = mode {
        return other_rows::read(*kind, organization.as_ref(), cell, rules, notes);
    }
    let password = password::password(
        cell(Field::Password),
        cell(Field::PasswordHash),
        cell(Field::PasswordHashType),
        notes,
    );
    let mut clears = clearing::clears(cell, rules);
    let pairs = rules.clear_empty.then_some(&mut clears);
    let user = UserClaim {
        email: email(cell(Field::Email), notes),
        first_name: convert::text(cell(Field::FirstName), Field::FirstName, notes),
        last_name: convert::text(cell(Field::LastName), Field::LastName, notes),
        name: convert::text(cell(Field::Name), Field::Name, notes),
        email_verified: convert::boolean(cell(Field::EmailVerified), Field::EmailVerified, notes),
        external_id: external_id(cell(Field::ExternalId), notes),
        metadata: metadata::metadata(cell(Field::Metadata), pairs, notes),
        password,
        clears,
        identity: None,
    };
    let organization = match mode {
        Mode::SingleOrganization(organization) => Some(organization.clone()),
        Mode::MultiOrganization => {
            let id = cell(Field::OrgId);
            let external_id = cell(Field::OrgExternalId);
            let claim = organization::organization(id, external_id, cell(Field::OrgName), notes);
            claim.map(|mut claim| {
                claim.name = claim.name.filter(|_| rules.create_organizations);
                claim
            })
        }
        Mode::Others { .. } => None,
        Mode::UserOnly => {
            for field in [Field::OrgId, Field::OrgExternalId, Field::OrgName] {
                if !cell(field).is_blank() {
                    let message = "the import was decided to be without organizations before this key appeared. Give \
                                   the first record the key too, if need be as null";
                    notes.error(IssueCode::OrganizationColumnsTooLate, field, message);
                }
            }
            None
        }
    };
    let mut steps = Vec::with_capacity(3);
    let roles = match mode {
        Mode::UserOnly => Vec::new(),
        _ => organization::roles(cell(Field::RoleSlugs), notes),
    };
    match organization {
        Some(organization) => {
            steps.push(Step::new(Claim::Organization(organization)));
            steps.push(Step::new(Claim::User(Box::new(user))));
            steps.push(Step::new(Claim::Membership(MembershipClaim { roles })));
        }
        None => {
            if !roles.is_empty() && notes.errors.is_empty() {
                notes.warning(
                    IssueCode::RolesWithoutOrganization,
                    Field::RoleSlugs,
                    "the row has roles but no organization: the user is made, without a membership",
                );
            }
            steps.push(Step::new(Claim::User(Box::new(user))));
        }
    }
    steps
}

/// The email as the API keeps it: trimmed and lower-cased. Empty if it is wrong, which is noted.
pub(super) fn email(cell: CellView, notes: &mut Notes) -> String {
    let Some(email) = convert::text(cell, Field::Email, notes) else {
        if cell.is_blank() {
            let message = "the row has no email. Fill it in, or remove the row";
            notes.error(IssueCode::MissingEmail, Field::Email, message);
        }
        return String::new();
    };
    if !is_address(&email) {
        let message = format!(
            "{} is no email address: one @, something on both sides, no spaces, no < > , ;",
            quoted(&email)
        );
        notes.error(IssueCode::InvalidEmail, Field::Email, message);
        return String::new();
    }
    if email.is_ascii() {
        let mut email = email;
        email.make_ascii_lowercase();
        return email;
    }
    email.to_lowercase()
}

/// Lenient: what is no address for certain. The API has the last word.
fn is_address(email: &str) -> bool {
    let has_wrong_letter = match email.is_ascii() {
        true => email.bytes().any(|byte| NEVER_IN_ONE[byte as usize]),
        false => email.chars().any(is_never_in_one),
    };
    match email.split_once('@') {
        Some((local, domain)) => {
            !local.is_empty() && !domain.is_empty() && !domain.contains('@') && !has_wrong_letter
        }
        None => false,
    }
}

fn is_never_in_one(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || matches!(letter, '<' | '>' | ',' | ';')
}

/// The same for bytes of ASCII, looked up instead of asked: every letter of every address comes by here.
const NEVER_IN_ONE: [bool; 128] = {
    let mut table = [false; 128];
    let mut byte = 0_u8;
    while byte < 128 {
        let letter = byte as char;
        table[byte as usize] =
            letter.is_ascii_control() || matches!(letter, ' ' | '<' | '>' | ',' | ';');
        byte += 1;
    }
    table
};

fn external_id(cell: CellView, notes: &mut Notes) -> Option<String> {
    let id = convert::identifier(cell, Field::ExternalId, notes)?;
    if longer_than(&id, EXTERNAL_ID_LENGTH) {
        let message = format!("external_id is longer than {EXTERNAL_ID_LENGTH} characters");
        notes.error(IssueCode::ExternalIdTooLong, Field::ExternalId, message);
    } else if longer_than(&id, PROMISED_EXTERNAL_ID_LENGTH) || !id.is_ascii() {
        let message = format!(
            "the API's documentation promises external ids of at most {PROMISED_EXTERNAL_ID_LENGTH} ASCII characters"
        );
        notes.warning(IssueCode::UnusualExternalId, Field::ExternalId, message);
    }
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::{NEVER_IN_ONE, is_never_in_one};

    #[test]
    fn the_table_says_what_the_rule_says() {
        for (byte, never) in (0_u8..).zip(NEVER_IN_ONE) {
            assert_eq!(never, is_never_in_one(char::from(byte)), "{byte}");
        }
    }
}
