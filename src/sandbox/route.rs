//! Owns the map of the API: which method and path is which call, under which
//! limits it falls, and what was written in its path and query.

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
    ListOrganizations,
    CreateOrganization,
    GetOrganization,
    GetOrganizationByExternalId,
    UpdateOrganization,
    DeleteOrganization,
    ListOrganizationRoles,
    ListAuthorizationRoles,
    ListRoles,
    CreateOrganizationRole,
    ListMemberships,
    CreateMembership,
    GetMembership,
    UpdateMembership,
    DeactivateMembership,
    ReactivateMembership,
    DeleteMembership,
    Unknown,
}

/// The limits under which a call falls, beside the one on everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    UserManagementWrite,
    UserManagementRead,
    OrganizationDelete,
    Other,
}

impl Route {
    /// Finds the call, and the identifier in its path ("" where it has none).
    pub(crate) fn of(method: &Method, path: &str) -> (Self, String) {
        let parts: Vec<String> = path
            .trim_start_matches('/')
            .split('/')
            .map(percent_decoded)
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (route, id) = match (method.as_str(), parts.as_slice()) {
            ("GET", ["user_management", "users"]) => (Self::ListUsers, ""),
            ("POST", ["user_management", "users"]) => (Self::CreateUser, ""),
            ("GET", ["user_management", "users", "external_id", id]) => {
                (Self::GetUserByExternalId, *id)
            }
            ("GET", ["user_management", "users", id]) => (Self::GetUser, *id),
            ("PUT", ["user_management", "users", id]) => (Self::UpdateUser, *id),
            ("DELETE", ["user_management", "users", id]) => (Self::DeleteUser, *id),
            ("GET", ["organizations"]) => (Self::ListOrganizations, ""),
            ("POST", ["organizations"]) => (Self::CreateOrganization, ""),
            ("GET", ["organizations", "external_id", id]) => {
                (Self::GetOrganizationByExternalId, *id)
            }
            ("GET", ["organizations", id]) => (Self::GetOrganization, *id),
            ("PUT", ["organizations", id]) => (Self::UpdateOrganization, *id),
            ("DELETE", ["organizations", id]) => (Self::DeleteOrganization, *id),
            ("GET", ["organizations", id, "roles"]) => (Self::ListOrganizationRoles, *id),
            ("GET", ["authorization", "organizations", id, "roles"]) => {
                (Self::ListAuthorizationRoles, *id)
            }
            ("POST", ["authorization", "organizations", id, "roles"]) => {
                (Self::CreateOrganizationRole, *id)
            }
            ("GET", ["authorization", "roles"]) => (Self::ListRoles, ""),
            (method, ["user_management", "organization_memberships", rest @ ..]) => {
                Self::of_membership(method, rest)
            }
            _ => (Self::Unknown, ""),
        };
        (route, id.to_owned())
    }

    fn of_membership<'a>(method: &str, rest: &[&'a str]) -> (Self, &'a str) {
        match (method, rest) {
            ("GET", []) => (Self::ListMemberships, ""),
            ("POST", []) => (Self::CreateMembership, ""),
            ("GET", [id]) => (Self::GetMembership, id),
            ("PUT", [id]) => (Self::UpdateMembership, id),
            ("PUT", [id, "deactivate"]) => (Self::DeactivateMembership, id),
            ("PUT", [id, "reactivate"]) => (Self::ReactivateMembership, id),
            ("DELETE", [id]) => (Self::DeleteMembership, id),
            _ => (Self::Unknown, ""),
        }
    }

    /// Method and path template, as counters name it.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::ListUsers => "GET /user_management/users",
            Self::CreateUser => "POST /user_management/users",
            Self::GetUser => "GET /user_management/users/{id}",
            Self::GetUserByExternalId => "GET /user_management/users/external_id/{external_id}",
            Self::UpdateUser => "PUT /user_management/users/{id}",
            Self::DeleteUser => "DELETE /user_management/users/{id}",
            Self::ListOrganizations => "GET /organizations",
            Self::CreateOrganization => "POST /organizations",
            Self::GetOrganization => "GET /organizations/{id}",
            Self::GetOrganizationByExternalId => "GET /organizations/external_id/{external_id}",
            Self::UpdateOrganization => "PUT /organizations/{id}",
            Self::DeleteOrganization => "DELETE /organizations/{id}",
            Self::ListOrganizationRoles => "GET /organizations/{id}/roles",
            Self::ListAuthorizationRoles => "GET /authorization/organizations/{id}/roles",
            Self::ListRoles => "GET /authorization/roles",
            Self::CreateOrganizationRole => "POST /authorization/organizations/{id}/roles",
            Self::ListMemberships => "GET /user_management/organization_memberships",
            Self::CreateMembership => "POST /user_management/organization_memberships",
            Self::GetMembership => "GET /user_management/organization_memberships/{id}",
            Self::UpdateMembership => "PUT /user_management/organization_memberships/{id}",
            Self::DeactivateMembership => {
                "PUT /user_management/organization_memberships/{id}/deactivate"
            }
            Self::ReactivateMembership => {
                "PUT /user_management/organization_memberships/{id}/reactivate"
            }
            Self::DeleteMembership => "DELETE /user_management/organization_memberships/{id}",
            Self::Unknown => "unknown",
        }
    }
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

fn percent_decoded(part: &str) -> String {
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
        let (route, id) = Route::of(&Method::GET, "/organizations/external_id/a%2Fb%20%C3%A9+%");
        assert_eq!(route, Route::GetOrganizationByExternalId);
        assert_eq!(id, "a/b é+%");
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
