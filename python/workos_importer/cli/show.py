"""Owns `workos-importer show`: the figures of one run, or its failed rows."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from .._exceptions import ConfigError
from .._runs import RunFolder
from .._standing import pace_line, progress_line
from .follow import placed
from .progress import document, failed_line
from .run_flags import add_run_dir
from .watch import watch

if TYPE_CHECKING:
    import argparse

    from .parser import Commands
    from .streams import Streams


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "show",
        streams=streams,
        help="the summary of a run, or its failed rows; follow a running one",
        description="Prints the summary of a run, also while it is under way. Sends nothing and needs no key.",
    )
    parser.add_argument("run", metavar="RUN", help="an id, a unique beginning of one, or latest")
    parser.add_argument("--failed", action="store_true", help="print the rows that failed instead")
    parser.add_argument(
        "--watch",
        action="store_true",
        help="follow a run that is under way to its end; Ctrl-C stops the watching alone",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_run_dir(parser)
    parser.set_defaults(work=work)


def work(parsed: argparse.Namespace, streams: Streams) -> int:
    """Prints what was asked for; 0 whenever there is such a run, but 4 where one that was watched died."""
    folder = RunFolder(parsed.run_dir)
    if parsed.failed:
        if parsed.watch:
            raise ConfigError("--failed and --watch contradict each other.", "contradiction")
        return _failed(folder, parsed, streams)
    # Once: `latest` may be another one in the end.
    run = folder.find(parsed.run).id
    came_to_its_end = not parsed.watch or watch(folder, run, parsed.json, streams)
    progress = folder.progress(run)
    summary = folder.show(run)
    if parsed.json:
        under_way = None if progress is None else asdict(progress)
        streams.result(document("summary", summary.to_dict() | {"progress": under_way}))
    else:
        streams.result(str(summary))
    if progress is not None and not parsed.json:
        streams.note(f"Under way: {progress_line(progress)}")
        if progress.pace is not None:
            streams.note(pace_line(progress.pace))
    if not came_to_its_end:
        streams.error(f"No process works on run {run} any more. Import the same file again to go on.")
        return 4
    if summary.failed:
        why = placed(f"workos-importer errors {parsed.run}", parsed)
        streams.note(f"{summary.failed} failed. Why: {why}")
    return 0


def _failed(folder: RunFolder, parsed: argparse.Namespace, streams: Streams) -> int:
    run = folder.find(parsed.run)
    failed = folder.failed(run.id)
    if parsed.json:
        streams.result(document("failed_rows", {"run_id": run.id, "rows": list(failed)}))
        return 0
    for row in failed:
        where = (row["record_number"], row["line"], row["email"] or row["external_id"])
        streams.result(failed_line(*where, row["error_message"]))
    if run.failed:
        why = placed(f"workos-importer errors {parsed.run}", parsed)
        streams.note(f"{run.failed} failed. Why: {why}")
    else:
        streams.note(f"No row of run {run.id} failed.")
    return 0
