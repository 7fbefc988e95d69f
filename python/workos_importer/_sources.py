"""Owns what may be given as a source in Python, and the lazy pulling of rows out of it."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from ._exceptions import SourceError

if TYPE_CHECKING:
    from . import _native
    from ._mapping import Renaming


@runtime_checkable
class ArrowStream(Protocol):
    """A table in batches: of polars, pandas, pyarrow, DuckDB, or anything with Arrow's PyCapsule stream."""

    def __arrow_c_stream__(self, requested_schema: object | None = None, /) -> object:
        """A PyCapsule of a stream."""


@runtime_checkable
class ArrowArray(Protocol):
    """One batch of a table, such as a pyarrow `RecordBatch`."""

    def __arrow_c_array__(self, requested_schema: object | None = None, /) -> object:
        """PyCapsules of a schema and of an array."""


class Frame(Protocol):
    """A frame that has to be asked for its table: a polars `LazyFrame`, a pandas `DataFrame` without pyarrow."""

    @property
    def columns(self) -> Any:
        """The columns' names."""


#: A path; a table of pandas, polars, pyarrow or DuckDB, or anything with Arrow's PyCapsule interface; or rows: mappings
#: from column names to values, which may come out of a generator.
Source: TypeAlias = str | os.PathLike[str] | ArrowStream | ArrowArray | Frame | Iterable[Mapping[str, Any]]

#: What a pull gives: how many rows came before, and the next ones in one of the forms that the native module takes.
Pulled: TypeAlias = "tuple[int, _native._Rows]"

# Enough to keep the engine busy, few enough to stay lazy.
_ROWS_AT_ONCE = 500
# A slow iterator (a database, a generator that waits) must not hold up the results of rows that are under way.
_SECONDS_AT_ONCE = 0.1


@dataclass(frozen=True, slots=True)
class PathSource:
    """A file, or `-` for standard input."""

    path: str


class RowsSource(ABC):
    """The caller's rows, pulled only when the engine wants them."""

    #: How many there are, where that is known from the beginning.
    count: int | None = None

    @property
    @abstractmethod
    def can_rewind(self) -> bool:
        """Whether the rows can be gone through again."""

    @abstractmethod
    def pull(self, rewind: bool = False) -> Pulled:
        """How many rows came before, and the next rows: at least one, or none at the end; from the first one again with
        `rewind`. What the caller's own code raises comes through."""

    def rename(self, renaming: Renaming) -> list[tuple[str, str]]:
        """Takes a function's names for columns: gives the pairs, or renames the rows themselves as they come."""
        return renaming.pairs(self.columns())

    @abstractmethod
    def columns(self) -> list[str]:
        """The names of the columns that are known before the rows."""


class MappingsSource(RowsSource):
    """An iterable of mappings."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Takes the iterable; asks it for nothing yet."""
        self._rows = rows
        self._iterator: Iterator[Mapping[str, Any]] | None = None
        self._taken = 0
        self._renaming: Renaming | None = None

    @property
    def can_rewind(self) -> bool:
        """Not so for generators and other iterators."""
        return not isinstance(self._rows, Iterator)

    def columns(self) -> list[str]:
        """None: they come with the rows."""
        return []

    def rename(self, renaming: Renaming) -> list[tuple[str, str]]:
        """Each row's keys are renamed as it comes."""
        self._renaming = renaming
        return []

    def pull(self, rewind: bool = False) -> Pulled:
        """The next rows, as soon as there are some. Raises `SourceError` if the iterator gives what is no row."""
        if rewind or self._iterator is None:
            self._iterator = iter(self._rows)
            self._taken = 0
        before = self._taken
        rows: list[Mapping[str, Any]] = []
        until = time.monotonic() + _SECONDS_AT_ONCE
        for row in self._iterator:
            self._taken += 1
            if not isinstance(row, Mapping):
                raise SourceError(
                    f"Row {self._taken} is of type {type(row).__name__}. Each row must be a mapping from column names "
                    'to values, such as {"email": "ada@example.com"}.',
                    "not_rows",
                )
            rows.append(row if self._renaming is None else self._renaming.row(row))
            if len(rows) >= _ROWS_AT_ONCE or time.monotonic() >= until:
                break
        return before, rows


def recognise(source: object, record_id: str | None = None) -> PathSource | RowsSource:
    """Tells what was given; `record_id` names the column, or the index, that says what each row is called.

    Raises `SourceError` for what is neither a path, nor a table, nor an iterable of mappings: one column of a table,
    bytes, one mapping by itself, an open file, an asynchronous iterable.
    """
    if isinstance(source, str | os.PathLike):
        path = os.fspath(source)
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if not path or "\0" in path:
            raise SourceError("The source's path is empty or has a NUL in it.", "not_found")
        return PathSource(path)
    if _is_table(source):
        # Loaded for tables only.
        from ._frames import table_of

        table = table_of(source, record_id)
        table.count = _length(source)
        return table
    problem = _no_rows(source)
    if problem is not None:
        raise SourceError(f"{problem} Give a path, a table, or an iterable of mappings.", "not_rows")
    rows = MappingsSource(source)  # type: ignore[arg-type]  # checked just above
    rows.count = _length(source)
    return rows


def _length(source: object) -> int | None:
    """How many rows there are, where saying it costs nothing: DuckDB would run the query."""
    costs = type(source).__module__.partition(".")[0] in ("duckdb", "_duckdb")
    return len(source) if isinstance(source, Sized) and not costs else None


def _is_table(source: object) -> bool:
    names = ("__arrow_c_stream__", "__arrow_c_array__", "__dataframe__")
    if any(hasattr(source, name) for name in names):
        return True
    # Without pyarrow some frames have none of these, and lazy frames never do.
    module, _, _ = type(source).__module__.partition(".")
    return module in ("pandas", "polars", "pyarrow", "duckdb")


def _no_rows(source: object) -> str | None:
    if isinstance(source, bytes | bytearray | memoryview):
        return "The source is bytes."
    if isinstance(source, Mapping):
        return "The source is one mapping: put it into a list."
    if hasattr(source, "read") and hasattr(source, "close"):
        return "The source is an open file."
    if hasattr(source, "__aiter__"):
        return "The source is an asynchronous iterable."
    if not isinstance(source, Iterable):
        return f"The source is of type {type(source).__name__}."
    return None
