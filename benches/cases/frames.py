"""Owns how fast and in how much memory a frame is checked, against the same rows in a file."""

from __future__ import annotations

import json

from measuring import Bench, python

# Both in one process, so that neither pays for what is loaded once. What a first check allocates is not counted.
CHECK = """
import json, sys, threading, time
import polars as pl
from workos_importer import Importer

def resident():
    with open("/proc/self/statm") as told:
        return int(told.read().split()[1]) * 4096 / 1e6

def measured(source):
    before, most, done = resident(), [0.0], threading.Event()
    def watch():
        while not done.wait(0.005):
            most[0] = max(most[0], resident())
    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    report = importer.validate(source)
    seconds = time.perf_counter() - started
    done.set()
    watcher.join()
    assert report.ok and report.total == 1_000_000, report
    return seconds, most[0] - before

path, importer = sys.argv[1], Importer()
frame = pl.read_csv(path)
sources = {"file": path, "polars": frame, "lazy": frame.lazy()}
sources |= {"pyarrow": frame.to_arrow(), "pandas": frame.to_pandas()}
for source in sources.values():
    measured(source)
found = {name: [measured(source) for _ in range(3)] for name, source in sources.items()}
two = 2 * 20_000 * frame.estimated_size("mb") / len(frame)
print(json.dumps([{name: [min(one) for one in zip(*runs)] for name, runs in found.items()}, two]))
"""


def measure(bench: Bench) -> None:
    """Checks a million rows in a file, and the same rows in frames."""
    found, two_batches = json.loads(python(CHECK, bench.folder, bench.file(1_000_000, 1_000)).output)
    seconds, _ = found.pop("file")
    for name, (taken, more) in found.items():
        what = f"`validate` of 1,000,000 rows, {name}: time against the same rows in a file"
        if name == "polars":
            bench.add(what, f"{taken / seconds:.2f}", "≤ 1.30", taken <= 1.3 * seconds)
            said = f"{more:+.1f} MB, two batches are {two_batches:.1f} MB"
            bench.add("… memory beside the frame", said, "less than two batches", more < two_batches)
        else:
            bench.add(what, f"{taken / seconds:.2f}")
            bench.add("… memory beside the frame", f"{more:+.1f} MB")
