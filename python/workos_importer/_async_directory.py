"""Owns the directory one object at a time, for coroutines, under asyncio and Trio. `Directory` explains each verb."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from ._asking import Asking, Found, checked_limit, given, one, one_membership, page, page_size, texts, was_deleted
from ._objects import ApiKey, FeatureFlag, Invitation, Membership, Organization, Role, User
from ._waiting import Threads

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Iterable, Mapping

    from ._native import Sandbox


class AsyncDirectory(Asking):
    """The same as `Directory`, with `await` and `async for`. Calls go side by side, up to 16.

    Where a task is cancelled, a call that was sent comes to its end, and its answer is dropped.

    >>> import asyncio
    >>> from workos_importer import AsyncDirectory, Sandbox
    >>> async def names():
    ...     directory = AsyncDirectory(sandbox=Sandbox())
    ...     await directory.organizations.create(name="Acme", external_id="acme")
    ...     return [one.name async for one in directory.organizations.list()]
    >>> asyncio.run(names())
    ['Acme']
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        api_key_file: str | os.PathLike[str] | None = None,
        env_file: str | os.PathLike[str] | None = ".env",
        base_url: str | None = None,
        ca_bundle: str | os.PathLike[str] | None = None,
        insecure_http: bool = False,
        sandbox: Sandbox | None = None,
    ) -> None:
        """As of `Directory`."""
        super().__init__(
            api_key=api_key,
            api_key_file=api_key_file,
            env_file=env_file,
            base_url=base_url,
            ca_bundle=ca_bundle,
            insecure_http=insecure_http,
            sandbox=sandbox,
        )
        self._threads = Threads()

    async def _wait(self, noun: str, verb: str, values: Mapping[str, Any]) -> Any:
        return await self._threads.run(lambda: self._ask(noun, verb, values))

    @property
    def organizations(self) -> AsyncOrganizations:
        """The organizations: `create`, `get`, `list`, `update`, `delete`."""
        return AsyncOrganizations(self, "organizations", Organization)

    @property
    def users(self) -> AsyncUsers:
        """The users: `create`, `get`, `list`, `update`, `delete`."""
        return AsyncUsers(self, "users", User)

    @property
    def memberships(self) -> AsyncMemberships:
        """The memberships: `create`, `list`, `set_role`, `deactivate`, `reactivate`, `delete`."""
        return AsyncMemberships(self, "memberships", Membership)

    @property
    def roles(self) -> AsyncRoles:
        """The roles: `list`."""
        return AsyncRoles(self, "roles", Role)

    @property
    def invitations(self) -> AsyncInvitations:
        """The invitations: `send`, `list`, `resend`, `revoke`."""
        return AsyncInvitations(self, "invitations", Invitation)

    @property
    def feature_flags(self) -> AsyncFeatureFlags:
        """The feature flags of an organization: `list`, `check`."""
        return AsyncFeatureFlags(self, "feature-flags", FeatureFlag)

    @property
    def api_keys(self) -> AsyncApiKeys:
        """The API keys of an organization: `create`, `list`."""
        return AsyncApiKeys(self, "api-keys", ApiKey)


class _AsyncNoun(Generic[Found]):
    """What the nouns share."""

    def __init__(self, directory: AsyncDirectory, noun: str, kind: type[Found]) -> None:
        """Made by a directory."""
        self._directory, self._noun, self._kind = directory, noun, kind

    async def _one(self, verb: str, values: Mapping[str, Any]) -> Found:
        return one(self._kind, await self._directory._wait(self._noun, verb, values))

    def _all(self, values: Mapping[str, Any], limit: int | None) -> AsyncIterator[Found]:
        return self._pages(values, checked_limit(limit))

    async def _pages(self, values: Mapping[str, Any], left: int | None) -> AsyncIterator[Found]:
        after = None
        while left is None or left > 0:
            asked = {**values, **given(after=after), "limit": page_size(left)}
            answer = await self._directory._wait(self._noun, "list", asked)
            found = page(self._kind, answer)[:left]
            left = None if left is None else left - len(found)
            for item in found:
                yield item
            after = answer["after"]
            if after is None:
                return

    async def _delete(self, values: Mapping[str, Any]) -> bool:
        return was_deleted(await self._directory._wait(self._noun, "delete", values))


class AsyncOrganizations(_AsyncNoun[Organization]):
    """The organizations of a directory. One is named by its id or by your own id for it."""

    async def create(
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
        return await self._one("create", values)

    async def get(self, organization: str) -> Organization:
        """The organization of this id or external id. Raises `InputError` (`no_object`) if there is none."""
        return await self._one("get", {"name": organization})

    def list(
        self, *, domains: Iterable[str] = (), search: str | None = None, limit: int | None = None
    ) -> AsyncIterator[Organization]:
        """All of them, or those with a domain, or with this in their name; each page is read when it is needed."""
        return self._all(given(domains=texts(domains), search=search), limit)

    async def update(
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
        return await self._one("update", {"organization": organization, **values})

    async def delete(self, organization: str) -> bool:
        """Deletes it with its memberships. False if there was none any more."""
        return await self._delete({"name": organization})


class AsyncUsers(_AsyncNoun[User]):
    """The users of a directory. One is named by id, email address or your own id for the user."""

    async def create(
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
        return await self._one("create", values | more)

    async def get(self, user: str) -> User:
        """The user of this id, address or external id. Raises `InputError` (`no_object`) if there is none."""
        return await self._one("get", {"name": user})

    def list(
        self, *, email: str | None = None, organization: str | None = None, limit: int | None = None
    ) -> AsyncIterator[User]:
        """All of them, or those of an organization; each page is read when it is needed."""
        return self._all(given(email=email, organization=organization), limit)

    async def update(
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
        return await self._one("update", {"user": user, "fields": values | more})

    async def delete(self, user: str) -> bool:
        """Deletes the user with all memberships. False if there was none any more."""
        return await self._delete({"name": user})


class AsyncMemberships(_AsyncNoun[Membership]):
    """The memberships of a directory. One is named by its id, or by `user` and `organization`."""

    async def create(self, *, user: str, organization: str, roles: Iterable[str] = ()) -> Membership:
        """Makes a membership. One that is there is it: roles that it lacks are added, and an inactive one stays so."""
        return await self._one("create", {"user": user, "organization": organization, "roles": texts(roles)})

    def list(
        self,
        *,
        user: str | None = None,
        organization: str | None = None,
        statuses: Iterable[str] = (),
        limit: int | None = None,
    ) -> AsyncIterator[Membership]:
        """Those of a user, of an organization, or of both; each page is read when it is needed."""
        return self._all(given(user=user, organization=organization, statuses=texts(statuses)), limit)

    async def set_role(
        self,
        membership: str | None = None,
        *,
        roles: Iterable[str],
        user: str | None = None,
        organization: str | None = None,
    ) -> Membership:
        """Gives it exactly these roles."""
        return await self._one("set-role", one_membership(membership, user, organization, roles=texts(roles)))

    async def deactivate(
        self, membership: str | None = None, *, user: str | None = None, organization: str | None = None
    ) -> Membership:
        """Switches it off. Nothing changes where it is so already."""
        return await self._one("deactivate", one_membership(membership, user, organization))

    async def reactivate(
        self, membership: str | None = None, *, user: str | None = None, organization: str | None = None
    ) -> Membership:
        """Switches it on again. Nothing changes where it is so already."""
        return await self._one("reactivate", one_membership(membership, user, organization))

    async def delete(
        self, membership: str | None = None, *, user: str | None = None, organization: str | None = None
    ) -> bool:
        """Deletes it. False if there was none any more."""
        return await self._delete(one_membership(membership, user, organization))


class AsyncRoles(_AsyncNoun[Role]):
    """The roles of a directory."""

    def list(self, *, organization: str | None = None) -> AsyncIterator[Role]:
        """Those of the environment, or of an organization, which are the environment's and its own."""
        return self._all(given(organization=organization), None)


class AsyncInvitations(_AsyncNoun[Invitation]):
    """The invitations of a directory. Sending one sends a mail."""

    async def send(
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
        return await self._one("send", values | given(inviter=inviter, locale=locale))

    def list(
        self,
        *,
        organization: str | None = None,
        email: str | None = None,
        state: str | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[Invitation]:
        """All of them, or those of an organization, an address, a state such as `pending`."""
        return self._all(given(organization=organization, email=email, state=state), limit)

    async def resend(self, invitation: str) -> Invitation:
        """Sends the mail again, once. Raises `InDoubtError` where the answer was lost."""
        return await self._one("resend", {"id": invitation})

    async def revoke(self, invitation: str) -> Invitation:
        """Takes it back. Nothing changes where it is so already; `ConflictError` if it was accepted."""
        return await self._one("revoke", {"id": invitation})


class AsyncFeatureFlags(_AsyncNoun[FeatureFlag]):
    """The feature flags of an organization. They are switched in the dashboard."""

    def list(self, *, organization: str, limit: int | None = None) -> AsyncIterator[FeatureFlag]:
        """The flags that the organization has."""
        return self._all({"organization": organization}, limit)

    async def check(self, flag: str, *, organization: str) -> bool:
        """Whether the organization has the flag of this slug."""
        async for found in self.list(organization=organization):
            if found.slug == flag and found.enabled:
                return True
        return False


class AsyncApiKeys(_AsyncNoun[ApiKey]):
    """The API keys of an organization."""

    async def create(self, *, organization: str, name: str, permissions: Iterable[str] = ()) -> ApiKey:
        """Makes a key, whose `value` is there this once. A lost answer is `InDoubtError`: the value is lost with it."""
        return await self._one(
            "create", {"organization": organization, "name": name, "permissions": texts(permissions)}
        )

    def list(self, *, organization: str, limit: int | None = None) -> AsyncIterator[ApiKey]:
        """The keys, without their values."""
        return self._all({"organization": organization}, limit)
