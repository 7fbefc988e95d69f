"""A property: whatever a table holds, its rows are the same through every kind of table, a file, and mappings; or the
same is wrong with them."""

from __future__ import annotations

import datetime
import json
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from frames import Table, as_csv, rows
from workos_importer import Importer, Sandbox

# No surrogates (pyarrow refuses them) and nothing that ends a line: those are tested where files are read.
LETTERS = st.characters(exclude_categories=("Cs", "Cc"))
TEXTS = st.text(LETTERS, max_size=12)
NAMES = st.sampled_from(["Ada", "Čyd", " spaces ", "", "…", "ﬀ", "😀", "a,b", '"quoted"'])
WHOLE = st.integers(-(2**63), 2**63 - 1)
ZONE = datetime.timezone.utc
FIRST, LAST = (datetime.datetime(year, 1, 1, tzinfo=ZONE).replace(tzinfo=None) for year in (1800, 2200))
#: By the name of a type: what its values are. A CSV file is compared where its text says the same.
IDS: dict[str, st.SearchStrategy[Any]] = {
    "texts": TEXTS,
    "integers": WHOLE,
    "small integers": st.integers(-100, 100),
    "booleans": st.booleans(),
    "floats": st.floats(allow_infinity=False) | st.integers(-(2**40), 2**40).map(float),
    "dates": st.dates(),
    "times": st.datetimes(FIRST, LAST),
    "zoned": st.datetimes(FIRST, LAST, timezones=st.just(ZONE)),
    "decimals": st.decimals(-(10**9), 10**9, places=4, allow_nan=False),
    "bytes": st.binary(max_size=4),
    "durations": st.timedeltas(datetime.timedelta(days=-9), datetime.timedelta(days=9)),
}
AS_TEXT = ("texts", "integers", "small integers", "dates", "decimals")
EMAILS = st.sampled_from(["a@example.com", "B@Example.com", "c@example.com ", "no address", ""]) | TEXTS
ROLES = st.lists(st.sampled_from(["admin", "member", " member ", "", "ROLE"]), max_size=3)
METADATA = st.fixed_dictionaries({"team": NAMES, "level": st.sampled_from(["1", "2"])})


@st.composite
def tables(draw: st.DrawFn) -> tuple[Table, str]:
    """A table, and the type of its ids."""
    count = draw(st.integers(1, 6))
    kind = draw(st.sampled_from(sorted(IDS)))

    def column(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(st.none() | values, min_size=count, max_size=count))

    table: Table = {
        "email": column(EMAILS),
        "first_name": column(NAMES),
        "last_name": column(TEXTS),
        "external_id": column(IDS[kind]),
        "email_verified": column(st.booleans()),
        "org_external_id": column(st.sampled_from(["acme", "beta"])),
        "org_name": column(st.sampled_from(["Acme", "Beta"])),
        "role_slugs": column(ROLES),
        "metadata": column(METADATA),
    }
    kept = draw(st.sets(st.sampled_from(sorted(table)))) | {"email"}
    if "org_name" in kept:
        # Names alone name no organization: such a source is refused whole, by a run of rows only when they are read.
        kept.add("org_external_id")
    return {name: values for name, values in table.items() if name in kept}, kind


def seen(importer: Importer, source: Any) -> Any:
    """All that is said of a source."""
    report = importer.validate(source)
    issues = [(issue.severity, issue.code, issue.record_number, issue.column, issue.message) for issue in report.issues]
    counts = (report.total, report.valid, report.users, report.organizations, report.memberships)
    return counts, issues


def made(source: Any) -> Any:
    """How each row of a source ends in an empty environment, and what that then holds."""
    with tempfile.TemporaryDirectory() as folder:
        sandbox = Sandbox(limits=False)
        run = Importer(sandbox=sandbox, run_dir=folder, concurrency=1).run(source)
        ends = sorted(
            (one.record_number, one.email, one.external_id, one.outcome, one.error and one.error.code) for one in run
        )
        fields = ("email", "first_name", "last_name", "external_id", "email_verified", "metadata")
        # The keys of metadata have no order; a table has one for all of its rows.
        users = sorted(
            json.dumps([user.get(field) for field in fields], sort_keys=True) for user in sandbox.dump()["users"]
        )
    return ends, users


def arrow(table: Table, kind: str) -> pa.Table:
    """The table with a dictionary where people have categories, and the types of Python's values."""
    types = {"decimals": pa.decimal128(20, 4), "floats": pa.float64()}
    columns = {
        name: pa.array(values, types.get(kind) if name == "external_id" else None) for name, values in table.items()
    }
    if "first_name" in columns:
        columns["first_name"] = columns["first_name"].cast(pa.large_string()).dictionary_encode()
    return pa.table(columns)


def frame(table: Table) -> pd.DataFrame:
    """The table as pandas reads it: its own types for the columns, with gaps."""
    columns = {name: pd.Series(values) for name, values in table.items()}
    if "first_name" in columns:
        columns["first_name"] = columns["first_name"].astype("category")
    if table.get("external_id") and all(type(value) in (int, type(None)) for value in table["external_id"]):
        columns["external_id"] = pd.Series(table["external_id"], dtype="Int64")
    if "email_verified" in columns:
        columns["email_verified"] = pd.Series(table["email_verified"], dtype="boolean")
    found: pd.DataFrame = pd.DataFrame(columns)
    return found


def check(table: Table, kind: str, forms: dict[str, Any]) -> None:
    importer = Importer(sandbox=Sandbox(limits=False))
    expected = seen(importer, rows(table))
    for name, source in forms.items():
        assert seen(importer, source) == expected, name
    ends = made(rows(table))
    for name, source in forms.items():
        assert made(source) == ends, name
    if "external_id" not in table or kind in AS_TEXT:
        with tempfile.TemporaryDirectory() as folder:
            file = as_csv(table, Path(folder) / "a.csv")
            assert made(file) == ends, "csv"


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables())
def test_every_kind_of_table_says_the_same(given_table: tuple[Table, str]) -> None:
    table, kind = given_table
    of_arrow = arrow(table, kind)
    forms: dict[str, Any] = {
        "pyarrow": of_arrow,
        "polars": pl.DataFrame(of_arrow),
        "polars lazy": pl.DataFrame(of_arrow).lazy(),
        "pandas": frame(table),
        "pandas arrow": of_arrow.to_pandas(types_mapper=pd.ArrowDtype),
    }
    check(table, kind, forms)
