"""Owns the promise that a run survives `kill -9`: at any moment, in real processes, over a real socket."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from conftest import command, environment, write
from workos_importer import Sandbox

#: `KILL_ROUNDS=500` for more; `KILL_SEED` replays one round.
ROUNDS = int(os.environ.get("KILL_ROUNDS", "50"))
SEEDS = [int(os.environ["KILL_SEED"])] if "KILL_SEED" in os.environ else list(range(ROUNDS))

USERS, ORGANIZATIONS = 60, 5
#: One to check the key, a look-up and a creation for each organization, and the users and their memberships.
CALLS = 1 + 2 * ORGANIZATIONS + 3 * USERS


def source(folder: Path) -> tuple[Path, set[tuple[str, str]]]:
    """A file of users of whom each is in two organizations, and who belongs where."""
    lines = ["email,first_name,org_external_id,org_name"]
    belongs: set[tuple[str, str]] = set()
    for number in range(USERS):
        for organization in (number % ORGANIZATIONS, (number + 1 + number // 7 % 3) % ORGANIZATIONS):
            email = f"user{number}@example.com"
            belongs.add((email, f"org-{organization}"))
            lines.append(f"{email},First{number},org-{organization},Org {organization}")
    return write(folder / "users.csv", "\n".join(lines) + "\n"), belongs


def start(url: str, *flags: str) -> subprocess.Popen[bytes]:
    """The console script at work, quiet."""
    return subprocess.Popen(
        command(
            "import",
            "users.csv",
            "--base-url",
            url,
            "--rate-limit",
            "100000/1s",
            "--concurrency",
            "8",
            "--quiet",
            *flags,
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(WORKOS_API_KEY="sk_test_1"),
    )


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is of POSIX")
@pytest.mark.parametrize("seed", SEEDS)
def test_killed_and_started_again_nothing_is_lost_and_nothing_doubled(folder: Path, seed: int) -> None:
    _, belongs = source(folder)
    sandbox = Sandbox(latency=(0.005, 0.06), limits=False, seed=seed)
    drawn = random.Random(seed)
    with sandbox.serve() as server:
        killed = start(server.url)
        # Not after a time, which a fast machine would outrun: when so many of its calls have arrived.
        arrived = drawn.randint(1, CALLS - 1)
        while sandbox.counters()["total"] < arrived and killed.poll() is None:
            time.sleep(0.001)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        assert killed.returncode == -signal.SIGKILL
        assert sandbox.counters()["total"] < CALLS
        ended = start(server.url, "--results-out", "results.csv")
        output, _ = ended.communicate(timeout=60)
    assert ended.returncode == 0, output.decode()

    dump = sandbox.dump()
    emails = {user["id"]: user["email"] for user in dump["users"]}
    organizations = {one["id"]: one["external_id"] for one in dump["organizations"]}
    memberships = [
        (emails[one["user_id"]], organizations[one["organization_id"]]) for one in dump["organization_memberships"]
    ]
    assert (len(emails), len(set(emails.values()))) == (USERS, USERS)
    assert sorted(organizations.values()) == [f"org-{number}" for number in range(ORGANIZATIONS)]
    assert sorted(memberships) == sorted(belongs)

    with Path("results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["record_number"]) for row in rows] == list(range(1, 2 * USERS + 1))
    # Nobody was there before: each user was created through exactly one row, and all memberships by this run.
    assert Counter(row["email"] for row in rows if row["outcome"] == "created") == Counter(set(emails.values()))
    assert all(row["membership"] == "created" for row in rows)
