//! Owns how objects of a directory are found without a claim: by one of their names, or in a list.

use super::Found;
use crate::row::Kind;

/// One name under which an object can be looked up, such as a user's email.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    pub kind: Kind,
    /// Which kind of name it is: `id`, `email`, `external_id`; for memberships `pair`, the ids of user and organization.
    pub by: &'static str,
    pub value: String,
}

impl Name {
    pub fn new(kind: Kind, by: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        Self { kind, by, value }
    }

    /// The membership of a user in an organization.
    pub fn of_pair(user_id: &str, organization_id: &str) -> Self {
        Self::new(
            Kind::Membership,
            "pair",
            format!("{user_id}:{organization_id}"),
        )
    }

    /// As one text, by which it is stored: `user.email:alice@acme.com`.
    pub fn text(&self) -> String {
        format!("{}.{}:{}", self.kind.as_str(), self.by, self.value)
    }
}

/// A list that a directory shows page by page, oldest objects first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listing {
    Users,
    Organizations,
    /// Of whatever status, in the organization with this id.
    MembershipsOf(String),
    /// Of whatever status, of the user with this id.
    MembershipsOfUser(String),
}

impl Listing {
    /// The list in which an object with this name is, if it is there; `None`: it is looked up by itself.
    pub fn of(name: &Name) -> Option<Self> {
        match name.kind {
            Kind::User => Some(Self::Users),
            Kind::Organization => Some(Self::Organizations),
            Kind::Membership => {
                let organization = name.value.split_once(':').map(|(_, id)| id);
                let organization = organization.unwrap_or_default().to_owned();
                Some(Self::MembershipsOf(organization))
            }
            _ => None,
        }
    }

    /// As one text, by which it is stored.
    pub fn text(&self) -> String {
        match self {
            Self::Users => "users".into(),
            Self::Organizations => "organizations".into(),
            Self::MembershipsOf(id) | Self::MembershipsOfUser(id) => format!("memberships of {id}"),
        }
    }
}

/// Where reading a list begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Oldest,
    Newest,
}

/// One object of a list, with the names under which it can be looked up.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    pub found: Found,
    pub names: Vec<Name>,
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page {
    pub items: Vec<Listed>,
    /// Where the next page begins; `None`: this is the last one.
    pub next: Option<String>,
}
