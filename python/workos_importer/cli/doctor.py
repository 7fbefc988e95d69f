"""Owns `workos-importer doctor`: whether an import would work from here, and what to do if not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._importer import Importer
from .progress import document
from .run_flags import add_connection, add_run_dir
from .streams import without_keys
from .target_flags import connection_of

if TYPE_CHECKING:
    import argparse

    from .parser import Commands
    from .streams import Streams


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "doctor",
        streams=streams,
        help="say whether an import would work from here, and what to do if not",
        description="Looks at the key, test or live, the base URL, the proxy, the certificates, the API, the clock, "
        "multiple roles, the run folder and the disk. Sends three small reads, and writes nothing.",
        epilog="Exit codes: 0 ready; 1 something has to be done; 2 configuration; 3 the key is refused; 4 the API "
        "cannot be reached.",
    )
    add_connection(parser, "workos")
    parser.add_argument("--sandbox", action="store_true", help="ask a sandbox in this process: no key needed")
    parser.add_argument("--json", action="store_true", help="print the checks as JSON")
    add_run_dir(parser)
    parser.set_defaults(work=work)


def work(parsed: argparse.Namespace, streams: Streams) -> int:
    """Looks, prints and returns the exit code."""
    importer = Importer(run_dir=parsed.run_dir, **connection_of(parsed))
    report = importer.doctor()
    # A key that was pasted into the wrong place is not repeated.
    streams.result(without_keys(document("doctor", report.to_dict()) if parsed.json else str(report)))
    return report.exit_code
