"""Owns the promise that a run into Kratos survives `kill -9` and a bad server: processes, sockets, batches."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import command, environment, write
from identities import IDENTITIES, batches, by_email, table
from workos_importer import KratosSandbox

#: `KILL_ROUNDS=500` for more; `KILL_SEED` replays one round.
ROUNDS = int(os.environ.get("KILL_ROUNDS", "20"))
SEEDS = [int(os.environ["KILL_SEED"])] if "KILL_SEED" in os.environ else list(range(ROUNDS))

USERS, BATCH_SIZE = 120, 12
#: How often a process is killed in one round, at most.
KILLS = 4
#: Those who were there before.
THERE = ("user3@example.com", "user77@example.com")
HASH = "$2b$10$" + "a" * 53

FAULTS = ["503", "503_applied", "504_html_applied", "reset_before", "reset_after", "truncated_body", "429_none"]


def source(folder: Path) -> dict[str, tuple[dict[str, str], str | None, str]]:
    """A file in which a third brings a password, a third a hash, and a third nothing; and what has to come of each."""
    lines = ["email,first_name,external_id,initial_password,password_hash"]
    expected: dict[str, tuple[dict[str, str], str | None, str]] = {}
    for number in range(USERS):
        email = f"user{number}@example.com"
        password, hashed, kind = [("TempPass123!", "", "password"), ("", HASH, "bcrypt"), ("", "", None)][number % 3]
        lines.append(f"{email},First{number},u{number},{password},{hashed}")
        expected[email] = ({"email": email, "first_name": f"First{number}"}, kind, f"u{number}")
    write(folder / "users.csv", "\n".join(lines) + "\n")
    return expected


def start(url: str, *flags: str) -> subprocess.Popen[bytes]:
    """The console script at work."""
    return subprocess.Popen(
        command(
            *("import", "users.csv", "--target", "kratos", "--base-url", url, "--batch-size", str(BATCH_SIZE)),
            *("--audit-file", "audit.jsonl", "--actor", "ada", "--quiet", *flags),
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(),
    )


def audited() -> list[int]:
    """Which rows the audit file has, each line of which has to be whole."""
    text = Path("audit.jsonl").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    return sorted(line["metadata"]["record_number"] for line in found)


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is of POSIX")
@pytest.mark.parametrize("seed", SEEDS)
def test_killed_and_started_again_each_identity_is_there_once(folder: Path, seed: int) -> None:
    expected = source(folder)
    drawn = random.Random(seed)
    # Every other round without faults, so that a killed process is all that goes wrong.
    faults = {"fault_rate": 0.15, "faults": FAULTS} if seed % 2 else {}
    kratos = KratosSandbox(latency=(0.005, 0.06), latency_per_identity=0.002, seed=seed, **faults)  # type: ignore[arg-type]
    for email in THERE:
        kratos.seed("POST", IDENTITIES, {"traits": expected[email][0], "external_id": expected[email][2]})
    killed = 0
    with kratos.serve() as server:
        for _ in range(KILLS):
            process = start(server.url)
            # Not after a time, which a fast machine would outrun: when so many more of its calls have arrived.
            enough = kratos.counters()["total"] + drawn.randint(1, 10)
            while kratos.counters()["total"] < enough and process.poll() is None:
                time.sleep(0.001)
            time.sleep(drawn.random() * 0.03)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += process.returncode == -signal.SIGKILL
        ended = start(server.url, "--results-out", "results.csv")
        output, _ = ended.communicate(timeout=60)
    assert ended.returncode == 0, output.decode()
    assert killed, "it ended before it was killed"
    assert batches(kratos) >= 3

    found = by_email(kratos)
    assert found.keys() == expected.keys()
    for email, (traits, kind, external_id) in expected.items():
        identity = found[email]
        if email not in THERE:
            assert (identity["traits"], identity["password"], identity["external_id"]) == (traits, kind, external_id)

    rows = table("results.csv")
    assert [int(row["record_number"]) for row in rows] == list(range(1, USERS + 1))
    assert {row["email"]: row["user_id"] for row in rows} == {email: one["id"] for email, one in found.items()}
    # Who was not there before was made by this run, and the results say so.
    outcomes = {row["email"]: row["outcome"] for row in rows}
    assert outcomes == {email: "unchanged" if email in THERE else "created" for email in expected}
    assert audited() == list(range(1, USERS + 1))
