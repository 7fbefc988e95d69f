//! Owns the feature flags that an organization has.

use serde::Deserialize;

use super::page::{Page, Paging};
use super::settle::id;
use super::{Objects, ObjectsError, find};

#[derive(Debug, Deserialize)]
pub(super) struct List {
    organization: String,
    #[serde(flatten)]
    paging: Paging,
}

impl Objects {
    /// The list has the flags that are on for the organization.
    pub(super) async fn list_feature_flags(&self, input: List) -> Result<Page, ObjectsError> {
        let organization = self.organization_named(&input.organization).await?;
        let path = format!(
            "{}/feature-flags",
            find::organization_path(id(&organization))
        );
        self.page("list feature flags", &path, &[], &input.paging)
            .await
    }
}
