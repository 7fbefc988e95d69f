"""The sandbox speaks the API as WorkOS' own Python SDK expects it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from workos import WorkOSClient
from workos._errors import BadRequestError, NotFoundError
from workos.organization_membership import RoleMultiple, RoleSingle
from workos.user_management import PasswordPlaintext

from .conftest import KEY


@pytest.fixture
def client(sandbox_url: str) -> Iterator[WorkOSClient]:
    with WorkOSClient(api_key=KEY, client_id="client_test", base_url=sandbox_url) as client:
        yield client


def test_users_are_created_listed_found_changed_and_deleted(client: WorkOSClient) -> None:
    created = client.user_management.create_user(
        email=" Ada@Example.com ",
        first_name="Ada",
        external_id="u-1",
        metadata={"team": "eng"},
        password=PasswordPlaintext(password="correct horse battery"),
    )
    assert created.email == "ada@example.com"
    listed = client.user_management.list_users(email="ada@example.com")
    assert [user.id for user in listed.data] == [created.id]
    found = client.user_management.get_user_by_external_id("u-1")
    assert found.id == created.id
    assert found.metadata == {"team": "eng"}
    changed = client.user_management.update_user(created.id, first_name="Augusta")
    assert changed.first_name == "Augusta"
    client.user_management.delete_user(created.id)
    with pytest.raises(NotFoundError):
        client.user_management.get_user(created.id)


def test_a_taken_email_is_refused_with_the_apis_own_code(client: WorkOSClient) -> None:
    client.user_management.create_user(email="ada@example.com")
    with pytest.raises(BadRequestError) as refused:
        client.user_management.create_user(email="ada@example.com")
    assert refused.value.code == "user_creation_error"


def test_organizations_and_memberships(client: WorkOSClient) -> None:
    organization = client.organizations.create_organization(name="Acme", external_id="acme")
    assert client.organizations.get_organization_by_external_id("acme").id == organization.id
    assert [one.id for one in client.organizations.list_organizations().data] == [organization.id]
    user = client.user_management.create_user(email="ada@example.com")
    memberships = client.organization_membership
    membership = memberships.create_organization_membership(
        user_id=user.id, organization_id=organization.id, role=RoleSingle(role_slug="admin")
    )
    assert membership.status == "active"
    memberships.update_organization_membership(membership.id, role=RoleMultiple(role_slugs=["admin", "member"]))
    listed = memberships.list_organization_memberships(user_id=user.id)
    assert [one.id for one in listed.data] == [membership.id]
    memberships.deactivate_organization_membership(membership.id)
    assert memberships.list_organization_memberships(user_id=user.id).data == []
    inactive = memberships.list_organization_memberships(user_id=user.id, statuses=["inactive"])
    assert [one.id for one in inactive.data] == [membership.id]
    memberships.reactivate_organization_membership(membership.id)
    memberships.delete_organization_membership(membership.id)
    client.organizations.delete_organization(organization.id)
    with pytest.raises(NotFoundError):
        client.organizations.get_organization(organization.id)


def test_lists_are_paged_in_both_directions(client: WorkOSClient) -> None:
    created = [client.user_management.create_user(email=f"user{number}@example.com").id for number in range(7)]
    page = client.user_management.list_users(limit=3, order="asc")
    assert [user.id for user in page.auto_paging_iter()] == created
    page = client.user_management.list_users(limit=2, order="desc")
    assert [user.id for user in page.auto_paging_iter()] == created[::-1]
