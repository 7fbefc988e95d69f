"""Owns a run as Python sees it: results are pulled out of the engine, never pushed into the interpreter."""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Literal

from . import _convert as convert
from . import _native as native_module
from ._exceptions import (
    APIError,
    AuthError,
    ImporterError,
    JournalError,
    RunError,
    SourceChangedError,
    SourceError,
)
from ._options import parse_pace
from ._report import Reported
from ._results import Issue, Progress, RowResult, Started, Summary, expecting
from ._waiting import Pulls

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from types import TracebackType

    from typing_extensions import Self

    from . import _native
    from ._desk import Desk
    from ._display import Display
    from ._tables import Table

#: What `ImportRun.events` gives, in the order in which it happens.
Event = Started | Issue | RowResult | Summary

# How many events cross the boundary at once.
_BATCH = 512
# How long one pull waits. Short, because an interpreter that exits waits for the pulls of its threads.
_PATIENCE = 0.25
_KEPT_FAILURES = 10
_KEPT_ISSUES = 1_000

# A run that ended for one of these reasons raises; for the others its summary says enough.
_RAISED: dict[str, type[ImporterError]] = {
    "auth": AuthError,
    "api": APIError,
    "journal": JournalError,
    "source": SourceError,
    "source_changed": SourceChangedError,
    "output": RunError,
    "organization": RunError,
}


class ImportRun(Reported):
    """One import that is under way, or over.

    Iterate over it (`for` or `async for`) to get each row's `RowResult` as it ends; or call `wait()`, or `await` it,
    for the `Summary` alone. Use it in a `with` (or `async with`) block, so that leaving the block early stops it: no
    further row is started, and what is in flight ends (20 s at most).

    Rows that fail are results. What ends the run as a whole raises at the end of the iteration: `AuthError`,
    `APIError`, `SourceError`, `RunError`, or whatever the caller's own iterable raised. A cancelled `await` or
    `async for` asks the run to stop and loses no result: iterating again gives the rest. Both work under asyncio (also
    on uvloop, in Jupyter, and with AnyIO) and under Trio.

    >>> from workos_importer import Importer, Sandbox
    >>> [result.outcome for result in Importer(sandbox=Sandbox()).run([{"email": "ada@example.com"}])]
    ['created']
    """

    def __init__(self, native: _native.Import, desk: Desk, display: Display | None = None) -> None:
        """Made by `Importer.run`."""
        self._native = native
        self._desk = desk
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._events: deque[Event] = deque()
        self._started: Started | None = None
        self._summary: Summary | None = None
        self._raised = False
        self._warnings: deque[Issue] = deque(maxlen=_KEPT_ISSUES)
        self._failures: list[RowResult] = []
        self._pulls = Pulls()
        self._display = display
        #: What a comparison found, where the run is one.
        self._compared: dict[str, Any] | None = None

    # What is known

    @property
    def summary(self) -> Summary:
        """The figures of the run. Raises `RunError` (`not_ended`) while it is under way."""
        if self._summary is None:
            raise RunError("The run has not ended yet. Call wait(), or iterate to the end.", "not_ended")
        return self._summary

    @property
    def ended(self) -> bool:
        """Whether the run is over and its summary is there."""
        return self._summary is not None

    @property
    def warnings(self) -> tuple[Issue, ...]:
        """What was odd so far; the latest 1,000. The summary has the count of all."""
        return tuple(self._warnings)

    @property
    def started(self) -> Started | None:
        """What the run set out to do; None as long as that is not known."""
        return self._started

    @property
    def progress(self) -> Progress:
        """How many rows have ended, how fast, when the last one will have, and where the pace is."""
        self._refuse_fork()
        progress = convert.progress(self._native.progress())
        count = self._desk.count
        if progress.total is not None or count is None or self.ended:
            return progress
        # The engine counts rows that are handed to it when all are there; a list knows it from the beginning.
        return expecting(progress, count)

    def results(self) -> Table[dict[str, Any]]:
        """Every outcome so far, by record number, as the results file has it. Read page by page from the run's folder.

        Iterate over it for mappings, or take it as a frame: `results().to_pandas()`. Reading it raises `JournalError`
        if the journal cannot be read.
        """
        from ._tables import Table, paged

        return Table(convert.RESULT_TABLE, lambda: paged(self._results), convert.result_line)

    def _results(self, after: int, most: int) -> list[tuple[Any, ...]]:
        self._refuse_fork()
        return self._native.results(after, most)

    def pace(self, *, headroom: float | str | None = None, rate_limit: str | tuple[int, float] | None = None) -> None:
        """Keeps another pace from now on, without stopping; what is not given stays as it is.

        `headroom` and `rate_limit` are as in `Importer`. Another process does the same with `Importer.pace`. A later
        attempt of the run has its own importer's options again.

        Raises `ConfigError` for values that cannot be used, and `RunError` (`not_running`) when the run is over.
        """
        self._refuse_fork()
        self._native.pace(*parse_pace(headroom, rate_limit))

    def tell_only_failures(self) -> None:
        """From now on gives no `RowResult` of rows that did not fail: Python need not look at them."""
        self._native.tell_only_failures()

    def stop(self, *, now: bool = False) -> None:
        """Asks the run to stop, and returns at once: no further row is started, and what is in flight ends.

        With `now` what is in flight is dropped; writes whose answers are lost in this way may have been applied.
        """
        self._refuse_fork()
        self._native.halt(now)

    # Waiting

    def wait(self) -> Summary:
        """Blocks until the run is over; returns its summary. Ctrl-C stops it cleanly and raises KeyboardInterrupt."""
        for _ in self.events():
            pass
        return self.summary

    def poll(self, timeout: float = _PATIENCE) -> list[Event]:
        """Waits `timeout` seconds at most (default 0.25), and returns what has happened: often nothing.

        For loops that have other things to do. Raises nothing about the run: its summary tells how it ended.
        """
        self._refuse_fork()
        if not self._events and self._summary is None:
            self._fill_or_drain(timeout)
        with self._lock:
            events = list(self._events)
            self._events.clear()
        return events

    def events(self) -> Iterator[Event]:
        """Everything that happens, in order: `Started`, warnings as `Issue`, `RowResult`s, and the `Summary` last.

        Raises at the end what iterating over the run raises.
        """
        while True:
            # Asked first: what comes meanwhile is taken in the next round.
            ended = self.ended
            event = self._next_event()
            if event is not None:
                yield event
            elif ended:
                self._raise_failure()
                return
            else:
                self._fill_or_drain()
                self._show()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> RowResult:
        for event in self.events():
            if isinstance(event, RowResult):
                return event
        raise StopIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if not self.ended:
            if kind is not None:
                self._drain()
            else:
                self._native.halt(False)
                self.wait()
        return False

    # Waiting without blocking an event loop

    def __await__(self) -> Generator[Any, None, Summary]:
        return self._wait_async().__await__()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RowResult:
        while True:
            ended = self.ended
            while (event := self._next_event()) is not None:
                if isinstance(event, RowResult):
                    return event
            if ended:
                self._raise_failure()
                raise StopAsyncIteration
            await self._fill_async()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if not self.ended:
            self._native.halt(False)
            await self._end_async(broken_off=kind is not None)
            if kind is None:
                self._raise_failure()
        return False

    async def _wait_async(self) -> Summary:
        self._refuse_fork()
        try:
            while not self.ended:
                await self._fill_async()
                self._events.clear()
        except GeneratorExit:
            # Nobody can wait any more.
            raise
        except BaseException:
            await self._end_async(broken_off=True)
            raise
        self._raise_failure()
        return self.summary

    async def _fill_async(self) -> None:
        try:
            await self._pulls.one(self._fill)
        except BaseException:
            self._native.halt(False)
            raise
        self._show()

    async def _end_async(self, broken_off: bool) -> None:
        """Waits for the end of a run that was asked to stop, even if this task is cancelled again meanwhile."""
        try:
            await self._pulls.to_the_end(self._fill, lambda: self._native.halt(True))
        finally:
            if self.ended:
                self._show(broken_off)

    # Pulling

    def _next_event(self) -> Event | None:
        self._refuse_fork()
        # Without the lock: a pull that nobody waits for any more may hold it, and an event loop must not wait for that.
        try:
            return self._events.popleft()
        except IndexError:
            return None

    def _fill_or_drain(self, timeout: float = _PATIENCE) -> None:
        try:
            self._fill(timeout)
        except (KeyboardInterrupt, SystemExit):
            self._drain()
            raise

    def _drain(self) -> None:
        """Lets what is in flight end; a second Ctrl-C drops it."""
        self._native.halt(False)
        while self._summary is None:
            try:
                self._fill()
            except KeyboardInterrupt:
                self._native.halt(True)
        self._show(broken_off=True)

    def _show(self, broken_off: bool = False) -> None:
        """Shows where the run is, if somebody wants to see it."""
        display = self._display
        if display is None:
            return
        if not self.ended:
            display.at(self)
            return
        self._display = None
        display.end(self, broken_off)

    def _fill(self, timeout: float = _PATIENCE) -> bool:
        """Pulls once: puts events aside, and hands rows over when the engine wants them. Whether the run is over."""
        self._refuse_fork()
        with self._lock:
            if self._summary is not None:
                return True
            for name, value in self._native.poll(_BATCH, timeout):
                if not self._desk.takes(name, value):
                    self._take(name, value)
            # Last: the caller's own code may raise, and what came with the questions is put aside by now.
            self._desk.answer(self.ended)
            native_module.drain_logs()
            return self.ended

    def _take(self, name: str, value: Any) -> None:
        if name == "row":
            result = convert.row_result(value)
            if result.outcome == "failed" and len(self._failures) < _KEPT_FAILURES:
                self._failures.append(result)
            self._events.append(result)
        elif name == "warning":
            issue = convert.issue(value)
            self._warnings.append(issue)
            self._events.append(issue)
        elif name == "started":
            self._started = convert.started(value)
            self._events.append(self._started)
        elif name == "compared":
            self._compared = json.loads(value)
        elif name == "ended":
            summary = convert.summary(value, tuple(self._failures))
            self._events.append(summary)
            # Last: who sees that the run is over finds all of its events.
            self._summary = summary

    # Ends

    def _raise_failure(self) -> None:
        if self._raised:
            return
        self._raised = True
        if self._desk.failure is not None:
            raise self._desk.failure
        stopped = self.summary.stopped
        if stopped is not None and stopped.kind in _RAISED:
            kind = _RAISED[stopped.kind]
            raise kind(stopped.message, stopped.kind)

    def _refuse_fork(self) -> None:
        # Asked before any lock: another thread may have held it when the process was forked.
        if os.getpid() != self._process:
            raise RunError("A run cannot be used in a forked process. Start it there.", "forked")

    def __repr__(self) -> str:
        if self._summary is not None:
            return f"ImportRun({self._summary.run_id}, {self._summary.status})"
        return "ImportRun(under way)"

    def _repr_html_(self) -> str:
        if self._summary is not None:
            return self._summary._repr_html_()
        self._refuse_fork()
        from ._display import bar
        from ._standing import progress_line

        progress = self.progress
        return bar(progress, progress_line(progress))

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("A run is not pickled. Its summary and its results are.")
