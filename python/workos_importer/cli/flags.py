"""Owns the flags that several commands share, and what is made of them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from .._exceptions import ConfigError
from .._mapping import read_mapping
from .._options import OrganizationRef
from .parser import Refused, mapping

if TYPE_CHECKING:
    from .parser import Parser
    from .streams import Streams


def add_source(parser: Parser) -> None:
    """The file, and how it is written."""
    parser.add_argument(
        "source",
        metavar="SOURCE",
        nargs="?",
        help="a CSV file (comma, semicolon, tab), a .ndjson/.jsonl file, or - for standard input",
    )
    parser.add_argument("--csv", metavar="PATH", help="the same as SOURCE")
    parser.add_argument("--user-export", metavar="PATH", help=argparse.SUPPRESS)
    parser.add_argument("--delimiter", metavar="CHARACTER", help="default: told from the header")
    parser.add_argument("--encoding", metavar="NAME", help="such as windows-1252; default: UTF-8")
    parser.add_argument(
        "--map",
        metavar='"COLUMN=NAME"',
        type=mapping,
        action="append",
        default=[],
        help='the meaning of one of your columns, such as --map "E-Mail=email"; may be repeated',
    )

    parser.add_argument(
        "--map-file", metavar="FILE", help="a TOML file with such lines in a table [mapping]; --map comes on top"
    )


def mapping_of(parsed: argparse.Namespace) -> dict[str, str | list[str]]:
    """The meaning of columns, from both flags. Raises `ConfigError`."""
    mapping: dict[str, str | list[str]] = {} if parsed.map_file is None else dict(read_mapping(parsed.map_file))
    given: dict[str, list[str]] = {}
    for column, ours in parsed.map:
        given.setdefault(column, []).append(ours)
    # One column can be a field of its own and a trait.
    return mapping | {column: ours[0] if len(ours) == 1 else ours for column, ours in given.items()}


def add_organization(parser: Parser) -> None:
    """The one organization of single-org mode."""
    group = parser.add_argument_group("organization", "Without these the file's own columns decide.")
    group.add_argument("--org-id", metavar="ID", help="add all users to this organization, by its WorkOS id")
    group.add_argument("--org-external-id", metavar="ID", help="the same, by your own id for it")
    group.add_argument(
        "--create-org-if-missing", action="store_true", help="make it if it is not there; needs --org-name"
    )
    group.add_argument("--org-name", metavar="NAME", help="the name that it is made with")
    group.add_argument("--no-create-orgs", action="store_true", help="an organization that is missing fails its rows")


def add_on_existing(group: argparse._ArgumentGroup) -> None:
    """What becomes of users and memberships that are there."""
    group.add_argument(
        "--on-existing",
        choices=("skip", "update", "fail"),
        default="skip",
        help="users who are there: leave their fields (default), write what differs, or fail the row",
    )
    group.add_argument(
        "--clear-empty",
        action="store_true",
        help="with --on-existing update: an empty cell clears its field (names and metadata)",
    )
    group.add_argument("--reactivate", action="store_true", help="make inactive memberships active again")


def check_updates(parsed: argparse.Namespace) -> None:
    """Raises `ConfigError` for what `--on-existing update` alone can do, where that is not said."""
    # Of identities both are refused in any case.
    if getattr(parsed, "target", None) == "kratos":
        return
    for name in ("update_passwords", "clear_empty"):
        if getattr(parsed, name, False) and parsed.on_existing != "update":
            raise ConfigError(f"--{name.replace('_', '-')} needs --on-existing update.", "contradiction")


def add_foreign(parser: Parser) -> None:
    """Flags of other tools, answered with what is done here."""
    needless = "not needed: every run can be resumed"
    for flag in ("--job-id", "--chunk-size", "--workers"):
        parser.add_argument(flag, dest=f"foreign_{flag[2:]}", metavar="X", help=argparse.SUPPRESS)
    parser.add_argument("--resume", nargs="?", const="", dest="foreign_resume", help=argparse.SUPPRESS)
    parser.set_defaults(needless=needless)
    parser.add_argument(
        "--api-key",
        action=Refused,
        nargs="?",
        reason="a key on the command line can be read by everybody on this machine. Set WORKOS_API_KEY, write it into "
        ".env, or use --api-key-file",
    )


def source_of(parsed: argparse.Namespace, streams: Streams) -> str:
    """The one source that was given. Raises `ConfigError` if there is none, or more than one."""
    given = [path for path in (parsed.source, parsed.csv, parsed.user_export) if path is not None]
    if getattr(parsed, "foreign_resume", None) and not given:
        # `--resume users.csv`: the other tool's flag takes no file.
        given = [parsed.foreign_resume]
    if parsed.user_export is not None:
        streams.note("--user-export is deprecated: use --csv, or name the file alone.")
    if not given and getattr(parsed, "plan", None) is not None:
        # Elsewhere `--plan` is a flag without a value, and the file comes after it.
        raise ConfigError(
            "Planning is a command of its own: workos-importer plan FILE. To carry a saved plan out: "
            "workos-importer import FILE --plan PLAN"
        )
    if not given:
        rows = getattr(parsed, "rows", "users")
        verb = {"invitations": "send", "password-resets": "send", "totp-factors": "enroll"}.get(rows, "import")
        command = "import users.csv" if rows == "users" else f"{rows} {verb} {rows}.csv"
        raise ConfigError(f"Which file? Name it: workos-importer {command}")
    if len(given) > 1:
        raise ConfigError("The file is named twice. Use SOURCE or --csv, not both.", "contradiction")
    return str(given[0])


def note_foreign(parsed: argparse.Namespace, streams: Streams) -> None:
    """Says once for each flag of another tool that it is not needed."""
    for flag in ("job-id", "resume", "chunk-size", "workers"):
        if getattr(parsed, f"foreign_{flag}", None) is not None:
            streams.note(f"--{flag}: {parsed.needless}")


def organization_of(parsed: argparse.Namespace) -> dict[str, Any]:
    """The importer's options about organizations."""
    given = (parsed.org_id, parsed.org_external_id, parsed.org_name)
    organization = None
    if any(text is not None for text in given) or parsed.create_org_if_missing:
        organization = OrganizationRef(*given, create_if_missing=parsed.create_org_if_missing)
    return {"organization": organization, "create_organizations": not parsed.no_create_orgs}
