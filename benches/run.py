"""Measures speed and memory, and prints ratios: each of them within one run on one machine.

Usage: python benches/run.py [--rows N] [--import-rows N]
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benches" / "RESULTS.md"
VENV = ROOT / "build" / "bench-venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
COMMAND = BIN / "workos-importer"

# A server of its own process, which answers as fast as it can.
SERVER = """
import sys
from workos_importer import Sandbox
with Sandbox(limits=False).serve() as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True)
class Measured:
    """One process: how long it took, and how much memory it held at most."""

    seconds: float
    peak_megabytes: float


def prepare() -> Path:
    """Builds the package as users get it, and the yardstick; returns the yardstick's path."""
    subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    pip = [str(BIN / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--force-reinstall", str(ROOT)], check=True)
    build = ["cargo", "build", "--release", "--quiet", "--locked", "--package", "workos-importer-core"]
    subprocess.run([*build, "--example", "bare_csv"], check=True, cwd=ROOT)
    return ROOT / "target" / "release" / "examples" / "bare_csv"


def measure(arguments: list[str | Path], folder: Path, environment: dict[str, str] | None = None) -> Measured:
    """Runs a command to its end."""
    started = time.perf_counter()
    with (folder / "output.txt").open("w") as output:
        process = subprocess.Popen(
            [str(argument) for argument in arguments],
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
        )
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"{arguments} failed:\n{(folder / 'output.txt').read_text()[-2000:]}")
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return Measured(seconds, kilobytes / 1024)


def generate(rows: int, organizations: int, folder: Path) -> Path:
    """A file of users in organizations."""
    path = folder / f"{rows}.csv"
    measure([COMMAND, "generate", str(rows), path, "--orgs", str(organizations)], folder)
    return path


def validate(path: Path, folder: Path) -> Measured:
    return measure([COMMAND, "validate", path, "--quiet"], folder)


def import_file(path: Path, folder: Path) -> Measured:
    """An import into a sandbox in another process, which has no limits."""
    server = subprocess.Popen([BIN / "python", "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        arguments: list[str | Path] = [COMMAND, "import", path, "--quiet", "--base-url", url]
        arguments += ["--rate-limit", "1000000/1s", "--run-dir", folder / "runs"]
        return measure(arguments, folder, {"WORKOS_API_KEY": "sk_test_bench"})
    finally:
        server.communicate()


def flat(small: Measured, large: Measured) -> str:
    """Whether ten times the rows cost at most 20 % or 5 MB more memory."""
    more = large.peak_megabytes - small.peak_megabytes
    held = more <= max(5.0, 0.2 * small.peak_megabytes)
    return f"{more:+.1f} MB ({'flat' if held else 'NOT flat'})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows to validate (default 1,000,000)")
    parser.add_argument("--import-rows", type=int, default=200_000, help="rows to import (default 200,000)")
    options = parser.parse_args()
    bare_csv = prepare()
    lines = ["| what | rows | seconds | rows/s | peak memory |", "|---|---:|---:|---:|---:|"]

    def row(what: str, rows: int, measured: Measured) -> None:
        per_second = rows / measured.seconds
        line = f"| {what} | {rows:,} | {measured.seconds:.2f} | {per_second:,.0f} | {measured.peak_megabytes:.1f} MB |"
        lines.append(line)
        print(line, flush=True)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small, large = generate(options.rows // 10, 100, folder), generate(options.rows, 1_000, folder)
        bare = measure([bare_csv, large], folder)
        row("bare `csv` reader", options.rows, bare)
        checked = {path: validate(path, folder) for path in (small, large)}
        row("`validate`", options.rows // 10, checked[small])
        row("`validate`", options.rows, checked[large])
        tenth = generate(options.import_rows // 10, options.import_rows // 1_000, folder)
        whole = generate(options.import_rows, options.import_rows // 100, folder)
        imported = {path: import_file(path, folder) for path in (tenth, whole)}
        row("`import`, two writes a row", options.import_rows // 10, imported[tenth])
        row("`import`, two writes a row", options.import_rows, imported[whole])

    ratios = [
        f"- `validate` reads at {bare.seconds / checked[large].seconds:.2f} of the bare reader's speed.",
        f"- `validate` of ten times the rows: {flat(checked[small], checked[large])}.",
        f"- `import` of ten times the rows: {flat(imported[tenth], imported[whole])}.",
    ]
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    machine = f"{os.cpu_count()} cores, {platform.machine()} {platform.system()}, Python {platform.python_version()}"
    head = [
        "# Results of `make bench`",
        "",
        f"{today}, {machine}. Each ratio comes from this one run; times vary with the machine.",
        "The import goes to a sandbox without limits in another process on the same cores.",
    ]
    RESULTS.write_text("\n".join([*head, "", *lines, "", *ratios, ""]), "utf-8")
    print("\n".join(ratios))


if __name__ == "__main__":
    main()
