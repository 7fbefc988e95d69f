"""Owns how the tables of other libraries are read: as Arrow batches, or column by column in slices (pandas). None of the
libraries is imported here; no table is converted as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _native
from ._exceptions import SourceError
from ._sources import RowsSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ._sources import Pulled

# So many rows of a lazy frame or of a relation are computed at once.
_ROWS_COMPUTED = 20_000
# So many rows of a pandas frame are Python objects at once.
_ROWS_IN_PYTHON = 2_000


class BatchesSource(RowsSource):
    """A table that comes in pieces, each of which exports Arrow batches."""

    def __init__(self, pieces: Callable[[], Iterable[object]], can_rewind: bool) -> None:
        """Takes what gives the pieces, from the first one each time that it is called."""
        self._open = pieces
        self._can_rewind = can_rewind
        self._pieces: Iterator[object] | None = None
        self._table = _native.Table()

    @property
    def can_rewind(self) -> bool:
        """Whether the pieces come again."""
        return self._can_rewind

    def pull(self, rewind: bool = False) -> Pulled:
        """The table, with its next rows inside; used up at the end. Raises `SourceError` if a piece cannot be read."""
        self._load(rewind)
        return 0, self._table

    def columns(self) -> list[str]:
        """Those of the first piece, which is read for them."""
        self._load(rewind=False)
        return self._table.columns()

    def _load(self, rewind: bool) -> None:
        if rewind or self._pieces is None:
            # Let go of first: some databases have one open result at a time.
            self._pieces = None
            self._table = _native.Table()
            self._pieces = iter(self._open())
        while self._table.is_used_up():
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._table.load(piece)


class PandasSource(RowsSource):
    """A pandas frame. Its columns may hold anything, also things that Arrow has no type for; so each slice of rows is
    made into Python objects column by column, whether or not pyarrow is there."""

    def __init__(self, frame: Any) -> None:
        """Takes the frame. Raises `SourceError` if its columns cannot be used."""
        self._names = list(frame.columns)
        if not all(isinstance(name, str) for name in self._names):
            raise SourceError(
                "The frame has a column whose name is no text. Name its columns, such as "
                'df.columns = ["email", "first_name"].',
                "data_frame",
            )
        self._columns = [frame.iloc[:, place].array for place in range(len(self._names))]
        self._count = len(frame)
        self._taken = 0

    @property
    def can_rewind(self) -> bool:
        """A frame can be gone through again."""
        return True

    def columns(self) -> list[str]:
        """The frame's."""
        return self._names

    def pull(self, rewind: bool = False) -> Pulled:
        """The names of the columns, and the next rows' values of each."""
        if rewind:
            self._taken = 0
        start, end = self._taken, min(self._taken + _ROWS_IN_PYTHON, self._count)
        self._taken = end
        return start, (self._names, [column[start:end].tolist() for column in self._columns])


def table_of(source: Any) -> RowsSource:
    """How this table is read. Raises `SourceError` for what is none, such as a single column."""
    library, _, _ = type(source).__module__.partition(".")
    kind = type(source).__name__
    if library == "pandas" and kind == "DataFrame":
        return PandasSource(source)
    if library == "polars" and kind == "LazyFrame":
        return BatchesSource(lambda: _lazy_batches(source), can_rewind=True)
    if library == "duckdb" and hasattr(source, "to_arrow_reader") and _has_pyarrow():
        # In small batches; without pyarrow they are as large as the database makes them.
        return BatchesSource(lambda: source.to_arrow_reader(_ROWS_COMPUTED), can_rewind=True)
    if library == "pyarrow" and kind == "RecordBatchReader":
        # Its batches by itself: what a generator behind it raises comes through.
        return BatchesSource(lambda: source, can_rewind=False)
    has_stream = hasattr(source, "__arrow_c_stream__")
    if kind in ("Series", "ChunkedArray", "Array") or not (has_stream or hasattr(source, "__arrow_c_array__")):
        raise SourceError(
            f"A {kind} is no table that can be read. Give a frame or a table with a column `email`, a path, or an "
            "iterable of mappings.",
            "data_frame",
        )
    return BatchesSource(lambda: (source,), can_rewind=_comes_again(source))


def _comes_again(source: object) -> bool:
    """Whether a stream can be asked for twice. Readers and other iterators are used up by the first time."""
    is_iterator = hasattr(source, "__next__")
    return not is_iterator and not type(source).__name__.endswith(("Reader", "Stream"))


def _has_pyarrow() -> bool:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        return False
    return True


def _lazy_batches(frame: Any) -> Iterable[object]:
    """The batches of a polars `LazyFrame`: older versions can only compute all of it."""
    if hasattr(frame, "collect_batches"):
        batches: Iterable[object] = frame.collect_batches(chunk_size=_ROWS_COMPUTED, maintain_order=True)
        return batches
    return (frame.collect(engine="streaming"),)
