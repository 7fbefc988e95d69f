"""Owns the same table in every form in which people have one: from columns of plain Python values."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa

#: The columns of a table, each with its values.
Table = dict[str, list[Any]]


def rows(table: Table) -> list[dict[str, Any]]:
    """The table as mappings."""
    count = len(next(iter(table.values())))
    return [{name: values[place] for name, values in table.items()} for place in range(count)]


class Exporter:
    """Has Arrow's stream and nothing else."""

    def __init__(self, table: pa.Table) -> None:
        """Takes what is exported."""
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


def arrow(table: Table) -> pa.Table:
    """The table as pyarrow has it, in several chunks."""
    whole = pa.table({name: pa.array(values) for name, values in table.items()})
    return pa.concat_tables([whole.slice(0, 2), whole.slice(2)])


def relation(table: Table) -> Any:
    """The table as a DuckDB relation, of a connection of its own."""
    connection = duckdb.connect()
    connection.register("given", arrow(table))
    return connection.sql("SELECT * FROM given")


def generated(table: Table) -> Iterator[dict[str, Any]]:
    """The rows one by one."""
    yield from rows(table)


FORMS: dict[str, Callable[[Table], Any]] = {
    "mappings": rows,
    "generator": generated,
    "pandas": lambda table: pd.DataFrame({name: pd.Series(values) for name, values in table.items()}),
    "pandas objects": lambda table: pd.DataFrame(
        {name: pd.Series(values, dtype=object) for name, values in table.items()}
    ),
    "pandas arrow": lambda table: arrow(table).to_pandas(types_mapper=pd.ArrowDtype),
    "polars": lambda table: pl.DataFrame(table, strict=False),
    "polars lazy": lambda table: pl.LazyFrame(table, strict=False),
    "pyarrow": arrow,
    "pyarrow batch": lambda table: arrow(table).combine_chunks().to_batches()[0],
    "pyarrow reader": lambda table: arrow(table).to_reader(),
    "duckdb": relation,
    "stream": lambda table: Exporter(arrow(table)),
}

#: Those that can be gone through only once.
ONCE = ("generator", "pyarrow reader")


def as_text(value: Any) -> str:
    """A value as people write it into a CSV file."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return json.dumps(value)
    return str(value)


def as_csv(table: Table, path: Path) -> Path:
    """The table as a file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    writer.writerows([as_text(value) for value in row.values()] for row in rows(table))
    path.write_text(text.getvalue(), "utf-8", newline="")
    return path
