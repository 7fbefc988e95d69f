//! Owns the map of the API: the method and path template of every call that
//! the sandbox answers.

use crate::route::{Authorization, Mailing, Route};

/// Each call with its method and path template, as counters name it. The first
/// that fits is meant: an external id may be anything.
pub(crate) const CALLS: &[(Route, &str)] = &[
    (Route::ListUsers, "GET /user_management/users"),
    (Route::CreateUser, "POST /user_management/users"),
    (
        Route::GetUserByExternalId,
        "GET /user_management/users/external_id/{external_id}",
    ),
    (Route::GetUser, "GET /user_management/users/{id}"),
    (Route::UpdateUser, "PUT /user_management/users/{id}"),
    (Route::DeleteUser, "DELETE /user_management/users/{id}"),
    (
        Route::ListFactors,
        "GET /user_management/users/{id}/auth_factors",
    ),
    (
        Route::CreateFactor,
        "POST /user_management/users/{id}/auth_factors",
    ),
    (
        Route::ListMemberships,
        "GET /user_management/organization_memberships",
    ),
    (
        Route::CreateMembership,
        "POST /user_management/organization_memberships",
    ),
    (
        Route::GetMembership,
        "GET /user_management/organization_memberships/{id}",
    ),
    (
        Route::UpdateMembership,
        "PUT /user_management/organization_memberships/{id}",
    ),
    (
        Route::DeactivateMembership,
        "PUT /user_management/organization_memberships/{id}/deactivate",
    ),
    (
        Route::ReactivateMembership,
        "PUT /user_management/organization_memberships/{id}/reactivate",
    ),
    (
        Route::DeleteMembership,
        "DELETE /user_management/organization_memberships/{id}",
    ),
    (Route::ListOrganizations, "GET /organizations"),
    (Route::CreateOrganization, "POST /organizations"),
    (
        Route::GetOrganizationByExternalId,
        "GET /organizations/external_id/{external_id}",
    ),
    (Route::GetOrganization, "GET /organizations/{id}"),
    (Route::UpdateOrganization, "PUT /organizations/{id}"),
    (Route::DeleteOrganization, "DELETE /organizations/{id}"),
    (
        Route::ListOrganizationRoles,
        "GET /organizations/{id}/roles",
    ),
    (Route::ListApiKeys, "GET /organizations/{id}/api_keys"),
    (Route::CreateApiKey, "POST /organizations/{id}/api_keys"),
    (Route::DeleteApiKey, "DELETE /api_keys/{id}"),
    (
        Route::ListFeatureFlags,
        "GET /organizations/{id}/feature-flags",
    ),
    (
        Route::Mail(Mailing::ListInvitations),
        "GET /user_management/invitations",
    ),
    (
        Route::Mail(Mailing::SendInvitation),
        "POST /user_management/invitations",
    ),
    (
        Route::Mail(Mailing::GetInvitation),
        "GET /user_management/invitations/{id}",
    ),
    (
        Route::Mail(Mailing::AcceptInvitation),
        "POST /user_management/invitations/{id}/accept",
    ),
    (
        Route::Mail(Mailing::ResendInvitation),
        "POST /user_management/invitations/{id}/resend",
    ),
    (
        Route::Mail(Mailing::RevokeInvitation),
        "POST /user_management/invitations/{id}/revoke",
    ),
    (
        Route::Mail(Mailing::SendPasswordReset),
        "POST /user_management/password_reset",
    ),
    (
        Route::Authorization(Authorization::ListRoles),
        "GET /authorization/roles",
    ),
    (
        Route::Authorization(Authorization::CreateRole),
        "POST /authorization/roles",
    ),
    (
        Route::Authorization(Authorization::GetRole),
        "GET /authorization/roles/{slug}",
    ),
    (
        Route::Authorization(Authorization::UpdateRole),
        "PATCH /authorization/roles/{slug}",
    ),
    (
        Route::Authorization(Authorization::SetRolePermissions),
        "PUT /authorization/roles/{slug}/permissions",
    ),
    (
        Route::Authorization(Authorization::AddRolePermission),
        "POST /authorization/roles/{slug}/permissions",
    ),
    (
        Route::Authorization(Authorization::ListOfOrganization),
        "GET /authorization/organizations/{id}/roles",
    ),
    (
        Route::Authorization(Authorization::CreateOfOrganization),
        "POST /authorization/organizations/{id}/roles",
    ),
    (
        Route::Authorization(Authorization::GetOfOrganization),
        "GET /authorization/organizations/{id}/roles/{slug}",
    ),
    (
        Route::Authorization(Authorization::UpdateOfOrganization),
        "PATCH /authorization/organizations/{id}/roles/{slug}",
    ),
    (
        Route::Authorization(Authorization::DeleteOfOrganization),
        "DELETE /authorization/organizations/{id}/roles/{slug}",
    ),
    (
        Route::Authorization(Authorization::SetPermissionsOfOrganization),
        "PUT /authorization/organizations/{id}/roles/{slug}/permissions",
    ),
    (
        Route::Authorization(Authorization::AddPermissionOfOrganization),
        "POST /authorization/organizations/{id}/roles/{slug}/permissions",
    ),
    (
        Route::Authorization(Authorization::ListPermissions),
        "GET /authorization/permissions",
    ),
    (
        Route::Authorization(Authorization::CreatePermission),
        "POST /authorization/permissions",
    ),
    (
        Route::Authorization(Authorization::GetPermission),
        "GET /authorization/permissions/{slug}",
    ),
    (
        Route::Authorization(Authorization::UpdatePermission),
        "PATCH /authorization/permissions/{slug}",
    ),
    (
        Route::Authorization(Authorization::DeletePermission),
        "DELETE /authorization/permissions/{slug}",
    ),
];
