"""WorkOS' own Python SDK against the sandbox, for what a migration touches around the users."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from workos import WorkOSClient
from workos._errors import BadRequestError, ConflictError, NotFoundError, RateLimitExceededError
from workos.common.models.organization_domain_data_state import OrganizationDomainDataState
from workos.organizations import OrganizationDomainData

from workos_importer import Sandbox

from .conftest import KEY


@pytest.fixture
def sandbox() -> Sandbox:
    """An environment whose quota of password resets a test can exhaust."""
    return Sandbox(seed=1, password_reset_quota=4)


@pytest.fixture
def client(sandbox_url: str) -> Iterator[WorkOSClient]:
    with WorkOSClient(api_key=KEY, client_id="client_test", base_url=sandbox_url, max_retries=0) as client:
        yield client


def test_permissions_and_roles_of_the_environment(client: WorkOSClient) -> None:
    authorization = client.authorization
    for slug in ("read", "write"):
        authorization.create_permission(slug=slug, name=slug.title(), description="May")
    with pytest.raises(ConflictError) as refused:
        authorization.create_permission(slug="read", name="Read")
    assert refused.value.code == "permission_slug_conflict"
    page = authorization.list_permissions(limit=1, order="asc")
    assert [permission.slug for permission in page.auto_paging_iter()] == ["read", "write"]
    assert authorization.update_permission("read", name="See").name == "See"
    assert authorization.get_permission("read").name == "See"

    assert authorization.create_environment_role(slug="editor", name="Editor").permissions == []
    with pytest.raises(ConflictError) as refused:
        authorization.create_environment_role(slug="editor", name="Editor")
    assert refused.value.code == "role_slug_conflict"
    authorization.set_environment_role_permissions("editor", permissions=["read"])
    assert authorization.add_environment_role_permission("editor", body_slug="write").permissions == ["read", "write"]
    assert authorization.set_environment_role_permissions("editor", permissions=["write"]).permissions == ["write"]
    with pytest.raises(NotFoundError):
        authorization.set_environment_role_permissions("editor", permissions=["unknown"])
    assert authorization.update_environment_role("editor", description="Edits").description == "Edits"
    assert authorization.get_environment_role("editor").permissions == ["write"]
    authorization.delete_permission("write")
    listed = {role.slug: role.permissions for role in authorization.list_environment_roles().data}
    assert listed == {"admin": [], "member": [], "editor": []}


def test_roles_of_an_organization(client: WorkOSClient) -> None:
    authorization = client.authorization
    organization = client.organizations.create_organization(name="Acme").id
    authorization.create_permission(slug="read", name="Read")
    made = authorization.create_organization_role(organization, name="Owner", slug="org-owner", description="Owns")
    assert (made.type, made.description) == ("OrganizationRole", "Owns")
    changed = authorization.set_organization_role_permissions(organization, "org-owner", permissions=["read"])
    assert changed.permissions == ["read"]
    authorization.update_organization_role(organization, "org-owner", name="Boss")
    assert authorization.get_organization_role(organization, "org-owner").name == "Boss"
    assert [role.slug for role in authorization.list_organization_roles(organization).data] == [
        "admin",
        "member",
        "org-owner",
    ]
    authorization.delete_organization_role(organization, "org-owner")
    with pytest.raises(NotFoundError):
        authorization.get_organization_role(organization, "org-owner")


def test_invitations(client: WorkOSClient, sandbox: Sandbox) -> None:
    organization = client.organizations.create_organization(name="Acme").id
    users = client.user_management
    sent = users.send_invitation(
        email="Ada@example.com", organization_id=organization, role_slug="admin", expires_in_days=3
    )
    assert (sent.email, sent.state, sent.organization_id) == ("ada@example.com", "pending", organization)
    with pytest.raises(BadRequestError) as refused:
        users.send_invitation(email="ada@example.com", organization_id=organization)
    assert refused.value.code == "email_already_invited_to_organization"
    other = users.send_invitation(email="grace@example.com")
    page = users.list_invitations(limit=1, order="asc")
    assert [one.id for one in page.auto_paging_iter()] == [sent.id, other.id]
    assert [one.id for one in users.list_invitations(organization_id=organization).data] == [sent.id]
    assert [one.id for one in users.list_invitations(email="grace@example.com").data] == [other.id]
    assert users.resend_invitation(sent.id).state == "pending"
    assert users.revoke_invitation(other.id).state == "revoked"
    with pytest.raises(BadRequestError) as refused:
        users.revoke_invitation(other.id)
    assert refused.value.code == "invite_not_pending"
    user = users.create_user(email="ada@example.com")
    assert users.accept_invitation(sent.id).accepted_user_id == user.id
    assert users.get_invitation(sent.id).state == "accepted"
    assert sandbox.counters()["mails"] == {"ada@example.com": {"invitation": 2}, "grace@example.com": {"invitation": 1}}
    states = [one["state"] for one in sandbox.dump()["invitations"]]
    assert states == ["accepted", "revoked"]


def test_password_resets(client: WorkOSClient) -> None:
    users = client.user_management
    for email in ("ada@example.com", "grace@example.com"):
        users.create_user(email=email)
    with pytest.raises(NotFoundError):
        users.reset_password(email="nobody@example.com")
    for _ in range(3):
        assert users.reset_password(email="ada@example.com").email == "ada@example.com"
    with pytest.raises(RateLimitExceededError) as refused:
        users.reset_password(email="grace@example.com")
    assert refused.value.code == "daily_quota_exceeded"
    assert (refused.value.retry_after or 0) > 80_000


def test_one_address_is_sent_three_resets_a_minute(client: WorkOSClient, sandbox: Sandbox) -> None:
    client.user_management.create_user(email="ada@example.com")
    for _ in range(3):
        client.user_management.reset_password(email="ada@example.com")
    with pytest.raises(RateLimitExceededError) as refused:
        client.user_management.reset_password(email="ada@example.com")
    assert refused.value.code == "rate_limit_exceeded"
    assert sandbox.counters()["mails"] == {"ada@example.com": {"password_reset": 3}}


def test_factors(client: WorkOSClient) -> None:
    user = client.user_management.create_user(email="ada@example.com").id
    enrolled = client.multi_factor_auth.create_user_auth_factor(
        user, type="totp", totp_issuer="Acme", totp_user="ada", totp_secret="JBSWY3DPEHPK3PXP"
    )
    totp = enrolled.authentication_factor.totp
    assert totp is not None and totp.secret == "JBSWY3DPEHPK3PXP"
    assert enrolled.authentication_challenge.authentication_factor_id == enrolled.authentication_factor.id
    (listed,) = client.multi_factor_auth.list_user_auth_factors(user).data
    assert listed.totp is not None
    assert (listed.id, listed.totp.issuer, listed.totp.user) == (enrolled.authentication_factor.id, "Acme", "ada")


def test_keys_flags_and_domains_of_an_organization(client: WorkOSClient, sandbox: Sandbox) -> None:
    organization = client.organizations.create_organization(name="Acme").id
    key = client.api_keys.create_organization_api_key(organization, name="CI")
    (listed,) = client.api_keys.list_organization_api_keys(organization).data
    assert listed.obfuscated_value == f"sk_...{key.value[-4:]}"
    client.api_keys.delete_api_key(key.id)
    assert client.api_keys.list_organization_api_keys(organization).data == []
    sandbox.set_feature_flag("advanced", organizations=[organization])
    sandbox.set_feature_flag("off", enabled=False)
    flags = client.feature_flags.list_organization_feature_flags(organization).data
    assert [(flag.slug, flag.enabled) for flag in flags] == [("advanced", True)]
    domain = OrganizationDomainData(domain="acme.com", state=OrganizationDomainDataState.VERIFIED)
    client.organizations.update_organization(organization, domain_data=[domain])
    with pytest.raises(ConflictError) as refused:
        client.organizations.create_organization(name="Beta", domain_data=[domain])
    assert "acme.com" in str(refused.value)
    found = client.organizations.list_organizations(domains=["acme.com"], search="acm").data
    assert [one.id for one in found] == [organization]
