"""`plan` and `verify`: what an import would do, and whether the directory holds what a file says."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import signal
import subprocess
import time
from pathlib import Path

import pytest

from conftest import MULTI, Run, command, environment
from workos_importer import ConfigError, Importer, RunError, Sandbox, SourceChangedError

KEY = {"WORKOS_API_KEY": "sk_test_1"}

ROWS = [
    {"email": "new@x.com", "first_name": "N", "org_external_id": "acme", "org_name": "Acme"},
    {"email": "there@x.com", "first_name": "T", "org_external_id": "acme", "org_name": "Acme"},
    {"email": "other@x.com", "first_name": "O", "org_external_id": "acme", "org_name": "Acme"},
]


def with_people() -> Sandbox:
    """A sandbox in which two of the rows' people are: one as the row says, one under another name."""
    sandbox = Sandbox(limits=False)
    first = [{**ROWS[1]}, {"email": "other@x.com", "first_name": "Former"}]
    assert Importer(sandbox=sandbox).run(first).wait().failed == 0
    return sandbox


def test_a_plan_writes_nothing_and_the_import_does_it() -> None:
    sandbox = with_people()
    importer = Importer(sandbox=sandbox, on_existing="update")
    before = sandbox.dump()
    plan = importer.plan(ROWS)
    assert sandbox.dump() == before
    assert (plan.users.create, plan.users.update, plan.users.unchanged) == (1, 1, 1)
    assert plan.fields == {"first_name": 1}
    assert (plan.organizations.create, plan.organizations.unchanged) == (0, 1)
    assert (plan.memberships.create, plan.memberships.unchanged) == (2, 1)
    assert plan.ok and plan.changes == 4
    assert [row["outcome"] for row in plan.results()] == ["created", "unchanged", "updated"]
    assert [row["user_id"] is None for row in plan.results()] == [True, False, False]
    summary = importer.run(ROWS).wait()
    assert (summary.created, summary.updated, summary.unchanged) == (1, 1, 1)
    again = importer.plan(ROWS)
    assert again.changes == 0 and again.ok


def test_a_plan_is_shown_and_travels() -> None:
    plan = Importer(sandbox=with_people()).plan([*ROWS, {"email": "no address", "org_external_id": "<b>"}])
    assert "PLAN" in str(plan) and "Users to create: 1" in str(plan)
    assert plan.failed == 1 and not plan.ok
    assert [cause.code for cause in plan.failures] == ["invalid_email"]
    assert plan.users_left == 1
    assert "<table>" in plan._repr_html_() and "<b>" not in plan._repr_html_()
    copy = pickle.loads(pickle.dumps(plan))
    assert copy == plan and list(copy.results()) == []
    assert json.dumps(plan.to_dict())


def test_a_plan_foresees_roles_that_are_not_there() -> None:
    sandbox = with_people()
    importer = Importer(sandbox=sandbox, on_existing="update")
    rows = [{**row, "role_slugs": role} for row, role in zip(ROWS, ("wizard", "admin", "member"), strict=True)]
    plan = importer.plan(rows)
    assert [cause.code for cause in plan.failures] == ["invalid_role"]
    assert plan.failures[0].records == (1,) and "wizard" in plan.failures[0].example
    assert plan.calls_made["list roles"] == plan.calls["list roles"] == 1
    results = [(result.record_number, result.outcome) for result in importer.run(rows)]
    planned = [(row["record_number"], row["outcome"]) for row in plan.results()]
    assert sorted(results) == planned


def test_a_plan_leaves_no_run_and_no_folder(folder: Path) -> None:
    importer = Importer(sandbox=Sandbox(limits=False))
    plan = importer.plan(ROWS)
    assert importer.runs() == []
    del plan
    left = [path.name for path in (folder / ".workos-importer" / "runs").iterdir()]
    assert [name for name in left if name.startswith(".comparison")] == []


def test_a_saved_plan_is_carried_out_row_by_row(folder: Path) -> None:
    sandbox = with_people()
    importer = Importer(sandbox=sandbox, on_existing="update")
    source = folder / "users.csv"
    source.write_text(
        "email,first_name,org_external_id\nnew@x.com,N,acme\nthere@x.com,T,acme\nother@x.com,O,acme\nlate@x.com,L,acme\n"
    )
    saved = folder / "plan.sqlite3"
    plan = importer.plan(source, out=saved)
    assert plan.saved == str(saved)
    assert saved.stat().st_mode & 0o777 == 0o600
    # Meanwhile somebody changes one user, and makes another.
    Importer(sandbox=sandbox, on_existing="update").run(
        [{"email": "other@x.com", "first_name": "Else"}, {"email": "late@x.com"}]
    ).wait()
    run = importer.run(source, plan=saved)
    results = {result.email: result for result in run}
    assert {email: result.outcome for email, result in results.items()} == {
        "new@x.com": "created",
        "there@x.com": "unchanged",
        "other@x.com": "failed",
        "late@x.com": "failed",
    }
    moved = results["other@x.com"].error
    assert moved is not None and moved.code == "directory_moved" and "plan again" in moved.message
    source.write_text("email\nnew@x.com\n")
    with pytest.raises(ConfigError, match="the source has changed since"):
        importer.run(source, plan=saved)
    with pytest.raises(ConfigError, match="is not there"):
        importer.run(source, plan=folder / "nowhere")
    with pytest.raises(ConfigError, match="out needs a file"):
        importer.plan(ROWS, out=saved)


def test_an_unchanged_directory_takes_the_whole_plan(folder: Path) -> None:
    sandbox = with_people()
    source = folder / "users.csv"
    source.write_text(MULTI)
    importer = Importer(sandbox=sandbox)
    plan = importer.plan(source, out=folder / "plan")
    summary = importer.run(source, plan=folder / "plan").wait()
    assert summary.failed == 0
    assert summary.created == plan.rows["created"] == 10
    assert summary.organizations_created == plan.organizations.create


def test_verify_says_how_each_row_stands() -> None:
    sandbox = with_people()
    importer = Importer(sandbox=sandbox)
    rows = [*ROWS, {"email": "lost@x.com", "org_external_id": "nowhere"}, {"email": "there@x.com", "role_slugs": ""}]
    found = importer.verify(rows)
    assert [(row.record_number, row.verdict, row.fields) for row in found.rows()] == [
        (1, "missing", ("user", "membership")),
        (2, "matches", ()),
        (3, "missing", ("first_name", "membership")),
        (4, "missing", ("organization",)),
        (5, "matches", ()),
    ]
    assert (found.total, found.matches, found.missing, found.ok) == (5, 2, 3, False)
    importer.run(ROWS).wait()
    found = importer.verify(ROWS)
    assert [row.verdict for row in found.rows()] == ["matches", "matches", "kept"]
    assert found.ok and found.kept == 1
    differing = Importer(sandbox=sandbox, on_existing="update").verify(ROWS)
    assert [(row.verdict, row.fields) for row in differing.rows("differs")] == [("differs", ("first_name",))]
    assert not differing.ok


def test_verify_of_a_run_knows_what_the_run_has_made(folder: Path) -> None:
    sandbox = with_people()
    source = folder / "users.csv"
    source.write_text("email,first_name\nnew@x.com,N\nother@x.com,O\n")
    importer = Importer(sandbox=sandbox)
    run = importer.run(source).wait()
    assert importer.verify(run="latest").ok
    # Whoever changes a user that the run has made makes it differ; who was there before is as it was.
    Importer(sandbox=sandbox, on_existing="update").run([{"email": "new@x.com", "first_name": "X"}]).wait()
    found = importer.verify(run=run.run_id)
    assert found.run_id == run.run_id
    assert [row.verdict for row in found.rows()] == ["differs", "kept"]
    source.write_text("email\nelse@x.com\n")
    with pytest.raises(SourceChangedError):
        importer.verify(run=run.run_id)
    with pytest.raises(ConfigError, match="one of the two"):
        importer.verify()


def test_what_no_row_names_is_listed() -> None:
    sandbox = with_people()
    importer = Importer(sandbox=sandbox)
    importer.run([{"email": "stranger@x.com", "org_external_id": "acme", "role_slugs": "admin"}]).wait()
    found = importer.verify(ROWS, extra=True)
    assert found.extra_memberships == 1
    (stranger,) = found.extra()
    assert (stranger.email, stranger.roles, stranger.active) == ("stranger@x.com", ("admin",), True)


def test_what_no_row_names_is_listed_although_the_rows_could_be_looked_up_one_by_one() -> None:
    importer = Importer(sandbox=Sandbox(limits=False))
    members = [{"email": f"user{number}@x.com", "org_external_id": "acme", "org_name": "Acme"} for number in range(250)]
    importer.run(members).wait()
    found = importer.verify(members[:1], extra=True)
    assert found.extra_memberships == 249
    # Three pages of a hundred; both ends may read the last one.
    assert found.calls_made["list memberships"] <= 4


def test_a_receipt_holds_digests_and_nobody(folder: Path) -> None:
    sandbox = Sandbox(limits=False)
    source = folder / "users.csv"
    source.write_text("email,password,org_external_id,org_name\nsecret@x.com,Planted-Secret-1!,acme,Acme\n")
    importer = Importer(sandbox=sandbox)
    importer.run(source).wait()
    found = importer.verify(source)
    found.receipt(folder / "receipt.json")
    text = (folder / "receipt.json").read_text()
    receipt = json.loads(text)
    assert receipt["ok"] is True and receipt["counts"]["matches"] == 1
    assert receipt["source"]["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert receipt["directory"]["objects"] == 3
    assert receipt["not_compared"] == ["password"]
    assert "secret@x.com" not in text and "Planted" not in text
    # The same directory gives the same digest, another one another.
    assert importer.verify(source).directory_sha256 == found.directory_sha256
    Importer(sandbox=sandbox, on_existing="update").run([{"email": "secret@x.com", "first_name": "Z"}]).wait()
    assert importer.verify(source).directory_sha256 != found.directory_sha256
    with pytest.raises(ConfigError, match="cannot be written"):
        found.receipt(folder / "nowhere" / "receipt.json")


def test_a_sample_stands_for_all(folder: Path) -> None:
    sandbox = Sandbox(limits=False)
    source = folder / "users.csv"
    source.write_text("email\n" + "".join(f"user{number}@x.com\n" for number in range(200)))
    importer = Importer(sandbox=sandbox)
    importer.run(source).wait()
    found = importer.verify(source, sample=20)
    assert (found.total, found.matches, found.is_sample) == (20, 20, True)
    assert importer.verify(source, sample=1_000).total == 200
    with pytest.raises(ConfigError, match="A sample needs a file"):
        importer.verify(ROWS, sample=2)


def test_the_commands(run: Run, folder: Path) -> None:
    (folder / "users.csv").write_text(MULTI)
    sandbox = Sandbox(limits=False)
    with sandbox.serve() as server:
        common = ("--base-url", server.url)
        planned = run("plan", "users.csv", "--out", "plan", *common, **KEY)
        assert planned.returncode == 0, planned.stderr
        assert "Users to create: 10" in planned.stdout
        assert "Nothing is written" in planned.stderr
        before = run("verify", "users.csv", *common, **KEY)
        assert before.returncode == 1 and "Not verified" in before.stdout
        assert "✗ 1 (line 2) user0@acme.com missing: organization, user, membership" in before.stderr
        done = run("import", "users.csv", "--plan", "plan", "--quiet", *common, **KEY)
        assert done.returncode == 0, done.stderr
        for source in ("users.csv", "latest"):
            after = run("verify", source, "--json", "--receipt", "receipt.json", *common, **KEY)
            assert after.returncode == 0, after.stderr
            assert after.document["matches"] == 10 and after.document["not_matching"] == []
        assert json.loads((folder / "receipt.json").read_text())["run_id"] is not None
        again = run("plan", "users.csv", "--json", *common, **KEY)
        assert list((folder / ".workos-importer" / "runs").glob(".comparison-*")) == []
        assert again.document["changes"] == 0
    wrong = run("import", "--plan", "users.csv", **KEY)
    assert wrong.returncode == 2 and "workos-importer plan FILE" in wrong.stderr
    gone = run("verify", "nowhere.csv", **KEY)
    assert gone.returncode == 2 and "Cannot find" in gone.stderr


def test_a_refused_key_and_a_stop(run: Run, folder: Path) -> None:
    (folder / "users.csv").write_text(MULTI)
    sandbox = Sandbox(key="sk_test_right")
    with sandbox.serve() as server:
        refused = run("plan", "users.csv", "--base-url", server.url, WORKOS_API_KEY="sk_test_wrong")
        assert refused.returncode == 3, refused.stderr
    importer = Importer(sandbox=Sandbox(limits=False))
    with pytest.raises(RunError) as stopped:
        importer.plan(folder / "users.csv", on_start=lambda run: run.stop(now=True))
    assert stopped.value.kind == "not_ended"


def test_a_planned_run_stays_as_planned_when_it_goes_on(folder: Path) -> None:
    sandbox = Sandbox(limits=False, latency=0.02)
    source = folder / "users.csv"
    source.write_text("email\n" + "".join(f"user{number}@x.com\n" for number in range(40)))
    importer = Importer(sandbox=sandbox, concurrency=1)
    importer.plan(source, out=folder / "plan")
    with importer.run(source, plan=folder / "plan") as run:
        next(run)
    assert run.summary.pending > 0
    # Somebody makes the last user meanwhile.
    importer.run([{"email": "user39@x.com"}]).wait()
    results = {result.email: result for result in importer.resume(run.summary.run_id)}
    error = results["user39@x.com"].error
    assert error is not None and error.code == "directory_moved"
    assert sum(result.outcome == "failed" for result in results.values()) == 1


def test_what_a_killed_comparison_leaves_is_removed_by_the_next_one(folder: Path) -> None:
    runs = folder / ".workos-importer" / "runs"
    importer = Importer(sandbox=Sandbox(limits=False))
    left = runs / ".comparison-killed"
    left.mkdir(parents=True)
    (left / "journal.sqlite3").write_text("people")
    under_way = importer.plan(ROWS)
    assert not left.exists()
    # One whose handle lives keeps its own.
    assert len(list(runs.glob(".comparison-*"))) == 1
    importer.verify(ROWS)
    assert list(under_way.results())


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_comparison_that_is_interrupted_ends_at_once_and_leaves_nothing(
    folder: Path, number: signal.Signals, code: int
) -> None:
    (folder / "users.csv").write_text(MULTI)
    # An answer that takes longer than the test waits.
    sandbox = Sandbox(limits=False, latency=20)
    with sandbox.serve() as server:
        process = subprocess.Popen(
            command("verify", "users.csv", "--base-url", server.url),
            env=environment(**KEY),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while sandbox.counters()["total"] == 0:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        output, error = process.communicate(timeout=10)
    assert (process.returncode, output) == (code, ""), error
    assert "Traceback" not in error
    assert list((folder / ".workos-importer" / "runs").glob(".comparison-*")) == []
