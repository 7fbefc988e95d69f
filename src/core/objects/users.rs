//! Owns single users. An address and an external id each tell one again.

use http::Method;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use super::find::{self, user_by_email};
use super::organizations::Metadata;
use super::page::{Page, Paging};
use super::settle::{Ensured, Look, id};
use super::{Objects, ObjectsError};
use crate::directory::workos::Call;
use crate::secret::Secret;

/// What is written of a user. Its `Debug` shows no password.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    first_name: Option<String>,
    #[serde(default)]
    last_name: Option<String>,
    #[serde(default)]
    external_id: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default)]
    email_verified: Option<bool>,
    #[serde(default, deserialize_with = "secret")]
    password: Option<Secret>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Update {
    user: String,
    fields: Fields,
}

#[derive(Debug, Deserialize)]
pub(super) struct List {
    #[serde(default)]
    email: Option<String>,
    /// An id or an external id.
    #[serde(default)]
    organization: Option<String>,
    #[serde(flatten)]
    paging: Paging,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}

impl Objects {
    /// Makes a user; one of this address or external id who is there is it, and is left as is.
    pub(super) async fn create_user(&self, fields: Fields) -> Result<Ensured, ObjectsError> {
        let email = fields
            .email
            .as_deref()
            .unwrap_or_default()
            .trim()
            .to_lowercase();
        if !email.contains('@') {
            return Err(ObjectsError::Input("A user needs an email address.".into()));
        }
        let mut looks = vec![user_by_email(&email)];
        if let Some(external_id) = &fields.external_id {
            looks.push(Look::at(
                "find user by external id",
                find::user_by_external_id(external_id),
            ));
        }
        if let Some(object) = self.look(&looks).await? {
            return Ok(Ensured {
                object,
                created: false,
            });
        }
        let call = Call {
            name: "create user",
            method: Method::POST,
            target: "/user_management/users".into(),
            secrets: fields.password.iter().cloned().collect(),
            body: Some(Value::Object(body(&fields))),
        };
        self.make(&call, &looks).await
    }

    /// Changes what is given, and nothing else.
    pub(super) async fn update_user(&self, input: Update) -> Result<Value, ObjectsError> {
        let body = body(&input.fields);
        if body.is_empty() {
            return Err(ObjectsError::Input(
                "There is nothing to change: say what.".into(),
            ));
        }
        let before = self.user_named(&input.user).await?;
        let call = Call {
            name: "update user",
            method: Method::PUT,
            target: find::user_path(id(&before)),
            body: Some(Value::Object(body)),
            secrets: input.fields.password.iter().cloned().collect(),
        };
        self.repeat(&call).await
    }

    /// Deletes; the user as it was, or nothing where there was none any more.
    pub(super) async fn delete_user(&self, named: &str) -> Result<Option<Value>, ObjectsError> {
        let Some(before) = self.user(named).await? else {
            return Ok(None);
        };
        let call = Call {
            name: "delete user",
            method: Method::DELETE,
            target: find::user_path(id(&before)),
            body: None,
            secrets: Vec::new(),
        };
        Ok(self.remove(&call).await?.then_some(before))
    }

    pub(super) async fn list_users(&self, input: List) -> Result<Page, ObjectsError> {
        let organization = match &input.organization {
            Some(named) => Some(self.organization_named(named).await?),
            None => None,
        };
        let mut filters = Vec::new();
        if let Some(email) = &input.email {
            filters.push(("email", email.as_str()));
        }
        if let Some(organization) = &organization {
            filters.push(("organization_id", id(organization)));
        }
        self.page(
            "list users",
            "/user_management/users",
            &filters,
            &input.paging,
        )
        .await
    }
}

/// The body that writes these fields.
fn body(fields: &Fields) -> Map<String, Value> {
    let password = fields.password.as_ref().map(Secret::expose);
    let pairs = [
        (
            "email",
            fields
                .email
                .as_ref()
                .map(|email| json!(email.trim().to_lowercase())),
        ),
        (
            "first_name",
            fields.first_name.as_ref().map(|text| json!(text)),
        ),
        (
            "last_name",
            fields.last_name.as_ref().map(|text| json!(text)),
        ),
        ("email_verified", fields.email_verified.map(Value::Bool)),
        (
            "external_id",
            fields.external_id.as_ref().map(|text| json!(text)),
        ),
        (
            "metadata",
            fields.metadata.as_ref().map(|pairs| json!(pairs)),
        ),
        ("password", password.map(|text| json!(text))),
    ];
    let given = pairs.into_iter();
    given
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}
