"""Owns the verbs that take a file of other rows than users: how it is imported, sent, enrolled, planned, verified."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import import_, plan, verify
from .consent import add_yes
from .flags import add_organization, add_source
from .parser import Refused
from .run_flags import add_connection, add_output, add_pace, add_run_dir

if TYPE_CHECKING:
    from .parser import Commands, Parser
    from .streams import Streams

_EPILOG = (
    "Exit codes: 0 every row is in; 1 rows failed, or there were none; 2 usage, configuration, unreadable file; 3 the "
    "key is refused; 4 stopped before the end; 130, 143 interrupted."
)
# What an import of users can be told, and an import of other rows cannot.
_NOT_TOLD = {
    "csv": None,
    "user_export": None,
    "update_passwords": False,
    "clear_empty": False,
    "reactivate": False,
    "require_membership": False,
    "on_existing": "skip",
    "remove_permissions": False,
    "per_minute": None,
    "password_reset": False,
    "audit_file": None,
    "actor": None,
    "plan": None,
    "org_id": None,
    "org_external_id": None,
    "org_name": None,
    "create_org_if_missing": False,
    "no_create_orgs": False,
}


def add_import(verbs: Commands, streams: Streams, rows: str, verb: str, columns: str, does: str) -> Parser:
    """Adds the verb that takes a file of `rows`, whose columns are `columns`; what it does is said by `does`."""
    parser: Parser = verbs.add_parser(
        verb,
        streams=streams,
        help=does,
        description=f"{does[0].upper()}{does[1:]}. Columns: {columns}. The same file again goes on where it stopped, "
        "tries failed rows again, and sends nothing where all is done.",
        epilog=_EPILOG,
    )
    parser.set_defaults(**_NOT_TOLD)
    add_source(parser)
    if rows in ("memberships", "invitations"):
        add_organization(parser)
    group = parser.add_argument_group("what is written")
    if rows in ("organizations", "roles"):
        group.add_argument(
            "--on-existing",
            choices=("skip", "update", "fail"),
            default="skip",
            help="what is there: leave it (default), write what differs, or fail the row",
        )
    if rows == "memberships":
        group.add_argument("--reactivate", action="store_true", help="make inactive memberships active again")
    if rows == "roles":
        group.add_argument(
            "--remove-permissions",
            action="store_true",
            help="take permissions away that a role has and its row does not name",
        )
    if rows in ("invitations", "password-resets"):
        group.add_argument("--per-minute", metavar="N", type=float, help="mails a minute; default 60")
    group.add_argument("--dry-run", action="store_true", help="check the file and say what would happen; offline")
    group.add_argument("--strict", action="store_true", help="send nothing if any row fails its checks")
    group.add_argument("--no-resume", action="store_true", help="begin a new run, whatever was before")
    add_pace(parser)
    add_connection(parser)
    parser.add_argument("--sandbox", action="store_true", help="write into a sandbox in this process: no key needed")
    add_output(parser)
    add_yes(parser)
    parser.add_argument(
        "--api-key",
        action=Refused,
        nargs="?",
        reason="a key on the command line can be read by everybody on this machine. Set WORKOS_API_KEY, write it into "
        ".env, or use --api-key-file",
    )
    parser.set_defaults(work=import_.work, rows=rows)
    return parser


def add_plan(verbs: Commands, streams: Streams, rows: str) -> None:
    """Adds `plan`: what importing the file would do to the directory."""
    parser = verbs.add_parser(
        "plan",
        streams=streams,
        help="what an import of the file would do to the directory",
        description="Compares the file with the directory and says what an import would do. Reads, and writes nothing.",
    )
    _add_comparison(parser, rows)
    parser.add_argument("--out", metavar="FILE", help="save the plan")
    parser.set_defaults(work=plan.work)


def add_verify(verbs: Commands, streams: Streams, rows: str) -> None:
    """Adds `verify`: whether the directory holds what the file says."""
    parser = verbs.add_parser(
        "verify",
        streams=streams,
        help="prove that the directory holds what the file says",
        description="Compares each row with the directory. Reads, and writes nothing.",
    )
    _add_comparison(parser, rows)
    parser.add_argument("--receipt", metavar="FILE", help="write a receipt: counts, digests, time, environment (JSON)")
    parser.set_defaults(work=verify.work, sample=None, extra=False, new_key=False)


def _add_comparison(parser: Parser, rows: str) -> None:
    parser.set_defaults(**_NOT_TOLD, rows=rows)
    add_source(parser)
    if rows == "memberships":
        add_organization(parser)
    if rows == "organizations":
        parser.add_argument(
            "--on-existing", choices=("skip", "update", "fail"), default="skip", help="as of the import"
        )
    add_pace(parser)
    add_connection(parser)
    parser.add_argument("--quiet", action="store_true", help="print the figures alone")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    add_run_dir(parser)
