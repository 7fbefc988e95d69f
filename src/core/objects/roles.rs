//! Owns the list of roles: those of the environment, or of an organization, which are the environment's and its own.

use serde::Deserialize;

use super::page::Page;
use super::settle::{id, items};
use super::{Objects, ObjectsError};
use crate::directory::workos::segment;

#[derive(Debug, Deserialize)]
pub(super) struct List {
    #[serde(default)]
    organization: Option<String>,
}

impl Objects {
    pub(super) async fn list_roles(&self, input: List) -> Result<Page, ObjectsError> {
        let (name, target) = match &input.organization {
            None => ("list roles", "/authorization/roles".to_owned()),
            Some(named) => {
                let organization = self.organization_named(named).await?;
                let target = format!(
                    "/authorization/organizations/{}/roles",
                    segment(id(&organization))
                );
                ("list organization roles", target)
            }
        };
        // There are few: these lists have no pages.
        let body = self.read(name, target).await?.unwrap_or_default();
        Ok(Page {
            items: items(&body),
            after: None,
        })
    }
}
