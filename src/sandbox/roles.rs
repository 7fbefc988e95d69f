//! Owns the roles of the environment and those that an organization has of its
//! own: which there are, how they are made and listed, and which a request for
//! a membership names.

use crate::answer::Answer;
use crate::clock;
use crate::fields::{Fields, Given};
use crate::identifiers::Identifiers;
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Debug)]
struct Role {
    id: String,
    slug: String,
    name: String,
    /// As the API calls it.
    kind: &'static str,
    created_at: String,
}

/// The roles, in their order of priority.
#[derive(Debug)]
pub(crate) struct Roles {
    roles: Vec<Role>,
    /// By the organization's id.
    own: BTreeMap<String, Vec<Role>>,
    several: bool,
}

impl Roles {
    pub(crate) fn new(slugs: &[String], several: bool, identifiers: &mut Identifiers) -> Self {
        let roles = slugs.iter().map(|slug| Role {
            id: identifiers.next("role_", clock::beginning()),
            slug: slug.clone(),
            name: name_of(slug),
            kind: "EnvironmentRole",
            created_at: clock::BEGINNING.to_owned(),
        });
        Self {
            roles: roles.collect(),
            own: BTreeMap::new(),
            several,
        }
    }

    /// What a membership is given when no role is named.
    pub(crate) fn default_roles(&self) -> Vec<String> {
        let member = self.roles.iter().find(|role| role.slug == "member");
        member
            .or(self.roles.last())
            .map(|role| role.slug.clone())
            .into_iter()
            .collect()
    }

    /// Makes a role that only this organization has.
    pub(crate) fn create_own(
        &mut self,
        organization_id: &str,
        fields: &Fields,
        new_id: impl FnOnce() -> String,
        now: &str,
    ) -> Result<Value, Answer> {
        let name = fields.required_text("name", "Name")?;
        let slug = match fields.text("slug")? {
            Given::Value(slug) => slug,
            Given::Absent | Given::Null => format!("org-{}", slug_of(&name)),
        };
        if !slug.starts_with("org-") || slug != slug_of(&slug) {
            return Err(Answer::refused(
                "bad_request",
                "The slug must begin with org- and have lower-case letters, digits, - and _ only.",
            ));
        }
        let own = self.own.entry(organization_id.to_owned()).or_default();
        if own.iter().any(|role| role.slug == slug) {
            return Err(Answer::code(
                StatusCode::CONFLICT,
                "organization_role_slug_conflict",
                format!("A role with the slug '{slug}' exists in the organization."),
            ));
        }
        let role = Role {
            id: new_id(),
            slug,
            name,
            kind: "OrganizationRole",
            created_at: now.to_owned(),
        };
        let shown = role.authorization_shown();
        own.push(role);
        Ok(shown)
    }

    pub(crate) fn delete_of_organization(&mut self, organization_id: &str) {
        self.own.remove(organization_id);
    }

    /// The roles that a body names for a membership of this organization, each
    /// once and in its order; `None` where it names none.
    pub(crate) fn named(
        &self,
        fields: &Fields,
        organization_id: &str,
    ) -> Result<Option<Vec<String>>, Answer> {
        let one = fields.text("role_slug")?;
        let many = fields.texts("role_slugs")?;
        let slugs = match (one, many) {
            (Given::Value(_), Given::Value(_)) => {
                return Err(Answer::invalid(
                    "role_slug_and_role_slugs_provided",
                    "Provide either role_slug or role_slugs, not both.",
                ));
            }
            (Given::Value(slug), _) => vec![slug],
            (_, Given::Value(slugs)) => slugs,
            _ => return Ok(None),
        };
        if slugs.is_empty() {
            return Err(Answer::invalid(
                "role_slugs_empty",
                "role_slugs should not be empty.",
            ));
        }
        let mut named: Vec<String> = Vec::new();
        for slug in slugs {
            if !self.of(organization_id).any(|role| role.slug == slug) {
                return Err(Answer::code(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "invalid_role",
                    format!("Role '{slug}' does not exist."),
                ));
            }
            if !named.contains(&slug) {
                named.push(slug);
            }
        }
        if named.len() > 1 && !self.several {
            return Err(Answer::code(
                StatusCode::UNPROCESSABLE_ENTITY,
                "multiple_roles_not_enabled",
                "Multiple roles are not enabled in this environment.",
            ));
        }
        Ok(Some(named))
    }

    /// The list below `/organizations`, in the fields that were recorded.
    pub(crate) fn list(&self, organization_id: &str) -> Value {
        listed(self.of(organization_id).map(Role::shown))
    }

    /// The list of an organization below `/authorization`: the environment's
    /// roles, then its own.
    pub(crate) fn authorization_list(&self, organization_id: &str) -> Value {
        listed(self.of(organization_id).map(Role::authorization_shown))
    }

    /// The list of the environment below `/authorization`.
    pub(crate) fn environment_list(&self) -> Value {
        listed(self.roles.iter().map(Role::authorization_shown))
    }

    fn of(&self, organization_id: &str) -> impl Iterator<Item = &Role> {
        let own = self.own.get(organization_id).into_iter().flatten();
        self.roles.iter().chain(own)
    }
}

/// Without `list_metadata`: these lists have no pages.
fn listed(roles: impl Iterator<Item = Value>) -> Value {
    json!({ "object": "list", "data": roles.collect::<Vec<_>>() })
}

impl Role {
    fn shown(&self) -> Value {
        json!({
            "object": "role",
            "id": self.id,
            "description": "",
            "name": self.name,
            "slug": self.slug,
            "permissions": [],
            "type": self.kind,
            "created_at": self.created_at,
            "updated_at": self.created_at,
        })
    }

    /// Below `/authorization` roles name their resource type.
    fn authorization_shown(&self) -> Value {
        let mut shown = self.shown();
        shown["resource_type_slug"] = json!("organization");
        shown
    }
}

/// Lower-case letters, digits, `-` and `_`; everything else becomes `-`.
fn slug_of(name: &str) -> String {
    let letters = name.trim().chars().map(|letter| {
        let letter = letter.to_ascii_lowercase();
        let is_kept = letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
        if is_kept { letter } else { '-' }
    });
    letters.collect()
}

/// `billing-manager` is called `Billing Manager`.
fn name_of(slug: &str) -> String {
    let words = slug.split(['-', '_']).map(|word| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| {
            first.to_uppercase().chain(letters).collect()
        })
    });
    words.collect::<Vec<_>>().join(" ")
}
