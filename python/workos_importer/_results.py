"""Owns what a run tells: row results, errors, warnings, progress and the summary. Typed, frozen, picklable."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Literal

from ._box import draw, summary_lines
from ._exceptions import RowsFailedError

Outcome = Literal["created", "updated", "unchanged", "failed", "pending"]


def _called(record_id: str) -> str:
    """What a row is called, on one line."""
    shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in record_id[:60])
    return f"id {shown}{'…' if len(record_id) > 60 else ''}"


class _Brief:
    """Shows only the fields that say something."""

    __slots__ = ()

    def __repr__(self) -> str:
        shown = []
        for one in fields(self):  # type: ignore[arg-type]  # each subclass is a dataclass
            value = getattr(self, one.name)
            if value is not None and value != () and not one.name.startswith("_"):
                shown.append(f"{one.name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


@dataclass(frozen=True, slots=True, repr=False)
class RowError(_Brief):
    """Why a row failed.

    >>> from workos_importer import Importer, Sandbox
    >>> [result] = Importer(sandbox=Sandbox()).run([{"email": "nobody"}])
    >>> result.error.error_type, result.error.code
    ('validation', 'invalid_email')
    """

    #: The stage: `validation`, `org_resolution`, `user`, `membership`, `role_assignment` or `in_doubt`; of rows about
    #: something else also `organization`, `role`, `permission`, `invitation`, `password_reset`, `totp_factor`.
    error_type: str
    #: Stable: an issue code for validation errors, else the stage and what went wrong.
    code: str
    #: In plain words; holds no secret.
    message: str
    #: What the API answered, where it did.
    http_status: int | None = None
    workos_code: str | None = None
    workos_request_id: str | None = None
    workos_errors: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class RowResult(_Brief):
    """How one row ended. Given once for each row, in the order in which rows end.

    >>> from workos_importer import Importer, Sandbox
    >>> for result in Importer(sandbox=Sandbox()).run([{"email": "ada@example.com"}]):
    ...     print(result.record_number, result.email, result.outcome)
    1 ada@example.com created
    """

    #: From 1; the header is not counted.
    record_number: int
    #: Where the record begins in its file; None for rows that do not come from a file.
    line: int | None
    email: str | None
    external_id: str | None
    outcome: Outcome
    #: `created`, `updated`, `existing` or `deleted`; None if the row did not get that far.
    user: str | None = None
    #: `created`, `updated`, `reactivated`, `existing`, `deleted`, `none`; None if the row failed before its user.
    membership: str | None = None
    #: `confirmed`: the API said so; `inferred`: its answer was lost, and reading back found it.
    evidence: str | None = None
    user_id: str | None = None
    organization_id: str | None = None
    membership_id: str | None = None
    #: When the row ended, in UTC.
    at: datetime | None = None
    error: RowError | None = None
    #: What the source calls the row, where `record_id=` names the column.
    record_id: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the row is in its desired state."""
        return self.outcome in ("created", "updated", "unchanged")


@dataclass(frozen=True, slots=True, repr=False)
class Issue(_Brief):
    """One thing that is wrong or odd in a source. Holds no secret, and no cell of a broken record.

    >>> from workos_importer import Importer
    >>> [issue] = Importer().validate([{"email": "ada@example.com", "email_verified": "maybe"}]).issues
    >>> issue.code, issue.record_number, issue.column
    ('invalid_boolean', 1, 'email_verified')
    """

    #: `error`: the row fails; `warning`: it goes on.
    severity: Literal["error", "warning"]
    #: Stable; each is listed in the documentation with cause and remedy.
    code: str
    message: str
    #: From 1; None if it is about the whole source.
    record_number: int | None = None
    line: int | None = None
    #: As it is written in the source.
    column: str | None = None
    #: What the source calls the row, where `record_id=` names the column.
    record_id: str | None = None

    def __str__(self) -> str:
        if self.record_number is None:
            return self.message
        where = f"record {self.record_number}"
        more = [] if self.record_id is None else [_called(self.record_id)]
        if self.line is not None:
            more.append(f"line {self.line}")
        if more:
            where += f" ({', '.join(more)})"
        if self.column is not None:
            where += f", column {self.column}"
        return f"{where}: {self.message}"


@dataclass(frozen=True, slots=True, repr=False)
class Pace(_Brief):
    """How fast a run that is under way may send, and what holds it up.

    >>> from workos_importer import Importer, Sandbox
    >>> with Importer(sandbox=Sandbox(latency=0.2), headroom="20%").run([{"email": "ada@example.com"}]) as run:
    ...     while (pace := run.progress.pace) is None:
    ...         events = run.poll(0.05)
    >>> pace.write_limit, pace.headroom
    ((400, 10.0), 0.2)
    """

    #: Writes that are allowed in a window, and the window's length in seconds; None without limits.
    write_limit: tuple[int, float] | None
    #: The share of the limit (0 to 1) that is left to the application.
    headroom: float
    #: The share of the rest that is used: less than 1 for a while after a 429.
    share: float
    #: Requests.
    in_flight: int
    #: 429s since the run was begun or went on, and how often calls paused because of them.
    turned_away: int
    pauses: int
    #: For how many seconds more calls pause after a 429.
    paused_for: float | None = None
    #: For how many seconds the API has been away, and in how many the next call tries whether it is back.
    away_for: float | None = None
    next_try_in: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is. Counts are of rows; `total` is None where it cannot be known before the end.

    >>> from workos_importer import Importer, Sandbox
    >>> run = Importer(sandbox=Sandbox()).run([{"email": "ada@example.com"}])
    >>> run.wait().ok, run.progress.ended, run.progress.failed
    (True, 1, 0)
    """

    ended: int
    failed: int
    total: int | None
    #: Rows that end in a second, of late; None as long as none has ended.
    rate: float | None = None
    #: In how many seconds the last row ends; None where that cannot be told: at the very beginning, without a total,
    #: and while the API is away.
    eta_seconds: float | None = None
    #: None before anything was sent, and after the end.
    pace: Pace | None = None


def expecting(progress: Progress, total: int | None) -> Progress:
    """The same with a total that is known from elsewhere, and what it says about the time."""
    if total is None:
        return progress
    total = max(total, progress.ended)
    away = progress.pace is not None and progress.pace.away_for is not None
    left = None if away or not progress.rate else (total - progress.ended) / progress.rate
    return replace(progress, total=total, eta_seconds=left)


@dataclass(frozen=True, slots=True)
class Started:
    """What a run is about to do.

    >>> from workos_importer import Importer, Sandbox
    >>> run = Importer(sandbox=Sandbox()).run([{"email": "ada@example.com"}])
    >>> run.wait().ok, run.started.mode_sentence
    (True, 'User-only mode: No memberships will be created')
    """

    run_id: str
    #: `user-only`, `single-org` or `multi-org`.
    mode: str
    mode_sentence: str
    #: Records in the source; None where that cannot be known before reading it.
    rows: int | None
    #: Whether the key is that of a live environment.
    live: bool
    #: Writes that are allowed in a window, and the window's length in seconds; None without limits.
    write_limit: tuple[int, float] | None
    #: The share of the limit (0 to 1) that is left to the application.
    headroom: float
    #: The least time that the limits allow, in seconds.
    least_seconds: float | None
    #: What has to be said of earlier runs: that one goes on, or why this is a new one although there was another.
    note: str | None
    #: The run's folder.
    folder: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why a run ended before its last row: a stable word, and what to do.

    >>> from workos_importer import Importer, Sandbox
    >>> importer = Importer(sandbox=Sandbox(), max_errors=0)
    >>> importer.run([{"email": "nobody"}, {"email": "ada@example.com"}]).wait().stopped.kind
    'max_errors'
    """

    kind: str
    message: str


@dataclass(frozen=True, slots=True, repr=False)
class Summary(_Brief):
    """The figures of a run. Counts are of rows unless they say otherwise.

    >>> from workos_importer import Importer, Sandbox
    >>> summary = Importer(sandbox=Sandbox()).run([{"email": "ada@example.com"}, {"email": "nobody"}]).wait()
    >>> summary.status, summary.created, summary.failed
    ('Completed with errors', 1, 1)
    """

    run_id: str
    #: `Success`, `Completed with errors`, `Failed`, `Stopped`, `Interrupted`; after `undo` `Undoing` or `Undone`.
    status: str
    mode: str
    total: int
    imported: int
    created: int
    updated: int
    unchanged: int
    failed: int
    pending: int
    memberships_created: int
    organizations_created: int
    #: Users who were there, differ from their row, and were left as they are.
    differing: int
    #: Rows whose answer was lost, and whose write was found by reading back.
    inferred: int
    #: Users that `require_membership` took back.
    users_deleted: int
    warnings: int
    #: Multi-org only: rows whose organization was known, and organizations that the API was asked for.
    cache_hits: int | None
    cache_misses: int | None
    #: How many calls were made, by name.
    api_calls: dict[str, int]
    #: Calls that the API turned away with 429; how often calls paused because of that, and for how long in all.
    turned_away: int
    pauses: int
    paused_seconds: float
    #: For how long the API was away.
    away_seconds: float
    duration_seconds: float
    stopped: Stopped | None
    #: Said when nothing was sent, because an earlier run had done it all.
    note: str | None
    #: What the command line exits with.
    exit_code: int
    folder: str
    errors_out: str | None
    results_out: str | None
    #: The first ten rows that failed, in the order in which they ended.
    first_failures: tuple[RowResult, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether every row is in its desired state and there was at least one."""
        return self.exit_code == 0

    def raise_for_failures(self) -> None:
        """Raises `RowsFailedError`, with the first ten failures, unless every row is in its desired state.

        A run that stopped early and a source without rows raise too: what exits with 0 on the command line is what
        passes here.
        """
        if self.ok:
            return
        lines = [self._verdict()]
        for row in self.first_failures:
            message = row.error.message if row.error else ""
            called = "" if row.record_id is None else f" ({_called(row.record_id)})"
            lines.append(f"  {row.record_number}{called} {row.email or ''}: {message}")
        if self.failed > len(self.first_failures) > 0:
            lines.append(f"  and {self.failed - len(self.first_failures)} more")
        raise RowsFailedError("\n".join(lines), failures=self.first_failures)

    def _verdict(self) -> str:
        parts = [f"{self.failed} of {self.total} rows failed"]
        if self.pending:
            parts.append(f"{self.pending} were not reached")
        if self.stopped is not None:
            parts.append(self.stopped.message)
        elif self.total == 0:
            parts = ["The file has a header but no rows."]
        return f"{self.status} (run {self.run_id}): {'; '.join(parts)}"

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain values, as `--json` prints them."""
        values = asdict(self)
        del values["first_failures"]
        return values

    def __str__(self) -> str:
        return draw(summary_lines(self))

    def _repr_html_(self) -> str:
        from ._html import failures, report, sentence

        said = (sentence(self.note), sentence(None if self.stopped is None else self.stopped.message))
        return report("Summary", summary_lines(self), *said, failures(self.first_failures, self.failed))
