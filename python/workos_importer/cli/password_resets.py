"""Owns `workos-importer password-resets`: mails by which users set a password after an import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .objects import verbs_of
from .other_rows import add_import

if TYPE_CHECKING:
    from .parser import Commands
    from .streams import Streams


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command with its verbs."""
    parser = commands.add_parser(
        "password-resets",
        streams=streams,
        help="mails by which users set a password",
        description="Mails by which users set a password.",
    )
    verbs = verbs_of(parser)
    add_import(
        verbs,
        streams,
        "password-resets",
        "send",
        "email; who brings a password or password_hash gets none",
        "send each user without a password one mail to set it",
    )
