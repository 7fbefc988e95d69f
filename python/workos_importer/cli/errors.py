"""Owns `workos-importer errors`: why rows of a run failed, grouped by cause, and what to do about each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .._runs import RunFolder
from .follow import placed
from .progress import document
from .run_flags import add_run_dir

if TYPE_CHECKING:
    import argparse

    from .._reports import GivenBack
    from .._runs import Cause, RunInfo
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
        epilog="Exit codes: 0 whenever there is such a run; 2 there is none, or with --retry-csv: the file that was "
        "imported has changed since or cannot be read again, or FILE cannot be written.",
    )
    parser.add_argument("run", metavar="RUN", help="an id, a unique beginning of one, or latest")
    parser.add_argument(
        "--retry-csv",
        metavar="FILE",
        help="write the failed rows of your file there, with what is wrong in a first column `problem`, which imports "
        "ignore",
    )
    parser.add_argument("--json", action="store_true", help="print the causes as JSON")
    add_run_dir(parser)
    parser.set_defaults(work=work)


def work(parsed: argparse.Namespace, streams: Streams) -> int:
    """Prints the causes; 0 whenever there is such a run."""
    folder = RunFolder(parsed.run_dir)
    run = folder.find(parsed.run)
    causes = folder.causes(run.id)
    given = None
    if parsed.retry_csv is not None:
        given = folder.give_back_failed(run.id, str(Path(parsed.retry_csv).expanduser()))
    if parsed.json:
        values = {"run_id": run.id, "failed": run.failed, "causes": [cause.to_dict() for cause in causes]}
        streams.result(document("errors", values | {"retry_csv": None if given is None else given.to_dict()}))
    elif causes:
        _print(run, causes, parsed, streams)
    else:
        streams.result(f"No row of run {run.id} failed.")
    if given is not None:
        _say_where(given, streams)
    return 0


def _print(run: RunInfo, causes: list[Cause], parsed: argparse.Namespace, streams: Streams) -> None:
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
    if not all(cause.retry_helps for cause in causes):
        streams.note("Correct the rows in your file and import it again: rows that are in are left alone.")
    # What came from standard input or from a program cannot be read again.
    if parsed.retry_csv is None and run.source not in ("-", "rows"):
        alone = placed(f"workos-importer errors {parsed.run} --retry-csv FILE", parsed)
        streams.note(f"To have them in a file of their own, each with its problem: {alone}")


def _say_where(given: GivenBack, streams: Streams) -> None:
    rows = "row is" if given.rows == 1 else "rows are"
    then = " Correct them there and import that file." if given.rows else ""
    streams.note(f"{given.rows} failed {rows} in {given.path}, with what is wrong in the column `problem`.{then}")
    if given.warning is not None:
        streams.note(f"Warning: {given.warning}")


def _lines(cause: Cause) -> str:
    records = ", ".join(map(str, cause.records)) + (", …" if cause.count > len(cause.records) else "")
    helps = "A retry can help." if cause.retry_helps else "A retry alone does not help."
    noun = "record" if cause.count == 1 else "records"
    return (
        f"{cause.count} × {cause.code} ({cause.error_type}), {noun} {records}\n"
        f"  Such as: {cause.example}\n"
        f"  {helps} {cause.remedy}"
    )
