"""Tables are read in batches, when rows are wanted, and never as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from conftest import python
from workos_importer import Importer

SCHEMA = pa.schema([("email", pa.string())])


def batch(number: int, rows: int = 100) -> pa.RecordBatch:
    """One of many batches."""
    return pa.record_batch({"email": [f"u{number}.{row}@example.com" for row in range(rows)]}, SCHEMA)


def test_batches_are_asked_for_as_they_are_wanted(importer: Importer) -> None:
    asked = []

    def batches() -> Iterator[pa.RecordBatch]:
        for number in range(1_000):
            asked.append(number)
            yield batch(number)

    with importer.run(pa.RecordBatchReader.from_batches(SCHEMA, batches())) as run:
        next(run)
        # What the engine reads ahead, and not the whole.
        assert len(asked) < 100
        run.stop()


def test_a_generator_behind_a_stream_may_wait_for_threads_of_python(importer: Importer) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        for number in range(5):
            # Another thread of Python has to run before the batch is there.
            with ThreadPoolExecutor(1) as threads:
                yield threads.submit(batch, number).result(20)

    class Stream:
        def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
            return pa.RecordBatchReader.from_batches(SCHEMA, batches()).__arrow_c_stream__()

    assert importer.validate(Stream()).total == 500
    assert importer.run(Stream()).wait().created == 500


def test_a_relation_may_read_frames_of_python_and_is_read_twice(importer: Importer) -> None:
    frame = pl.DataFrame({"email": [f"u{row}@example.com" for row in range(30_000)]})
    connection = duckdb.connect()
    connection.register("frame", frame.to_arrow())
    relation = connection.sql("SELECT * FROM frame WHERE email LIKE '%9@%'")
    # Strict reads twice: the first result is let go of before the second is asked for.
    strict = Importer(sandbox=importer._sandbox, strict=True)
    assert strict.run(relation).wait().created == 3_000
    assert importer.validate(relation).total == 3_000


@pytest.mark.parametrize("form", ["frame", "lazy", "scan"])
def test_memory_does_not_grow_with_the_table(form: str) -> None:
    code = """
import sys
import threading
import time
import polars as pl
from workos_importer import Importer, Sandbox

def resident():
    with open("/proc/self/statm") as told:
        return int(told.read().split()[1]) * 4096 / 1e6

rows = 400_000
frame = pl.select(number=pl.int_range(rows)).select(
    email=pl.format("user{}@example.com", "number"), first_name=pl.format("A rather long first name {}", "number"),
    external_id="number", email_verified=pl.col("number") % 2 == 0,
)
if sys.argv[1] == "scan":
    frame.write_parquet("users.parquet", row_group_size=20_000)
    size = frame.estimated_size("mb")
    frame = pl.scan_parquet("users.parquet")
else:
    size = frame.estimated_size("mb")
    frame = frame.lazy() if sys.argv[1] == "lazy" else frame
importer = Importer(sandbox=Sandbox(limits=False))
# What is loaded and allocated once.
importer.validate(frame.head(50_000))
before, most, done = resident(), [0.0], threading.Event()

def watch():
    while not done.wait(0.005):
        most[0] = max(most[0], resident())

watcher = threading.Thread(target=watch)
watcher.start()
report = importer.validate(frame)
done.set()
watcher.join()
assert report.total == rows, report
print(most[0] - before, size)
"""
    if not Path("/proc/self/statm").exists():
        pytest.skip("memory is told by /proc")
    done = python(code, form, timeout=110, POLARS_MAX_THREADS="2")
    assert done.returncode == 0, done.stderr
    more, size = map(float, done.stdout.split())
    # polars reads its own file ahead; of our own, it is a small part of the table.
    assert more < size * (1.5 if form == "scan" else 0.6), (more, size)
