"""Rows of roles, invitations, password resets and TOTP factors: done once, whatever happens, and told plainly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conftest import Run
from workos_importer import APIError, Importer, Issue, Sandbox

SECRET = "JBSWY3DPEHPK3PXP"


def importer(sandbox: Sandbox, rows: str, **options: Any) -> Importer:
    return Importer(sandbox=sandbox, rows=rows, **options)  # type: ignore[arg-type]


def mails(sandbox: Sandbox, kind: str) -> dict[str, int]:
    """How many of a kind were sent, by address."""
    return {address: kinds[kind] for address, kinds in sandbox.counters()["mails"].items() if kinds.get(kind)}


def people(sandbox: Sandbox, count: int = 5) -> list[dict[str, Any]]:
    users = [{"email": f"user{number}@example.com", "password": None} for number in range(count)]
    users[0]["password"] = "correct horse battery staple"
    assert Importer(sandbox=sandbox).run(users).wait().created == count
    return users


def role(sandbox: Sandbox, slug: str) -> dict[str, Any]:
    answer = sandbox.seed("GET", f"/authorization/roles/{slug}")
    assert isinstance(answer, dict)
    return answer


def test_roles_are_made_with_permissions_and_only_lack_what_is_added() -> None:
    sandbox = Sandbox()
    rows: list[dict[str, Any]] = [
        {
            "role_slug": "editor",
            "role_name": "Editor",
            "role_type": "environment",
            "permissions": "posts:read,posts:write",
        },
        {"role_slug": "viewer", "role_name": "Viewer", "role_type": None, "permissions": "posts:read"},
    ]
    summary = importer(sandbox, "roles").run(rows).wait()
    assert (summary.created, summary.failed) == (2, 0)
    assert sorted(role(sandbox, "editor")["permissions"]) == ["posts:read", "posts:write"]
    again = importer(sandbox, "roles").run(rows).wait()
    assert (again.unchanged, again.failed) == (2, 0)
    less: list[dict[str, Any]] = [
        {"role_slug": "editor", "role_name": "Writer", "permissions": "posts:write,posts:delete"}
    ]
    run = importer(sandbox, "roles").run(less)
    told = [event.message for event in run.events() if isinstance(event, Issue)]
    assert [message for message in told if "posts:read." in message and "--remove-permissions" in message] == told
    assert (run.summary.updated, run.summary.failed, run.summary.warnings, len(told)) == (1, 0, 1, 1)
    now = role(sandbox, "editor")
    assert sorted(now["permissions"]) == ["posts:delete", "posts:read", "posts:write"]
    assert now["name"] == "Editor"
    exact = importer(sandbox, "roles", on_existing="update", remove_permissions=True).run(less).wait()
    assert (exact.updated, exact.failed) == (1, 0)
    now = role(sandbox, "editor")
    assert sorted(now["permissions"]) == ["posts:delete", "posts:write"]
    assert now["name"] == "Writer"


def test_roles_of_an_organization_belong_to_it() -> None:
    sandbox = Sandbox()
    importer(sandbox, "organizations").run([{"org_external_id": "acme", "org_name": "Acme"}]).wait()
    rows: list[dict[str, Any]] = [
        {"role_slug": "org-billing", "role_name": "Billing", "permissions": "bills:read", "org_external_id": "acme"},
        {"role_slug": "billing", "role_name": "Billing", "permissions": None, "org_external_id": "acme"},
        {"role_slug": "org-other", "role_name": "Other", "permissions": None, "org_external_id": "nowhere"},
    ]
    run = importer(sandbox, "roles").run(rows)
    assert run.wait().created == 1
    codes = [result["error_code"] for result in run.results()]
    assert codes == [None, "invalid_role_type", "org_resolution"]
    [made] = [one for one in sandbox.dump()["organizations"] if one["external_id"] == "acme"]
    listed = sandbox.seed("GET", f"/authorization/organizations/{made['id']}/roles")["data"]
    assert "org-billing" in [one["slug"] for one in listed]
    assert importer(sandbox, "roles").run(rows[:1]).wait().unchanged == 1


@pytest.mark.parametrize("seed", range(2))
def test_faults_make_no_second_role_invitation_or_factor(seed: int) -> None:
    faults = ["reset_before", "reset_after", "500_applied"]
    sandbox = Sandbox(seed=seed, fault_rate=0.15, faults=faults, limits=False)
    roles: list[dict[str, Any]] = [
        {"role_slug": f"role-{number}", "permissions": f"a:{number},b"} for number in range(5)
    ]
    invited: list[dict[str, Any]] = [{"email": f"new{number}@example.com"} for number in range(6)]
    for _ in range(6):
        if importer(sandbox, "roles").run(roles).wait().failed == 0:
            break
    for number in range(5):
        assert sorted(role(sandbox, f"role-{number}")["permissions"]) == [f"a:{number}", "b"], f"seed {seed}"
        email = f"user{number}@example.com"
        sandbox.seed("POST", "/user_management/users", {"email": email})
    for _ in range(6):
        if importer(sandbox, "invitations", per_minute=6000).run(invited).wait().failed == 0:
            break
    assert mails(sandbox, "invitation") == {row["email"]: 1 for row in invited}, f"seed {seed}"
    factors: list[dict[str, Any]] = [
        {"email": f"user{number}@example.com", "totp_secret": SECRET} for number in range(5)
    ]
    for _ in range(6):
        if importer(sandbox, "totp-factors").run(factors).wait().failed == 0:
            break
    users = [user["id"] for user in sandbox.dump()["users"]]
    for user in users:
        listed = sandbox.seed("GET", f"/user_management/users/{user}/auth_factors")["data"]
        assert len(listed) == 1, f"seed {seed}"


def test_an_open_invitation_counts_as_sent_and_a_revoked_one_does_not() -> None:
    sandbox = Sandbox()
    importer(sandbox, "organizations").run([{"org_external_id": "acme", "org_name": "Acme"}]).wait()
    rows: list[dict[str, Any]] = [
        {"email": "Ada@example.com", "org_external_id": "acme", "role_slug": "member", "expires_in_days": 3},
        {"email": "bob@example.com", "org_external_id": None, "role_slug": None, "expires_in_days": None},
        {"email": "eve@example.com", "org_external_id": None, "role_slug": None, "expires_in_days": 31},
    ]
    summary = importer(sandbox, "invitations", per_minute=6000).run(rows).wait()
    assert (summary.created, summary.failed) == (2, 1)
    assert mails(sandbox, "invitation") == {"ada@example.com": 1, "bob@example.com": 1}
    assert importer(sandbox, "invitations", per_minute=6000).run(rows[:2]).wait().unchanged == 2
    listed = sandbox.seed("GET", "/user_management/invitations?email=bob@example.com")["data"]
    sandbox.seed("POST", f"/user_management/invitations/{listed[0]['id']}/revoke")
    assert importer(sandbox, "invitations", per_minute=6000).run(rows[:2]).wait().created == 1
    assert mails(sandbox, "invitation") == {"ada@example.com": 1, "bob@example.com": 2}


def test_each_user_without_a_password_gets_one_mail_and_the_others_none() -> None:
    sandbox = Sandbox()
    users = people(sandbox)
    reset = importer(sandbox, "password-resets", per_minute=6000)
    summary = reset.run([*users, users[1], {"email": "nobody@example.com", "password": None}]).wait()
    assert (summary.created, summary.unchanged, summary.failed) == (4, 2, 1)
    assert mails(sandbox, "password_reset") == {f"user{number}@example.com": 1 for number in range(1, 5)}


def test_a_mail_whose_answer_was_lost_is_never_sent_again() -> None:
    sandbox = Sandbox()
    users = people(sandbox, 3)
    sandbox.fail_next("reset_after", method="POST", path="/user_management/password_reset")
    reset = importer(sandbox, "password-resets", per_minute=6000)
    summary = reset.run(users, run_id="night").wait()
    assert (summary.created, summary.failed) == (1, 1)
    [failure] = summary.first_failures
    assert failure.error is not None
    assert failure.error.code == "in_doubt"
    assert "not sent a second time" in failure.error.message
    again = reset.run(users, run_id="night").wait()
    assert again.failed == 1
    assert set(mails(sandbox, "password_reset").values()) == {1}


def test_a_quota_that_is_used_up_stops_the_run_which_goes_on_with_the_others() -> None:
    sandbox = Sandbox(password_reset_quota=2)
    users = people(sandbox, 6)
    reset = importer(sandbox, "password-resets", per_minute=6000)
    run = reset.run(users, run_id="night")
    with pytest.raises(APIError, match=r"daily quota of mails is used up until \d{4}-"):
        run.wait()
    assert (run.summary.created, run.summary.failed, run.summary.exit_code) == (2, 0, 4)
    # The same command before the day is over: nobody gets a second mail, and nobody has failed.
    again = reset.run(users, run_id="night")
    with pytest.raises(APIError):
        again.wait()
    assert set(mails(sandbox, "password_reset").values()) == {1}
    assert (again.summary.created, again.summary.failed) == (2, 0)


def test_a_user_who_has_a_factor_is_left_alone() -> None:
    sandbox = Sandbox()
    people(sandbox, 3)
    rows: list[dict[str, Any]] = [
        {
            "email": f"user{number}@example.com",
            "totp_secret": f" {SECRET.lower()} ",
            "totp_issuer": "Acme",
            "totp_user": "u",
        }
        for number in range(3)
    ]
    first = importer(sandbox, "totp-factors").run(rows[:2]).wait()
    assert (first.created, first.failed) == (2, 0)
    second = importer(sandbox, "totp-factors").run(rows).wait()
    assert (second.created, second.unchanged, second.failed) == (1, 2, 0)


def test_factor_secrets_are_nowhere_but_on_the_wire(folder: Path) -> None:
    sandbox = Sandbox()
    people(sandbox, 2)
    planted = "MFRGGZDFMZTWQ2LK"
    (folder / "in").mkdir()
    rows = (
        f"email,totp_secret\nuser0@example.com,{planted}\nnobody@example.com,{planted}\nuser1@example.com,{planted}\n"
    )
    (folder / "in" / "totp.csv").write_text(rows, encoding="utf-8")
    sandbox.fail_next("500", method="POST", path="/user_management/users", times=1)
    options: dict[str, Any] = {"errors_out": "errors.jsonl", "results_out": "results.csv"}
    run = importer(sandbox, "totp-factors", **options).run("in/totp.csv")
    summary = run.wait()
    assert (summary.created, summary.failed) == (2, 1)
    shown = repr(summary) + str(summary) + repr(list(run.results()))
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "totp.csv":
            shown += path.read_bytes().decode("utf-8", "replace")
    assert "nobody@example.com" in shown
    assert planted not in shown


def test_an_import_is_followed_by_password_resets_where_that_is_asked_for(run: Run, folder: Path) -> None:
    users = "email,first_name,password\nada@example.com,Ada,\nbob@example.com,Bob,correct horse battery staple\n"
    (folder / "users.csv").write_text(users, encoding="utf-8")
    sandbox = Sandbox(key="sk_test_resets")
    with sandbox.serve() as server:
        arguments = ("import", "users.csv", "--base-url", server.url, "--password-reset", "--per-minute", "6000")
        ended = run(*arguments, WORKOS_API_KEY="sk_test_resets")
        assert ended.returncode == 0, ended.stderr
        assert "Password resets sent: 2/2" in ended.stdout
        again = run(*arguments, WORKOS_API_KEY="sk_test_resets")
        assert again.returncode == 0, again.stderr
    assert mails(sandbox, "password_reset") == {"ada@example.com": 1}
    refused = run("import", "users.csv", "--sandbox", "--password-reset", "--json")
    assert refused.returncode == 2


def test_invitations_are_sent_from_a_file_or_one_at_a_time(run: Run, folder: Path) -> None:
    (folder / "invited.csv").write_text("email\nada@example.com\nbob@example.com\n", encoding="utf-8")
    ended = run("invitations", "send", "invited.csv", "--sandbox", "--per-minute", "6000")
    assert ended.returncode == 0, ended.stderr
    assert "Invitations sent: 2/2" in ended.stdout
    assert run("invitations", "send", "--sandbox").returncode == 2
    both = run("invitations", "send", "invited.csv", "--email", "eve@example.com", "--sandbox")
    assert both.returncode == 2
    assert "leave out --email" in both.stderr
