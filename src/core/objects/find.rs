//! Owns how a caller names users and organizations: by their id, by the caller's own id for them, users also by address.

use serde_json::Value;

use super::settle::{Look, id};
use super::{Objects, ObjectsError};
use crate::directory::workos::{query, segment};

impl Objects {
    /// The organization of an id or an external id, if there is one.
    pub(super) async fn organization(&self, named: &str) -> Result<Option<Value>, ObjectsError> {
        let by_id = ("get organization", organization_path(named));
        let by_external_id = ("look up organization", by_external_id(named));
        let order = match named.starts_with("org_") {
            true => [by_id, by_external_id],
            false => [by_external_id, by_id],
        };
        self.first_of(named, order).await
    }

    /// The same; an error where there is none.
    pub(super) async fn organization_named(&self, named: &str) -> Result<Value, ObjectsError> {
        let found = self.organization(named).await?;
        found.ok_or_else(|| {
            ObjectsError::NotFound(format!(
                "There is no organization `{named}` (id or external id)."
            ))
        })
    }

    /// The user of an id, an email address or an external id, if there is one.
    pub(super) async fn user(&self, named: &str) -> Result<Option<Value>, ObjectsError> {
        if named.contains('@')
            && let Some(found) = self.look(&[user_by_email(named)]).await?
        {
            return Ok(Some(found));
        }
        let by_id = ("get user", user_path(named));
        let by_external_id = ("find user by external id", user_by_external_id(named));
        let order = match named.starts_with("user_") {
            true => [by_id, by_external_id],
            false => [by_external_id, by_id],
        };
        self.first_of(named, order).await
    }

    /// The same; an error where there is none.
    pub(super) async fn user_named(&self, named: &str) -> Result<Value, ObjectsError> {
        let found = self.user(named).await?;
        found.ok_or_else(|| {
            ObjectsError::NotFound(format!(
                "There is no user `{named}` (id, email or external id)."
            ))
        })
    }

    async fn first_of(
        &self,
        named: &str,
        reads: [(&'static str, String); 2],
    ) -> Result<Option<Value>, ObjectsError> {
        if named.trim().is_empty() {
            return Err(ObjectsError::Input(
                "The name of what is meant is empty.".into(),
            ));
        }
        for (name, target) in reads {
            let found = self.read(name, target).await?;
            if let Some(found) = found.filter(|found| !id(found).is_empty()) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

pub(super) fn organization_path(id: &str) -> String {
    format!("/organizations/{}", segment(id))
}

pub(super) fn by_external_id(external_id: &str) -> String {
    format!("/organizations/external_id/{}", segment(external_id))
}

pub(super) fn user_path(id: &str) -> String {
    format!("/user_management/users/{}", segment(id))
}

pub(super) fn user_by_external_id(external_id: &str) -> String {
    format!(
        "/user_management/users/external_id/{}",
        segment(external_id)
    )
}

/// The look for a user by address. A directory that ignores the filter must not bring somebody else.
pub(super) fn user_by_email(email: &str) -> Look {
    let target = format!("/user_management/users?{}", query(&[("email", email)]));
    let email = email.to_owned();
    Look::among("find user", target, move |user| {
        super::settle::text(user, "email").is_some_and(|found| found.eq_ignore_ascii_case(&email))
    })
}
