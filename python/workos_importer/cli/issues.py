"""Owns the line that is printed for an issue of a source."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._results import Issue


def issue_line(issue: Issue) -> str:
    """`✗ record 13 (line 14), column email: … [invalid_email]`, or `Warning: …`."""
    mark = "✗" if issue.severity == "error" else "Warning:"
    return f"{mark} {issue} [{issue.code}]"
