"""Owns Ctrl-C and SIGTERM during an import: the first lets what is in flight end, the second drops it."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from types import FrameType, TracebackType

    from typing_extensions import Self


#: What is said after the first one.
STOPPING = "Stopping: what is in flight ends, 20 s at most; press Ctrl-C again to stop at once"


class Stoppable(Protocol):
    """Something that is under way, and can be asked to stop."""

    def stop(self, *, now: bool = False) -> None:
        """Asks for a stop; with `now` what is in flight is dropped."""


class Interrupts:
    """Asks a run to stop when the process is asked to. Used in a `with` block."""

    def __init__(self, run: Stoppable, at_once: bool = False) -> None:
        """Takes the run that is to be stopped; `at_once`: it only reads, and what is in flight need not end."""
        self._run = run
        self._at_once = at_once
        self._before: dict[int, Any] = {}
        #: How often it was asked, and by which signal first.
        self.count = 0
        self.first: int | None = None

    def __enter__(self) -> Self:
        # Elsewhere signals belong to the program around this one.
        if threading.current_thread() is threading.main_thread():
            # SIGBREAK is Ctrl-Break on Windows.
            for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
                number = getattr(signal, name, None)
                if number is not None:
                    self._before[number] = signal.signal(number, self._asked)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def exit_code(self, code: int) -> int:
        """130 becomes 143 where it was not Ctrl-C."""
        return 143 if code == 130 and self.first == signal.SIGTERM else code

    def _asked(self, number: int, _: FrameType | None) -> None:
        # Prints nothing: it may come in the midst of printing.
        self.count += 1
        if self.first is None:
            self.first = number
        self._run.stop(now=self._at_once or self.count > 1)
