"""Owns `workos-importer memberships`: one membership at a time, or a file of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .objects import add_limit, add_verb, add_yes, directory_of, may_delete, show, show_all, show_deleted, verbs_of
from .other_rows import add_import, add_plan, add_verify

if TYPE_CHECKING:
    import argparse

    from .parser import Commands, Parser
    from .streams import Streams

_FIELDS = ("id", "user_id", "organization_id", "organization_name", "roles", "status", "created_at", "updated_at")
_USER = "an id, an email address, or your own id for the user"
_ORG = "its id, or your own id for it"
_ROLE = "a role's slug; may be repeated where the environment has multiple roles on"


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "memberships",
        streams=streams,
        help="create, list, change, delete memberships; import a file of them",
        description="One membership at a time, or a file of them.",
    )
    verbs = verbs_of(parser)
    made = add_verb(
        verbs,
        "create",
        create,
        streams,
        "add a user to an organization",
        "A membership that is there is found, and gets the roles that it lacks; an inactive one stays inactive.",
    )
    made.add_argument("--user", metavar="USER", required=True, help=_USER)
    made.add_argument("--org", metavar="ORG", required=True, help=_ORG)
    made.add_argument("--role", metavar="SLUG", action="append", default=[], help=_ROLE)
    listed = add_verb(
        verbs, "list", list_all, streams, "list memberships: id, user, organization with its name, roles, status"
    )
    listed.add_argument("--user", metavar="USER", help=f"those of a user: {_USER}")
    listed.add_argument("--org", metavar="ORG", help=f"those of an organization: {_ORG}")
    listed.add_argument(
        "--status",
        choices=("active", "inactive", "pending"),
        action="append",
        default=[],
        help="may be repeated; default: all",
    )
    add_limit(listed)
    changed = add_verb(verbs, "set-role", set_role, streams, "give a membership exactly these roles")
    changed.add_argument("--role", metavar="SLUG", action="append", required=True, help=_ROLE)
    off = add_verb(verbs, "deactivate", deactivate, streams, "switch a membership off")
    on = add_verb(verbs, "reactivate", reactivate, streams, "switch a membership on again")
    gone = add_verb(verbs, "delete", delete, streams, "delete a membership")
    for one in (changed, off, on, gone):
        _add_name(one)
    add_yes(gone)
    columns = "email, user_external_id or user_id; org_external_id or org_id; role_slugs"
    add_import(verbs, streams, "memberships", "import", columns, "add users who are there to their organizations")
    add_plan(verbs, streams, "memberships")
    add_verify(verbs, streams, "memberships")


def _add_name(parser: Parser) -> None:
    parser.add_argument("membership", metavar="ID", nargs="?", help="the membership's id; or both --user and --org")
    parser.add_argument("--user", metavar="USER", help=_USER)
    parser.add_argument("--org", metavar="ORG", help=_ORG)


def create(parsed: argparse.Namespace, streams: Streams) -> int:
    """Makes or finds the membership, and prints it."""
    memberships = directory_of(parsed, streams).memberships
    made = memberships.create(user=parsed.user, organization=parsed.org, roles=parsed.role)
    if made.status == "inactive":
        streams.note(f"It is inactive. To switch it on: workos-importer memberships reactivate {made.id}")
    return show(made, (*_FIELDS, "created"), parsed, streams)


def list_all(parsed: argparse.Namespace, streams: Streams) -> int:
    """Prints them as they come."""
    found = directory_of(parsed, streams).memberships.list(
        user=parsed.user, organization=parsed.org, statuses=parsed.status, limit=parsed.limit
    )
    names = ("id", "user_id", "organization_id", "organization_name", "roles", "status")
    return show_all(found, names, parsed, streams)


def set_role(parsed: argparse.Namespace, streams: Streams) -> int:
    """Changes the roles, and prints the membership."""
    memberships = directory_of(parsed, streams).memberships
    changed = memberships.set_role(parsed.membership, roles=parsed.role, user=parsed.user, organization=parsed.org)
    return show(changed, _FIELDS, parsed, streams)


def deactivate(parsed: argparse.Namespace, streams: Streams) -> int:
    """Switches it off, and prints the membership."""
    memberships = directory_of(parsed, streams).memberships
    changed = memberships.deactivate(parsed.membership, user=parsed.user, organization=parsed.org)
    return show(changed, _FIELDS, parsed, streams)


def reactivate(parsed: argparse.Namespace, streams: Streams) -> int:
    """Switches it on, and prints the membership."""
    memberships = directory_of(parsed, streams).memberships
    changed = memberships.reactivate(parsed.membership, user=parsed.user, organization=parsed.org)
    return show(changed, _FIELDS, parsed, streams)


def delete(parsed: argparse.Namespace, streams: Streams) -> int:
    """Deletes the membership, and says so."""
    directory = directory_of(parsed, streams)
    may_delete(directory, parsed)
    gone = directory.memberships.delete(parsed.membership, user=parsed.user, organization=parsed.org)
    name = parsed.membership or f"of {parsed.user} in {parsed.org}"
    return show_deleted(name, "membership", gone, parsed, streams)
