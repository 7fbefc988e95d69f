"""Owns the box: the lines of a summary and the frame around them. The lines' names and order are a contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._reports import DryRunReport
    from ._results import Summary

_LEAST_WIDTH = 22


def draw(lines: Iterable[str]) -> str:
    """The lines under the heading SUMMARY in a frame, without a line break at the end."""
    content = ["SUMMARY", *lines]
    width = max(_LEAST_WIDTH, *(len(line) for line in content))
    rule = "─" * (width + 2)
    body = [f"│ {line.ljust(width)} │" for line in content]
    return "\n".join([f"┌{rule}┐", *body, f"└{rule}┘"])


def summary_lines(summary: Summary) -> list[str]:
    """The lines of a run: the seed tools' own, then ours."""
    lines = [f"Status: {summary.status}", f"Users imported: {summary.imported}/{summary.total}"]
    if summary.mode != "user-only":
        lines.append(f"Memberships created: {summary.memberships_created}")
    lines += [
        f"Duration: {duration(summary.duration_seconds)}",
        f"Warnings: {summary.warnings}",
        f"Errors: {summary.failed}",
    ]
    if summary.cache_hits is not None and summary.cache_misses is not None:
        asked = summary.cache_hits + summary.cache_misses
        rate = 100 * summary.cache_hits / asked if asked else 0.0
        lines += [
            f"Cache hits: {summary.cache_hits}",
            f"Cache misses: {summary.cache_misses}",
            f"Cache hit rate: {rate:.1f}%",
        ]
    lines += [
        f"Created/Updated/Unchanged: {summary.created}/{summary.updated}/{summary.unchanged}",
        f"Organizations created: {summary.organizations_created}",
        f"API calls: {_calls(summary.api_calls)}",
        f"Pending: {summary.pending}",
        f"Run: {summary.run_id}",
    ]
    return lines


def dry_run_lines(report: DryRunReport) -> list[str]:
    """The lines of a dry run."""
    lines = [f"Status: {report.status}", f"Would import: {report.valid}/{report.total}"]
    if report.mode != "user-only":
        lines += [f"Organizations: {report.organizations}", f"Memberships: {report.memberships}"]
    lines += [
        f"Duration at the limits: at least {duration(report.least_seconds)}",
        f"Warnings: {report.warnings}",
        f"Errors: {report.failed}",
    ]
    return lines


def duration(seconds: float) -> str:
    """`12.3 s`, `7 min 25 s`, `1 h 6 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def _calls(calls: dict[str, int]) -> str:
    total = sum(calls.values())
    if not total:
        return "0"
    parts = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in calls.items() if count)
    return f"{total} ({parts})"
