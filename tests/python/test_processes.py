"""Owns signals, forks, and the ends of interpreters: what threads and processes must never do to a run."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import command, environment, people, python, write
from workos_importer import Importer, RunError, Sandbox

posix = pytest.mark.skipif(os.name != "posix", reason="signals and forks of POSIX")


class Started:
    """The console script at work on a slow sandbox."""

    def __init__(self, folder: Path, latency: float, hung: bool = False) -> None:
        sandbox = Sandbox(latency=latency, limits=False)
        if hung:
            sandbox.fail_next("hang", method="POST", times=5_000)
        self.server = sandbox.serve()
        write(folder / "many.csv", "email\n" + "".join(f"user{number}@example.com\n" for number in range(5_000)))
        self.process = subprocess.Popen(
            command("import", "many.csv", "--base-url", self.server.url, "--concurrency", "2"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(WORKOS_API_KEY="sk_test_1"),
        )
        assert self.process.stderr is not None
        # The mode is told when the run has begun, the second line.
        self.head = self.process.stderr.readline() + self.process.stderr.readline()

    def end(self, number: int) -> tuple[int, str, str, float]:
        """Sends a signal; returns exit code, both outputs and the seconds it took."""
        begun = time.monotonic()
        self.process.send_signal(number)
        out, error = self.process.communicate(timeout=40)
        self.server.close()
        return self.process.returncode, out.decode(), error.decode(), time.monotonic() - begun


@posix
def test_ctrl_c_ends_what_is_in_flight_and_prints_the_summary(folder: Path) -> None:
    started = Started(folder, 1.0)
    # The key has been checked by then, which ends at once, and users are in flight.
    time.sleep(1.5)
    code, out, error, took = started.end(signal.SIGINT)
    assert code == 130 and took < 10
    assert "Status: Interrupted" in out and "Traceback" not in error
    assert "press Ctrl-C again to stop at once" in error


@posix
def test_a_second_ctrl_c_stops_at_once(folder: Path) -> None:
    started = Started(folder, 0, hung=True)
    time.sleep(0.5)
    started.process.send_signal(signal.SIGINT)
    time.sleep(0.7)
    assert started.process.poll() is None
    code, out, error, took = started.end(signal.SIGINT)
    assert code == 130 and took < 5
    assert "Status: Interrupted" in out and "Traceback" not in error


@posix
def test_a_request_to_terminate_is_143(folder: Path) -> None:
    code, out, _, _ = Started(folder, 0.2).end(signal.SIGTERM)
    assert code == 143 and "Status: Interrupted" in out


@posix
@pytest.mark.parametrize(
    ("number", "again", "code", "least", "most"),
    [
        (signal.SIGTERM, False, 143, 19, 26),
        (signal.SIGINT, True, 130, 0, 8),
    ],
)
def test_what_is_in_flight_when_the_time_is_over_is_in_doubt_and_found_by_the_next_run(
    folder: Path, number: int, again: bool, code: int, least: float, most: float
) -> None:
    sandbox = Sandbox(limits=False)
    # They arrive, they are carried out, and nobody ever hears of it.
    sandbox.fail_next("hang_applied", method="POST", path="/user_management/users", times=5)
    write(folder / "users.csv", "email\n" + "".join(f"user{number}@example.com\n" for number in range(40)))
    with sandbox.serve() as server:
        line = command("import", "users.csv", "--base-url", server.url, "--concurrency", "5", "--quiet")
        variables = environment(WORKOS_API_KEY="sk_test_1")
        process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=variables)
        while len(sandbox.dump()["users"]) < 5 and process.poll() is None:
            time.sleep(0.01)
        begun = time.monotonic()
        process.send_signal(number)
        if again:
            time.sleep(0.5)
            assert process.poll() is None
            process.send_signal(number)
        out, error = process.communicate(timeout=40)
        assert process.returncode == code, error
        assert least <= time.monotonic() - begun <= most
        assert b"Status: Interrupted" in out
        assert len(sandbox.dump()["users"]) == 5
        on = subprocess.run(
            [*line, "--results-out", "results.csv"], capture_output=True, env=variables, timeout=60, check=False
        )
    assert on.returncode == 0, on.stderr
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert Counter((row["outcome"], row["evidence"]) for row in rows) == {
        ("created", "confirmed"): 35,
        ("created", "inferred"): 5,
    }
    assert len(sandbox.dump()["users"]) == 40
    # Looked for, and not sent again.
    assert sandbox.counters()["by_route"]["POST /user_management/users"] == 40


@posix
def test_ctrl_c_in_a_program_stops_the_run_and_raises() -> None:
    code = """
import os, signal, threading, time
from workos_importer import Importer, Sandbox
rows = ({"email": f"u{n}@x.org"} for n in range(9999))
run = Importer(sandbox=Sandbox(latency=0.01, limits=False), concurrency=1).run(rows)
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
begun = time.monotonic()
try:
    run.wait()
except KeyboardInterrupt:
    print(run.summary.status, time.monotonic() - begun < 10)
"""
    done = python(code)
    assert done.stdout == "Interrupted True\n", done.stderr


@posix
def test_ctrl_c_ends_a_check() -> None:
    code = """
import itertools, os, signal, threading
from workos_importer import Importer
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    Importer().validate({"email": f"u{n}@x.org"} for n in itertools.count())
except KeyboardInterrupt:
    print("stopped")
"""
    assert python(code).stdout == "stopped\n"


@posix
def test_the_sandbox_command_serves_until_it_is_asked_to_end() -> None:
    process = subprocess.Popen(command("sandbox"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    assert process.stdout is not None
    url = process.stdout.readline().decode().split()[1]
    key = process.stdout.readline().decode().split()[1]
    assert Importer(api_key=key, base_url=url).run(people(3)).wait().ok
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=20)
    assert process.returncode == 0 and b"4 requests" in error


@posix
def test_a_reader_that_goes_away_ends_no_import(users: Path) -> None:
    sandbox = Sandbox()
    with sandbox.serve() as server:
        process = subprocess.Popen(
            command("import", str(users), "--base-url", server.url),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(WORKOS_API_KEY="sk_test_1"),
        )
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        process.stderr.close()
        assert process.wait(timeout=30) == 0
    assert len(sandbox.dump()["users"]) == 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_run_raises_in_a_forked_child_and_a_new_one_works_there() -> None:
    run = Importer(sandbox=Sandbox(latency=0.02), concurrency=1).run(people(50))
    next(run)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        said = "nothing"
        try:
            try:
                next(run)
            except RunError as error:
                said = error.kind
            del run
            said += " " + Importer(sandbox=Sandbox()).run(people(3)).wait().status
        except BaseException as error:
            said = repr(error)
        finally:
            os.write(writer, said.encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        assert file.read() == "forked Success"
    os.waitpid(child, 0)
    assert run.wait().created == 50


EXITS = """
import asyncio, sys
from workos_importer import Importer, Sandbox
rows = [{"email": f"u{n}@x.org"} for n in range(400)]
importer = Importer(sandbox=Sandbox(latency=(0.0, 0.01), limits=False))
how = int(sys.argv[1]) % 8
if how == 0:
    run = importer.run(rows); next(run)
elif how == 1:
    async def work():
        async for _ in importer.run(rows):
            break
    asyncio.run(work())
elif how == 2:
    async def work():
        task = asyncio.ensure_future(importer.run(rows))
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    asyncio.run(work())
elif how == 3:
    import threading
    run = importer.run(rows)
    threading.Thread(target=run.wait, daemon=True).start()
elif how == 4:
    async def work():
        await importer.run(rows)
    asyncio.run(work())
elif how == 5:
    # Nobody waits for the cancelled pull: the loop ends at once.
    async def work():
        run = importer.run(rows)
        try:
            await asyncio.wait_for(anext(run), 0.001)
        except asyncio.TimeoutError:
            pass
    asyncio.run(work())
elif how == 6:
    async def work():
        asyncio.ensure_future(importer.run(rows))
        await importer.run(rows)
    asyncio.run(work())
else:
    importer.run(rows).wait()
    run = importer.run(rows[:200])
    sys.exit(0)
"""


@contextmanager
def load() -> Iterator[None]:
    """As many processes that do nothing but count as there are processors."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_forty_interpreters_exit_under_load_without_a_crash_or_a_hang(folder: Path) -> None:
    with load():
        for batch in range(5):
            processes = [
                subprocess.Popen(
                    [sys.executable, "-c", EXITS, str(number)], stderr=subprocess.PIPE, env=environment(), cwd=folder
                )
                for number in range(batch * 8, batch * 8 + 8)
            ]
            try:
                for number, process in enumerate(processes):
                    _, error = process.communicate(timeout=60)
                    assert (number, process.returncode, error) == (number, 0, b"")
            finally:
                for process in processes:
                    process.kill()
                    process.communicate()


FORKS = """
import asyncio, os, signal, sys, warnings
from workos_importer import Importer, RunError, Sandbox
warnings.filterwarnings("ignore", ".*fork.*", DeprecationWarning)
rows = [{"email": f"u{n}@x.org"} for n in range(60)]
importer = Importer(sandbox=Sandbox(latency=0.02, limits=False), concurrency=2)

async def first(run):
    async for result in run:
        return result

async def all_of(run):
    return await run

def in_child(run):
    # Who hangs is killed, and the parent sees it.
    signal.alarm(30)
    loops = (lambda: asyncio.run(first(run)), lambda: asyncio.run(all_of(run)))
    for use in (lambda: next(run), *loops, run.wait, run.poll, run.stop):
        try:
            use()
        except RunError as error:
            if error.kind == "forked":
                continue
        return 1
    del run
    inner = Importer(sandbox=Sandbox(limits=False))
    if inner.run(rows).wait().created != 60 or asyncio.run(all_of(inner.run(rows))).unchanged != 60:
        return 2
    return 0

def forked(run):
    child = os.fork()
    if child == 0:
        status = 3
        try:
            status = in_child(run)
        finally:
            os._exit(status)
    return child

async def work():
    run = importer.run(rows)
    await first(run)
    children = [forked(run)]
    # A second one while a thread holds the run's lock and waits for a result.
    waiting = asyncio.ensure_future(first(run))
    await asyncio.sleep(0.01)
    children.append(forked(run))
    await waiting
    return children, await run

if sys.argv[1] == "async":
    children, summary = asyncio.run(work())
else:
    run = importer.run(rows)
    next(run)
    children = [forked(run), forked(run)]
    summary = run.wait()
print([os.waitpid(child, 0)[1] for child in children], summary.created)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_forked_child_never_hangs_under_load(how: str) -> None:
    with load():
        for _ in range(4):
            done = python(FORKS, how, timeout=100)
            assert done.stdout == "[0, 0] 60\n", done.stderr
