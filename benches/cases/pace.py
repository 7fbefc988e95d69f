"""Owns how much of the documented limits is used, and that they are never exceeded: 500 writes in 10 s, 20 to 400 ms of
latency, a server that refuses whatever is over a limit in any sliding or fixed window.

Two yardsticks: the documented limit, and the safe bound, which is what a client can reach that never risks a refusal:
it uses a slot again one period and the request's own latency later, since the server may have counted it at the last
moment.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from measuring import COMMAND, EXAMPLES, Bench, run, served

LATENCY = (0.02, 0.4)
COUNT, PERIOD = 500, 10.0
MEAN = sum(LATENCY) / 2


def measure(bench: Bench) -> None:
    """In virtual time by the engine, and in real time by the installed command."""
    _at_once(bench)
    for rows in (5_000, 100_000, *([1_000_000] if bench.full else [])):
        _virtual(bench, rows)
    _real(bench)


def _run(bench: Bench, rows: int, organizations: int) -> dict[str, Any]:
    done = run([EXAMPLES / "pace", str(rows), str(organizations)], bench.folder)
    found: dict[str, Any] = json.loads(done.output)
    return found


def _at_once(bench: Bench) -> None:
    for users, rows, organizations in (("400 users", 400, 0), ("200 users with memberships", 200, 5)):
        found = _run(bench, rows, organizations)
        seconds, trips = found["virtual_seconds"], found["round_trips"]
        # 400 writes, 100 in flight at most: four round trips, one before them to check the key.
        holds = trips <= 8 and found["refused"] == 0
        what = f"pace, virtual time: {users}, {found['writes']} writes that fit one window"
        bench.add(what, f"{seconds:.1f} s, {trips:.1f} mean round trips", "≤ 8", holds)


def _virtual(bench: Bench, rows: int) -> None:
    # Once a million users, else with memberships: as many writes are twice as many rows.
    found = _run(bench, rows, 0 if rows >= 1_000_000 else rows // 100)
    writes, seconds = found["writes"], found["virtual_seconds"]
    bench.add(f"pace, virtual time: {rows:,} rows, {writes:,} writes", f"{seconds:,.0f} s")
    _shares(bench, found["of_the_limit"], found["of_the_safe_bound"], 0.99)
    _refusals(bench, found["refused"], found["most_in_a_window"])


def _real(bench: Bench) -> None:
    """Sixty seconds of real time and a little more, through sockets."""
    rows, organizations = 1_530, 15
    path = bench.file(rows, organizations)
    with served(limits=True, strict_limits=True, latency=LATENCY) as server:
        command: list[str | Path] = [COMMAND, "import", path, "--quiet", "--json", "--base-url", server.url]
        done = run([*command, "--run-dir", bench.folder / "pace"], bench.folder)
        counters = server.counters()
    summary = json.loads(done.output)
    seconds, writes = summary["duration_seconds"], sum(counters["writes_by_second"])
    if summary["created"] != rows or writes != 2 * rows:
        raise SystemExit(f"not what was to be measured: {summary}")
    rate = writes / seconds
    bench.add(
        f"pace, real time: `import` of {rows:,} rows, {writes:,} writes", f"{seconds:.1f} s", "≥ 60 s", seconds >= 60
    )
    _shares(bench, rate / (COUNT / PERIOD), rate / (COUNT / (PERIOD + MEAN)), 0.97)
    _refusals(bench, counters["refused_by_limit"], counters["most_writes_in_ten_seconds"])


def _shares(bench: Bench, of_the_limit: float, of_the_safe_bound: float, goal: float) -> None:
    bench.add("… of the documented limit", f"{of_the_limit:.3f}")
    bench.add("… of the safe bound", f"{of_the_safe_bound:.3f}", f"≥ {goal}", of_the_safe_bound >= goal)


def _refusals(bench: Bench, refused: int, most: int) -> None:
    holds = refused == 0 and most <= COUNT
    bench.add("… refused; most in any 10 s", f"{refused}; {most}", f"0; ≤ {COUNT}", holds)
