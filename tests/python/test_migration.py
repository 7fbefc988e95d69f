"""Owns the promise of the example of a whole migration: killed twice on the way, it ends equal to its files."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import SCRIPT, environment
from workos_importer import Sandbox

FILES = Path(__file__).parents[2] / "examples" / "migration"
KEY = "sk_test_migration"


def rows(name: str) -> list[dict[str, str]]:
    with (FILES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def begin(url: str) -> subprocess.Popen[bytes]:
    path = f"{SCRIPT.parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.Popen(
        ["sh", str(FILES / "migrate.sh"), "--base-url", url],
        env=environment(WORKOS_API_KEY=KEY, PATH=path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def kill_after(sandbox: Sandbox, url: str, requests: int) -> None:
    """Begins the migration and kills it, with the command that is running, once so many more requests came."""
    wanted = sandbox.counters()["total"] + requests
    process = begin(url)
    end = time.monotonic() + 60
    while sandbox.counters()["total"] < wanted:
        assert process.poll() is None, "it ended before it was killed"
        assert time.monotonic() < end
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def holds_what_the_files_say(sandbox: Sandbox) -> None:
    dump: dict[str, Any] = sandbox.dump()
    organizations = {one["id"]: one for one in dump["organizations"]}
    users = {one["id"]: one for one in dump["users"]}
    wanted = {row["org_external_id"]: row for row in rows("organizations.csv")}
    assert sorted(one["external_id"] for one in organizations.values()) == sorted(wanted)
    assert {one["name"] for one in organizations.values()} == {row["org_name"] for row in wanted.values()}
    assert sorted(one["email"] for one in users.values()) == sorted(row["email"] for row in rows("users.csv"))
    roles: dict[tuple[str, str], set[str]] = {}
    for row in [*rows("users.csv"), *rows("memberships.csv")]:
        roles.setdefault((row["email"], row["org_external_id"]), set()).add(row["role_slugs"])
    made: dict[tuple[str, str], set[str]] = {}
    for one in dump["organization_memberships"]:
        pair = (users[one["user_id"]]["email"], organizations[one["organization_id"]]["external_id"])
        assert pair not in made
        made[pair] = {role["slug"] for role in one["roles"]}
    assert made == roles
    for row in rows("roles.csv"):
        if row["role_type"] == "environment":
            role = sandbox.seed("GET", f"/authorization/roles/{row['role_slug']}")
            assert set(role["permissions"]) >= set(row["permissions"].split(","))
    with_factor = set()
    for user in users.values():
        factors = sandbox.seed("GET", f"/user_management/users/{user['id']}/auth_factors")["data"]
        assert len(factors) <= 1
        with_factor |= {user["email"] for _ in factors}
    assert with_factor == {row["email"] for row in rows("totp-factors.csv")}
    mailed = {row["email"]: {"password_reset": 1} for row in rows("users.csv") if not row["password_hash"]}
    mailed |= {row["email"]: {"invitation": 1} for row in rows("invitations.csv")}
    assert sandbox.counters()["mails"] == mailed


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
@pytest.mark.parametrize("seed", range(2))
def test_a_migration_that_is_killed_twice_ends_equal_to_its_files(seed: int, folder: Path) -> None:
    sandbox = Sandbox(seed=seed, key=KEY, latency=0.005)
    with sandbox.serve() as server:
        # In the middle of the roles, and of the users.
        kill_after(sandbox, server.url, 12 + 3 * seed)
        kill_after(sandbox, server.url, 24 + 4 * seed)
        process = begin(server.url)
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0, out.decode("utf-8", "replace")
    assert out.decode("utf-8").count("Status: Verified") == 3
    assert (folder / "migration.html").stat().st_size > 1_000
    holds_what_the_files_say(sandbox)
