"""Owns the way from the plain values of the native module to this package's types."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ._results import Issue, Pace, Progress, RowError, RowResult, Started, Stopped, Summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._tables import Columns

#: The columns of results, in order: those of the results file.
RESULT_COLUMNS = (
    "record_number",
    "email",
    "external_id",
    "outcome",
    "user",
    "membership",
    "evidence",
    "user_id",
    "organization_id",
    "membership_id",
    "error_code",
    "error_message",
    "record_id",
)

#: The same, with what their values are.
RESULT_TABLE: Columns = tuple((name, "integer" if name == "record_number" else "text") for name in RESULT_COLUMNS)


def row_result(value: tuple[Any, ...]) -> RowResult:
    """A row's result; the native module gives its parts in this order."""
    number, line, email, external_id, outcome, user, membership, evidence, *rest = value
    user_id, organization_id, membership_id, milliseconds, failure, record_id = rest
    error = None
    if failure is not None:
        kind, code, message, status, workos_code, request_id, errors = failure
        listed = tuple(json.loads(errors)) if errors else ()
        error = RowError(kind, code, message, status, workos_code, request_id, listed)
    at = datetime.fromtimestamp(milliseconds / 1000, tz=timezone.utc)
    return RowResult(
        record_number=number,
        line=line,
        email=email,
        external_id=external_id,
        outcome=outcome,
        user=user,
        # A row whose user is known has a word for its membership, even when it has none.
        membership="none" if membership is None and user is not None else membership,
        evidence=evidence,
        user_id=user_id,
        organization_id=organization_id,
        membership_id=membership_id,
        at=at,
        error=error,
        record_id=record_id,
    )


def issue(value: tuple[Any, ...]) -> Issue:
    """An issue, likewise."""
    severity, code, message, record_number, line, column, record_id = value
    return Issue(severity, code, message, record_number, line, column, record_id)


def progress(value: tuple[Any, ...]) -> Progress:
    """Where a run is."""
    ended, failed, total, rate, eta_seconds, pace = value
    return Progress(ended, failed, total, rate, eta_seconds, None if pace is None else Pace(*pace))


def started(value: dict[str, Any]) -> Started:
    """The beginning of a run."""
    return Started(**value)


def summary(value: dict[str, Any], first_failures: tuple[RowResult, ...]) -> Summary:
    """The end of a run."""
    stopped = value.pop("stopped")
    return Summary(**value, stopped=None if stopped is None else Stopped(**stopped), first_failures=first_failures)


def result_line(values: Sequence[Any]) -> dict[str, Any]:
    """One line of the results."""
    return dict(zip(RESULT_COLUMNS, values, strict=True))
