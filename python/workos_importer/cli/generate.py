"""Owns `workos-importer generate`: files to rehearse with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._exceptions import ConfigError
from .generator import write
from .parser import whole_number

if TYPE_CHECKING:
    import argparse

    from .parser import Commands
    from .streams import Streams


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "generate",
        streams=streams,
        help="write a file of invented users",
        description="Writes a CSV file of invented users. The same numbers give the same file.",
    )
    parser.add_argument("users", metavar="USERS", type=whole_number(0), help="how many")
    parser.add_argument("file", metavar="FILE", help="where to; an older file is replaced")
    parser.add_argument("--orgs", metavar="N", type=whole_number(1), help="spread them over so many organizations")
    parser.add_argument(
        "--distribution",
        choices=("uniform", "skewed"),
        default="uniform",
        help="skewed: 80 %% of the users in 20 %% of the organizations",
    )
    parser.add_argument("--with-errors", action="store_true", help="make one row in twenty wrong, in several ways")
    parser.add_argument("--seed", metavar="N", type=whole_number(0), default=0, help="another number gives other users")
    parser.set_defaults(work=work)


def work(parsed: argparse.Namespace, streams: Streams) -> int:
    """Writes the file."""
    if parsed.distribution == "skewed" and parsed.orgs is None:
        raise ConfigError("--distribution skewed needs --orgs.", "contradiction")
    try:
        wrong = write(
            parsed.file,
            parsed.users,
            organizations=parsed.orgs,
            skewed=parsed.distribution == "skewed",
            with_errors=parsed.with_errors,
            seed=parsed.seed,
        )
    except OSError as error:
        raise ConfigError(f"Cannot write {parsed.file}: {error.strerror or error}", "output_path") from None
    used = "" if parsed.orgs is None else f" in {min(parsed.orgs, parsed.users)} organizations"
    errors = f", {wrong} of them with errors" if parsed.with_errors else ""
    streams.note(f"Wrote {parsed.users} users{used} to {parsed.file}{errors}.")
    return 0
