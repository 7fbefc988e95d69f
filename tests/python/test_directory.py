"""Owns single objects from Python: typed results, lazy lists, the exceptions, and the same for coroutines."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator

import pytest
import trio

from workos_importer import (
    APIError,
    ApiKey,
    AsyncDirectory,
    AuthError,
    ConfigError,
    ConflictError,
    Directory,
    InDoubtError,
    InputError,
    Invitation,
    Membership,
    Organization,
    Sandbox,
    User,
)


@pytest.fixture
def directory(sandbox: Sandbox) -> Directory:
    """A directory over the sandbox."""
    return Directory(sandbox=sandbox)


def test_objects_are_typed_and_tolerant(directory: Directory) -> None:
    acme = directory.organizations.create(
        name="Acme", domains=["acme.com:verified"], external_id="acme", metadata={"plan": "pro"}
    )
    assert (acme.name, acme.domains[0].domain, acme.metadata, acme.created) == (
        "Acme",
        "acme.com",
        {"plan": "pro"},
        True,
    )
    assert acme.raw["object"] == "organization" and acme.allow_profiles_outside_organization is False
    assert pickle.loads(pickle.dumps(acme)) == acme and "raw" not in repr(acme)
    with pytest.raises(AttributeError):
        acme.name = "x"  # type: ignore[misc]
    new = Organization._of({"id": "org_1", "name": None, "of_the_future": [1]})
    assert (new.id, new.name, new.raw["of_the_future"]) == ("org_1", "", [1])
    assert Membership._of({"id": "om_1", "role": {"slug": "a"}, "roles": [{"slug": "a"}, "b"]}).roles == ("a", "b")
    assert "sk_" not in repr(ApiKey._of({"id": "k", "value": "sk_planted"}))
    assert "planted" not in repr(Invitation._of({"id": "i", "accept_invitation_url": "https://x/?planted"}))


def test_lists_read_a_page_when_it_is_needed(directory: Directory, sandbox: Sandbox) -> None:
    for number in range(150):
        sandbox.seed("POST", "/user_management/users", {"email": f"u{number}@example.com"})
    users = directory.users.list()
    assert isinstance(users, Iterator) and "GET /user_management/users" not in sandbox.counters()["by_route"]
    assert next(users).email == "u0@example.com"
    assert sandbox.counters()["by_route"]["GET /user_management/users"] == 1
    assert len(list(users)) == 149
    assert sandbox.counters()["by_route"]["GET /user_management/users"] == 2
    assert [user.email for user in directory.users.list(limit=2)] == ["u0@example.com", "u1@example.com"]
    for limit in (0, -1, True, "7"):
        with pytest.raises(InputError, match="limit"):
            directory.users.list(limit=limit)  # type: ignore[arg-type]


def test_exceptions_say_what_to_do(directory: Directory, sandbox: Sandbox) -> None:
    acme = directory.organizations.create(name="Acme", domains=["acme.com"])
    with pytest.raises(ConflictError, match=r"acme\.com") as conflict:
        directory.organizations.create(name="Beta", domains=["acme.com"], external_id="beta")
    assert conflict.value.object_id == acme.id and pickle.loads(pickle.dumps(conflict.value)).object_id == acme.id
    with pytest.raises(InputError) as missing:
        directory.users.get("nobody@example.com")
    assert missing.value.kind == "no_object"
    for wrong in (
        lambda: directory.organizations.create(name="x", domains="acme.com"),
        lambda: directory.organizations.create(name="x", metadata={"a": 1}),  # type: ignore[dict-item]
        lambda: directory.organizations.create(name="x", metadata={"a": object()}),  # type: ignore[dict-item]
        lambda: directory.users.create(email="x@example.com", password=1234567),  # type: ignore[arg-type]
        directory.memberships.deactivate,
        lambda: directory.organizations.get(""),
    ):
        with pytest.raises(InputError) as refused:
            wrong()
        assert "1234567" not in str(refused.value)
    sandbox.fail_next("reset_after", method="POST")
    with pytest.raises(InDoubtError) as doubt:
        directory.organizations.create(name="Acme")
    assert [one["name"] for one in doubt.value.candidates] == ["Acme"] * len(doubt.value.candidates)
    assert sandbox.dump()["organizations"][-1]["id"] in [one["id"] for one in doubt.value.candidates]
    assert isinstance(doubt.value, APIError) and pickle.loads(pickle.dumps(doubt.value)).candidates
    with Sandbox(key="sk_test_1").serve() as server, pytest.raises(AuthError):
        next(Directory(api_key="sk_test_2", base_url=server.url).organizations.list())
    with pytest.raises(ConfigError):
        Directory(sandbox=sandbox, api_key="sk_test_1")
    with pytest.raises(ConfigError) as keyless:
        Directory(env_file=None).users.get("a@b.c")
    assert keyless.value.kind == "key_missing"


def test_every_verb_of_memberships(directory: Directory) -> None:
    ada = directory.users.create(email="ada@example.com")
    acme = directory.organizations.create(name="Acme", external_id="acme")
    made = directory.memberships.create(user=ada.id, organization="acme", roles=["admin"])
    pair = {"user": "ada@example.com", "organization": "acme"}
    assert directory.memberships.set_role(made.id, roles=["member"]).roles == ("member",)
    assert directory.memberships.deactivate(**pair).status == "inactive"
    [listed] = directory.memberships.list(organization=acme.id, statuses=["inactive"])
    assert (listed.id, listed.organization_name) == (made.id, "Acme")
    assert directory.memberships.reactivate(made.id).status == "active"
    assert directory.memberships.delete(**pair) and not directory.memberships.delete(made.id)
    assert directory.users.delete(ada.id) and not directory.users.delete(ada.id)
    assert directory.organizations.delete("acme") and not directory.organizations.delete("acme")


@pytest.mark.parametrize("kind", [Directory, AsyncDirectory])
def test_a_directory_travels_without_a_key(kind: type[Directory | AsyncDirectory], sandbox: Sandbox) -> None:
    with sandbox.serve() as server:
        for given in ({"api_key": "sk_test_planted"}, {"sandbox": sandbox}):
            with pytest.raises(TypeError, match="not pickled"):
                pickle.dumps(kind(**given))
        os.environ["WORKOS_API_KEY"] = "sk_test_planted"
        try:
            directory = kind(base_url=server.url)
            assert list(directory._ask("users", "list", {})["items"]) == []
            copy = pickle.dumps(directory)
            assert b"planted" not in copy and pickle.loads(copy)._ask("users", "list", {})["items"] == []
        finally:
            del os.environ["WORKOS_API_KEY"]


async def in_a_loop(directory: AsyncDirectory) -> list[str]:
    """Each kind of verb, awaited."""
    acme = await directory.organizations.create(name="Acme", external_id="acme")
    await directory.users.create(email="ada@example.com")
    made = await directory.memberships.create(user="ada@example.com", organization=acme.id)
    assert (await directory.memberships.deactivate(made.id)).status == "inactive"
    members = directory.memberships.list(organization="acme")
    assert isinstance(members, AsyncIterator)
    assert not await directory.feature_flags.check("x", organization="acme")
    with pytest.raises(InputError):
        await directory.organizations.get("nobody")
    return [f"{member.organization_name} {member.status}" async for member in members]


def test_the_same_in_asyncio_and_trio() -> None:
    assert asyncio.run(in_a_loop(AsyncDirectory(sandbox=Sandbox(limits=False)))) == ["Acme inactive"]
    assert trio.run(in_a_loop, AsyncDirectory(sandbox=Sandbox(limits=False))) == ["Acme inactive"]


def test_calls_go_side_by_side() -> None:
    directory = AsyncDirectory(sandbox=Sandbox(latency=0.25, limits=False))

    async def work() -> tuple[list[User], float]:
        begun = time.monotonic()
        made = await asyncio.gather(*(directory.users.create(email=f"u{n}@example.com") for n in range(12)))
        return made, time.monotonic() - begun

    made, took = asyncio.run(work())
    assert len({user.id for user in made}) == 12
    # One after another they would take 12 x 2 x 0.25 s.
    assert took < 4


@pytest.mark.skipif(os.name == "nt", reason="signals are sent in another way")
def test_a_call_that_waits_can_be_interrupted() -> None:
    directory = Directory(sandbox=Sandbox(latency=20, limits=False))
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        directory.users.get("ada@example.com")
    assert time.monotonic() - begun < 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_makes_connections_of_its_own(sandbox: Sandbox) -> None:
    with sandbox.serve() as server:
        directory = Directory(api_key="sk_test_1", base_url=server.url)
        directory.users.create(email="ada@example.com")
        child = os.fork()
        if child == 0:
            try:
                found = directory.users.get("ada@example.com").email
                os._exit(0 if found == "ada@example.com" else 1)
            except BaseException:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
