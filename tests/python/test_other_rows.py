"""Rows of organizations and memberships: imported, planned, verified, undone, repaired after lost answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conftest import Run
from workos_importer import ConfigError, Importer, Sandbox, SourceError

ORGANIZATIONS: list[dict[str, Any]] = [
    {
        "org_external_id": f"org-{number}",
        "org_name": f"Organization {number}",
        "domains": f"org{number}.com:verified, org{number}.net",
        "metadata": {"plan": "pro" if number % 2 else "free"},
    }
    for number in range(12)
]


def importer(sandbox: Sandbox, rows: str = "organizations", **options: Any) -> Importer:
    return Importer(sandbox=sandbox, rows=rows, **options)  # type: ignore[arg-type]


def people(sandbox: Sandbox) -> None:
    users = [{"email": f"user{number}@example.com", "external_id": f"u{number}"} for number in range(10)]
    assert Importer(sandbox=sandbox).run(users).wait().created == 10
    assert importer(sandbox).run(ORGANIZATIONS).wait().created == 12


def organization(sandbox: Sandbox, external_id: str) -> dict[str, Any]:
    found = [one for one in sandbox.dump()["organizations"] if one["external_id"] == external_id]
    assert len(found) == 1
    return dict(found[0])


def domains(one: dict[str, Any]) -> dict[str, str]:
    return {domain["domain"]: domain["state"] for domain in one["domains"]}


def test_organizations_are_made_with_domains_and_metadata_and_again_nothing_is_written() -> None:
    sandbox = Sandbox()
    summary = importer(sandbox).run(ORGANIZATIONS).wait()
    assert (summary.created, summary.failed, summary.organizations_created) == (12, 0, 12)
    assert "Organizations imported: 12/12" in str(summary)
    made = organization(sandbox, "org-3")
    assert made["name"] == "Organization 3"
    assert made["metadata"] == {"plan": "pro"}
    assert domains(made) == {"org3.com": "verified", "org3.net": "pending"}
    again = importer(sandbox, on_existing="update").run(ORGANIZATIONS).wait()
    assert (again.unchanged, again.failed) == (12, 0)
    assert not [call for call in again.api_calls if call.startswith(("create", "update"))]


def test_what_differs_is_left_updated_or_failed_as_asked() -> None:
    sandbox = Sandbox()
    importer(sandbox).run(ORGANIZATIONS[:1]).wait()
    row = {"org_external_id": "org-0", "org_name": "New name", "domains": ["new.com"], "metadata": {"seats": "5"}}
    left = importer(sandbox).run([row]).wait()
    assert (left.unchanged, left.differing) == (1, 1)
    assert organization(sandbox, "org-0")["name"] == "Organization 0"
    failed = importer(sandbox, on_existing="fail").run([row]).wait()
    assert failed.first_failures[0].error is not None
    assert failed.first_failures[0].error.code == "organization_exists"
    assert importer(sandbox, on_existing="update").run([row]).wait().updated == 1
    now = organization(sandbox, "org-0")
    assert (now["name"], now["metadata"]) == ("New name", {"plan": "free", "seats": "5"})
    assert domains(now) == {"org0.com": "verified", "org0.net": "pending", "new.com": "pending"}


def test_organizations_are_planned_verified_and_undone() -> None:
    sandbox = Sandbox()
    importer(sandbox).run(ORGANIZATIONS[:4]).wait()
    changed = [{**ORGANIZATIONS[0], "org_name": "Other"}, *ORGANIZATIONS[1:6]]
    update = importer(sandbox, on_existing="update")
    plan = update.plan(changed)
    found = (plan.organizations.create, plan.organizations.update, plan.organizations.unchanged)
    assert found == (2, 1, 3)
    assert dict(plan.fields) == {"name": 1}
    assert "Organizations to update: 1 (name 1)" in str(plan).replace("│", "").replace("  ", " ")
    verification = update.verify(changed)
    assert (verification.matches, verification.differs, verification.missing) == (3, 1, 2)
    run = update.run(changed)
    assert run.wait().failed == 0
    assert update.verify(changed).ok
    update.undo("latest").wait()
    left = {one["external_id"] for one in sandbox.dump()["organizations"]}
    assert left == {f"org-{number}" for number in range(4)}


def test_memberships_are_for_users_who_are_there_however_they_are_named() -> None:
    sandbox = Sandbox()
    people(sandbox)
    user_id = next(user["id"] for user in sandbox.dump()["users"] if user["email"] == "user2@example.com")
    rows: list[dict[str, Any]] = [
        {"email": "user0@example.com", "org_external_id": "org-0", "role_slugs": "admin"},
        {"user_external_id": "u1", "org_external_id": "org-0"},
        {"user_id": user_id, "org_external_id": "org-1", "role_slugs": ["admin", "member"]},
        {"email": "nobody@example.com", "org_external_id": "org-0"},
        {"email": "user3@example.com", "org_external_id": "nowhere"},
        {"org_external_id": "org-0"},
    ]
    names = ("email", "user_external_id", "user_id", "org_external_id", "role_slugs")
    whole = [{name: row.get(name) for name in names} for row in rows]
    run = importer(sandbox, "memberships").run(whole)
    summary = run.wait()
    assert (summary.created, summary.failed) == (3, 3)
    codes = [result["error_code"] for result in run.results()]
    assert codes == [None, None, None, "user_not_found", "org_resolution", "missing_user"]
    made = sandbox.dump()["organization_memberships"]
    assert len(made) == 3
    assert len(sandbox.dump()["users"]) == 10
    again = importer(sandbox, "memberships").run(whole[:3]).wait()
    assert (again.unchanged, again.failed) == (3, 0)


def test_one_membership_that_two_rows_name_gets_the_roles_of_both() -> None:
    sandbox = Sandbox()
    people(sandbox)
    rows: list[dict[str, Any]] = [
        {"email": "user0@example.com", "user_external_id": None, "org_external_id": "org-0", "role_slugs": "admin"},
        {"email": None, "user_external_id": "u0", "org_external_id": "org-0", "role_slugs": "member"},
    ]
    summary = importer(sandbox, "memberships").run(rows).wait()
    assert (summary.created, summary.updated, summary.failed) == (1, 1, 0)
    [membership] = sandbox.dump()["organization_memberships"]
    assert {role["slug"] for role in membership["roles"]} == {"admin", "member"}


@pytest.mark.parametrize("seed", range(3))
def test_lost_answers_and_other_faults_neither_lose_nor_double_anything(seed: int) -> None:
    faults = ["reset_before", "reset_after", "500_applied", "truncated_body"]
    sandbox = Sandbox(seed=seed, fault_rate=0.15, faults=faults, limits=False)
    importer(sandbox).run(ORGANIZATIONS).wait()
    # Rows that failed for what does not answer are tried again by the same import.
    for _ in range(5):
        if importer(sandbox).run(ORGANIZATIONS).wait().failed == 0:
            break
    names = sorted(one["external_id"] for one in sandbox.dump()["organizations"])
    assert names == sorted(row["org_external_id"] for row in ORGANIZATIONS), f"seed {seed}"
    for number in range(10):
        sandbox.seed("POST", "/user_management/users", {"email": f"user{number}@example.com"})
    rows: list[dict[str, Any]] = [
        {"email": f"user{number}@example.com", "org_external_id": f"org-{number % 3}", "role_slugs": "admin"}
        for number in range(10)
    ]
    for _ in range(6):
        if importer(sandbox, "memberships").run(rows).wait().failed == 0:
            break
    pairs = [(one["user_id"], one["organization_id"]) for one in sandbox.dump()["organization_memberships"]]
    assert len(pairs) == len(set(pairs)) == 10, f"seed {seed}"


def test_an_organization_whose_answer_was_lost_is_found_and_not_made_twice() -> None:
    sandbox = Sandbox()
    sandbox.fail_next("reset_after", method="POST", path="/organizations")
    run = importer(sandbox).run(ORGANIZATIONS[:1])
    assert run.wait().created == 1
    [result] = run.results()
    assert result["evidence"] == "inferred"
    assert len(sandbox.dump()["organizations"]) == 1


def test_each_kind_says_which_columns_it_needs(folder: Path) -> None:
    (folder / "wrong.csv").write_text("name,city\nAcme,Paris\n")
    wanted = {
        "organizations": "No `org_external_id` or `org_id` column",
        "memberships": "No `email` or `user_external_id` or `user_id` column",
        "roles": "No `role_slug` column",
        "invitations": "No `email` column",
        "password-resets": "No `email` column",
        "totp-factors": "No `email` column",
    }
    for rows, message in wanted.items():
        with pytest.raises(SourceError, match=message):
            importer(Sandbox(), rows).validate("wrong.csv")


def test_options_of_users_are_refused_for_other_rows() -> None:
    with pytest.raises(ConfigError, match="rows must be one of"):
        importer(Sandbox(), "groups")
    with pytest.raises(ConfigError, match="--require-membership is for imports of users"):
        importer(Sandbox(), require_membership=True).run(ORGANIZATIONS).wait()
    with pytest.raises(ConfigError, match="cannot be compared"):
        importer(Sandbox(), "invitations").plan([{"email": "ada@example.com"}])
    with pytest.raises(ConfigError, match="per_minute is for"):
        importer(Sandbox(), "roles", per_minute=5)


def test_columns_of_other_rows_mean_nothing_to_an_import_of_users() -> None:
    report = Importer().validate([{"email": "ada@example.com", "totp_secret": "JBSWY3DPEHPK3PXP", "domains": "a.com"}])
    assert report.ok
    assert [issue.code for issue in report.issues] == ["unknown_columns"]


def test_a_file_of_organizations_is_a_run_of_its_own_and_goes_on(folder: Path) -> None:
    (folder / "orgs.csv").write_text(
        "org_external_id,org_name,domains\nacme,Acme,acme.com\nbeta,Beta,nonsense\n", encoding="utf-8"
    )
    sandbox = Sandbox()
    first = importer(sandbox).run("orgs.csv").wait()
    assert (first.created, first.failed, first.mode) == (1, 1, "organizations")
    [failure] = first.first_failures
    assert failure.error is not None
    assert failure.error.code == "invalid_domain"
    resumed = importer(sandbox).retry("latest").wait()
    assert (resumed.mode, resumed.failed) == ("organizations", 1)
    assert Importer(sandbox=sandbox).runs()[0].mode == "organizations"
    Importer(sandbox=sandbox).report("latest", out="report.html")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "all users are added" not in page
    assert "What is there" in page


def test_totp_secrets_are_checked_and_never_shown(run: Run, folder: Path) -> None:
    planted = "JBSWY3DPEHPK3PX1"
    (folder / "totp.csv").write_text(f"email,totp_secret\nada@example.com,{planted}\n", encoding="utf-8")
    ended = run("totp-factors", "enroll", "totp.csv", "--sandbox", "--errors-out", "errors.jsonl")
    assert ended.returncode == 1
    assert "invalid_totp_secret" not in ended.stdout
    assert "not Base32" in ended.stderr
    shown = ended.stdout + ended.stderr
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "totp.csv":
            shown += path.read_bytes().decode("utf-8", "replace")
    assert planted not in shown
