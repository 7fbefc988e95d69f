"""Owns `workos-importer results`: every row's outcome, as a file or on standard output."""

from __future__ import annotations

import tempfile
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from .._runs import RunFolder
from .follow import placed
from .run_flags import add_run_dir

if TYPE_CHECKING:
    import argparse

    from .._runs import RunInfo
    from .parser import Commands
    from .streams import Streams

_LINES_AT_ONCE = 1_000


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "results",
        streams=streams,
        help="every row's outcome",
        description="Prints how each row of a run ended, or writes it into a file, as --results-out does. Sends "
        "nothing and needs no key.",
    )
    parser.add_argument("run", metavar="RUN", help="an id, a unique beginning of one, or latest")
    parser.add_argument("--out", metavar="FILE", help=".json, .jsonl, else CSV; default: CSV on standard output")
    add_run_dir(parser)
    parser.set_defaults(work=work)


def work(parsed: argparse.Namespace, streams: Streams) -> int:
    """Writes the outcomes; 0 whenever there is such a run."""
    folder = RunFolder(parsed.run_dir)
    run = folder.find(parsed.run)
    if parsed.out is not None:
        path = Path(parsed.out).expanduser()
        folder.export(run.id, str(path))
        streams.note(f"{run.ended} rows of run {run.id} are in {path}.")
        return _close(run, parsed, streams)
    # By way of a private file, so that both ways give the same lines.
    with tempfile.TemporaryDirectory(prefix="workos-importer-", ignore_cleanup_errors=True) as private:
        path = Path(private) / "results.csv"
        folder.export(run.id, str(path))
        with path.open(encoding="utf-8") as lines:
            while some := "".join(islice(lines, _LINES_AT_ONCE)):
                streams.result(some.removesuffix("\n"))
    return _close(run, parsed, streams)


def _close(run: RunInfo, parsed: argparse.Namespace, streams: Streams) -> int:
    if run.failed:
        why = placed(f"workos-importer errors {parsed.run}", parsed)
        streams.note(f"{run.failed} failed. Why: {why}")
    return 0
