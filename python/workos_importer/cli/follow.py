"""Owns what a command does while its run is under way: follows it, prints the summary, says where to look next."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .._exceptions import ConfigError, ImporterError, RunError
from .._results import Started
from .interrupts import STOPPING, Interrupts
from .progress import Silence, document

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from .._importer import Importer
    from .._results import Summary
    from .._run import ImportRun
    from .streams import Streams


def follow(
    importer: Importer,
    begin: Callable[[], ImportRun],
    parsed: argparse.Namespace,
    reporter: Silence,
    streams: Streams,
    waits: bool = False,
) -> int:
    """Begins the run, reports what happens, prints the summary and returns the exit code.

    `waits`: the source is a pipe, so that beginning can take as long as somebody types.
    """
    asked = getattr(parsed, "report", None)
    report = None if asked is None else _place_of(asked)
    with _killable(waits):
        run = begin()
    if not reporter.wants_rows:
        run.tell_only_failures()
    said = begun = False
    with Interrupts(run) as interrupts:
        try:
            while not run.ended:
                events = run.poll(0.1)
                for event in events:
                    begun = begun or isinstance(event, Started)
                    reporter.tell(event)
                if not run.ended:
                    reporter.at(run.progress)
                if interrupts.count and begun and not said and not run.ended:
                    said = True
                    reporter.say(STOPPING)
        finally:
            reporter.end()
    summary = run.summary
    if summary.note is not None:
        reporter.say(summary.note)
    # Who has just said no does not need the figures of nothing.
    if parsed.json:
        streams.result(document("summary", summary.to_dict()))
    elif summary.stopped is None or summary.stopped.kind != "declined":
        streams.result(str(summary))
    _close(summary, importer, parsed, reporter, streams)
    code = interrupts.exit_code(summary.exit_code)
    # Who said no has left nothing to report on.
    if report is not None and (summary.stopped is None or summary.stopped.kind != "declined"):
        return _report(run, report, code, importer, parsed, reporter, streams)
    return code


def _place_of(text: str) -> Path:
    """Where the report will be. Raises `ConfigError` where it cannot be, before anything is sent."""
    path = Path(text).expanduser()
    if path.is_dir() or not path.parent.is_dir():
        raise ConfigError(f"{text}: a report cannot be written there. Nothing was sent.", "output_path")
    return path


def _report(
    run: ImportRun,
    path: Path,
    code: int,
    importer: Importer,
    parsed: argparse.Namespace,
    reporter: Silence,
    streams: Streams,
) -> int:
    """Writes the report; the exit code."""
    try:
        run.report(path)
    except ImporterError as error:
        again = placed(f"workos-importer report {run_name(importer, run.summary.run_id)} --out FILE", parsed)
        streams.error(f"{error} The run is not concerned. Again: {again}")
        # What an import stops with says more.
        return code if code > 1 else 4
    reporter.say(f"The report is in {path}.")
    return code


def run_name(importer: Importer, run_id: str) -> str:
    """`latest` where that is the run, else its id."""
    try:
        return "latest" if importer.show().run_id == run_id else run_id
    except RunError:
        return run_id


def placed(text: str, parsed: argparse.Namespace) -> str:
    """A command to type, with the folder where the runs are, if it was named on the command line."""
    folder = getattr(parsed, "run_dir", None)
    return text if folder is None else f"{text} --run-dir {folder}"


def _close(
    summary: Summary, importer: Importer, parsed: argparse.Namespace, reporter: Silence, streams: Streams
) -> None:
    """What is said after the summary: why it stopped, and where to look next."""
    if summary.stopped is not None:
        streams.error(summary.stopped.message)
    if summary.differing:
        reporter.say(
            f"{summary.differing} users were there, differ from the file and were left as they are: "
            "--on-existing update writes what the file says."
        )
    if summary.inferred:
        reporter.say(
            f"{summary.inferred} rows: the API's answer was lost, and reading back found the user or membership."
        )
    if summary.users_deleted:
        reporter.say(f"{summary.users_deleted} users were deleted again: they ended without a membership.")
    if summary.failed:
        if summary.errors_out is not None:
            reporter.say(f"The failed rows are in {summary.errors_out}.")
        why = placed(f"workos-importer errors {run_name(importer, summary.run_id)}", parsed)
        reporter.say(f"{summary.failed} failed. Why: {why}")


@contextmanager
def _killable(waits: bool) -> Iterator[None]:
    """While a pipe is waited for and nothing has been sent, Ctrl-C simply ends the process."""
    if not waits or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
