"""Owns how reports look in a notebook: tables in the page's own colours, light or dark. All text is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ._box import Line
    from ._results import Issue, RowResult

#: How many rows or issues a report shows.
SHOWN = 10

_LEFT = ' style="text-align:left"'


def report(heading: str, lines: Iterable[Line], *parts: str) -> str:
    """A report: its heading, its figures line by line, and further parts, which are HTML already."""
    rows = "".join(
        f"<tr><th{_LEFT}>{escape(name)}</th><td{_LEFT}>{escape(str(value))}</td></tr>" for name, value in lines
    )
    return f"<div><strong>{escape(heading)}</strong><table><tbody>{rows}</tbody></table>{''.join(parts)}</div>"


def sentence(text: str | None) -> str:
    """A line of text below the figures; nothing where there is none."""
    return f"<p>{escape(text)}</p>" if text else ""


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], omitted: int = 0) -> str:
    """A table; nothing if it has no rows. `omitted`: how many more rows there would be."""
    body = "".join(f"<tr>{''.join(f'<td{_LEFT}>{_cell(value)}</td>' for value in row)}</tr>" for row in rows)
    if not body:
        return ""
    head = "".join(f"<th{_LEFT}>{escape(name)}</th>" for name in columns)
    more = sentence(f"and {omitted} more" if omitted > 0 else None)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def issues(found: Sequence[Issue], beyond: int) -> str:
    """The first issues; `beyond`: how many there are that were not kept."""
    rows = [(one.severity, one.record_number, one.column, one.code, one.message) for one in found[:SHOWN]]
    return table(("severity", "record", "column", "code", "message"), rows, len(found) + beyond - len(rows))


def failures(found: Sequence[RowResult], failed: int) -> str:
    """The first rows that failed, of all that did."""
    rows = [
        (one.record_number, one.email, one.error.code if one.error else None, one.error.message if one.error else None)
        for one in found[:SHOWN]
    ]
    return table(("record", "email", "code", "message"), rows, failed - len(rows))


def _cell(value: object) -> str:
    if isinstance(value, list | tuple):
        value = ", ".join(str(one) for one in value)
    return "" if value is None else escape(str(value))
