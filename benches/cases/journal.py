"""Owns how fast the journal is and how large it becomes, by itself: rows with a user and a membership, unordered."""

from __future__ import annotations

import json
from typing import Any

from measuring import EXAMPLES, ROOT, Bench, run


def measure(bench: Bench) -> None:
    """On disk, and in memory."""
    rows = 1_000_000 if bench.full else 200_000
    # On the disk of the project: the folder for temporary files is memory on some systems.
    place = ROOT / "build"
    on_disk = _run(bench, "disk", rows, place)
    in_memory = _run(bench, "memory", rows, place)
    speed, size = on_disk["steps_per_second"], on_disk["bytes_per_row"]
    bench.add(f"journal, {rows:,} unordered rows", f"{speed:,.0f} steps/s", "≥ 2,000", speed >= 2_000)
    bench.add("… in memory, nothing waited for", f"{in_memory['steps_per_second']:,.0f} steps/s")
    bench.add("… size", f"{size:.0f} bytes a row", "< 350", size < 350)


def _run(bench: Bench, kind: str, rows: int, place: Any) -> dict[str, float]:
    found: dict[str, float] = json.loads(run([EXAMPLES / "journal", kind, str(rows), place], bench.folder).output)
    return found
