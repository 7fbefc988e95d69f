//! Owns the names of everything that can be wrong or odd in a source, each with its cause and remedy. The documentation
//! is generated from here; a name is never changed.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// What an issue is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IssueCode {
    MissingEmail,
    InvalidEmail,
    WrongType,
    InvalidBoolean,
    InvalidMetadata,
    MetadataLimit,
    UnusualMetadata,
    NestedMetadata,
    NullMetadata,
    InexactNumber,
    PasswordHashWithoutType,
    TypeWithoutHash,
    UnknownHashType,
    InvalidHashFormat,
    UnusualHashFormat,
    PasswordIgnored,
    ExternalIdTooLong,
    UnusualExternalId,
    SpreadsheetNumber,
    ConflictingOrganization,
    OrganizationNameAlone,
    OrganizationColumnsTooLate,
    OrganizationOptionsWin,
    UnusualOrganizationId,
    ConflictingOrganizationNames,
    InvalidRoleSlugs,
    UnusualRoleSlug,
    RolesWithoutOrganization,
    RolesIgnored,
    ConflictingUserFields,
    SharedExternalId,
    BrokenRecord,
    UnknownColumns,
    DuplicateColumn,
    UnmatchedMapping,
    NeverCleared,
    EncodingDoubt,
    MissingOrganization,
    MissingUser,
    MissingRoleSlug,
    InvalidRoleType,
    InvalidDomain,
    InvalidList,
    InvalidExpiresInDays,
    MissingTotpSecret,
    InvalidTotpSecret,
    MoreThanNamed,
    InvalidRole,
    UnknownTenant,
    InvalidTrait,
    MissingTrait,
    InvalidState,
    UnknownHashFormat,
    TraitsNotChecked,
    /// What a rule of the caller's own says, under a name of its own.
    Own(&'static str),
}

/// How many names rules may use. They are kept as long as the program runs; a name that is made up for each row, which was
/// never meant, is one of many then.
const OWN_NAMES: usize = 1_000;

static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

impl IssueCode {
    pub const ALL: [IssueCode; 54] = [
        Self::MissingEmail,
        Self::InvalidEmail,
        Self::WrongType,
        Self::InvalidBoolean,
        Self::InvalidMetadata,
        Self::MetadataLimit,
        Self::UnusualMetadata,
        Self::NestedMetadata,
        Self::NullMetadata,
        Self::InexactNumber,
        Self::PasswordHashWithoutType,
        Self::TypeWithoutHash,
        Self::UnknownHashType,
        Self::InvalidHashFormat,
        Self::UnusualHashFormat,
        Self::PasswordIgnored,
        Self::ExternalIdTooLong,
        Self::UnusualExternalId,
        Self::SpreadsheetNumber,
        Self::ConflictingOrganization,
        Self::OrganizationNameAlone,
        Self::OrganizationColumnsTooLate,
        Self::OrganizationOptionsWin,
        Self::UnusualOrganizationId,
        Self::ConflictingOrganizationNames,
        Self::InvalidRoleSlugs,
        Self::UnusualRoleSlug,
        Self::RolesWithoutOrganization,
        Self::RolesIgnored,
        Self::ConflictingUserFields,
        Self::SharedExternalId,
        Self::BrokenRecord,
        Self::UnknownColumns,
        Self::DuplicateColumn,
        Self::UnmatchedMapping,
        Self::NeverCleared,
        Self::EncodingDoubt,
        Self::MissingOrganization,
        Self::MissingUser,
        Self::MissingRoleSlug,
        Self::InvalidRoleType,
        Self::InvalidDomain,
        Self::InvalidList,
        Self::InvalidExpiresInDays,
        Self::MissingTotpSecret,
        Self::InvalidTotpSecret,
        Self::MoreThanNamed,
        Self::InvalidRole,
        Self::UnknownTenant,
        Self::InvalidTrait,
        Self::MissingTrait,
        Self::InvalidState,
        Self::UnknownHashFormat,
        Self::TraitsNotChecked,
    ];

    /// The code of this name for what a rule of the caller's own says: one of ours if it has the name, else the caller's.
    /// `None` unless the name has lower-case letters, digits and underscores only, 64 at most.
    pub fn own(name: &str) -> Option<Self> {
        let fits =
            |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
            return None;
        }
        if let Some(ours) = Self::ALL.into_iter().find(|code| code.as_str() == name) {
            return Some(ours);
        }
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Self::Own(match names.get(name) {
            Some(known) => known,
            None if names.len() >= OWN_NAMES => "own_rule",
            None => {
                let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
                names.insert(kept);
                kept
            }
        }))
    }

    /// The name in output and files.
    pub fn as_str(self) -> &'static str {
        self.texts().0
    }

    /// Why it happens, in plain words.
    pub fn cause(self) -> &'static str {
        self.texts().1
    }

    /// What to do about it, in plain words.
    pub fn remedy(self) -> &'static str {
        self.texts().2
    }

    #[rustfmt::skip]
    fn texts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::MissingEmail => ("missing_email",
                "The row has no email address.",
                "Fill in the `email` cell, or remove the row."),
            Self::InvalidEmail => ("invalid_email",
                "The `email` cell is not one address with one `@`, something on both sides of it, and no spaces.",
                "Correct the address. Write several addresses as several rows."),
            Self::WrongType => ("wrong_type",
                "A typed value (from JSON or Python) is of a kind that the column cannot have.",
                "Give the value as text, or as the kind that the message names."),
            Self::InvalidBoolean => ("invalid_boolean",
                "`email_verified` is none of true/false, 1/0, yes/no, y/n.",
                "Write true or false, or leave the cell empty."),
            Self::InvalidMetadata => ("invalid_metadata",
                "The `metadata` cell is not a JSON object.",
                "Use straight double quotes, like {\"role\":\"admin\"}. In CSV put the cell into quotes and write each \
                 quote in it twice."),
            Self::MetadataLimit => ("metadata_limit",
                "The API takes at most 50 pairs, keys of at most 40 and values of at most 600 characters.",
                "Shorten or remove what the message names."),
            Self::UnusualMetadata => ("unusual_metadata",
                "The API's documentation promises less: 10 pairs, and ASCII only.",
                "Nothing, if the API takes it. Otherwise shorten it."),
            Self::NestedMetadata => ("nested_metadata",
                "The API keeps text values only, so a list or an object inside `metadata` is stored as its JSON text.",
                "Nothing, if that is what you want. Otherwise write its parts as pairs of their own."),
            Self::NullMetadata => ("null_metadata",
                "A `null` inside `metadata` cannot be stored; the pair is left out.",
                "Nothing, or remove the pair."),
            Self::InexactNumber => ("inexact_number",
                "A number in `metadata` cannot be kept digit by digit and is stored in a shorter form.",
                "Write the number as text, in quotes."),
            Self::PasswordHashWithoutType => ("password_hash_without_type",
                "There is a `password_hash` but no `password_hash_type`.",
                "Fill in the type, such as bcrypt, or clear the hash."),
            Self::TypeWithoutHash => ("type_without_hash",
                "There is a `password_hash_type` but no `password_hash`.",
                "Fill in the hash, or clear the type."),
            Self::UnknownHashType => ("unknown_hash_type",
                "The API does not know this `password_hash_type`.",
                "Use bcrypt, firebase-scrypt, ssha, ssha256, scrypt, pbkdf2 or argon2."),
            Self::InvalidHashFormat => ("invalid_hash_format",
                "The hash is not written in the way of its type, so nobody could sign in with it.",
                "Export the hash whole, with its prefix, such as $2b$ for bcrypt, and name its real type."),
            Self::UnusualHashFormat => ("unusual_hash_format",
                "The hash does not begin as hashes of its type usually do; the API may refuse it.",
                "Try one row first. Most types are taken in the form $type$parameters$salt$hash."),
            Self::PasswordIgnored => ("password_ignored",
                "The row has a password and a hash. The hash is sent, the password is not.",
                "Nothing, or clear one of the two."),
            Self::ExternalIdTooLong => ("external_id_too_long",
                "The API takes external ids of at most 128 characters.",
                "Use a shorter id."),
            Self::UnusualExternalId => ("unusual_external_id",
                "The API's documentation promises external ids of at most 64 ASCII characters.",
                "Nothing, if the API takes it. Otherwise use a shorter id of plain letters and digits."),
            Self::SpreadsheetNumber => ("spreadsheet_number",
                "An id looks like 1.2E+15: a spreadsheet has changed a long number, and its digits are lost.",
                "Export again with the column formatted as text."),
            Self::ConflictingOrganization => ("conflicting_organization",
                "The row names its organization by `org_id` and by `org_external_id`.",
                "Clear one of the two."),
            Self::OrganizationNameAlone => ("organization_name_alone",
                "The row has only `org_name`. Names are not unique, so it does not say which organization is meant.",
                "Add `org_external_id` (your own id for the organization) or `org_id`."),
            Self::OrganizationColumnsTooLate => ("organization_columns_too_late",
                "An organization appears only after the import was decided to be without organizations.",
                "Give the first record the key `org_external_id` or `org_id` too, if need be as null."),
            Self::OrganizationOptionsWin => ("organization_options_win",
                "The file has organization columns, and an organization was also given as an option; the option wins.",
                "Leave out the option to use the columns."),
            Self::UnusualOrganizationId => ("unusual_organization_id",
                "WorkOS organization ids begin with `org_`.",
                "If it is your own id, put it into `org_external_id`."),
            Self::ConflictingOrganizationNames => ("conflicting_organization_names",
                "Rows give one organization different names. The first name counts.",
                "Make the names equal."),
            Self::InvalidRoleSlugs => ("invalid_role_slugs",
                "`role_slugs` is neither a list with commas nor a JSON array of texts.",
                "Write admin,member or [\"admin\",\"member\"]."),
            Self::UnusualRoleSlug => ("unusual_role_slug",
                "Role slugs have lower-case letters, digits, - and _ only.",
                "Use the slug of the role, not its name."),
            Self::RolesWithoutOrganization => ("roles_without_organization",
                "The row has roles but no organization, so there is no membership to give them to.",
                "Add the organization, or clear the roles."),
            Self::RolesIgnored => ("roles_ignored",
                "The file has a `role_slugs` column, but no memberships are created without organizations.",
                "Add organization columns or an organization option, or nothing."),
            Self::ConflictingUserFields => ("conflicting_user_fields",
                "Several rows are about one user and do not agree. The first row's fields count.",
                "Make the rows equal, or leave the fields empty in all but the first."),
            Self::SharedExternalId => ("shared_external_id",
                "Rows about different users have one `external_id`. All but one of them will fail: it names one user.",
                "Correct the ids, or the emails."),
            Self::BrokenRecord => ("broken_record",
                "The record could not be taken apart into cells.",
                "The message says what is wrong with it."),
            Self::UnknownColumns => ("unknown_columns",
                "These columns have no meaning for an import and are ignored.",
                "Nothing, or rename them, or use --map \"Your column=email\"."),
            Self::DuplicateColumn => ("duplicate_column",
                "Two keys of the row mean the same column.",
                "Use one spelling of the key."),
            Self::UnmatchedMapping => ("unmatched_mapping",
                "A column that --map names has not been seen so far.",
                "Check its spelling."),
            Self::NeverCleared => ("never_cleared",
                "With --clear-empty, empty cells of these columns are left alone all the same: ids, passwords and roles are \
                 never taken away, and true or false cannot be empty.",
                "Nothing, or change what is there in WorkOS itself."),
            Self::EncodingDoubt => ("encoding_doubt",
                "Some records are not UTF-8.",
                "Save the file as UTF-8, or name its encoding with --encoding."),
            Self::MissingOrganization => ("missing_organization",
                "The row names no organization.",
                "Fill in `org_external_id` (your own id for it) or `org_id`."),
            Self::MissingUser => ("missing_user",
                "The row of a membership names no user.",
                "Fill in `email`, `user_external_id` or `user_id`."),
            Self::MissingRoleSlug => ("missing_role_slug",
                "The row has no `role_slug`.",
                "Fill it in, or remove the row."),
            Self::InvalidRoleType => ("invalid_role_type",
                "The `role_type` is neither `environment` nor `organization`, or the slug of an organization's role does not begin with `org-`.",
                "Correct the cell that the message names."),
            Self::InvalidDomain => ("invalid_domain",
                "A part of the `domains` cell is no domain.",
                "Write acme.com, or acme.com:verified if you vouch for it; several with commas."),
            Self::InvalidList => ("invalid_list",
                "The cell is no list of texts.",
                "Write the texts with commas between them, or as a JSON array."),
            Self::InvalidExpiresInDays => ("invalid_expires_in_days",
                "`expires_in_days` is no whole number from 1 to 30.",
                "Correct the number, or clear the cell: an invitation is then open for 7 days."),
            Self::MissingTotpSecret => ("missing_totp_secret",
                "The row has no `totp_secret`.",
                "Fill it in, or remove the row."),
            Self::InvalidTotpSecret => ("invalid_totp_secret",
                "The `totp_secret` is not Base32.",
                "Export the secret as Base32: letters A to Z and digits 2 to 7."),
            Self::MoreThanNamed => ("more_than_named",
                "A role has permissions that its row does not name. They are left.",
                "Nothing, or --remove-permissions, which takes them away."),
            Self::InvalidRole => ("invalid_role",
                "The `role` is none of those that are allowed.",
                "Correct the role, or allow it."),
            Self::UnknownTenant => ("unknown_tenant",
                "The `tenant_id` is none of those that are known.",
                "Correct the id, or make the tenant known first."),
            Self::InvalidTrait => ("invalid_trait",
                "A value is not what the identity schema wants in its place.",
                "Correct the cell, or map the column to another trait."),
            Self::MissingTrait => ("missing_trait",
                "The identity schema demands a trait for which the row has no value.",
                "Fill it in, or map the column that has it with --map \"Your column=traits.name\"."),
            Self::InvalidState => ("invalid_state",
                "The `state` is neither `active` nor `inactive`.",
                "Write one of the two, or leave the cell empty: identities are made active."),
            Self::UnknownHashFormat => ("unknown_hash_format",
                "The `password_hash` does not begin like any hash that Ory Kratos documents.",
                "Write it in such a form, such as $2a$, $argon2id$ or $pbkdf2-sha256$ and what follows. A bare \
                 hash needs its parameters in front of it."),
            Self::TraitsNotChecked => ("traits_not_checked",
                "Nothing is known of the identity schema, so traits are not compared with it.",
                "Name the schema as a file, or let the check ask the server for it."),
            Self::Own(name) => (name,
                "A rule of the importing program says so.",
                "Correct the row, or the rule."),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_is_listed_once_and_explained() {
        let names: HashSet<_> = IssueCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), IssueCode::ALL.len());
        let source = include_str!("code.rs");
        let (_, variants) = source.split_once("pub enum IssueCode {").unwrap();
        let (variants, _) = variants.split_once('}').unwrap();
        let is_ours = |line: &&str| line.ends_with(',') && !line.contains('(');
        assert_eq!(
            variants.lines().filter(is_ours).count(),
            IssueCode::ALL.len()
        );
        for code in IssueCode::ALL {
            assert!(!code.cause().is_empty() && !code.remedy().is_empty());
            let is_snake = |letter: char| letter.is_ascii_lowercase() || letter == '_';
            assert!(code.as_str().chars().all(is_snake));
        }
    }

    #[test]
    fn a_rule_has_a_code_of_its_own_or_one_of_ours() {
        assert_eq!(
            IssueCode::own("invalid_email"),
            Some(IssueCode::InvalidEmail)
        );
        let own = IssueCode::own("wrong_team_2").unwrap();
        assert_eq!(
            (own.as_str(), IssueCode::own("wrong_team_2")),
            ("wrong_team_2", Some(own))
        );
        for name in ["", "Team", "a b", "é", &"x".repeat(65)] {
            assert_eq!(IssueCode::own(name), None, "{name}");
        }
    }

    #[test]
    fn the_documentation_has_every_code_with_its_cause_and_remedy() {
        // Which words are set as code is the page's own affair.
        let page = include_str!("../../../docs/errors.md").replace('`', "");
        for code in IssueCode::ALL {
            // A table's cells escape what would end them.
            let cell = |text: &str| text.replace('|', "\\|").replace('`', "");
            let row = format!(
                "| {} | {} | {} |",
                code.as_str(),
                cell(code.cause()),
                cell(code.remedy())
            );
            assert!(page.contains(&row), "docs/errors.md lacks: {row}");
        }
    }
}
