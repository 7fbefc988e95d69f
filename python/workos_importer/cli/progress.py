"""Owns what is printed while an import runs: lines, a progress bar above which they stand, JSON, or nothing."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._box import duration
from .._results import Issue, Progress, RowResult, Started, Summary
from .._standing import eta, hindrance, kept, pace_line, progress_line
from .streams import is_terminal, printable

if TYPE_CHECKING:
    from .._results import Pace
    from .._run import Event
    from .streams import Streams

#: Of everything that is printed as JSON. It grows with every change that a reader could stumble over.
SCHEMA_VERSION = 1

_ROWS_BETWEEN = 100
_SECONDS_BETWEEN = 10.0
_JSON_BETWEEN = 1.0


@dataclass(frozen=True, slots=True)
class Where:
    """What the first line says beside the run's own figures: which environment it writes to."""

    #: `TEST` or `SANDBOX`, unless the run says that it is live.
    environment: str = ""
    #: Where the key is from.
    key_place: str | None = None
    #: The URL; None with a sandbox.
    url: str | None = None
    is_kratos: bool = False

    def words(self, live: bool) -> str:
        """`TEST`, `LIVE`, `KRATOS http://127.0.0.1:4434`: there are many of those, and of WorkOS the key says which."""
        if self.is_kratos and self.url is not None:
            return f"{'LIVE ' if live else ''}KRATOS {self.url}"
        return "LIVE" if live else self.environment


class Silence:
    """Prints nothing (`--quiet`)."""

    #: Whether `tell` does anything with the rows that did not fail.
    wants_rows = False

    def __init__(self, streams: Streams) -> None:
        """Takes the streams to print to."""
        self._streams = streams

    def at(self, progress: Progress) -> None:
        """Where the run is, with the rows of earlier attempts; told often, also while nothing happens."""

    def watched(self, progress: Progress) -> None:
        """Where a run is that another process works on; told once a second."""
        self.at(progress)

    def say(self, text: str) -> None:
        """A line that belongs to no row."""

    def warn(self, text: str) -> None:
        """A line about something odd; it comes after the first line."""

    def tell(self, event: Event) -> None:
        """Something happened."""

    def end(self) -> None:
        """Nothing more comes before the summary."""


class Lines(Silence):
    """A line for each row, and now and then one that says how far it is."""

    wants_rows = True

    def __init__(self, streams: Streams, where: Where) -> None:
        """Takes what the first line says beside the run's own figures."""
        super().__init__(streams)
        self._where = where
        self._total: int | None = None
        # Rows that have been told here. The run's own figures have those of earlier attempts too, and are often ahead.
        self._ended = 0
        self._failed = 0
        self._latest = Progress(0, 0, None)
        self._begun = time.monotonic()
        self._told = self._begun
        self._told_of_pause = -_SECONDS_BETWEEN
        # What was odd before the run began: the first line comes first.
        self._held: list[str] | None = []

    def at(self, progress: Progress) -> None:
        """Where the run is, with the rows of earlier attempts."""
        before, self._latest = self._latest.pace, progress
        pace = progress.pace
        if pace is None:
            return
        if before is not None and (before.write_limit, before.headroom) != (pace.write_limit, pace.headroom):
            self.say(pace_line(pace))
        self._mention(pace)

    def watched(self, progress: Progress) -> None:
        """Where a run is that another process works on."""
        first = self._latest.ended == 0 and self._latest.pace is None
        self.at(progress)
        now = time.monotonic()
        if first or now - self._told >= _SECONDS_BETWEEN:
            self._told = now
            self.say(progress_line(progress))

    def _mention(self, pace: Pace) -> None:
        """Says that calls wait, now and then: no row says so meanwhile."""
        now = time.monotonic()
        waits = pace.away_for is not None or pace.paused_for is not None
        if waits and now - self._told_of_pause >= _SECONDS_BETWEEN:
            self._told_of_pause = now
            self.say(str(hindrance(pace)))

    def say(self, text: str) -> None:
        """A line that belongs to no row."""
        self._streams.note(text)

    def warn(self, text: str) -> None:
        """A line about something odd; it comes after the first line."""
        if self._held is None:
            self.say(f"Warning: {text}")
        else:
            self._held.append(text)

    def end(self) -> None:
        """Nothing more comes before the summary."""
        self._release()

    def tell(self, event: Event) -> None:
        """Something happened."""
        if isinstance(event, Started):
            self._total = event.rows
            self._begun = self._told = time.monotonic()
            self.say(first_line(event, self._where))
            if event.note is not None:
                self.say(event.note)
            self.say(event.mode_sentence)
            self._release()
        elif isinstance(event, Issue):
            self.warn(str(event))
        elif isinstance(event, RowResult):
            self._ended += 1
            self._failed += event.outcome == "failed"
            self.say(row_line(event))
            self._advance()

    def _release(self) -> None:
        held, self._held = self._held, None
        for text in held or ():
            self.warn(text)

    def _advance(self) -> None:
        now = time.monotonic()
        if self._ended % _ROWS_BETWEEN == 0 and now - self._told >= _SECONDS_BETWEEN:
            self._told = now
            self.say(progress_line(self._now(), self._mean_rate()))

    def _now(self) -> Progress:
        """Where the run is. Added up, its own figures and the rows that have been told would count rows twice."""
        latest = self._latest
        return replace(
            latest,
            ended=max(latest.ended, self._ended),
            failed=max(latest.failed, self._failed),
            total=self._total if latest.total is None else latest.total,
        )

    def _mean_rate(self) -> float:
        """Rows a second since the beginning: until it is known better."""
        return self._ended / max(time.monotonic() - self._begun, 0.001)


class Bar(Lines):
    """The same above a progress bar."""

    def __init__(self, streams: Streams, where: Where) -> None:
        """Draws nothing before the run has begun."""
        super().__init__(streams, where)
        self._progress: Any = None
        self._task: Any = None

    def say(self, text: str) -> None:
        """A line above the bar."""
        if self._progress is None:
            super().say(text)
        else:
            self._progress.console.print(
                printable(text, sys.stderr), markup=False, highlight=False, soft_wrap=True, emoji=False
            )

    def tell(self, event: Event) -> None:
        """Something happened."""
        super().tell(event)
        if isinstance(event, Started):
            self._draw(event.rows)
        elif isinstance(event, Summary):
            # Where it was last asked, it may have been a moment before the end.
            self.at(Progress(event.total - event.pending, event.failed, event.total))

    def at(self, progress: Progress) -> None:
        """Where the run is, with the rows of earlier attempts."""
        super().at(progress)
        self._advance()

    def watched(self, progress: Progress) -> None:
        """Where a run is that another process works on."""
        if self._progress is None:
            self._draw(progress.total)
        self.at(progress)

    def _mention(self, pace: Pace) -> None:
        """The bar says it."""

    def end(self) -> None:
        """Takes the bar away."""
        super().end()
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _draw(self, total: int | None) -> None:
        # Imported here: it takes longer than everything else at the start, and pipes never need it.
        from rich import progress as columns
        from rich.console import Console

        self._progress = columns.Progress(
            columns.BarColumn(),
            columns.MofNCompleteColumn(),
            columns.TextColumn("{task.fields[rate]:.1f}/s"),
            columns.TextColumn("ETA: {task.fields[eta]}"),
            columns.TextColumn("{task.fields[failed]} failed"),
            columns.TextColumn("{task.fields[hindrance]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task("", total=total, rate=0.0, eta="?", failed=0, hindrance="")
        self._progress.start()

    def _advance(self) -> None:
        if self._progress is not None:
            now = self._now()
            self._progress.update(
                self._task,
                completed=now.ended,
                total=now.total,
                failed=now.failed,
                rate=self._mean_rate() if now.rate is None else now.rate,
                eta=eta(now),
                hindrance=hindrance(now.pace) or "",
            )


class Json(Silence):
    """One JSON object a line (`--progress json`)."""

    wants_rows = True

    def __init__(self, streams: Streams, where: Where) -> None:
        """Takes the streams to print to, and the place that the beginning names."""
        super().__init__(streams)
        self._where = where
        self._told = time.monotonic()

    def at(self, progress: Progress) -> None:
        """Where the run is, with the rows of earlier attempts; once a second."""
        now = time.monotonic()
        if now - self._told >= _JSON_BETWEEN:
            self._told = now
            self._emit("progress", asdict(progress))

    def watched(self, progress: Progress) -> None:
        """Where a run is that another process works on."""
        self._emit("progress", asdict(progress))

    def say(self, text: str) -> None:
        """A line that belongs to no row."""
        self._emit("message", {"message": text})

    def warn(self, text: str) -> None:
        """A line about something odd."""
        self.say(text)

    def tell(self, event: Event) -> None:
        """Something happened."""
        if isinstance(event, Started):
            self._emit("started", {**asdict(event), "base_url": self._where.url})
        elif isinstance(event, Issue):
            self._emit("warning", asdict(event))
        elif isinstance(event, Summary):
            self._emit("summary", event.to_dict())
        else:
            self._emit("row", asdict(event))

    def _emit(self, kind: str, values: dict[str, Any]) -> None:
        self._streams.note(document(kind, values))


def chosen(progress: str, quiet: bool, streams: Streams, where: Where) -> Silence:
    """What fits the flags and the terminal."""
    if quiet:
        return Silence(streams)
    if progress == "json":
        return Json(streams, where)
    if progress == "auto" and is_terminal(sys.stderr):
        return Bar(streams, where)
    return Lines(streams, where)


def document(kind: str, values: dict[str, Any]) -> str:
    """One JSON object on one line, with what it is and the version of its form."""
    return json.dumps({"message_type": kind, "schema_version": SCHEMA_VERSION, **values}, default=_plain)


def first_line(started: Started, where: Where) -> str:
    """`LIVE · key from .env · 10000 rows · multi-org · 450/10s (…) · about 7 min 25 s · run 7f3a in …`."""
    parts = [where.words(started.live)]
    if where.key_place is not None:
        parts.append(f"key from {where.key_place}")
    if started.rows is not None:
        parts.append(f"{started.rows} rows")
    parts.append(started.mode)
    limit = kept(started.write_limit, started.headroom)
    if limit is not None:
        parts.append(limit)
    if started.least_seconds is not None:
        parts.append(f"about {duration(started.least_seconds)}")
    folder = Path(started.folder)
    parts.append(f"run {started.run_id} in {folder.parent}")
    return " · ".join(parts)


def row_line(result: RowResult) -> str:
    """`✓ 12 alice@acme.com created`, or `✗ 13 (line 14) bob@acme.com: Organization not found: acme-corp`."""
    email = result.email or result.external_id or "(no email)"
    if result.error is None:
        return f"✓ {result.record_number} {email} {result.outcome}"
    return failed_line(result.record_number, result.line, result.email or result.external_id, result.error.message)


def failed_line(record_number: int, line: int | None, email: str | None, message: str) -> str:
    """`✗ 13 (line 14) bob@acme.com: Organization not found: acme-corp`."""
    where = f" (line {line})" if line is not None else ""
    return f"✗ {record_number}{where} {email or '(no email)'}: {message}"


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value)
