"""Owns runs under asyncio: nothing blocks the loop, a cancelled wait loses nothing, cancellation stops the run."""

from __future__ import annotations

import asyncio
import time

import pytest

from conftest import people
from workos_importer import Importer, RowResult, Sandbox


def slow(latency: float = 0.005) -> Importer:
    """An importer that sends one request at a time."""
    return Importer(sandbox=Sandbox(latency=latency, limits=False), concurrency=1)


def test_async_for(importer: Importer) -> None:
    async def work() -> list[RowResult]:
        return [result async for result in importer.run(people(300))]

    assert len(asyncio.run(work())) == 300


def test_await(importer: Importer) -> None:
    async def work() -> str:
        return (await importer.run(people(20))).status

    assert asyncio.run(work()) == "Success"


def test_the_loop_goes_on_meanwhile() -> None:
    async def work() -> float:
        run = asyncio.ensure_future(anext(slow(0.3).run(people(1))))
        longest = 0.0
        while not run.done():
            begun = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - begun)
        return longest

    assert asyncio.run(work()) < 0.2


def test_a_cancelled_wait_loses_no_result_and_stops_the_run() -> None:
    async def work() -> tuple[int, int, str]:
        run = slow().run(people(500))
        seen: list[RowResult] = []

        async def follow() -> None:
            async for result in run:
                seen.append(result)

        task = asyncio.create_task(follow())
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async for result in run:
            seen.append(result)
        numbers = {result.record_number for result in seen}
        assert len(numbers) == len(seen)
        return len(seen), run.summary.created, run.summary.status

    seen, created, status = asyncio.run(work())
    assert (seen, status) == (created, "Interrupted")
    assert 0 < seen < 500


def test_a_cancelled_await_ends_in_order() -> None:
    async def work() -> str:
        run = slow().run(people(500))

        async def wait() -> None:
            await run

        task = asyncio.create_task(wait())
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return run.summary.status

    assert asyncio.run(work()) == "Interrupted"


def test_leaving_the_block_stops_the_run() -> None:
    async def work() -> str:
        async with slow().run(people(500)) as run:
            async for _ in run:
                break
        return run.summary.status

    assert asyncio.run(work()) == "Interrupted"


def test_runs_side_by_side(importer: Importer) -> None:
    async def work() -> list[str]:
        runs = [importer.run(people(40)) for _ in range(8)]
        return [summary.status for summary in await asyncio.gather(*runs)]

    assert asyncio.run(work()) == ["Success"] * 8
