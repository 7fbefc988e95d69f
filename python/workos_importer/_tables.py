"""Owns tables on their way out: rows to iterate over, an Arrow stream, and the data frames of pandas and polars."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from ._exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd
    import polars as pl

Row = TypeVar("Row")

#: What the values of a column are; each may be None.
Kind = Literal["boolean", "integer", "text", "texts"]
#: Names and kinds, in order.
Columns = tuple[tuple[str, Kind], ...]
#: Rows as they cross over, many at once: one value a column.
Page = list[tuple[Any, ...]]

# Rows in one batch where they are all here.
_BATCH = 4_096


class Frames(ABC):
    """What can be had as an Arrow stream and as a data frame."""

    __slots__ = ()

    @abstractmethod
    def _columns(self) -> Columns:
        """Names and kinds of the columns."""

    @abstractmethod
    def _pages(self) -> Iterator[Page]:
        """The rows, from the first one."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The rows as an Arrow C stream, pulled page by page; `pyarrow.table(…)`, polars and DuckDB ask for it.

        A requested schema is not looked at: the rows come in the types that they have.
        """
        from . import _native

        return _native.arrow_stream(list(self._columns()), self._pages())

    def to_pandas(self) -> pd.DataFrame:
        """The rows as a pandas `DataFrame`; pyarrow is not needed. Raises `ConfigError` where pandas is missing."""
        try:
            import pandas as pd
        except ImportError:
            raise ConfigError("pandas is not installed. Install it: pip install pandas", "missing_package") from None
        rows = [row for page in self._pages() for row in page]
        columns = {}
        for place, (name, kind) in enumerate(self._columns()):
            values = [row[place] for row in rows]
            columns[name] = pd.Series(values, dtype=_pandas_type(kind, values))
        frame: pd.DataFrame = pd.DataFrame(columns)
        return frame

    def to_polars(self) -> pl.DataFrame:
        """The rows as a polars `DataFrame`. Raises `ConfigError` where polars is missing."""
        try:
            import polars as pl
        except ImportError:
            raise ConfigError("polars is not installed. Install it: pip install polars", "missing_package") from None
        # Polars would take a tuple of objects apart by itself.
        return pl.DataFrame(Table(self._columns(), self._pages, tuple))


class Table(Frames, Generic[Row]):
    """Rows that are read page by page, each time that they are asked for.

    Iterate over it, or take it as an Arrow stream (`pyarrow.table(…)`, `polars.DataFrame(…)`) or as a data frame
    (`to_pandas()`, `to_polars()`).

    >>> from workos_importer import Importer, Sandbox
    >>> run = Importer(sandbox=Sandbox()).run([{"email": "ada@example.com"}])
    >>> run.wait().ok, run.results().to_polars()["outcome"].to_list()
    (True, ['created'])
    """

    __slots__ = ("_make", "_named", "_read")

    def __init__(self, columns: Columns, read: Callable[[], Iterator[Page]], make: Callable[[tuple[Any, ...]], Row]):
        """Made by what has the rows: `make` gives a row from its values."""
        self._named = columns
        self._read = read
        self._make = make

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(name for name, _ in self._named)

    def __iter__(self) -> Iterator[Row]:
        for page in self._read():
            for values in page:
                yield self._make(values)

    def __repr__(self) -> str:
        return f"Table({', '.join(self.columns)})"

    def _repr_html_(self) -> str:
        from ._html import SHOWN, sentence, table

        first: Page = next(self._read(), [])
        more = "and more: .to_pandas() or .to_polars() has them all" if len(first) > SHOWN else None
        return f"<div>{table(self.columns, first[:SHOWN]) or sentence('No rows')}{sentence(more)}</div>"

    def _columns(self) -> Columns:
        return self._named

    def _pages(self) -> Iterator[Page]:
        return self._read()


def pages_of(rows: Sequence[Any], columns: Columns) -> Iterator[Page]:
    """Objects that are all here, as pages of their attributes."""
    for begin in range(0, len(rows), _BATCH):
        yield [tuple(getattr(row, name) for name, _ in columns) for row in rows[begin : begin + _BATCH]]


def paged(read: Callable[[int, int], list[tuple[Any, ...]]], first: int = 0, most: int = 512) -> Iterator[Page]:
    """The pages that `read(after, most)` gives, each row's first value being what the next page comes after."""
    while page := read(first, most):
        yield page
        first = page[-1][0]


def _pandas_type(kind: Kind, values: list[Any]) -> Any:
    if kind == "integer":
        return "Int64" if None in values else "int64"
    if kind == "boolean":
        return "boolean" if None in values else "bool"
    # Text is what pandas makes of it; without any it would become numbers.
    return None if kind == "text" and any(value is not None for value in values) else "object"
