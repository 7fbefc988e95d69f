"""Measures speed, memory and calls, and prints ratios: each of them within one run on one machine.

Usage: python benches/run.py [--full] [--only CASE …]
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import measuring

RESULTS = measuring.ROOT / "benches" / "RESULTS.md"
CASES = (
    "reading",
    "frames",
    "importing",
    "identities",
    "journal",
    "reporting",
    "starting",
    "pace",
    "economy",
    "outage",
)


def main() -> None:
    """Runs the cases; writes the table if all of them ran."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="the long forms too: up to an hour")
    parser.add_argument("--only", nargs="+", choices=CASES, default=CASES, help="some cases; writes no file")
    options = parser.parse_args()
    measuring.prepare()
    started = time.monotonic()
    print("| What | Measured | Goal |\n|---|---:|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="workos-importer-bench-") as folder:
        bench = measuring.Bench(full=options.full, folder=Path(folder))
        for case in options.only:
            importlib.import_module(f"cases.{case}").measure(bench)
    minutes = (time.monotonic() - started) / 60
    print(f"\n{minutes:.1f} minutes")
    if tuple(options.only) == CASES:
        write(bench, minutes)
    if any(line.holds is False for line in bench.lines):
        sys.exit(1)


def write(bench: measuring.Bench, minutes: float) -> None:
    """Writes the table beside this file."""
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    machine = f"{os.cpu_count()} cores, {platform.machine()} {platform.system()}, Python {platform.python_version()}"
    command = "make bench-full" if bench.full else "make bench"
    head = [
        f"# Results of `{command}`",
        "",
        f"{today}, {machine}, {minutes:.1f} minutes. Each ratio comes from this one run; times vary with the machine.",
        "Imports go to a sandbox in another process on the same cores, without limits but where a line says otherwise.",
        "",
        "| What | Measured | Goal |",
        "|---|---:|---|",
    ]
    RESULTS.write_text("\n".join([*head, *map(measuring.row, bench.lines), ""]), "utf-8")


if __name__ == "__main__":
    main()
