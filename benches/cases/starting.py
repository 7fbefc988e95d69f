"""Owns what it costs to begin: importing the package, the first screen of the command, taking results in Python."""

from __future__ import annotations

import statistics
from pathlib import Path

from measuring import COMMAND, PYTHON, Bench, python, run

ROUNDS = 15

ITERATING = """
import sys, time
from workos_importer import Importer, Sandbox
rows = [{"email": f"user{number}@example.com"} for number in range(20_000)]
importer = Importer(sandbox=Sandbox(limits=False))
run = importer.run(rows)
started = time.perf_counter()
if sys.argv[1] == "iterate":
    for result in run:
        result.record_number
else:
    run.wait()
print(time.perf_counter() - started)
"""


def measure(bench: Bench) -> None:
    """Medians of several starts."""
    bare = _median(bench, [PYTHON, "-c", "pass"])
    starts: list[tuple[str, list[str | Path], int]] = [
        ("`import workos_importer`", [PYTHON, "-c", "import workos_importer"], 30),
        ("`workos-importer --help`", [COMMAND, "--help"], 60),
    ]
    for what, command, goal in starts:
        over = (_median(bench, command) - bare) * 1000
        bench.add(f"{what}, over `python -c pass`", f"{over:.0f} ms", f"< {goal} ms", over < goal)
    times: dict[str, list[float]] = {"iterate": [], "wait": []}
    for _ in range(5):
        for how, taken in times.items():
            taken.append(float(python(ITERATING, bench.folder, how).output))
    slower = statistics.median(times["iterate"]) / statistics.median(times["wait"]) - 1
    what = "20,000 results taken in Python, against `wait()`"
    bench.add(what, f"{slower * 100:+.0f} %", "≤ 10 % slower", slower <= 0.1)


def _median(bench: Bench, command: list[str | Path]) -> float:
    return statistics.median(run(command, bench.folder).seconds for _ in range(ROUNDS))
