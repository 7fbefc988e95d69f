//! Owns the roles of the environment: which there are, how they are listed,
//! and which a request for a membership names.

use crate::answer::Answer;
use crate::clock;
use crate::fields::{Fields, Given};
use crate::identifiers::Identifiers;
use http::StatusCode;
use serde_json::{Value, json};

#[derive(Debug)]
struct Role {
    id: String,
    slug: String,
}

/// The roles of the environment, in its order of priority.
#[derive(Debug)]
pub(crate) struct Roles {
    roles: Vec<Role>,
    several: bool,
}

impl Roles {
    pub(crate) fn new(slugs: &[String], several: bool, identifiers: &mut Identifiers) -> Self {
        let roles = slugs.iter().map(|slug| Role {
            id: identifiers.next("role_", clock::beginning()),
            slug: slug.clone(),
        });
        Self {
            roles: roles.collect(),
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

    /// The roles that a body names, each once and in its order; `None` where
    /// it names none.
    pub(crate) fn named(&self, fields: &Fields) -> Result<Option<Vec<String>>, Answer> {
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
            if !self.roles.iter().any(|role| role.slug == slug) {
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
    pub(crate) fn list(&self) -> Value {
        self.shown(|_| {})
    }

    /// The list below `/authorization`, whose roles name their resource type.
    pub(crate) fn authorization_list(&self) -> Value {
        self.shown(|role| role["resource_type_slug"] = json!("organization"))
    }

    fn shown(&self, finish: impl Fn(&mut Value)) -> Value {
        let data: Vec<Value> = self
            .roles
            .iter()
            .map(|role| {
                let mut shown = role.shown();
                finish(&mut shown);
                shown
            })
            .collect();
        json!({ "object": "list", "data": data })
    }
}

impl Role {
    fn shown(&self) -> Value {
        json!({
            "object": "role",
            "id": self.id,
            "description": "",
            "name": name_of(&self.slug),
            "slug": self.slug,
            "permissions": [],
            "type": "EnvironmentRole",
            "created_at": clock::BEGINNING,
            "updated_at": clock::BEGINNING,
        })
    }
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
