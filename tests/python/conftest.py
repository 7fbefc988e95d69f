"""Owns what all tests share: a clean folder and environment, the console script as users run it, small files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from workos_importer import Importer, Sandbox

SCRIPT = Path(sysconfig.get_path("scripts")) / ("workos-importer.exe" if os.name == "nt" else "workos-importer")

#: Ten users in four organizations, as the seed tool's own example has them.
MULTI = "email,first_name,last_name,org_external_id,org_name\n" + "".join(
    f"user{number}@{name}.com,First{number},Last{number},{name},{name.title()} Inc\n"
    for number, name in enumerate(["acme"] * 4 + ["beta"] * 3 + ["gamma"] * 2 + ["delta"])
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the current one, and no variable of ours or of a proxy in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("WORKOS_", "KRATOS_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    return tmp_path


class Ended(subprocess.CompletedProcess[str]):
    """A process that ended."""

    @property
    def document(self) -> dict[str, Any]:
        """Standard output as the one JSON document that it must be."""
        found = json.loads(self.stdout)
        assert isinstance(found, dict)
        return found


def command(*arguments: str) -> list[str]:
    """The console script with arguments."""
    return [str(SCRIPT), *arguments]


def environment(**more: str) -> dict[str, str]:
    """The environment of a process that we start."""
    return {**os.environ, "PYTHONIOENCODING": "utf-8", **more}


Run = Callable[..., Ended]


@pytest.fixture
def run() -> Run:
    """Runs the console script to its end."""

    def work(*arguments: str, input: str | bytes | None = None, **variables: str) -> Ended:
        given = input.encode() if isinstance(input, str) else input
        done = subprocess.run(
            command(*arguments),
            input=given or b"",
            capture_output=True,
            env=environment(**variables),
            timeout=60,
            check=False,
        )
        out, error = done.stdout.decode("utf-8"), done.stderr.decode("utf-8")
        assert "Traceback" not in error, error
        return Ended(done.args, done.returncode, out, error)

    return work


@pytest.fixture
def users(folder: Path) -> Path:
    """A file in multi-org form."""
    return write(folder / "users.csv", MULTI)


def write(path: Path, text: str | bytes) -> Path:
    """Writes a file and returns its path."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.fixture
def sandbox() -> Sandbox:
    """An empty environment without limits."""
    return Sandbox(limits=False)


@pytest.fixture
def importer(sandbox: Sandbox) -> Importer:
    """An importer that writes into the sandbox."""
    return Importer(sandbox=sandbox)


def people(count: int) -> list[dict[str, Any]]:
    """Rows of distinct users, without organizations."""
    return [{"email": f"user{number}@example.com", "first_name": f"First{number}"} for number in range(1, count + 1)]


@pytest.fixture
def served(sandbox: Sandbox) -> Iterator[str]:
    """The URL of the sandbox over HTTP."""
    with sandbox.serve() as server:
        yield server.url


def python(code: str, *arguments: str, timeout: float = 60, **variables: str) -> Ended:
    """Runs a piece of Python in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        capture_output=True,
        text=True,
        env=environment(**variables),
        timeout=timeout,
        check=False,
    )
    return Ended(done.args, done.returncode, done.stdout, done.stderr)


def emails(results: Sequence[Any]) -> set[str]:
    """The addresses of results."""
    return {result.email for result in results}
