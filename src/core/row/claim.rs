//! Owns what a row can claim about the directory: that a user, an organization, a membership exists, and how.

use serde_json::{Map, Value};

use crate::secret::Secret;

/// One claim about one object of the directory.
#[derive(Clone, Debug, PartialEq)]
pub enum Claim {
    User(Box<UserClaim>),
    Organization(OrganizationClaim),
    Membership(MembershipClaim),
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
    Hash { hash: Secret, kind: HashKind },
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
