//! Owns the permissions of the environment: slugs that roles and API keys are
//! given.

use crate::answer::Answer;
use crate::fields::{Fields, Given};
use crate::roles::{check_resource_type, checked_name};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(crate) const KIND: &str = "Permission";

const LONGEST_SLUG: usize = 48;

#[derive(Debug)]
struct Permission {
    slug: String,
    name: String,
    description: Option<String>,
    created_at: String,
    updated_at: String,
}

/// Every permission, with its indexes.
#[derive(Debug, Default)]
pub(crate) struct Permissions {
    by_id: BTreeMap<String, Permission>,
    ids: BTreeSet<String>,
    by_slug: HashMap<String, String>,
}

impl Permissions {
    pub(crate) fn ids(&self) -> &BTreeSet<String> {
        &self.ids
    }

    pub(crate) fn contains(&self, slug: &str) -> bool {
        self.by_slug.contains_key(slug)
    }

    /// Each of the slugs once, if all of them are known.
    pub(crate) fn checked(&self, slugs: Vec<String>) -> Result<Vec<String>, Answer> {
        let mut checked: Vec<String> = Vec::with_capacity(slugs.len());
        for slug in slugs {
            if !self.contains(&slug) {
                return Err(Answer::entity_not_found(KIND, &slug));
            }
            if !checked.contains(&slug) {
                checked.push(slug);
            }
        }
        Ok(checked)
    }

    pub(crate) fn create(
        &mut self,
        fields: &Fields,
        new_id: impl FnOnce() -> String,
        now: &str,
    ) -> Result<Value, Answer> {
        let slug = fields.required_text("slug", "Slug")?;
        let name = checked_name(fields.required_text("name", "Name")?)?;
        let description = fields.text("description")?.value();
        let is_of_a_slug = |c: char| {
            c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | ':' | '.' | '*')
        };
        if slug.len() > LONGEST_SLUG || !slug.chars().all(is_of_a_slug) {
            return Err(Answer::invalid(
                "slug_invalid",
                "slug should have lower-case letters, digits, - _ : . and * only, at most 48.",
            ));
        }
        check_resource_type(fields)?;
        if self.contains(&slug) {
            return Err(Answer::conflict(
                "permission_slug_conflict",
                format!("A permission with the slug '{slug}' already exists."),
            ));
        }
        let id = new_id();
        let permission = Permission {
            slug: slug.clone(),
            name,
            description,
            created_at: now.to_owned(),
            updated_at: now.to_owned(),
        };
        let shown = permission.shown(&id);
        self.ids.insert(id.clone());
        self.by_slug.insert(slug, id.clone());
        self.by_id.insert(id, permission);
        Ok(shown)
    }

    pub(crate) fn found(&self, slug: &str) -> Result<Value, Answer> {
        let id = self.id_of(slug)?;
        Ok(self.shown(id))
    }

    pub(crate) fn update(
        &mut self,
        slug: &str,
        fields: &Fields,
        now: &str,
    ) -> Result<Value, Answer> {
        let name = fields.text("name")?;
        let description = fields.text("description")?;
        let id = self.id_of(slug)?.clone();
        if let Some(permission) = self.by_id.get_mut(&id) {
            if let Given::Value(name) = name {
                permission.name = checked_name(name)?;
            }
            description.apply(&mut permission.description);
            permission.updated_at = now.to_owned();
        }
        Ok(self.shown(&id))
    }

    pub(crate) fn delete(&mut self, slug: &str) -> Result<(), Answer> {
        let id = self.id_of(slug)?.clone();
        self.by_slug.remove(slug);
        self.ids.remove(&id);
        self.by_id.remove(&id);
        Ok(())
    }

    pub(crate) fn shown(&self, id: &str) -> Value {
        let permission = self.by_id.get(id);
        permission.map_or(Value::Null, |permission| permission.shown(id))
    }

    pub(crate) fn dump(&self) -> Value {
        self.ids.iter().map(|id| self.shown(id)).collect()
    }

    fn id_of(&self, slug: &str) -> Result<&String, Answer> {
        let id = self.by_slug.get(slug);
        id.ok_or_else(|| Answer::entity_not_found(KIND, slug))
    }
}

impl Permission {
    fn shown(&self, id: &str) -> Value {
        json!({
            "object": "permission",
            "id": id,
            "slug": self.slug,
            "name": self.name,
            "description": self.description,
            "system": false,
            "resource_type_slug": "organization",
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        })
    }
}

#[cfg(test)]
mod tests;
