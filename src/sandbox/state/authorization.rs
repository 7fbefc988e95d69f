//! Owns the calls below `/authorization`: roles of the environment and of
//! organizations, and permissions.

use super::State;
use crate::answer::{Answer, Answered};
use crate::clock;
use crate::fields::{Fields, Given};
use crate::organizations;
use crate::paging::Page;
use crate::roles;
use crate::route::{Authorization, Query, Target};
use bytes::Bytes;
use http::Request;
use std::time::SystemTime;

impl State {
    pub(super) fn authorization(
        &mut self,
        call: Authorization,
        target: &Target,
        request: &Request<Bytes>,
        now: SystemTime,
    ) -> Answered {
        let time = clock::written(now);
        match call {
            Authorization::ListRoles => Ok(Answer::ok(self.roles.environment_list())),
            Authorization::CreateRole
            | Authorization::GetRole
            | Authorization::UpdateRole
            | Authorization::SetRolePermissions
            | Authorization::AddRolePermission => self.role(call, None, &target.id, request, now),
            Authorization::ListOfOrganization
            | Authorization::CreateOfOrganization
            | Authorization::GetOfOrganization
            | Authorization::UpdateOfOrganization
            | Authorization::DeleteOfOrganization
            | Authorization::SetPermissionsOfOrganization
            | Authorization::AddPermissionOfOrganization => {
                let id = target.id.as_str();
                if !self.organizations.contains(id) {
                    return Err(Answer::entity_not_found(organizations::KIND, id));
                }
                self.role(call, Some(id), &target.within, request, now)
            }
            Authorization::ListPermissions => {
                let found = Page::of(&Query::of(request))?.of_sets(&[self.permissions.ids()]);
                let data = found.ids.iter().map(|id| self.permissions.shown(id));
                Ok(Answer::ok(found.list(data.collect())))
            }
            Authorization::CreatePermission => {
                let identifiers = &mut self.identifiers;
                let new_id = || identifiers.next("perm_", now);
                let fields = Fields::of(request)?;
                let made = self.permissions.create(&fields, new_id, &time)?;
                Ok(Answer::created(made))
            }
            Authorization::GetPermission => self.permissions.found(&target.id).map(Answer::ok),
            Authorization::UpdatePermission => {
                let fields = Fields::of(request)?;
                let changed = self.permissions.update(&target.id, &fields, &time)?;
                Ok(Answer::ok(changed))
            }
            Authorization::DeletePermission => {
                self.permissions.delete(&target.id)?;
                self.roles.forget_permission(&target.id);
                Ok(Answer::no_content())
            }
        }
    }

    /// A call about the roles of the environment (`None`), or of an
    /// organization that there is.
    fn role(
        &mut self,
        call: Authorization,
        organization_id: Option<&str>,
        slug: &str,
        request: &Request<Bytes>,
        now: SystemTime,
    ) -> Answered {
        let time = clock::written(now);
        match call {
            Authorization::CreateRole | Authorization::CreateOfOrganization => {
                let identifiers = &mut self.identifiers;
                let new_id = || identifiers.next("role_", now);
                let fields = Fields::of(request)?;
                let made = self.roles.create(organization_id, &fields, new_id, &time)?;
                Ok(Answer::created(made))
            }
            Authorization::ListOfOrganization => {
                let id = organization_id.unwrap_or_default();
                Ok(Answer::ok(self.roles.authorization_list(id)))
            }
            Authorization::UpdateRole | Authorization::UpdateOfOrganization => {
                let fields = Fields::of(request)?;
                let changed = self.roles.update(organization_id, slug, &fields, &time)?;
                Ok(Answer::ok(changed))
            }
            Authorization::DeleteOfOrganization => {
                let id = organization_id.unwrap_or_default();
                self.roles.found(organization_id, slug)?;
                if self.memberships.is_assigned(id, slug) {
                    return Err(Answer::conflict(
                        "role_has_assignments",
                        format!("The role '{slug}' is assigned to members."),
                    ));
                }
                self.roles.delete(id, slug)?;
                Ok(Answer::no_content())
            }
            Authorization::SetRolePermissions | Authorization::SetPermissionsOfOrganization => {
                let Given::Value(slugs) = Fields::of(request)?.texts("permissions")? else {
                    return Err(Answer::invalid(
                        "permissions_array_required",
                        "permissions should be an array of slugs.",
                    ));
                };
                self.check_role(organization_id, slug)?;
                let known = self.permissions.checked(slugs)?;
                let roles = &mut self.roles;
                let changed = roles.set_permissions(organization_id, slug, known, &time)?;
                Ok(Answer::ok(changed))
            }
            Authorization::AddRolePermission | Authorization::AddPermissionOfOrganization => {
                let permission = Fields::of(request)?.required_text("slug", "Slug")?;
                self.check_role(organization_id, slug)?;
                for permission in self.permissions.checked(vec![permission])? {
                    self.roles
                        .add_permission(organization_id, slug, permission, &time)?;
                }
                self.roles.found(organization_id, slug).map(Answer::ok)
            }
            _ => self.roles.found(organization_id, slug).map(Answer::ok),
        }
    }

    /// That the role is missing is said before what it would be given is looked at.
    fn check_role(&self, organization_id: Option<&str>, slug: &str) -> Result<(), Answer> {
        let known = self.roles.contains(organization_id, slug);
        let missing = || Answer::entity_not_found(roles::KIND, slug);
        known.then_some(()).ok_or_else(missing)
    }
}
