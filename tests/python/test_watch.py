"""A run that is under way, seen and steered from another terminal and from the program itself."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Ended, Run, command, environment, people, write
from workos_importer import ConfigError, Importer, Progress, RunError, Sandbox, Started

posix = pytest.mark.skipif(os.name != "posix", reason="signals and file modes of POSIX")


class Import:
    """The console script at work on a sandbox."""

    def __init__(self, folder: Path, *flags: str, rows: int = 3_000) -> None:
        self.sandbox = Sandbox(limits=False)
        self.server = self.sandbox.serve()
        self._line = command("import", "many.csv", "--base-url", self.server.url, *flags)
        write(folder / "many.csv", "email\n" + "".join(f"user{number}@example.com\n" for number in range(rows)))
        self._runs = folder / ".workos-importer" / "runs"
        self.begin()

    def begin(self) -> None:
        """Begins it, and waits until it sends."""
        self.process = subprocess.Popen(
            self._line,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(WORKOS_API_KEY="sk_test_1"),
        )
        before = self.users
        until(lambda: self.users > before + 20)

    @property
    def users(self) -> int:
        """How many users have been sent."""
        return int(self.sandbox.counters()["by_route"].get("POST /user_management/users", 0))

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        (found,) = (path for path in self._runs.iterdir() if path.is_dir())
        return found

    @property
    def said(self) -> dict[str, Any]:
        """What it says of itself."""
        found = json.loads((self.folder / "progress.json").read_text())
        assert isinstance(found, dict)
        return found

    def end(self) -> Ended:
        """Waits for its end."""
        out, error = self.process.communicate(timeout=60)
        return Ended([], self.process.returncode, out.decode(), error.decode())

    def kill(self) -> None:
        """Ends it without a word."""
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def begin(folder: Path) -> Iterator[Callable[..., Import]]:
    """Begins imports, and ends what is left of them."""
    begun: list[Import] = []

    def work(*flags: str, rows: int = 3_000) -> Import:
        begun.append(Import(folder, *flags, rows=rows))
        return begun[-1]

    yield work
    for one in begun:
        one.kill()
        one.server.close()


def timeless(box: str) -> list[str]:
    """The lines of a box that say nothing of time."""
    return [line for line in box.splitlines() if "Duration" not in line]


def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Waits for something that another process does."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < seconds, "it does not happen"
        time.sleep(0.02)


def test_another_pace_is_kept_by_a_run_that_is_under_way(run: Run, begin: Callable[..., Import]) -> None:
    started = begin("--rate-limit", "100/1s")
    done = run("pace", "latest", "--headroom", "80%")
    assert done.returncode == 0 and done.stdout == "", done.stderr
    assert done.stderr.endswith("keeps 20/1s (80 % left to the application) from now on.\n")
    # What was sent before is in the window for a second more.
    time.sleep(1.5)
    before, begun = started.users, time.monotonic()
    time.sleep(2)
    rate = (started.users - before) / (time.monotonic() - begun)
    assert 10 < rate < 25
    assert started.said["pace"]["write_limit"] == [20, 1.0]
    shown = run("show", "latest")
    assert "Pace: 20/1s (80 % left to the application)" in shown.stderr
    assert re.search(r"Under way: \d+/3000 \(\d+\.\d/s, ETA: \d+s, 0 failed\)", shown.stderr), shown.stderr
    # What is not named stays: the headroom.
    done = run("pace", "latest", "--rate-limit", "10000/1s", "--json")
    assert done.document["message_type"] == "pace"
    assert done.document["pace"]["write_limit"] == [2000, 1.0] and done.document["pace"]["headroom"] == 0.8
    ended = started.end()
    assert ended.returncode == 0 and "Users imported: 3000/3000" in ended.stdout
    assert "Pace: 20/1s (80 % left to the application)" in ended.stderr
    assert not [path.name for path in started.folder.iterdir() if path.name.startswith(("pace", "progress"))]


@posix
def test_a_request_is_not_for_the_next_attempt(run: Run, begin: Callable[..., Import]) -> None:
    started = begin("--rate-limit", "200/1s")
    assert run("pace", "latest", "--headroom", "50%").returncode == 0
    for name in ("pace.json", "progress.json"):
        assert stat.S_IMODE((started.folder / name).stat().st_mode) == 0o600
    started.kill()
    assert (started.folder / "pace.json").exists()
    for arguments in (("--headroom", "10%"), ("--rate-limit", "5/1s")):
        done = run("pace", "latest", *arguments)
        assert done.returncode == 2 and "No process works on run" in done.stderr
    # Nobody works on it, whatever it said last.
    assert "Under way" not in run("show", "latest").stderr
    started.begin()
    until(lambda: "pace" in started.said)
    assert started.said["pace"]["write_limit"] == [200, 1.0] and started.said["pace"]["headroom"] == 0.0
    assert started.said["ended"] > 0
    assert not (started.folder / "pace.json").exists()


@posix
def test_a_run_is_followed_from_another_terminal(run: Run, begin: Callable[..., Import]) -> None:
    started = begin("--rate-limit", "200/1s", rows=800)
    watched = run("show", "latest", "--watch")
    ended = started.end()
    assert ended.returncode == watched.returncode == 0
    assert "Status: Success" in watched.stdout and "Users imported: 800/800" in watched.stdout
    # But for the duration, which goes on until the journal is closed.
    assert timeless(watched.stdout) == timeless(ended.stdout)
    assert re.search(r"\d+/800 \(\d+\.\d/s, ETA: (\d+s|\?), 0 failed\)", watched.stderr), watched.stderr
    # One that is over is shown at once.
    again = run("show", "latest", "--watch")
    assert (again.returncode, again.stdout, again.stderr) == (0, watched.stdout, "")


@posix
def test_watching_ends_where_the_process_died_or_the_watcher_wants_to(run: Run, begin: Callable[..., Import]) -> None:
    started = begin("--rate-limit", "50/1s")
    line = command("show", "latest", "--watch", "--json")
    first, second = (
        subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) for _ in range(2)
    )
    told = [json.loads(first.stderr.readline()) for _ in range(4)] if first.stderr is not None else []
    assert all(one["message_type"] == "progress" and one["total"] == 3_000 for one in told)
    # 50 in a second, about 3,000 rows. In the first seconds it is not as exact as from the first minute on.
    last = told[-1]
    assert last["eta_seconds"] == pytest.approx((3_000 - last["ended"]) / 50, rel=0.2)
    first.send_signal(signal.SIGINT)
    out, error = first.communicate(timeout=10)
    assert first.returncode == 130 and out == b"" and b"Traceback" not in error
    assert started.process.poll() is None
    started.kill()
    out, error = second.communicate(timeout=10)
    assert second.returncode == 4 and json.loads(out)["progress"] is None
    assert b"any more. Import the same file again to go on." in error
    again = run("show", "latest", "--watch")
    assert again.returncode == 4 and "No process works on run" in again.stderr


def test_a_program_changes_the_pace_of_its_own_run_and_of_others(sandbox: Sandbox, importer: Importer) -> None:
    with Importer(sandbox=sandbox, rate_limit="50/1s").run(people(2_000)) as run:
        next(run)
        run.pace(headroom="50%")
        until(lambda: run.progress.pace is not None and run.progress.pace.headroom == 0.5)
        pace = run.progress.pace
        assert pace is not None and pace.write_limit == (25, 1.0) and pace.share == 1.0 and pace.paused_for is None
        # It says once a second where it is.
        until(lambda: (seen := importer.progress()) is not None and seen.ended > 0)
        seen = importer.progress()
        assert isinstance(seen, Progress) and seen.total is None and seen.pace is not None
        changed = importer.pace(rate_limit=(8_000, 1), headroom=0)
        assert changed is not None and changed.pace is not None and changed.pace.write_limit == (8_000, 1.0)
        for result in run:
            assert result.ok
    assert run.summary.created == 2_000
    assert run.progress.pace is None and run.progress.eta_seconds is None
    assert importer.progress() is None
    for late in (lambda: run.pace(headroom=0.1), lambda: importer.pace(headroom=0.1)):
        with pytest.raises(RunError) as refused:
            late()  # type: ignore[no-untyped-call]
        assert refused.value.kind == "not_running"


@pytest.mark.parametrize("change", [{}, {"headroom": 1}, {"headroom": "all"}, {"rate_limit": "50"}])
def test_paces_that_cannot_be(importer: Importer, change: dict[str, Any]) -> None:
    run = importer.run(people(1))
    for ask in (run.pace, importer.pace):
        with pytest.raises(ConfigError):
            ask(**change)
    assert run.wait().created == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pace", "latest", "--headroom", "10%"], "There are no runs in"),
        (["pace", "latest"], "Which pace?"),
        (["pace", "latest", "--rate-limit", "50"], "write 50/1s"),
        (["show", "latest", "--failed", "--watch"], "contradict"),
    ],
)
def test_flags_that_cannot_be(run: Run, arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2 and message in done.stderr


def test_the_summary_says_what_held_the_run_up_also_after_it_went_on(folder: Path, sandbox: Sandbox) -> None:
    users = write(folder / "users.csv", "email\n" + "".join(f"u{number}@x.com\n" for number in range(200)))
    # Few rows under way, so that a stop leaves some.
    importer = Importer(sandbox=sandbox, rate_limit="100/1s", concurrency=5)
    sandbox.fail_next("429_seconds:1", method="POST", path="/user_management/users", skip=20)
    run = importer.run(users)
    ended = 0
    for result in run:
        ended += result.ok
        if ended == 60:
            run.stop()
    first = run.summary
    assert (first.turned_away, first.pauses, first.away_seconds) == (1, 1, 0.0)
    assert first.paused_seconds == pytest.approx(1, abs=0.2)
    assert "Paused by the API: 1 time, 1.0 s (1 × 429)" in str(first)
    sandbox.fail_next("429_seconds:2", method="POST", path="/user_management/users", skip=10)
    second = importer.run(users).wait()
    assert (second.created, second.turned_away, second.pauses) == (200, 2, 2)
    assert second.paused_seconds == pytest.approx(3, abs=0.3)
    assert re.search(r"Paused by the API: 2 times, [23]\.\d s \(2 × 429\)", str(second))
    assert importer.show().paused_seconds == second.paused_seconds
    # Nothing is said where nothing happened.
    quiet = Importer(sandbox=Sandbox()).run(people(3)).wait()
    assert "Paused" not in str(quiet) and "away" not in str(quiet)
    assert (quiet.turned_away, quiet.paused_seconds) == (0, 0.0)


def test_a_429_and_an_api_that_is_away_are_seen_while_they_last(run: Run, folder: Path) -> None:
    sandbox = Sandbox(limits=False)
    users = write(folder / "users.csv", "email\n" + "".join(f"u{number}@x.com\n" for number in range(300)))
    sandbox.fail_next("429_seconds:3", method="POST", path="/user_management/users", skip=50)
    with sandbox.serve() as server:
        flags = ("--base-url", server.url, "--rate-limit", "100/1s", "--progress")
        done = run("import", str(users), *flags, "json", WORKOS_API_KEY="sk_test_1")
        told = [json.loads(line) for line in done.stderr.splitlines()]
        paces = [one["pace"] for one in told if one["message_type"] == "progress" and one["pace"] is not None]
        assert any(pace["paused_for"] is not None and 0 < pace["paused_for"] <= 3 for pace in paces)
        assert any(0.7 <= pace["share"] < 1 and pace["paused_for"] is None for pace in paces)
        # Long enough that it counts as away: the pauses after ten failures are 1 and 2 seconds.
        sandbox.reset()
        sandbox.fail_next("503_empty", times=11, skip=30)
        slowly = ("--no-resume", "--concurrency", "2", *flags, "plain")
        done = run("import", str(users), *slowly, WORKOS_API_KEY="sk_test_1")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^API away, (next try in \d+ s|trying)$", done.stderr, re.MULTILINE), done.stderr
    assert re.search(r"API away: \d+\.\d s", done.stdout)


def test_what_is_done_is_not_expected_again(folder: Path, sandbox: Sandbox) -> None:
    users = write(folder / "users.csv", "email\n" + "".join(f"u{number}@x.com\n" for number in range(400)) + "nobody\n")
    importer = Importer(sandbox=sandbox, rate_limit="100/1s")
    run = importer.run(users)
    assert next(event for event in run.events() if isinstance(event, Started)).least_seconds == pytest.approx(4.01)
    for ended, _ in enumerate(run, start=1):
        if ended == 100:
            run.stop()
    done = run.summary.total - run.summary.pending
    assert 100 <= done < 400
    again = importer.run(users)
    started = next(event for event in again.events() if isinstance(event, Started))
    assert started.rows == 401 and started.least_seconds == pytest.approx((401 - done) / 100)
    assert again.progress.ended >= done
    assert again.wait().created == 400
    # The one that failed is tried again.
    retried = importer.retry()
    started = next(event for event in retried.events() if isinstance(event, Started))
    assert started.least_seconds == pytest.approx(0.01)
    assert retried.wait().failed == 1
