"""What a run, a report, a plan and a verification say, as Arrow streams and data frames."""

from __future__ import annotations

import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from workos_importer import Importer, RunError, Sandbox, Table

ACME = {"org_external_id": "acme", "org_name": "Acme"}
ROWS: list[dict[str, Any]] = [
    {"email": "ada@example.com", "external_id": "1", **ACME, "role_slugs": "admin"},
    {"email": "no address", "external_id": "2", **ACME},
    {"email": "grace@example.com", "external_id": "3", **ACME},
]
OUTCOMES = ["created", "failed", "created"]


@pytest.fixture
def importer(tmp_path: Path) -> Importer:
    return Importer(sandbox=Sandbox(), run_dir=tmp_path / "runs", on_existing="update")


def test_results_are_the_same_as_mappings_and_in_every_kind_of_frame(importer: Importer) -> None:
    run = importer.run(ROWS)
    run.wait()
    lines = list(run.results())
    assert [line["outcome"] for line in lines] == OUTCOMES
    assert list(run.results()) == lines, "a table can be read again"

    pandas = run.results().to_pandas()
    assert pandas["outcome"].tolist() == OUTCOMES
    assert pandas["record_number"].dtype == "int64"
    assert pandas.astype(object).where(pandas.notna(), None).to_dict("records") == lines
    assert run.results().to_polars().to_dicts() == lines
    assert pa.table(run.results()).to_pylist() == lines
    assert pl.DataFrame(importer.results()).to_dicts() == lines
    query = "SELECT count(*) FROM results WHERE outcome = 'created'"
    counted = duckdb.from_arrow(run.results()).query("results", query)
    assert counted is not None and counted.fetchall() == [(2,)]


def test_results_join_the_frame_that_the_rows_come_from(importer: Importer) -> None:
    users = pd.DataFrame(ROWS)
    run = importer.run(users.to_dict("records"))
    run.wait()
    joined = users.merge(run.results().to_pandas(), on="external_id", suffixes=("", "_imported"))
    assert joined["outcome"].tolist() == OUTCOMES
    assert joined.loc[joined["outcome"] == "failed", "email"].tolist() == ["no address"]


def test_a_table_without_rows_keeps_its_columns_and_types(importer: Importer) -> None:
    report = importer.validate(ROWS[:1])
    assert not report.issues
    assert list(report.issues.to_pandas().columns) == report.issues.to_polars().columns
    assert report.issues.to_polars().schema["record_number"] == pl.Int64
    assert report.issues.to_pandas()["record_number"].dtype == "int64"
    assert pa.table(report.issues).num_rows == 0


def test_issues_stay_a_tuple_and_are_a_frame(importer: Importer) -> None:
    report = importer.validate(ROWS)
    assert isinstance(report.issues, tuple) and len(report.issues) == 1
    expected = {
        "severity": "error",
        "code": "invalid_email",
        "message": report.issues[0].message,
        "record_number": 2,
        "line": None,
        "column": "email",
        "record_id": None,
    }
    assert report.issues.to_polars().to_dicts() == [expected]
    pandas = report.issues.to_pandas()
    assert pandas["code"].tolist() == ["invalid_email"] and pandas["line"].isna().all()
    assert importer.dry_run(ROWS).issues.to_polars().to_dicts() == [expected]
    assert report.to_dict()["issues"] == ({**expected},)


def test_plans_and_verifications_are_frames(importer: Importer) -> None:
    plan = importer.plan(ROWS)
    assert plan.results().to_polars()["outcome"].to_list() == OUTCOMES
    assert plan.results().to_pandas()["user_id"].isna().all(), "nobody has an id yet"
    importer.run(ROWS).wait()
    verification = importer.verify(ROWS[:1], extra=True)
    rows = verification.rows().to_polars()
    assert rows["verdict"].to_list() == ["matches"] and rows.schema["fields"] == pl.List(pl.String)
    extra = verification.extra().to_polars()
    assert extra["user_id"].null_count() == 0 and extra["active"].to_list() == [True]
    assert verification.extra().to_pandas()["roles"].tolist() == [["member"]]
    changed = [{**ROWS[0], "role_slugs": "member"}]
    verification = importer.verify(changed)
    assert [row.fields for row in verification.rows("differs")] == [("roles",)]
    assert verification.rows("differs").to_pandas()["fields"].tolist() == [["roles"]]
    assert verification.rows("matches").to_polars().height == 0


def test_many_pages_come_in_order_and_one_by_one(importer: Importer) -> None:
    rows = [{"email": f"user{number}@example.com"} for number in range(1_200)]
    run = importer.run(rows)
    run.wait()
    reader = pa.RecordBatchReader.from_stream(run.results())
    batches = list(reader)
    assert [batch.num_rows for batch in batches] == [512, 512, 176]
    numbers = [number for batch in batches for number in batch.column("record_number").to_pylist()]
    assert numbers == list(range(1, 1_201))


def test_what_goes_wrong_while_a_stream_is_read_is_said() -> None:
    def pages() -> Any:
        yield [(1, "one")]
        raise RunError("The journal is gone.", "no_run")

    table: Table[Any] = Table((("record_number", "integer"), ("email", "text")), pages, tuple)
    with pytest.raises(pa.ArrowException, match=r"The journal is gone\."):
        pa.table(table)
    wrong: Table[Any] = Table((("record_number", "integer"),), lambda: iter([[("one",)]]), tuple)
    with pytest.raises(pa.ArrowException, match="int"):
        pa.table(wrong)
    assert repr(table) == "Table(record_number, email)"


def test_a_stream_that_nobody_reads_is_released() -> None:
    class Pages:
        def __iter__(self) -> Any:
            return self

        def __next__(self) -> Any:
            raise StopIteration

    pages = Pages()
    seen = weakref.ref(pages)
    capsule = Table((("email", "text"),), pages.__iter__, tuple).__arrow_c_stream__()
    del pages
    assert seen() is not None
    del capsule
    # What is released without the interpreter's lock is let go of with the next call into the package.
    Sandbox()
    assert seen() is None


def test_pandas_needs_no_pyarrow_and_what_is_missing_is_said(tmp_path: Path) -> None:
    program = """
import sys
sys.modules["pyarrow"] = None
sys.modules["polars"] = None
from workos_importer import ConfigError, Importer, Sandbox
run = Importer(sandbox=Sandbox(), run_dir=sys.argv[1]).run([{"email": "ada@example.com"}])
run.wait()
print(run.results().to_pandas()["outcome"].tolist())
try:
    run.results().to_polars()
except ConfigError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["['created']", "polars is not installed. Install it: pip install polars"]
