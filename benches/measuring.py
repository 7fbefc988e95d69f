"""Owns what every case uses: the package as users install it, measured processes, files, a server, the table."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / "build" / "bench-venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / "python"
COMMAND = BIN / "workos-importer"
EXAMPLES = ROOT / "target" / "release" / "examples"
YARDSTICKS = ("bare_csv", "bare_http", "bare_batches", "journal", "pace")

# A server in a process of its own; `counters` on its input prints what it has seen.
SERVER = """
import ast, json, sys
import workos_importer
sandbox = getattr(workos_importer, sys.argv[1])(**ast.literal_eval(sys.argv[2]))
with sandbox.serve() as server:
    print(server.url, flush=True)
    for line in sys.stdin:
        print(json.dumps(sandbox.counters()), flush=True)
"""


@dataclass(frozen=True)
class Measured:
    """One process that ended well."""

    seconds: float
    #: Time that it and its threads spent on the processors.
    cpu_seconds: float
    #: The most memory that it held.
    megabytes: float
    output: str


@dataclass(frozen=True)
class Line:
    """One line of the table: what was measured, against which goal."""

    what: str
    value: str
    goal: str = ""
    #: None where there is no goal.
    holds: bool | None = None


@dataclass
class Bench:
    """One run of the benchmarks."""

    #: The long forms of the cases too.
    full: bool
    folder: Path
    lines: list[Line] = field(default_factory=list)

    def add(self, what: str, value: str, goal: str = "", holds: bool | None = None) -> None:
        """Adds a line, and shows it."""
        line = Line(what, value, goal, holds)
        self.lines.append(line)
        print(row(line), flush=True)

    def file(self, rows: int, organizations: int = 0) -> Path:
        """A file of users, in organizations or without any, made once."""
        path = self.folder / f"{rows}-{organizations}.csv"
        if not path.exists():
            flags = ["--orgs", str(organizations)] if organizations else []
            run([COMMAND, "generate", str(rows), path, *flags], self.folder)
        return path


def row(line: Line) -> str:
    """The line as Markdown."""
    verdict = "" if line.holds is None else (" ✓" if line.holds else " **missed**")
    return f"| {line.what} | {line.value} | {line.goal}{verdict} |"


def prepare() -> None:
    """Builds the package as users get it, and the yardsticks."""
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "pandas>=2", "polars>=1.30", "pyarrow>=20"], check=True)
    subprocess.run([*pip, "--force-reinstall", "--no-deps", str(ROOT)], check=True)
    subprocess.run([*pip, "rich>=13"], check=True)
    build = ["cargo", "build", "--release", "--quiet", "--locked", "--package", "workos-importer-core"]
    for yardstick in YARDSTICKS:
        build += ["--example", yardstick]
    subprocess.run(build, check=True, cwd=ROOT)


def environment(**more: str) -> dict[str, str]:
    """The environment of what is measured: no variable of ours but these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WORKOS_")}
    return {**kept, "WORKOS_API_KEY": "sk_test_bench", **more}


def run(arguments: list[str | Path], folder: Path, expected: tuple[int, ...] = (0,)) -> Measured:
    """Runs a command to its end. Stops the benchmarks if it fails."""
    started = time.perf_counter()
    with (folder / "output.txt").open("w") as output, (folder / "errors.txt").open("w") as errors:
        process = subprocess.Popen(
            [str(argument) for argument in arguments], cwd=folder, stdout=output, stderr=errors, env=environment()
        )
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in expected:
        sys.exit(f"{arguments} failed:\n{(folder / 'errors.txt').read_text()[-2000:]}")
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    output_text = (folder / "output.txt").read_text()
    return Measured(seconds, usage.ru_utime + usage.ru_stime, kilobytes / 1024, output_text)


def python(code: str, folder: Path, *arguments: str | Path) -> Measured:
    """Runs a piece of Python with the package."""
    return run([PYTHON, "-c", code, *arguments], folder)


class Server:
    """A sandbox in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        """Made by `served`."""
        self._process = process
        self.url = url

    def counters(self) -> dict[str, Any]:
        """What the sandbox has seen so far."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("counters\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found


@contextlib.contextmanager
def served(limits: bool = False, **settings: object) -> Iterator[Server]:
    """An empty WorkOS sandbox over HTTP, as fast as it can be unless the settings say something else."""
    with _served("Sandbox", {**settings, "limits": limits}) as server:
        yield server


@contextlib.contextmanager
def served_kratos(**settings: object) -> Iterator[Server]:
    """An empty Kratos sandbox over HTTP, which has no limits."""
    with _served("KratosSandbox", settings) as server:
        yield server


@contextlib.contextmanager
def _served(sandbox: str, settings: dict[str, object]) -> Iterator[Server]:
    command: list[str | Path] = [PYTHON, "-c", SERVER, sandbox, repr(settings)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Server(process, process.stdout.readline().strip())
    finally:
        process.communicate()


def importing(path: Path, url: str, folder: Path, *flags: str) -> list[str | Path]:
    """The command of an import that keeps no limit."""
    command: list[str | Path] = [COMMAND, "import", path, "--quiet", "--base-url", url]
    return [*command, "--rate-limit", "1000000/1s", "--run-dir", folder / f"runs-{time.monotonic_ns()}", *flags]
