"""Owns `workos-importer organizations`: one organization at a time, or a file of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .objects import (
    add_limit,
    add_metadata,
    add_verb,
    add_yes,
    directory_of,
    may_delete,
    metadata_of,
    show,
    show_all,
    show_deleted,
    verbs_of,
)
from .other_rows import add_import, add_plan, add_verify

if TYPE_CHECKING:
    import argparse

    from .parser import Commands
    from .streams import Streams

_FIELDS = (
    *("id", "name", "domains", "external_id", "metadata", "created_at", "updated_at"),
    "allow_profiles_outside_organization",
)
_NAME = "its id, or your own id for it"
_DOMAIN = "acme.com (pending), or acme.com:verified to vouch for it; may be repeated"


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "organizations",
        streams=streams,
        help="create, get, list, update, delete organizations; import a file of them",
        description="One organization at a time, or a file of them.",
    )
    verbs = verbs_of(parser)
    made = add_verb(
        verbs,
        "create",
        create,
        streams,
        "make an organization, or find the one with this external id",
        "Names are not unique: without --external-id and --domain a create whose answer is lost is not sent again.",
    )
    made.add_argument("--name", required=True, help="the name that people see")
    made.add_argument("--domain", metavar="DOMAIN", action="append", default=[], help=_DOMAIN)
    made.add_argument("--external-id", metavar="ID", help="your own id for it: what makes it the same the next time")
    add_metadata(made)
    found = add_verb(verbs, "get", get, streams, "show an organization")
    found.add_argument("organization", metavar="ID", help=_NAME)
    listed = add_verb(verbs, "list", list_all, streams, "list organizations: id, name, external id, domains")
    listed.add_argument(
        "--domain", metavar="DOMAIN", action="append", default=[], help="those with it; may be repeated"
    )
    listed.add_argument("--search", metavar="TEXT", help="those with this in their name")
    add_limit(listed)
    changed = add_verb(
        verbs, "update", update, streams, "change what is given", "Domains are read, and written as a whole."
    )
    changed.add_argument("organization", metavar="ID", help=_NAME)
    changed.add_argument("--name", help="another name")
    changed.add_argument("--add-domain", metavar="DOMAIN", action="append", default=[], help=_DOMAIN)
    changed.add_argument("--remove-domain", metavar="DOMAIN", action="append", default=[], help="may be repeated")
    changed.add_argument("--external-id", metavar="ID", help="another id of yours")
    add_metadata(changed, "a JSON object of texts; null takes a key away")
    gone = add_verb(verbs, "delete", delete, streams, "delete an organization, with its memberships")
    gone.add_argument("organization", metavar="ID", help=_NAME)
    add_yes(gone)
    columns = "org_external_id or org_id, org_name, domains (acme.com, or acme.com:verified), metadata"
    add_import(verbs, streams, "organizations", "import", columns, "make the organizations of a file, or update them")
    add_plan(verbs, streams, "organizations")
    add_verify(verbs, streams, "organizations")


def create(parsed: argparse.Namespace, streams: Streams) -> int:
    """Makes or finds the organization, and prints it."""
    made = directory_of(parsed, streams).organizations.create(
        name=parsed.name, domains=parsed.domain, external_id=parsed.external_id, metadata=metadata_of(parsed)
    )
    return show(made, (*_FIELDS, "created"), parsed, streams)


def get(parsed: argparse.Namespace, streams: Streams) -> int:
    """Prints the organization."""
    return show(directory_of(parsed, streams).organizations.get(parsed.organization), _FIELDS, parsed, streams)


def list_all(parsed: argparse.Namespace, streams: Streams) -> int:
    """Prints them as they come."""
    found = directory_of(parsed, streams).organizations.list(
        domains=parsed.domain, search=parsed.search, limit=parsed.limit
    )
    return show_all(found, ("id", "name", "external_id", "domains"), parsed, streams)


def update(parsed: argparse.Namespace, streams: Streams) -> int:
    """Changes the organization, and prints it."""
    changed = directory_of(parsed, streams).organizations.update(
        parsed.organization,
        name=parsed.name,
        add_domains=parsed.add_domain,
        remove_domains=parsed.remove_domain,
        external_id=parsed.external_id,
        metadata=metadata_of(parsed),
    )
    return show(changed, _FIELDS, parsed, streams)


def delete(parsed: argparse.Namespace, streams: Streams) -> int:
    """Deletes the organization, and says so."""
    directory = directory_of(parsed, streams)
    may_delete(directory, parsed)
    gone = directory.organizations.delete(parsed.organization)
    return show_deleted(parsed.organization, "organization", gone, parsed, streams)
