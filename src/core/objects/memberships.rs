//! Owns single memberships: at most one for each pair of user and organization, active or inactive.

use std::collections::BTreeMap;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::find;
use super::page::{Page, Paging};
use super::settle::{Ensured, Look, id, text};
use super::{Objects, ObjectsError};
use crate::directory::workos::{Call, query, segment};

const PATH: &str = "/user_management/organization_memberships";
/// Without `statuses` lists would show active ones only.
const ALL: &str = "active,inactive,pending";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    user: String,
    organization: String,
    #[serde(default)]
    roles: Vec<String>,
}

/// A membership by its id, or by the pair.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    organization: Option<String>,
    /// Of `set-role` alone.
    #[serde(default)]
    roles: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct List {
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    organization: Option<String>,
    #[serde(default)]
    statuses: Vec<String>,
    #[serde(flatten)]
    paging: Paging,
}

/// A page of memberships, with the names of their organizations by id: older answers do not have them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct NamedPage {
    #[serde(flatten)]
    page: Page,
    names: BTreeMap<String, String>,
}

impl Objects {
    /// Makes a membership. One that is there is it: roles that it lacks are added, and its status stays.
    pub(super) async fn create_membership(&self, input: Create) -> Result<Ensured, ObjectsError> {
        let user = self.user_named(&input.user).await?;
        let organization = self.organization_named(&input.organization).await?;
        let looks = [of_pair(id(&user), id(&organization))];
        if let Some(there) = self.look(&looks).await? {
            return self.with_roles(there, &input.roles).await;
        }
        let mut body = Map::new();
        body.insert("user_id".into(), json!(id(&user)));
        body.insert("organization_id".into(), json!(id(&organization)));
        put_roles(&mut body, &input.roles);
        let call = Call {
            name: "create membership",
            method: Method::POST,
            target: PATH.into(),
            body: Some(Value::Object(body)),
            secrets: Vec::new(),
        };
        let made = self.make(&call, &looks).await?;
        match made.created {
            true => Ok(made),
            // Somebody else was faster.
            false => self.with_roles(made.object, &input.roles).await,
        }
    }

    async fn with_roles(&self, there: Value, wanted: &[String]) -> Result<Ensured, ObjectsError> {
        let mut roles = roles_of(&there);
        let lacking: Vec<&String> = wanted.iter().filter(|role| !roles.contains(role)).collect();
        if lacking.is_empty() {
            return Ok(Ensured {
                object: there,
                created: false,
            });
        }
        roles.extend(lacking.into_iter().cloned());
        let object = self.repeat(&change_roles(id(&there), &roles)).await?;
        Ok(Ensured {
            object,
            created: false,
        })
    }

    /// Gives a membership exactly these roles.
    pub(super) async fn set_roles(&self, input: Named) -> Result<Value, ObjectsError> {
        if input.roles.is_empty() {
            return Err(ObjectsError::Input("Which role? Name one.".into()));
        }
        let there = self.membership_named(&input).await?;
        self.repeat(&change_roles(id(&there), &input.roles)).await
    }

    /// `deactivate` or `reactivate`; nothing changes where it is so already.
    pub(super) async fn set_active(
        &self,
        input: Named,
        active: bool,
    ) -> Result<Value, ObjectsError> {
        let there = self.membership_named(&input).await?;
        let (name, verb) = match active {
            true => ("reactivate membership", "reactivate"),
            false => ("deactivate membership", "deactivate"),
        };
        let call = Call {
            name,
            method: Method::PUT,
            target: format!("{}/{verb}", path_of(id(&there))),
            body: None,
            secrets: Vec::new(),
        };
        self.repeat(&call).await
    }

    /// Deletes; the membership as it was, or nothing where there was none any more.
    pub(super) async fn delete_membership(
        &self,
        input: Named,
    ) -> Result<Option<Value>, ObjectsError> {
        let there = match self.membership_named(&input).await {
            Ok(there) => there,
            Err(ObjectsError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let call = Call {
            name: "delete membership",
            method: Method::DELETE,
            target: path_of(id(&there)),
            body: None,
            secrets: Vec::new(),
        };
        Ok(self.remove(&call).await?.then_some(there))
    }

    pub(super) async fn list_memberships(&self, input: List) -> Result<NamedPage, ObjectsError> {
        if input.user.is_none() && input.organization.is_none() {
            return Err(ObjectsError::Input(
                "Whose memberships? Name a user, an organization, or both.".into(),
            ));
        }
        let user = match &input.user {
            Some(named) => Some(self.user_named(named).await?),
            None => None,
        };
        let organization = match &input.organization {
            Some(named) => Some(self.organization_named(named).await?),
            None => None,
        };
        let mut filters = Vec::new();
        if let Some(user) = &user {
            filters.push(("user_id", id(user)));
        }
        if let Some(organization) = &organization {
            filters.push(("organization_id", id(organization)));
        }
        let statuses = match input.statuses.is_empty() {
            true => ALL.to_owned(),
            false => input.statuses.join(","),
        };
        filters.push(("statuses", &statuses));
        let page = self
            .page("list memberships", PATH, &filters, &input.paging)
            .await?;
        let known = organization.map(|one| (id(&one).to_owned(), one));
        let known = known.into_iter().collect();
        let names = self.names_of(&page, known).await?;
        Ok(NamedPage { page, names })
    }

    /// The names of the organizations of a page; each that the page does not name is read once.
    async fn names_of(
        &self,
        page: &Page,
        mut known: BTreeMap<String, Value>,
    ) -> Result<BTreeMap<String, String>, ObjectsError> {
        let mut names = BTreeMap::new();
        for membership in &page.items {
            let Some(organization) = text(membership, "organization_id") else {
                continue;
            };
            if names.contains_key(organization) {
                continue;
            }
            let said = text(membership, "organization_name").filter(|name| !name.is_empty());
            let name = match said {
                Some(name) => Some(name.to_owned()),
                None => {
                    if !known.contains_key(organization) {
                        let target = find::organization_path(organization);
                        let found = self.read("get organization", target).await?;
                        known.insert(organization.to_owned(), found.unwrap_or_default());
                    }
                    let found = known.get(organization);
                    found
                        .and_then(|found| text(found, "name"))
                        .map(str::to_owned)
                }
            };
            names.insert(organization.to_owned(), name.unwrap_or_default());
        }
        Ok(names)
    }

    async fn membership_named(&self, named: &Named) -> Result<Value, ObjectsError> {
        let (look, words) = match (&named.id, &named.user, &named.organization) {
            (Some(id), None, None) => (
                Look::at("get membership", path_of(id)),
                format!("membership `{id}`"),
            ),
            (None, Some(user), Some(organization)) => {
                let words = format!("membership of `{user}` in `{organization}`");
                let user = self.user_named(user).await?;
                let organization = self.organization_named(organization).await?;
                (of_pair(id(&user), id(&organization)), words)
            }
            _ => {
                return Err(ObjectsError::Input(
                    "Which membership? Name its id, or both a user and an organization.".into(),
                ));
            }
        };
        let found = self.look(&[look]).await?;
        found.ok_or_else(|| ObjectsError::NotFound(format!("There is no {words}.")))
    }
}

/// The look for the membership of a pair. A directory that ignores the filters must not bring another one.
fn of_pair(user: &str, organization: &str) -> Look {
    let pairs = [
        ("user_id", user),
        ("organization_id", organization),
        ("statuses", ALL),
    ];
    let (user, organization) = (user.to_owned(), organization.to_owned());
    Look::among(
        "find membership",
        format!("{PATH}?{}", query(&pairs)),
        move |one| {
            let is = |name, wanted: &str| text(one, name).is_none_or(|found| found == wanted);
            is("user_id", &user) && is("organization_id", &organization)
        },
    )
}

fn path_of(id: &str) -> String {
    format!("{PATH}/{}", segment(id))
}

fn change_roles(id: &str, roles: &[String]) -> Call {
    let mut body = Map::new();
    put_roles(&mut body, roles);
    Call {
        name: "update membership",
        method: Method::PUT,
        target: path_of(id),
        body: Some(Value::Object(body)),
        secrets: Vec::new(),
    }
}

/// One role goes as `role_slug`, which every environment takes; several only as `role_slugs`.
fn put_roles(body: &mut Map<String, Value>, roles: &[String]) {
    match roles {
        [] => {}
        [role] => {
            body.insert("role_slug".into(), json!(role));
        }
        roles => {
            body.insert("role_slugs".into(), json!(roles));
        }
    }
}

/// The slugs of a membership's roles, by whichever fields it has.
fn roles_of(membership: &Value) -> Vec<String> {
    let one = membership.get("role").into_iter();
    let several = membership.get("roles").and_then(Value::as_array);
    let mut roles: Vec<String> = Vec::new();
    for role in one.chain(several.into_iter().flatten()) {
        if let Some(slug) = text(role, "slug").or_else(|| role.as_str())
            && !roles.iter().any(|known| known == slug)
        {
            roles.push(slug.to_owned());
        }
    }
    roles
}
