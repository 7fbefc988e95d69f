"""Owns by what identities are taken for those of rows: what they sign in with, and their external id."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Run, write
from identities import by_email, importer, shell
from workos_importer import Importer as Everywhere
from workos_importer import Kratos, KratosSandbox, Recovery, Sandbox

EMAIL = {"type": "string", "format": "email"}
SIGNS_IN = {"credentials": {"password": {"identifier": True}}}
KRATOS = ("--target", "kratos")


def schema(**traits: dict[str, Any]) -> dict[str, Any]:
    """A schema with these traits."""
    return {"$id": "x", "type": "object", "properties": {"traits": {"type": "object", "properties": traits}}}


def marked(kind: dict[str, Any], **marks: object) -> dict[str, Any]:
    """A trait that means something to Kratos."""
    return {**kind, "ory.sh/kratos": marks}


def there(kratos: KratosSandbox, **traits: str) -> None:
    """Makes an identity as another program would."""
    kratos.seed("POST", "/admin/identities", {"schema_id": "default", "traits": traits})


@pytest.mark.parametrize("has_bob", [False, True])
def test_somebody_elses_address_is_not_a_name(has_bob: bool) -> None:
    traits = schema(
        email=marked(EMAIL, **SIGNS_IN),
        backup_email=marked(EMAIL, recovery={"via": "email"}),
        first_name={"type": "string"},
    )
    kratos = KratosSandbox(identity_schema=traits)
    there(kratos, email="alice@x.com", backup_email="bob@x.com", first_name="Alice")
    if has_bob:
        there(kratos, email="bob@x.com", first_name="B")
    for number in range(4):
        there(kratos, email=f"u{number}@x.com")
    rows = [{"email": "bob@x.com", "first_name": "Bob"}, *({"email": f"u{number}@x.com"} for number in range(4))]
    work = importer(kratos, on_existing="update")
    plan = work.plan(rows)
    assert (plan.users.create, plan.users.update) == ((0, 1) if has_bob else (1, 0))
    summary = work.run(rows).wait()
    assert (summary.created, summary.updated, summary.failed) == ((0, 1, 0) if has_bob else (1, 0, 0))
    people = by_email(kratos)
    alice = {"email": "alice@x.com", "backup_email": "bob@x.com", "first_name": "Alice"}
    assert people["alice@x.com"]["traits"] == alice
    assert people["bob@x.com"]["traits"]["first_name"] == "Bob"
    assert importer(kratos).verify(rows).ok


def test_a_link_goes_to_the_address_of_the_row() -> None:
    traits = schema(
        login_email=marked(EMAIL, **SIGNS_IN, recovery={"via": "email"}),
        billing_email=EMAIL,
    )
    kratos = KratosSandbox(identity_schema=traits)
    mapping = {"email": "traits.login_email", "billing": "traits.billing_email"}
    work = importer(kratos, mapping=mapping)
    rows = [{"email": f"U{number}@x.com", "billing": "accounts@other.example"} for number in range(2)]
    assert work.run(rows).wait().created == 2
    # One has changed their address since: nobody knows which of the others is theirs.
    _, other = kratos.dump()["identities"]
    patch = [{"op": "replace", "path": "/traits/login_email", "value": "new@x.com"}]
    kratos.seed("PATCH", f"/admin/identities/{other['id']}", patch)
    sent: list[Recovery] = []
    summary = work.recover(on_recovery=sent.append, per_minute=60_000).wait()
    stayed = {identity["traits"]["login_email"] for identity in kratos.dump()["identities"]} - {"new@x.com"}
    assert {one.email for one in sent} == {address.lower() for address in stayed} | {"new@x.com"}
    assert summary.failed == 0


def test_two_people_of_one_external_id_are_not_made_one(run: Run, folder: Path) -> None:
    path = write(folder / "users.csv", "email,role,external_id\nann@x.com,a,7\nben@x.com,b,7\ncat@x.com,c,8\n")
    kratos = KratosSandbox()
    with shell(run, kratos) as work:
        checked = work("validate", "users.csv", *KRATOS, "--json")
        assert "shared_external_id" in checked.stdout + checked.stderr
        for policy in ("skip", "update", "fail"):
            done = work("import", "users.csv", *KRATOS, "--on-existing", policy, "--no-resume", "--json")
            assert done.document["failed"] >= 1, done.stderr
            people = by_email(kratos)
            assert set(people) == {"ann@x.com", "cat@x.com"} and people["ann@x.com"]["traits"]["role"] == "a"
        failure = work("results", "latest").stdout
    assert path.exists() and "ben@x.com" in failure


@pytest.mark.parametrize("policy", ["skip", "update"])
def test_that_holds_for_workos_too(policy: Any) -> None:
    sandbox = Sandbox(limits=False)
    rows = [{"email": "ann@x.com", "external_id": "7"}, {"email": "ben@x.com", "external_id": "7"}]
    run = Everywhere(sandbox=sandbox, on_existing=policy).run(rows)
    (failed,) = [result for result in run if result.outcome == "failed"]
    assert run.wait().created == 1
    assert failed.error is not None and failed.error.code == "user_conflict"
    assert "record 1" in failed.error.message or "record 2" in failed.error.message
    assert len(sandbox.dump()["users"]) == 1


def test_a_row_whose_email_was_corrected_is_no_conflict_with_itself() -> None:
    kratos = KratosSandbox()
    work = importer(kratos, on_existing="update")
    assert work.run([{"email": "wrong@x.com", "external_id": "7"}], run_id="crm").wait().created == 1
    summary = work.run([{"email": "right@x.com", "external_id": "7"}], run_id="crm").wait()
    assert (summary.updated, summary.failed) == (1, 0), summary
    assert set(by_email(kratos)) == {"right@x.com"}


@pytest.mark.parametrize("fault", [None, "reset_after"])
def test_what_the_schema_marks_is_looked_for(fault: str | None) -> None:
    traits = schema(email=marked(EMAIL, recovery={"via": "email"}), username=marked({"type": "string"}, **SIGNS_IN))
    kratos = KratosSandbox(identity_schema=traits)
    if fault:
        kratos.fail_next(fault, method="PATCH")
    rows = [{"email": f"u{number}@x.com", "username": f"u{number}"} for number in range(3)]
    work = importer(kratos, mapping={"username": "traits.username"})
    assert work.run(rows).wait().created == 3
    summary = work.run(rows, resume=False).wait()
    assert (summary.unchanged, summary.failed) == (3, 0)
    assert len(by_email(kratos)) == 3


def slowly(count: int, password: str) -> Iterator[dict[str, str]]:
    """Rows that come while a call waits for its turn."""
    yield {"email": "first@x.com", "initial_password": f"{password}-0"}
    time.sleep(0.4)
    for number in range(1, count):
        yield {"email": f"u{number}@x.com", "initial_password": f"{password}-{number}"}
        time.sleep(0.2)


def test_passwords_of_those_who_join_late_are_not_shown_either(folder: Path) -> None:
    from test_kratos_wire import MARK, recorder, secrets_in

    with recorder(refuses=403) as server:
        target = Kratos(base_url=server.url)
        run = Everywhere(target=target, rate_limit="1/2s").run(slowly(6, f"{MARK}-password"))
        errors = [result.error for result in run]
    assert len(errors) == 6 and all(error is not None and "Cannot take" in error.message for error in errors)
    shown = repr(errors)
    assert max(len(batch) for batch in server.batches) > 2
    assert f"{MARK}-password" not in shown
    assert secrets_in(folder, [f"{MARK}-password"]) == []
