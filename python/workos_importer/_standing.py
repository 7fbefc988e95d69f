"""Owns the words for where a run is: how far, how fast, until when, and what holds it up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._results import Pace, Progress

#: From here on a share of the limit is all of it.
_WHOLE = 0.995


def progress_line(progress: Progress, mean_rate: float = 0.0) -> str:
    """`4200/10000 (24.9/s, ETA: 233s, 12 failed)`, and behind it what holds the run up, if anything does.

    `mean_rate` is shown as long as the rate of late is not known.
    """
    rate = mean_rate if progress.rate is None else progress.rate
    counts = str(progress.ended) if progress.total is None else f"{progress.ended}/{progress.total}"
    parts = [f"{rate:.1f}/s"]
    if progress.total is not None:
        parts.append(f"ETA: {eta(progress)}")
    parts.append(f"{progress.failed} failed")
    held_up = hindrance(progress.pace)
    return f"{counts} ({', '.join(parts)})" + (f" · {held_up}" if held_up else "")


def eta(progress: Progress) -> str:
    """`233s`, or `?` where it cannot be told."""
    return "?" if progress.eta_seconds is None else f"{progress.eta_seconds:.0f}s"


def hindrance(pace: Pace | None) -> str | None:
    """`API away, next try in 40 s`, `429: paused 8 s`, `using 70 % of the limit`; None where nothing is in the way."""
    if pace is None:
        return None
    if pace.away_for is not None:
        return "API away, trying" if pace.next_try_in is None else f"API away, next try in {_whole(pace.next_try_in)} s"
    if pace.paused_for is not None:
        return f"429: paused {_whole(pace.paused_for)} s"
    return f"using {pace.share * 100:.0f} % of the limit" if pace.share < _WHOLE else None


def kept(write_limit: tuple[int, float] | None, headroom: float) -> str | None:
    """`450/10s (10 % left to the application)`; None without limits."""
    if write_limit is None:
        return None
    count, seconds = write_limit
    left = f" ({headroom * 100:.0f} % left to the application)" if headroom else ""
    return f"{count}/{seconds:g}s{left}"


def pace_line(pace: Pace) -> str:
    """What a pace keeps, in a line."""
    return f"Pace: {kept(pace.write_limit, pace.headroom) or 'no limit'}"


def _whole(seconds: float) -> int:
    return max(math.ceil(seconds), 1)
