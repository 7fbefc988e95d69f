//! Owns one page of a list: what is asked for, and what comes back. Callers ask for the next page when they need it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::settle::{items, text};
use super::{Objects, ObjectsError};
use crate::directory::workos::query;

/// The most that a page holds.
const LARGEST: u32 = 100;

/// Where a list goes on, and how much of it is wanted.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Paging {
    /// The cursor of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The most that is wanted; a page holds no more than 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// One page: the objects as the API shows them, and the cursor of the next one.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Page {
    pub items: Vec<Value>,
    pub after: Option<String>,
}

impl Objects {
    /// Reads a page of `path`. An unknown path is an error of the kind `NotFound`.
    pub(super) async fn page(
        &self,
        name: &'static str,
        path: &str,
        filters: &[(&str, &str)],
        paging: &Paging,
    ) -> Result<Page, ObjectsError> {
        let limit = paging
            .limit
            .unwrap_or(LARGEST)
            .clamp(1, LARGEST)
            .to_string();
        let mut pairs = vec![("limit", limit.as_str()), ("order", "asc")];
        pairs.extend_from_slice(filters);
        if let Some(after) = &paging.after {
            pairs.push(("after", after));
        }
        let target = format!("{path}?{}", query(&pairs));
        let body = self.read(name, target).await?;
        let body = body.ok_or_else(|| {
            ObjectsError::NotFound("WorkOS does not know what the list is about (HTTP 404).".into())
        })?;
        let after = body
            .get("list_metadata")
            .and_then(|metadata| text(metadata, "after"));
        Ok(Page {
            items: items(&body),
            after: after.map(str::to_owned),
        })
    }
}
