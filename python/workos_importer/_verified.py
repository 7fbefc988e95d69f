"""Owns the rows of a verification, and the memberships that no row names: what they are, and how they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ._results import _Brief
from ._tables import Columns, Page, paged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from . import _native

Verdict = Literal["matches", "differs", "missing", "kept", "unknown"]

# What the native module gives of a row, in this order.
VERIFIED: Columns = (
    ("record_number", "integer"),
    ("line", "integer"),
    ("email", "text"),
    ("external_id", "text"),
    ("verdict", "text"),
    ("fields", "texts"),
    ("message", "text"),
    ("record_id", "text"),
)
VERDICT = 4
EXTRA: Columns = (
    ("email", "text"),
    ("user_id", "text"),
    ("organization_id", "text"),
    ("membership_id", "text"),
    ("roles", "texts"),
    ("active", "boolean"),
)
# The place that all memberships come after.
BEFORE_ALL = -(2**63)


@dataclass(frozen=True, slots=True, repr=False)
class VerifiedRow(_Brief):
    """How one row stands against the directory.

    >>> from workos_importer import Importer, Sandbox
    >>> [(row.verdict, row.fields) for row in Importer(sandbox=Sandbox()).verify([{"email": "ada@example.com"}]).rows()]
    [('missing', ('user',))]
    """

    record_number: int
    line: int | None
    email: str | None
    external_id: str | None
    #: `matches`; `differs`; `missing`; `kept` (the user was there and was left as it was, all else is as the row says);
    #: `unknown` (it could not be read).
    verdict: Verdict
    #: What differs or is missing: fields of the user, `roles`, `membership status`, or `user`, `organization`,
    #: `membership`.
    fields: tuple[str, ...] = ()
    #: Why an import would fail the row.
    message: str | None = None
    #: What the source calls the row, where `record_id=` names the column.
    record_id: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class ExtraMembership(_Brief):
    """A membership that the directory has, in an organization of the source, and that no row names.

    >>> from workos_importer import Importer, Sandbox
    >>> importer, row = Importer(sandbox=Sandbox()), {"org_external_id": "acme", "org_name": "Acme"}
    >>> ok = importer.run([{"email": "ada@example.com", **row}, {"email": "eve@example.com", **row}]).wait().ok
    >>> [extra.active for extra in importer.verify([{"email": "ada@example.com", **row}], extra=True).extra()]
    [True]
    """

    #: None where the user was not read.
    email: str | None
    user_id: str
    organization_id: str
    membership_id: str
    roles: tuple[str, ...]
    active: bool


def verified(native: _native.Import | None) -> Iterator[Page]:
    """The rows, page by page; none of a verification that was pickled."""
    return iter(()) if native is None else paged(native.verified)


def verified_row(values: tuple[Any, ...]) -> VerifiedRow:
    """A row, from the native module's values."""
    number, line, email, external_id, verdict, names, message, record_id = values
    return VerifiedRow(number, line, email, external_id, verdict, tuple(names), message, record_id)


def extra_membership(values: tuple[Any, ...]) -> ExtraMembership:
    """A membership, from the native module's values."""
    email, user_id, organization_id, membership_id, roles, active = values
    return ExtraMembership(email, user_id, organization_id, membership_id, tuple(roles), active)
