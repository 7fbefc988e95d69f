"""Owns `workos-importer errors`: why rows of a run failed, grouped by cause, and what to do about each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._runs import RunFolder
from .follow import placed
from .progress import document
from .run_flags import add_run_dir

if TYPE_CHECKING:
    import argparse

    from .._runs import Cause
    from .parser import Commands
    from .streams import Streams


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "errors",
        streams=streams,
        help="why rows of a run failed, and what to do",
        description="Groups the failed rows of a run by cause: how many, which, whether trying again can help, and "
        "what to do. Sends nothing and needs no key.",
    )
    parser.add_argument("run", metavar="RUN", help="an id, a unique beginning of one, or latest")
    parser.add_argument("--json", action="store_true", help="print the causes as JSON")
    add_run_dir(parser)
    parser.set_defaults(work=work)


def work(parsed: argparse.Namespace, streams: Streams) -> int:
    """Prints the causes; 0 whenever there is such a run."""
    folder = RunFolder(parsed.run_dir)
    run = folder.find(parsed.run)
    causes = folder.causes(run.id)
    if parsed.json:
        values = {"run_id": run.id, "failed": run.failed, "causes": [cause.to_dict() for cause in causes]}
        streams.result(document("errors", values))
        return 0
    if not causes:
        streams.result(f"No row of run {run.id} failed.")
        return 0
    streams.result(
        "\n\n".join(
            [
                f"{run.failed} {'row' if run.failed == 1 else 'rows'} of run {run.id} failed ({run.source}):",
                *map(_lines, causes),
            ]
        )
    )
    rows = placed(f"workos-importer show {parsed.run} --failed", parsed)
    streams.note(f"The rows: {rows}")
    if any(cause.retry_helps for cause in causes):
        again = placed(f"workos-importer retry {parsed.run}", parsed)
        streams.note(f"Try them again: {again}")
    else:
        streams.note("Correct the rows in your file and import it again: rows that are in are left alone.")
    return 0


def _lines(cause: Cause) -> str:
    records = ", ".join(map(str, cause.records)) + (", …" if cause.count > len(cause.records) else "")
    helps = "A retry can help." if cause.retry_helps else "A retry alone does not help."
    noun = "record" if cause.count == 1 else "records"
    return (
        f"{cause.count} × {cause.code} ({cause.error_type}), {noun} {records}\n"
        f"  Such as: {cause.example}\n"
        f"  {helps} {cause.remedy}"
    )
