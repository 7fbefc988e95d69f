"""Owns disks that fill up and folders that cannot be written, in real processes: a clear end, and nothing lost."""

from __future__ import annotations

import csv
import os
import shlex
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from conftest import Run, command, environment, write
from workos_importer import Sandbox

posix = pytest.mark.skipif(os.name != "posix", reason="limits and mounts of POSIX")

ROWS = 400
#: Room for the tables and for a part of the rows.
ROOM = 200_000


def can_mount() -> bool:
    """Whether this user may mount something in a namespace of its own."""
    if shutil.which("unshare") is None:
        return False
    mounted = subprocess.run(
        ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /mnt"], capture_output=True, check=False
    )
    return mounted.returncode == 0


mounts = pytest.mark.skipif(not can_mount(), reason="needs the right to mount")


def source(folder: Path) -> None:
    """A file of users in a few organizations."""
    lines = [f"user{number}@example.com,org-{number % 5},Org {number % 5}\n" for number in range(ROWS)]
    write(folder / "users.csv", "email,org_external_id,org_name\n" + "".join(lines))


def arguments(url: str, *flags: str) -> list[str]:
    """The command that imports it, as fast as it gets answers."""
    return command("import", "users.csv", "--base-url", url, "--rate-limit", "100000/1s", "--quiet", *flags)


def limited() -> None:
    """No file of this process may become larger than this; Python ignores the signal, so writing fails instead."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))


def journal(runs: Path) -> Path:
    """The journal of the only run there is."""
    [found] = runs.glob("*/journal.sqlite3")
    return found


def assert_whole(sandbox: Sandbox, results: Path) -> None:
    """Every user and membership once, and every outcome true."""
    dump = sandbox.dump()
    assert len(dump["users"]) == len({user["email"] for user in dump["users"]}) == ROWS
    assert len(dump["organizations"]) == 5
    assert len(dump["organization_memberships"]) == ROWS
    with results.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["record_number"]) for row in rows] == list(range(1, ROWS + 1))
    # Nobody was there before: whatever was lost of the journal, each row made its user and its membership.
    assert {(row["outcome"], row["membership"]) for row in rows} == {("created", "created")}


@posix
def test_a_disk_that_fills_up_ends_the_run_and_going_on_loses_nothing(folder: Path) -> None:
    source(folder)
    sandbox = Sandbox(limits=False)
    with sandbox.serve() as server:
        full = subprocess.run(
            arguments(server.url),
            preexec_fn=limited,
            capture_output=True,
            text=True,
            env=environment(WORKOS_API_KEY="sk_test_1"),
            timeout=60,
            check=False,
        )
        assert full.returncode == 4, full.stderr
        assert "The journal in" in full.stderr and "cannot be written" in full.stderr
        assert "Traceback" not in full.stderr
        assert "Status: Stopped" in full.stdout
        made = len(sandbox.dump()["users"])
        assert 0 < made < ROWS
        found = journal(folder / ".workos-importer" / "runs")
        with sqlite3.connect(found) as plain:
            assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        plain.close()
        on = subprocess.run(
            arguments(server.url, "--results-out", "results.csv"),
            capture_output=True,
            text=True,
            env=environment(WORKOS_API_KEY="sk_test_1"),
            timeout=60,
            check=False,
        )
    assert on.returncode == 0, on.stderr
    assert_whole(sandbox, folder / "results.csv")


@mounts
def test_a_file_system_without_space_ends_the_run_and_going_on_loses_nothing(folder: Path) -> None:
    source(folder)
    sandbox = Sandbox(limits=False)
    (folder / "small").mkdir()
    with sandbox.serve() as server:
        first = shlex.join(arguments(server.url, "--run-dir", "small/runs"))
        second = shlex.join(arguments(server.url, "--run-dir", "small/runs", "--results-out", "results.csv"))
        # The mount ends with the shell, so both runs are its own.
        script = (
            f"mount -t tmpfs -o size=256k none small; {first} > full.txt 2>&1; echo $? > code;"
            f" mount -o remount,size=64m small; {second} > on.txt 2>&1"
        )
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script],
            env=environment(WORKOS_API_KEY="sk_test_1"),
            timeout=120,
            check=False,
        )
    full = (folder / "full.txt").read_text(encoding="utf-8")
    assert (folder / "code").read_text() == "4\n", full
    assert "cannot be written" in full and "full" in full and "Traceback" not in full
    assert done.returncode == 0, (folder / "on.txt").read_text(encoding="utf-8")
    assert_whole(sandbox, folder / "results.csv")


def test_a_run_folder_that_cannot_be_made_is_4_and_nothing_is_sent(folder: Path, run: Run, sandbox: Sandbox) -> None:
    # Not even root can make a folder below a file.
    source(folder)
    write(folder / "file", "")
    with sandbox.serve() as server:
        flags = ("--base-url", server.url, "--run-dir", "file/runs")
        done = run("import", "users.csv", *flags, WORKOS_API_KEY="sk_test_1")
    assert done.returncode == 4
    assert str(Path("file") / "runs") in done.stderr
    assert sandbox.counters()["total"] == 0


@mounts
def test_a_read_only_file_system_is_4_and_nothing_is_sent(folder: Path, sandbox: Sandbox) -> None:
    source(folder)
    (folder / "fixed").mkdir()
    with sandbox.serve() as server:
        import_ = shlex.join(arguments(server.url, "--run-dir", "fixed/runs"))
        script = f"mount -t tmpfs -o ro none fixed; {import_}"
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script],
            capture_output=True,
            text=True,
            env=environment(WORKOS_API_KEY="sk_test_1"),
            timeout=60,
            check=False,
        )
    assert done.returncode == 4, done.stderr
    assert "fixed/runs" in done.stderr and "Read-only" in done.stderr
    assert "Traceback" not in done.stderr
    assert sandbox.counters()["total"] == 0


@mounts
def test_a_run_whose_folder_became_read_only_is_4_and_nothing_is_sent(folder: Path) -> None:
    source(folder)
    sandbox = Sandbox(limits=False, latency=0.02)
    (folder / "fixed").mkdir()
    with sandbox.serve() as server:
        import_ = shlex.join(arguments(server.url, "--run-dir", "fixed/runs", "--concurrency", "2"))
        # An interrupted run, then the same command on a file system that has become read-only.
        script = (
            "mount -t tmpfs none fixed;"
            f" timeout --signal=INT 1.5 {import_} > first.txt 2>&1;"
            " mount -o remount,ro fixed; echo; read go_on;"
            f" {import_} 2>&1"
        )
        shell = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(WORKOS_API_KEY="sk_test_1"),
        )
        assert shell.stdout is not None
        shell.stdout.readline()
        sent = sandbox.counters()["total"]
        assert sent > 1
        said, _ = shell.communicate("\n", timeout=60)
    assert "Status: Interrupted" in (folder / "first.txt").read_text(encoding="utf-8")
    assert shell.returncode == 4, said
    assert "Traceback" not in said
    assert sandbox.counters()["total"] == sent
