"""Owns a sending of recovery links as Python sees it: what is handed over, how it went, who got nothing."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from . import _native
from ._box import draw, duration
from ._exceptions import APIError, AuthError, ConfigError, ImporterError, InDoubtError, JournalError, RunError
from ._options import parse_duration, path_of
from ._results import Stopped, _Brief

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from ._box import Line

_log = logging.getLogger("workos_importer")

#: What lets a user set a password: a link alone, or a code and the link of the page where it is typed in.
RecoveryMethod = Literal["link", "code"]

#: What each state of an `Unsent` means.
STATES: dict[str, str] = {
    "failed": "not handed over; tried again by the next sending",
    "in_doubt": "handed over, or not: the sending was killed in between; never handed over again",
    "gone": "the directory does not have the user; looked for again by the next sending",
}

_BATCH = 512
_PATIENCE = 0.25
_MOST = 60_000
_RAISED: dict[str, type[ImporterError]] = {
    "auth": AuthError,
    "api": APIError,
    "journal": JournalError,
    "output": RunError,
}


@dataclass(frozen=True, slots=True, repr=False)
class Recovery(_Brief):
    """What one user is to be sent. Its `repr` shows neither link nor code.

    >>> from datetime import datetime, timezone
    >>> from workos_importer import Recovery
    >>> at = datetime(2026, 1, 1, tzinfo=timezone.utc)
    >>> recovery = Recovery("ada@example.com", "Ada", "0a1b", "https://example.com/?token=t0k3n", None, at, 1)
    >>> "t0k3n" in repr(recovery), recovery.recovery_link
    (False, 'https://example.com/?token=t0k3n')
    """

    #: As the directory has it now.
    email: str
    first_name: str | None
    identity_id: str
    recovery_link: str
    #: With `method="code"`.
    recovery_code: str | None
    #: By the server's clock.
    expires_at: datetime
    record_number: int

    def to_dict(self) -> dict[str, Any]:
        """The parts as plain values, link and code too: what `--command` gets."""
        at = self.expires_at.isoformat().replace("+00:00", "Z")
        return asdict(self) | {"expires_at": at}

    def __repr__(self) -> str:
        return f"Recovery(record_number={self.record_number}, identity_id={self.identity_id!r})"


@dataclass(frozen=True, slots=True, repr=False)
class Unsent(_Brief):
    """A user who was handed nothing, or not for certain.

    >>> from workos_importer import Importer, Kratos, KratosSandbox
    >>> importer = Importer(target=Kratos(sandbox=KratosSandbox()))
    >>> ok = importer.run([{"email": "ada@example.com"}]).wait().ok
    >>> summary = importer.recover(on_recovery=lambda recovery: recovery.no_such_part).wait()
    >>> [(one.email, one.state, one.reason) for one in summary.unsent]
    [('ada@example.com', 'failed', 'AttributeError')]
    """

    #: `failed`, `in_doubt` or `gone`.
    state: str
    record_number: int | None
    email: str | None
    identity_id: str | None
    #: Of `failed`: the API's words, or what became of the program.
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The parts as plain values, as `--json` prints them."""
        return asdict(self)

    def __str__(self) -> str:
        parts = [part for part in (self.email, self.identity_id) if part is not None]
        if self.record_number is not None:
            parts.append(f"(record {self.record_number})")
        return f"{' '.join(parts)}: {self.state}" + ("" if self.reason is None else f": {self.reason}")


@dataclass(frozen=True, slots=True, repr=False)
class RecoverySummary(_Brief):
    """How a sending ended. Counts are of users, of all sendings to the run together.

    >>> from workos_importer import Importer, Kratos, KratosSandbox
    >>> importer = Importer(target=Kratos(sandbox=KratosSandbox()))
    >>> ok = importer.run([{"email": "ada@example.com"}]).wait().ok
    >>> importer.recover(on_recovery=lambda recovery: None).wait().sent
    1
    """

    run_id: str
    #: `Sent`, `Partly sent` (some failed, or are in doubt), `Stopped`, `Interrupted` or `Failed` (the key is refused,
    #: or nobody who was looked for is there: it may be another server).
    status: str
    sent: int
    failed: int
    in_doubt: int
    gone: int
    #: Not come to yet.
    left: int
    #: How many calls this sending made, by name.
    api_calls: dict[str, int]
    duration_seconds: float
    #: Why it did not go on, or why nobody was there (`elsewhere`).
    stopped: Stopped | None
    #: What the command line exits with.
    exit_code: int
    folder: str

    @property
    def ok(self) -> bool:
        """Whether everybody was sent to who is still there, and anybody is."""
        return self.exit_code == 0

    @property
    def unsent(self) -> Iterator[Unsent]:
        """Who was handed nothing, or not for certain, in the order of the rows; read page by page.

        Raises `JournalError` if the journal cannot be read.
        """
        after = 0
        while True:
            after, page = _native.recovery_left(self.folder, after, _BATCH)
            if not page:
                return
            for record, email, identity, state, reason in page:
                yield Unsent(state, record, email, identity, reason)

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain values, as `--json` prints them."""
        return asdict(self)

    def lines(self) -> list[Line]:
        """What it says, line by line."""
        lines: list[Line] = [("Status", self.status), ("Sent", self.sent), ("Failed", self.failed)]
        lines += [
            (name, count)
            for name, count in (("In doubt", self.in_doubt), ("Gone", self.gone), ("Left", self.left))
            if count
        ]
        return [*lines, ("Duration", duration(self.duration_seconds)), ("Run", self.run_id)]

    def __str__(self) -> str:
        return draw(self.lines())

    def _repr_html_(self) -> str:
        from ._html import report, sentence

        return report("Recovery", self.lines(), sentence(None if self.stopped is None else self.stopped.message))


@dataclass(frozen=True, slots=True)
class Sending:
    """What a sending makes and for whom, checked; see `Importer.recover` for each."""

    out: str | os.PathLike[str] | None
    on_recovery: Callable[[Recovery], object] | None = field(repr=False)
    method: str
    expires_in: float | str | timedelta
    per_minute: int

    def to_native(self) -> tuple[tuple[str, float, int], str | None]:
        """What is made, and the file that it goes into.

        Raises `ConfigError` for values that cannot be used.
        """
        if (self.out is None) == (self.on_recovery is None):
            raise ConfigError("Who gets the links? Give out (a file) or on_recovery (a function), one of them")
        if self.on_recovery is not None and not callable(self.on_recovery):
            raise ConfigError("on_recovery must be a function that takes a Recovery")
        if self.method not in ("link", "code"):
            raise ConfigError(f'method must be "link" or "code", not {self.method!r}')
        rate = self.per_minute
        if isinstance(rate, bool) or not isinstance(rate, int) or not 1 <= rate <= _MOST:
            raise ConfigError(f"per_minute must be a whole number from 1 to {_MOST}, not {rate!r}")
        how = (self.method, parse_expires_in(self.expires_in), rate)
        return how, None if self.out is None else path_of(self.out)


def parse_expires_in(value: float | str | timedelta) -> float:
    """`"12h"`, a number of seconds or a `timedelta`, in seconds.

    Raises `ConfigError` for anything else.
    """
    if isinstance(value, timedelta):
        seconds: float | None = value.total_seconds()
    elif isinstance(value, str):
        seconds = parse_duration(value)
    else:
        seconds = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    if seconds is None or not 1 <= seconds <= 365 * 86_400:
        raise ConfigError(f"expires_in {value!r} is not understood: write it like 1h")
    return seconds


class RecoveryRun:
    """A sending that is under way. `wait()` gives the `RecoverySummary`.

    Leaving a `with` block early stops it, between two users. Sending to the run again goes on.

    >>> from workos_importer import Importer, Kratos, KratosSandbox
    >>> importer = Importer(target=Kratos(sandbox=KratosSandbox()))
    >>> ok = importer.run([{"email": "ada@example.com"}]).wait().ok
    >>> with importer.recover(on_recovery=lambda recovery: print(recovery.email)) as sending:
    ...     print(sending.wait().status)
    ada@example.com
    Sent
    """

    def __init__(self, native: _native.Recovering, on_recovery: Callable[[Recovery], object] | None) -> None:
        """Made by `Importer.recover`."""
        self._native = native
        self._on_recovery = on_recovery
        self._process = os.getpid()
        self._run_id, self._folder = native.place()
        self._summary: RecoverySummary | None = None
        self._stopping = False
        self._raised = False

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._run_id

    @property
    def summary(self) -> RecoverySummary:
        """The figures. Raises `RunError` (`not_ended`) while it is under way."""
        if self._summary is None:
            raise RunError("Sending has not ended yet. Call wait().", "not_ended")
        return self._summary

    @property
    def ended(self) -> bool:
        """Whether it is over and its summary is there."""
        return self._summary is not None

    @property
    def progress(self) -> tuple[int, int]:
        """Users who are settled so far, also by earlier sendings, and all of them."""
        self._refuse_fork()
        return self._native.progress()

    def stop(self, *, now: bool = False) -> None:
        """Asks for a stop, and returns at once: nobody further is handed anything."""
        del now  # There is nothing in flight that could be dropped.
        self._refuse_fork()
        self._stopping = True
        self._native.halt()

    def wait(self) -> RecoverySummary:
        """Blocks until it is over. Ctrl-C stops it and raises KeyboardInterrupt.

        Raises `AuthError`, `APIError`, `JournalError` and `RunError` for what ends it as a whole; sending again goes
        on.
        """
        try:
            while self._summary is None:
                self.poll()
        except BaseException:
            self._drain()
            raise
        self._raise_failure()
        return self.summary

    def poll(self, timeout: float = _PATIENCE) -> bool:
        """Waits `timeout` seconds at most, and hands over what has come; whether it is over.

        Raises nothing about the sending, and of `on_recovery` only what is no `Exception`.
        """
        self._refuse_fork()
        if self._summary is None:
            told = self._native.poll(timeout)
            _native.drain_logs()
            if isinstance(told, dict):
                self._summary = _summary(told)
            elif told is not None:
                self._hand_over(told)
        return self._summary is not None

    def _hand_over(self, parts: tuple[Any, ...]) -> None:
        if self._stopping or self._on_recovery is None:
            self._native.settle("not_handed_over", None)
            return
        email, first_name, identity, link, code, expires_at, record = parts
        recovery = Recovery(email, first_name, identity, link, code, _moment(expires_at), record)
        try:
            self._on_recovery(recovery)
        except InDoubtError:
            self._native.settle("in_doubt", None)
        except Exception as error:
            # Its text could quote the link.
            reason = str(error) if isinstance(error, HandedBackError) else type(error).__name__
            _log.warning("Recovery of record %d failed: %s", recovery.record_number, reason)
            self._native.settle("failed", reason)
        except BaseException:
            self._native.settle("in_doubt", None)
            raise
        else:
            self._native.settle("delivered", None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if not self.ended:
            self._drain()
            if kind is None:
                self._raise_failure()
        return False

    def _drain(self) -> None:
        """Lets it come to its end; whatever was given out and not settled is in doubt."""
        self.stop()
        self._native.settle("in_doubt", None)
        while self._summary is None:
            self.poll()

    def _raise_failure(self) -> None:
        stopped = self.summary.stopped
        if not self._raised and stopped is not None and stopped.kind in _RAISED:
            self._raised = True
            raise _RAISED[stopped.kind](stopped.message, stopped.kind)

    def _refuse_fork(self) -> None:
        if os.getpid() != self._process:
            raise RunError("A run cannot be used in a forked process. Start it there.", "forked")

    def __repr__(self) -> str:
        return f"RecoveryRun({self._run_id}, {'under way' if self._summary is None else self._summary.status})"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("A run is not pickled. Its summary is.")


class HandedBackError(Exception):
    """Why something was not handed over, in words that hold neither link nor code."""


def _moment(text: str) -> datetime:
    # Before Python 3.11 `fromisoformat` takes neither the Z nor every number of digits behind the second.
    whole, _, rest = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{rest[:6]:0<6}+00:00")


def _summary(values: dict[str, Any]) -> RecoverySummary:
    stopped = values.pop("stopped")
    return RecoverySummary(**values, stopped=None if stopped is None else Stopped(**stopped))
