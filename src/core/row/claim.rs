//! Owns what a row can claim about the directory: that a user, an organization, a membership exists, and how.

use serde_json::{Map, Value};

use super::domain::Domain;
use crate::secret::Secret;

/// One claim about one object of the directory.
#[derive(Clone, Debug, PartialEq)]
pub enum Claim {
    User(Box<UserClaim>),
    /// "This user exists": one whom only others can make.
    ExistingUser(ExistingUser),
    Organization(OrganizationClaim),
    Membership(MembershipClaim),
    /// "This permission exists", by its slug.
    Permission(String),
    Role(Box<RoleClaim>),
    Invitation(Box<InvitationClaim>),
    /// "The user with this address was sent a mail to set a password."
    PasswordReset(String),
    TotpFactor(Box<TotpFactorClaim>),
}

/// How a row names a user who is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExistingUser {
    /// Trimmed and lower-cased.
    Email(String),
    ExternalId(String),
    Id(String),
}

impl ExistingUser {
    /// As the row has it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Email(text) | Self::ExternalId(text) | Self::Id(text) => text,
        }
    }
}

/// "This role exists, with at least these permissions": of the environment, or of the row's organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleClaim {
    pub slug: String,
    /// What it is called; its slug if it has to be made and nothing is said.
    pub name: Option<String>,
    /// How the row names the organization whose role it is; `None`: the environment's.
    pub organization: Option<OrganizationReference>,
    pub permissions: Vec<String>,
    /// Permissions that the row does not name are taken away.
    pub exact: bool,
}

/// "This address has an open invitation."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitationClaim {
    /// Trimmed and lower-cased.
    pub email: String,
    /// How the row names the organization; `None`: an invitation into no organization.
    pub organization: Option<OrganizationReference>,
    pub role: Option<String>,
    /// 1 to 30; the API's own default is 7.
    pub expires_in_days: Option<u8>,
    pub inviter_user_id: Option<String>,
    pub locale: Option<String>,
}

/// "The row's user has a TOTP factor": this one, if there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TotpFactorClaim {
    /// Base32.
    pub secret: Secret,
    pub issuer: Option<String>,
    /// Under which name authenticators show it.
    pub user: Option<String>,
    /// How the row names the user.
    pub of: ExistingUser,
}

/// "This user exists, with these fields." A field that is `None` is not claimed and is left alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UserClaim {
    /// Trimmed and lower-cased, as the API keeps it.
    pub email: String,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub name: Option<String>,
    pub email_verified: Option<bool>,
    pub external_id: Option<String>,
    /// String values only: the API takes no others.
    pub metadata: Option<Map<String, Value>>,
    pub password: Option<Password>,
    /// What is to be empty; always none where empty cells leave their fields alone.
    pub clears: Vec<Clear>,
    /// What else is claimed where users have a schema; `None`: the directory has fixed fields, which are those above.
    pub identity: Option<Box<IdentityFields>>,
}

impl UserClaim {
    /// Nothing to sign in with is claimed: no password, and none is made up.
    pub fn is_without_password(&self) -> bool {
        let random = |identity: &IdentityFields| identity.random_password;
        self.password.is_none() && !self.identity.as_deref().is_some_and(random)
    }
}

/// What a row says of a user whose fields a schema decides. Names, email and metadata of [`UserClaim`] that such a directory
/// has as traits are here alone; `email`, `email_verified`, `external_id` and `password` are there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IdentityFields {
    pub schema_id: String,
    /// With the email. A trait that is not here is not claimed.
    pub traits: Map<String, Value>,
    /// Of one that is made: active, if nothing is said.
    pub state: Option<IdentityState>,
    /// What the user can read.
    pub metadata_public: Option<Map<String, Value>>,
    /// What administrators alone can read.
    pub metadata_admin: Option<Map<String, Value>>,
    /// Who brings no password is given a random one that nobody sees, for servers that demand one.
    pub random_password: bool,
    /// What they sign in with, by the schema: an email, a username. `None`: nothing is known of that, and it is taken to be
    /// the email.
    pub identifiers: Option<Vec<String>>,
}

/// Whether a user can sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityState {
    Active,
    Inactive,
}

impl IdentityState {
    pub const ALL: [IdentityState; 2] = [Self::Active, Self::Inactive];

    /// The API's own word (Kratos' OpenAPI document, `identityState`).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
        }
    }
}

/// Something of a user that is to be empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Clear {
    FirstName,
    LastName,
    Name,
    /// Every pair.
    Metadata,
    /// The pair with this key.
    MetadataPair(String),
}

/// The one way in which a user's password is handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Password {
    Plain(Secret),
    Hash {
        hash: Secret,
        kind: HashKind,
    },
    /// A hash that says itself of which type it is, by how it begins.
    EncodedHash(Secret),
}

/// The hash types that the API takes (WorkOS' OpenAPI document, `password_hash_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashKind {
    Bcrypt,
    FirebaseScrypt,
    Ssha,
    Ssha256,
    Scrypt,
    Pbkdf2,
    Argon2,
}

impl HashKind {
    pub const ALL: [HashKind; 7] = [
        Self::Bcrypt,
        Self::FirebaseScrypt,
        Self::Ssha,
        Self::Ssha256,
        Self::Scrypt,
        Self::Pbkdf2,
        Self::Argon2,
    ];

    /// The API's own word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bcrypt => "bcrypt",
            Self::FirebaseScrypt => "firebase-scrypt",
            Self::Ssha => "ssha",
            Self::Ssha256 => "ssha256",
            Self::Scrypt => "scrypt",
            Self::Pbkdf2 => "pbkdf2",
            Self::Argon2 => "argon2",
        }
    }
}

/// "This organization exists." Named by its WorkOS id, or by the caller's external id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationClaim {
    pub reference: OrganizationReference,
    /// What it is called if it has to be made; `None`: it must be there already.
    pub name: Option<String>,
    /// What else is claimed of it, by rows that are about organizations; `None`: nothing, and whatever it is like is fine.
    pub fields: Option<Box<OrganizationFields>>,
}

/// What a row that is about an organization says beside its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrganizationFields {
    /// It has at least these.
    pub domains: Vec<Domain>,
    /// String values only: the API takes no others.
    pub metadata: Option<Map<String, Value>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrganizationReference {
    Id(String),
    ExternalId(String),
}

/// "The row's user belongs to the row's organization, with at least these roles." The ids come from the
/// row's earlier steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MembershipClaim {
    pub roles: Vec<String>,
}
