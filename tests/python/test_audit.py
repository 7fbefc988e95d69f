"""Owns the promises of the audit file: a line for each user that is imported, once, as a whole, whatever happens."""

from __future__ import annotations

import getpass
import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import MULTI, Run, write
from test_kills import CALLS, USERS, source, start
from workos_importer import ConfigError, Importer, Sandbox

ROWS = [{"email": f"user{number}@example.com", "password": "correct horse battery"} for number in range(3)]


def lines(path: str = "audit.jsonl") -> list[dict[str, Any]]:
    """The lines of an audit file, each of which has to be whole."""
    text = Path(path).read_text(encoding="utf-8")
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def records(path: str = "audit.jsonl") -> list[int]:
    return [line["metadata"]["record_number"] for line in lines(path)]


def test_each_user_that_is_imported_has_a_line_that_says_who_when_and_from_where(run: Run, folder: Path) -> None:
    write(folder / "users.csv", MULTI.replace("user3@acme.com", "not-an-address"))
    flags = ("--sandbox", "--audit-file", "audit.jsonl", "--actor", "ops@acme.com", "--json")
    ended = run("import", "users.csv", *flags)
    assert ended.returncode == 1
    found = lines()
    assert sorted(records()) == [1, 2, 3, 5, 6, 7, 8, 9, 10]
    one = next(line for line in found if line["metadata"]["record_number"] == 1)
    assert one["target"].pop("id").startswith("user_")
    assert one.pop("time").endswith("Z")
    assert one == {
        "event": "user_imported",
        "target": {"type": "user", "email": "user0@acme.com"},
        "metadata": {
            "source": "users.csv",
            "admin": "ops@acme.com",
            "run": ended.document["run_id"],
            "record_number": 1,
            "outcome": "created",
        },
    }
    if os.name == "posix":
        assert Path("audit.jsonl").stat().st_mode & 0o777 == 0o600


def test_lines_are_added_with_every_outcome_and_hold_no_secret() -> None:
    sandbox = Sandbox()
    Importer(sandbox=sandbox, audit_file="audit.jsonl", actor="ada").run(ROWS[:1]).wait()
    Importer(sandbox=sandbox, audit_file="audit.jsonl", actor="grace").run(ROWS).wait()
    outcomes = [(line["metadata"]["admin"], line["metadata"]["outcome"]) for line in lines()]
    assert sorted(outcomes) == [("ada", "created"), ("grace", "created"), ("grace", "created"), ("grace", "unchanged")]
    assert {line["metadata"]["source"] for line in lines()} == {"rows"}
    assert "horse" not in Path("audit.jsonl").read_text(encoding="utf-8")


def test_rows_that_are_tried_again_get_their_line_when_they_are_in() -> None:
    sandbox = Sandbox()
    importer = Importer(sandbox=sandbox, audit_file="audit.jsonl", actor="ada")
    rows = [{"email": row["email"], "org_external_id": "acme"} for row in ROWS]
    rows.append({"email": "late@example.com", "org_external_id": "late"})
    sandbox_with(sandbox, "acme")
    first = importer.run(rows, run_id="nightly").wait()
    assert (first.failed, sorted(records())) == (1, [1, 2, 3])
    sandbox_with(sandbox, "late")
    second = importer.run(rows, run_id="nightly").wait()
    assert (second.run_id, second.failed, sorted(records())) == (first.run_id, 0, [1, 2, 3, 4])
    importer.run(rows, run_id="nightly").wait()
    assert sorted(records()) == [1, 2, 3, 4]


def sandbox_with(sandbox: Sandbox, organization: str) -> None:
    row = {"email": f"owner@{organization}.com", "org_external_id": organization, "org_name": organization}
    assert Importer(sandbox=sandbox).run([row]).wait().failed == 0


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is of POSIX")
@pytest.mark.parametrize("seed", range(8))
def test_after_a_kill_lines_are_whole_and_no_row_has_two(folder: Path, seed: int) -> None:
    source(folder)
    sandbox = Sandbox(latency=(0.005, 0.06), limits=False, seed=seed)
    drawn = random.Random(seed)
    flags = ("--audit-file", "audit.jsonl", "--actor", "ada")
    with sandbox.serve() as server:
        killed = start(server.url, *flags)
        arrived = drawn.randint(CALLS // 3, CALLS - 1)
        while sandbox.counters()["total"] < arrived and killed.poll() is None:
            time.sleep(0.001)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        assert killed.returncode == -signal.SIGKILL
        with Path("audit.jsonl").open("a", encoding="utf-8") as file:
            # As if it had come in the middle of a line.
            file.write('{"event":"user_imp')
        ended = start(server.url, *flags)
        output, _ = ended.communicate(timeout=60)
    assert ended.returncode == 0, output.decode()
    assert sorted(records()) == list(range(1, 2 * USERS + 1))


def test_a_row_that_has_its_line_and_is_done_again_gets_no_second_one(run: Run, folder: Path) -> None:
    write(folder / "users.csv", "email\n" + "".join(f"user{number}@example.com\n" for number in range(40)))
    sandbox = Sandbox(limits=False)
    with sandbox.serve() as server:
        flags = ("--audit-file", "audit.jsonl", "--actor", "ada", "--base-url", server.url, "--quiet")
        assert run("import", "users.csv", *flags, WORKOS_API_KEY="sk_test_1").returncode == 0
        # What a kill loses between the line of a row and its place in the journal.
        journal = next(folder.glob(".workos-importer/runs/*/journal.sqlite3"))
        forget(journal, [7, 8])
        before = Path("audit.jsonl").read_bytes()
        assert run("import", "users.csv", *flags, WORKOS_API_KEY="sk_test_1").returncode == 0
    assert Path("audit.jsonl").read_bytes() == before


def forget(journal: Path, record_numbers: list[int]) -> None:
    """Makes the journal as it was before these rows ended."""
    import sqlite3

    store = sqlite3.connect(journal)
    with store:
        for number in record_numbers:
            store.execute("DELETE FROM outcome_step WHERE record_number = ?", [number])
            store.execute("DELETE FROM outcome WHERE record_number = ?", [number])
        store.execute("UPDATE run SET status = 'interrupted'")
    store.close()


def test_who_is_logged_in_is_the_actor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "somebody")
    Importer(sandbox=Sandbox(), audit_file="audit.jsonl").run(ROWS[:1]).wait()
    assert lines()[0]["metadata"]["admin"] == "somebody"

    def nobody() -> str:
        raise OSError("no such user")

    monkeypatch.setattr(getpass, "getuser", nobody)
    with pytest.raises(ConfigError, match="Who imports is not known here"):
        Importer(sandbox=Sandbox(), audit_file="audit.jsonl")


def test_what_is_no_audit_file_is_left_alone(run: Run, folder: Path) -> None:
    text = "email\nada@example.com"
    write(folder / "users.csv", text)
    write(folder / "other.csv", text)
    ended = run("import", "users.csv", "--sandbox", "--audit-file", "other.csv")
    assert ended.returncode == 2
    assert "it is there, and is no audit file" in ended.stderr
    assert Path("other.csv").read_text(encoding="utf-8") == text
    assert run("import", "users.csv", "--sandbox", "--audit-file", "nowhere/audit.jsonl").returncode == 2


def test_options_that_contradict_each_other_are_refused(run: Run, folder: Path) -> None:
    with pytest.raises(ConfigError, match="actor is for the audit file"):
        Importer(actor="ada")
    with pytest.raises(ConfigError, match="same file"):
        Importer(audit_file="out.jsonl", actor="ada", errors_out="out.jsonl")
    with pytest.raises(ConfigError, match="a text that says who imports"):
        Importer(audit_file="out.jsonl", actor=" ")
    write(folder / "users.csv", MULTI)
    ended = run("import", "users.csv", "--dry-run", "--audit-file", "audit.jsonl")
    assert ended.returncode == 0
    assert "--audit-file: a dry run writes no file" in ended.stderr
    assert not Path("audit.jsonl").exists()


def test_the_help_advises_to_pause_webhook_endpoints(run: Run) -> None:
    assert "webhook endpoints" in " ".join(run("import", "--help").stdout.split())
