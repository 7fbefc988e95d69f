"""Owns how fast and in how much memory a file is checked: against the bare `csv` reader and against pandas."""

from __future__ import annotations

from measuring import COMMAND, EXAMPLES, Bench, python, run

PANDAS = "import sys, pandas; pandas.read_csv(sys.argv[1])"


def measure(bench: Bench) -> None:
    """Checks a million rows, and a hundredth and a tenth of them."""
    rows = 1_000_000
    path = bench.file(rows, 1_000)
    bare = run([EXAMPLES / "bare_csv", path], bench.folder)
    pandas = python(PANDAS, bench.folder, path)
    validated = {
        size: run([COMMAND, "validate", bench.file(size, size // 1_000), "--quiet"], bench.folder)
        for size in (rows // 100, rows // 10, rows)
    }
    whole = validated[rows]
    speed = bare.seconds / whole.seconds
    bench.add("`validate` of 1,000,000 rows, all rules", f"{rows / whole.seconds:,.0f} rows/s")
    bench.add("… speed against the bare `csv` reader", f"{speed:.2f}", "≥ 0.20", speed >= 0.2)
    bench.add("… speed against `pandas.read_csv`", f"{pandas.seconds / whole.seconds:.2f}")
    interpreter = python("pass", bench.folder)
    for size, measured in validated.items():
        bench.add(f"… peak memory, {size:,} rows", f"{measured.megabytes:.1f} MB")
    small = validated[rows // 100].megabytes
    more = whole.megabytes - small
    bench.add("… 1,000,000 rows against 10,000", f"{more:+.1f} MB", "≤ 10 % or 5 MB", more <= max(5, small / 10))
    over = whole.megabytes - interpreter.megabytes
    bench.add("… over the bare interpreter", f"{over:.1f} MB", "< 60 MB", over < 60)
