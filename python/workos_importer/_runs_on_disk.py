"""Owns what an importer says of the runs in its run folder. Needs no key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._options import parse_pace, path_of
from ._reports import GivenBack, warned

if TYPE_CHECKING:
    import os

    from ._results import Progress, Summary
    from ._runs import Cause, RunFolder, RunInfo
    from ._tables import Table
    from ._undo import UndoPlan


class RunsOnDisk:
    """The part of an importer that is about its runs, under way or over."""

    _run_folder: RunFolder

    def runs(self) -> list[RunInfo]:
        """The runs in the run folder, the latest first. Needs no key."""
        return self._run_folder.runs()

    def show(self, run: str = "latest") -> Summary:
        """The figures of a run, while it is under way and afterwards. Needs no key.

        Raises `RunError` (`no_run`) and `JournalError`, as all that takes a run does.
        """
        return self._run_folder.show(run)

    def progress(self, run: str = "latest") -> Progress | None:
        """Where a run is that some process works on, as that says itself once a second; None if none does.

        Needs no key, and costs next to nothing: for watching an import from another process.
        """
        return self._run_folder.progress(run)

    def pace(
        self,
        run: str = "latest",
        *,
        headroom: float | str | None = None,
        rate_limit: str | tuple[int, float] | None = None,
    ) -> Progress | None:
        """Changes the pace of a run that some process works on, without stopping it. Needs no key.

        `headroom` and `rate_limit` are as in `Importer`; what is not given stays as it is. Waits until the process has
        heard of it, which takes a second, and returns where the run is then; None after five seconds: while it still
        reads its source it hears of it later. A later attempt of the run has its own importer's options again.

        Raises `ConfigError` for values that cannot be used, and `RunError` (`no_run`; `not_running` if no process works
        on it).
        """
        return self._run_folder.pace(run, *parse_pace(headroom, rate_limit))

    def results(self, run: str = "latest") -> Table[dict[str, Any]]:
        """Every outcome of a run, by record number, as `ImportRun.results` has it. Needs no key."""
        return self._run_folder.results(run)

    def causes(self, run: str = "latest") -> list[Cause]:
        """Why rows of a run failed, the most frequent cause first. Needs no key."""
        return self._run_folder.causes(run)

    def retry_csv(self, path: str | os.PathLike[str], run: str = "latest") -> GivenBack:
        """Writes the failed rows of a run into a file, to correct them there and import it. Needs no key.

        They are read again from the file that was imported, and given back as they are written there: columns,
        delimiter, encoding, passwords included, with the reason in a first column `problem`, which imports ignore. Only
        its owner can read the file. Where the source is NDJSON, so is what is written.

        Raises `SourceChangedError` (the source has changed since, or came from standard input or a program),
        `SourceError` (it is gone), `ConfigError` (`output_path`), and `RunError` as all that takes a run does.
        """
        return warned(self._run_folder.give_back_failed(run, path_of(path)))

    def report(
        self,
        run: str = "latest",
        *,
        out: str | os.PathLike[str],
        redact: bool = False,
        receipt: str | os.PathLike[str] | None = None,
    ) -> Path:
        """Writes the report on a run, under way or over, and returns its path. Needs no key, and sends nothing.

        As `ImportRun.report`. Raises `RunError` (`no_run`) too.
        """
        place = path_of(out)
        self._run_folder.report(run, place, None if receipt is None else path_of(receipt), redact)
        return Path(place)

    def undo_plan(self, run: str = "latest", *, organizations: bool = False) -> UndoPlan:
        """What `undo` would do, as far as the run's journal knows: nothing is asked of the API. Needs no key.

        Raises `RunError` (`no_run`, `undone`) and `JournalError`.
        """
        return self._run_folder.undo_plan(run, organizations)
