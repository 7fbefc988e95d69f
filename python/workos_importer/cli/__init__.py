"""Owns the console script: which command is meant, and what becomes of errors. One file a command beside this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._exceptions import APIError, AuthError, ImporterError, RowsFailedError, RunError, SourceChangedError
from .._native import __version__
from . import (
    demo,
    doctor,
    errors,
    generate,
    import_,
    pace,
    plan,
    rate_check,
    results,
    resume,
    retry,
    runs,
    sandbox,
    show,
    undo,
    validate,
    verify,
)
from .parser import Parser
from .streams import Streams, without_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = (
    import_,
    validate,
    plan,
    runs,
    show,
    pace,
    resume,
    retry,
    results,
    errors,
    verify,
    undo,
    doctor,
    sandbox,
    demo,
    generate,
    rate_check,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code, as documented: 0, 1, 2, 3, 4, 130 or 143."""
    streams = Streams()
    try:
        parsed = _parser(streams).parse_args(arguments)
        return int(parsed.work(parsed, streams))
    except ImporterError as error:
        streams.error(without_keys(str(error)))
        return _exit_code(error)
    except KeyboardInterrupt:
        return 130
    finally:
        streams.close()


def _parser(streams: Streams) -> Parser:
    parser = Parser(
        prog="workos-importer",
        description="Imports users in bulk into WorkOS: users, organizations, memberships, roles.",
        streams=streams,
    )
    parser.add_argument("--version", action="version", version=f"workos-importer {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add(commands, streams)
    return parser


def _exit_code(error: ImporterError) -> int:
    if isinstance(error, AuthError):
        return 3
    # What was asked for cannot be done, and no waiting changes that.
    if isinstance(error, SourceChangedError) or error.kind in ("no_run", "undone", "not_running"):
        return 2
    if isinstance(error, APIError | RunError):
        return 4
    return 1 if isinstance(error, RowsFailedError) else 2
