//! Owns the step: a claim with the natural key under which it is ensured once.

use serde::{Deserialize, Serialize};

use super::claim::{Claim, ExistingUser, OrganizationReference};

/// The kind of object that a step is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Organization,
    User,
    Membership,
    Permission,
    Role,
    Invitation,
    PasswordReset,
    TotpFactor,
}

impl Kind {
    pub const ALL: [Kind; 8] = [
        Self::Organization,
        Self::User,
        Self::Membership,
        Self::Permission,
        Self::Role,
        Self::Invitation,
        Self::PasswordReset,
        Self::TotpFactor,
    ];

    /// The number that the journal has for it: its place here.
    pub fn code(self) -> i64 {
        self as i64
    }

    /// The kind of this number.
    pub fn of_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The stage of a row at which it is ensured, as errors name it.
    pub fn stage(self) -> &'static str {
        match self {
            Self::Organization => "org_resolution",
            Self::PasswordReset => "password_reset",
            Self::TotpFactor => "totp_factor",
            other => other.as_str(),
        }
    }

    /// The word that the journal, messages and results use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::User => "user",
            Self::Membership => "membership",
            Self::Permission => "permission",
            Self::Role => "role",
            Self::Invitation => "invitation",
            Self::PasswordReset => "password reset",
            Self::TotpFactor => "TOTP factor",
        }
    }

    /// Whether a key of this kind is a name of its own. A membership's is made of the ids of its user and organization.
    pub fn has_name(self) -> bool {
        self != Self::Membership
    }
}

/// A natural key, such as `organization:acme` or `user:alice@acme.com`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StepKey {
    pub kind: Kind,
    pub name: String,
}

impl StepKey {
    pub fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }
}

/// One claim of one row. A row's steps are ensured in their order; a step may use the remote ids of those before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub kind: Kind,
    pub claim: Claim,
}

impl Step {
    pub fn new(claim: Claim) -> Self {
        let kind = match &claim {
            Claim::User(_) | Claim::ExistingUser(_) => Kind::User,
            Claim::Organization(_) => Kind::Organization,
            Claim::Membership(_) => Kind::Membership,
            Claim::Permission(_) => Kind::Permission,
            Claim::Role(_) => Kind::Role,
            Claim::Invitation(_) => Kind::Invitation,
            Claim::PasswordReset(_) => Kind::PasswordReset,
            Claim::TotpFactor(_) => Kind::TotpFactor,
        };
        Self { kind, claim }
    }

    /// The name that the row gives to the object, if it would have to be made.
    pub fn label(&self) -> Option<&str> {
        match &self.claim {
            Claim::Organization(organization) => organization.name.as_deref(),
            _ => None,
        }
    }

    /// The key, where the row alone decides it. A membership's key is known once its user and organization have
    /// their remote ids, because one organization can be named in two ways.
    pub fn key(&self) -> Option<StepKey> {
        let key = |name: String| Some(StepKey::new(self.kind, name));
        let within = |organization: &Option<OrganizationReference>, name: &str| {
            let organization = organization.as_ref().map(organization_key);
            key(format!("{}/{name}", organization.unwrap_or_default()))
        };
        match &self.claim {
            Claim::User(user) => key(user.email.clone()),
            Claim::ExistingUser(user) => key(user_key(user)),
            Claim::Organization(organization) => key(organization_key(&organization.reference)),
            Claim::Permission(slug) => key(slug.clone()),
            Claim::Role(role) => within(&role.organization, &role.slug),
            Claim::Invitation(invitation) => within(&invitation.organization, &invitation.email),
            Claim::PasswordReset(email) => key(email.clone()),
            Claim::TotpFactor(factor) => key(user_key(&factor.of)),
            Claim::Membership(_) => None,
        }
    }
}

fn organization_key(reference: &OrganizationReference) -> String {
    match reference {
        OrganizationReference::Id(id) => format!("id:{id}"),
        OrganizationReference::ExternalId(id) => format!("external_id:{id}"),
    }
}

fn user_key(user: &ExistingUser) -> String {
    match user {
        ExistingUser::Email(email) => email.clone(),
        ExistingUser::ExternalId(id) => format!("external_id:{id}"),
        ExistingUser::Id(id) => format!("id:{id}"),
    }
}
