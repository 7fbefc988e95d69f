"""Owns `workos-importer runs`: which runs are on disk, and taking them away."""

from __future__ import annotations

import argparse
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from .._exceptions import ConfigError, RunLockedError
from .._options import parse_duration
from .._runs import RunFolder
from .progress import document
from .run_flags import add_run_dir

if TYPE_CHECKING:
    from .._runs import RunInfo
    from .parser import Commands
    from .streams import Streams

_DAYS = {"d": 1, "w": 7}


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "runs",
        streams=streams,
        help="the runs on disk; delete them",
        description="Lists the runs, the latest first. A run's journal holds email addresses: delete removes runs by "
        "name, prune removes old ones. What was imported stays in WorkOS.",
    )
    parser.add_argument("what", nargs="?", choices=("list", "delete", "prune"), default="list", help="default: list")
    parser.add_argument("runs", metavar="RUN", nargs="*", help="with delete: an id, a unique beginning, or latest")
    parser.add_argument("--older-than", metavar="AGE", type=age, help="with prune: such as 30d, 12h, 4w")
    parser.add_argument("--json", action="store_true", help="print the list as JSON")
    add_run_dir(parser)
    parser.set_defaults(work=work)


def age(text: str) -> timedelta:
    """A type for flags: `30d`, `4w`, `12h`."""
    number, unit = text.strip()[:-1], text.strip()[-1:]
    if unit in _DAYS and number.isdecimal() and len(number) < 6:
        return timedelta(days=int(number) * _DAYS[unit])
    seconds = parse_duration(text)
    if seconds is None or text.strip().isdecimal() or seconds > 10_000_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no age: write it like 30d or 12h")
    return timedelta(seconds=seconds)


def work(parsed: argparse.Namespace, streams: Streams) -> int:
    """Lists or removes runs and returns the exit code."""
    if bool(parsed.runs) != (parsed.what == "delete"):
        raise ConfigError("Which run? Name it: workos-importer runs delete RUN", "contradiction")
    if (parsed.older_than is not None) != (parsed.what == "prune"):
        raise ConfigError("How old? Say it: workos-importer runs prune --older-than 30d", "contradiction")
    folder = RunFolder(parsed.run_dir)
    if parsed.what == "delete":
        # All names first: `latest` is another one after the first is gone, and a wrong one must remove nothing.
        for run in {found.id: found for found in map(folder.find, parsed.runs)}.values():
            folder.delete(run.id)
            streams.note(f"Run {run.id} is deleted.")
        return 0
    if parsed.what == "prune":
        return _prune(folder, parsed.older_than, streams)
    found = folder.runs()
    if parsed.json:
        streams.result(document("runs", {"runs": [run.to_dict() for run in found]}))
    elif found:
        streams.result(table(found))
    else:
        streams.note("There are no runs here.")
    return 0


def _prune(folder: RunFolder, older_than: timedelta, streams: Streams) -> int:
    before = datetime.now(timezone.utc) - older_than
    left = removed = 0
    for run in folder.runs():
        if (run.ended_at or run.started_at) >= before:
            continue
        try:
            folder.delete(run.id)
            removed += 1
        except RunLockedError as error:
            left += 1
            streams.error(str(error))
    streams.note(f"Deleted: {removed}")
    return 4 if left else 0


def table(found: list[RunInfo]) -> str:
    """One line a run: id, started, source, status, rows, failed."""
    lines = [("RUN", "STARTED (UTC)", "SOURCE", "STATUS", "ROWS", "FAILED")]
    for run in found:
        rows = str(run.ended) if run.total is None else f"{run.ended}/{run.total}"
        started = run.started_at.strftime("%Y-%m-%d %H:%M")
        # A run that was killed and one that is under way look alike from here.
        status = run.status or "Not ended"
        lines.append((run.id, started, Path(run.source).name or run.source, status, rows, str(run.failed)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
