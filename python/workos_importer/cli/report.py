"""Owns `workos-importer report`: one HTML file on a run, for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .._runs import RunFolder
from .run_flags import add_run_dir

if TYPE_CHECKING:
    import argparse

    from .parser import Commands
    from .streams import Streams


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "report",
        streams=streams,
        help="an HTML page on a run, to look at and to hand on",
        description="Writes one HTML file on a run: how it ended, what failed and what to do, how fast it went, "
        "organizations, calls, settings. The file needs no network and has no script. Sends nothing and needs no key.",
        epilog="Exit codes: 0 the file is written; 2 there is no such run, FILE cannot be written, or the receipt is "
        "none.",
    )
    parser.add_argument("run", metavar="RUN", help="an id, a unique beginning of one, or latest")
    parser.add_argument("--out", metavar="FILE", required=True, help="where it is written; its owner alone can read it")
    parser.add_argument("--redact", action="store_true", help="mask email addresses (a…@example.com)")
    parser.add_argument("--receipt", metavar="FILE", help="show what verify --receipt has written, too")
    add_run_dir(parser)
    parser.set_defaults(work=work)


def work(parsed: argparse.Namespace, streams: Streams) -> int:
    """Writes the file."""
    folder = RunFolder(parsed.run_dir)
    run = folder.find(parsed.run)
    path = Path(parsed.out).expanduser()
    receipt = None if parsed.receipt is None else str(Path(parsed.receipt).expanduser())
    folder.report(run.id, str(path), receipt, parsed.redact)
    streams.note(f"The report on run {run.id} is in {path}.")
    return 0
