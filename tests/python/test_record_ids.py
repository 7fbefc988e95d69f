"""What the source calls each row (`record_id=`): beside the record number in issues, results, files and messages."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from conftest import MULTI, write
from frames import FORMS, Table
from workos_importer import ConfigError, Importer, RowsFailedError, Sandbox, SourceError

TABLE: Table = {
    "email": ["ada@example.com", "broken", "cyd@example.com"],
    "crm_id": ["A-15", "A-17", "A-19"],
    "email_verified": ["yes", "no", "perhaps"],
}


@pytest.mark.parametrize("form", FORMS)
def test_issues_and_results_of_every_form_have_it(form: str, importer: Importer) -> None:
    make = FORMS[form]
    report = importer.validate(make(TABLE), record_id="crm_id")
    assert [(issue.record_number, issue.record_id) for issue in report.issues] == [(2, "A-17"), (3, "A-19")]
    assert str(report.issues[0]).startswith("record 2 (id A-17), column email: ")
    run = importer.run(make(TABLE), record_id="crm_id")
    results = sorted(run, key=lambda result: result.record_number)
    assert [result.record_id for result in results] == TABLE["crm_id"]
    assert [line["record_id"] for line in run.results()] == TABLE["crm_id"]
    assert [row.record_id for row in importer.verify(make(TABLE), record_id="crm_id").rows()] == TABLE["crm_id"]
    with pytest.raises(RowsFailedError, match=r"2 \(id A-17\) broken: "):
        run.summary.raise_for_failures()


def test_without_it_nothing_is_said_or_kept(importer: Importer, folder: Path) -> None:
    importer = Importer(sandbox=importer._sandbox, results_out=folder / "all.csv")
    run = importer.run(FORMS["polars"](TABLE))
    assert {result.record_id for result in run} == {None}
    assert {line["record_id"] for line in run.results()} == {None}
    (unknown,) = [issue for issue in run.warnings if issue.record_number is None]
    assert "`crm_id`" in unknown.message
    assert "record_id" not in (folder / "all.csv").read_text()


@pytest.mark.parametrize("name", ["index", "crm"])
@pytest.mark.parametrize("dtype", ["str", "object"])
def test_the_index_of_a_pandas_frame(name: str, dtype: str, sandbox: Sandbox, importer: Importer) -> None:
    # Objects are read in another way than texts.
    emails = pd.Series(["ada@example.com", None, "broken"], dtype=dtype)
    frame = pd.DataFrame({"email": emails, "first_name": ["Ada", "Bob", "Cyd"]}).set_axis([7, 8, 9])
    frame.index.name = None if name == "index" else name
    report = importer.validate(frame, record_id=name)
    assert [issue.record_id for issue in report.issues] == ["8", "9"]
    first = importer.run(frame, record_id=name)
    assert sorted(result.record_id or "" for result in first) == ["7", "8", "9"]
    # The run knows what its rows are called by.
    again = importer.retry(source=frame)
    assert sorted(result.record_id or "" for result in again) == ["8", "9"]
    assert [line["record_id"] for line in again.results()] == ["7", "8", "9"]
    assert len(sandbox.dump()["users"]) == 1


def test_results_go_back_to_the_frame_in_one_line(importer: Importer) -> None:
    frame = pl.DataFrame(TABLE)
    run = importer.run(frame, record_id="crm_id")
    run.wait()
    joined = frame.join(pl.DataFrame(list(run.results())), left_on="crm_id", right_on="record_id")
    assert joined["outcome"].to_list() == ["created", "failed", "failed"]


@pytest.mark.parametrize("ending", ["csv", "json", "jsonl"])
def test_files_have_it(ending: str, folder: Path, sandbox: Sandbox) -> None:
    results, errors = folder / f"results.{ending}", folder / f"errors.{ending}"
    importer = Importer(sandbox=sandbox, results_out=results, errors_out=errors)
    importer.run(FORMS["mappings"](TABLE), record_id="crm_id").wait()
    assert [line["record_id"] for line in lines(results)] == TABLE["crm_id"]
    if ending != "csv":
        assert [line["recordId"] for line in lines(errors)] == ["A-17", "A-19"]


def lines(path: Path) -> list[dict[str, Any]]:
    """What is in a file of rows."""
    text = path.read_text("utf-8")
    if path.suffix == ".csv":
        return list(csv.DictReader(text.splitlines()))
    if path.suffix == ".json":
        found: list[dict[str, Any]] = json.loads(text)
        return found
    return [json.loads(line) for line in text.splitlines()]


def test_files_have_columns_of_their_own_too_and_any_number_is_one(folder: Path, importer: Importer) -> None:
    path = write(folder / "users.csv", MULTI[: MULTI.index("user4@")])
    results = importer.run(path, record_id="Last Name")
    assert {result.record_id for result in results} == {"Last0", "Last1", "Last2", "Last3"}
    numbered: list[dict[str, Any]] = [{"email": "n@example.com", "key": 1.0}, {"email": "m@example.com", "key": None}]
    ids = sorted(str(result.record_id) for result in importer.run(numbered, record_id="key"))
    assert ids == ["1", "None"]


def test_a_run_with_it_is_another_run_than_one_without(folder: Path, importer: Importer) -> None:
    path = write(folder / "users.csv", MULTI)
    plain = importer.run(path).wait()
    called = importer.run(path, record_id="email").wait()
    assert called.run_id != plain.run_id
    assert importer.run(path, record_id="email").wait().run_id == called.run_id


def test_columns_that_are_not_there_or_secret_are_refused(importer: Importer) -> None:
    rows = [{"email": "a@example.com", "crm_id": "1", "password": "hunter2"}]
    with pytest.raises(ConfigError, match=r"`crm_ip`, which is not there\. Did you mean `crm_id`"):
        importer.validate(rows, record_id="crm_ip")
    with pytest.raises(ConfigError, match="secrets"):
        importer.validate(rows, record_id="password")
    with pytest.raises(SourceError, match="secrets"):
        importer.run(rows, record_id="password").wait()
    for wrong in ("", 5):
        with pytest.raises(ConfigError, match="name of a column"):
            importer.run(rows, record_id=wrong)  # type: ignore[arg-type]


def test_what_is_no_plain_line_is_shown_as_one(importer: Importer) -> None:
    rows = [{"email": "broken", "crm_id": "1\n\x1b[2J" + "x" * 99}]
    (issue,) = importer.validate(rows, record_id="crm_id").issues
    assert "\n" not in str(issue) and "\x1b" not in str(issue) and len(str(issue)) < 300
