//! Owns the users: what one is, how one is made, changed and found, and that
//! emails and external ids are unique.

use crate::answer::Answer;
use crate::fields::{Fields, Given};
use crate::passwords;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(crate) const KIND: &str = "User";

#[derive(Clone, Debug)]
struct User {
    email: String,
    email_verified: bool,
    first_name: Option<String>,
    last_name: Option<String>,
    name: Option<String>,
    external_id: Option<String>,
    locale: Option<String>,
    metadata: Map<String, Value>,
    password: Option<&'static str>,
    last_sign_in_at: Option<String>,
    created_at: String,
    updated_at: String,
}

/// Every user of the environment, with an index for each way to find one.
#[derive(Debug, Default)]
pub(crate) struct Users {
    by_id: BTreeMap<String, User>,
    ids: BTreeSet<String>,
    by_email: HashMap<String, String>,
    by_external_id: HashMap<String, String>,
}

impl Users {
    pub(crate) fn ids(&self) -> &BTreeSet<String> {
        &self.ids
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    /// The filter is exact: stored emails are lower case.
    pub(crate) fn id_of_email(&self, email: &str) -> Option<&String> {
        self.by_email.get(email)
    }

    pub(crate) fn email_of(&self, id: &str) -> Option<&str> {
        self.by_id.get(id).map(|user| user.email.as_str())
    }

    pub(crate) fn id_of_external_id(&self, external_id: &str) -> Option<&String> {
        self.by_external_id.get(external_id)
    }

    /// The user as the API shows it, or null.
    pub(crate) fn shown(&self, id: &str) -> Value {
        self.by_id
            .get(id)
            .map_or(Value::Null, |user| user.shown(id))
    }

    pub(crate) fn found(&self, id: &str) -> Result<Value, Answer> {
        match self.shown(id) {
            Value::Null => Err(Answer::entity_not_found(KIND, id)),
            shown => Ok(shown),
        }
    }

    /// Makes a user. The identifier is asked for only when there will be one,
    /// so that refused requests do not move the sequence.
    pub(crate) fn create(
        &mut self,
        fields: &Fields,
        new_id: impl FnOnce() -> String,
        now: &str,
    ) -> Result<Value, Answer> {
        let email = normalized(&fields.required_text("email", "Email")?);
        let email_verified = fields.boolean("email_verified")?.value();
        let first_name = fields.text("first_name")?.value();
        let last_name = fields.text("last_name")?.value();
        let name = fields.text("name")?.value();
        let external_id = fields.external_id()?.value();
        let locale = fields.text("locale")?.value();
        let metadata = fields.metadata(None)?;
        let password = passwords::given(fields)?;
        if !is_email(&email) {
            return Err(Answer::user_creation_error(
                "invalid_email",
                "This email is not valid.",
            ));
        }
        if self.by_email.contains_key(&email) {
            return Err(Answer::user_creation_error(
                "email_not_available",
                "This email is not available.",
            ));
        }
        if let Some(external_id) = &external_id
            && self.by_external_id.contains_key(external_id)
        {
            return Err(Answer::user_creation_error(
                "external_id_already_used",
                "The external ID is already used by another user.",
            ));
        }
        let id = new_id();
        self.ids.insert(id.clone());
        self.by_email.insert(email.clone(), id.clone());
        if let Some(external_id) = &external_id {
            self.by_external_id.insert(external_id.clone(), id.clone());
        }
        let user = User {
            email,
            email_verified: email_verified.unwrap_or(false),
            first_name,
            last_name,
            name,
            external_id,
            locale,
            metadata,
            password,
            last_sign_in_at: None,
            created_at: now.to_owned(),
            updated_at: now.to_owned(),
        };
        let shown = user.shown(&id);
        self.by_id.insert(id, user);
        Ok(shown)
    }

    /// Changes what was given. Null clears where the specification allows it
    /// (external id, locale, metadata); elsewhere it is taken as not given, as
    /// the older SDKs mean it.
    pub(crate) fn update(&mut self, id: &str, fields: &Fields, now: &str) -> Result<Value, Answer> {
        let email = fields.text("email")?.value();
        let email_verified = fields.boolean("email_verified")?.value();
        let names = ["first_name", "last_name", "name"].map(|field| fields.text(field));
        let [first_name, last_name, name] = names;
        let (first_name, last_name, name) = (first_name?, last_name?, name?);
        let external_id = fields.external_id()?;
        let locale = fields.text("locale")?;
        let password = passwords::given(fields)?;
        let Some(user) = self.by_id.get(id) else {
            return Err(Answer::entity_not_found(KIND, id));
        };
        let metadata = fields.metadata(Some(&user.metadata))?;
        let email = email.map(|email| normalized(&email));
        if let Some(email) = &email {
            if !is_email(email) {
                return Err(Answer::refused("invalid_email", "This email is not valid."));
            }
            if is_taken(&self.by_email, email, id) {
                return Err(Answer::refused(
                    "email_not_available",
                    "This email is not available.",
                ));
            }
        }
        if let Given::Value(external_id) = &external_id
            && is_taken(&self.by_external_id, external_id, id)
        {
            return Err(Answer::refused(
                "external_id_already_used",
                "The external ID is already used by another user.",
            ));
        }

        let mut user = user.clone();
        if let Some(email) = email {
            self.by_email.remove(&user.email);
            self.by_email.insert(email.clone(), id.to_owned());
            user.email = email;
        }
        if let Some(before) = &user.external_id
            && external_id != Given::Absent
        {
            self.by_external_id.remove(before);
        }
        external_id.apply(&mut user.external_id);
        if let Some(after) = &user.external_id {
            self.by_external_id.insert(after.clone(), id.to_owned());
        }
        locale.apply(&mut user.locale);
        user.metadata = metadata;
        user.email_verified = email_verified.unwrap_or(user.email_verified);
        user.first_name = first_name.value().or(user.first_name);
        user.last_name = last_name.value().or(user.last_name);
        user.name = name.value().or(user.name);
        user.password = password.or(user.password);
        user.updated_at = now.to_owned();
        let shown = user.shown(id);
        self.by_id.insert(id.to_owned(), user);
        Ok(shown)
    }

    /// Notes that the user has signed in; false if there is no such user.
    pub(crate) fn sign_in(&mut self, id: &str, now: &str) -> bool {
        let user = self.by_id.get_mut(id);
        user.map(|user| user.last_sign_in_at = Some(now.to_owned()))
            .is_some()
    }

    pub(crate) fn delete(&mut self, id: &str) -> Result<(), Answer> {
        let user = self
            .by_id
            .remove(id)
            .ok_or_else(|| Answer::entity_not_found(KIND, id))?;
        self.ids.remove(id);
        self.by_email.remove(&user.email);
        if let Some(external_id) = &user.external_id {
            self.by_external_id.remove(external_id);
        }
        Ok(())
    }

    /// Every user in the order of creation, with the kind of its password.
    pub(crate) fn dump(&self) -> Value {
        let dumped = self.by_id.iter().map(|(id, user)| {
            let mut shown = user.shown(id);
            shown["password"] = json!(user.password);
            shown
        });
        dumped.collect()
    }
}

impl User {
    fn shown(&self, id: &str) -> Value {
        json!({
            "object": "user",
            "id": id,
            "email": self.email,
            "email_verified": self.email_verified,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "name": self.name,
            "profile_picture_url": null,
            "metadata": self.metadata,
            "last_sign_in_at": self.last_sign_in_at,
            "locale": self.locale,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "external_id": self.external_id,
        })
    }
}

/// As it is stored.
pub(crate) fn normalized(email: &str) -> String {
    email.trim().to_lowercase()
}

pub(crate) fn is_email(email: &str) -> bool {
    let Some((local, domain)) = email.rsplit_once('@') else {
        return false;
    };
    !local.is_empty()
        && domain.split('.').count() > 1
        && domain.split('.').all(|label| !label.is_empty())
        && !email.contains(char::is_whitespace)
}

fn is_taken(index: &HashMap<String, String>, key: &str, by_other_than: &str) -> bool {
    index.get(key).is_some_and(|owner| owner != by_other_than)
}

#[cfg(test)]
mod tests;
