//! Owns the names of columns: which a source can have, and which name means which.

use super::columns::fold;
use super::near;

/// A column that imports understand; [`RowKind::fields`] says which of them those of one kind do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    Email,
    FirstName,
    LastName,
    Name,
    Password,
    PasswordHash,
    PasswordHashType,
    EmailVerified,
    ExternalId,
    Metadata,
    OrgId,
    OrgExternalId,
    OrgName,
    RoleSlugs,
    UserId,
    UserExternalId,
    Domains,
    RoleSlug,
    RoleName,
    RoleType,
    Permissions,
    ExpiresInDays,
    InviterUserId,
    Locale,
    TotpSecret,
    TotpIssuer,
    TotpUser,
    InitialPassword,
    Role,
    TenantId,
    State,
    MetadataPublic,
    MetadataAdmin,
}

impl Field {
    pub const ALL: [Field; 33] = [
        Self::Email,
        Self::FirstName,
        Self::LastName,
        Self::Name,
        Self::Password,
        Self::PasswordHash,
        Self::PasswordHashType,
        Self::EmailVerified,
        Self::ExternalId,
        Self::Metadata,
        Self::OrgId,
        Self::OrgExternalId,
        Self::OrgName,
        Self::RoleSlugs,
        Self::UserId,
        Self::UserExternalId,
        Self::Domains,
        Self::RoleSlug,
        Self::RoleName,
        Self::RoleType,
        Self::Permissions,
        Self::ExpiresInDays,
        Self::InviterUserId,
        Self::Locale,
        Self::TotpSecret,
        Self::TotpIssuer,
        Self::TotpUser,
        Self::InitialPassword,
        Self::Role,
        Self::TenantId,
        Self::State,
        Self::MetadataPublic,
        Self::MetadataAdmin,
    ];

    /// What an import of users understands: the first of all.
    pub(super) fn of_users() -> &'static [Field] {
        const COUNT: usize = 14;
        Self::ALL.split_at(COUNT).0
    }

    /// The column's own name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::FirstName => "first_name",
            Self::LastName => "last_name",
            Self::Name => "name",
            Self::Password => "password",
            Self::PasswordHash => "password_hash",
            Self::PasswordHashType => "password_hash_type",
            Self::EmailVerified => "email_verified",
            Self::ExternalId => "external_id",
            Self::Metadata => "metadata",
            Self::OrgId => "org_id",
            Self::OrgExternalId => "org_external_id",
            Self::OrgName => "org_name",
            Self::RoleSlugs => "role_slugs",
            Self::UserId => "user_id",
            Self::UserExternalId => "user_external_id",
            Self::Domains => "domains",
            Self::RoleSlug => "role_slug",
            Self::RoleName => "role_name",
            Self::RoleType => "role_type",
            Self::Permissions => "permissions",
            Self::ExpiresInDays => "expires_in_days",
            Self::InviterUserId => "inviter_user_id",
            Self::Locale => "locale",
            Self::TotpSecret => "totp_secret",
            Self::TotpIssuer => "totp_issuer",
            Self::TotpUser => "totp_user",
            Self::InitialPassword => "initial_password",
            Self::Role => "role",
            Self::TenantId => "tenant_id",
            Self::State => "state",
            Self::MetadataPublic => "metadata_public",
            Self::MetadataAdmin => "metadata_admin",
        }
    }

    /// Its cells may not leave by any way but the wire. The type is kept with the hash: columns get swapped.
    pub fn is_secret(self) -> bool {
        matches!(
            self,
            Self::Password
                | Self::PasswordHash
                | Self::PasswordHashType
                | Self::TotpSecret
                | Self::InitialPassword
        )
    }

    /// The field that a column's name means: case, spaces, dashes and underscores do not matter.
    pub fn named(name: &str) -> Option<Self> {
        let folded = fold(name);
        Self::ALL
            .into_iter()
            .find(|field| fold(field.as_str()) == folded)
    }

    pub(super) fn nearest(name: &str, mut allowed: impl FnMut(Self) -> bool) -> Option<Self> {
        let folded: Vec<(String, Self)> = Self::ALL
            .into_iter()
            .filter(|field| allowed(*field))
            .map(|field| (fold(field.as_str()), field))
            .collect();
        let candidates = folded.iter().map(|(folded, _)| folded.as_str());
        let nearest = near::nearest(&fold(name), candidates)?;
        let found = folded.iter().find(|(folded, _)| folded == nearest);
        found.map(|(_, field)| *field)
    }
}
