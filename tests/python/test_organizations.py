"""Owns `organizations` from the shell: what is printed, the errors with their exit codes, lost answers, deletes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conftest import Ended, Run
from workos_importer import Sandbox

KEYS = ("id", "name", "domains", "external_id", "metadata", "created_at", "updated_at")


@pytest.fixture
def call(run: Run, served: str) -> Run:
    """Runs a command against the sandbox."""

    def work(*arguments: str, **more: Any) -> Ended:
        return run(*arguments, WORKOS_API_KEY="sk_test_1", WORKOS_API_URL=served, **more)

    return work


def fields(done: Ended) -> dict[str, str]:
    """What was printed, a line a field."""
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return dict(line.split(":", 1) for line in done.stdout.splitlines())


def acme(call: Run, *more: str) -> Ended:
    """The seed's own inputs."""
    return call(
        *(
            "organizations",
            "create",
            "--name",
            "Acme Corporation",
            "--domain",
            "acme.com:verified",
            "--domain",
            "acme.io",
        ),
        *("--external-id", "acme-corp-001", "--metadata", '{"plan": "enterprise", "region": "us-west"}', *more),
    )


def test_create_prints_the_seeds_keys(call: Run, sandbox: Sandbox) -> None:
    printed = fields(acme(call))
    assert list(printed) == [*KEYS, "allow_profiles_outside_organization", "created"]
    [made] = sandbox.dump()["organizations"]
    assert printed["id"].strip() == made["id"] and printed["domains"] == " acme.com, acme.io"
    assert json.loads(printed["metadata"]) == {"plan": "enterprise", "region": "us-west"}
    assert [one["state"] for one in made["domains"]] == ["verified", "pending"]
    assert printed["created"] == " true" and printed["allow_profiles_outside_organization"] == " false"
    again = fields(acme(call))
    assert again.pop("created") == " false" and {**again, "created": " true"} == printed
    assert len(sandbox.dump()["organizations"]) == 1


def test_json_is_the_apis_own_object_and_nothing_else(call: Run, sandbox: Sandbox) -> None:
    made = acme(call, "--json").document
    [there] = sandbox.dump()["organizations"]
    assert made == there
    assert call("organizations", "get", "acme-corp-001", "--json").document == there
    assert call("organizations", "get", there["id"], "--json").document == there


def test_each_error_has_its_exit_code_and_one_line(call: Run, run: Run, served: str, sandbox: Sandbox) -> None:
    owner = json.loads(acme(call, "--json").stdout)["id"]
    taken = call("organizations", "create", "--name", "Other", "--domain", "ACME.io")
    assert taken.returncode == 1 and "acme.io" in taken.stderr and owner in taken.stderr
    for arguments, said in (
        (["create", "--name", "  "], "needs a name"),
        (["create"], "--name"),
        (["create", "--name", "X", "--domain", "acme"], "is no domain"),
        (["create", "--name", "X", "--domain", "x.com:mine"], "write it like acme.com, or acme.com:verified"),
        (["create", "--name", "X", "--metadata", "[1]"], "--metadata must be"),
        (["create", "--name", "X", "--metadata", '{"a": 1}'], "--metadata must be"),
        (["create", "--name", "X", "--api-key", "sk_test_planted"], "--api-key-file"),
        (["get", "nowhere"], "no organization `nowhere`"),
        (["update", "acme-corp-001"], "nothing to change"),
        (["list", "--sandbox", "--base-url", "http://localhost"], "contradict"),
        (["rename"], "rename"),
        ([], "VERB"),
    ):
        done = call("organizations", *arguments)
        assert done.returncode == 2 and said in done.stderr, (arguments, done.stderr)
        assert len(done.stderr.splitlines()) == 1 and done.stdout == "" and "planted" not in done.stderr
    key = run("organizations", "list", WORKOS_API_KEY="wrong", WORKOS_API_URL=served)
    assert key.returncode == 3 and "does not accept the key" in key.stderr
    away = run("organizations", "list", WORKOS_API_KEY="sk_test_1", WORKOS_API_URL="http://127.0.0.1:9")
    assert away.returncode == 4 and away.stdout == "" and len(away.stderr.splitlines()) == 1
    assert len(sandbox.dump()["organizations"]) == 1


@pytest.mark.parametrize("fault", ["reset_after", "502_html_applied", "truncated_body", "reset_before", "500"])
@pytest.mark.parametrize("known_by", [["--external-id", "acme"], ["--domain", "acme.com"]])
def test_a_lost_answer_is_settled(call: Run, sandbox: Sandbox, fault: str, known_by: list[str]) -> None:
    sandbox.fail_next(fault, method="POST", path="/organizations")
    printed = fields(call("organizations", "create", "--name", "Acme", *known_by))
    assert printed["created"] == " true"
    assert [one["id"] for one in sandbox.dump()["organizations"]] == [printed["id"].strip()]


def test_without_a_name_of_its_own_it_ends_in_doubt_with_the_candidates(call: Run, sandbox: Sandbox) -> None:
    call("organizations", "create", "--name", "Beta")
    sandbox.fail_next("reset_after", method="POST", path="/organizations")
    done = call("organizations", "create", "--name", "Acme")
    assert done.returncode == 4 and done.stdout == "" and len(done.stderr.splitlines()) == 1
    beta, made = sandbox.dump()["organizations"]
    assert made["id"] in done.stderr and beta["id"] not in done.stderr and "not sent again" in done.stderr
    assert sandbox.counters()["by_route"]["POST /organizations"] == 2


def test_lists_have_all_pages_and_filters(call: Run, sandbox: Sandbox) -> None:
    for number in range(205):
        domains = [{"domain": f"d{number}.com", "state": "pending"}]
        sandbox.seed("POST", "/organizations", {"name": f"Org {number}", "domain_data": domains})
    found = [json.loads(line) for line in call("organizations", "list", "--json").stdout.splitlines()]
    assert found == sandbox.dump()["organizations"]
    assert sandbox.counters()["by_route"]["GET /organizations"] == 3
    assert len(call("organizations", "list", "--limit", "7").stdout.splitlines()) == 7
    line = call("organizations", "list", "--domain", "d3.com", "--domain", "d4.com").stdout.splitlines()
    assert [one.split("  ")[1:] for one in line] == [["Org 3", "-", "d3.com"], ["Org 4", "-", "d4.com"]]
    assert len(call("organizations", "list", "--search", "Org 20").stdout.splitlines()) == 6
    none = call("organizations", "list", "--search", "nobody")
    assert (none.returncode, none.stdout, none.stderr) == (0, "", "There is none.\n")


def test_update_reads_and_writes_the_whole_set_of_domains(call: Run, sandbox: Sandbox) -> None:
    acme(call)
    sandbox.fail_next("reset_after", method="PUT")
    changed = call(
        *(
            "organizations",
            "update",
            "acme-corp-001",
            "--add-domain",
            "acme.dev",
            "--remove-domain",
            "acme.io",
            "--json",
        ),
        *("--name", "Acme Inc.", "--metadata", '{"region": null, "seats": "50"}'),
    ).document
    assert [(one["domain"], one["state"]) for one in changed["domains"]] == [
        ("acme.com", "verified"),
        ("acme.dev", "pending"),
    ]
    assert changed["name"] == "Acme Inc." and changed["metadata"] == {"plan": "enterprise", "seats": "50"}


def test_delete_says_what_was_there_and_asks_for_a_yes_with_a_live_key(run: Run, call: Run, sandbox: Sandbox) -> None:
    acme(call)
    with Sandbox(key="sk_live_1").serve() as live:
        done = run("organizations", "delete", "acme", WORKOS_API_KEY="sk_live_1", WORKOS_API_URL=live.url)
        assert done.returncode == 2 and "--yes" in done.stderr and "LIVE" in done.stderr
        sure = run("organizations", "delete", "acme", "--yes", WORKOS_API_KEY="sk_live_1", WORKOS_API_URL=live.url)
        assert sure.returncode == 0 and "no organization acme" in sure.stderr
    sandbox.fail_next("reset_after", method="DELETE")
    done = call("organizations", "delete", "acme-corp-001")
    assert (done.returncode, done.stderr) == (0, "The organization acme-corp-001 is deleted.\n")
    again = call("organizations", "delete", "acme-corp-001", "--json")
    assert again.document == {"deleted": False} and sandbox.dump()["organizations"] == []


def test_a_sandbox_in_this_process_is_empty(run: Run) -> None:
    done = run("organizations", "create", "--name", "Acme", "--sandbox")
    assert done.returncode == 0 and "created: true" in done.stdout
    assert run("organizations", "list", "--sandbox").stdout == ""
