//! Owns the environment: users, organizations, memberships and what belongs to
//! them, and what each call does to them. Pure: no limit, no fault, no clock.
//! The calls below `/authorization`, and those that send mail, have files of
//! their own.

mod authorization;
mod mails;

use crate::answer::{Answer, Answered};
use crate::api_keys::ApiKeys;
use crate::clock;
use crate::counters::Mail;
use crate::factors::Factors;
use crate::feature_flags::FeatureFlags;
use crate::fields::Fields;
use crate::identifiers::Identifiers;
use crate::invitations::Invitations;
use crate::memberships::{Memberships, Statuses};
use crate::organizations::{self, Organizations};
use crate::paging::Page;
use crate::permissions::Permissions;
use crate::roles::Roles;
use crate::route::{Query, Route, Target};
use crate::settings::Settings;
use crate::users::{self, Users};
use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::SystemTime;

#[derive(Debug)]
pub(crate) struct State {
    users: Users,
    organizations: Organizations,
    memberships: Memberships,
    roles: Roles,
    permissions: Permissions,
    invitations: Invitations,
    factors: Factors,
    api_keys: ApiKeys,
    feature_flags: FeatureFlags,
    identifiers: Identifiers,
    /// What the latest call sent.
    mail: Option<Mail>,
}

impl State {
    pub(crate) fn new(settings: &Settings) -> Self {
        let mut identifiers = Identifiers::new(settings.seed);
        Self {
            users: Users::default(),
            organizations: Organizations::default(),
            memberships: Memberships::default(),
            roles: Roles::new(&settings.roles, settings.multiple_roles, &mut identifiers),
            permissions: Permissions::default(),
            invitations: Invitations::default(),
            factors: Factors::default(),
            api_keys: ApiKeys::default(),
            feature_flags: FeatureFlags::default(),
            identifiers,
            mail: None,
        }
    }

    /// Does what a request asks for, or says why not.
    pub(crate) fn handle(
        &mut self,
        target: &Target,
        request: &Request<Bytes>,
        now: SystemTime,
    ) -> Answer {
        self.answered(target, request, now)
            .unwrap_or_else(|refusal| refusal)
    }

    /// What the latest call sent, once.
    pub(crate) fn take_mail(&mut self) -> Option<Mail> {
        self.mail.take()
    }

    fn answered(&mut self, target: &Target, request: &Request<Bytes>, now: SystemTime) -> Answered {
        let (route, id) = (target.route, target.id.as_str());
        let time = clock::written(now);
        let identifiers = &mut self.identifiers;
        let mut new_id = |prefix: &str| identifiers.next(prefix, now);
        match route {
            Route::ListUsers => self.list_users(&Query::of(request)),
            Route::CreateUser => {
                let fields = Fields::of(request)?;
                let user = self.users.create(&fields, || new_id("user_"), &time)?;
                Ok(Answer::created(user))
            }
            Route::GetUser => self.users.found(id).map(Answer::ok),
            Route::GetUserByExternalId => match self.users.id_of_external_id(id) {
                Some(found) => self.users.found(found).map(Answer::ok),
                None => Err(Answer::entity_not_found(users::KIND, id)),
            },
            Route::UpdateUser => {
                let user = self.users.update(id, &Fields::of(request)?, &time)?;
                Ok(Answer::ok(user))
            }
            Route::DeleteUser => {
                self.users.delete(id)?;
                self.memberships.delete_of_user(id);
                self.factors.delete_of_user(id);
                Ok(Answer::deleted())
            }
            Route::ListFactors => {
                self.users.found(id)?;
                let page = Page::of(&Query::of(request))?;
                let found = page.of_sets(&[self.factors.ids_of(id)]);
                let data = found.ids.iter().map(|id| self.factors.shown(id));
                Ok(Answer::ok(found.list(data.collect())))
            }
            Route::CreateFactor => {
                let email = self.users.email_of(id);
                let email = email.ok_or_else(|| Answer::entity_not_found(users::KIND, id))?;
                let fields = Fields::of(request)?;
                let made = self.factors.create(id, email, &fields, &mut new_id, now)?;
                Ok(Answer::created(made))
            }
            Route::ListOrganizations => self.list_organizations(&Query::of(request)),
            Route::CreateOrganization => {
                let fields = Fields::of(request)?;
                let made = self.organizations.create(&fields, &mut new_id, &time)?;
                Ok(Answer::created(made))
            }
            Route::GetOrganization => self.organizations.found(id).map(Answer::ok),
            Route::GetOrganizationByExternalId => match self.organizations.id_of_external_id(id) {
                Some(found) => self.organizations.found(found).map(Answer::ok),
                None => Err(Answer::not_found()),
            },
            Route::UpdateOrganization => {
                let fields = Fields::of(request)?;
                let changed = self.organizations.update(id, &fields, &mut new_id, &time)?;
                Ok(Answer::ok(changed))
            }
            Route::DeleteOrganization => {
                self.organizations.delete(id)?;
                self.memberships.delete_of_organization(id);
                self.roles.delete_of_organization(id);
                self.invitations.delete_of_organization(id);
                self.api_keys.delete_of_organization(id);
                Ok(Answer::accepted())
            }
            Route::ListOrganizationRoles if self.organizations.contains(id) => {
                Ok(Answer::ok(self.roles.list(id)))
            }
            Route::ListApiKeys if self.organizations.contains(id) => {
                let page = Page::of(&Query::of(request))?;
                let found = page.of_sets(&[self.api_keys.ids_of(id)]);
                let data = found.ids.iter().map(|id| self.api_keys.shown(id));
                Ok(Answer::ok(found.list(data.collect())))
            }
            Route::CreateApiKey if self.organizations.contains(id) => {
                let fields = Fields::of(request)?;
                let keys = &mut self.api_keys;
                let made = keys.create(id, &fields, &self.permissions, &mut new_id, &time)?;
                Ok(Answer::created(made))
            }
            Route::DeleteApiKey => {
                self.api_keys.delete(id)?;
                Ok(Answer::no_content())
            }
            Route::ListFeatureFlags if self.organizations.contains(id) => {
                let page = Page::of(&Query::of(request))?;
                let found = page.of_sets(&[&self.feature_flags.ids_of(id)]);
                let data = found.ids.iter().map(|id| self.feature_flags.shown(id));
                Ok(Answer::ok(found.list(data.collect())))
            }
            Route::Authorization(call) => self.authorization(call, target, request, now),
            Route::Mail(call) => self.mailing(call, id, request, now),
            Route::ListMemberships => self.list_memberships(&Query::of(request)),
            Route::CreateMembership => self.create_membership(&Fields::of(request)?, now),
            Route::GetMembership => self.show_membership(id).map(Answer::ok),
            Route::UpdateMembership => {
                let organization = self
                    .memberships
                    .get(id)
                    .map(|one| one.organization_id.clone());
                let organization = organization.unwrap_or_default();
                let named = self.roles.named(&Fields::of(request)?, &organization)?;
                self.memberships.change(id, None, named, &time)?;
                self.show_membership(id).map(Answer::ok)
            }
            Route::DeactivateMembership | Route::ReactivateMembership => {
                let active = route == Route::ReactivateMembership;
                self.memberships.change(id, Some(active), None, &time)?;
                self.show_membership(id).map(Answer::ok)
            }
            Route::DeleteMembership => {
                self.memberships.delete(id)?;
                Ok(Answer::deleted())
            }
            Route::ListOrganizationRoles
            | Route::ListApiKeys
            | Route::CreateApiKey
            | Route::ListFeatureFlags
            | Route::Unknown => Err(Answer::not_found()),
        }
    }

    /// Notes that a user has signed in; false if there is no such user.
    pub(crate) fn sign_in(&mut self, user_id: &str, now: SystemTime) -> bool {
        self.users.sign_in(user_id, &clock::written(now))
    }

    pub(crate) fn set_feature_flag(
        &mut self,
        slug: &str,
        organizations: Option<Vec<String>>,
        enabled: bool,
        now: SystemTime,
    ) {
        let identifiers = &mut self.identifiers;
        let new_id = || identifiers.next("flag_", now);
        let time = clock::written(now);
        self.feature_flags
            .set(slug, organizations, enabled, new_id, &time);
    }

    /// Everything there is at one time, in the order of creation.
    pub(crate) fn dump(&self, now: SystemTime) -> Value {
        let memberships: Vec<Value> = self
            .memberships
            .all()
            .filter_map(|(id, _)| self.show_membership(id).ok())
            .collect();
        json!({
            "users": self.users.dump(),
            "organizations": self.organizations.dump(),
            "organization_memberships": memberships,
            "roles": self.roles.dump(),
            "permissions": self.permissions.dump(),
            "invitations": self.invitations.dump(now),
            "authentication_factors": self.factors.dump(),
            "api_keys": self.api_keys.dump(),
            "feature_flags": self.feature_flags.dump(),
        })
    }

    fn list_users(&self, query: &Query) -> Answered {
        let page = Page::of(query)?;
        let among = query
            .one("organization_id")
            .or_else(|| query.one("organization"))
            .map_or_else(|| self.users.ids(), |id| self.memberships.members(id));
        let of_email: BTreeSet<String>;
        let set = match query.one("email") {
            None => among,
            Some(email) => {
                let found = self.users.id_of_email(email);
                of_email = found
                    .filter(|id| among.contains(*id))
                    .into_iter()
                    .cloned()
                    .collect();
                &of_email
            }
        };
        let found = page.of_sets(&[set]);
        let data = found.ids.iter().map(|id| self.users.shown(id)).collect();
        Ok(Answer::ok(found.list(data)))
    }

    fn list_organizations(&self, query: &Query) -> Answered {
        let page = Page::of(query)?;
        let domains = query.many("domains");
        let search = query.one("search").filter(|text| !text.is_empty());
        let filtered = match (domains.is_empty(), search) {
            (true, None) => None,
            (true, Some(text)) => Some(self.organizations.ids_of_search(text)),
            (false, None) => Some(self.organizations.ids_of_domains(&domains)),
            (false, Some(text)) => {
                let mut ids = self.organizations.ids_of_domains(&domains);
                let searched = self.organizations.ids_of_search(text);
                ids.retain(|id| searched.contains(id));
                Some(ids)
            }
        };
        let found = page.of_sets(&[filtered.as_ref().unwrap_or(self.organizations.ids())]);
        let data = found
            .ids
            .iter()
            .map(|id| self.organizations.shown(id))
            .collect();
        Ok(Answer::ok(found.list(data)))
    }

    fn list_memberships(&self, query: &Query) -> Answered {
        let page = Page::of(query)?;
        let statuses = statuses(query)?;
        let user = query.one("user_id").filter(|id| !id.is_empty());
        let organization = query.one("organization_id").filter(|id| !id.is_empty());
        let pair;
        let sets = match (user, organization) {
            (None, None) => {
                return Err(Answer::refused(
                    "missing_user_id_or_organization_id",
                    "Either user_id or organization_id is required.",
                ));
            }
            (Some(user), Some(organization)) => {
                pair = self.memberships.ids_of_pair(user, organization, &statuses);
                vec![&pair]
            }
            (Some(user), None) => self.memberships.sets_of_user(user, &statuses),
            (None, Some(organization)) => self
                .memberships
                .sets_of_organization(organization, &statuses),
        };
        let found = page.of_sets(&sets);
        let data: Result<Vec<Value>, Answer> = found
            .ids
            .iter()
            .map(|id| self.show_membership(id))
            .collect();
        Ok(Answer::ok(found.list(data?)))
    }

    fn create_membership(&mut self, fields: &Fields, now: SystemTime) -> Answered {
        let user_id = fields.required_text("user_id", "User ID")?;
        let organization_id = fields.required_text("organization_id", "Organization ID")?;
        let named = self.roles.named(fields, &organization_id)?;
        if !self.users.contains(&user_id) {
            return Err(Answer::entity_not_found(users::KIND, &user_id));
        }
        if !self.organizations.contains(&organization_id) {
            return Err(Answer::entity_not_found(
                organizations::KIND,
                &organization_id,
            ));
        }
        let roles = named.unwrap_or_else(|| self.roles.default_roles());
        let identifiers = &mut self.identifiers;
        let id = self.memberships.create(
            &user_id,
            &organization_id,
            roles,
            || identifiers.next("om_", now),
            &clock::written(now),
        )?;
        self.show_membership(&id).map(Answer::created)
    }

    fn show_membership(&self, id: &str) -> Result<Value, Answer> {
        let membership = self.memberships.get(id)?;
        Ok(membership.shown(
            id,
            self.organizations.name(&membership.organization_id),
            self.users.shown(&membership.user_id),
        ))
    }
}

/// Without `statuses` only active memberships are listed. There are no
/// `pending` ones: an invitation of the sandbox makes a membership when it is
/// accepted.
fn statuses(query: &Query) -> Result<Statuses, Answer> {
    let wanted = query.many("statuses");
    if wanted
        .iter()
        .any(|status| !["active", "inactive", "pending"].contains(status))
    {
        return Err(Answer::invalid(
            "statuses_invalid",
            "statuses should be of active, inactive, pending.",
        ));
    }
    Ok(Statuses {
        active: wanted.is_empty() || wanted.contains(&"active"),
        inactive: wanted.contains(&"inactive"),
    })
}
