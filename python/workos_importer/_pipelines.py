"""Owns what integrations with schedulers share: a run's name, its folder, following it, and when a task has failed.

Uses the public API only. Knows no scheduler.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from . import (
    AuthError,
    ConfigError,
    ImporterError,
    Issue,
    OrganizationRef,
    RowsFailedError,
    RunError,
    SourceError,
    Started,
)

if TYPE_CHECKING:
    from . import Importer, ImportRun, Progress, Summary

#: When failed rows fail the task: any of them, none of them, or more than this share of all rows.
FailOn = Literal["any", "none"] | float

#: The variable that names the run folder where nothing nearer does.
RUN_DIR_VARIABLE = "WORKOS_IMPORTER_RUN_DIR"

# A run's name has 100 characters at most, and a run of it with other options gets a number behind.
_LONGEST_NAME = 90
_DIGEST = 8
# What is odd in a source is told so often; the summary counts the rest.
_WARNINGS_TOLD = 20
_PATIENCE = 0.5
# What is wrong with a source that another attempt can find in order.
_LATER = ("not_found", "unreadable", "empty", "changed", "temporary")

_FIGURES = (
    "run_id",
    "status",
    "ok",
    "mode",
    "total",
    "imported",
    "created",
    "updated",
    "unchanged",
    "failed",
    "pending",
    "memberships_created",
    "organizations_created",
    "warnings",
    "duration_seconds",
    "note",
    "folder",
    "errors_out",
    "results_out",
)


def run_name(*parts: object) -> str:
    """The name of the run of one task: the same for each attempt, another one for every other task.

    The parts stay readable as far as names of runs allow; a digest of all of them keeps apart what looks alike.
    """
    texts = [str(part) for part in parts if part is not None]
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:_DIGEST]
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", ".".join(texts)).lstrip(".-_") or "run"
    return f"{readable[: _LONGEST_NAME - _DIGEST - 1]}.{digest}"


def run_folder(*places: str | os.PathLike[str] | None) -> str:
    """Where runs are kept: the first of the places that is given, else `WORKOS_IMPORTER_RUN_DIR`.

    Raises `ConfigError` if there is none: the default lies in the current folder, which another attempt may not see.
    """
    for place in (*places, os.environ.get(RUN_DIR_VARIABLE)):
        if place:
            return str(Path(place).expanduser())
    raise ConfigError(
        "No run folder is given. Another attempt goes on with the run that it finds there: give run_dir (or set "
        f"{RUN_DIR_VARIABLE}) to a folder on storage that outlives the task and that every worker sees."
    )


def looks_temporary(folder: str) -> str | None:
    """What has to be said of a run folder that the next attempt may not find; None if nothing has."""
    path = Path(folder)
    if not path.is_absolute():
        return f"The run folder {folder} is relative to this worker's current folder: another attempt may not find it."
    for place in {tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm"}:
        if path.is_relative_to(place):
            return (
                f"The run folder {folder} is on temporary storage: if it is gone, another attempt begins a new run, "
                "which finds what is in the directory but does not know what this run made."
            )
    return None


def organization_of(given: OrganizationRef | Mapping[str, Any] | None) -> OrganizationRef | None:
    """The one organization, from what a task was given.

    Raises `ConfigError` where it names none (a template that gave nothing must not mean: without an organization), or
    has parts that an `OrganizationRef` does not have.
    """
    if given is None or isinstance(given, OrganizationRef):
        return given
    try:
        found = OrganizationRef(**given)
    except TypeError as error:
        raise ConfigError(f"organization is not understood: {str(error).partition('() ')[2] or error}") from None
    if not found.id and not found.external_id:
        raise ConfigError("organization has neither id nor external_id")
    return found


def checked_fail_on(fail_on: FailOn) -> FailOn:
    """The same. Raises `ConfigError` if it is neither `"any"` nor `"none"` nor a share from 0 to 1."""
    is_share = isinstance(fail_on, int | float) and not isinstance(fail_on, bool) and 0 <= fail_on <= 1
    if fail_on not in ("any", "none") and not is_share:
        raise ConfigError(f'fail_on must be "any", "none" or a share such as 0.05, not {fail_on!r}')
    return fail_on


def judge(summary: Summary, fail_on: FailOn) -> None:
    """Raises `RowsFailedError` where a task has not done what it is for.

    Rows that were not reached fail it whatever `fail_on` says: another attempt goes on with them.
    """
    if summary.ok:
        return
    empty = summary.stopped is not None and summary.stopped.kind == "empty"
    reached = summary.pending == 0 and (summary.stopped is None or empty) and summary.status != "Interrupted"
    if reached and fail_on == "none":
        return
    if reached and not empty and isinstance(fail_on, int | float) and summary.failed <= fail_on * summary.total:
        return
    summary.raise_for_failures()


def is_final(error: ImporterError, importer: Importer | None, run: ImportRun | None) -> bool:
    """Whether another attempt would end in the same way, with everything as it is."""
    if isinstance(error, ConfigError | AuthError):
        return True
    if isinstance(error, SourceError):
        return error.kind not in _LATER
    if isinstance(error, RowsFailedError) and run is not None and importer is not None:
        summary = run.summary
        if summary.pending or summary.stopped is not None or not summary.failed:
            return False
        return not any(cause.retry_helps for cause in importer.causes(summary.run_id))
    return isinstance(error, RunError) and error.kind == "organization"


def figures(summary: Summary, report: str | None = None) -> dict[str, Any]:
    """The figures that are handed on to other tasks: counts, the run and its files; nobody's data."""
    return {name: getattr(summary, name) for name in _FIGURES} | {"report": report}


class Follower:
    """Waits for a run, tells how far it is, and stops it when it is asked to."""

    def __init__(
        self,
        say: Callable[[str], object],
        warn: Callable[[str], object],
        every: float = 30.0,
        report_out: str | os.PathLike[str] | None = None,
    ) -> None:
        """Takes where lines and warnings go, the seconds between two lines on progress, and where a report is to be."""
        self._say = say
        self._warn = warn
        self._every = every
        self._report_out = report_out
        #: Where the report is; None if there is none.
        self.report: str | None = None
        self._run: ImportRun | None = None
        self._patience: float | None = None
        self._until: float | None = None

    def stop(self, patience: float) -> None:
        """Asks for a stop and returns at once: what is in flight may end for so many seconds, then it is dropped.

        May be called by a signal's handler, and before there is a run.
        """
        self._patience = patience
        run = self._run
        if run is not None and not run.ended:
            run.stop()

    def follow(self, run: ImportRun) -> Summary:
        """Waits for the run's end. Raises what waiting for a run raises; an exception from outside stops the run."""
        self._run = run
        told = warned = 0
        begun = time.monotonic()
        with run:
            if self._patience is not None:
                run.stop()
            while not run.ended:
                for event in run.poll(_PATIENCE):
                    if isinstance(event, Started):
                        self._say(_first_line(event))
                    elif isinstance(event, Issue):
                        warned += 1
                        if warned <= _WARNINGS_TOLD:
                            self._warn(str(event))
                told = self._tell_progress(run, begun, told)
                self._keep_to_patience(run)
            if warned > _WARNINGS_TOLD:
                self._warn(f"and {warned - _WARNINGS_TOLD} more warnings")
            self._write_report(run)
            return run.wait()

    def _write_report(self, run: ImportRun) -> None:
        """Writes the report, if one is wanted. What hinders it fails nothing: the import is what a task is for."""
        if not self._report_out:
            return
        try:
            self.report = str(run.report(self._report_out))
        except ImporterError as error:
            self._warn(f"The report was not written: {error}")

    def _tell_progress(self, run: ImportRun, begun: float, told: int) -> int:
        """Tells how far the run is if it is time to; returns how often that has been."""
        due = int((time.monotonic() - begun) / self._every)
        if due > told and not run.ended:
            self._say(progress_line(run.progress))
        return max(due, told)

    def _keep_to_patience(self, run: ImportRun) -> None:
        if self._patience is None or run.ended:
            return
        now = time.monotonic()
        if self._until is None:
            self._until = now + self._patience
        elif now >= self._until:
            run.stop(now=True)


def progress_line(progress: Progress) -> str:
    """How far a run is, in a line of a log."""
    counts = str(progress.ended) if progress.total is None else f"{progress.ended}/{progress.total}"
    parts = [f"{counts} rows", f"{progress.failed} failed"]
    if progress.rate is not None:
        parts.append(f"{progress.rate:.1f}/s")
    if progress.eta_seconds is not None:
        parts.append(f"{progress.eta_seconds:.0f} s left")
    pace = progress.pace
    if pace is not None and pace.away_for is not None:
        parts.append(f"the API has been away for {pace.away_for:.0f} s")
    elif pace is not None and pace.paused_for is not None:
        parts.append(f"paused by the API for {pace.paused_for:.0f} s")
    return ", ".join(parts)


def _first_line(started: Started) -> str:
    environment = "LIVE" if started.live else "not live"
    rows = "" if started.rows is None else f"{started.rows} rows, "
    note = "" if started.note is None else f" {started.note}"
    return f"Run {started.run_id} in {started.folder} ({environment}): {rows}{started.mode_sentence}.{note}"
