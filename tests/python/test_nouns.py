"""Owns the other nouns from the shell: users, memberships, roles, invitations, feature flags, API keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import Ended, Run
from workos_importer import Sandbox


@pytest.fixture
def call(run: Run, served: str) -> Run:
    """Runs a command against the sandbox, with Ada, and Acme as `acme`."""

    def work(*arguments: str, **more: Any) -> Ended:
        return run(*arguments, WORKOS_API_KEY="sk_test_1", WORKOS_API_URL=served, **more)

    return work


@pytest.fixture
def there(sandbox: Sandbox) -> dict[str, str]:
    """Ada, and Acme as `acme`: their ids."""
    ada = sandbox.seed("POST", "/user_management/users", {"email": "ada@example.com", "external_id": "u-1"})
    acme = sandbox.seed("POST", "/organizations", {"name": "Acme", "external_id": "acme"})
    return {"user": ada["id"], "organization": acme["id"]}


def lines(done: Ended) -> list[list[str]]:
    """What a list prints, by columns."""
    assert done.returncode == 0, done.stderr
    return [line.split("  ") for line in done.stdout.splitlines()]


def test_users(call: Run, sandbox: Sandbox, folder: Path) -> None:
    planted = "planted-horse-battery-9"
    sandbox.fail_next("reset_after", method="POST")
    made = call(
        *("users", "create", "--email", "Ada@Example.com", "--first-name", "Ada", "--external-id", "u-1"),
        *("--email-verified", "true", "--metadata", '{"team": "x"}', "--password-stdin"),
        input=f"{planted}\r\n",
    )
    assert made.returncode == 0 and "created: true" in made.stdout and "email: ada@example.com\n" in made.stdout
    [user] = sandbox.dump()["users"]
    assert user["email_verified"] and user["metadata"] == {"team": "x"} and user["external_id"] == "u-1"
    again = call("users", "create", "--email", "ada@example.com")
    assert "created: false" in again.stdout and len(sandbox.dump()["users"]) == 1
    for name in (user["id"], "ada@example.com", "u-1"):
        assert call("users", "get", name, "--json").document["id"] == user["id"]
    changed = call(
        "users", "update", "u-1", "--last-name", "Lovelace", "--metadata", '{"team": null}', "--json"
    ).document
    assert (changed["first_name"], changed["last_name"], changed["metadata"]) == ("Ada", "Lovelace", {})
    assert lines(call("users", "list")) == [[user["id"], "ada@example.com", "Ada", "Lovelace", "u-1"]]
    refused = call("users", "update", "u-1", "--password-stdin", input="planted\n")
    assert refused.returncode == 2 and len(refused.stderr.splitlines()) == 1
    none = call("users", "create", "--email", "b@example.com", "--password-stdin")
    assert none.returncode == 2 and "no password" in none.stderr
    line = call("users", "create", "--email", "b@example.com", "--password", "planted")
    assert line.returncode == 2 and "--password-stdin" in line.stderr
    for done in (made, refused, line):
        assert "planted" not in done.stdout + done.stderr
    sandbox.seed("POST", "/user_management/users", {"email": "bob@example.com"})
    two = call("users", "create", "--email", "bob@example.com", "--external-id", "u-1")
    assert two.returncode == 1 and user["id"] in two.stderr
    assert call("users", "delete", "ada@example.com").stderr == "The user ada@example.com is deleted.\n"
    assert call("users", "delete", "ada@example.com").returncode == 0
    assert [one["email"] for one in sandbox.dump()["users"]] == ["bob@example.com"]
    assert not list(folder.iterdir())


def test_memberships(call: Run, sandbox: Sandbox, there: dict[str, str]) -> None:
    sandbox.fail_next("502_html_applied", method="POST")
    pair = ("--user", "ada@example.com", "--org", "acme")
    made = call("memberships", "create", *pair, "--role", "member", "--json").document
    assert (made["user_id"], made["organization_id"]) == (there["user"], there["organization"])
    more = call("memberships", "create", "--user", "u-1", "--org", there["organization"], "--role", "admin")
    assert "roles: member, admin" in more.stdout and "created: false" in more.stdout
    expected = [made["id"], there["user"], there["organization"], "Acme"]
    assert lines(call("memberships", "list", "--user", "u-1")) == [[*expected, "member, admin", "active"]]
    assert "roles: admin\n" in call("memberships", "set-role", made["id"], "--role", "admin").stdout
    sandbox.fail_next("reset_after", method="PUT")
    assert "status: inactive" in call("memberships", "deactivate", *pair).stdout
    assert "status: inactive" in call("memberships", "deactivate", made["id"]).stdout
    off = call("memberships", "create", *pair)
    assert "status: inactive" in off.stdout and f"memberships reactivate {made['id']}" in off.stderr
    assert lines(call("memberships", "list", "--org", "acme", "--status", "active")) == []
    assert lines(call("memberships", "list", "--org", "acme")) == [[*expected, "admin", "inactive"]]
    assert "status: active" in call("memberships", "reactivate", *pair).stdout
    wrong = call("memberships", "create", *pair, "--role", "wizard")
    assert wrong.returncode == 2 and "wizard" in wrong.stderr
    assert call("memberships", "set-role", "--role", "admin", "--user", "u-1").returncode == 2
    assert call("memberships", "list").returncode == 2
    assert call("memberships", "create", "--user", "nobody", "--org", "acme").returncode == 2
    assert call("memberships", "delete", *pair).stderr == "The membership of ada@example.com in acme is deleted.\n"
    assert "nothing to delete" in call("memberships", "delete", made["id"]).stderr


def test_roles(call: Run, sandbox: Sandbox, there: dict[str, str]) -> None:
    path = f"/authorization/organizations/{there['organization']}/roles"
    sandbox.seed("POST", path, {"slug": "org-billing", "name": "Billing"})
    assert [line[0] for line in lines(call("roles", "list"))] == ["admin", "member"]
    assert "org-billing" in [line[0] for line in lines(call("roles", "list", "--org", "acme"))]
    assert json.loads(call("roles", "list", "--json").stdout.splitlines()[0])["slug"] == "admin"


def test_invitations(call: Run, sandbox: Sandbox, there: dict[str, str]) -> None:
    sandbox.fail_next("reset_after", method="POST", path="/invitations")
    send = (
        "invitations",
        "send",
        "--email",
        "New@example.com",
        "--org",
        "acme",
        "--role",
        "member",
        "--inviter",
        "u-1",
    )
    first = call(*send, "--expires-in-days", "3")
    assert first.returncode == 0 and "created: true" in first.stdout and "state: pending" in first.stdout, first.stderr
    [made] = sandbox.dump()["invitations"]
    assert made["inviter_user_id"] == there["user"] and made["organization_id"] == there["organization"]
    again = call(*send)
    assert "created: false" in again.stdout and len(sandbox.dump()["invitations"]) == 1
    assert made["id"] in again.stdout and "http" not in again.stdout
    assert lines(call("invitations", "list", "--org", "acme", "--state", "pending"))[0][:2] == [
        made["id"],
        "new@example.com",
    ]
    assert lines(call("invitations", "list", "--state", "revoked")) == []
    assert call("invitations", "resend", made["id"]).returncode == 0
    before = sandbox.counters()["by_route"]["POST /user_management/invitations/{id}/resend"]
    sandbox.fail_next("reset_after", method="POST", path="/resend")
    lost = call("invitations", "resend", made["id"])
    assert lost.returncode == 4 and "not asked for again" in lost.stderr
    assert sandbox.counters()["by_route"]["POST /user_management/invitations/{id}/resend"] == before + 1
    sandbox.fail_next("reset_after", method="POST", path="/revoke")
    assert "state: revoked" in call("invitations", "revoke", made["id"]).stdout
    assert "state: revoked" in call("invitations", "revoke", made["id"]).stdout
    # One that is revoked is not open.
    assert "created: true" in call(*send).stdout
    assert call("invitations", "send", "--email", "nobody").returncode == 2
    assert call("invitations", "revoke", "invitation_none").returncode == 2
    member = call("invitations", "send", "--email", "ada@example.com")
    assert member.returncode == 1, member.stdout


def test_feature_flags(call: Run, sandbox: Sandbox, there: dict[str, str]) -> None:
    sandbox.set_feature_flag("dark-mode", organizations=[there["organization"]])
    sandbox.set_feature_flag("beta", organizations=[])
    assert [line[0] for line in lines(call("feature-flags", "list", "--org", "acme"))] == ["dark-mode"]
    on = call("feature-flags", "check", "--org", "acme", "dark-mode")
    assert (on.returncode, on.stdout) == (0, "dark-mode: on\n")
    off = call("feature-flags", "check", "--org", there["organization"], "beta", "--json")
    assert off.returncode == 1 and off.document == {"flag": "beta", "enabled": False}
    assert call("feature-flags", "check", "--org", "nowhere", "beta").returncode == 2


@pytest.mark.usefixtures("there")
def test_api_keys_are_shown_once_and_made_once(call: Run, sandbox: Sandbox, folder: Path) -> None:
    made = call("api-keys", "create", "--org", "acme", "--name", "Production")
    assert made.returncode == 0, made.stderr
    value = dict(line.split(": ", 1) for line in made.stdout.splitlines() if ": " in line)["value"]
    assert value and value not in made.stderr and "once" in made.stderr
    listed = call("api-keys", "list", "--org", "acme", "--json")
    assert value not in listed.stdout and json.loads(listed.stdout)["name"] == "Production"
    sandbox.fail_next("reset_after", method="POST", path="/api_keys")
    lost = call("api-keys", "create", "--org", "acme", "--name", "Staging")
    old, new = sandbox.dump()["api_keys"]
    assert lost.returncode == 4 and new["id"] in lost.stderr and old["id"] not in lost.stderr and lost.stdout == ""
    assert not list(folder.iterdir())
