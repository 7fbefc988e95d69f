"""Owns runs whose rows are known by what they say: runs with a name, and runs of rows that came from a program."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import environment, people, write
from workos_importer import ConfigError, Importer, RowResult, RunLockedError, Sandbox, SourceChangedError, SourceError

NAME = "crm-2026-11-22"


def writes(sandbox: Sandbox) -> int:
    """How many users and memberships were asked to be created."""
    routes: dict[str, int] = sandbox.counters()["by_route"]
    return sum(count for route, count in routes.items() if route.startswith("POST /user_management/"))


def shuffled(rows: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """The rows in another order, each with its columns in another order."""
    drawn = random.Random(seed)
    mixed = [dict(drawn.sample(list(row.items()), len(row))) for row in rows]
    drawn.shuffle(mixed)
    return mixed


def test_the_next_attempt_goes_on_in_whatever_order(importer: Importer, sandbox: Sandbox) -> None:
    rows = people(40)
    with Importer(sandbox=sandbox, concurrency=1).run(rows, run_id=NAME) as run:
        first = next(run)
    ended = 40 - run.summary.pending if run.summary.total == 40 else run.summary.imported
    assert 0 < ended < 40
    before = writes(sandbox)
    again = importer.run(shuffled(rows, 1), run_id=NAME)
    results = list(again)
    assert again.summary.run_id == run.summary.run_id == NAME
    assert (again.summary.created, again.summary.total, again.summary.pending) == (40, 40, 0)
    # Each row has its outcome once, and those that had it cost no call.
    assert len(results) == writes(sandbox) - before == 40 - ended
    assert first.email not in {result.email for result in results}
    assert len(sandbox.dump()["users"]) == 40
    assert sorted(row["email"] for row in importer.results(NAME)) == sorted(row["email"] for row in rows)
    assert [row["record_number"] for row in importer.results(NAME)] == list(range(1, 41))


def test_all_done_is_not_sent_again_and_new_rows_are_added(importer: Importer, sandbox: Sandbox) -> None:
    importer.run(people(10), run_id=NAME).wait()
    before = writes(sandbox)
    done = importer.run(iter(shuffled(people(10), 2)), run_id=NAME)
    assert list(done) == [] and done.summary.ok and done.summary.created == 10
    assert writes(sandbox) == before
    more = importer.run([{"email": "new@example.com"}, *people(10)[3:]], run_id=NAME)
    [result] = list(more)
    assert (result.email, result.record_number) == ("new@example.com", 11)
    # Rows that have left the source stay in the results of the run.
    assert more.summary.total == 11 and len(list(importer.results(NAME))) == 11


def test_equal_rows_are_counted(importer: Importer, sandbox: Sandbox) -> None:
    twice = [{"email": "a@example.com"}, {"email": "a@example.com"}, {"email": "b@example.com"}]
    first = importer.run(twice, run_id=NAME).wait()
    assert (first.total, first.created, first.unchanged) == (3, 2, 1)
    assert list(importer.run([twice[2], *twice[:2]], run_id=NAME)) == []
    [third] = list(importer.run([*twice, twice[0]], run_id=NAME))
    assert (third.record_number, third.outcome) == (4, "unchanged")
    assert len(sandbox.dump()["users"]) == 2


def test_failed_rows_are_tried_again_with_their_secrets(importer: Importer, sandbox: Sandbox) -> None:
    rows = [{"email": f"user{number}@example.com", "password": f"Correct-horse-{number}"} for number in range(6)]
    sandbox.fail_next("400", method="POST", path="/user_management/users", times=2)
    first = importer.run(rows).wait()
    assert first.failed == 2
    with pytest.raises(SourceChangedError, match=r"source=") as refused:
        importer.retry()
    assert refused.value.kind == "source_changed"
    again = importer.retry("latest", source=shuffled(rows, 3))
    results = list(again)
    assert again.summary.run_id == first.run_id and again.summary.ok and again.summary.created == 6
    assert len(results) == 2 and all(result.outcome == "created" for result in results)
    assert all(user["password"] for user in sandbox.dump()["users"])


def test_rows_that_are_not_of_the_run_are_refused(importer: Importer, sandbox: Sandbox) -> None:
    sandbox.fail_next("400", method="POST", path="/user_management/users", times=1)
    assert importer.run(people(3)).wait().failed == 1
    with pytest.raises(SourceChangedError, match="row 2 of the source is not among its rows") as refused:
        importer.retry(source=[people(3)[0], {"email": "other@example.com"}]).wait()
    assert refused.value.kind == "source_changed"
    assert "other@example.com" not in str(sandbox.dump())
    assert importer.retry(source=people(3)).wait().ok


def test_rows_of_a_program_do_not_go_on_with_a_file_and_a_moved_file_does(importer: Importer, users: Path) -> None:
    summary = importer.run(users).wait()
    with pytest.raises(SourceChangedError, match="begun with a file"):
        importer.resume(source=people(3))
    moved = users.rename(users.with_name("moved.csv"))
    with pytest.raises(SourceError, match="Cannot find"):
        importer.resume(summary.run_id)
    assert importer.resume(summary.run_id, source=moved).wait().run_id == summary.run_id


def test_a_file_may_have_a_name_too_and_then_may_change(importer: Importer, sandbox: Sandbox, users: Path) -> None:
    importer.run(users, run_id=NAME).wait()
    before = writes(sandbox)
    head, *rows = users.read_text().splitlines()
    write(users, "\n".join([head, *reversed(rows), "new@acme.com,New,One,acme,Acme Inc"]) + "\n")
    again = importer.run(users, run_id=NAME)
    assert [result.email for result in again] == ["new@acme.com"]
    assert again.summary.run_id == NAME and writes(sandbox) == before + 2
    assert importer.resume(NAME).wait().total == 11


def test_other_options_are_another_run_of_the_name(sandbox: Sandbox) -> None:
    first = Importer(sandbox=sandbox).run(people(3), run_id=NAME).wait()
    other = Importer(sandbox=sandbox, on_existing="update")
    run = other.run(people(3), run_id=NAME)
    started = next(iter(run.events()))
    assert "the options have changed since run crm-2026-11-22: new run" in str(getattr(started, "note", None))
    summary = run.wait()
    assert (first.run_id, summary.run_id, summary.unchanged) == (NAME, f"{NAME}-2", 3)
    # And the next attempt of that one is that one.
    assert other.run(people(3), run_id=NAME).wait().run_id == f"{NAME}-2"
    assert Importer(sandbox=sandbox).run(people(3), run_id=NAME).wait().run_id == NAME


@pytest.mark.parametrize("name", ["", "latest", "../up", "a/b", "a b", ".hidden", "x" * 101, "día"])
def test_names_that_are_no_folders_are_refused(importer: Importer, name: str) -> None:
    with pytest.raises(ConfigError, match="run_id must be"):
        importer.run(people(1), run_id=name)


def test_two_at_once_under_one_name_are_one_and_a_refusal() -> None:
    slow = Importer(sandbox=Sandbox(latency=0.2, limits=False))
    with slow.run(people(5), run_id=NAME), pytest.raises(RunLockedError):
        slow.run(people(5), run_id=NAME)


def test_two_processes_that_begin_the_same_file_at_once_are_one_run(users: Path) -> None:
    code = (
        "import sys\n"
        "from workos_importer import Importer, RunLockedError\n"
        "importer = Importer(api_key='sk_test_1', base_url=sys.argv[1])\n"
        "sys.stdin.readline()\n"
        "try:\n"
        "    print(importer.run('users.csv').wait().run_id)\n"
        "except RunLockedError:\n"
        "    print('locked')\n"
    )
    sandbox = Sandbox(latency=0.05, limits=False)
    assert users.name == "users.csv"
    with sandbox.serve() as server:
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", code, server.url],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment(),
            )
            for _ in range(4)
        ]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        printed = sorted(process.communicate(timeout=60)[0].strip() for process in processes)
    # A process that comes when the first one has ended finds its run done.
    assert len(set(printed) - {"locked"}) == 1, printed
    assert len([entry for entry in Path(".workos-importer/runs").iterdir() if entry.is_dir()]) == 1


def test_broken_rows_and_generators_are_known_too(importer: Importer, sandbox: Sandbox) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield {"email": "a@example.com"}
        yield {"email": "not an address"}
        yield {"email": "b@example.com", " email": "twice"}

    first = importer.run(rows(), run_id=NAME).wait()
    assert (first.created, first.failed) == (1, 2)
    before = writes(sandbox)
    again = list(importer.run(rows(), run_id=NAME))
    assert writes(sandbox) == before
    assert sorted(result.record_number for result in again) == [2, 3]
    assert all(isinstance(result, RowResult) and result.outcome == "failed" for result in again)


def test_standard_input_cannot_be_gone_on_with(importer: Importer) -> None:
    with pytest.raises(SourceError):
        importer.run("nowhere.csv", run_id=NAME)
    assert importer.runs() == []
