"""Owns what tests of import code assert, with any test runner; the pytest plugin hands it out as a fixture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from . import Importer, Issue, ValidationReport
    from ._sources import Source

__all__ = ["assert_importable"]

# A message is a few words; what is longer than this is cut, so that the table stays one.
_WIDEST = 140


def assert_importable(
    source: Source,
    *,
    importer: Importer | None = None,
    warnings: bool = False,
    most: int = 10,
    **options: Any,
) -> ValidationReport:
    """Asserts that every row of a source passes its checks, and that there is one. No key, no connection.

    `source` is what `Importer.validate` takes. The rows are checked with the options of `importer`, or of an
    `Importer(**options)`, such as `organization=`, `mapping=`. `warnings`: they count as problems too. The message has
    a table of the first `most` problems, and how many more there are; no secret, and no cell of a broken record.

    Returns the report. Raises `AssertionError`, also for a source that cannot be read as a whole, and `ConfigError` for
    options.

    >>> from workos_importer.testing import assert_importable
    >>> assert_importable([{"email": "ada@example.com"}]).valid
    1
    """
    __tracebackhide__ = True
    from . import Importer, SourceError

    if importer is not None and options:
        raise TypeError("Give an importer or options of one, not both")
    problems: list[Issue] = []
    count = 0

    def keep(issue: Issue) -> None:
        nonlocal count
        if warnings or issue.severity == "error":
            count += 1
            if len(problems) < most:
                problems.append(issue)

    checking = importer or Importer(**options)
    try:
        report = checking.validate(source, max_issues=0, on_issue=keep)
    except SourceError as error:
        raise AssertionError(f"The source cannot be read: {error}") from error
    if report.total == 0:
        raise AssertionError("The source has no rows.")
    if report.failed or count:
        raise AssertionError(_message(report, problems, count))
    return report


def _message(report: ValidationReport, problems: Sequence[Issue], count: int) -> str:
    if report.failed:
        lines = [f"{report.failed} of {report.total} rows cannot be imported."]
    else:
        lines = [f"{report.total} rows can be imported, but there are {count} problems."]
    lines += [report.mode_sentence, "", *_table(problems)]
    if count > len(problems):
        lines.append(f"and {count - len(problems)} more")
    return "\n".join(lines)


def _table(problems: Sequence[Issue]) -> list[str]:
    """The problems as lines of columns; those that say nothing of any problem are left out."""
    rows = [("record", "line", "severity", "code", "column", "problem")]
    for issue in problems:
        message = " ".join(issue.message.split())
        rows.append(
            (
                _text(issue.record_number),
                _text(issue.line),
                issue.severity,
                issue.code,
                _text(issue.column),
                message if len(message) <= _WIDEST else f"{message[: _WIDEST - 1]}…",
            )
        )
    columns = [column for column in zip(*rows, strict=True) if any(column[1:])]
    widths = [max(map(len, column)) for column in columns]
    table = []
    for row in zip(*columns, strict=True):
        cells = [
            # Numbers to the right, words to the left.
            cell.rjust(width) if columns[place][0] in ("record", "line") else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        table.append("  ".join(cells).rstrip())
    return table


def _text(value: object) -> str:
    return "" if value is None else str(value)
