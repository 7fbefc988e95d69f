//! Owns the step: a claim with the natural key under which it is ensured once.

use super::claim::{Claim, OrganizationReference};

/// The kind of object that a step is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Organization,
    User,
    Membership,
}

impl Kind {
    /// The word that the journal, messages and results use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::User => "user",
            Self::Membership => "membership",
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
            Claim::User(_) => Kind::User,
            Claim::Organization(_) => Kind::Organization,
            Claim::Membership(_) => Kind::Membership,
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
        match &self.claim {
            Claim::User(user) => Some(StepKey::new(Kind::User, &user.email)),
            Claim::Organization(organization) => Some(StepKey::new(
                Kind::Organization,
                match &organization.reference {
                    OrganizationReference::Id(id) => format!("id:{id}"),
                    OrganizationReference::ExternalId(id) => format!("external_id:{id}"),
                },
            )),
            Claim::Membership(_) => None,
        }
    }
}
