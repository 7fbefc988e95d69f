"""Owns the flags of every command that sends: how fast, with which key, what is printed. And what is made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._exceptions import ConfigError
from .._importer import Importer
from .._outputs import refuse_one_for_two, refuse_what_is_read
from .parser import give_up_after, rate_limit, share, stop_at, whole_number
from .progress import Silence, Where, chosen
from .target_flags import add_target, connection_of

if TYPE_CHECKING:
    import argparse

    from .parser import Parser
    from .streams import Streams


def add_pace(parser: Parser) -> None:
    """How fast, and when to stop."""
    group = parser.add_argument_group("pace")
    group.add_argument("--max-errors", metavar="N|P%", help="stop after more failed rows than this")
    group.add_argument(
        "--concurrency", metavar="N", type=whole_number(1), help="most requests in flight; default: found"
    )
    group.add_argument("--rate-limit", metavar="N/TIME", type=rate_limit, help="writes in a time; default 500/10s")
    group.add_argument(
        "--headroom", metavar="P%", type=share, help="left to the application; default 10%% for live keys"
    )
    group.add_argument(
        "--give-up-after",
        metavar="TIME",
        type=give_up_after,
        help="end the run after so long without a success; default 30min",
    )
    group.add_argument(
        "--stop-at", metavar="TIME", type=stop_at, help="end the run then: 06:00 (local time) or 2026-11-23T06:00"
    )


_KEY_PLACES = "The key comes from WORKOS_API_KEY, WORKOS_SECRET_KEY, --api-key-file or .env in this folder."
_URL = "default WORKOS_API_URL, else https://api.workos.com"


def add_connection(parser: Parser, target: str | None = "") -> None:
    """Where the API is, and where the key comes from. `target`: the default of `--target` (None: that of a run), where
    the command has one."""
    of_kratos = " That of Kratos' proxy, if it has one, comes from KRATOS_ADMIN_TOKEN." if target != "" else ""
    group = parser.add_argument_group("connection", _KEY_PLACES + of_kratos)
    if target != "":
        add_target(parser, target)
    url = f"{_URL}; of Kratos KRATOS_ADMIN_URL, else http://127.0.0.1:4434" if target != "" else _URL
    group.add_argument("--api-key-file", metavar="FILE", help="a file that holds the key")
    group.add_argument("--base-url", metavar="URL", help=url)
    group.add_argument("--ca-bundle", metavar="FILE", help="PEM certificates to trust beside the system's")
    group.add_argument("--insecure-http", action="store_true", help="allow http: to other machines")


def add_output(parser: Parser) -> None:
    """What is printed and written."""
    group = parser.add_argument_group("output")
    group.add_argument("--errors-out", "--errors", metavar="FILE", help="failed rows: .csv, .json, else JSON lines")
    group.add_argument("--results-out", metavar="FILE", help="all rows: .json, .jsonl, else CSV")
    group.add_argument("--audit-file", metavar="FILE", help="add a JSON line to it for each user that is imported")
    group.add_argument("--actor", metavar="ID", help="who imports, for the audit file; default: who is logged in")
    group.add_argument("--report", metavar="FILE", help="an HTML page on the run, when it has ended")
    group.add_argument("--quiet", action="store_true", help="print the summary alone")
    group.add_argument("--json", action="store_true", help="print the summary as JSON")
    group.add_argument(
        "--progress",
        choices=("auto", "plain", "json"),
        default="auto",
        help="what is printed meanwhile; json: one object a line",
    )
    add_run_dir(parser)


def add_run_dir(parser: Parser) -> None:
    """Where runs are."""
    parser.add_argument(
        "--run-dir", metavar="FOLDER", help="default WORKOS_IMPORTER_RUN_DIR, else .workos-importer/runs"
    )


def refuse_outputs(parsed: argparse.Namespace, source: str | None) -> None:
    """Raises `ConfigError` if a file that is written would take the place of what is read, or of another one.

    Before anything is sent: what is only found out when a run has ended is found out too late.
    """
    flags = ("errors_out", "results_out", "audit_file", "report", "recovery_out")
    written = {f"--{name.replace('_', '-')}": getattr(parsed, name, None) for name in flags}
    refuse_one_for_two(written)
    read = (source, *(getattr(parsed, name, None) for name in ("plan", "map_file")))
    for path in written.values():
        if path is not None:
            refuse_what_is_read(path, *read)


def options_of(parsed: argparse.Namespace) -> dict[str, Any]:
    """The importer's options that these flags say. Raises `ConfigError`."""
    if parsed.actor is not None and parsed.audit_file is None:
        raise ConfigError("--actor is for the audit file: say where that is with --audit-file.", "contradiction")
    return {
        **connection_of(parsed),
        "max_errors": parsed.max_errors,
        "concurrency": parsed.concurrency,
        "rate_limit": parsed.rate_limit,
        "headroom": parsed.headroom,
        "give_up_after": parsed.give_up_after,
        "stop_at": parsed.stop_at,
        "errors_out": parsed.errors_out,
        "results_out": parsed.results_out,
        "audit_file": parsed.audit_file,
        "actor": parsed.actor,
        "run_dir": parsed.run_dir,
    }


def reporter_of(parsed: argparse.Namespace, importer: Importer, streams: Streams, environment: str = "TEST") -> Silence:
    """What reports the run; finds the key, and says what is odd about its place."""
    if parsed.quiet and parsed.progress == "json":
        raise ConfigError("--quiet and --progress json contradict each other.", "contradiction")
    where = Where(environment, importer.key_place(), importer._place(), getattr(parsed, "target", None) == "kratos")
    reporter = chosen(parsed.progress, parsed.quiet, streams, where)
    for warning in importer.key_warnings():
        reporter.warn(warning)
    return reporter
