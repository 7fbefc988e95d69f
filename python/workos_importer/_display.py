"""Owns the bar that shows how far a run is: in a notebook, in a terminal, and as lines where neither is."""

from __future__ import annotations

import sys
import time
import weakref
from abc import ABC, abstractmethod
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any

from ._standing import progress_line

if TYPE_CHECKING:
    from ._results import Progress, Summary
    from ._run import ImportRun


class Display(ABC):
    """Shows one run while somebody waits for it."""

    #: The least time between two looks, in seconds.
    between = 0.2
    #: Whether that much time passes before the first one too.
    waits = False

    def __init__(self) -> None:
        """Shows nothing yet."""
        self._looked: float | None = None
        #: Whether the summary of a run that was broken off is shown; that of a comparison says nothing.
        self.sums_up = True

    def at(self, run: ImportRun) -> None:
        """The run goes on; called often."""
        now = time.monotonic()
        if self._looked is None:
            self._begin(run)
            self._looked = now if self.waits else 0.0
        if now - self._looked >= self.between:
            self._looked = now
            progress = run.progress
            self._draw(progress, progress_line(progress))

    def end(self, run: ImportRun, broken_off: bool) -> None:
        """The run is over; `broken_off`: an exception follows, so that nobody gets the summary as a value."""
        progress = run.progress
        if progress.total is None:
            progress = replace(progress, total=progress.ended)
        self._draw(progress, f"{progress.ended}/{progress.total} ({progress.failed} failed)")
        self._finish(run.summary if broken_off and self.sums_up else None)

    @abstractmethod
    def _begin(self, run: ImportRun) -> None:
        """Somebody waits for the first time."""

    @abstractmethod
    def _draw(self, progress: Progress, line: str) -> None:
        """Shows where the run is; `line` says it in words."""

    @abstractmethod
    def _finish(self, summary: Summary | None) -> None:
        """Nothing more is drawn; the summary, if there is one, is shown below."""


class NotebookBar(Display):
    """A bar below the cell, drawn with what every notebook has; no widgets are needed."""

    def __init__(self, shell: Any) -> None:
        """Takes IPython's shell."""
        super().__init__()
        self._shell = shell
        self._handle: Any = None
        self._shown = ("", "")
        self._run: weakref.ref[ImportRun] | None = None

    def _begin(self, run: ImportRun) -> None:
        self._run = weakref.ref(run)
        self._shell.events.register("post_run_cell", self._cell_ended)

    def _cell_ended(self, result: Any) -> None:
        """Stops a run whose cell was interrupted elsewhere than in the wait for a row, which stops it by itself."""
        run = None if self._run is None else self._run()
        if run is None or run.ended:
            self._forget()
            return
        # A cancelled cell has no result.
        error = None if result is None else result.error_in_exec
        if result is None or isinstance(error, KeyboardInterrupt) or type(error).__name__ == "CancelledError":
            run._drain()

    def _forget(self) -> None:
        if self._run is not None:
            self._run = None
            self._shell.events.unregister("post_run_cell", self._cell_ended)

    def _draw(self, progress: Progress, line: str) -> None:
        self._shown = (bar(progress, line), line)
        self._show(*self._shown)

    def _finish(self, summary: Summary | None) -> None:
        self._forget()
        if summary is not None:
            html, text = self._shown
            self._show(html + summary._repr_html_(), f"{text}\n{summary}")

    def _show(self, html: str, text: str) -> None:
        import IPython.display

        display: Any = IPython.display.display
        values = {"text/html": html, "text/plain": text}
        if self._handle is None:
            self._handle = display(values, raw=True, display_id=True)
        else:
            self._handle.update(values, raw=True)


class TerminalBar(Display):
    """A bar on standard error; what the program prints stands above it."""

    def __init__(self, console: Any) -> None:
        """Takes Rich's console."""
        super().__init__()
        self._console = console
        self._bar: Any = None
        self._task: Any = None

    def _begin(self, run: ImportRun) -> None:
        from rich.errors import LiveError
        from rich.progress import BarColumn, Progress, TextColumn

        made = Progress(
            BarColumn(),
            TextColumn("{task.description}", markup=False),
            console=self._console,
            auto_refresh=False,
            # What goes into a file or a pipe must get there.
            redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
        )
        try:
            made.start()
        except LiveError:
            # Another run's bar is there, and a terminal has room for one.
            return
        self._bar = made
        self._task = made.add_task("", total=None)
        # A run that nobody waits for any more leaves the terminal as it was.
        weakref.finalize(run, made.stop)

    def _draw(self, progress: Progress, line: str) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=progress.ended, total=progress.total, description=line, refresh=True)

    def _finish(self, summary: Summary | None) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        if summary is not None:
            print(summary, file=sys.stderr)


class Lines(Display):
    """A line on standard error now and then, for logs."""

    between = 10.0
    waits = True

    def _begin(self, run: ImportRun) -> None:
        """Nothing has to be made ready."""

    def _draw(self, progress: Progress, line: str) -> None:  # noqa: ARG002  # others draw it too
        print(line, file=sys.stderr)

    def _finish(self, summary: Summary | None) -> None:
        if summary is not None:
            print(summary, file=sys.stderr)


def chosen(wanted: bool | None) -> Display | None:
    """What fits the place; None: nothing is shown. Without a wish that is so everywhere but in notebooks."""
    if wanted is False:
        return None
    shell = _notebook()
    if shell is not None:
        return NotebookBar(shell)
    if wanted is None or sys.stderr is None:
        return None
    # It takes longer than everything else at the start.
    from rich.console import Console

    console = Console(stderr=True)
    return TerminalBar(console) if console.is_terminal and not console.is_dumb_terminal else Lines()


def bar(progress: Progress, line: str) -> str:
    """A bar of HTML, in the colours of the page, with a line behind it."""
    ends = "" if progress.total is None else f' max="{max(progress.total, 1)}" value="{progress.ended}"'
    return f'<div><progress{ends} style="width:20em;vertical-align:middle"></progress> {escape(line)}</div>'


def _notebook() -> Any:
    """IPython's shell, if this is a kernel; IPython is not imported for the question."""
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell if getattr(shell, "kernel", None) is not None else None
