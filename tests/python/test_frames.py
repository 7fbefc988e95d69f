"""Tables of pandas, polars, pyarrow and DuckDB as sources: each kind, each type, what cannot be used."""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from conftest import python
from frames import FORMS, ONCE, Exporter, Table, as_csv
from workos_importer import Importer, Sandbox, SourceChangedError, SourceError

PEOPLE: Table = {
    "email": ["ada@example.com", "bob@example.com", "cyd@example.com", "dan@example.com"],
    "first_name": ["Ada", None, "Čyd", ""],
    "external_id": [1042, 1043, None, 1045],
    "email_verified": [True, None, False, True],
    "org_external_id": ["acme", "acme", "beta", None],
    "org_name": ["Acme", None, "Beta", None],
    "role_slugs": [["admin", "member"], [], None, None],
    "metadata": [{"team": "a"}, None, {"team": "b"}, None],
}


def imported(sandbox: Sandbox) -> list[tuple[Any, ...]]:
    """What there is in the sandbox, by email."""
    users = sandbox.dump()["users"]
    fields = ("email", "first_name", "external_id", "email_verified", "metadata")
    return sorted((tuple(user.get(field) for field in fields) for user in users), key=str)


def roles(sandbox: Sandbox) -> list[list[str]]:
    """The roles of each membership."""
    found = [membership["roles"] for membership in sandbox.dump()["organization_memberships"]]
    return sorted(sorted(role["slug"] for role in one) for one in found)


def sandboxed() -> Sandbox:
    """An environment in which the rows of these tests have their roles."""
    return Sandbox(limits=False)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_checked_and_imported_alike(form: str, folder: Path) -> None:
    make = FORMS[form]
    expected = sandboxed()
    assert Importer(sandbox=expected, run_dir=folder / "file").run(as_csv(PEOPLE, folder / "a.csv")).wait().created == 4
    found = sandboxed()
    importer = Importer(sandbox=found)
    report = importer.validate(make(PEOPLE))
    assert (report.total, report.failed, report.users, report.organizations) == (4, 0, 4, 2), report.issues
    assert not report.issues
    assert importer.dry_run(make(PEOPLE)).would_import == 4
    assert importer.plan(make(PEOPLE)).users.create == 4
    summary = importer.run(make(PEOPLE)).wait()
    assert (summary.created, summary.failed, summary.mode) == (4, 0, "multi-org")
    assert imported(found) == imported(expected)
    assert roles(found) == roles(expected)
    assert importer.verify(make(PEOPLE)).ok


@pytest.mark.parametrize("form", FORMS)
def test_a_run_goes_on_with_the_same_table_and_refuses_another(form: str, importer: Importer) -> None:
    table: Table = {"email": [*(f"u{number}@example.com" for number in range(9)), "broken"]}
    make = FORMS[form]
    first = importer.run(make(table), run_id="nightly").wait()
    assert (first.created, first.failed) == (9, 1)
    again = importer.run(make(table), run_id="nightly").wait()
    assert (again.run_id, again.total, again.failed) == (first.run_id, 10, 1)
    assert importer.retry(source=make(table)).wait().failed == 1
    table["email"][3] = "somebody.else@example.com"
    with pytest.raises(SourceChangedError):
        importer.resume(source=make(table)).wait()


@pytest.mark.parametrize("form", FORMS)
def test_rows_that_wait_for_others_are_read_again_where_that_is_possible(form: str, importer: Importer) -> None:
    table: Table = {
        "email": ["a@example.com", "b@example.com"],
        "org_external_id": ["acme", "acme"],
        "org_name": [None, "Acme"],
    }
    summary = importer.run(FORMS[form](table)).wait()
    assert summary.failed == (1 if form in ONCE else 0)


TEXT = "1042"
TYPES: dict[str, tuple[Any, str | None]] = {
    **{f"{kind}": (pa.array([1042], kind()), TEXT) for kind in (pa.int16, pa.int32, pa.int64, pa.uint16, pa.uint64)},
    "int8": (pa.array([-7], pa.int8()), "-7"),
    "uint8": (pa.array([200], pa.uint8()), "200"),
    "largest": (pa.array([2**64 - 1], pa.uint64()), str(2**64 - 1)),
    "float": (pa.array([1042.0]), TEXT),
    "float32": (pa.array([1042.0], pa.float32()), TEXT),
    "float16": (pa.array([1024.0], pa.float16()), "1024"),
    "nan": (pa.array([float("nan")]), None),
    "null": (pa.nulls(1), None),
    "none": (pa.array([None], pa.int64()), None),
    "text": (pa.array([TEXT]), TEXT),
    "large text": (pa.array([TEXT], pa.large_string()), TEXT),
    "text view": (pa.array([TEXT], pa.string_view()), TEXT),
    "dictionary": (pa.array([TEXT]).dictionary_encode(), TEXT),
    "dictionary of null": (pa.array([None], pa.string()).dictionary_encode(), None),
    "runs": (pa.RunEndEncodedArray.from_arrays(pa.array([1], pa.int32()), pa.array([TEXT])), TEXT),
    "decimal": (pa.array([decimal.Decimal("10.42")]), "10.42"),
    "decimal 256": (pa.array([decimal.Decimal("1042")], pa.decimal256(40, 0)), TEXT),
    "date": (pa.array([datetime.date(2026, 11, 22)]), "2026-11-22"),
    "date64": (pa.array([datetime.date(2026, 11, 22)], pa.date64()), "2026-11-22"),
    "time": (pa.array([datetime.time(1, 2, 3, 4)]), "01:02:03.000004"),
    "timestamp": (pa.array([1_795_309_323], pa.timestamp("s")), "2026-11-22T01:02:03"),
    "zoned": (
        pa.array([datetime.datetime(2026, 7, 1, tzinfo=datetime.timezone.utc)], pa.timestamp("us", "Europe/Berlin")),
        "2026-07-01T02:00:00+02:00",
    ),
    "uuid": (
        pa.array([uuid.UUID(int=1).bytes], pa.uuid()),
        "00000000-0000-0000-0000-000000000001",
    ),
}


@pytest.mark.parametrize("name", TYPES)
def test_a_column_of_this_type_is_an_id_as_it_is_for_python(name: str, importer: Importer) -> None:
    array, expected = TYPES[name]
    table = pa.table({"email": ["a@example.com"], "external_id": array})
    assert [result.external_id for result in importer.run(table)] == [expected]
    # And the same out of Python's own values.
    value = array.to_pylist()[0]
    assert [result.external_id for result in importer.run([{"email": "b@example.com", "external_id": value}])] == [
        expected
    ]


LISTS: dict[str, Any] = {
    "list": pa.list_(pa.string()),
    "large": pa.large_list(pa.large_string()),
    "fixed": pa.list_(pa.string_view(), 2),
    "view": pa.list_view(pa.string()),
    "large view": pa.large_list_view(pa.string()),
}


@pytest.mark.parametrize("kind", LISTS)
def test_lists_of_every_kind_are_roles(kind: str, sandbox: Sandbox, importer: Importer) -> None:
    array = pa.array([["member", "member"], None, ["member", "admin"]], LISTS[kind])
    emails = [f"{name}@example.com" for name in "abc"]
    table = pa.table({"email": emails, "org_external_id": ["acme"] * 3, "org_name": ["Acme"] * 3, "role_slugs": array})
    assert importer.run(table).wait().failed == 0
    assert roles(sandbox) == [["admin", "member"], ["member"], ["member"]]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([{"team": "a", "since": 2020}, {"team": "b", "since": None}, None]),
        pa.array([[("team", "a"), ("since", "2020")], [("team", "b")], None], pa.map_(pa.string(), pa.string())),
        pa.array(['{"team": "a", "since": "2020"}', '{"team": "b"}', None]),
    ],
    ids=["struct", "map", "json"],
)
def test_metadata_in_every_form(values: Any, sandbox: Sandbox, importer: Importer) -> None:
    table = pa.table({"email": [f"{name}@example.com" for name in "abc"], "metadata": values})
    assert not importer.validate(table).issues
    assert importer.run(table).wait().created == 3
    assert [user[-1] for user in imported(sandbox)] == [{"team": "a", "since": "2020"}, {"team": "b"}, {}]


def test_categories_and_nullable_columns_of_pandas_and_polars(sandbox: Sandbox, importer: Importer) -> None:
    emails = ["a@example.com", "b@example.com"]
    nullable = pd.DataFrame(
        {
            "email": pd.Series(emails, dtype="string"),
            "first_name": pd.Series(["Ada", None], dtype="category"),
            "external_id": pd.Series([7, None], dtype="Int64"),
            "email_verified": pd.Series([True, None], dtype="boolean"),
            "last_name": pd.Series([pd.Timestamp("2026-11-22"), pd.NaT]),
        }
    )
    assert importer.run(nullable).wait().created == 2
    enum = pl.Series("first_name", ["Ada", None], dtype=pl.Enum(["Ada"]))
    frame = pl.DataFrame(
        [pl.Series("email", ["c@example.com", "d@example.com"]), enum, pl.Series("external_id", [8, None])]
    )
    assert importer.run(frame.with_columns(pl.col("first_name").cast(pl.Categorical))).wait().created == 2
    ids = [(user[1], user[2]) for user in imported(sandbox)]
    assert ids == [("Ada", "7"), (None, None), ("Ada", "8"), (None, None)]


UNUSABLE: dict[str, tuple[Any, str]] = {
    "bytes": ([None, b"hunter2"], "binary data"),
    "duration": ([None, datetime.timedelta(days=4711)], "a duration"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
@pytest.mark.parametrize("form", ["mappings", "pandas objects", "polars", "pyarrow", "stream"])
def test_what_a_value_cannot_be_is_an_issue(kind: str, form: str, importer: Importer) -> None:
    values, what = UNUSABLE[kind]
    table: Table = {"email": ["a@example.com", "b@example.com"], "external_id": values}
    (issue,) = importer.validate(FORMS[form](table)).issues
    assert (issue.code, issue.record_number, issue.column) == ("wrong_type", 2, "external_id")
    assert issue.message == f"`external_id` must be text, not {what}"
    failed = [result for result in importer.run(FORMS[form](table)) if not result.ok]
    assert [result.record_number for result in failed] == [2]
    # In a column that means nothing it does no harm.
    table["photo"] = table.pop("external_id")
    assert importer.validate(FORMS[form](table)).ok


def refused(importer: Importer, source: Any) -> SourceError:
    """What is raised for a source, by a check and by a run alike."""
    with pytest.raises(SourceError) as checked:
        importer.validate(source)
    with pytest.raises(SourceError) as ran:
        importer.run(source).wait()
    assert str(checked.value) == str(ran.value)
    return checked.value


@pytest.mark.parametrize(
    "source",
    [
        pd.Series(["a@example.com"], name="email"),
        pl.Series("email", ["a@example.com"]),
        pa.chunked_array([["a@example.com"]]),
        pa.array(["a@example.com"]),
        pd.DataFrame([["a@example.com"]]),
        Exporter(pa.chunked_array([["a@example.com"]])),
    ],
    ids=["pandas", "polars", "chunked", "array", "no names", "no struct"],
)
def test_what_is_no_table_is_refused(source: Any, importer: Importer) -> None:
    assert refused(importer, source).kind == "data_frame"


@pytest.mark.parametrize("make", [pa.table, pd.DataFrame, pl.DataFrame], ids=["pyarrow", "pandas", "polars"])
def test_columns_are_looked_at_as_in_a_file(make: Callable[[Any], Any], sandbox: Sandbox) -> None:
    importer = Importer(sandbox=sandbox)
    assert "Did you mean `E-Mail Address`" in str(refused(importer, make({"E-Mail Address": ["a@example.com"]})))
    twice = pd.DataFrame([["a@example.com", "b@example.com"]], columns=["email", " email"])
    assert refused(importer, twice).kind in ("duplicate_column", "columns")
    mapped = Importer(sandbox=sandbox, mapping={"Mail": "email"})
    assert mapped.run(make({"Mail": ["a@example.com"]})).wait().created == 1
    assert mapped.run(make({"Mail": []})).wait().status == "Failed"
    assert mapped.validate(make({"Mail": []})).total == 0


def test_errors_behind_a_table_come_through(importer: Importer) -> None:
    schema = pa.schema([("email", pa.string())])

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"email": ["a@example.com"]}, schema)
        raise ZeroDivisionError("hunter2")

    def reader() -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(schema, batches())

    with pytest.raises(ZeroDivisionError):
        importer.validate(reader())
    with pytest.raises(ZeroDivisionError):
        importer.run(reader()).wait()

    class Stream:
        def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
            return reader().__arrow_c_stream__()

    with pytest.raises(SourceError) as caught:
        importer.validate(Stream())
    assert "hunter2" not in str(caught.value)
    assert caught.value.kind == "data_frame" and isinstance(caught.value.__cause__, RuntimeError)
    query = "SELECT CASE WHEN range > 100000 THEN error('no') ELSE 'x' END AS email FROM range(200000)"
    failing = duckdb.connect().sql(query)
    with pytest.raises(OSError, match="no"):
        importer.validate(failing)


def test_pandas_needs_no_pyarrow() -> None:
    code = """
import sys

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pyarrow":
            raise ImportError("refused")

sys.meta_path.insert(0, Refusing())
import pandas as pd
from workos_importer import Importer, Sandbox

frame = pd.DataFrame({
    "email": ["a@example.com", "b@example.com", None],
    "external_id": [1042, None, None],
    "email_verified": [True, None, None],
    "first_name": pd.Series(["Ada", pd.NA, None], dtype="string"),
    "metadata": [{"team": "a"}, None, None],
})
importer = Importer(sandbox=Sandbox(limits=False))
report = importer.validate(frame)
assert report.ok and report.total == 2 and not report.issues, report
results = sorted((result.email, result.external_id) for result in importer.run(frame))
assert results == [("a@example.com", "1042"), ("b@example.com", None)], results
assert "pyarrow" not in sys.modules
print("done")
"""
    done = python(code)
    assert done.stdout == "done\n", done.stderr


@pytest.mark.parametrize("form", FORMS)
def test_columns_without_a_value_are_nothing(form: str, importer: Importer) -> None:
    table: Table = {
        "email": ["a@example.com", "b@example.com"],
        "first_name": [None, None],
        "external_id": [None, None],
        "role_slugs": [[], []],
        "metadata": [None, None],
    }
    report = importer.validate(FORMS[form](table))
    assert report.total == 2 and {issue.code for issue in report.issues} <= {"roles_ignored"}
    assert importer.run(FORMS[form](table)).wait().created == 2
