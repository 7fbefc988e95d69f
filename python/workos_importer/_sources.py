"""Owns what may be given as a source in Python, and the lazy pulling of rows out of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._exceptions import SourceError

if TYPE_CHECKING:
    from ._mapping import Renaming

#: A path, or rows: mappings from column names to values.
Source = str | os.PathLike[str] | Iterable[Mapping[str, Any]]

# Enough to keep the engine busy, few enough to stay lazy.
_ROWS_AT_ONCE = 500
# A slow iterator (a database, a generator that waits) must not hold up the results of rows that are under way.
_SECONDS_AT_ONCE = 0.1


@dataclass(frozen=True, slots=True)
class PathSource:
    """A file, or `-` for standard input."""

    path: str


class RowsSource:
    """The caller's rows, pulled only when the engine wants them."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Takes the iterable; asks it for nothing yet."""
        self._rows = rows
        self._iterator: Iterator[Mapping[str, Any]] | None = None
        self._taken = 0
        #: What gives the rows' keys other names, if anything does.
        self.renaming: Renaming | None = None

    @property
    def can_rewind(self) -> bool:
        """Whether the iterable can be gone through again: not so for generators and other iterators."""
        return not isinstance(self._rows, Iterator)

    @property
    def count(self) -> int | None:
        """How many rows there are, where the iterable says it without being gone through."""
        return len(self._rows) if isinstance(self._rows, Sized) else None

    def pull(self, rewind: bool = False) -> tuple[int, list[Mapping[str, Any]]]:
        """The number of rows before these, and the next rows: at least one, or none at the end.

        Whatever the caller's iterator raises comes through, and `SourceError` if it gives something that is no row.
        """
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
            rows.append(row if self.renaming is None else self.renaming.row(row))
            if len(rows) >= _ROWS_AT_ONCE or time.monotonic() >= until:
                break
        return before, rows


def recognise(source: object) -> PathSource | RowsSource:
    """Tells what was given.

    Raises `SourceError` for what is neither a path nor an iterable of mappings: a DataFrame (not read yet), bytes, one
    mapping by itself, an open file, an asynchronous iterable.
    """
    if isinstance(source, str | os.PathLike):
        path = os.fspath(source)
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if not path or "\0" in path:
            raise SourceError("The source's path is empty or has a NUL in it.", "not_found")
        return PathSource(path)
    if _is_frame(source):
        raise SourceError(
            f"A {type(source).__name__} is not read yet in this version. Give its rows, such as "
            'df.to_dict("records"), or write it to a CSV file and give its path.',
            "data_frame",
        )
    problem = _no_rows(source)
    if problem is not None:
        raise SourceError(f"{problem} Give a path, or an iterable of mappings.", "not_rows")
    return RowsSource(source)  # type: ignore[arg-type]  # checked just above


def _is_frame(source: object) -> bool:
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
