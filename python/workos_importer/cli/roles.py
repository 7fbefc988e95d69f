"""Owns `workos-importer roles`: which roles there are, and files of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .objects import add_verb, directory_of, show_all, verbs_of
from .other_rows import add_import

if TYPE_CHECKING:
    import argparse

    from .parser import Commands
    from .streams import Streams


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "roles",
        streams=streams,
        help="list roles; import a file of them",
        description="The roles that memberships can be given, and their permissions.",
    )
    verbs = verbs_of(parser)
    listed = add_verb(verbs, "list", list_all, streams, "list roles: slug, name, type, permissions")
    listed.add_argument(
        "--org", metavar="ORG", help="those of an organization, its own included: its id, or your own id for it"
    )
    columns = "role_slug, role_name, role_type (environment or organization), permissions, org_external_id or org_id"
    add_import(verbs, streams, "roles", "import", columns, "make the roles of a file, and give them its permissions")


def list_all(parsed: argparse.Namespace, streams: Streams) -> int:
    """Prints them."""
    found = directory_of(parsed, streams).roles.list(organization=parsed.org)
    return show_all(found, ("slug", "name", "type", "permissions"), parsed, streams)
