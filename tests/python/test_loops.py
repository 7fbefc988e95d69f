"""Owns runs in event loops of other makers: uvloop, AnyIO's scopes, Trio; and what has no `await` of its own."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from typing import Any, Literal

import anyio
import pytest
import trio

from conftest import people
from workos_importer import Importer, ImportRun, RowResult, Sandbox, Summary

Backend = Literal["asyncio", "trio"]


def slow(latency: float = 0.005) -> Importer:
    """An importer that sends one request at a time."""
    return Importer(sandbox=Sandbox(latency=latency, limits=False), concurrency=1)


async def rows_of(run: ImportRun) -> list[RowResult]:
    """All results."""
    return [result async for result in run]


def in_uvloop(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Runs a coroutine on uvloop."""
    return pytest.importorskip("uvloop").run(work())


def in_anyio(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Runs a coroutine in AnyIO on asyncio."""
    return anyio.run(work)


LOOPS = [in_uvloop, in_anyio, trio.run]


@pytest.mark.skipif(os.name == "nt", reason="uvloop is not for Windows")
@pytest.mark.parametrize("loop", LOOPS)
def test_results_and_summaries(loop: Callable[..., Any], importer: Importer) -> None:
    async def work() -> tuple[int, Summary]:
        seen = await rows_of(importer.run(people(300)))
        return len(seen), await importer.run(people(20))

    count, summary = loop(work)
    assert (count, summary.status, summary.unchanged) == (300, "Success", 20)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_runs_side_by_side_in_a_task_group(backend: Backend, importer: Importer) -> None:
    async def work() -> list[str]:
        said: list[str] = []

        async def one() -> None:
            said.append((await importer.run(people(40))).status)

        async with anyio.create_task_group() as group:
            for _ in range(6):
                group.start_soon(one)
        return said

    assert anyio.run(work, backend=backend) == ["Success"] * 6


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_several_tasks_share_the_results_of_one_run(backend: Backend) -> None:
    async def work() -> list[int]:
        run = Importer(sandbox=Sandbox(latency=0.002, limits=False)).run(people(300))
        seen: list[int] = []

        async def take() -> None:
            async for result in run:
                seen.append(result.record_number)
                await anyio.sleep(0)

        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(take)
        return seen

    assert sorted(anyio.run(work, backend=backend)) == list(range(1, 301))


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_loop_goes_on_meanwhile(backend: Backend) -> None:
    async def work() -> float:
        longest = 0.0
        ended = anyio.Event()

        async def wait() -> None:
            await slow(0.3).run(people(2))
            ended.set()

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            while not ended.is_set():
                begun = time.monotonic()
                await anyio.sleep(0.01)
                longest = max(longest, time.monotonic() - begun)
        return longest

    assert anyio.run(work, backend=backend) < 0.2


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancelled_scope_stops_the_run_in_order_and_loses_nothing(backend: Backend) -> None:
    """What is in flight ends, though such a scope cancels again and again: nothing is left in doubt."""
    sandbox = Sandbox(latency=0.3, limits=False)
    importer = Importer(sandbox=sandbox, concurrency=4)

    async def work() -> tuple[int, Summary, float]:
        seen = []
        begun = time.monotonic()
        with anyio.move_on_after(1.0):
            async with importer.run(people(60)) as run:
                async for result in run:
                    seen.append(result)
        took = time.monotonic() - begun
        seen += [result async for result in run]
        return len(seen), run.summary, took

    # As processor time shows whether it was waited for, or asked again and again.
    spent = time.process_time()
    count, summary, took = anyio.run(work, backend=backend)
    spent = time.process_time() - spent
    assert summary.status == "Interrupted" and 0 < summary.created < 60
    assert count == summary.created == len(sandbox.dump()["users"])
    # What is dropped counts as failed or in doubt; what has ended does not.
    assert summary.failed == 0 and took < 5
    assert spent < 1.5
    again = importer.run(people(60)).wait()
    assert (again.status, again.created + again.unchanged, again.inferred) == ("Success", 60, 0)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancelled_await_of_a_scope_ends_in_order(backend: Backend) -> None:
    sandbox = Sandbox(latency=0.2, limits=False)

    async def work() -> Summary:
        run = Importer(sandbox=sandbox, concurrency=2).run(people(200))
        with anyio.move_on_after(0.7) as scope:
            await run
        assert scope.cancelled_caught
        return run.summary

    summary = anyio.run(work, backend=backend)
    assert summary.status == "Interrupted"
    assert summary.created == len(sandbox.dump()["users"])


def test_a_task_that_is_cancelled_while_it_leaves_its_block_is_cancelled() -> None:
    """Whoever cancels it counts on that: a timeout around the block, a task group."""

    async def work() -> tuple[bool, ImportRun]:
        run = slow(0.5).run(people(200))

        async def leave() -> None:
            async with run:
                async for _ in run:
                    break

        task = asyncio.create_task(leave())
        while not run.progress.ended:
            await asyncio.sleep(0.01)
        # It waits for what is in flight, which takes half a second.
        await asyncio.sleep(0.3)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled(), run

    cancelled, run = asyncio.run(work())
    assert cancelled and run.summary.status == "Interrupted"


def test_going_on_after_a_cancelled_wait_does_not_block_the_loop() -> None:
    """The pull of the cancelled wait is still under way then."""

    async def work() -> float:
        sandbox = Sandbox(latency=1.0, limits=False)
        run = Importer(sandbox=sandbox, concurrency=1).run(people(5))
        # Until something is in flight, which a run that is asked to stop waits for.
        while sandbox.counters()["total"] < 2:
            run.poll(0.05)
        longest = 0.0
        for _ in range(8):
            begun = time.monotonic()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(anext(run), 0.05)
            longest = max(longest, time.monotonic() - begun)
        await run
        return longest

    assert asyncio.run(work()) < 0.15


def test_checks_plans_and_verifications_in_a_thread(importer: Importer) -> None:
    """As the documentation says: what has no `await` of its own goes into a thread and leaves the loop free."""
    rows = people(2_000)

    async def work() -> tuple[bool, bool, bool, float]:
        longest = 0.0

        async def beat() -> None:
            nonlocal longest
            while True:
                begun = time.monotonic()
                await asyncio.sleep(0.01)
                longest = max(longest, time.monotonic() - begun)

        beating = asyncio.create_task(beat())
        report = await asyncio.to_thread(importer.validate, rows)
        plan = await asyncio.to_thread(importer.plan, rows)
        summary = await importer.run(rows)
        verified = await asyncio.to_thread(importer.verify, rows)
        undone = await importer.undo()
        beating.cancel()
        assert undone.users_deleted == summary.created == 2_000
        return report.ok, plan.ok, verified.ok, longest

    *well, longest = asyncio.run(work())
    assert well == [True, True, True]
    assert longest < 0.5


def test_a_plan_in_a_thread_can_be_stopped() -> None:
    importer = Importer(sandbox=Sandbox(latency=0.2, limits=False), concurrency=1)

    async def work() -> float:
        under_way: list[ImportRun] = []
        task = asyncio.create_task(asyncio.to_thread(importer.plan, people(2_000), on_start=under_way.append))
        while not under_way:
            await asyncio.sleep(0.01)
        begun = time.monotonic()
        under_way[0].stop(now=True)
        await asyncio.wait([task])
        assert getattr(task.exception(), "kind", None) == "not_ended"
        return time.monotonic() - begun

    assert asyncio.run(work()) < 2


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancelled_undo_ends_in_order(backend: Backend) -> None:
    sandbox = Sandbox(latency=0.1, limits=False)
    importer = Importer(sandbox=sandbox, concurrency=4)
    importer.run(people(30)).wait()

    async def work() -> tuple[int, int]:
        undoing = importer.undo()
        with anyio.move_on_after(0.5):
            await undoing
        return undoing.summary.users_deleted, undoing.summary.pending

    deleted, pending = anyio.run(work, backend=backend)
    assert deleted + pending == 30 and deleted < 30
    assert len(sandbox.dump()["users"]) == pending
    assert importer.undo().wait().users_deleted == 30
