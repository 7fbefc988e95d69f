"""Owns `workos-importer rate-check`: shows the rate limit being kept, on a sandbox that refuses whatever is over it."""

from __future__ import annotations

import math
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import _box
from .._exceptions import ConfigError
from .._importer import Importer
from .._native import Sandbox
from .interrupts import Interrupts
from .parser import rate_limit, share
from .progress import document

if TYPE_CHECKING:
    import argparse

    from .._results import Summary
    from .parser import Commands
    from .streams import Streams

# For how long the larger import sends at least: in seconds, and in periods of the limit.
_QUICK, _NORMAL, _FULL = (12, 1.2), (30, 3.0), (60, 6.0)
# Then another one begins at once, as after a restart: this share of the limit.
_RESTART = 0.2
# Seconds that a request takes: the least and the most.
_LATENCY = (0.02, 0.4)
_ORGANIZATIONS = 10
# More writes a second would check this machine, not the limit.
_FASTEST = 5_000
# How long the bar of a second is that holds as many writes as the limit has on average.
_BAR = 30


@dataclass(frozen=True, slots=True)
class Checked:
    """What the sandbox has seen, against the limit."""

    limit: int
    period_seconds: float
    requests: int
    writes: int
    writes_by_second: list[int]
    #: The most writes in any period, wherever it begins.
    largest_window: int
    refused: int
    failed_rows: int
    duration_seconds: float
    #: Of the larger import: its rate against the limit's.
    of_the_limit: float
    #: The same against what a client can reach that never risks a refusal: it uses a slot again one period and the
    #: request's own latency later.
    of_the_safe_bound: float

    @property
    def kept(self) -> bool:
        """Whether nothing was over the limit, and nothing was turned away."""
        return self.refused == 0 and self.largest_window <= self.limit

    @property
    def ok(self) -> bool:
        """The same, and every row is in."""
        return self.kept and self.failed_rows == 0


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "rate-check",
        streams=streams,
        help="see the rate limit being kept",
        description="Imports invented users with memberships into a sandbox in this process, in real time, and begins "
        "again at once, as after a restart. The sandbox refuses whatever is over the limit in any sliding or fixed "
        "window. Prints the writes in each second and the largest window. No key, no network; leaves nothing behind.",
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_const", dest="length", const=_QUICK, help="about 15 s")
    length.add_argument("--full", action="store_const", dest="length", const=_FULL, help="a little over 60 s")
    parser.add_argument(
        "--rate-limit", metavar="N/PERIOD", type=rate_limit, default=(500, 10.0), help="default 500/10s"
    )
    parser.add_argument("--headroom", metavar="P%", type=share, default=0.0, help="leave this share of it; default 0%%")
    parser.add_argument("--quiet", action="store_true", help="print the result alone")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(work=work, length=_NORMAL)


def work(parsed: argparse.Namespace, streams: Streams) -> int:
    """Imports twice, and judges what the sandbox has counted."""
    count, period = parsed.rate_limit
    count = max(1, math.floor(count * (1 - parsed.headroom)))
    if count / period > _FASTEST:
        raise ConfigError(f"rate-check checks up to {_FASTEST} writes a second: more would check this machine.")
    seconds, periods = parsed.length
    rows = math.ceil(max(seconds, periods * period) * count / period / 2)
    again = math.ceil(_RESTART * count / 2)
    sandbox = Sandbox(write_limit=(count, period), strict_limits=True, latency=_LATENCY)
    watch = _Watch(sandbox, count / period, None if parsed.quiet else streams)
    about = _box.duration((rows + again) * 2 * period / count)
    watch.say(
        f"{rows} users with memberships, then {again} as after a restart, into a strict sandbox in this process: "
        f"{count} writes in any {period:g} s, in real time, about {about}"
    )
    summaries: list[Summary] = []
    with tempfile.TemporaryDirectory(prefix="workos-importer-rate-", ignore_cleanup_errors=True) as folder:
        importer = Importer(
            sandbox=sandbox, rate_limit=parsed.rate_limit, headroom=parsed.headroom, run_dir=Path(folder) / "runs"
        )
        for name, numbers in (("first", range(rows)), ("again", range(rows, rows + again))):
            file = Path(folder) / f"{name}.csv"
            file.write_text(_users(numbers), "utf-8")
            summary, stopped = watch.follow(importer, file)
            if stopped is not None:
                return stopped
            summaries.append(summary)
    watch.look(over=True)
    checked = judge(sandbox, count, period, summaries)
    if parsed.json:
        values = {**asdict(checked), "ok": checked.ok}
        streams.result(document("rate_check", values))
    else:
        streams.result(_box.draw(_lines(checked)))
    return 0 if checked.ok else 1


def judge(sandbox: Sandbox, count: int, period: float, summaries: list[Summary]) -> Checked:
    """What the sandbox has counted, against `count` writes in any `period`; the first summary's rate against both."""
    counters = sandbox.counters()
    first = summaries[0]
    calls = first.api_calls
    rate = (calls.get("create user", 0) + calls.get("create membership", 0)) / first.duration_seconds
    latency = sum(_LATENCY) / 2
    return Checked(
        limit=count,
        period_seconds=period,
        requests=counters["total"],
        writes=sum(counters["writes_by_second"]),
        writes_by_second=counters["writes_by_second"],
        largest_window=counters["most_writes_in_a_period"],
        refused=counters["refused_by_limit"],
        failed_rows=sum(summary.failed for summary in summaries),
        duration_seconds=sum(summary.duration_seconds for summary in summaries),
        of_the_limit=round(rate * period / count, 4),
        of_the_safe_bound=round(rate * (period + latency) / count, 4),
    )


class _Watch:
    """Prints the writes of each second as soon as it is over."""

    def __init__(self, sandbox: Sandbox, per_second: float, streams: Streams | None) -> None:
        self._sandbox = sandbox
        self._per_second = per_second
        self._streams = streams
        self._said = 0

    def say(self, text: str) -> None:
        if self._streams is not None:
            self._streams.note(text)

    def follow(self, importer: Importer, file: Path) -> tuple[Summary, int | None]:
        """Imports the file; with the exit code if somebody stopped it."""
        run = importer.run(str(file))
        with Interrupts(run) as interrupts:
            while not run.ended:
                run.poll(0.1)
                self.look()
                if interrupts.count:
                    # There is nothing that would be worth ending well.
                    run.stop(now=True)
        return run.summary, interrupts.exit_code(130) if interrupts.count else None

    def look(self, over: bool = False) -> None:
        """Prints the seconds that are over; all of them if nothing more comes."""
        if self._streams is None:
            return
        by_second = self._sandbox.counters()["writes_by_second"]
        complete = len(by_second) if over else len(by_second) - 1
        while self._said < complete:
            writes = by_second[self._said]
            self._said += 1
            bar = "#" * min(2 * _BAR, round(writes * _BAR / self._per_second))
            self._streams.note(f"{self._said:>4} s {writes:>6} writes  {bar}".rstrip())


def _lines(checked: Checked) -> list[_box.Line]:
    status = "The limit was kept" if checked.kept else "The limit was broken"
    period = f"{checked.period_seconds:g} s"
    return [
        ("Status", status if checked.failed_rows == 0 else f"{status}; {checked.failed_rows} rows failed"),
        ("Limit", f"{checked.limit} writes in any {period}"),
        ("Largest window", f"{checked.largest_window} writes in {period}"),
        ("Busiest second", f"{max(checked.writes_by_second, default=0)} writes"),
        ("Refused", checked.refused),
        ("Writes", f"{checked.writes} of {checked.requests} requests"),
        ("Of the limit", f"{100 * checked.of_the_limit:.1f} %"),
        ("Of the safe bound", f"{100 * checked.of_the_safe_bound:.1f} %"),
        ("Duration", _box.duration(checked.duration_seconds)),
    ]


def _users(numbers: range) -> str:
    rows = (
        f"user{number}@example.com,org-{number % _ORGANIZATIONS},Organization {number % _ORGANIZATIONS}\n"
        for number in numbers
    )
    return "email,org_external_id,org_name\n" + "".join(rows)
