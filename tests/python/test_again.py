"""Owns running again through the console script: what goes on, what is tried again, what is refused, what is listed."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Ended, Run, command, environment, write
from workos_importer import Sandbox

posix = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

KEY = "sk_test_again"
MANY = "email\n" + "".join(f"user{number}@example.com\n" for number in range(400))


class Place:
    """A sandbox over HTTP, and the console script that writes into it."""

    def __init__(self, run: Run, sandbox: Sandbox, url: str) -> None:
        self.sandbox = sandbox
        self.url = url
        self._run = run

    def __call__(self, *arguments: str, key: str = KEY) -> Ended:
        """A command that sends."""
        return self._run(*arguments, "--base-url", self.url, WORKOS_API_KEY=key)

    def look(self, *arguments: str, **variables: str) -> Ended:
        """A command that needs neither key nor address."""
        return self._run(*arguments, **variables)

    @property
    def requests(self) -> int:
        """How many requests there were."""
        return int(self.sandbox.counters()["total"])

    def emails(self) -> list[str]:
        """The addresses of all users."""
        return sorted(user["email"] for user in self.sandbox.dump()["users"])


@pytest.fixture
def place(run: Run, sandbox: Sandbox) -> Iterator[Place]:
    """An empty environment."""
    with sandbox.serve() as server:
        yield Place(run, sandbox, server.url)


def failed_once(place: Place) -> Ended:
    """A run of which one of three rows failed, for a reason that is gone afterwards."""
    write(Path("users.csv"), "email\na@example.com\nb@example.com\nc@example.com\n")
    place.sandbox.fail_next("400", method="POST", path="/user_management/users")
    return place("import", "users.csv", "--concurrency", "1")


def runs(place: Place) -> list[dict[str, Any]]:
    """The runs on disk, the latest first."""
    found = place.look("runs", "--json").document["runs"]
    assert isinstance(found, list)
    return found


@pytest.mark.usefixtures("users")
def test_what_is_in_is_not_sent_again(place: Place) -> None:
    first = place("import", "users.csv", "--json").document
    before = place.requests
    again = place("import", "users.csv")
    assert again.returncode == 0 and place.requests == before
    assert f"Already imported by run {first['run_id']} on " in again.stderr
    assert "10 rows, 0 failed. Nothing was sent. `verify users.csv` checks the directory; `--no-resume`" in again.stderr
    assert place("verify", "users.csv").returncode == 0
    assert "Users imported: 10/10" in again.stdout and first["run_id"] in again.stdout
    document = place("import", "users.csv", "--json", "--quiet").document
    assert document["note"].startswith("Already imported") and document["run_id"] == first["run_id"]
    assert len(runs(place)) == 1


@pytest.mark.usefixtures("users")
def test_no_resume_is_a_new_run(place: Place) -> None:
    first = place("import", "users.csv", "--json").document
    again = place("import", "users.csv", "--no-resume", "--json").document
    assert again["run_id"] != first["run_id"] and again["note"] is None
    assert (again["unchanged"], again["created"]) == (10, 0)
    assert len(place.emails()) == 10


def test_a_changed_file_is_a_new_run_and_says_so(place: Place, users: Path) -> None:
    first = place("import", "users.csv", "--json").document
    with users.open("a") as file:
        file.write("new@acme.com,New,One,acme,Acme Inc\n")
    again = place("import", "users.csv")
    [line] = [line for line in again.stderr.splitlines() if "new run" in line]
    assert f"it has changed since run {first['run_id']}: new run; what is already there is kept" in line
    assert again.returncode == 0 and len(place.emails()) == 11
    assert "Created/Updated/Unchanged: 1/0/10" in again.stdout
    refused = place("resume", first["run_id"])
    assert refused.returncode == 2 and "has changed since" in refused.stderr


def interrupted(place: Place, *arguments: str) -> Ended:
    """An import that gets Ctrl-C in its midst."""
    write(Path("many.csv"), MANY)
    process = subprocess.Popen(
        command("import", "many.csv", "--base-url", place.url, "--concurrency", "2", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(WORKOS_API_KEY=KEY),
    )
    assert process.stderr is not None
    for _ in range(40):
        process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=40)
    return Ended(process.args, process.returncode, out.decode(), error.decode())


@pytest.fixture
def slow(run: Run) -> Iterator[Place]:
    """An environment that can be interrupted."""
    sandbox = Sandbox(limits=False, latency=0.01)
    with sandbox.serve() as server:
        yield Place(run, sandbox, server.url)


@posix
@pytest.mark.parametrize("how", ["import", "resume"])
def test_an_interrupted_run_goes_on(slow: Place, how: str) -> None:
    assert interrupted(slow).returncode == 130
    [stopped] = runs(slow)
    assert stopped["status"] == "Interrupted" and 0 < stopped["pending"] < 400
    before = slow.requests
    done = slow(how, "many.csv" if how == "import" else "latest")
    assert done.returncode == 0, done.stderr
    assert f"Run {stopped['id']} goes on" in done.stderr and "Users imported: 400/400" in done.stdout
    assert slow.emails() == sorted(MANY.split()[1:])
    # Rows that had ended cost nothing; each of the others a call, and a few for what was in flight.
    assert slow.requests - before <= stopped["pending"] + 10
    [ended] = runs(slow)
    assert (ended["status"], ended["pending"], ended["created"]) == ("Success", 0, 400)


@pytest.mark.parametrize("how", ["import", "retry"])
def test_failed_rows_are_tried_again_and_only_they(place: Place, how: str) -> None:
    first = failed_once(place)
    assert first.returncode == 1
    assert first.stderr.splitlines()[-1] == "1 failed. Why: workos-importer errors latest"
    before = place.requests
    again = place(how, "users.csv" if how == "import" else "latest")
    assert again.returncode == 0, again.stderr
    assert "1 failed row is tried again" in again.stderr and "Users imported: 3/3" in again.stdout
    assert place.requests - before <= 4
    assert place.emails() == ["a@example.com", "b@example.com", "c@example.com"]
    assert len(runs(place)) == 1


@pytest.mark.usefixtures("users")
def test_a_retry_of_a_run_without_failures_sends_nothing(place: Place) -> None:
    place("import", "users.csv")
    before = place.requests
    done = place("retry", "latest")
    assert done.returncode == 0 and "Already imported" in done.stderr and place.requests == before


def test_another_key_is_refused_unless_it_is_said(slow: Place) -> None:
    interrupted(slow)
    refused = slow("resume", "latest", key="sk_test_rotated")
    assert refused.returncode == 2 and "--new-key" in refused.stderr
    done = slow("resume", "latest", "--new-key", key="sk_test_rotated")
    assert done.returncode == 0 and "Users imported: 400/400" in done.stdout


def test_standard_input_cannot_be_resumed(run: Run, place: Place) -> None:
    place.sandbox.fail_next("400", method="POST", path="/user_management/users")
    run("import", "-", "--base-url", place.url, input="email\na@example.com\n", WORKOS_API_KEY=KEY)
    refused = place("retry", "latest")
    assert refused.returncode == 2 and "standard input" in refused.stderr


@posix
def test_a_second_process_on_a_run_is_refused_at_once(slow: Place) -> None:
    write(Path("many.csv"), MANY)
    process = subprocess.Popen(
        command("import", "many.csv", "--base-url", slow.url, "--concurrency", "1"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(WORKOS_API_KEY=KEY),
    )
    assert process.stderr is not None
    for _ in range(10):
        process.stderr.readline()
    try:
        for arguments in (["import", "many.csv"], ["resume", "latest"], ["retry", "latest"]):
            refused = slow(*arguments)
            assert refused.returncode == 4 and "Another process works on run" in refused.stderr
        kept = slow.look("runs", "delete", "latest")
        assert kept.returncode == 4 and len(runs(slow)) == 1
        shown = slow.look("show", "latest")
        assert shown.returncode == 0 and "Users imported" in shown.stdout
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=40)


@pytest.mark.parametrize("arguments", [["show"], ["results"], ["errors"], ["resume"], ["retry"], ["runs", "delete"]])
def test_an_unknown_run_is_a_clear_message(run: Run, arguments: list[str]) -> None:
    for name in ("latest", "nope"):
        refused = run(*arguments, name, WORKOS_API_KEY=KEY)
        assert refused.returncode == 2 and refused.stdout == ""
        assert refused.stderr.startswith("workos-importer: There ") and "run" in refused.stderr


@pytest.mark.usefixtures("users")
def test_runs_are_listed_and_shown(place: Place) -> None:
    assert place.look("runs").stderr == "There are no runs here.\n"
    place("import", "users.csv")
    failed_once(place)
    newest, first = runs(place)
    head, one, two = place.look("runs").stdout.splitlines()
    assert head.split() == ["RUN", "STARTED", "(UTC)", "SOURCE", "STATUS", "ROWS", "FAILED"]
    assert one.startswith(newest["id"]) and one.endswith("1") and "Completed with errors" in one
    assert two.startswith(first["id"]) and "users.csv" in two and "10/10" in two
    shown = place.look("show", "latest")
    assert "Users imported: 2/3" in shown.stdout
    assert shown.stderr == "1 failed. Why: workos-importer errors latest\n"
    assert place.look("show", first["id"], "--json").document["created"] == 10
    rows = place.look("show", "latest", "--failed")
    # Whichever row's request came first.
    said = re.fullmatch(r"✗ (\d) \(line (\d)\) [abc]@example\.com: .+\n", rows.stdout)
    assert said is not None and int(said[2]) == int(said[1]) + 1
    [row] = place.look("show", "latest", "--failed", "--json").document["rows"]
    assert (row["record_number"], row["line"], row["outcome"]) == (int(said[1]), int(said[2]), "failed")


@pytest.mark.usefixtures("users")
def test_results_are_given_afterwards(place: Place) -> None:
    place("import", "users.csv", "--results-out", "first.csv")
    assert place.look("results", "latest", "--out", "later.csv").returncode == 0
    assert Path("later.csv").read_text() == Path("first.csv").read_text()
    printed = list(csv.DictReader(io.StringIO(place.look("results", "latest").stdout)))
    assert [row["record_number"] for row in printed] == [str(number) for number in range(1, 11)]
    assert {row["outcome"] for row in printed} == {"created"}
    place.look("results", "latest", "--out", "later.jsonl")
    assert json.loads(Path("later.jsonl").read_text().splitlines()[0])["email"] == "user0@acme.com"
    refused = place.look("results", "latest", "--out", "nowhere/later.csv")
    assert refused.returncode == 2 and "later.csv" in refused.stderr


def test_causes_say_what_to_do(place: Place) -> None:
    write(Path("users.csv"), "email,org_external_id,org_name\nnone,,\nneither,,\na@example.com,acme,Acme\n")
    place.sandbox.fail_next("400", method="POST", path="/organizations")
    place("import", "users.csv")
    told = place.look("errors", "latest")
    assert told.returncode == 0 and told.stdout.startswith("3 rows of run ")
    assert "2 × invalid_email (validation), records 1, 2" in told.stdout
    assert "A retry alone does not help." in told.stdout and "A retry can help." in told.stdout
    assert "workos-importer retry latest" in told.stderr
    causes = place.look("errors", "latest", "--json").document["causes"]
    assert [(cause["count"], cause["retry_helps"]) for cause in causes] == [(2, False), (1, True)]
    assert all(cause["remedy"] and cause["example"] for cause in causes)


@pytest.mark.usefixtures("users")
def test_runs_are_deleted_by_name_and_by_age(place: Place) -> None:
    place("import", "users.csv")
    place("import", "users.csv", "--no-resume")
    newest, first = runs(place)
    assert place.look("runs", "delete", "latest", "nope").returncode == 2 and len(runs(place)) == 2
    assert place.look("runs", "delete", first["id"]).returncode == 0
    assert [found["id"] for found in runs(place)] == [newest["id"]]
    assert not Path(first["folder"]).exists()
    assert place.look("runs", "prune", "--older-than", "30d").stderr == "Deleted: 0\n"
    assert place.look("runs", "prune", "--older-than", "0d").stderr == "Deleted: 1\n"
    assert runs(place) == []
    for wrong in (["delete"], ["prune"], ["list", "x"], ["prune", "--older-than", "30"], ["--older-than", "3d"]):
        assert place.look("runs", *wrong).returncode == 2


def test_runs_are_found_in_the_named_folder(place: Place, users: Path) -> None:
    write(users, "email\nnone\n")
    done = place("import", "users.csv", "--run-dir", "elsewhere")
    assert done.stderr.splitlines()[-1] == "1 failed. Why: workos-importer errors latest --run-dir elsewhere"
    assert place.look("errors", "latest", "--run-dir", "elsewhere").returncode == 0
    assert place.look("errors", "latest", WORKOS_IMPORTER_RUN_DIR="elsewhere").returncode == 0
    assert place.look("errors", "latest").returncode == 2


def test_no_secret_is_in_the_run_folder_after_going_on(place: Place) -> None:
    write(Path("users.csv"), "email,password\na@example.com,hunter2-hunter2\nb@example.com,hunter3-hunter3\n")
    place.sandbox.fail_next("400", method="POST", path="/user_management/users")
    place("import", "users.csv", "--concurrency", "1")
    assert place("retry", "latest").returncode == 0
    [found] = runs(place)
    for file in Path(found["folder"]).iterdir():
        content = file.read_bytes()
        assert KEY.encode() not in content and b"hunter" not in content
    with sqlite3.connect(Path(found["folder"]) / "journal.sqlite3") as journal:
        assert journal.execute("SELECT count(*) FROM outcome").fetchone() == (2,)
