"""Owns the question before a live environment is written into: in a real terminal, through the console script."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Run, command, environment, people, write
from workos_importer import Importer, Sandbox, Started

KEY = "sk_live_1"
QUESTION = "Write to it? [y/N] "
ASKED = re.compile(
    r"This is a LIVE environment \((?P<url>\S+), key from WORKOS_API_KEY\): (?P<rows>\d+) rows · (?P<mode>\S+) · "
    r"at least [\d.]+ s\. Write to it\? \[y/N\] "
)

# Ctrl-C is then a signal for this process, as in a shell.
_IN_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""

terminal_only = pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals of POSIX")


class Terminal:
    """The console script in a terminal of its own; standard output goes elsewhere."""

    def __init__(self, *arguments: str, key: str = KEY) -> None:
        import pty

        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _IN_TERMINAL, *command(*arguments)],
            stdin=slave,
            stderr=slave,
            stdout=subprocess.PIPE,
            env=environment(WORKOS_API_KEY=key, COLUMNS="200"),
        )
        os.close(slave)
        self.shown = ""

    def until(self, text: str) -> str:
        """Reads until this is shown; returns all that is."""
        ends = time.monotonic() + 30
        while text not in self.shown:
            assert time.monotonic() < ends, self.shown
            if not self._read():
                break
        assert text in self.shown, self.shown
        return self.shown

    def type(self, text: str) -> None:
        """Types on the keyboard."""
        os.write(self.master, text.encode())

    def end(self) -> tuple[int, str, str]:
        """Waits for the end: exit code, standard output, what was shown."""
        while self._read():
            pass
        out, _ = self.process.communicate(timeout=30)
        os.close(self.master)
        assert "Traceback" not in self.shown, self.shown
        return self.process.returncode, out.decode(), self.shown

    def _read(self) -> bool:
        if not select.select([self.master], [], [], 30)[0]:
            raise AssertionError(self.shown)
        try:
            read = os.read(self.master, 65_536)
        except OSError:
            # The last end of a terminal was closed.
            return False
        self.shown += read.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(read)


@pytest.fixture
def sandbox() -> Sandbox:
    """A live environment, as far as a key can tell."""
    return Sandbox(limits=False, key=KEY)


@pytest.fixture
def terminal(served: str) -> Iterator[Callable[..., Terminal]]:
    """Opens terminals on the served sandbox."""
    opened = []

    def work(*arguments: str, **settings: Any) -> Terminal:
        opened.append(Terminal(*arguments, "--base-url", served, **settings))
        return opened[-1]

    yield work
    for one in opened:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def runs(folder: Path) -> list[Path]:
    """The folders of runs."""
    return [path for path in (folder / ".workos-importer/runs").iterdir() if path.is_dir()]


@terminal_only
@pytest.mark.parametrize("answer", ["y", "YES", " yes "])
def test_it_asks_once_and_goes_on(
    terminal: Callable[..., Terminal], sandbox: Sandbox, users: Path, served: str, answer: str
) -> None:
    opened = terminal("import", str(users))
    asked = ASKED.search(opened.until(QUESTION))
    assert asked is not None and asked["url"] == served
    assert (asked["rows"], asked["mode"]) == ("10", "multi-org")
    # Nothing at all was sent before the answer.
    assert sandbox.counters()["total"] == 0
    opened.type(answer + "\n")
    code, out, shown = opened.end()
    assert code == 0 and "Status: Success" in out and shown.count(QUESTION) == 1
    assert "LIVE · key from WORKOS_API_KEY · 10 rows" in shown
    assert len(sandbox.dump()["users"]) == 10


@terminal_only
@pytest.mark.parametrize(
    ("answer", "expected"), [("n\n", 1), ("\n", 1), ("yep\n", 1), ("\x04", 1), ("\x03", 130)], ids=repr
)
def test_anything_else_sends_nothing_and_leaves_nothing(
    terminal: Callable[..., Terminal],
    run: Run,
    sandbox: Sandbox,
    users: Path,
    folder: Path,
    served: str,
    answer: str,
    expected: int,
) -> None:
    opened = terminal("import", str(users), "--errors-out", "errors.jsonl")
    opened.until(QUESTION)
    opened.type(answer)
    code, out, shown = opened.end()
    assert code == expected
    assert ("Nothing was sent." in shown and out == "") == (expected == 1)
    assert "Stopping" not in shown
    assert sandbox.counters()["total"] == 0
    assert runs(folder) == [] and not (folder / "errors.jsonl").exists()
    # The next import knows nothing of it.
    done = run("import", str(users), "--base-url", served, WORKOS_API_KEY=KEY)
    assert done.returncode == 0 and "goes on" not in done.stderr and len(runs(folder)) == 1


@terminal_only
def test_sigterm_at_the_question_is_143(
    terminal: Callable[..., Terminal], sandbox: Sandbox, users: Path, folder: Path
) -> None:
    opened = terminal("import", str(users))
    opened.until(QUESTION)
    opened.process.send_signal(signal.SIGTERM)
    assert opened.end()[0] == 143
    assert sandbox.counters()["total"] == 0 and runs(folder) == []


@terminal_only
def test_json_and_quiet_are_asked_too(terminal: Callable[..., Terminal], users: Path) -> None:
    opened = terminal("import", str(users), "--quiet", "--json")
    assert ASKED.search(opened.until(QUESTION))
    opened.type("n\n")
    code, out, shown = opened.end()
    document = json.loads(out)
    assert code == document["exit_code"] == 1
    assert (document["status"], document["stopped"]["kind"], document["pending"]) == ("Stopped", "declined", 10)
    assert shown.endswith("workos-importer: Nothing was sent.\n")


@terminal_only
def test_the_wait_is_not_counted(terminal: Callable[..., Terminal], users: Path) -> None:
    opened = terminal("import", str(users), "--json")
    opened.until(QUESTION)
    # Longer than such an import takes.
    time.sleep(3)
    opened.type("y\n")
    code, out, _ = opened.end()
    assert code == 0 and json.loads(out)["duration_seconds"] < 3


@terminal_only
def test_who_is_not_asked(terminal: Callable[..., Terminal], run: Run, users: Path, served: str) -> None:
    # Scripts in a terminal.
    code, _, shown = terminal("import", str(users), "--yes").end()
    assert code == 0 and QUESTION not in shown
    # All of it is done: nothing would be sent.
    code, _, shown = terminal("import", str(users)).end()
    assert code == 0 and "Already imported" in shown and QUESTION not in shown
    # Nothing would be sent.
    write(users, "email\nnobody\n")
    code, _, shown = terminal("import", str(users), "--strict").end()
    assert code == 1 and QUESTION not in shown
    code, _, shown = terminal("import", str(users), "--dry-run").end()
    assert code == 1 and QUESTION not in shown
    # No terminal, no question: as in the tools that scripts were written for.
    write(users, "email\nada@example.com\n")
    done = run("import", str(users), "--base-url", served, WORKOS_API_KEY=KEY)
    assert done.returncode == 0 and QUESTION not in done.stderr


@terminal_only
@pytest.mark.parametrize("away", ["stdin", "stderr"])
def test_a_terminal_on_one_side_is_none(users: Path, served: str, sandbox: Sandbox, away: str) -> None:
    import pty

    master, slave = pty.openpty()
    streams: dict[str, Any] = {"stdin": slave, "stderr": slave}
    streams[away] = subprocess.DEVNULL
    done = subprocess.run(
        command("import", str(users), "--base-url", served),
        **streams,
        stdout=subprocess.PIPE,
        env=environment(WORKOS_API_KEY=KEY),
        timeout=60,
        check=False,
    )
    os.close(slave)
    os.close(master)
    assert done.returncode == 0 and len(sandbox.dump()["users"]) == 10


@terminal_only
def test_a_test_key_is_not_asked_about(users: Path) -> None:
    with Sandbox(limits=False).serve() as server:
        code, _, shown = Terminal("import", str(users), "--base-url", server.url, key="sk_test_1").end()
    assert code == 0 and QUESTION not in shown


@terminal_only
def test_resume_and_retry_ask_and_leave_the_run_as_it_was(
    terminal: Callable[..., Terminal], run: Run, folder: Path, sandbox: Sandbox
) -> None:
    write(folder / "users.csv", "email\n" + "".join(f"user{number}@example.com\n" for number in range(1, 8)))
    # Of every user but the first one nothing is heard, and the run is stopped: rows are left.
    sandbox.fail_next("hang", method="POST", times=1_000, skip=1)
    opened = terminal("import", "users.csv", "--yes", "--errors-out", "errors.jsonl", "--concurrency", "1")
    opened.until("✓ 1 ")
    opened.type("\x03")
    opened.until("Stopping")
    opened.type("\x03")
    assert opened.end()[0] == 130
    assert_asked(terminal, run, folder, sandbox, "resume", 6)


@terminal_only
def test_retry_asks_about_the_rows_that_failed(
    terminal: Callable[..., Terminal], run: Run, folder: Path, sandbox: Sandbox
) -> None:
    write(folder / "users.csv", "email\nnobody\nada@example.com\ngrace@example.com\n")
    assert terminal("import", "users.csv", "--yes", "--errors-out", "errors.jsonl").end()[0] == 1
    assert_asked(terminal, run, folder, sandbox, "retry", 1)
    assert terminal("retry", "latest", "--yes").end()[0] == 1
    # There is nothing to go on with.
    code, _, shown = terminal("resume", "latest").end()
    assert code == 1 and QUESTION not in shown


def assert_asked(
    terminal: Callable[..., Terminal], run: Run, folder: Path, sandbox: Sandbox, verb: str, rows: int
) -> None:
    """A no leaves everything as it is."""
    [before] = runs(folder)
    errors, shown, calls = (
        (folder / "errors.jsonl").read_text(),
        run("show", "latest").stdout,
        sandbox.counters()["total"],
    )
    opened = terminal(verb, "latest", "--errors-out", "errors.jsonl")
    asked = ASKED.search(opened.until(QUESTION))
    assert asked is not None and asked["rows"] == str(rows)
    opened.type("n\n")
    code, out, _ = opened.end()
    assert (code, out) == (1, "")
    assert sandbox.counters()["total"] == calls and runs(folder) == [before]
    assert (folder / "errors.jsonl").read_text() == errors and run("show", "latest").stdout == shown


# From Python


@pytest.fixture
def asked() -> list[Started]:
    """What was asked about."""
    return []


def test_python_asks_who_wants_to_be_asked(served: str, sandbox: Sandbox, asked: list[Started]) -> None:
    def confirm(started: Started) -> bool:
        assert sandbox.counters()["total"] == 0
        asked.append(started)
        return True

    summary = Importer(api_key=KEY, base_url=served, confirm=confirm).run(people(3)).wait()
    assert summary.ok and len(asked) == 1 and asked[0].live
    # Of rows of a program it is not known how many there are.
    assert (asked[0].rows, asked[0].mode) == (None, "user-only")
    # Without `confirm` nobody is asked.
    assert Importer(api_key=KEY, base_url=served).run(people(4)).wait().ok


@pytest.mark.parametrize("answer", [False, None, "yes"])
def test_python_says_no(served: str, sandbox: Sandbox, folder: Path, answer: Any) -> None:
    importer = Importer(api_key=KEY, base_url=served, confirm=lambda _: answer)
    summary = importer.run(people(3)).wait()
    assert summary.stopped is not None and summary.stopped.kind == "declined"
    assert (summary.status, summary.exit_code, summary.ok) == ("Stopped", 1, False)
    assert sandbox.counters()["total"] == 0 and runs(folder) == [] and importer.runs() == []


def test_an_exception_while_asking_is_the_callers(served: str, sandbox: Sandbox, folder: Path) -> None:
    def confirm(_: Started) -> bool:
        raise LookupError("nobody is there")

    with pytest.raises(LookupError, match="nobody is there"):
        Importer(api_key=KEY, base_url=served, confirm=confirm).run(people(3)).wait()
    assert sandbox.counters()["total"] == 0 and runs(folder) == []


def test_a_run_that_is_dropped_at_the_question_leaves_nothing(served: str, sandbox: Sandbox, folder: Path) -> None:
    answers: list[bool] = []

    def confirm(_: Started) -> bool:
        run.stop()
        answers.append(True)
        return True

    run = Importer(api_key=KEY, base_url=served, confirm=confirm).run(people(3))
    summary = run.wait()
    assert answers == [True] and summary.exit_code == 130
    assert sandbox.counters()["total"] == 0 and runs(folder) == []


def test_await_asks_too(served: str, sandbox: Sandbox) -> None:
    import asyncio

    async def work() -> str:
        importer = Importer(api_key=KEY, base_url=served, confirm=lambda _: False)
        summary = await importer.run(people(3))
        return "" if summary.stopped is None else summary.stopped.kind

    assert asyncio.run(work()) == "declined" and sandbox.counters()["total"] == 0


def test_comparisons_are_not_asked_about_and_what_they_plan_is(
    served: str, sandbox: Sandbox, users: Path, asked: list[Started]
) -> None:
    def confirm(started: Started) -> bool:
        asked.append(started)
        return False

    importer = Importer(api_key=KEY, base_url=served, confirm=confirm)
    importer.plan(users, out="plan.sqlite3")
    importer.verify(users)
    assert asked == []
    summary = importer.run(users, plan="plan.sqlite3").wait()
    assert summary.stopped is not None and summary.stopped.kind == "declined"
    assert len(asked) == 1 and asked[0].rows == 10 and sandbox.dump()["users"] == []
