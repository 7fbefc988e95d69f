//! Owns single organizations. Their names are not unique: only an external id or a domain tells one again.

use std::collections::BTreeMap;

use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::domains;
use super::error::refused;
use super::page::{Page, Paging};
use super::settle::{Ensured, Look, Sent, id, items, made_within, text};
use super::{Objects, ObjectsError, find};
use crate::directory::workos::{self, Call, query};
use crate::row::Domain;

/// Metadata as callers give it; on an update `None` takes a key away.
pub(super) type Metadata = BTreeMap<String, Option<String>>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    name: String,
    #[serde(default)]
    domains: Vec<String>,
    #[serde(default)]
    external_id: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Update {
    organization: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    add_domains: Vec<String>,
    #[serde(default)]
    remove_domains: Vec<String>,
    #[serde(default)]
    external_id: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

#[derive(Debug, Deserialize)]
pub(super) struct List {
    #[serde(default)]
    domains: Vec<String>,
    #[serde(default)]
    search: Option<String>,
    #[serde(flatten)]
    paging: Paging,
}

impl Objects {
    /// Makes an organization; one with this external id that is there is it.
    pub(super) async fn create_organization(&self, input: Create) -> Result<Ensured, ObjectsError> {
        let name = input.name.trim();
        if name.is_empty() {
            return Err(ObjectsError::Input("An organization needs a name.".into()));
        }
        let domains = domains::read_all(&input.domains)?;
        let mut body = Map::new();
        body.insert("name".into(), json!(name));
        if !domains.is_empty() {
            body.insert("domain_data".into(), workos::domain_data(&domains));
        }
        if let Some(metadata) = &input.metadata {
            body.insert("metadata".into(), json!(metadata));
        }
        let mut looks = Vec::new();
        if let Some(external_id) = &input.external_id {
            body.insert("external_id".into(), json!(external_id));
            looks.push(Look::at(
                "look up organization",
                find::by_external_id(external_id),
            ));
            if let Some(object) = self.look(&looks).await? {
                return Ok(Ensured {
                    object,
                    created: false,
                });
            }
        }
        let call = Call {
            name: "create organization",
            method: Method::POST,
            target: "/organizations".into(),
            body: Some(Value::Object(body)),
            secrets: Vec::new(),
        };
        if looks.is_empty() && domains.is_empty() {
            return self.create_nameless(&call, name).await;
        }
        // Found by its domain only where it has the name too; another one's is a conflict.
        if looks.is_empty()
            && let Some(first) = domains.first()
        {
            let called = name.to_owned();
            looks.push(Look::among(
                "find organization",
                by_domain(first),
                move |one| text(one, "name") == Some(&called),
            ));
        }
        match self.send_until_known(&call, &looks).await? {
            (Sent::Made(object), true) => Ok(Ensured {
                object,
                created: true,
            }),
            // By its external id it is the one that is meant, by a domain alone it is another's.
            (Sent::Made(object), false) if input.external_id.is_some() => Ok(Ensured {
                object,
                created: false,
            }),
            (Sent::Made(object), false) => Err(taken(&domains, &object)),
            (Sent::Refused(error), _) if error.status() == 409 => {
                Err(match self.owner_of(&domains, "").await? {
                    Some(owner) => taken(&domains, &owner),
                    None => refused(error),
                })
            }
            (Sent::Refused(error), _) => Err(refused(error)),
        }
    }

    /// Nothing tells it again: it is sent once, and a lost answer ends in doubt.
    async fn create_nameless(&self, call: &Call, name: &str) -> Result<Ensured, ObjectsError> {
        let doubt = match self.once(call).await? {
            Ok(object) => {
                return Ok(Ensured {
                    object,
                    created: true,
                });
            }
            Err(doubt) => doubt,
        };
        let target = format!(
            "/organizations?{}",
            query(&[("search", name), ("limit", "100")])
        );
        let body = self.read("list organizations", target).await.ok().flatten();
        let candidates: Vec<Value> = items(&body.unwrap_or_default())
            .into_iter()
            .filter(|one| text(one, "name") == Some(name) && made_within(one, doubt))
            .collect();
        let ids: Vec<&str> = candidates.iter().map(id).collect();
        let found = match ids.is_empty() {
            true => "Nothing of this name was made since, as far as can be seen.".to_owned(),
            false => format!("Of this name and made in that moment: {}.", ids.join(", ")),
        };
        Err(ObjectsError::InDoubt {
            message: format!(
                "The answer was lost, and without an external id or a domain nothing tells whether `{name}` was made. It \
                 was sent once, and is not sent again. {found} With --external-id (external_id=) this cannot happen."
            ),
            candidates,
        })
    }

    /// Changes what is given, and nothing else. Domains are read, and written as a whole.
    pub(super) async fn update_organization(&self, input: Update) -> Result<Value, ObjectsError> {
        let before = self.organization_named(&input.organization).await?;
        let mut body = Map::new();
        if let Some(name) = &input.name {
            if name.trim().is_empty() {
                return Err(ObjectsError::Input("An organization needs a name.".into()));
            }
            body.insert("name".into(), json!(name.trim()));
        }
        if let Some(external_id) = &input.external_id {
            body.insert("external_id".into(), json!(external_id));
        }
        if let Some(metadata) = &input.metadata {
            body.insert("metadata".into(), json!(metadata));
        }
        let added = domains::read_all(&input.add_domains)?;
        let removed = domains::read_all(&input.remove_domains)?;
        if !added.is_empty() || !removed.is_empty() {
            let mut domains = workos::domains(&before);
            let named = |domain: &Domain| {
                let mut all = added.iter().chain(&removed);
                all.any(|one| one.name == domain.name)
            };
            domains.retain(|domain| !named(domain));
            domains.extend(added.iter().cloned());
            body.insert("domain_data".into(), workos::domain_data(&domains));
        }
        if body.is_empty() {
            return Err(ObjectsError::Input(
                "There is nothing to change: say what.".into(),
            ));
        }
        let call = Call {
            name: "update organization",
            method: Method::PUT,
            target: find::organization_path(id(&before)),
            body: Some(Value::Object(body)),
            secrets: Vec::new(),
        };
        match self.repeat(&call).await {
            Err(ObjectsError::Conflict { message, with }) => {
                Err(match self.owner_of(&added, id(&before)).await? {
                    Some(owner) => taken(&added, &owner),
                    None => ObjectsError::Conflict { message, with },
                })
            }
            other => other,
        }
    }

    /// Deletes; the organization as it was, or nothing where there was none any more.
    pub(super) async fn delete_organization(
        &self,
        named: &str,
    ) -> Result<Option<Value>, ObjectsError> {
        let Some(before) = self.organization(named).await? else {
            return Ok(None);
        };
        let call = Call {
            name: "delete organization",
            method: Method::DELETE,
            target: find::organization_path(id(&before)),
            body: None,
            secrets: Vec::new(),
        };
        Ok(self.remove(&call).await?.then_some(before))
    }

    pub(super) async fn list_organizations(&self, input: List) -> Result<Page, ObjectsError> {
        let domains = domains::read_all(&input.domains)?;
        let domains: Vec<&str> = domains.iter().map(|one| one.name.as_str()).collect();
        let domains = domains.join(",");
        let mut filters = Vec::new();
        if !domains.is_empty() {
            filters.push(("domains", domains.as_str()));
        }
        if let Some(search) = &input.search {
            filters.push(("search", search));
        }
        self.page(
            "list organizations",
            "/organizations",
            &filters,
            &input.paging,
        )
        .await
    }

    /// The organization, other than `but`, that has one of the domains.
    async fn owner_of(&self, domains: &[Domain], but: &str) -> Result<Option<Value>, ObjectsError> {
        for domain in domains {
            let but = but.to_owned();
            let look = Look::among("find organization", by_domain(domain), move |one| {
                id(one) != but
            });
            if let Some(owner) = self.look(&[look]).await? {
                return Ok(Some(owner));
            }
        }
        Ok(None)
    }
}

fn by_domain(domain: &Domain) -> String {
    format!("/organizations?{}", query(&[("domains", &domain.name)]))
}

/// The conflict about a domain, with the domain and the organization that has it.
fn taken(domains: &[Domain], owner: &Value) -> ObjectsError {
    let has = workos::domains(owner);
    let domain = domains
        .iter()
        .find(|domain| has.iter().any(|other| other.name == domain.name))
        .or_else(|| domains.first());
    let domain = domain.map_or("", |domain| domain.name.as_str());
    ObjectsError::Conflict {
        message: format!(
            "The domain {domain} is that of another organization: {} ({}).",
            text(owner, "name").unwrap_or("without a name"),
            id(owner)
        ),
        with: Some(id(owner).to_owned()),
    }
}
