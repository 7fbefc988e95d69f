"""Owns how many calls a row costs, by what was there before."""

from __future__ import annotations

import json
from pathlib import Path

from measuring import COMMAND, Bench, run, served


def measure(bench: Bench) -> None:
    """Counts the calls of one file, imported in several situations."""
    rows, organizations = 1_000, 10
    path = bench.file(rows, organizations)
    runs = bench.folder / "economy"
    with served() as server:

        def calls(what: str, expected: int, *flags: str, run_dir: Path = runs) -> None:
            before = server.counters()["total"]
            command: list[str | Path] = [COMMAND, "import", path, "--quiet", "--json", "--base-url", server.url]
            command += ["--rate-limit", "1000000/1s", "--run-dir", run_dir, *flags]
            document = json.loads(run(command, bench.folder).output)
            assert document["failed"] == 0
            made = server.counters()["total"] - before
            bench.add(f"calls: {what}", f"{made:,} ({made / rows:.2f} a row)", f"{expected:,}", made == expected)

        # One to check the key; a look and a creation for each organization; two writes a row.
        calls("new users, organizations and memberships", 1 + 2 * organizations + 2 * rows)
        calls("the same again, with its journal", 0)
        # A look for each organization; for each row a refused write and two reads.
        calls("the same again, without a journal", 1 + organizations + 3 * rows, run_dir=bench.folder / "elsewhere")
