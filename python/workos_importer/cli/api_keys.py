"""Owns `workos-importer api-keys`: an organization's API keys. A new key's value is printed once, and kept nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .objects import add_limit, add_verb, directory_of, show, show_all, verbs_of

if TYPE_CHECKING:
    import argparse

    from .parser import Commands
    from .streams import Streams

_ORG = "its id, or your own id for it"


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "api-keys",
        streams=streams,
        help="create or list the API keys of an organization",
        description="The API keys that an organization's own programs use.",
    )
    verbs = verbs_of(parser)
    made = add_verb(
        verbs,
        "create",
        create,
        streams,
        "make a key, and print its value this once",
        "Where the answer is lost, so is the value, and no second key is made.",
    )
    made.add_argument("--org", metavar="ORG", required=True, help=_ORG)
    made.add_argument("--name", required=True, help="the name that people see")
    made.add_argument("--permission", metavar="SLUG", action="append", default=[], help="may be repeated")
    listed = add_verb(verbs, "list", list_all, streams, "list the keys, without their values: id, name, last use")
    listed.add_argument("--org", metavar="ORG", required=True, help=_ORG)
    add_limit(listed)


def create(parsed: argparse.Namespace, streams: Streams) -> int:
    """Makes the key and prints it, value included."""
    made = directory_of(parsed, streams).api_keys.create(
        organization=parsed.org, name=parsed.name, permissions=parsed.permission
    )
    streams.note("The value is shown this once, and stored nowhere.")
    return show(made, ("id", "name", "value", "permissions", "created_at"), parsed, streams)


def list_all(parsed: argparse.Namespace, streams: Streams) -> int:
    """Prints them as they come."""
    found = directory_of(parsed, streams).api_keys.list(organization=parsed.org, limit=parsed.limit)
    return show_all(found, ("id", "name", "obfuscated_value", "last_used_at"), parsed, streams)
