//! Owns the API keys of organizations. The value of a key is told once, to who
//! made it, and not kept.

use crate::answer::Answer;
use crate::fields::Fields;
use crate::organizations::NewId;
use crate::owned::Owned;
use crate::permissions::Permissions;
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[derive(Debug)]
struct ApiKey {
    name: String,
    ending: String,
    permissions: Vec<String>,
    created_at: String,
}

/// The keys of every organization.
#[derive(Debug, Default)]
pub(crate) struct ApiKeys {
    keys: Owned<ApiKey>,
}

impl ApiKeys {
    /// Makes a key; the answer is the only one that has its `value`.
    pub(crate) fn create(
        &mut self,
        organization_id: &str,
        fields: &Fields,
        permissions: &Permissions,
        new_id: NewId<'_>,
        now: &str,
    ) -> Result<Value, Answer> {
        let name = fields.text("name").ok().and_then(|given| given.value());
        let name = name
            .filter(|name| !name.trim().is_empty())
            .ok_or_else(|| invalid("name", "name_string_required"))?;
        let named = fields
            .texts("permissions")
            .map_err(|_| invalid("permissions", "permissions_must_be_array"))?
            .value()
            .unwrap_or_default();
        if named.iter().any(|slug| !permissions.contains(slug)) {
            return Err(invalid("permissions", "permission_not_found"));
        }
        let id = new_id("api_key_");
        let value = format!("sk_{}", new_id("").to_lowercase());
        let key = ApiKey {
            name,
            ending: value[value.len() - 4..].to_owned(),
            permissions: named,
            created_at: now.to_owned(),
        };
        let mut shown = key.shown(&id, organization_id);
        shown["value"] = json!(value);
        self.keys.insert(organization_id, id, key);
        Ok(shown)
    }

    pub(crate) fn ids_of(&self, organization_id: &str) -> &BTreeSet<String> {
        self.keys.ids_of(organization_id)
    }

    /// A key without its value, or null.
    pub(crate) fn shown(&self, id: &str) -> Value {
        let found = self.keys.get(id);
        found.map_or(Value::Null, |(organization_id, key)| {
            key.shown(id, organization_id)
        })
    }

    pub(crate) fn delete(&mut self, id: &str) -> Result<(), Answer> {
        let deleted = self.keys.delete(id);
        let missing = || Answer::entity_not_found("Api Key", id);
        deleted.then_some(()).ok_or_else(missing)
    }

    pub(crate) fn delete_of_organization(&mut self, organization_id: &str) {
        self.keys.delete_of(organization_id);
    }

    pub(crate) fn dump(&self) -> Value {
        self.keys.ids().map(|id| self.shown(id)).collect()
    }
}

impl ApiKey {
    fn shown(&self, id: &str, organization_id: &str) -> Value {
        json!({
            "object": "api_key",
            "id": id,
            "owner": { "type": "organization", "id": organization_id },
            "name": self.name,
            "obfuscated_value": format!("sk_...{}", self.ending),
            "last_used_at": null,
            "permissions": self.permissions,
            "created_at": self.created_at,
            "updated_at": self.created_at,
        })
    }
}

/// Here the errors name their field.
fn invalid(field: &str, code: &str) -> Answer {
    Answer::json(
        StatusCode::UNPROCESSABLE_ENTITY,
        json!({ "message": "Validation failed", "errors": [{ "field": field, "code": code }] }),
    )
}

#[cfg(test)]
mod tests;
