"""Owns the promises of an audit of one's own: told of each user as the file has it, nobody left out."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import environment
from workos_importer import ConfigError, Importer, Sandbox

ROWS = [{"email": f"user{number}@example.com", "password": "correct horse battery"} for number in range(40)]


def numbers(told: list[dict[str, Any]]) -> list[int]:
    return sorted(event["metadata"]["record_number"] for event in told)


def test_audit_tells_who_was_imported_from_where_when_and_by_whom() -> None:
    told: list[dict[str, Any]] = []
    importer = Importer(sandbox=Sandbox(), audit=told.append, actor="ops@acme.com")
    rows = [*ROWS[:2], {"email": "nobody"}]
    run = importer.run(rows)
    run.tell_only_failures()
    summary = run.wait()
    assert (summary.failed, numbers(told)) == (1, [1, 2])
    one = next(event for event in told if event["metadata"]["record_number"] == 1)
    assert one["target"].pop("id").startswith("user_")
    assert one.pop("time").endswith("Z")
    assert one == {
        "event": "user_imported",
        "target": {"type": "user", "email": "user0@example.com"},
        "metadata": {
            "source": "rows",
            "admin": "ops@acme.com",
            "run": summary.run_id,
            "record_number": 1,
            "outcome": "created",
        },
    }
    assert "horse" not in json.dumps(told)


def test_audit_that_raises_stops_the_run_and_loses_nothing() -> None:
    told: list[dict[str, Any]] = []
    broken = True

    def audit(event: dict[str, Any]) -> None:
        if broken and len(told) == 3:
            raise OSError("the audit is away")
        told.append(event)

    sandbox = Sandbox(latency=(0.001, 0.01))
    importer = Importer(sandbox=sandbox, audit=audit, actor="ada", concurrency=2)
    run = importer.run(ROWS, run_id="nightly")
    with pytest.raises(OSError, match="the audit is away"):
        run.wait()
    assert len(told) == 3
    assert run.summary.pending > 0, "it has stopped"
    broken = False
    summary = importer.run(ROWS, run_id="nightly").wait()
    assert (summary.pending, numbers(told)) == (0, list(range(1, 41)))
    # All of it is done, and all of it was told.
    importer.run(ROWS, run_id="nightly").wait()
    assert len(told) == 40


def test_audit_hears_of_a_run_that_was_done_what_it_has_missed(folder: Path) -> None:
    source = folder / "users.csv"
    source.write_text("email\n" + "".join(f"user{number}@example.com\n" for number in range(10)), encoding="utf-8")
    sandbox = Sandbox()
    told: list[dict[str, Any]] = []
    importer = Importer(sandbox=sandbox, audit=told.append, actor="ada")
    summary = importer.run(source).wait()
    assert numbers(told) == list(range(1, 11))
    # As if it had been killed before the last three were told.
    place = Path(summary.folder) / "audit.told"
    lines = (Path(summary.folder) / "audit.jsonl").read_bytes().splitlines(keepends=True)
    place.write_bytes(b"%020d" % sum(map(len, lines[:7])))
    again = importer.run(source).wait()
    assert again.run_id == summary.run_id
    assert told[10:] == [json.loads(line) for line in lines[7:]]


SCRIPT = """
import json, sys
from workos_importer import Importer

def audit(event):
    with open("told.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(event) + "\\n")

Importer(audit=audit, actor="ada").run("users.csv").wait()
"""


@pytest.mark.parametrize("seed", range(5))
def test_audit_leaves_nobody_out_after_a_kill(folder: Path, seed: int) -> None:
    users = 60
    lines = "".join(f"user{number}@example.com\n" for number in range(users))
    (folder / "users.csv").write_text(f"email\n{lines}", encoding="utf-8")
    sandbox = Sandbox(latency=(0.002, 0.03), limits=False, seed=seed)
    drawn = random.Random(seed)
    kills = 0
    with sandbox.serve() as server:
        variables = environment(WORKOS_API_URL=server.url, WORKOS_API_KEY="sk_test_1")
        while True:
            process = subprocess.Popen([sys.executable, "-c", SCRIPT], env=variables)
            if kills < 3:
                arrived = sandbox.counters()["total"] + drawn.randint(5, users // 3)
                while sandbox.counters()["total"] < arrived and process.poll() is None:
                    time.sleep(0.001)
                process.send_signal(signal.SIGKILL)
            code = process.wait(timeout=60)
            if code == 0:
                break
            kills += 1
    assert kills > 0
    told = [json.loads(line)["metadata"]["record_number"] for line in Path("told.jsonl").read_text().splitlines()]
    assert sorted(set(told)) == list(range(1, users + 1))
    # One for each kill at most comes twice.
    assert len(told) <= users + kills


def test_audit_options_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(ConfigError, match="audit or audit_file"):
        Importer(audit=print, audit_file="audit.jsonl", actor="ada")
    with pytest.raises(ConfigError, match="must be a function"):
        Importer(audit="audit.jsonl")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="is for imports of users"):
        Importer(sandbox=Sandbox(), rows="organizations", audit=print, actor="ada").run([{"name": "Acme"}])
