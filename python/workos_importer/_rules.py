"""Owns rules of one's own: what may be one, how rows are shown to it, and what becomes of what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, overload

from ._exceptions import ConfigError
from ._results import Issue

if TYPE_CHECKING:
    from . import _native

#: What is wrong with a row: nothing, a sentence, an issue, or several of them.
Said: TypeAlias = str | Issue | Iterable[str | Issue] | None
#: A rule that sees one row at a time.
RowRule: TypeAlias = Callable[[dict[str, Any]], Said]
#: A rule that `frame_rule` marks: it sees many rows at a time, and gives what is wrong by the index of the row.
FrameRule: TypeAlias = Callable[[Any], Mapping[Any, Said] | Iterable[tuple[Any, Said]] | None]
Rule: TypeAlias = RowRule | FrameRule

Frame = Literal["rows", "pandas", "polars"]

_Marked = TypeVar("_Marked", bound=FrameRule)
_Row: TypeAlias = tuple[int, dict[str, Any]]
_Remark: TypeAlias = tuple[int, str, str, str, str | None]

_MARK = "_workos_importer_frame"


@overload
def frame_rule(rule: _Marked, /) -> _Marked: ...
@overload
def frame_rule(*, frame: Frame = "rows") -> Callable[[_Marked], _Marked]: ...
def frame_rule(rule: _Marked | None = None, /, *, frame: Frame = "rows") -> _Marked | Callable[[_Marked], _Marked]:
    """Marks a function as a rule that sees many rows at a time: `Importer(rules=[…])`.

    It gets a list of dicts, or with `frame` a data frame of pandas or polars, whose rows are the next thousand or so of
    the source, and gives what is wrong by the index of the row in it (from 0): a mapping, or pairs.

    >>> from workos_importer import Importer, frame_rule
    >>> @frame_rule
    ... def no_shared_address(rows):
    ...     return {index: "shared address" for index, row in enumerate(rows) if row["email"].startswith("info@")}
    >>> Importer(rules=[no_shared_address]).validate([{"email": "info@example.com"}]).issues[0].code
    'no_shared_address'
    """
    if frame not in ("rows", "pandas", "polars"):
        raise ConfigError(f'frame must be "rows", "pandas" or "polars", not {frame!r}')

    def mark(marked: _Marked) -> _Marked:
        setattr(marked, _MARK, frame)
        return marked

    return mark if rule is None else mark(rule)


class Rules:
    """The rules of an importer, asked about rows in the thread that waits for results."""

    def __init__(self, rules: Iterable[Rule] | None) -> None:
        """Takes the rules. Raises `ConfigError` if one cannot be called."""
        self._rules = [] if rules is None else list(rules)
        for rule in self._rules:
            if not callable(rule):
                raise ConfigError(f"rules must be functions, not {type(rule).__name__}", "rule")
        #: By these names a run knows whether it goes on with the same rules.
        self.names = [_name(rule) for rule in self._rules]

    @property
    def judge_if_any(self) -> Callable[[_native.Judging], None] | None:
        """`judge`; None without rules."""
        return self.judge if self._rules else None

    def judge(self, judging: _native.Judging) -> None:
        """Asks all rules about some rows, and hands on what they say.

        Raises `ConfigError` (`rule`) if a rule raises, or gives what is none of `Said`.
        """
        rows: list[_Row] = [(number, values) for number, values in json.loads(judging.rows())]
        remarks: list[_Remark] = []
        for rule, name in zip(self._rules, self.names, strict=True):
            frame = getattr(rule, _MARK, None)
            if frame is None:
                for number, values in rows:
                    # A copy: a rule that changes its row must change nothing for the next one.
                    said = _called(rule, dict(values), name, f"record {number}")
                    remarks += _remarks(said, number, name)
            else:
                remarks += _of_frame(rule, frame, rows, name)
        judging.answer(remarks)


def _of_frame(rule: Callable[[Any], Any], frame: Frame, rows: list[_Row], name: str) -> list[_Remark]:
    if not rows:
        return []
    where = f"records {rows[0][0]} to {rows[-1][0]}"
    given = _called(rule, _as_frame(frame, [dict(values) for _, values in rows]), name, where)
    if given is None:
        return []
    remarks: list[_Remark] = []
    try:
        pairs = list(given.items() if isinstance(given, Mapping) else given)
        said_of = [(rows[_place(index, len(rows))][0], said) for index, said in pairs]
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise ConfigError(
            f"The rule {name} gave no issues by index for {where}. Give a mapping such as {{0: 'no such team'}}; its "
            "keys are from 0 to below the number of rows.",
            "rule",
        ) from error
    for number, said in said_of:
        remarks += _remarks(said, number, name)
    return remarks


def _place(index: Any, count: int) -> int:
    # Also the whole numbers of numpy.
    place = int(index.__index__())
    if not 0 <= place < count:
        raise IndexError(place)
    return place


def _as_frame(frame: Frame, rows: list[dict[str, Any]]) -> Any:
    if frame == "rows":
        return rows
    library = import_module(frame)
    # All values of a column are looked at: a null in the first row says nothing about the others.
    return library.DataFrame(rows) if frame == "pandas" else library.DataFrame(rows, infer_schema_length=None)


def _called(rule: Callable[[Any], Any], given: Any, name: str, where: str) -> Any:
    try:
        return rule(given)
    except Exception as error:
        # Its own text could quote a row: it is in the exception that this one comes from, and in no message of ours.
        raise ConfigError(f"The rule {name} raised {type(error).__name__} on {where}.", "rule") from error


def _remarks(said: Any, number: int, name: str) -> list[_Remark]:
    if said is None:
        return []
    several = [said] if isinstance(said, str | Issue) or not isinstance(said, Iterable) else list(said)
    remarks: list[_Remark] = []
    for one in several:
        if isinstance(one, Issue):
            remarks.append((number, one.severity, one.code, one.message, one.column))
        elif isinstance(one, str):
            remarks.append((number, "error", name, one, None))
        else:
            raise ConfigError(
                f"The rule {name} gave {type(one).__name__} for record {number}. It gives None, a text, an Issue, or "
                "several of these.",
                "rule",
            )
    return remarks


def _name(rule: Callable[..., Any]) -> str:
    """The function's name as a code: lower-case letters, digits, underscores."""
    name = getattr(rule, "__name__", type(rule).__name__)
    code = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()).strip("_")[:64]
    return "rule" if code in ("", "lambda") else code
