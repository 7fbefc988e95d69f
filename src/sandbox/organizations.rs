//! Owns the organizations and their domains. Names are not unique; external
//! ids and domains are.

use crate::answer::Answer;
use crate::domains::{self, Domain};
use crate::fields::{Fields, Given};
use http::StatusCode;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(crate) const KIND: &str = "Organization";

#[derive(Clone, Debug)]
struct Organization {
    name: String,
    allow_profiles_outside_organization: bool,
    domains: Vec<Domain>,
    external_id: Option<String>,
    stripe_customer_id: Option<String>,
    metadata: Map<String, Value>,
    created_at: String,
    updated_at: String,
}

/// Every organization of the environment, with its indexes.
#[derive(Debug, Default)]
pub(crate) struct Organizations {
    by_id: BTreeMap<String, Organization>,
    ids: BTreeSet<String>,
    by_external_id: HashMap<String, String>,
    by_domain: HashMap<String, String>,
}

/// Draws an identifier with the given prefix.
pub(crate) type NewId<'a> = &'a mut dyn FnMut(&str) -> String;

impl Organizations {
    pub(crate) fn ids(&self) -> &BTreeSet<String> {
        &self.ids
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    pub(crate) fn name(&self, id: &str) -> Option<&str> {
        self.by_id
            .get(id)
            .map(|organization| organization.name.as_str())
    }

    pub(crate) fn id_of_external_id(&self, external_id: &str) -> Option<&String> {
        self.by_external_id.get(external_id)
    }

    pub(crate) fn ids_of_domains(&self, domains: &[&str]) -> BTreeSet<String> {
        domains
            .iter()
            .filter_map(|domain| self.by_domain.get(&domain.to_lowercase()))
            .cloned()
            .collect()
    }

    /// Those whose name contains the text. The one search that looks at all.
    pub(crate) fn ids_of_search(&self, text: &str) -> BTreeSet<String> {
        let text = text.to_lowercase();
        self.by_id
            .iter()
            .filter(|(_, organization)| organization.name.to_lowercase().contains(&text))
            .map(|(id, _)| id.clone())
            .collect()
    }

    pub(crate) fn shown(&self, id: &str) -> Value {
        self.by_id
            .get(id)
            .map_or(Value::Null, |organization| organization.shown(id))
    }

    /// Unknown organizations are answered with a message only.
    pub(crate) fn found(&self, id: &str) -> Result<Value, Answer> {
        match self.shown(id) {
            Value::Null => Err(Answer::not_found()),
            shown => Ok(shown),
        }
    }

    pub(crate) fn create(
        &mut self,
        fields: &Fields,
        new_id: NewId<'_>,
        now: &str,
    ) -> Result<Value, Answer> {
        let name = fields.required_text("name", "Name")?;
        let allow = fields.boolean("allow_profiles_outside_organization")?;
        let external_id = fields.external_id()?.value();
        let metadata = fields.metadata(None)?;
        let domains = domains::read(fields)?.unwrap_or_default();
        if let Some(external_id) = &external_id
            && self.by_external_id.contains_key(external_id)
        {
            return Err(external_id_already_used());
        }
        self.check_domains(&domains, "")?;
        let id = new_id("org_");
        self.ids.insert(id.clone());
        if let Some(external_id) = &external_id {
            self.by_external_id.insert(external_id.clone(), id.clone());
        }
        let organization = Organization {
            name,
            allow_profiles_outside_organization: allow.value().unwrap_or(false),
            domains: self.own_domains(&id, domains, new_id, now),
            external_id,
            stripe_customer_id: None,
            metadata,
            created_at: now.to_owned(),
            updated_at: now.to_owned(),
        };
        let shown = organization.shown(&id);
        self.by_id.insert(id, organization);
        Ok(shown)
    }

    pub(crate) fn update(
        &mut self,
        id: &str,
        fields: &Fields,
        new_id: NewId<'_>,
        now: &str,
    ) -> Result<Value, Answer> {
        let name = fields.text("name")?.value();
        let allow = fields.boolean("allow_profiles_outside_organization")?;
        let external_id = fields.external_id()?;
        let stripe_customer_id = fields.text("stripe_customer_id")?;
        let domains = domains::read(fields)?;
        let Some(organization) = self.by_id.get(id) else {
            return Err(Answer::not_found());
        };
        let metadata = fields.metadata(Some(&organization.metadata))?;
        if let Given::Value(external_id) = &external_id
            && self
                .by_external_id
                .get(external_id)
                .is_some_and(|owner| owner != id)
        {
            return Err(external_id_already_used());
        }
        if let Some(domains) = &domains {
            self.check_domains(domains, id)?;
        }

        let mut organization = organization.clone();
        if let Some(before) = &organization.external_id
            && external_id != Given::Absent
        {
            self.by_external_id.remove(before);
        }
        external_id.apply(&mut organization.external_id);
        if let Some(after) = &organization.external_id {
            self.by_external_id.insert(after.clone(), id.to_owned());
        }
        if let Some(domains) = domains {
            self.disown_domains(&organization);
            organization.domains = self.own_domains(id, domains, new_id, now);
        }
        stripe_customer_id.apply(&mut organization.stripe_customer_id);
        organization.name = name.unwrap_or(organization.name);
        organization.allow_profiles_outside_organization = allow
            .value()
            .unwrap_or(organization.allow_profiles_outside_organization);
        organization.metadata = metadata;
        organization.updated_at = now.to_owned();
        let shown = organization.shown(id);
        self.by_id.insert(id.to_owned(), organization);
        Ok(shown)
    }

    pub(crate) fn delete(&mut self, id: &str) -> Result<(), Answer> {
        let organization = self.by_id.remove(id).ok_or_else(Answer::not_found)?;
        self.ids.remove(id);
        if let Some(external_id) = &organization.external_id {
            self.by_external_id.remove(external_id);
        }
        self.disown_domains(&organization);
        Ok(())
    }

    pub(crate) fn dump(&self) -> Value {
        let dumped = self
            .by_id
            .iter()
            .map(|(id, organization)| organization.shown(id));
        dumped.collect()
    }

    fn check_domains(&self, domains: &[(String, &'static str)], id: &str) -> Result<(), Answer> {
        let taken = domains
            .iter()
            .find(|(domain, _)| self.by_domain.get(domain).is_some_and(|owner| owner != id));
        match taken {
            None => Ok(()),
            Some((domain, _)) => Err(Answer::message(
                StatusCode::CONFLICT,
                format!("An Organization with the domain {domain} already exists."),
            )),
        }
    }

    fn own_domains(
        &mut self,
        id: &str,
        domains: Vec<(String, &'static str)>,
        new_id: NewId<'_>,
        now: &str,
    ) -> Vec<Domain> {
        let mut owned = Vec::new();
        for (domain, state) in domains {
            let before = self.by_domain.insert(domain.clone(), id.to_owned());
            if before.as_deref() == Some(id) {
                // The same domain twice in one body.
                continue;
            }
            owned.push(Domain {
                id: new_id("org_domain_"),
                domain,
                state,
                created_at: now.to_owned(),
            });
        }
        owned
    }

    fn disown_domains(&mut self, organization: &Organization) {
        for domain in &organization.domains {
            self.by_domain.remove(&domain.domain);
        }
    }
}

impl Organization {
    fn shown(&self, id: &str) -> Value {
        let domains: Value = self.domains.iter().map(|domain| domain.shown(id)).collect();
        let mut shown = json!({
            "object": "organization",
            "id": id,
            "name": self.name,
            "allow_profiles_outside_organization": self.allow_profiles_outside_organization,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "domains": domains,
            "metadata": self.metadata,
            "external_id": self.external_id,
        });
        if let Some(customer) = &self.stripe_customer_id {
            shown["stripe_customer_id"] = json!(customer);
        }
        shown
    }
}

fn external_id_already_used() -> Answer {
    Answer::refused(
        "external_id_already_used",
        "The external ID is already used by another organization.",
    )
}

#[cfg(test)]
mod tests;
