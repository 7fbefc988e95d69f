"""Owns the caller's side of a run: the next rows, consent, what rules of one's own say, and an audit of one's own.

Questions are answered in the thread that pulls events, where Ctrl-C is felt and the caller's code may run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _convert as convert

if TYPE_CHECKING:
    from collections.abc import Callable

    from . import _native
    from ._audit import Auditing
    from ._results import Started
    from ._rules import Rules
    from ._sources import RowsSource


class Desk:
    """Collects the questions of one pull, and answers them when the rest of it is put aside."""

    def __init__(
        self,
        native: _native.Import,
        rows: RowsSource | None,
        confirm: Callable[[Started], bool] | None,
        rules: Rules,
        auditing: Auditing | None = None,
    ) -> None:
        """Takes the run, and what the caller has given for it."""
        self._native = native
        self._rows = rows
        self._confirm = confirm
        self._rules = rules
        self._auditing = auditing
        self._rewind: bool | None = None
        self._asked: Started | None = None
        self._judging: _native.Judging | None = None
        #: What the caller's own code has raised.
        self.failure: BaseException | None = None

    @property
    def count(self) -> int | None:
        """How many rows the caller hands over, where that is known from the beginning."""
        return None if self._rows is None else self._rows.count

    def takes(self, name: str, value: Any) -> bool:
        """Notes an event if it is a question; whether it is one."""
        if name == "want_rows":
            self._rewind = bool(value)
        elif name == "asks":
            self._asked = convert.started(value)
        elif name == "judge":
            self._judging = value
        else:
            return False
        return True

    def answer(self, ended: bool) -> None:
        """Answers what was asked, and tells the audit what has come; all of it when the run has `ended`.

        Raises only what is no `Exception`: all else is raised when the run has ended.
        """
        rewind, asked, judging = self._rewind, self._asked, self._judging
        self._rewind = self._asked = self._judging = None
        if rewind is not None:
            self._answered(lambda: self._feed(rewind), self._native.feed_failed, "the caller's rows")
        if judging is not None:
            self._answered(lambda: self._rules.judge(judging), judging.fail, "a rule")
        if asked is not None:
            self._answered(lambda: self._ask(asked), lambda _: self._native.confirm(False), "")
        auditing = self._auditing
        if auditing is not None and self.failure is None:
            self._answered(lambda: auditing.tell(to_the_end=ended), lambda _: self._native.halt(False), "")

    def _feed(self, rewind: bool) -> None:
        if self._rows is not None:
            before, rows = self._rows.pull(rewind)
            self._native.feed(rows, before)

    def _ask(self, asked: Started) -> None:
        self._native.confirm(self._confirm is not None and self._confirm(asked) is True)

    def _answered(self, answer: Callable[[], None], refuse: Callable[[str], None], what: str) -> None:
        if self.failure is not None:
            refuse(f"{what} ended with an error before")
            return
        try:
            answer()
        except BaseException as error:
            # The run ends in order first; then the caller gets the exception. Its text could quote a row.
            self.failure = error
            refuse(f"{what} ended with {type(error).__name__}")
            if not isinstance(error, Exception):
                raise
