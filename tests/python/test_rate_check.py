"""Owns `workos-importer rate-check`: what it prints, how it judges, and that it can be stopped. In real time."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import Run, command, environment, people
from workos_importer import Importer, Sandbox
from workos_importer.cli.rate_check import judge


def test_the_limit_is_kept_and_shown(run: Run, folder: Path) -> None:
    temporary = folder / "temporary"
    temporary.mkdir()
    place = {"TMPDIR": str(temporary), "TEMP": str(temporary)}
    smaller = ("--rate-limit", "50/1s", "--headroom", "20%", "--quiet", "--json")
    with ThreadPoolExecutor() as both:
        # 15 seconds each.
        shown = both.submit(run, "rate-check", "--quick", **place)
        told = both.submit(run, "rate-check", "--quick", *smaller, **place)
    done = shown.result()
    assert done.returncode == 0, done.stderr
    for text in (
        "Status: The limit was kept",
        "Limit: 500 writes in any 10 s",
        "Refused: 0",
        "Writes: 700 of 732 requests",
    ):
        assert text in done.stdout
    lines = done.stderr.splitlines()
    assert lines[0].startswith("300 users with memberships, then 50 as after a restart")
    seconds = [line.split() for line in lines[1:]]
    assert [int(words[0]) for words in seconds] == list(range(1, len(seconds) + 1))
    assert sum(int(words[2]) for words in seconds) == 700
    assert 13 <= len(seconds) <= 25

    found = told.result().document
    assert told.result().returncode == 0 and told.result().stderr == ""
    assert (found["message_type"], found["ok"]) == ("rate_check", True)
    assert (found["limit"], found["period_seconds"], found["refused"], found["failed_rows"]) == (40, 1.0, 0, 0)
    # 12 s of 40/s, and a fifth of the limit after it.
    assert found["writes"] == sum(found["writes_by_second"]) == 488
    assert 30 <= found["largest_window"] <= 40
    assert 0.5 < found["of_the_limit"] < found["of_the_safe_bound"] <= 1
    assert [path.name for path in folder.iterdir()] == ["temporary"] and list(temporary.iterdir()) == []


def test_a_limit_that_is_broken_is_seen() -> None:
    sandbox = Sandbox(write_limit=(50, 1), strict_limits=True)
    summary = Importer(sandbox=sandbox, rate_limit=(500, 1)).run(people(100)).wait()
    checked = judge(sandbox, 50, 1, [summary])
    assert summary.created == 100 and checked.refused > 0
    assert not checked.kept and not checked.ok
    # Nobody turns anything away, and it is too much all the same.
    sandbox = Sandbox(write_limit=(500, 1))
    summary = Importer(sandbox=sandbox, rate_limit=(500, 1)).run(people(100)).wait()
    checked = judge(sandbox, 50, 1, [summary])
    assert (checked.refused, checked.largest_window) == (0, 100)
    assert not checked.kept


def test_a_row_that_fails_is_no_success() -> None:
    sandbox = Sandbox(write_limit=(500, 1), strict_limits=True)
    summary = Importer(sandbox=sandbox, rate_limit=(500, 1)).run([{"email": "nobody"}, *people(2)]).wait()
    checked = judge(sandbox, 500, 1, [summary])
    assert checked.kept and checked.failed_rows == 1 and not checked.ok


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_it_can_be_stopped_and_leaves_nothing_behind(folder: Path) -> None:
    process = subprocess.Popen(
        command("rate-check", "--full"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(TMPDIR=str(folder)),
    )
    assert process.stderr is not None
    for _ in range(2):
        process.stderr.readline()
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=30)
    assert process.returncode == 130 and time.monotonic() - begun < 5
    assert out == b"" and b"Traceback" not in error
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--quick", "--full"], "not allowed with"),
        (["--rate-limit", "500"], "write 500/1s"),
        (["--rate-limit", "100000/1s"], "up to 5000 writes a second"),
        (["users.csv"], "users.csv"),
    ],
)
def test_flags_that_cannot_be(run: Run, flags: list[str], message: str) -> None:
    done = run("rate-check", *flags)
    assert done.returncode == 2 and message in done.stderr
    assert len(done.stderr.splitlines()) == 1 and done.stdout == ""
