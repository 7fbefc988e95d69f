//! Owns the API keys of an organization. A key's value is in the answer that makes it, and nowhere afterwards.

use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::page::{Page, Paging};
use super::settle::{Ensured, id, items, made_within, text};
use super::{Objects, ObjectsError, find};
use crate::directory::workos::Call;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    organization: String,
    name: String,
    #[serde(default)]
    permissions: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct List {
    organization: String,
    #[serde(flatten)]
    paging: Paging,
}

impl Objects {
    /// Makes a key, once: the value of one whose answer was lost is lost too.
    pub(super) async fn create_api_key(&self, input: Create) -> Result<Ensured, ObjectsError> {
        let name = input.name.trim();
        if name.is_empty() {
            return Err(ObjectsError::Input("An API key needs a name.".into()));
        }
        let organization = self.organization_named(&input.organization).await?;
        let path = format!("{}/api_keys", find::organization_path(id(&organization)));
        let mut body = Map::new();
        body.insert("name".into(), json!(name));
        if !input.permissions.is_empty() {
            body.insert("permissions".into(), json!(input.permissions));
        }
        let call = Call {
            name: "create API key",
            method: Method::POST,
            target: path.clone(),
            body: Some(Value::Object(body)),
            secrets: Vec::new(),
        };
        let doubt = match self.once(&call).await? {
            Ok(object) => {
                return Ok(Ensured {
                    object,
                    created: true,
                });
            }
            Err(doubt) => doubt,
        };
        let body = self
            .read("list API keys", format!("{path}?limit=100"))
            .await
            .ok()
            .flatten();
        let candidates: Vec<Value> = items(&body.unwrap_or_default())
            .into_iter()
            .filter(|one| text(one, "name") == Some(name) && made_within(one, doubt))
            .collect();
        let ids: Vec<&str> = candidates.iter().map(id).collect();
        let found = match ids.is_empty() {
            true => "No key of this name was made since, as far as can be seen.".to_owned(),
            false => format!(
                "Of this name and made in that moment: {}. Delete it in the dashboard.",
                ids.join(", ")
            ),
        };
        Err(ObjectsError::InDoubt {
            message: format!(
                "The answer was lost, and the key's value with it. It was asked for once, and is not asked for again. {found}"
            ),
            candidates,
        })
    }

    pub(super) async fn list_api_keys(&self, input: List) -> Result<Page, ObjectsError> {
        let organization = self.organization_named(&input.organization).await?;
        let path = format!("{}/api_keys", find::organization_path(id(&organization)));
        self.page("list API keys", &path, &[], &input.paging).await
    }
}
