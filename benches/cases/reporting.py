"""Owns how long it takes to write the report on a large run, how large it is, and in how much memory."""

from __future__ import annotations

from measuring import COMMAND, Bench, importing, run, served


def measure(bench: Bench) -> None:
    """Of a run with many organizations, and rows that failed."""
    rows = 200_000 if bench.full else 20_000
    path = bench.file(rows, rows // 100)
    with served() as server:
        command = importing(path, server.url, bench.folder)
        run(command, bench.folder)
    folder = command[command.index("--run-dir") + 1]
    page = bench.folder / "report.html"
    written = run([COMMAND, "report", "latest", "--run-dir", folder, "--out", page], bench.folder)
    megabytes = page.stat().st_size / 1e6
    bench.add(f"`report` on {rows:,} rows", f"{written.seconds:.1f} s, {written.megabytes:.0f} MB of memory")
    bench.add("… size of the page", f"{megabytes:.2f} MB", "< 2 MB", megabytes < 2)
