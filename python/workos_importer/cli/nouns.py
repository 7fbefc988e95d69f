"""Owns the shape of the commands that are a noun with verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .parser import Commands
    from .streams import Streams


def add_noun(commands: Commands, streams: Streams, noun: str, text: str) -> Commands:
    """Adds the command and returns the place for its verbs. `text`: what the list of commands says of it."""
    parser = commands.add_parser(noun, streams=streams, help=text, description=f"{text[0].upper()}{text[1:]}.")
    return parser.add_subparsers(title="verbs", metavar="VERB", required=True)
