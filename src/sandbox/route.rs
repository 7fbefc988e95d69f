//! Owns what a request is about: which call it is, under which limits it falls,
//! and what was written in its path and query.

use crate::calls::CALLS;
use http::{Method, Request};

/// The calls that the sandbox answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    ListUsers,
    CreateUser,
    GetUser,
    GetUserByExternalId,
    UpdateUser,
    DeleteUser,
    ListFactors,
    CreateFactor,
    ListOrganizations,
    CreateOrganization,
    GetOrganization,
    GetOrganizationByExternalId,
    UpdateOrganization,
    DeleteOrganization,
    ListOrganizationRoles,
    ListApiKeys,
    CreateApiKey,
    DeleteApiKey,
    ListFeatureFlags,
    ListMemberships,
    CreateMembership,
    GetMembership,
    UpdateMembership,
    DeactivateMembership,
    ReactivateMembership,
    DeleteMembership,
    Mail(Mailing),
    Authorization(Authorization),
    Unknown,
}

/// The calls about what is sent by mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mailing {
    ListInvitations,
    SendInvitation,
    GetInvitation,
    AcceptInvitation,
    ResendInvitation,
    RevokeInvitation,
    SendPasswordReset,
}

/// The calls below `/authorization`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authorization {
    ListRoles,
    CreateRole,
    GetRole,
    UpdateRole,
    SetRolePermissions,
    AddRolePermission,
    ListOfOrganization,
    CreateOfOrganization,
    GetOfOrganization,
    UpdateOfOrganization,
    DeleteOfOrganization,
    SetPermissionsOfOrganization,
    AddPermissionOfOrganization,
    ListPermissions,
    CreatePermission,
    GetPermission,
    UpdatePermission,
    DeletePermission,
}

/// What a request is about: the call, and what its path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) route: Route,
    /// The identifier in the path; "" where it has none.
    pub(crate) id: String,
    /// The second one, of something within the first; "" where there is none.
    pub(crate) within: String,
}

impl Target {
    /// Finds the call, and the identifiers in its path.
    pub(crate) fn of(method: &Method, path: &str) -> Self {
        let path = path.trim_start_matches('/');
        let parts: Vec<String> = path.split('/').map(percent_decoded).collect();
        for (route, call) in CALLS {
            if let Some((its_method, template)) = call.split_once(" /")
                && its_method == method.as_str()
                && let Some(identifiers) = fitted(template, &parts)
            {
                let mut identifiers = identifiers.into_iter();
                return Self {
                    route: *route,
                    id: identifiers.next().unwrap_or_default(),
                    within: identifiers.next().unwrap_or_default(),
                };
            }
        }
        Self {
            route: Route::Unknown,
            id: String::new(),
            within: String::new(),
        }
    }
}

/// What stands in the places of a template, if the path has its form.
fn fitted(template: &str, parts: &[String]) -> Option<Vec<String>> {
    let mut wanted = template.split('/');
    let mut identifiers = Vec::new();
    for part in parts {
        let wanted = wanted.next()?;
        if wanted.starts_with('{') {
            identifiers.push(part.clone());
        } else if wanted != part {
            return None;
        }
    }
    wanted.next().is_none().then_some(identifiers)
}

impl Route {
    /// Method and path template, as counters name it.
    pub(crate) fn label(self) -> &'static str {
        let call = CALLS.iter().find(|(route, _)| *route == self);
        call.map_or("unknown", |(_, label)| label)
    }
}

/// The limits under which a call falls, beside the one on everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    UserManagementWrite,
    UserManagementRead,
    OrganizationDelete,
    Other,
}

/// Limits go by prefix, so they also hold for calls that are not modelled.
pub(crate) fn scope(method: &Method, path: &str, route: Route) -> Scope {
    if path == "/user_management" || path.starts_with("/user_management/") {
        if method == Method::GET {
            Scope::UserManagementRead
        } else {
            Scope::UserManagementWrite
        }
    } else if route == Route::DeleteOrganization {
        Scope::OrganizationDelete
    } else {
        Scope::Other
    }
}

/// The parameters of a query, in the order in which they were written.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn of<T>(request: &Request<T>) -> Self {
        let text = request.uri().query().unwrap_or_default();
        Self(
            url::form_urlencoded::parse(text.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Lists are written `name=a,b`; the older SDKs repeat the name, with or
    /// without brackets.
    pub(crate) fn many(&self, name: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(key, _)| key.strip_suffix("[]").unwrap_or(key) == name)
            .flat_map(|(_, value)| value.split(','))
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .collect()
    }
}

pub(crate) fn percent_decoded(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = (*first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|pair| std::str::from_utf8(pair).ok())
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        if let Some(byte) = escaped {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_id_may_hold_anything() {
        let path = "/organizations/external_id/a%2Fb%20%C3%A9+%";
        let target = Target::of(&Method::GET, path);
        assert_eq!(target.route, Route::GetOrganizationByExternalId);
        assert_eq!(target.id, "a/b é+%");
        let roles = Target::of(&Method::GET, "/organizations/external_id/roles");
        assert_eq!(roles.route, Route::GetOrganizationByExternalId);
    }

    #[test]
    fn every_call_is_found_by_its_own_template() {
        for (route, label) in CALLS {
            let (method, path) = label.split_once(' ').unwrap();
            let target = Target::of(&method.parse().unwrap(), path);
            assert_eq!(target.route, *route, "{label}");
            assert_eq!(route.label(), *label);
        }
        let unknown = Target::of(&Method::POST, "/organizations/org_1/roles/x");
        assert_eq!(unknown.route.label(), "unknown");
        let within = Target::of(
            &Method::GET,
            "/authorization/organizations/org_1/roles/org-x",
        );
        assert_eq!((&*within.id, &*within.within), ("org_1", "org-x"));
    }

    #[test]
    fn lists_are_read_in_every_form() {
        let request = Request::builder()
            .uri("/x?statuses=active,inactive&statuses[]=pending&statuses=")
            .body(())
            .unwrap();
        let query = Query::of(&request);
        assert_eq!(query.many("statuses"), ["active", "inactive", "pending"]);
    }
}
