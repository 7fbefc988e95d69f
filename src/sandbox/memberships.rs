//! Owns the memberships of users in organizations: at most one for each pair,
//! active or inactive, with roles.

use crate::answer::Answer;
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(crate) const KIND: &str = "Organization Membership";

static NOBODY: BTreeSet<String> = BTreeSet::new();

#[derive(Clone, Debug)]
pub(crate) struct Membership {
    pub(crate) user_id: String,
    pub(crate) organization_id: String,
    active: bool,
    roles: Vec<String>,
    created_at: String,
    updated_at: String,
}

/// Identifiers by status, so that a list of the active ones need not step over
/// the others.
#[derive(Debug, Default)]
struct Shelf {
    active: BTreeSet<String>,
    inactive: BTreeSet<String>,
}

/// Every membership of the environment, with its indexes.
#[derive(Debug, Default)]
pub(crate) struct Memberships {
    by_id: BTreeMap<String, Membership>,
    by_pair: HashMap<(String, String), String>,
    by_user: HashMap<String, Shelf>,
    by_organization: HashMap<String, Shelf>,
    members: HashMap<String, BTreeSet<String>>,
}

/// Which memberships a list shows.
#[derive(Debug)]
pub(crate) struct Statuses {
    pub(crate) active: bool,
    pub(crate) inactive: bool,
}

impl Memberships {
    pub(crate) fn get(&self, id: &str) -> Result<&Membership, Answer> {
        self.by_id
            .get(id)
            .ok_or_else(|| Answer::entity_not_found(KIND, id))
    }

    /// The users who are active members of an organization.
    pub(crate) fn members(&self, organization_id: &str) -> &BTreeSet<String> {
        self.members.get(organization_id).unwrap_or(&NOBODY)
    }

    /// The one membership of a pair, if it has one of these statuses.
    pub(crate) fn ids_of_pair(
        &self,
        user_id: &str,
        organization_id: &str,
        statuses: &Statuses,
    ) -> BTreeSet<String> {
        self.id_of_pair(user_id, organization_id)
            .filter(|id| {
                self.by_id.get(*id).is_some_and(|membership| {
                    if membership.active {
                        statuses.active
                    } else {
                        statuses.inactive
                    }
                })
            })
            .into_iter()
            .cloned()
            .collect()
    }

    pub(crate) fn sets_of_user(&self, id: &str, statuses: &Statuses) -> Vec<&BTreeSet<String>> {
        sets(self.by_user.get(id), statuses)
    }

    pub(crate) fn sets_of_organization(
        &self,
        id: &str,
        statuses: &Statuses,
    ) -> Vec<&BTreeSet<String>> {
        sets(self.by_organization.get(id), statuses)
    }

    /// Makes a membership, or reactivates the inactive one of the same pair.
    pub(crate) fn create(
        &mut self,
        user_id: &str,
        organization_id: &str,
        roles: Vec<String>,
        new_id: impl FnOnce() -> String,
        now: &str,
    ) -> Result<String, Answer> {
        if let Some(id) = self.id_of_pair(user_id, organization_id).cloned() {
            if self.get(&id)?.active {
                return Err(Answer::code(
                    StatusCode::CONFLICT,
                    "organization_membership_already_exists",
                    "The user is already a member of the organization.",
                ));
            }
            self.change(&id, Some(true), Some(roles), now)?;
            return Ok(id);
        }
        let id = new_id();
        let membership = Membership {
            user_id: user_id.to_owned(),
            organization_id: organization_id.to_owned(),
            active: true,
            roles,
            created_at: now.to_owned(),
            updated_at: now.to_owned(),
        };
        self.by_pair
            .insert((user_id.to_owned(), organization_id.to_owned()), id.clone());
        self.shelve(&id, &membership);
        self.by_id.insert(id.clone(), membership);
        Ok(id)
    }

    /// Changes status, roles or both; what already is so stays untouched.
    pub(crate) fn change(
        &mut self,
        id: &str,
        active: Option<bool>,
        roles: Option<Vec<String>>,
        now: &str,
    ) -> Result<(), Answer> {
        let mut membership = self.get(id)?.clone();
        let active = active.unwrap_or(membership.active);
        if active == membership.active && roles.is_none() {
            return Ok(());
        }
        self.unshelve(id, &membership);
        membership.active = active;
        membership.roles = roles.unwrap_or(membership.roles);
        membership.updated_at = now.to_owned();
        self.shelve(id, &membership);
        self.by_id.insert(id.to_owned(), membership);
        Ok(())
    }

    pub(crate) fn delete(&mut self, id: &str) -> Result<(), Answer> {
        let membership = self.get(id)?.clone();
        self.unshelve(id, &membership);
        self.by_pair
            .remove(&(membership.user_id, membership.organization_id));
        self.by_id.remove(id);
        Ok(())
    }

    pub(crate) fn delete_of_user(&mut self, user_id: &str) {
        self.delete_all(all_on(self.by_user.get(user_id)));
        self.by_user.remove(user_id);
    }

    pub(crate) fn delete_of_organization(&mut self, organization_id: &str) {
        self.delete_all(all_on(self.by_organization.get(organization_id)));
        self.by_organization.remove(organization_id);
        self.members.remove(organization_id);
    }

    /// Whether any membership of the organization, active or not, has a role.
    pub(crate) fn is_assigned(&self, organization_id: &str, role: &str) -> bool {
        let shelf = self.by_organization.get(organization_id);
        let mut memberships = shelf
            .into_iter()
            .flat_map(|shelf| shelf.active.iter().chain(&shelf.inactive))
            .filter_map(|id| self.by_id.get(id));
        memberships.any(|membership| membership.roles.iter().any(|slug| slug == role))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&String, &Membership)> {
        self.by_id.iter()
    }

    fn delete_all(&mut self, ids: Vec<String>) {
        for id in ids {
            // The indexes name only what is there.
            let _ = self.delete(&id);
        }
    }

    fn id_of_pair(&self, user_id: &str, organization_id: &str) -> Option<&String> {
        self.by_pair
            .get(&(user_id.to_owned(), organization_id.to_owned()))
    }

    fn shelve(&mut self, id: &str, membership: &Membership) {
        let user = self.by_user.entry(membership.user_id.clone());
        user.or_default().of(membership).insert(id.to_owned());
        let organization = self
            .by_organization
            .entry(membership.organization_id.clone());
        organization
            .or_default()
            .of(membership)
            .insert(id.to_owned());
        if membership.active {
            self.members
                .entry(membership.organization_id.clone())
                .or_default()
                .insert(membership.user_id.clone());
        }
    }

    fn unshelve(&mut self, id: &str, membership: &Membership) {
        if let Some(shelf) = self.by_user.get_mut(&membership.user_id) {
            shelf.of(membership).remove(id);
        }
        if let Some(shelf) = self.by_organization.get_mut(&membership.organization_id) {
            shelf.of(membership).remove(id);
        }
        if let Some(members) = self.members.get_mut(&membership.organization_id) {
            members.remove(&membership.user_id);
        }
    }
}

impl Membership {
    /// The membership as the API shows it. `role` and `user` are required by
    /// the specification, `roles` by the SDKs.
    pub(crate) fn shown(&self, id: &str, organization_name: Option<&str>, user: Value) -> Value {
        let roles: Vec<Value> = self
            .roles
            .iter()
            .map(|slug| json!({ "slug": slug }))
            .collect();
        json!({
            "object": "organization_membership",
            "id": id,
            "user_id": self.user_id,
            "organization_id": self.organization_id,
            "organization_name": organization_name.unwrap_or_default(),
            "status": if self.active { "active" } else { "inactive" },
            "role": roles.first(),
            "roles": roles,
            "directory_managed": false,
            "custom_attributes": {},
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "user": user,
        })
    }
}

impl Shelf {
    fn of(&mut self, membership: &Membership) -> &mut BTreeSet<String> {
        if membership.active {
            &mut self.active
        } else {
            &mut self.inactive
        }
    }
}

fn sets<'a>(shelf: Option<&'a Shelf>, statuses: &Statuses) -> Vec<&'a BTreeSet<String>> {
    let Some(shelf) = shelf else {
        return Vec::new();
    };
    [
        (statuses.active, &shelf.active),
        (statuses.inactive, &shelf.inactive),
    ]
    .into_iter()
    .filter_map(|(wanted, set)| wanted.then_some(set))
    .collect()
}

fn all_on(shelf: Option<&Shelf>) -> Vec<String> {
    shelf.map_or_else(Vec::new, |shelf| {
        shelf.active.union(&shelf.inactive).cloned().collect()
    })
}

#[cfg(test)]
mod tests;
