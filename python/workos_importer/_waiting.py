"""Owns waiting for a run without blocking an event loop: its pulls in a thread of their own, under asyncio and Trio."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import ThreadPoolExecutor
    from contextlib import AbstractContextManager


class Pulls:
    """The pulls of one run, for a coroutine to wait for.

    `pull` is what pulls once, for a fraction of a second, and says whether that was the last time. It is given each
    time: a run must not be kept alive by its own parts.
    """

    def __init__(self) -> None:
        """Has no thread yet."""
        # Of its own, so that pulls never wait behind other work of the program.
        self._executor: ThreadPoolExecutor | None = None
        self._limiter: Any = None

    async def one(self, pull: Callable[[], bool]) -> bool:
        """Waits for one pull, and says what it says. If the wait is cancelled, the pull goes on: nothing is lost.

        Raises what the pull raises.
        """
        trio = _trio()
        if trio is not None:
            if self._limiter is None:
                self._limiter = trio.CapacityLimiter(1)
            return bool(await trio.to_thread.run_sync(pull, limiter=self._limiter))
        # Here, not above: who does not use asyncio does not pay for it.
        import asyncio
        from concurrent.futures import ThreadPoolExecutor

        if self._executor is None:
            self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="workos-importer")
        # By another name: of several tasks that wait for one run, the first that sees its end has taken it away.
        executor = self._executor
        ended = await asyncio.get_running_loop().run_in_executor(executor, pull)
        if ended:
            executor.shutdown(wait=False)
            self._executor = None
        return ended

    async def to_the_end(self, pull: Callable[[], bool], insist: Callable[[], None]) -> None:
        """Pulls until the run has ended, even if the task is cancelled. Each further cancellation calls `insist`.

        Raises the last one at the end: who cancels a task counts on that.
        """
        import asyncio

        cancelled: BaseException | None = None
        with _shield():
            ended = False
            while not ended:
                try:
                    ended = await self.one(pull)
                except (asyncio.CancelledError, KeyboardInterrupt) as error:
                    insist()
                    cancelled = error
        if cancelled is not None:
            raise cancelled


class Threads:
    """Threads for calls that wait, so that a coroutine can wait for them: up to 16 side by side.

    They end when nobody has this any more.
    """

    _MOST = 16

    def __init__(self) -> None:
        """Has no thread yet."""
        self._executor: ThreadPoolExecutor | None = None
        self._limiter: Any = None

    async def run(self, call: Callable[[], Any]) -> Any:
        """Waits for a call and gives what it gives. If the wait is cancelled, the call goes on."""
        trio = _trio()
        if trio is not None:
            if self._limiter is None:
                self._limiter = trio.CapacityLimiter(self._MOST)
            return await trio.to_thread.run_sync(call, limiter=self._limiter)
        import asyncio
        from concurrent.futures import ThreadPoolExecutor

        if self._executor is None:
            self._executor = ThreadPoolExecutor(max_workers=self._MOST, thread_name_prefix="workos-importer")
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    def __reduce__(self) -> tuple[object, ...]:
        return (Threads, ())


def _trio() -> Any:
    """Trio's module, if the caller is a task of Trio."""
    trio: Any = sys.modules.get("trio")
    return trio if trio is not None and trio.lowlevel.in_trio_task() else None


def _shield() -> AbstractContextManager[object]:
    """Keeps the cancellations of Trio and AnyIO away.

    A cancelled scope of theirs cancels whatever is awaited in it, again and again: nothing could end in order.
    """
    library: Any = _trio() or sys.modules.get("anyio")
    scope: AbstractContextManager[object] = nullcontext() if library is None else library.CancelScope(shield=True)
    return scope
