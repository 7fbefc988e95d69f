"""Owns the comparisons that an importer makes: what an import would do, and whether a source is in the directory."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ._exceptions import ConfigError, RunError
from ._options import path_of
from ._outputs import refuse_what_is_read
from ._sources import PathSource, RowsSource, Source, recognise

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._comparison import Plan, Verification
    from ._native import Sandbox
    from ._run import ImportRun
    from ._runs import RunFolder

#: What a source is read for: a word, the plan's file, whether what no row names is found too, how many rows are drawn.
Purpose = tuple[str, str | None, bool, int | None]

IMPORT: Purpose = ("import", None, False, None)


class Comparing(ABC):
    """The part of an importer that reads the directory and writes nothing."""

    _run_folder: RunFolder
    _sandbox: Sandbox | None

    @abstractmethod
    def _start(
        self,
        source: PathSource | RowsSource | None,
        written: tuple[str | None, str | None],
        again: tuple[str, str | None, bool],
        purpose: Purpose = IMPORT,
        record_id: str | None = None,
    ) -> ImportRun:
        """Starts a run, or a comparison."""

    @abstractmethod
    def _url(self) -> str:
        """The base URL."""

    def plan(
        self,
        source: Source,
        *,
        delimiter: str | None = None,
        encoding: str | None = None,
        record_id: str | None = None,
        out: str | os.PathLike[str] | None = None,
        on_start: Callable[[ImportRun], None] | None = None,
    ) -> Plan:
        """What an import of the source would do to the directory as it is now. Reads, and writes nothing.

        `source`, `delimiter`, `encoding` and `record_id` are as in `run`.

        Waits until all rows have been compared. `out`: a file for the plan, which `run(plan=)` then carries out; its
        owner alone can read it (it holds email addresses, no passwords). `on_start` gets the comparison while it is
        under way, to follow or stop it as one does a run.

        What can be found out only by writing is not in a plan: whether the API takes a password, and whether the
        environment takes several roles for one membership.

        Raises what `run` and its results raise, and `RunError` (`not_ended`) if the comparison was stopped.
        """
        if out is not None and isinstance(recognise(source), RowsSource):
            raise ConfigError("out needs a file as the source: only its content is known again", "contradiction")
        if out is not None:
            refuse_what_is_read(out, _named(source))
        purpose = ("plan", None, False, None)
        given = recognise(source, record_id)
        run, found = self._compare(given, (delimiter, encoding), None, purpose, on_start, record_id)
        from ._comparison import plan_of

        plan = plan_of(found, _named(source), run.summary.mode, run.summary.total, run._native)
        if out is None:
            return plan
        place = path_of(out)
        run._native.save_plan(place)
        return replace(plan, saved=place)

    def verify(
        self,
        source: Source | None = None,
        *,
        run: str | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
        record_id: str | None = None,
        sample: int | None = None,
        extra: bool = False,
        new_key: bool = False,
        on_start: Callable[[ImportRun], None] | None = None,
    ) -> Verification:
        """Whether the directory holds what a source says, row by row. Reads, and writes nothing.

        `source` and `record_id` as in `run`, with this importer's options; or `run`, whose source and options are
        taken. `sample`: so many rows, drawn at random, stand for all (files only). `extra`: memberships of the source's
        organizations that no row names are found too. `on_start` as in `plan`; `new_key` as in `resume`.

        Raises what `run` and its results raise; `SourceChangedError` if the run's source has changed; `RunError`
        (`not_ended`) if the comparison was stopped.
        """
        if (source is None) == (run is None):
            raise ConfigError("Give a source or a run, one of the two.", "contradiction")
        if sample is not None and (isinstance(sample, bool) or not isinstance(sample, int) or sample < 1):
            raise ConfigError("sample must be a whole number from 1 on")
        again = None if run is None else ("resume", run, new_key)
        info = None if run is None else self._run_folder.find(run)
        given = None if source is None else recognise(source, record_id)
        purpose = ("verify", None, extra, sample)
        comparing, found = self._compare(given, (delimiter, encoding), again, purpose, on_start, record_id)
        from ._comparison import verification_of

        started = comparing.started
        return verification_of(
            found,
            _named(source) if info is None else info.source,
            comparing.summary.mode,
            ("sandbox" if self._sandbox is not None else self._url(), started is not None and started.live),
            None if info is None else info.id,
            sample is not None,
            extra,
            comparing._native,
        )

    def _compare(
        self,
        source: PathSource | RowsSource | None,
        written: tuple[str | None, str | None],
        again: tuple[str, str | None, bool] | None,
        purpose: Purpose,
        on_start: Callable[[ImportRun], None] | None,
        record_id: str | None,
    ) -> tuple[ImportRun, dict[str, Any]]:
        run = self._start(source, written, again or ("go_on", None, False), purpose, record_id)
        if on_start is not None:
            # Who follows it shows what there is to see.
            run._display = None
            on_start(run)
        summary = run.wait()
        if run._compared is None or summary.status in ("Interrupted", "Stopped"):
            why = "The comparison did not come to its end." if summary.stopped is None else summary.stopped.message
            raise RunError(why, "not_ended")
        return run, run._compared


def _named(source: Source | None) -> str:
    return os.fspath(source) if isinstance(source, str | os.PathLike) else "rows"
