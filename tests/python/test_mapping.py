"""What the columns of a source mean: the same by a mapping, a TOML file, a function, and on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from conftest import Run
from workos_importer import ConfigError, Importer, Sandbox, SourceError

HEADER = "Email Address;Vorname;Lieblingsfarbe\n"
TABLE = '[mapping]\n"Email Address" = "email"\nVorname = "first_name"\n'
NAMES = {"Email Address": "email", "Vorname": "first_name"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "users.csv"
    path.write_text(HEADER + "ada@example.com;Ada;green\n")
    return path


@pytest.mark.parametrize("form", ["mapping", "file", "function", "pyproject"])
def test_columns_get_their_meaning(tmp_path: Path, source: Path, form: str) -> None:
    toml = tmp_path / ("pyproject.toml" if form == "pyproject" else "columns.toml")
    toml.write_text(TABLE.replace("[mapping]", "[tool.workos-importer.mapping]") if form == "pyproject" else TABLE)
    mapping: Any = {"mapping": NAMES, "file": toml, "function": NAMES.get, "pyproject": str(toml)}[form]
    sandbox = Sandbox()
    importer = Importer(sandbox=sandbox, mapping=mapping, run_dir=tmp_path / "runs")
    assert importer.validate(source).ok and importer.dry_run(source).ok
    assert importer.plan(source).users.create == 1
    assert importer.run(source).wait().created == 1
    assert [user["first_name"] for user in sandbox.dump()["users"]] == ["Ada"]
    assert importer.verify(source).ok
    rows = [{"Email Address": "grace@example.com", "Vorname": "Grace"}, {"email": "x@example.com", "Vorname": "X"}]
    if form != "function":
        rows.pop()
    assert importer.validate(rows).ok
    assert importer.run(rows).wait().ok
    assert "Grace" in [user["first_name"] for user in sandbox.dump()["users"]]


def test_a_function_renames_the_columns_of_frames(tmp_path: Path) -> None:
    rows = [{"E-MAIL": "ada@example.com", "Vorname": "Ada"}, {"E-MAIL": "grace@example.com", "Vorname": "Grace"}]
    names = {"E-MAIL": "email", "Vorname": "first_name"}
    for frame in (pd.DataFrame(rows), pl.DataFrame(rows), pl.LazyFrame(rows), pa.Table.from_pylist(rows)):
        sandbox = Sandbox()
        importer = Importer(sandbox=sandbox, mapping=names.get, run_dir=tmp_path)
        assert importer.validate(frame).ok and importer.run(frame).wait().created == 2
        assert [user["first_name"] for user in sandbox.dump()["users"]] == ["Ada", "Grace"]
    reader = pa.Table.from_pylist(rows).to_reader(max_chunksize=1)
    assert Importer(sandbox=Sandbox(), mapping=names.get, run_dir=tmp_path).run(reader).wait().created == 2


def test_a_function_is_asked_once_for_each_column_of_rows_however_late_it_comes(tmp_path: Path) -> None:
    asked: list[str] = []

    def lower(name: str) -> str:
        asked.append(name)
        return name.lower()

    rows = [{"EMAIL": f"user{number}@example.com"} for number in range(1_200)]
    rows.append({"EMAIL": "last@example.com", "FIRST_NAME": "Last", "SIZE": "9"})
    sandbox = Sandbox(limits=False)
    summary = Importer(sandbox=sandbox, mapping=lower, run_dir=tmp_path).run(rows).wait()
    assert summary.created == 1_201 and asked == ["EMAIL", "FIRST_NAME", "SIZE"]
    assert [user["first_name"] for user in sandbox.dump()["users"] if user["email"][:4] == "last"] == ["Last"]


@pytest.mark.parametrize(
    ("mapping", "error", "message"),
    [
        (lambda _: 1, ConfigError, "must give a text or None"),
        (lambda _: "email", SourceError, "both mean `email`"),
    ],
)
def test_what_a_function_answers_wrongly_is_said(
    tmp_path: Path, source: Path, mapping: Callable[[str], Any], error: type[Exception], message: str
) -> None:
    importer = Importer(sandbox=Sandbox(), mapping=mapping, run_dir=tmp_path)
    for given in (source, [{"Mail": "ada@example.com", "Name": "Ada"}]):
        with pytest.raises(error, match=message):
            importer.validate(given)
        with pytest.raises(error, match=message):
            importer.run(given).wait()


def test_the_command_line_takes_the_same_file_and_flags_come_on_top(run: Run, tmp_path: Path, source: Path) -> None:
    (tmp_path / "columns.toml").write_text(TABLE)
    for given in (("validate",), ("import", "--sandbox"), ("import", "--dry-run")):
        done = run(*given, str(source), "--map-file", "columns.toml", "--map", "Lieblingsfarbe=last_name")
        assert (done.returncode, "Lieblingsfarbe" in done.stderr) == (0, False), done.stderr
    done = run("validate", str(source), "--map-file", "columns.toml")
    assert done.returncode == 0 and "Lieblingsfarbe" in done.stderr
    done = run("validate", str(source), "--map-file", "missing.toml")
    assert done.returncode == 2 and "Cannot read the mapping missing.toml" in done.stderr


def test_a_function_needs_a_source_that_can_be_read_twice(tmp_path: Path) -> None:
    importer = Importer(sandbox=Sandbox(), mapping=str.lower, run_dir=tmp_path)
    with pytest.raises(ConfigError, match="needs a file"):
        importer.validate("-")
    with pytest.raises(SourceError, match=r"missing\.csv"):
        importer.validate(tmp_path / "missing.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"E-Mail" = "email"\n', r"no table \[mapping\]"),
        ("[mapping]\nE-Mail = 1\n", "of texts"),
        ("[mapping]\nE Mail = 'email'\n", "is no TOML"),
    ],
)
def test_a_wrong_file_says_how_it_is_written(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "columns.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        Importer(sandbox=Sandbox(), mapping=path)
    assert caught.value.kind == "mapping"
    with pytest.raises(ConfigError, match="Cannot read the mapping"):
        Importer(sandbox=Sandbox(), mapping=tmp_path / "missing.toml")
    with pytest.raises(ConfigError, match="mapping must be"):
        Importer(sandbox=Sandbox(), mapping=3)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="texts to texts"):
        Importer(sandbox=Sandbox(), mapping={"E-Mail": 1})  # type: ignore[dict-item]
