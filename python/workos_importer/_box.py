"""Owns the box: the lines of a summary and the frame around them. The lines' names and order are a contract."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._reports import DryRunReport, ValidationReport
    from ._results import Summary

_LEAST_WIDTH = 22
# A box in a narrow terminal is no box: what is longer goes on in the next line.
_MOST_WIDTH = 66
# Where a line is not broken.
_KEPT_SPACE = "\u00a0"

# What is counted of rows that are not about users to be imported, by the mode.
_DONE = {
    "organizations": "Organizations imported",
    "memberships": "Memberships imported",
    "roles": "Roles imported",
    "invitations": "Invitations sent",
    "password-resets": "Password resets sent",
    "totp-factors": "TOTP factors enrolled",
    "identities": "Identities imported",
}

#: A line's name and its value.
Line = tuple[str, object]


def draw(lines: Iterable[Line], heading: str = "SUMMARY") -> str:
    """The lines under a heading in a frame, without a line break at the end."""
    content = [heading]
    for name, value in lines:
        wrapped = textwrap.wrap(f"{name}: {value}", _MOST_WIDTH, subsequent_indent="  ", break_long_words=False)
        content += [line.replace(_KEPT_SPACE, " ") for line in wrapped]
    width = max(_LEAST_WIDTH, *(len(line) for line in content))
    rule = "─" * (width + 2)
    body = [f"│ {line.ljust(width)} │" for line in content]
    return "\n".join([f"┌{rule}┐", *body, f"└{rule}┘"])


def summary_lines(summary: Summary) -> list[Line]:
    """The lines of a run: the seed tools' own, then ours."""
    done = _DONE.get(summary.mode, "Users imported")
    lines: list[Line] = [("Status", summary.status), (done, f"{summary.imported}/{summary.total}")]
    if summary.mode not in ("user-only", *_DONE):
        lines.append(("Memberships created", summary.memberships_created))
    lines += [
        ("Duration", duration(summary.duration_seconds)),
        ("Warnings", summary.warnings),
        ("Errors", summary.failed),
    ]
    if summary.cache_hits is not None and summary.cache_misses is not None:
        asked = summary.cache_hits + summary.cache_misses
        rate = 100 * summary.cache_hits / asked if asked else 0.0
        lines += [
            ("Cache hits", summary.cache_hits),
            ("Cache misses", summary.cache_misses),
            ("Cache hit rate", f"{rate:.1f}%"),
        ]
    created = f"{summary.created}/{summary.updated}/{summary.unchanged}"
    lines += [
        ("Created/Updated/Unchanged", created),
        *([] if summary.mode == "identities" else [("Organizations created", summary.organizations_created)]),
        ("API calls", calls_line(summary.api_calls)),
        *_waits(summary),
        ("Pending", summary.pending),
        ("Run", summary.run_id),
    ]
    return lines


def dry_run_lines(report: DryRunReport) -> list[Line]:
    """The lines of a dry run."""
    lines: list[Line] = [("Status", report.status), ("Would import", f"{report.would_import}/{report.total}")]
    if report.mode not in ("user-only", "identities"):
        lines += [("Organizations", report.organizations), ("Memberships", report.memberships)]
    # Kratos has no limits.
    if report.least_seconds or report.mode != "identities":
        lines.append(("Duration at the limits", f"at least {duration(report.least_seconds)}"))
    lines += [
        ("Warnings", report.warnings),
        ("Errors", report.failed),
    ]
    return lines


def validation_lines(report: ValidationReport) -> list[Line]:
    """The lines of a check."""
    lines: list[Line] = [
        ("Status", "Valid" if report.ok else "Not valid"),
        ("Valid records", f"{report.valid}/{report.total}"),
        ("Users", report.users),
    ]
    if report.mode not in ("user-only", "identities"):
        lines += [("Organizations", report.organizations), ("Memberships", report.memberships)]
    return [*lines, ("Warnings", report.warnings), ("Errors", report.failed)]


def duration(seconds: float) -> str:
    """`12.3 s`, `7 min 25 s`, `1 h 6 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def _waits(summary: Summary) -> list[Line]:
    """What held the run up, where anything did."""
    lines: list[Line] = []
    if summary.turned_away:
        often = f"{summary.pauses} time{'' if summary.pauses == 1 else 's'}"
        lasting = duration(summary.paused_seconds)
        lines.append(("Paused by the API", f"{often}, {lasting} ({summary.turned_away} × 429)"))
    if summary.away_seconds:
        lines.append(("API away", duration(summary.away_seconds)))
    return lines


def calls_line(calls: dict[str, int]) -> str:
    """`2021 (create user 1000, …)`."""
    parts = [f"{name} {count}".replace(" ", _KEPT_SPACE) for name, count in calls.items() if count]
    return f"{sum(calls.values())} ({', '.join(parts)})" if parts else "0"
