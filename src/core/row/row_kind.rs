//! Owns the kinds of rows that a source can have: what each row of it is about, and the columns that it understands.

use super::field::Field;
use super::step::Kind;

/// What the rows of a source are about. The names are those of the commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RowKind {
    #[default]
    Users,
    Organizations,
    /// Of users who are there.
    Memberships,
    /// With their permissions; of the environment, or of an organization.
    Roles,
    Invitations,
    PasswordResets,
    TotpFactors,
    /// Users whose fields a schema decides.
    Identities,
}

impl RowKind {
    pub const ALL: [RowKind; 8] = [
        Self::Users,
        Self::Organizations,
        Self::Memberships,
        Self::Roles,
        Self::Invitations,
        Self::PasswordResets,
        Self::TotpFactors,
        Self::Identities,
    ];

    /// `users`, `organizations`, `memberships`, `roles`, `invitations`, `password-resets`, `totp-factors`,
    /// `identities`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Organizations => "organizations",
            Self::Memberships => "memberships",
            Self::Roles => "roles",
            Self::Invitations => "invitations",
            Self::PasswordResets => "password-resets",
            Self::TotpFactors => "totp-factors",
            Self::Identities => "identities",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The kind of step that a row is about: its effect decides the row's outcome.
    pub fn subject(self) -> Kind {
        match self {
            Self::Users | Self::Identities => Kind::User,
            Self::Organizations => Kind::Organization,
            Self::Memberships => Kind::Membership,
            Self::Roles => Kind::Role,
            Self::Invitations => Kind::Invitation,
            Self::PasswordResets => Kind::PasswordReset,
            Self::TotpFactors => Kind::TotpFactor,
        }
    }

    /// What an import of them does, in a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Users => "Users will be imported",
            Self::Organizations => "Organizations will be created or updated",
            Self::Memberships => "Users who are there will be added to their organizations",
            Self::Roles => "Roles and their permissions will be created or updated",
            Self::Invitations => "Invitations will be sent to those who have no open one",
            Self::PasswordResets => {
                "Mails to set a password will be sent to users who bring none, once to each"
            }
            Self::TotpFactors => "TOTP factors will be enrolled for users who have none",
            Self::Identities => "Identities will be imported",
        }
    }

    /// Whether each row sends a mail to somebody.
    pub fn sends_mails(self) -> bool {
        matches!(self, Self::Invitations | Self::PasswordResets)
    }

    /// Whether a directory can be compared with rows of this kind, and what they made be taken back.
    pub fn is_comparable(self) -> bool {
        matches!(
            self,
            Self::Users | Self::Organizations | Self::Memberships | Self::Identities
        )
    }

    /// The columns that are understood.
    pub fn fields(self) -> &'static [Field] {
        match self {
            Self::Users => Field::of_users(),
            Self::Organizations => &[
                Field::OrgExternalId,
                Field::OrgId,
                Field::OrgName,
                Field::Domains,
                Field::Metadata,
            ],
            Self::Memberships => &[
                Field::Email,
                Field::UserExternalId,
                Field::UserId,
                Field::OrgExternalId,
                Field::OrgId,
                Field::RoleSlugs,
            ],
            Self::Roles => &[
                Field::RoleSlug,
                Field::RoleName,
                Field::RoleType,
                Field::Permissions,
                Field::OrgExternalId,
                Field::OrgId,
            ],
            Self::Invitations => &[
                Field::Email,
                Field::OrgExternalId,
                Field::OrgId,
                Field::RoleSlug,
                Field::ExpiresInDays,
                Field::InviterUserId,
                Field::Locale,
            ],
            Self::PasswordResets => &[
                Field::Email,
                Field::Password,
                Field::PasswordHash,
                Field::PasswordHashType,
            ],
            Self::TotpFactors => &[
                Field::Email,
                Field::TotpSecret,
                Field::TotpIssuer,
                Field::TotpUser,
            ],
            Self::Identities => &[
                Field::Email,
                Field::FirstName,
                Field::LastName,
                Field::Role,
                Field::TenantId,
                Field::InitialPassword,
                Field::Password,
                Field::PasswordHash,
                Field::ExternalId,
                Field::EmailVerified,
                Field::State,
                Field::MetadataPublic,
                Field::MetadataAdmin,
            ],
        }
    }

    /// Columns of which a source has one at least, each list for itself.
    pub(super) fn needed(self) -> &'static [&'static [Field]] {
        const EMAIL: &[Field] = &[Field::Email];
        const ORGANIZATION: &[Field] = &[Field::OrgExternalId, Field::OrgId];
        match self {
            Self::Users | Self::Invitations | Self::PasswordResets | Self::Identities => &[EMAIL],
            Self::Organizations => &[ORGANIZATION],
            // The organization can be named by an option.
            Self::Memberships => &[&[Field::Email, Field::UserExternalId, Field::UserId]],
            Self::Roles => &[&[Field::RoleSlug]],
            Self::TotpFactors => &[EMAIL, &[Field::TotpSecret]],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_understands_the_columns_that_it_needs() {
        for kind in RowKind::ALL {
            assert_eq!(RowKind::named(kind.as_str()), Some(kind));
            for field in kind.needed().iter().copied().flatten() {
                assert!(kind.fields().contains(field), "{field:?} of {kind:?}");
            }
        }
        assert_eq!(RowKind::named("groups"), None);
    }
}
