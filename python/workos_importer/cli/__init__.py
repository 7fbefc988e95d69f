"""Owns the console script: which command is meant, and what becomes of errors. One file a command beside this one."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from .._exceptions import (
    APIError,
    AuthError,
    ConflictError,
    ImporterError,
    RowsFailedError,
    RunError,
    SourceChangedError,
)
from .._native import __version__
from .parser import Parser
from .streams import Streams, without_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

# Each command: its file, and what the list of commands says of it. Only the file of what is meant is loaded.
_COMMANDS = {
    "import": ("import_", "import users, organizations and memberships"),
    "validate": ("validate", "say what is wrong in a file"),
    "plan": ("plan", "what an import would do to the directory"),
    "runs": ("runs", "the runs on disk; delete them"),
    "show": ("show", "the summary of a run, or its failed rows; follow a running one"),
    "pace": ("pace", "change how fast a running import goes"),
    "resume": ("resume", "go on with a run that did not come to its end"),
    "retry": ("retry", "try the failed rows of a run again"),
    "results": ("results", "every row's outcome"),
    "errors": ("errors", "why rows of a run failed, and what to do"),
    "report": ("report", "an HTML page on a run, to look at and to hand on"),
    "verify": ("verify", "prove that the directory holds what a file says"),
    "undo": ("undo", "take back what a run created, and only that"),
    "organizations": ("organizations", "create, get, list, update, delete organizations; import a file of them"),
    "users": ("users", "create, get, list, update, delete users"),
    "memberships": ("memberships", "create, list, change, delete memberships; import a file of them"),
    "roles": ("roles", "list roles; import a file of them"),
    "invitations": ("invitations", "send, list, resend, revoke invitations"),
    "password-resets": ("password_resets", "mails by which users set a password"),
    "recovery": ("recovery", "links by which users set a password"),
    "totp-factors": ("totp_factors", "second factors that users bring along"),
    "feature-flags": ("feature_flags", "list or check the feature flags of an organization"),
    "api-keys": ("api_keys", "create or list the API keys of an organization"),
    "doctor": ("doctor", "say whether an import would work from here, and what to do if not"),
    "sandbox": ("sandbox", "serve a WorkOS or a Kratos for rehearsals on this machine"),
    "demo": ("demo", "see an import, without a key"),
    "generate": ("generate", "write a file of invented users"),
    "rate-check": ("rate_check", "see the rate limit being kept"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code, as documented: 0, 1, 2, 3, 4, 130 or 143."""
    streams = Streams()
    if arguments is None:
        arguments = sys.argv[1:]
    try:
        parsed = _parser(_meant(arguments), streams).parse_args(arguments)
        return int(parsed.work(parsed, streams))
    except ImporterError as error:
        streams.error(without_keys(str(error)))
        return _exit_code(error)
    except KeyboardInterrupt:
        return 130
    finally:
        streams.close()


def _meant(arguments: Sequence[str]) -> str | None:
    """The command: the first argument that is no flag, since no flag before it takes a value."""
    return next((argument for argument in arguments if not argument.startswith("-")), None)


def _parser(meant: str | None, streams: Streams) -> Parser:
    parser = Parser(
        prog="workos-importer",
        description="Imports users in bulk into WorkOS: users, organizations, memberships, roles.",
        streams=streams,
    )
    parser.add_argument("--version", action="version", version=f"workos-importer {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (file, text) in _COMMANDS.items():
        if name == meant:
            import_module(f".{file}", __name__).add(commands, streams)
        else:
            # Named for the list of commands alone.
            commands.add_parser(name, streams=streams, help=text)
    return parser


def _exit_code(error: ImporterError) -> int:
    if isinstance(error, AuthError):
        return 3
    # What was asked for cannot be done, and no waiting changes that.
    if isinstance(error, SourceChangedError) or error.kind in ("no_run", "undone", "not_running"):
        return 2
    if isinstance(error, APIError | RunError):
        return 4
    return 1 if isinstance(error, RowsFailedError | ConflictError) else 2
