"""Owns how the tables of other libraries are read: as Arrow batches, or column by column in slices (pandas). No library
is loaded that the caller has not loaded; no table is converted as a whole."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from . import _native
from ._exceptions import SourceError
from ._sources import RowsSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ._sources import Pulled

# So many rows are a piece of a frame; so many of a lazy frame or of a relation are computed at once.
_ROWS_AT_ONCE = 20_000
# So many rows of a pandas frame are Python objects at once.
_ROWS_IN_PYTHON = 2_000
# The names of pandas' types of numbers that may be missing.
_WITH_GAPS = re.compile(r"(U?Int|Float)\d+Dtype")


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
    """A pandas frame whose columns may hold anything, also what Arrow has no type for: slices of rows are made into
    Python objects, column by column."""

    def __init__(self, frame: Any, index: str | None) -> None:
        """Takes the frame; `index` is what its index is called, where that is a column too."""
        self._names = list(frame.columns)
        self._columns: list[Any] = [frame.iloc[:, place].array for place in range(len(self._names))]
        if index is not None:
            self._names.append(index)
            self._columns.append(frame.index)
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


def table_of(source: Any, record_id: str | None) -> RowsSource:
    """How this table is read; a pandas frame's index is a column too where `record_id` names it.

    Raises `SourceError` for what is no table, such as a single column.
    """
    library, _, _ = type(source).__module__.partition(".")
    kind = type(source).__name__
    if library == "pandas" and kind == "DataFrame":
        return _of_pandas(source, record_id)
    # What most tables are: one piece.
    pieces: Callable[[], Iterable[object]] = partial(iter, (source,))
    if library == "polars" and kind == "LazyFrame":
        pieces = partial(_lazy_batches, source)
    elif library == "polars" and kind == "DataFrame":
        pieces = partial(_slices, source)
    elif library == "duckdb" and hasattr(source, "to_arrow_reader") and _has_pyarrow():
        # In small batches; without pyarrow they are as large as the database makes them.
        pieces = partial(source.to_arrow_reader, _ROWS_AT_ONCE)
    elif library == "pyarrow" and kind == "RecordBatchReader":
        # Its batches by itself: what a generator behind it raises comes through.
        pieces = partial(iter, source)
    elif kind in ("Series", "ChunkedArray", "Array") or not _exports(source):
        raise SourceError(
            f"A {kind} is no table that can be read. Give a frame or a table with a column `email`, a path, or an "
            "iterable of mappings.",
            "data_frame",
        )
    return BatchesSource(pieces, _comes_again(source))


def _of_pandas(frame: Any, record_id: str | None) -> RowsSource:
    if not all(isinstance(name, str) for name in frame.columns):
        raise SourceError(
            "The frame has a column whose name is no text. Name its columns, such as "
            'df.columns = ["email", "first_name"].',
            "data_frame",
        )
    is_index = record_id is not None and record_id not in frame.columns and record_id in ("index", frame.index.name)
    index = record_id if is_index else None
    is_plain = all(map(_is_plain, frame.dtypes)) and (index is None or _is_plain(frame.index.dtype))
    if frame.columns.is_unique and is_plain and _has_pyarrow():
        return BatchesSource(partial(_pandas_batches, frame, index), can_rewind=True)
    return PandasSource(frame, index)


def _exports(source: object) -> bool:
    return hasattr(source, "__arrow_c_stream__") or hasattr(source, "__arrow_c_array__")


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


def _is_plain(dtype: Any) -> bool:
    """Whether pyarrow takes a pandas column of this type as it is: texts, numbers, booleans, times, and categories."""
    name = type(dtype).__name__
    if name == "CategoricalDtype":
        return _is_plain(dtype.categories.dtype)
    if name in ("StringDtype", "ArrowDtype", "BooleanDtype", "DatetimeTZDtype") or _WITH_GAPS.fullmatch(name):
        return True
    is_numpy = type(dtype).__module__.partition(".")[0] == "numpy"
    return is_numpy and dtype.kind in "biufM" and dtype.itemsize <= 8


def _pandas_batches(frame: Any, index: str | None) -> Iterator[object]:
    """The rows of a pandas frame by slices, as pyarrow has them; one without rows at least, for the columns."""
    import pyarrow as pa

    for start in range(0, max(len(frame), 1), _ROWS_AT_ONCE):
        rows = frame.iloc[start : start + _ROWS_AT_ONCE]
        rows = rows if index is None else rows.assign(**{index: rows.index})
        yield pa.Table.from_pandas(rows, preserve_index=False)


def _slices(frame: Any) -> Iterable[object]:
    """The rows of a polars frame by slices. Chunks that do not begin at the same rows are put together where they are
    exported, so not all at once."""
    slices: Iterable[object] = frame.iter_slices(_ROWS_AT_ONCE) if len(frame) else (frame,)
    return slices


def _lazy_batches(frame: Any) -> Iterable[object]:
    """The batches of a polars `LazyFrame`: older versions can only compute all of it."""
    if hasattr(frame, "collect_batches"):
        batches: Iterable[object] = frame.collect_batches(chunk_size=_ROWS_AT_ONCE, maintain_order=True)
        return batches
    return (frame.collect(engine="streaming"),)
