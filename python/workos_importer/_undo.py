"""Owns undoing a run as Python sees it: what it would do, how it goes, how it ended, and what it left."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from . import _native
from ._box import draw, duration
from ._exceptions import APIError, AuthError, ImporterError, JournalError, RunError
from ._results import Stopped, _Brief
from ._waiting import Pulls

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from ._box import Line

Reason = Literal[
    "signed_in",
    "changed",
    "other_memberships",
    "not_empty",
    "inferred",
    "updated",
    "refused",
    "in_doubt",
]

#: What each reason means.
REASONS: dict[str, str] = {
    "signed_in": "the user has signed in since",
    "changed": "changed by somebody else since",
    "other_memberships": "the user has memberships that are not the run's",
    "not_empty": "somebody is in the organization",
    "inferred": "not certain to be the run's: the API's answer was lost",
    "updated": "was there before; what the run changed is not changed back",
    "refused": "the API did not let it go",
    "in_doubt": "not known whether this run wrote it",
}

_BATCH = 512
_PATIENCE = 0.25
_RAISED: dict[str, type[ImporterError]] = {"auth": AuthError, "api": APIError, "journal": JournalError}

#: Kind, reason, how many.
_Counts = tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True, repr=False)
class Left(_Brief):
    """One object that undoing has left.

    >>> from workos_importer import Importer, Sandbox
    >>> importer = Importer(sandbox=(sandbox := Sandbox()))
    >>> [result] = importer.run([{"email": "ada@example.com"}])
    >>> signed_in = sandbox.sign_in(result.user_id)
    >>> [(left.name, left.reason) for left in importer.undo().wait().left]
    [('ada@example.com', 'signed_in')]
    """

    #: `user`, `membership` or `organization`.
    kind: str
    #: The row through which the run wrote it, or the first one that names it.
    record_number: int | None
    #: The user's email (also of a membership, where it is known), or the organization's `external_id:…`.
    name: str | None
    #: The WorkOS id; None where it is not known whether there is one.
    id: str | None
    reason: Reason
    #: The API's words, or the names of the fields that the run changed.
    note: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The parts as plain values, as `--json` prints them."""
        return asdict(self)

    def __str__(self) -> str:
        parts = [self.kind, *(part for part in (self.name, self.id) if part is not None)]
        if self.record_number is not None:
            parts.append(f"(record {self.record_number})")
        return f"{' '.join(parts)}: {self.reason}" + ("" if self.note is None else f": {self.note}")


@dataclass(frozen=True, slots=True, repr=False)
class UndoPlan(_Brief):
    """What undoing a run would do, as far as its journal knows. Counts are of objects.

    >>> from workos_importer import Importer, Sandbox
    >>> importer = Importer(sandbox=Sandbox())
    >>> importer.run([{"email": "ada@example.com"}]).wait().ok, importer.undo_plan().users
    (True, 1)
    """

    run_id: str
    #: As in `RunInfo`.
    source: str
    started_at: str
    target: str
    #: To be looked at, and deleted unless somebody uses them or has changed them.
    users: int
    memberships: int
    organizations: int
    #: Made by the run, and kept: `organizations=True` deletes those that are empty.
    organizations_kept: int
    #: What is left in any case, by kind and reason: `("user", "inferred", 3)`.
    left: _Counts

    @property
    def calls(self) -> int:
        """How many deletions are sent at most."""
        return self.users + self.memberships + self.organizations

    def to_dict(self) -> dict[str, Any]:
        """The parts as plain values, as `--json` prints them."""
        return asdict(self) | {"left": _counts_dict(self.left)}

    def lines(self) -> list[Line]:
        """What it says, line by line."""
        lines: list[Line] = [
            ("Users to delete", self.users),
            ("Memberships to delete", self.memberships),
            ("Organizations to delete", self.organizations),
        ]
        if self.organizations_kept:
            lines.append(("Organizations kept", self.organizations_kept))
        lines += [(f"Left, {kind}", f"{count} {reason} ({REASONS[reason]})") for kind, reason, count in self.left]
        return [*lines, ("Run", self.run_id)]

    def __str__(self) -> str:
        return draw(self.lines())

    def _repr_html_(self) -> str:
        from ._html import report

        return report("Undo plan", self.lines())


@dataclass(frozen=True, slots=True, repr=False)
class UndoSummary(_Brief):
    """How undoing a run ended. Counts are of objects, of all attempts together.

    >>> from workos_importer import Importer, Sandbox
    >>> importer = Importer(sandbox=Sandbox())
    >>> importer.run([{"email": "ada@example.com"}]).wait().ok, importer.undo().wait().users_deleted
    (True, 1)
    """

    run_id: str
    #: `Undone`, `Partly undone` (something is left), `Stopped`, `Interrupted` or `Failed`.
    status: str
    users_deleted: int
    memberships_deleted: int
    organizations_deleted: int
    #: Made by the run, and kept because nobody asked for their deletion.
    organizations_kept: int
    #: What is left, by kind and reason: `("user", "signed_in", 3)`.
    left_counts: _Counts
    #: Objects that were not reached.
    pending: int
    #: How many calls this attempt made, by name.
    api_calls: dict[str, int]
    duration_seconds: float
    stopped: Stopped | None
    #: What the command line exits with.
    exit_code: int
    folder: str

    @property
    def ok(self) -> bool:
        """Whether everything is gone that the run had made."""
        return self.exit_code == 0

    @property
    def left(self) -> Iterator[Left]:
        """What is left, in the order of the rows; read page by page from the run's folder.

        Raises `JournalError` if the journal cannot be read.
        """
        return left(self.folder)

    @property
    def left_total(self) -> int:
        """How many objects are left."""
        return sum(count for _, _, count in self.left_counts)

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain values, as `--json` prints them, without what is left one by one."""
        return asdict(self) | {"left_counts": _counts_dict(self.left_counts)}

    def lines(self) -> list[Line]:
        """What it says, line by line."""
        lines: list[Line] = [
            ("Status", self.status),
            ("Users deleted", self.users_deleted),
            ("Memberships deleted", self.memberships_deleted),
            ("Organizations deleted", self.organizations_deleted),
        ]
        if self.organizations_kept:
            lines.append(("Organizations kept", self.organizations_kept))
        lines += [(f"Left, {kind}", f"{count} {reason}") for kind, reason, count in self.left_counts]
        if self.pending:
            lines.append(("Pending", self.pending))
        return [
            *lines,
            ("Duration", duration(self.duration_seconds)),
            ("API calls", sum(self.api_calls.values())),
            ("Run", self.run_id),
        ]

    def __str__(self) -> str:
        return draw(self.lines())

    def _repr_html_(self) -> str:
        from ._html import report, sentence

        return report("Undo", self.lines(), sentence(None if self.stopped is None else self.stopped.message))


class UndoRun:
    """A run that is being undone. `wait()` (or `await`) gives the `UndoSummary`.

    Leaving a `with` block early stops it: what is in flight ends (20 s at most). Undoing the run again goes on.

    >>> from workos_importer import Importer, Sandbox
    >>> importer = Importer(sandbox=Sandbox())
    >>> ok = importer.run([{"email": "ada@example.com"}]).wait().ok
    >>> with importer.undo() as undoing:
    ...     print(undoing.wait().status)
    Undone
    """

    def __init__(self, native: _native.Undoing) -> None:
        """Made by `Importer.undo`."""
        self._native = native
        self._process = os.getpid()
        self._run_id, self._folder = native.place()
        self._summary: UndoSummary | None = None
        self._raised = False
        self._pulls = Pulls()

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._run_id

    @property
    def summary(self) -> UndoSummary:
        """The figures. Raises `RunError` (`not_ended`) while it is under way."""
        if self._summary is None:
            raise RunError("Undoing has not ended yet. Call wait().", "not_ended")
        return self._summary

    @property
    def ended(self) -> bool:
        """Whether it is over and its summary is there."""
        return self._summary is not None

    @property
    def progress(self) -> tuple[int, int]:
        """Objects that are deleted or left so far, and all of them."""
        self._refuse_fork()
        return self._native.progress()

    def stop(self, *, now: bool = False) -> None:
        """Asks for a stop, and returns at once: nothing further is begun, and what is in flight ends, or is dropped."""
        self._refuse_fork()
        self._native.halt(now)

    def wait(self) -> UndoSummary:
        """Blocks until it is over. Ctrl-C stops it cleanly and raises KeyboardInterrupt.

        Raises `AuthError`, `APIError` and `JournalError` for what ends it as a whole; undoing again goes on.
        """
        try:
            while self._summary is None:
                self.poll()
        except (KeyboardInterrupt, SystemExit):
            self._drain()
            raise
        self._raise_failure()
        return self.summary

    def poll(self, timeout: float = _PATIENCE) -> bool:
        """Waits `timeout` seconds at most; whether it is over. Raises nothing about the run."""
        self._refuse_fork()
        if self._summary is None:
            values = self._native.poll(timeout)
            _native.drain_logs()
            if values is not None:
                self._summary = _summary(values)
        return self._summary is not None

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

    def __await__(self) -> Generator[Any, None, UndoSummary]:
        return self._wait_async().__await__()

    async def _wait_async(self) -> UndoSummary:
        self._refuse_fork()
        try:
            while not await self._pulls.one(self.poll):
                pass
        except GeneratorExit:
            self._native.halt(False)
            raise
        except BaseException:
            self._native.halt(False)
            await self._pulls.to_the_end(self.poll, lambda: self._native.halt(True))
            raise
        self._raise_failure()
        return self.summary

    def _drain(self) -> None:
        """Lets what is in flight end; a second Ctrl-C drops it."""
        self._native.halt(False)
        while self._summary is None:
            try:
                self.poll()
            except KeyboardInterrupt:
                self._native.halt(True)

    def _raise_failure(self) -> None:
        stopped = self.summary.stopped
        if not self._raised and stopped is not None and stopped.kind in _RAISED:
            self._raised = True
            raise _RAISED[stopped.kind](stopped.message, stopped.kind)

    def _refuse_fork(self) -> None:
        if os.getpid() != self._process:
            raise RunError("A run cannot be used in a forked process. Start it there.", "forked")

    def __repr__(self) -> str:
        return f"UndoRun({self._run_id}, {'under way' if self._summary is None else self._summary.status})"

    def _repr_html_(self) -> str:
        if self._summary is not None:
            return self._summary._repr_html_()
        from ._html import report

        ended, total = self.progress
        return report("Undo", [("Status", "Under way"), ("Objects", f"{ended}/{total}"), ("Run", self._run_id)])

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("A run is not pickled. Its summary is.")


def plan(values: dict[str, Any]) -> UndoPlan:
    """A plan, from the native module's values."""
    return UndoPlan(**values | {"left": tuple(values["left"])})


def left(folder: str) -> Iterator[Left]:
    """What undoing the run in this folder has left."""
    after = 0
    while True:
        after, page = _native.undo_left(folder, after, _BATCH)
        if not page:
            return
        for kind, record, name, identifier, reason, note in page:
            yield Left(kind, record, name, identifier, reason, note)  # type: ignore[arg-type]  # the words are the same


def _summary(values: dict[str, Any]) -> UndoSummary:
    stopped = values.pop("stopped")
    counts = tuple(values.pop("left_counts"))
    return UndoSummary(**values, left_counts=counts, stopped=None if stopped is None else Stopped(**stopped))


def _counts_dict(counts: _Counts) -> list[dict[str, Any]]:
    return [{"kind": kind, "reason": reason, "count": count} for kind, reason, count in counts]
