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

pub(crate) const KIND: &str = "Role";

/// The one type of resource that the sandbox has roles and permissions for.
const RESOURCE_TYPE: &str = "organization";
const LONGEST: usize = 48;

#[derive(Debug)]
struct Role {
    id: String,
    slug: String,
    name: String,
    description: Option<String>,
    /// As the API calls it.
    kind: &'static str,
    permissions: Vec<String>,
    created_at: String,
    updated_at: String,
}

/// The roles, in their order of priority. Where a call is about one set of
/// them, `None` is the environment's, and an id the organization's own.
#[derive(Debug)]
pub(crate) struct Roles {
    roles: Vec<Role>,
    /// By the organization's id.
    own: BTreeMap<String, Vec<Role>>,
    default: Vec<String>,
    several: bool,
}

impl Roles {
    pub(crate) fn new(slugs: &[String], several: bool, identifiers: &mut Identifiers) -> Self {
        let roles = slugs.iter().map(|slug| Role {
            id: identifiers.next("role_", clock::beginning()),
            slug: slug.clone(),
            name: name_of(slug),
            description: None,
            kind: "EnvironmentRole",
            permissions: Vec::new(),
            created_at: clock::BEGINNING.to_owned(),
            updated_at: clock::BEGINNING.to_owned(),
        });
        let member = slugs.iter().find(|slug| *slug == "member");
        Self {
            roles: roles.collect(),
            own: BTreeMap::new(),
            default: member.or(slugs.last()).cloned().into_iter().collect(),
            several,
        }
    }

    /// What a membership is given when no role is named.
    pub(crate) fn default_roles(&self) -> Vec<String> {
        self.default.clone()
    }

    /// Makes a role of the environment, or one that only an organization has.
    pub(crate) fn create(
        &mut self,
        organization_id: Option<&str>,
        fields: &Fields,
        new_id: impl FnOnce() -> String,
        now: &str,
    ) -> Result<Value, Answer> {
        let name = checked_name(fields.required_text("name", "Name")?)?;
        let description = fields.text("description")?.value();
        let (slug, kind) = match organization_id {
            None => (environment_slug(fields)?, "EnvironmentRole"),
            Some(_) => (own_slug(fields, &name)?, "OrganizationRole"),
        };
        check_resource_type(fields)?;
        let roles = match organization_id {
            None => &mut self.roles,
            Some(id) => self.own.entry(id.to_owned()).or_default(),
        };
        if roles.iter().any(|role| role.slug == slug) {
            return Err(match organization_id {
                None => Answer::conflict(
                    "role_slug_conflict",
                    format!("A role with the slug '{slug}' already exists."),
                ),
                Some(_) => Answer::conflict(
                    "organization_role_slug_conflict",
                    format!("A role with the slug '{slug}' exists in the organization."),
                ),
            });
        }
        let role = Role {
            id: new_id(),
            slug,
            name,
            description,
            kind,
            permissions: Vec::new(),
            created_at: now.to_owned(),
            updated_at: now.to_owned(),
        };
        let shown = role.authorization_shown();
        roles.push(role);
        Ok(shown)
    }

    /// A role that holds for an organization (the environment's included), or
    /// one of the environment.
    pub(crate) fn found(&self, organization_id: Option<&str>, slug: &str) -> Result<Value, Answer> {
        let mut roles = self.of(organization_id.unwrap_or_default());
        roles
            .find(|role| role.slug == slug)
            .map(Role::authorization_shown)
            .ok_or_else(|| Answer::entity_not_found(KIND, slug))
    }

    /// Changes name and description, as far as they are given.
    pub(crate) fn update(
        &mut self,
        organization_id: Option<&str>,
        slug: &str,
        fields: &Fields,
        now: &str,
    ) -> Result<Value, Answer> {
        let name = fields.text("name")?.value().map(checked_name).transpose()?;
        let description = fields.text("description")?;
        self.changed(organization_id, slug, now, |role| {
            if let Some(name) = name {
                role.name = name;
            }
            description.apply(&mut role.description);
        })
    }

    /// Gives a role these permissions, which are known, in place of what it had.
    pub(crate) fn set_permissions(
        &mut self,
        organization_id: Option<&str>,
        slug: &str,
        permissions: Vec<String>,
        now: &str,
    ) -> Result<Value, Answer> {
        self.changed(organization_id, slug, now, |role| {
            role.permissions = permissions;
        })
    }

    /// Gives a role one permission, which is known, beside what it has.
    pub(crate) fn add_permission(
        &mut self,
        organization_id: Option<&str>,
        slug: &str,
        permission: String,
        now: &str,
    ) -> Result<Value, Answer> {
        self.changed(organization_id, slug, now, |role| {
            if !role.permissions.contains(&permission) {
                role.permissions.push(permission);
            }
        })
    }

    /// Takes a permission that is gone from every role.
    pub(crate) fn forget_permission(&mut self, permission: &str) {
        let own = self.own.values_mut().flatten();
        for role in self.roles.iter_mut().chain(own) {
            role.permissions.retain(|slug| slug != permission);
        }
    }

    /// Deletes a role that an organization has of its own.
    pub(crate) fn delete(&mut self, organization_id: &str, slug: &str) -> Result<(), Answer> {
        let own = self.own.entry(organization_id.to_owned()).or_default();
        let place = own.iter().position(|role| role.slug == slug);
        let place = place.ok_or_else(|| Answer::entity_not_found(KIND, slug))?;
        own.remove(place);
        Ok(())
    }

    pub(crate) fn delete_of_organization(&mut self, organization_id: &str) {
        self.own.remove(organization_id);
    }

    /// Whether a role holds for an organization; `None` asks for the
    /// environment's.
    pub(crate) fn contains(&self, organization_id: Option<&str>, slug: &str) -> bool {
        let mut roles = self.of(organization_id.unwrap_or_default());
        roles.any(|role| role.slug == slug)
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

    /// Every role of the environment, then those of the organizations, which
    /// say so.
    pub(crate) fn dump(&self) -> Value {
        let own = self.own.iter().flat_map(|(organization_id, roles)| {
            roles.iter().map(move |role| {
                let mut shown = role.authorization_shown();
                shown["organization_id"] = json!(organization_id);
                shown
            })
        });
        let environment = self.roles.iter().map(Role::authorization_shown);
        environment.chain(own).collect()
    }

    fn changed(
        &mut self,
        organization_id: Option<&str>,
        slug: &str,
        now: &str,
        change: impl FnOnce(&mut Role),
    ) -> Result<Value, Answer> {
        let roles = match organization_id {
            None => Some(&mut self.roles),
            Some(id) => self.own.get_mut(id),
        };
        let mut roles = roles.into_iter().flatten();
        let role = roles
            .find(|role| role.slug == slug)
            .ok_or_else(|| Answer::entity_not_found(KIND, slug))?;
        change(role);
        role.updated_at = now.to_owned();
        Ok(role.authorization_shown())
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
            "description": self.description.as_deref().unwrap_or_default(),
            "name": self.name,
            "slug": self.slug,
            "permissions": self.permissions,
            "type": self.kind,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        })
    }

    /// Below `/authorization` roles name their resource type.
    fn authorization_shown(&self) -> Value {
        let mut shown = self.shown();
        shown["resource_type_slug"] = json!(RESOURCE_TYPE);
        shown
    }
}

/// The slug of a new role of the environment.
fn environment_slug(fields: &Fields) -> Result<String, Answer> {
    let slug = fields.required_text("slug", "Slug")?;
    if slug.starts_with("org-") || slug.len() > LONGEST || slug != slug_of(&slug) {
        return Err(Answer::refused(
            "bad_request",
            "The slug must have lower-case letters, digits, - and _ only, and not begin with org-.",
        ));
    }
    Ok(slug)
}

/// The slug of a new role of one organization; made from its name if need be.
fn own_slug(fields: &Fields, name: &str) -> Result<String, Answer> {
    let slug = match fields.text("slug")? {
        Given::Value(slug) => slug,
        Given::Absent | Given::Null => format!("org-{}", slug_of(name)),
    };
    if !slug.starts_with("org-") || slug != slug_of(&slug) {
        return Err(Answer::refused(
            "bad_request",
            "The slug must begin with org- and have lower-case letters, digits, - and _ only.",
        ));
    }
    Ok(slug)
}

/// The name of a role or permission, if it is none too long.
pub(crate) fn checked_name(name: String) -> Result<String, Answer> {
    if name.trim().is_empty() || name.chars().count() > LONGEST {
        return Err(Answer::invalid(
            "name_invalid",
            "name should be 1 to 48 letters.",
        ));
    }
    Ok(name)
}

/// Refuses types of resource that the sandbox does not have.
pub(crate) fn check_resource_type(fields: &Fields) -> Result<(), Answer> {
    match fields.text("resource_type_slug")? {
        Given::Value(slug) if slug != RESOURCE_TYPE => {
            Err(Answer::entity_not_found("Resource Type", &slug))
        }
        _ => Ok(()),
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
pub(crate) fn name_of(slug: &str) -> String {
    let words = slug.split(['-', '_']).map(|word| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| {
            first.to_uppercase().chain(letters).collect()
        })
    });
    words.collect::<Vec<_>>().join(" ")
}
