"""Owns what an import costs beside its requests: processor time, memory, and the time until one goes on."""

from __future__ import annotations

import signal
import subprocess
import time

from measuring import EXAMPLES, Bench, Server, environment, importing, run, served


def measure(bench: Bench) -> None:
    """Imports into a sandbox in another process."""
    _against_the_bare_client(bench)
    _memory(bench)
    _going_on(bench)


def _against_the_bare_client(bench: Bench) -> None:
    path = bench.file(20_000, 100)
    with served() as server:
        ours = run(importing(path, server.url, bench.folder), bench.folder)
        requests = server.counters()["total"]
    with served() as server:
        bare = run([EXAMPLES / "bare_http", server.url, path, "100"], bench.folder)
        answered = server.counters()["total"]
    ratio = (requests / ours.cpu_seconds) / (answered / bare.cpu_seconds)
    bench.add("`import`, 20,000 rows of two writes", f"{requests / ours.seconds:,.0f} requests/s")
    bench.add("… requests per CPU-second", f"{requests / ours.cpu_seconds:,.0f}")
    bench.add("… the bare `reqwest` client's", f"{answered / bare.cpu_seconds:,.0f}")
    bench.add("… ours against the bare client's", f"{ratio:.2f}", "≥ 0.50", ratio >= 0.5)


def _memory(bench: Bench) -> None:
    sizes = [10_000, 100_000] + ([1_000_000] if bench.full else [])
    held = {}
    for size in sizes:
        with served() as server:
            held[size] = run(importing(bench.file(size, size // 100), server.url, bench.folder), bench.folder)
        bench.add(f"`import` of {size:,} rows, peak memory", f"{held[size].megabytes:.1f} MB")
    small, large = held[sizes[0]].megabytes, held[sizes[-1]].megabytes
    holds = large - small <= max(5, small / 10)
    bench.add(f"… {sizes[-1]:,} rows against {sizes[0]:,}", f"{large - small:+.1f} MB", "≤ 10 % or 5 MB", holds)


def _going_on(bench: Bench) -> None:
    rows = 200_000
    path = bench.file(rows, 2_000)
    with served() as server:
        command = [str(part) for part in importing(path, server.url, bench.folder)]
        process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while server.counters()["total"] < rows:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        # What the kernel still has of the dead process arrives.
        before = _quiet(server)
        started = time.perf_counter()
        process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # The first call checks the key; the second one works.
        while server.counters()["total"] < before + 2:
            time.sleep(0.005)
        seconds = time.perf_counter() - started
        process.send_signal(signal.SIGKILL)
        process.wait()
    what = f"`import` of {rows:,} rows, killed at half: first new call"
    bench.add(what, f"{seconds:.2f} s after the start", "≤ 2 s", seconds <= 2)


def _quiet(server: Server) -> int:
    before = -1
    while (now := int(server.counters()["total"])) != before:
        before = now
        time.sleep(0.2)
    return before
