"""Owns `undo`: from the shell and from Python, what it deletes, what it leaves, and what it refuses."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pickle
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import Run, command, environment, people, write
from workos_importer import ConfigError, Importer, Left, RunError, RunLockedError, Sandbox, UndoRun

KEY = {"WORKOS_API_KEY": "sk_test_1"}


def objects(sandbox: Sandbox) -> dict[str, list[Any]]:
    """What is there, without times."""

    def still(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: still(one) for name, one in value.items() if name not in ("created_at", "updated_at")}
        return [still(one) for one in value] if isinstance(value, list) else value

    return {name: still(value) for name, value in sandbox.dump().items()}


def before(sandbox: Sandbox) -> dict[str, list[Any]]:
    """Somebody who is in the file, in an organization that is in the file too."""
    user = sandbox.seed("POST", "/user_management/users", {"email": "user0@acme.com", "first_name": "Old"})
    beta = sandbox.seed("POST", "/organizations", {"name": "Beta Inc", "external_id": "beta"})
    belongs = {"user_id": user["id"], "organization_id": beta["id"]}
    sandbox.seed("POST", "/user_management/organization_memberships", belongs)
    return objects(sandbox)


def test_from_the_shell_the_directory_is_as_before(run: Run, users: Path, sandbox: Sandbox, served: str) -> None:
    was = before(sandbox)
    url = ("--base-url", served)
    assert run("import", str(users), *url, **KEY).returncode == 0
    assert objects(sandbox) != was

    planned = run("undo", "latest", "--organizations", "--dry-run", "--json")
    assert planned.returncode == 0
    plan = planned.document
    assert (plan["users"], plan["memberships"], plan["organizations"]) == (9, 10, 3)

    refused = run("undo", "latest", *url, **KEY)
    assert refused.returncode == 2 and "Add --yes" in refused.stderr

    done = run("undo", "latest", "--organizations", "--yes", *url, **KEY)
    assert done.returncode == 0, done.stderr
    assert "Status: Undone" in done.stdout and "Users deleted: 9" in done.stdout
    assert "To delete: 9 users, 10 memberships, 3 organizations" in done.stderr
    assert objects(sandbox) == was

    again = run("undo", "latest", "--yes", *url, **KEY)
    assert again.returncode == 2 and "An undo cannot be undone: import the file again." in again.stderr
    for name in ("resume", "retry"):
        assert run(name, "latest", *url, **KEY).returncode == 2
    assert "Undone" in run("runs").stdout and "Status: Undone" in run("show", "latest").stdout
    rows = run("results", "latest").stdout.splitlines()
    assert rows[2].split(",")[4:6] == ["deleted", "deleted"]

    anew = run("import", str(users), *url, **KEY)
    assert anew.returncode == 0 and "was undone: new run" in anew.stderr
    assert len(sandbox.dump()["users"]) == 10


@pytest.mark.skipif(os.name != "posix", reason="terminals are of POSIX")
def test_in_a_terminal_it_asks_once(run: Run, users: Path, sandbox: Sandbox, served: str) -> None:
    url = ("--base-url", served)
    run("import", str(users), *url, **KEY)
    for answer, code, left in ((b"\n", 1, 10), (b"yes\n", 0, 0)):
        ours, theirs = os.openpty()
        process = subprocess.Popen(
            command("undo", "latest", *url),
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
            env=environment(**KEY),
        )
        os.close(theirs)
        seen = b""
        while b"[y/N]" not in seen:
            seen += os.read(ours, 4096)
        assert b"Delete up to 20 objects?" in seen
        os.write(ours, answer)
        # What is said afterwards is read, so that nobody waits for it.
        with contextlib.suppress(OSError):
            while os.read(ours, 4096):
                pass
        out, _ = process.communicate(timeout=60)
        os.close(ours)
        assert (process.returncode, len(sandbox.dump()["users"])) == (code, left), out


def test_what_is_left_is_listed_with_its_reason(run: Run, users: Path, sandbox: Sandbox, served: str) -> None:
    url = ("--base-url", served)
    run("import", str(users), *url, **KEY)
    user = sandbox.dump()["users"][3]
    assert sandbox.sign_in(user["id"]) and not sandbox.sign_in("user_nobody")
    done = run("undo", "latest", "--yes", "--left-out", "left.jsonl", *url, **KEY)
    assert done.returncode == 1
    assert "Status: Partly undone" in done.stdout and "Left, user: 1 signed_in" in done.stdout
    assert f"Left: user {user['email']} {user['id']} (record" in done.stderr
    assert [one["id"] for one in sandbox.dump()["users"]] == [user["id"]]
    left = [json.loads(line) for line in Path("left.jsonl").read_text().splitlines()]
    assert {one["reason"] for one in left} == {"signed_in"} and len(left) == 2
    if os.name == "posix":
        assert Path("left.jsonl").stat().st_mode & 0o777 == 0o600


def test_json_has_everything(run: Run, users: Path, sandbox: Sandbox, served: str) -> None:
    url = ("--base-url", served)
    run("import", str(users), *url, **KEY)
    sandbox.sign_in(sandbox.dump()["users"][0]["id"])
    done = run("undo", "latest", "--yes", "--json", *url, **KEY)
    found = done.document
    assert (found["message_type"], found["exit_code"], found["users_deleted"]) == ("undo", 1, 9)
    assert found["left_counts"] == [
        {"kind": "user", "reason": "signed_in", "count": 1},
        {"kind": "membership", "reason": "signed_in", "count": 1},
    ]
    assert [one["kind"] for one in found["left"]] == ["user", "membership"]


def test_another_key_is_refused_unless_it_is_a_new_one(run: Run, users: Path, served: str, sandbox: Sandbox) -> None:
    url = ("--base-url", served)
    run("import", str(users), *url, **KEY)
    refused = run("undo", "latest", "--yes", *url, WORKOS_API_KEY="sk_test_2")
    assert refused.returncode == 2 and "--new-key" in refused.stderr
    assert len(sandbox.dump()["users"]) == 10
    done = run("undo", "latest", "--yes", "--new-key", *url, WORKOS_API_KEY="sk_test_2")
    assert done.returncode == 0 and sandbox.dump()["users"] == []


def test_a_key_that_is_not_accepted_ends_with_3(run: Run, users: Path) -> None:
    sandbox = Sandbox(limits=False, key="sk_test_1")
    with sandbox.serve() as server:
        url = ("--base-url", server.url)
        run("import", str(users), *url, **KEY)
        done = run("undo", "latest", "--yes", "--new-key", *url, WORKOS_API_KEY="sk_test_other")
        assert done.returncode == 3 and len(sandbox.dump()["users"]) == 10
        # Nothing has happened: the run is as it was.
        assert "Already imported" in run("import", str(users), *url, **KEY).stderr


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is of POSIX")
@pytest.mark.parametrize("seed", range(6))
def test_killed_and_undone_again_everything_is_gone(folder: Path, run: Run, seed: int) -> None:
    lines = "".join(f"u{number}@x.com,org-{number % 5},Org\n" for number in range(60))
    source = write(folder / "users.csv", "email,org_external_id,org_name\n" + lines)
    sandbox = Sandbox(latency=(0.002, 0.02), limits=False, seed=seed)
    was = before(sandbox)
    fast = ("--rate-limit", "100000/1s", "--concurrency", "8")
    with sandbox.serve() as server:
        url = ("--base-url", server.url)
        assert run("import", str(source), *fast, *url, **KEY).returncode == 0
        calls = sandbox.counters()["total"]
        arguments = ("undo", "latest", "--organizations", "--yes", *fast, *url)
        killed = subprocess.Popen(
            command(*arguments),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(**KEY),
        )
        while sandbox.counters()["total"] < calls + 20 + 35 * seed and killed.poll() is None:
            time.sleep(0.001)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert killed.returncode == -signal.SIGKILL
        if seed == 3:
            # It is not taken for one that is done.
            assert run("resume", "latest", *url, **KEY).returncode == 2
        done = run(*arguments, **KEY)
        assert done.returncode == 0, done.stderr
        assert "Users deleted: 60" in done.stdout
    assert objects(sandbox) == was


def test_from_python(importer: Importer, sandbox: Sandbox) -> None:
    importer.run(people(40)).wait()
    first = sandbox.dump()["users"][0]
    sandbox.sign_in(first["id"])
    plan = importer.undo_plan()
    assert (plan.users, plan.calls, plan.left) == (40, 40, ())
    undo = importer.undo("latest")
    assert isinstance(undo, UndoRun)
    summary = undo.wait()
    assert undo.ended and undo.summary == summary and undo.progress == (40, 40)
    assert (summary.status, summary.users_deleted, summary.ok) == ("Partly undone", 39, False)
    left = list(summary.left)
    assert [(one.reason, one.name, one.id) for one in left] == [("signed_in", first["email"], first["id"])]
    assert isinstance(left[0], Left) and "signed_in" in str(left[0])
    assert pickle.loads(pickle.dumps(summary)) == summary and "<table>" in summary._repr_html_()
    assert importer.show().status == "Undone" and importer.runs()[0].status == "Undone"
    with pytest.raises(RunError) as caught:
        importer.undo()
    assert caught.value.kind == "undone"
    importer.run(people(3)).wait()
    with pytest.raises(ConfigError, match="another sandbox"):
        Importer(sandbox=Sandbox()).undo("latest")


def test_stopped_it_goes_on_and_a_run_at_work_is_locked() -> None:
    slow = Sandbox(limits=False, latency=0.02)
    importer = Importer(sandbox=slow, concurrency=2)
    run = importer.run(people(60))
    while run.progress.ended < 25:
        run.poll()
    with pytest.raises(RunLockedError):
        importer.undo("latest")
    run.stop()
    run.wait()
    made = len(slow.dump()["users"])
    with importer.undo("latest") as undo:
        while undo.progress[0] < 2:
            undo.poll(0.01)
    assert undo.summary.status == "Interrupted" and undo.summary.pending > 0
    summary = asyncio.run(_wait(importer))
    assert summary.users_deleted == made and slow.dump()["users"] == []


async def _wait(importer: Importer) -> Any:
    return await importer.undo("latest")
