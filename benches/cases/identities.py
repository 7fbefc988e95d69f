"""Owns what an import of identities into Kratos costs: calls, processor time against the bare client, memory."""

from __future__ import annotations

import json
import time
from pathlib import Path

from measuring import COMMAND, EXAMPLES, Bench, run, served_kratos

ROWS = 10_000
PASSWORD = "TempPass123!"


def measure(bench: Bench) -> None:
    """Imports into a sandbox in another process, which hashes nothing."""
    _calls(bench)
    _against_the_bare_client(bench)
    _memory(bench)


def _command(path: Path, url: str, folder: Path, *flags: str) -> list[str | Path]:
    command: list[str | Path] = [COMMAND, "import", path, "--target", "kratos", "--quiet", "--base-url", url]
    return [*command, "--run-dir", folder / f"runs-{time.monotonic_ns()}", *flags]


def _calls(bench: Bench) -> None:
    plain = bench.folder / "passwords.csv"
    header, *rows = bench.file(ROWS).read_text("utf-8").splitlines()
    lines = [f"{header},initial_password", *(f"{row},{PASSWORD}" for row in rows)]
    plain.write_text("\n".join(lines) + "\n", "utf-8")
    for what, path, most in (("", bench.file(ROWS), 12), (" with passwords", plain, 60)):
        with served_kratos() as server:
            document = json.loads(run(_command(path, server.url, bench.folder, "--json"), bench.folder).output)
        assert document["created"] == ROWS
        calls = document["api_calls"]["create identities"]
        bench.add(f"Kratos, {ROWS:,} identities{what}: calls", f"{calls}", f"≤ {most}", calls <= most)


def _against_the_bare_client(bench: Bench) -> None:
    path = bench.file(100_000)
    with served_kratos() as server:
        ours = run(_command(path, server.url, bench.folder), bench.folder)
    with served_kratos() as server:
        bare = run([EXAMPLES / "bare_batches", server.url, path], bench.folder)
    assert int(bare.output) == 100_000
    ratio = bare.cpu_seconds / ours.cpu_seconds
    bench.add("Kratos, `import` of 100,000 identities", f"{100_000 / ours.seconds:,.0f} identities/s")
    bench.add("… identities per CPU-second", f"{100_000 / ours.cpu_seconds:,.0f}")
    bench.add("… the bare `reqwest` client's, which keeps no record of anybody", f"{100_000 / bare.cpu_seconds:,.0f}")
    bench.add("… ours against the bare client's", f"{ratio:.2f}")


def _memory(bench: Bench) -> None:
    sizes = [10_000, 100_000] + ([1_000_000] if bench.full else [])
    held = {}
    for size in sizes:
        with served_kratos() as server:
            held[size] = run(_command(bench.file(size), server.url, bench.folder), bench.folder).megabytes
        bench.add(f"Kratos, `import` of {size:,} identities, peak memory", f"{held[size]:.1f} MB")
    more = held[sizes[-1]] - held[sizes[0]]
    holds = more <= max(5, held[sizes[0]] / 10)
    bench.add(f"… {sizes[-1]:,} identities against {sizes[0]:,}", f"{more:+.1f} MB", "≤ 10 % or 5 MB", holds)
