"""The document again, for what a migration touches around the users: roles, permissions, invitations, factors, keys."""

from __future__ import annotations

from typing import Any

import pytest

from workos_importer import Sandbox

from .test_openapi import Checked, document  # noqa: F401

# Statuses that the document does not name for a path, each with where it was seen.
KNOWN_DEVIATIONS = {
    ("post", "/user_management/invitations/{id}/revoke", 404): "recorded by WorkOS' Ruby SDK",
    ("get", "/user_management/users/{userlandUserId}/auth_factors", 404): "what the other calls say of an unknown user",
    (
        "post",
        "/user_management/users/{userlandUserId}/auth_factors",
        404,
    ): "what the other calls say of an unknown user",
}


@pytest.fixture
def sandbox() -> Sandbox:
    """An environment whose quota of password resets a test can exhaust."""
    return Sandbox(seed=1, password_reset_quota=2)


@pytest.fixture
def checked(sandbox_url: str, document: dict[str, Any]) -> Checked:  # noqa: F811
    return Checked(sandbox_url, document, KNOWN_DEVIATIONS)


def statuses(checked: Checked, method: str, template: str) -> set[int]:
    """Every status with which a call was answered, all of them valid."""
    return {status for name, path, status in checked.seen if (name, path) == (method, template)}


def test_permissions_validate(checked: Checked) -> None:
    call, permissions = checked.call, "/authorization/permissions"
    call("post", permissions, {"slug": "documents:read", "name": "Read", "description": None})
    call("post", permissions, {"slug": "documents:read", "name": "Read"})
    call("post", permissions, {"slug": "Documents", "name": "Read"})
    call("post", permissions, {"slug": "x", "name": "X", "resource_type_slug": "document"})
    call("get", permissions)
    one = permissions + "/{slug}"
    for slug in ("documents:read", "unknown"):
        call("get", one, slug=slug)
        call("patch", one, {"description": "All of them"}, slug=slug)
    call("patch", one, {"name": ""}, slug="documents:read")
    for _ in range(2):
        call("delete", one, slug="documents:read")
    assert statuses(checked, "post", permissions) == {201, 404, 409, 422}
    assert statuses(checked, "get", one) == {200, 404}
    assert statuses(checked, "patch", one) == {200, 404, 422}
    assert statuses(checked, "delete", one) == {204, 404}


def test_roles_of_the_environment_validate(checked: Checked) -> None:
    call, roles = checked.call, "/authorization/roles"
    call("post", "/authorization/permissions", {"slug": "read", "name": "Read"})
    call("post", roles, {"slug": "editor", "name": "Editor", "description": "Edits"})
    call("post", roles, {"slug": "editor", "name": "Editor"})
    call("post", roles, {"slug": "org-editor", "name": "Editor"})
    call("post", roles, {"slug": "x", "name": "X", "resource_type_slug": "document"})
    call("post", roles, {"slug": "x"})
    one, its_permissions = roles + "/{slug}", roles + "/{slug}/permissions"
    for slug in ("editor", "unknown"):
        call("get", one, slug=slug)
        call("patch", one, {"name": "Writer"}, slug=slug)
        call("put", its_permissions, {"permissions": ["read"]}, slug=slug)
        call("post", its_permissions, {"slug": "read"}, slug=slug)
    call("patch", one, {"name": 1}, slug="editor")
    call("put", its_permissions, {"permissions": ["unknown"]}, slug="editor")
    call("put", its_permissions, {}, slug="editor")
    call("post", its_permissions, {}, slug="editor")
    listed = call("get", roles)
    assert [role["permissions"] for role in listed["data"]] == [[], [], ["read"]]
    assert statuses(checked, "post", roles) == {201, 400, 404, 409, 422}
    assert statuses(checked, "patch", one) == {200, 404, 422}
    assert statuses(checked, "put", its_permissions) == statuses(checked, "post", its_permissions) == {200, 404, 422}


def test_roles_of_an_organization_validate(checked: Checked) -> None:
    call, roles = checked.call, "/authorization/organizations/{organizationId}/roles"
    organization = call("post", "/organizations", {"name": "Acme"})["id"]
    call("post", "/authorization/permissions", {"slug": "read", "name": "Read"})
    call("post", roles, {"slug": "org-owner", "name": "Owner"}, organizationId=organization)
    one, its_permissions = roles + "/{slug}", roles + "/{slug}/permissions"
    for slug in ("org-owner", "org-unknown"):
        ids = {"organizationId": organization, "slug": slug}
        call("get", one, **ids)
        call("patch", one, {"description": "Owns"}, **ids)
        call("put", its_permissions, {"permissions": ["read"]}, **ids)
        call("post", its_permissions, {"slug": "read"}, **ids)
    ids = {"organizationId": organization, "slug": "org-owner"}
    call("patch", one, {"name": ""}, **ids)
    call("put", its_permissions, {"permissions": "read"}, **ids)
    call("post", its_permissions, {}, **ids)
    user = call("post", "/user_management/users", {"email": "ada@example.com"})["id"]
    call(
        "post",
        "/user_management/organization_memberships",
        {"user_id": user, "organization_id": organization, "role_slug": "org-owner"},
    )
    call("delete", one, **ids)
    call("delete", "/user_management/users/{id}", id=user)
    call("delete", one, **ids)
    call("delete", one, **ids)
    assert statuses(checked, "get", one) == {200, 404}
    assert statuses(checked, "patch", one) == {200, 404, 422}
    assert statuses(checked, "put", its_permissions) == statuses(checked, "post", its_permissions) == {200, 404, 422}
    assert statuses(checked, "delete", one) == {204, 404, 409}


def test_invitations_validate(checked: Checked) -> None:
    call, invitations = checked.call, "/user_management/invitations"
    organization = call("post", "/organizations", {"name": "Acme"})["id"]
    user = call("post", "/user_management/users", {"email": "member@example.com"})["id"]
    into = {"organization_id": organization}
    call("post", "/user_management/organization_memberships", {"user_id": user, **into})
    body = {"email": "ada@example.com", **into, "role_slug": "admin", "inviter_user_id": user, "expires_in_days": 3}
    first = call("post", invitations, body)
    second = call("post", invitations, {"email": "grace@example.com"})
    third = call("post", invitations, {"email": "member@example.com", "organization_id": None, "locale": "de"})
    # A user who is there already is invited into an organization only.
    assert third["code"] == "user_already_exists"
    for refused in (
        body,
        {"email": "grace@example.com"},
        {"email": "member@example.com", **into},
        {"email": "x@example.com", "role_slug": "unknown"},
        {"email": "x@example.com", "expires_in_days": 0},
        {"email": "x@example.com", "expires_in_days": 31},
        {"email": "x@example.com", "organization_id": "org_unknown"},
        {},
    ):
        call("post", invitations, refused)
    assert len(call("get", invitations, query="?email=ada@example.com")["data"]) == 1
    call("get", invitations, query="?limit=0")
    one = invitations + "/{id}"
    for identifier in (first["id"], "invitation_unknown"):
        call("get", one, id=identifier)
        call("post", one + "/resend", id=identifier)
    call("post", one + "/accept", id=first["id"])
    call("post", "/user_management/users", {"email": "ada@example.com"})
    accepted = call("post", one + "/accept", id=first["id"])
    assert (accepted["state"], accepted["role_slug"]) == ("accepted", "admin")
    call("post", one + "/accept", id="invitation_unknown")
    call("post", one + "/resend", id=first["id"])
    for identifier in (second["id"], second["id"], "invitation_unknown"):
        call("post", one + "/revoke", id=identifier)
    assert statuses(checked, "post", invitations) == {201, 400, 404, 422}
    assert statuses(checked, "get", invitations) == {200, 422}
    assert statuses(checked, "get", one) == {200, 404}
    assert statuses(checked, "post", one + "/resend") == {200, 400, 404}
    assert statuses(checked, "post", one + "/revoke") == {200, 400, 404}
    assert statuses(checked, "post", one + "/accept") == {200, 400, 404}


def test_password_resets_validate(checked: Checked, sandbox: Sandbox) -> None:
    call, resets = checked.call, "/user_management/password_reset"
    call("post", resets, {})
    for email in ("ada@example.com", "grace@example.com"):
        call("post", "/user_management/users", {"email": email})
        call("post", resets, {"email": email})
    assert call("post", resets, {"email": "ada@example.com"})["code"] == "daily_quota_exceeded"
    assert statuses(checked, "post", resets) == {201, 422, 429}
    assert sandbox.counters()["mails"] == {
        "ada@example.com": {"password_reset": 1},
        "grace@example.com": {"password_reset": 1},
    }
    sandbox.reset()
    call("post", resets, {"email": "nobody@example.com"})
    assert 404 in statuses(checked, "post", resets)
    assert sandbox.counters()["mails"] == {}


def test_factors_validate(checked: Checked) -> None:
    call, factors = checked.call, "/user_management/users/{userlandUserId}/auth_factors"
    user = call("post", "/user_management/users", {"email": "ada@example.com"})["id"]
    totp = {"type": "totp", "totp_issuer": "Acme", "totp_user": "ada", "totp_secret": "JBSWY3DPEHPK3PXP"}
    for identifier in (user, "user_unknown"):
        call("post", factors, totp, userlandUserId=identifier)
        call("get", factors, userlandUserId=identifier)
    call("post", factors, {**totp, "totp_secret": "0189"}, userlandUserId=user)
    call("get", factors, query="?limit=0", userlandUserId=user)
    assert statuses(checked, "post", factors) == {201, 404, 422}
    assert statuses(checked, "get", factors) == {200, 404, 422}


def test_keys_and_flags_of_an_organization_validate(checked: Checked, sandbox: Sandbox) -> None:
    call, keys = checked.call, "/organizations/{organizationId}/api_keys"
    flags = "/organizations/{organizationId}/feature-flags"
    organization = call("post", "/organizations", {"name": "Acme"})["id"]
    sandbox.set_feature_flag("advanced", organizations=[organization])
    sandbox.set_feature_flag("off", enabled=False)
    key = call("post", keys, {"name": "CI", "permissions": []}, organizationId=organization)
    call("post", keys, {"name": ""}, organizationId=organization)
    for identifier in (organization, "org_unknown"):
        call("get", keys, organizationId=identifier)
        call("get", flags, organizationId=identifier)
    call("post", keys, {"name": "CI"}, organizationId="org_unknown")
    for _ in range(2):
        call("delete", "/api_keys/{id}", id=key["id"])
    assert [flag["slug"] for flag in call("get", flags, organizationId=organization)["data"]] == ["advanced"]
    assert statuses(checked, "post", keys) == {201, 404, 422}
    assert statuses(checked, "get", keys) == statuses(checked, "get", flags) == {200, 404}
    assert statuses(checked, "delete", "/api_keys/{id}") == {204, 404}


def test_an_organization_is_changed_as_the_document_says(checked: Checked) -> None:
    call, one = checked.call, "/organizations/{id}"
    domains = [{"domain": "acme.com", "state": "verified"}]
    first = call("post", "/organizations", {"name": "Acme", "domain_data": domains, "external_id": "acme"})
    second = call("post", "/organizations", {"name": "Beta"})["id"]
    call("put", one, {"domain_data": domains}, id=second)
    call("put", one, {"external_id": "acme"}, id=second)
    call("put", one, {"name": 1}, id=second)
    call("put", one, {"name": "Gamma"}, id="org_unknown")
    call("put", one, {"domain_data": [], "metadata": {"tier": "gold"}}, id=first["id"])
    assert call("put", one, {"domain_data": domains}, id=second)["domains"][0]["state"] == "verified"
    assert statuses(checked, "put", one) == {200, 400, 404, 409, 422}
