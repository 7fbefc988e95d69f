"""Owns `workos-importer roles`: which roles there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .objects import add_verb, directory_of, show_all, verbs_of

if TYPE_CHECKING:
    import argparse

    from .parser import Commands
    from .streams import Streams


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "roles",
        streams=streams,
        help="list roles",
        description="The roles that memberships can be given.",
    )
    verbs = verbs_of(parser)
    listed = add_verb(verbs, "list", list_all, streams, "list roles: slug, name, type, permissions")
    listed.add_argument(
        "--org", metavar="ORG", help="those of an organization, its own included: its id, or your own id for it"
    )


def list_all(parsed: argparse.Namespace, streams: Streams) -> int:
    """Prints them."""
    found = directory_of(parsed, streams).roles.list(organization=parsed.org)
    return show_all(found, ("slug", "name", "type", "permissions"), parsed, streams)
