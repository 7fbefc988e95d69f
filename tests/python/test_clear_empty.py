"""`clear_empty` and `--clear-empty`: empty cells clear fields of users who are there; imports, plans, verifications."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conftest import Run, write
from workos_importer import Importer, Sandbox

KEY = {"WORKOS_API_KEY": "sk_test_1"}
UPDATE = ("--on-existing", "update", "--clear-empty")

NAMES = {"first_name": "Ann", "last_name": "Lee"}
BEFORE = {"email": "a@x.com", **NAMES, "external_id": "a-1", "metadata": {"team": "ops"}}


def user_of(sandbox: Sandbox, email: str = "a@x.com") -> dict[str, Any]:
    """The user with this address."""
    (found,) = (user for user in sandbox.dump()["users"] if user["email"] == email)
    assert isinstance(found, dict)
    return found


@pytest.fixture
def peopled(sandbox: Sandbox) -> Sandbox:
    """A sandbox with one user who has a name, an external id and metadata."""
    assert Importer(sandbox=sandbox).run([BEFORE]).wait().created == 1
    return sandbox


def test_none_and_empty_texts_clear_and_what_is_left_out_does_not(peopled: Sandbox) -> None:
    importer = Importer(sandbox=peopled, on_existing="update", clear_empty=True)
    # The second row makes `last_name` a column; the first one does not have it.
    rows = [
        {"email": "a@x.com", "first_name": None, "metadata": "", "external_id": None},
        {"email": "new@x.com", "first_name": "", "last_name": "New", "metadata": None},
    ]
    plan = importer.plan(rows)
    assert (plan.fields, plan.cleared) == ({"first_name": 1, "metadata": 1},) * 2
    assert "Fields to clear: 2 (first_name 1, metadata 1)" in str(plan)
    assert [(row.verdict, row.fields) for row in importer.verify(rows[:1]).rows()] == [
        ("differs", ("first_name", "metadata"))
    ]
    run = importer.run(rows)
    assert {result.email: result.outcome for result in run} == {"a@x.com": "updated", "new@x.com": "created"}
    assert run.summary.warnings == 1
    user = user_of(peopled)
    assert (user["first_name"], user["last_name"], user["external_id"]) == ("", "Lee", "a-1")
    assert user["metadata"] == {}
    assert importer.verify(rows).ok and importer.plan(rows).changes == 0
    # Who does not say so clears nothing, and misses nothing.
    assert Importer(sandbox=peopled, on_existing="update").plan(rows).changes == 0


def test_what_is_never_cleared_is_said_once(sandbox: Sandbox) -> None:
    rows = [{"email": f"{n}@x.com", "external_id": "", "role_slugs": ""} for n in range(3)]
    importer = Importer(sandbox=sandbox, on_existing="update", clear_empty=True)
    (issue,) = (one for one in importer.validate(rows).issues if one.code == "never_cleared")
    assert "`external_id`, `role_slugs`" in issue.message
    plain = Importer(sandbox=sandbox, on_existing="update").validate(rows)
    assert [one.code for one in plain.issues] == ["roles_ignored"]
    # A column that comes later is said then.
    late = importer.validate([{"email": "x@x.com"}] * 2_000 + [{"email": "y@x.com", "external_id": None}])
    assert [one.code for one in late.issues] == ["never_cleared"]


def test_a_pair_that_is_null_is_taken_out(peopled: Sandbox) -> None:
    importer = Importer(sandbox=peopled, on_existing="update", clear_empty=True)
    rows = [{"email": "a@x.com", "metadata": {"team": None, "dept": "eng"}}]
    assert importer.plan(rows).cleared == {"metadata": 1}
    assert importer.run(rows).wait().updated == 1
    assert user_of(peopled)["metadata"] == {"dept": "eng"}
    assert importer.validate(rows).issues == ()
    kept = Importer(on_existing="update").validate(rows)
    assert [one.code for one in kept.issues] == ["null_metadata"]


def test_an_empty_value_and_a_missing_one_are_different_rows_of_a_named_run(peopled: Sandbox) -> None:
    importer = Importer(sandbox=peopled, on_existing="update", clear_empty=True)
    importer.run([{"email": "a@x.com"}], run_id="night").wait()
    assert user_of(peopled)["first_name"] == "Ann"
    importer.run([{"email": "a@x.com"}, {"email": "b@x.com", "first_name": "B"}], run_id="night").wait()
    again = importer.run([{"email": "a@x.com", "first_name": ""}], run_id="night").wait()
    assert again.total == 3


def test_the_run_keeps_it_for_resume_retry_and_verify(run: Run, peopled: Sandbox, folder: Path) -> None:
    source = write(folder / "users.csv", "email,first_name\na@x.com,\nb@x.com,\n")
    with peopled.serve() as server:
        url = ("--base-url", server.url)

        assert Importer(sandbox=peopled).run([{"email": "b@x.com", "first_name": "Bob"}]).wait().created == 1
        peopled.fail_next("400", method="PUT", path="/user_management/users")
        first = run("import", str(source), *UPDATE, *url, "--concurrency", "1", "--json", **KEY)
        assert first.returncode == 1, first.stderr
        run_id = first.document["run_id"]
        cleared = {email: user_of(peopled, email)["first_name"] for email in ("a@x.com", "b@x.com")}
        assert sorted(cleared.values()) in (["", "Ann"], ["", "Bob"])
        planned = run("plan", str(source), *UPDATE, *url, "--json", **KEY).document
        assert planned["cleared"] == {"first_name": 1}
        again = run("retry", run_id, *url, **KEY)
        assert again.returncode == 0, again.stderr
        assert {user_of(peopled, email)["first_name"] for email in cleared} == {""}
        assert run("verify", run_id, *url, **KEY).returncode == 0
        Importer(sandbox=peopled, on_existing="update").run([{"email": "a@x.com", "first_name": "Ann"}]).wait()
        found = run("verify", run_id, *url, "--json", **KEY)
        assert found.returncode == 1
        assert [row["fields"] for row in found.document["not_matching"]] == [["first_name"]]
        # Without the flag an empty cell says nothing.
        assert run("verify", str(source), "--on-existing", "update", *url, **KEY).returncode == 0
        done = run("import", str(source), *UPDATE, *url, **KEY)
        assert f"`verify {run_id}` checks the directory" in done.stderr


def test_without_update_it_is_refused(run: Run, folder: Path) -> None:
    source = write(folder / "users.csv", "email,first_name\na@x.com,\n")
    for command in ("import", "plan", "verify"):
        done = run(command, str(source), "--clear-empty", **KEY)
        assert done.returncode == 2 and "--clear-empty needs --on-existing update" in done.stderr
