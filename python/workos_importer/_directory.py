"""Owns the directory one object at a time, for programs that wait. `AsyncDirectory` has the same for coroutines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from ._asking import Asking, Found, checked_limit, given, one, one_membership, page, page_size, texts, was_deleted
from ._objects import ApiKey, FeatureFlag, Invitation, Membership, Organization, Role, User

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class Directory(Asking):
    """A WorkOS environment, one object at a time: `organizations`, `users`, `memberships`, `roles`, `invitations`,
    `feature_flags` and `api_keys`.

    Everything that makes is *ensure*: what is there is found, and `created` of what comes back says which it was. Calls
    wait for their turn as imports do. A lost answer is settled by looking; where nothing can tell: `InDoubtError`.

    >>> from workos_importer import Directory, Sandbox
    >>> directory = Directory(sandbox=Sandbox())
    >>> acme = directory.organizations.create(name="Acme", domains=["acme.com"], external_id="acme")
    >>> directory.organizations.create(name="Acme", external_id="acme").created
    False
    >>> [one.name for one in directory.organizations.list()]
    ['Acme']
    """

    @property
    def organizations(self) -> Organizations:
        """The organizations: `create`, `get`, `list`, `update`, `delete`."""
        return Organizations(self, "organizations", Organization)

    @property
    def users(self) -> Users:
        """The users: `create`, `get`, `list`, `update`, `delete`."""
        return Users(self, "users", User)

    @property
    def memberships(self) -> Memberships:
        """The memberships: `create`, `list`, `set_role`, `deactivate`, `reactivate`, `delete`."""
        return Memberships(self, "memberships", Membership)

    @property
    def roles(self) -> Roles:
        """The roles: `list`."""
        return Roles(self, "roles", Role)

    @property
    def invitations(self) -> Invitations:
        """The invitations: `send`, `list`, `resend`, `revoke`."""
        return Invitations(self, "invitations", Invitation)

    @property
    def feature_flags(self) -> FeatureFlags:
        """The feature flags of an organization: `list`, `check`."""
        return FeatureFlags(self, "feature-flags", FeatureFlag)

    @property
    def api_keys(self) -> ApiKeys:
        """The API keys of an organization: `create`, `list`."""
        return ApiKeys(self, "api-keys", ApiKey)


class _Noun(Generic[Found]):
    """What the nouns share."""

    def __init__(self, directory: Asking, noun: str, kind: type[Found]) -> None:
        """Made by a directory."""
        self._directory, self._noun, self._kind = directory, noun, kind

    def _one(self, verb: str, values: Mapping[str, Any]) -> Found:
        return one(self._kind, self._directory._ask(self._noun, verb, values))

    def _all(self, values: Mapping[str, Any], limit: int | None) -> Iterator[Found]:
        return self._pages(values, checked_limit(limit))

    def _pages(self, values: Mapping[str, Any], left: int | None) -> Iterator[Found]:
        after = None
        while left is None or left > 0:
            asked = {**values, **given(after=after), "limit": page_size(left)}
            answer = self._directory._ask(self._noun, "list", asked)
            found = page(self._kind, answer)[:left]
            left = None if left is None else left - len(found)
            yield from found
            after = answer["after"]
            if after is None:
                return

    def _delete(self, values: Mapping[str, Any]) -> bool:
        return was_deleted(self._directory._ask(self._noun, "delete", values))


class Organizations(_Noun[Organization]):
    """The organizations of a directory. One is named by its id or by your own id for it."""

    def create(
        self,
        *,
        name: str,
        domains: Iterable[str] = (),
        external_id: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Organization:
        """Makes an organization; one with this `external_id` that is there is it, as it is (`created` is False).

        `domains`: `"acme.com"`, or `"acme.com:verified"` to vouch for it. Names are not unique: without `external_id`
        and domains, a create whose answer was lost is `InDoubtError`.

        Raises `InputError`, `ConflictError` (a domain of another organization), `AuthError`, `APIError`.
        """
        values = given(name=name, domains=texts(domains), external_id=external_id, metadata=metadata and dict(metadata))
        return self._one("create", values)

    def get(self, organization: str) -> Organization:
        """The organization of this id or external id. Raises `InputError` (`no_object`) if there is none."""
        return self._one("get", {"name": organization})

    def list(
        self, *, domains: Iterable[str] = (), search: str | None = None, limit: int | None = None
    ) -> Iterator[Organization]:
        """All of them, or those with a domain, or with this in their name; each page is read when it is needed."""
        return self._all(given(domains=texts(domains), search=search), limit)

    def update(
        self,
        organization: str,
        *,
        name: str | None = None,
        add_domains: Iterable[str] = (),
        remove_domains: Iterable[str] = (),
        external_id: str | None = None,
        metadata: Mapping[str, str | None] | None = None,
    ) -> Organization:
        """Changes what is given. Domains are read and written as a whole; metadata of None takes a key away."""
        values = given(name=name, external_id=external_id, metadata=metadata and dict(metadata))
        values |= {"add_domains": texts(add_domains), "remove_domains": texts(remove_domains)}
        return self._one("update", {"organization": organization, **values})

    def delete(self, organization: str) -> bool:
        """Deletes it with its memberships. False if there was none any more."""
        return self._delete({"name": organization})


class Users(_Noun[User]):
    """The users of a directory. One is named by id, email address or your own id for the user."""

    def create(
        self,
        *,
        email: str,
        first_name: str | None = None,
        last_name: str | None = None,
        external_id: str | None = None,
        metadata: Mapping[str, str] | None = None,
        email_verified: bool | None = None,
        password: str | None = None,
    ) -> User:
        """Makes a user; one with this address or external id who is there is it, as is (`created` is False).

        Raises `ConflictError` where the address and the external id are those of two users.
        """
        values = given(email=email, first_name=first_name, last_name=last_name, external_id=external_id)
        more = given(metadata=metadata and dict(metadata), email_verified=email_verified, password=password)
        return self._one("create", values | more)

    def get(self, user: str) -> User:
        """The user of this id, address or external id. Raises `InputError` (`no_object`) if there is none."""
        return self._one("get", {"name": user})

    def list(
        self, *, email: str | None = None, organization: str | None = None, limit: int | None = None
    ) -> Iterator[User]:
        """All of them, or those of an organization; each page is read when it is needed."""
        return self._all(given(email=email, organization=organization), limit)

    def update(
        self,
        user: str,
        *,
        email: str | None = None,
        first_name: str | None = None,
        last_name: str | None = None,
        external_id: str | None = None,
        metadata: Mapping[str, str | None] | None = None,
        email_verified: bool | None = None,
        password: str | None = None,
    ) -> User:
        """Changes what is given; metadata of None takes a key away."""
        values = given(email=email, first_name=first_name, last_name=last_name, external_id=external_id)
        more = given(metadata=metadata and dict(metadata), email_verified=email_verified, password=password)
        return self._one("update", {"user": user, "fields": values | more})

    def delete(self, user: str) -> bool:
        """Deletes the user with all memberships. False if there was none any more."""
        return self._delete({"name": user})


class Memberships(_Noun[Membership]):
    """The memberships of a directory. One is named by its id, or by `user` and `organization`."""

    def create(self, *, user: str, organization: str, roles: Iterable[str] = ()) -> Membership:
        """Makes a membership. One that is there is it: roles that it lacks are added, and an inactive one stays so."""
        return self._one("create", {"user": user, "organization": organization, "roles": texts(roles)})

    def list(
        self,
        *,
        user: str | None = None,
        organization: str | None = None,
        statuses: Iterable[str] = (),
        limit: int | None = None,
    ) -> Iterator[Membership]:
        """Those of a user, of an organization, or of both; each page is read when it is needed."""
        return self._all(given(user=user, organization=organization, statuses=texts(statuses)), limit)

    def set_role(
        self,
        membership: str | None = None,
        *,
        roles: Iterable[str],
        user: str | None = None,
        organization: str | None = None,
    ) -> Membership:
        """Gives it exactly these roles."""
        return self._one("set-role", one_membership(membership, user, organization, roles=texts(roles)))

    def deactivate(
        self, membership: str | None = None, *, user: str | None = None, organization: str | None = None
    ) -> Membership:
        """Switches it off. Nothing changes where it is so already."""
        return self._one("deactivate", one_membership(membership, user, organization))

    def reactivate(
        self, membership: str | None = None, *, user: str | None = None, organization: str | None = None
    ) -> Membership:
        """Switches it on again. Nothing changes where it is so already."""
        return self._one("reactivate", one_membership(membership, user, organization))

    def delete(
        self, membership: str | None = None, *, user: str | None = None, organization: str | None = None
    ) -> bool:
        """Deletes it. False if there was none any more."""
        return self._delete(one_membership(membership, user, organization))


class Roles(_Noun[Role]):
    """The roles of a directory."""

    def list(self, *, organization: str | None = None) -> Iterator[Role]:
        """Those of the environment, or of an organization, which are the environment's and its own."""
        return self._all(given(organization=organization), None)


class Invitations(_Noun[Invitation]):
    """The invitations of a directory. Sending one sends a mail."""

    def send(
        self,
        *,
        email: str,
        organization: str | None = None,
        role: str | None = None,
        expires_in_days: int | None = None,
        inviter: str | None = None,
        locale: str | None = None,
    ) -> Invitation:
        """Sends an invitation, unless one to this address and organization is open (`created` is False)."""
        values = given(email=email, organization=organization, role=role, expires_in_days=expires_in_days)
        return self._one("send", values | given(inviter=inviter, locale=locale))

    def list(
        self,
        *,
        organization: str | None = None,
        email: str | None = None,
        state: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Invitation]:
        """All of them, or those of an organization, an address, a state such as `pending`."""
        return self._all(given(organization=organization, email=email, state=state), limit)

    def resend(self, invitation: str) -> Invitation:
        """Sends the mail again, once. Raises `InDoubtError` where the answer was lost."""
        return self._one("resend", {"id": invitation})

    def revoke(self, invitation: str) -> Invitation:
        """Takes it back. Nothing changes where it is so already; `ConflictError` if it was accepted."""
        return self._one("revoke", {"id": invitation})


class FeatureFlags(_Noun[FeatureFlag]):
    """The feature flags of an organization. They are switched in the dashboard."""

    def list(self, *, organization: str, limit: int | None = None) -> Iterator[FeatureFlag]:
        """The flags that the organization has."""
        return self._all({"organization": organization}, limit)

    def check(self, flag: str, *, organization: str) -> bool:
        """Whether the organization has the flag of this slug."""
        return any(found.slug == flag and found.enabled for found in self.list(organization=organization))


class ApiKeys(_Noun[ApiKey]):
    """The API keys of an organization."""

    def create(self, *, organization: str, name: str, permissions: Iterable[str] = ()) -> ApiKey:
        """Makes a key, whose `value` is there this once. A lost answer is `InDoubtError`: the value is lost with it."""
        return self._one("create", {"organization": organization, "name": name, "permissions": texts(permissions)})

    def list(self, *, organization: str, limit: int | None = None) -> Iterator[ApiKey]:
        """The keys, without their values."""
        return self._all({"organization": organization}, limit)
