"""Owns single objects of a directory as Python has them: typed, frozen, and tolerant of what the API adds.

`raw` of each is the API's own object, whole. No `repr` shows a key or the link of an invitation.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

# What is in nobody's `repr`: secrets, or all of it once more.
_NOT_SHOWN = ("raw", "value")


class _Object:
    """Shows only the fields that say something."""

    __slots__ = ()

    @classmethod
    def _of(cls, raw: Mapping[str, Any], **more: Any) -> Self:
        """The object of an answer: fields of the same name, and what else is known."""
        names = {one.name for one in fields(cls)}  # type: ignore[arg-type]  # each subclass is a dataclass
        values = {name: value for name, value in raw.items() if name in names and value is not None}
        values |= {name: value for name, value in cls._read(raw).items() if value is not None}
        return cls(**{**values, **more, "raw": dict(raw)})

    @classmethod
    def _read(cls, raw: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG003 - subclasses look at it
        """The fields that are not just what the answer has under their name."""
        return {}

    def __repr__(self) -> str:
        shown = []
        for one in fields(self):  # type: ignore[arg-type]  # as above
            value = getattr(self, one.name)
            if one.name not in _NOT_SHOWN and value not in (None, (), {}):
                shown.append(f"{one.name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


@dataclass(frozen=True, slots=True, repr=False)
class OrganizationDomain(_Object):
    """A domain of an organization.

    >>> from workos_importer import Directory, Sandbox
    >>> acme = Directory(sandbox=Sandbox()).organizations.create(name="Acme", domains=["acme.com:verified"])
    >>> [(one.domain, one.state) for one in acme.domains]
    [('acme.com', 'verified')]
    """

    domain: str
    #: Such as `pending` or `verified`.
    state: str | None = None
    id: str | None = None
    raw: dict[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True, repr=False)
class Organization(_Object):
    """An organization.

    >>> from workos_importer import Directory, Sandbox
    >>> organizations = Directory(sandbox=Sandbox()).organizations
    >>> acme = organizations.create(name="Acme", external_id="acme", metadata={"plan": "enterprise"})
    >>> acme.created, acme.metadata["plan"], organizations.get("acme") == acme
    (True, 'enterprise', True)
    """

    id: str
    name: str = ""
    domains: tuple[OrganizationDomain, ...] = ()
    #: Your own id for it.
    external_id: str | None = None
    metadata: dict[str, str] = field(default_factory=dict, hash=False)
    allow_profiles_outside_organization: bool | None = None
    created_at: str | None = None
    updated_at: str | None = None
    #: Whether this call made it.
    created: bool = field(default=False, compare=False)
    raw: dict[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def _read(cls, raw: Mapping[str, Any]) -> dict[str, Any]:
        return {"domains": tuple(OrganizationDomain._of(one) for one in raw.get("domains") or ())}


@dataclass(frozen=True, slots=True, repr=False)
class User(_Object):
    """A user.

    >>> from workos_importer import Directory, Sandbox
    >>> users = Directory(sandbox=Sandbox()).users
    >>> users.create(email="ada@example.com", first_name="Ada").created
    True
    >>> [user.first_name for user in users.list()]
    ['Ada']
    """

    id: str
    email: str = ""
    first_name: str | None = None
    last_name: str | None = None
    email_verified: bool | None = None
    #: Your own id for the user.
    external_id: str | None = None
    metadata: dict[str, str] = field(default_factory=dict, hash=False)
    last_sign_in_at: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    #: Whether this call made it.
    created: bool = field(default=False, compare=False)
    raw: dict[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True, repr=False)
class Membership(_Object):
    """A user's membership in an organization.

    >>> from workos_importer import Directory, Sandbox
    >>> directory = Directory(sandbox=Sandbox())
    >>> user, acme = directory.users.create(email="ada@example.com"), directory.organizations.create(name="Acme")
    >>> made = directory.memberships.create(user=user.id, organization=acme.id, roles=["admin"])
    >>> [(one.organization_name, one.roles, one.status) for one in directory.memberships.list(user="ada@example.com")]
    [('Acme', ('admin',), 'active')]
    """

    id: str
    user_id: str | None = None
    organization_id: str | None = None
    #: In lists always; elsewhere where the API says it.
    organization_name: str | None = None
    #: Slugs.
    roles: tuple[str, ...] = ()
    #: `active`, `inactive` or `pending`.
    status: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    #: Whether this call made it.
    created: bool = field(default=False, compare=False)
    raw: dict[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def _read(cls, raw: Mapping[str, Any]) -> dict[str, Any]:
        found = [raw.get("role"), *(raw.get("roles") or ())]
        slugs = [one.get("slug") if isinstance(one, dict) else one for one in found if one]
        return {"roles": tuple(dict.fromkeys(slug for slug in slugs if isinstance(slug, str)))}


@dataclass(frozen=True, slots=True, repr=False)
class Role(_Object):
    """A role that memberships can be given.

    >>> from workos_importer import Directory, Sandbox
    >>> sorted(role.slug for role in Directory(sandbox=Sandbox()).roles.list())
    ['admin', 'member']
    """

    slug: str
    name: str | None = None
    #: Such as `EnvironmentRole` or `OrganizationRole`.
    type: str | None = None
    permissions: tuple[str, ...] = ()
    description: str | None = None
    id: str | None = None
    raw: dict[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def _read(cls, raw: Mapping[str, Any]) -> dict[str, Any]:
        return {"permissions": tuple(raw.get("permissions") or ())}


@dataclass(frozen=True, slots=True, repr=False)
class Invitation(_Object):
    """An invitation. The link that accepts it is in `raw` alone: whoever has it can use it.

    >>> from workos_importer import Invitation
    >>> Invitation(id="invitation_1", email="ada@example.com", state="pending").state
    'pending'
    """

    id: str
    email: str = ""
    #: `pending`, `accepted`, `expired` or `revoked`.
    state: str | None = None
    organization_id: str | None = None
    inviter_user_id: str | None = None
    expires_at: str | None = None
    accepted_at: str | None = None
    revoked_at: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    #: Whether this call sent it.
    created: bool = field(default=False, compare=False)
    raw: dict[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True, repr=False)
class FeatureFlag(_Object):
    """A feature flag that an organization has.

    >>> from workos_importer import FeatureFlag
    >>> FeatureFlag(slug="advanced-analytics").enabled
    True
    """

    slug: str
    name: str | None = None
    description: str | None = None
    #: False where the flag is switched off for the whole environment; older answers do not say it.
    enabled: bool = True
    id: str | None = None
    raw: dict[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True, repr=False)
class ApiKey(_Object):
    """An API key of an organization. `value` is there once, right after it was made; no `repr` shows it.

    >>> from workos_importer import ApiKey
    >>> ApiKey(id="api_key_1", name="Production", value="sk_secret")
    ApiKey(id='api_key_1', name='Production')
    """

    id: str
    name: str | None = None
    value: str | None = field(default=None, compare=False)
    obfuscated_value: str | None = None
    permissions: tuple[str, ...] = ()
    last_used_at: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    raw: dict[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def _read(cls, raw: Mapping[str, Any]) -> dict[str, Any]:
        return {"permissions": tuple(raw.get("permissions") or ())}
