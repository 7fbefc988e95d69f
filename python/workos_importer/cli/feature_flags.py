"""Owns `workos-importer feature-flags`: which flags an organization has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .objects import add_limit, add_verb, directory_of, show_all, verbs_of

if TYPE_CHECKING:
    import argparse

    from .parser import Commands
    from .streams import Streams

_ORG = "its id, or your own id for it"


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "feature-flags",
        streams=streams,
        help="list or check the feature flags of an organization",
        description="The feature flags that an organization has. They are switched in the dashboard.",
    )
    verbs = verbs_of(parser)
    listed = add_verb(verbs, "list", list_all, streams, "list the flags of an organization: slug, name, on or off")
    listed.add_argument("--org", metavar="ORG", required=True, help=_ORG)
    add_limit(listed)
    checked = add_verb(
        verbs, "check", check, streams, "whether an organization has a flag", "Exits with 0 if so, with 1 if not."
    )
    checked.add_argument("--org", metavar="ORG", required=True, help=_ORG)
    checked.add_argument("flag", metavar="FLAG", help="the flag's slug")


def list_all(parsed: argparse.Namespace, streams: Streams) -> int:
    """Prints them as they come."""
    found = directory_of(parsed, streams).feature_flags.list(organization=parsed.org, limit=parsed.limit)
    return show_all(found, ("slug", "name", "enabled"), parsed, streams)


def check(parsed: argparse.Namespace, streams: Streams) -> int:
    """Prints whether the flag is on, and says it by the exit code."""
    enabled = directory_of(parsed, streams).feature_flags.check(parsed.flag, organization=parsed.org)
    if parsed.json:
        streams.result(json.dumps({"flag": parsed.flag, "enabled": enabled}))
    else:
        streams.result(f"{parsed.flag}: {'on' if enabled else 'off'}")
    return 0 if enabled else 1
