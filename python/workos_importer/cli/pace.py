"""Owns `workos-importer pace`: another pace for a run that is under way."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from .._options import parse_pace
from .._runs import RunFolder
from .._standing import kept
from .parser import rate_limit, share
from .progress import document
from .run_flags import add_run_dir

if TYPE_CHECKING:
    import argparse

    from .parser import Commands
    from .streams import Streams


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "pace",
        streams=streams,
        help="change how fast a running import goes",
        description="Changes the pace of an import that is under way, without stopping it. What is not given stays as "
        "it is. When that run goes on later, its own flags count again.",
        epilog="Exit codes: 0 the run keeps it; 1 the run has not heard of it within five seconds; 2 no such run, or "
        "no process works on it.",
    )
    parser.add_argument("run", metavar="RUN", help="an id, a unique beginning of one, or latest")
    parser.add_argument("--headroom", metavar="P%", type=share, help="left to the application")
    parser.add_argument("--rate-limit", metavar="N/TIME", type=rate_limit, help="writes in a time, such as 500/10s")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_run_dir(parser)
    parser.set_defaults(work=work)


def work(parsed: argparse.Namespace, streams: Streams) -> int:
    """Asks the run, waits until it has heard of it, and says what it keeps."""
    folder = RunFolder(parsed.run_dir)
    change = parse_pace(parsed.headroom, parsed.rate_limit)
    run = folder.find(parsed.run)
    progress = folder.pace(run.id, *change)
    pace = None if progress is None else progress.pace
    if parsed.json:
        streams.result(document("pace", {"run_id": run.id, "pace": None if pace is None else asdict(pace)}))
    if pace is None:
        streams.error(f"Run {run.id} has not heard of it yet. If it still reads its file, it does so afterwards.")
        return 1
    if not parsed.json:
        streams.note(f"Run {run.id} keeps {kept(pace.write_limit, pace.headroom) or 'no limit'} from now on.")
    return 0
