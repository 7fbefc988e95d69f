//! Owns the feature flags: which there are, and for which organizations. The
//! API cannot make them; who rehearses sets them.

use crate::roles::name_of;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
struct Flag {
    slug: String,
    enabled: bool,
    /// `None` is for everybody.
    organizations: Option<BTreeSet<String>>,
    created_at: String,
    updated_at: String,
}

/// The flags of the environment.
#[derive(Debug, Default)]
pub(crate) struct FeatureFlags {
    by_id: BTreeMap<String, Flag>,
}

impl FeatureFlags {
    /// Makes a flag, or changes the one with this slug.
    pub(crate) fn set(
        &mut self,
        slug: &str,
        organizations: Option<Vec<String>>,
        enabled: bool,
        new_id: impl FnOnce() -> String,
        now: &str,
    ) {
        let organizations = organizations.map(|ids| ids.into_iter().collect());
        let mut flags = self.by_id.values_mut();
        if let Some(flag) = flags.find(|flag| flag.slug == slug) {
            flag.organizations = organizations;
            flag.enabled = enabled;
            flag.updated_at = now.to_owned();
            return;
        }
        let flag = Flag {
            slug: slug.to_owned(),
            enabled,
            organizations,
            created_at: now.to_owned(),
            updated_at: now.to_owned(),
        };
        self.by_id.insert(new_id(), flag);
    }

    /// The flags that are on for an organization: the API lists no others.
    pub(crate) fn ids_of(&self, organization_id: &str) -> BTreeSet<String> {
        let on = self.by_id.iter().filter(|(_, flag)| {
            let organizations = flag.organizations.as_ref();
            flag.enabled && organizations.is_none_or(|ids| ids.contains(organization_id))
        });
        on.map(|(id, _)| id.clone()).collect()
    }

    pub(crate) fn shown(&self, id: &str) -> Value {
        let flag = self.by_id.get(id);
        flag.map_or(Value::Null, |flag| flag.shown(id))
    }

    /// Every flag, with the organizations that it is for (null: all).
    pub(crate) fn dump(&self) -> Value {
        let dumped = self.by_id.iter().map(|(id, flag)| {
            let mut shown = flag.shown(id);
            shown["organizations"] = json!(flag.organizations);
            shown
        });
        dumped.collect()
    }
}

impl Flag {
    fn shown(&self, id: &str) -> Value {
        json!({
            "object": "feature_flag",
            "id": id,
            "slug": self.slug,
            "name": name_of(&self.slug),
            "description": "",
            "owner": null,
            "tags": [],
            "enabled": self.enabled,
            "default_value": self.organizations.is_none(),
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{call, made, sandbox};
    use serde_json::{Value, json};

    #[test]
    fn an_organization_lists_the_flags_that_are_on_for_it() {
        let sandbox = sandbox();
        let [one, other] =
            ["A", "B"].map(|name| made(&sandbox, "POST /organizations", json!({ "name": name })));
        sandbox.set_feature_flag("for-one", Some(vec![one.clone()]), true);
        sandbox.set_feature_flag("for-all", None, true);
        sandbox.set_feature_flag("off", None, false);
        let list = |id: &str| {
            let line = format!("GET /organizations/{id}/feature-flags?order=asc");
            call(&sandbox, &line, Value::Null).1["data"].clone()
        };
        let slugs = |list: Value| -> Vec<Value> {
            let flags = list.as_array().unwrap().iter();
            flags.map(|flag| flag["slug"].clone()).collect()
        };
        assert_eq!(slugs(list(&one)), ["for-one", "for-all"]);
        assert_eq!(slugs(list(&other)), ["for-all"]);
        assert_eq!(list(&one)[0]["default_value"], false);
        assert_eq!(list(&one)[0]["name"], "For One");
        sandbox.set_feature_flag("for-one", Some(vec![one.clone()]), false);
        assert_eq!(slugs(list(&one)), ["for-all"], "changed, not made again");
        assert_eq!(sandbox.dump()["feature_flags"].as_array().unwrap().len(), 3);
        let unknown = "GET /organizations/org_x/feature-flags";
        assert_eq!(call(&sandbox, unknown, Value::Null).0, 404);
        sandbox.reset();
        assert_eq!(sandbox.dump()["feature_flags"], json!([]));
    }
}
