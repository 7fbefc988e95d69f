"""Owns `workos-importer totp-factors`: the second factors that users bring along."""

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
        "totp-factors",
        streams=streams,
        help="second factors that users bring along",
        description="Second factors that users bring along.",
    )
    verbs = verbs_of(parser)
    add_import(
        verbs,
        streams,
        "totp-factors",
        "enroll",
        "email, totp_secret (Base32), totp_issuer, totp_user",
        "enroll a TOTP factor for each user who has none",
    )
