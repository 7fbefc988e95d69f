"""Owns what rows become in Kratos: hashes, traits of one's own, schemas, typed columns, passwords, duplicates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from conftest import Run, write
from identities import IDENTITIES, SEED, batches, by_email, importer, passwords, shell
from workos_importer import Importer, ImporterError, Kratos, KratosSandbox

KRATOS = ("--target", "kratos")

#: A hash of each kind, and what the server calls it.
HASHES = {
    "bcrypt": "$2b$10$" + "a" * 53,
    "argon2id": "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo",
    "argon2i": "$argon2i$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo",
    "pbkdf2": "$pbkdf2-sha256$i=100000,l=32$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo",
    "scrypt": "$scrypt$ln=16384,r=8,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo",
    "firescrypt": "$firescrypt$ln=14,r=8,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo$c2Vw$a2V5",
    "ssha": "{SSHA}JFZFs0oHzxbMwkSJmYVeI8MnTDy/276a",
    "ssha512": "{SSHA512}xPUl/px+1cG55rUH4rzcwxdOIPSB2TingLpiJJumN2xyDWN4Ix1WQG3ihnvHaWUE",
    "sha256": "$sha256$pf=e1NBTFR9e1BBU1NXT1JEfQ==$NXNhbHQ=$aGFzaA==",
    "md5": "$md5$CY9rzUYh03PK3k6DJie09g==",
    "hmac": "$hmac-sha256$c2FsdA==$aGFzaA==",
}

#: Traits as an organization of its own has them: nested, typed, and none that the five columns go to but the email.
OWN: dict[str, Any] = {
    "$id": "https://schemas.example/customer.json",
    "type": "object",
    "properties": {
        "traits": {
            "type": "object",
            "properties": {
                "email": {
                    "type": "string",
                    "format": "email",
                    "ory.sh/kratos": {
                        "credentials": {"password": {"identifier": True}},
                        "verification": {"via": "email"},
                    },
                },
                "name": {"type": "object", "properties": {"first": {"type": "string"}}},
                "organization": {"type": "object", "properties": {"tenant": {"type": "string"}}},
                "age": {"type": "integer"},
                "score": {"type": "number"},
                "newsletter": {"type": "boolean"},
                "tags": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["email"],
            "additionalProperties": False,
        }
    },
}
MAPS = ("--map", "first_name=traits.name.first", "--map", "tenant_id=traits.organization.tenant")


def test_hashes_arrive_as_hashes(run: Run, folder: Path) -> None:
    lines = [f'{kind}@example.com,"{text}"' for kind, text in HASHES.items()]
    write(folder / "users.csv", "email,password_hash\n" + "\n".join(lines) + "\n")
    kratos = KratosSandbox()
    with shell(run, kratos) as work:
        done = work("import", "users.csv", *KRATOS)
    assert done.returncode == 0, done.stderr
    assert passwords(kratos) == {f"{kind}@example.com": kind for kind in HASHES}
    # The server hashes none of them: there is room for all in one call.
    assert batches(kratos) == 1


def test_nobody_is_given_a_password_unless_it_is_asked_for(run: Run, folder: Path) -> None:
    write(folder / "users.csv", SEED)
    kratos, demanding = KratosSandbox(), KratosSandbox()
    with shell(run, kratos) as work, shell(run, demanding) as work_there:
        assert work("import", "users.csv", *KRATOS).returncode == 0
        assert work_there("import", "users.csv", *KRATOS, "--random-password").returncode == 0
    names = ("alice", "bob", "carol")
    assert [passwords(kratos)[f"{name}@example.com"] for name in names] == ["password", None, None]
    assert [passwords(demanding)[f"{name}@example.com"] for name in names] == ["password"] * 3


def test_columns_go_to_traits_of_ones_own(run: Run, folder: Path) -> None:
    kratos = KratosSandbox(schemas={"other": {"properties": {"traits": {"type": "object"}}}, "customer": OWN})
    write(
        folder / "users.csv", "email,first_name,tenant_id,age\nada@example.com,Ada,t1,36\nbob@example.com,Bob,t2,old\n"
    )
    flags = (*KRATOS, "--schema-id", "customer", *MAPS, "--map", "age=traits.age")
    with shell(run, kratos) as work:
        done = work("import", "users.csv", *flags, "--json")
        assert done.returncode == 1 and done.document["created"] == 1
        assert "traits.age" in done.stderr
        # Without the mapping the schema refuses what it does not know.
        other = work("import", "users.csv", *KRATOS, "--schema-id", "customer", "--strict", "--no-resume")
        assert other.returncode == 1 and "the schema has no such trait" in other.stderr
    found = by_email(kratos)
    assert list(found) == ["ada@example.com"]
    assert found["ada@example.com"]["schema_id"] == "customer"
    assert found["ada@example.com"]["traits"] == {
        "email": "ada@example.com",
        "name": {"first": "Ada"},
        "organization": {"tenant": "t1"},
        "age": 36,
    }


@pytest.mark.parametrize("is_redirected", [False, True])
def test_a_schema_that_is_not_there_ends_it_before_anything_is_written(
    run: Run, folder: Path, is_redirected: bool
) -> None:
    write(folder / "users.csv", SEED)
    kratos = KratosSandbox(schemas_are_redirected=is_redirected)
    with shell(run, kratos) as work:
        for command in (("import",), ("plan",)):
            done = work(*command, "users.csv", *KRATOS, "--schema-id", "costumer")
            assert done.returncode in (2, 4), done
            assert "costumer" in done.stderr and "schema" in done.stderr
        assert batches(kratos) == 0 and kratos.dump()["identities"] == []
        assert work("import", "users.csv", *KRATOS).returncode == 0
    assert len(by_email(kratos)) == 3
    if not is_redirected:
        with pytest.raises(ImporterError, match="costumer"):
            importer(kratos, {"schema_id": "costumer"}).run([{"email": "a@example.com"}]).wait()


def test_offline_every_problem_is_told_at_once(run: Run, folder: Path) -> None:
    schema = {"properties": {"traits": {"type": "object", "properties": {"first_name": {"maxLength": 3}}}}}
    write(folder / "schema.json", json.dumps(schema))
    write(folder / "roles.txt", "admin\nuser\n")
    write(
        folder / "users.csv",
        "email,first_name,role,tenant_id\n,Ada,user,t1\nnobody,Ada,user,t1\na@example.com,Ada,owner,t1\n"
        "b@example.com,Ada,user,t3\nc@example.com,Adelheid,user,t1\nd@example.com,Adelheid,owner,t3\n",
    )
    flags = ("--identity-schema", "schema.json", "--allowed-roles", "@roles.txt", "--allowed-tenants", "t1,t2")
    done = run("import", "users.csv", "--dry-run", "--progress", "json", *KRATOS, *flags)
    assert done.returncode == 1
    issues = [json.loads(line) for line in done.stderr.splitlines()]
    told = [(issue["record_number"], issue["code"]) for issue in issues if issue["severity"] == "error"]
    assert told[:5] == [
        (1, "missing_email"),
        (2, "invalid_email"),
        (3, "invalid_role"),
        (4, "unknown_tenant"),
        (5, "invalid_trait"),
    ]
    assert sorted(told[5:]) == [(6, "invalid_role"), (6, "invalid_trait"), (6, "unknown_tenant")]
    assert not (folder / ".workos-importer").exists()


def test_a_frame_keeps_its_types() -> None:
    frame = pd.DataFrame(
        {
            "email": ["ada@example.com", "bob@example.com"],
            "age": pd.array([36, None], dtype="Int64"),
            "score": [1.5, 2.0],
            "newsletter": [True, False],
            "tags": [["a", "b"], []],
            "plan": [{"name": "pro", "seats": 3}, None],
            "external_id": [1, 2],
            "email_verified": [True, None],
            "state": ["inactive", None],
        }
    )
    mapping = {
        **{name: f"traits.{name}" for name in ("age", "score", "newsletter", "tags")},
        "plan": "metadata_admin.plan",
    }
    kratos = KratosSandbox(identity_schema=OWN)
    into = importer(kratos, mapping=mapping)
    assert into.validate(frame).ok and into.dry_run(frame).would_import == 2
    assert into.run(frame).wait().created == 2
    ada, bob = (by_email(kratos)[f"{name}@example.com"] for name in ("ada", "bob"))
    typed = {"age": 36, "score": 1.5, "newsletter": True, "tags": ["a", "b"]}
    assert ada["traits"] == {"email": "ada@example.com", **typed}
    assert (ada["external_id"], ada["state"], ada["metadata_admin"]) == ("1", "inactive", {"plan": typed_plan()})
    assert [address["verified"] for address in ada["verifiable_addresses"]] == [True]
    assert bob["traits"]["newsletter"] is False and "age" not in bob["traits"] and bob["state"] == "active"
    again = importer(kratos, mapping=mapping, on_existing="update").run(frame).wait()
    assert (again.unchanged, again.updated) == (2, 0)
    assert importer(kratos, mapping=mapping).verify(frame).ok


def typed_plan() -> dict[str, Any]:
    """What the cell of the frame has."""
    return {"name": "pro", "seats": 3}


@pytest.mark.parametrize("by", ["email", "external_id"])
def test_who_is_there_is_found_by_identifier_and_by_external_id(by: str) -> None:
    kratos = KratosSandbox()
    there = {"email": "old@example.com", "role": "user", "tenant_id": "t1"}
    kratos.seed("POST", IDENTITIES, {"traits": there, "external_id": "e1"})
    email = "old@example.com" if by == "email" else "new@example.com"
    row = {"email": email, "external_id": "e1", "role": "admin"}
    failed = importer(kratos, on_existing="fail").run([row]).wait()
    assert failed.first_failures[0].error is not None and failed.first_failures[0].error.code == "user_exists"
    left = importer(kratos).run([row]).wait()
    assert (left.unchanged, left.differing) == (1, 1)
    assert by_email(kratos)["old@example.com"]["traits"] == there
    assert importer(kratos, on_existing="update").run([row]).wait().updated == 1
    assert by_email(kratos)[email]["traits"] == {**there, "email": email, "role": "admin"}
    assert len(kratos.dump()["identities"]) == 1


def test_identifier_and_external_id_of_two_identities_are_a_conflict() -> None:
    kratos = KratosSandbox()
    for name in ("ada", "bob"):
        kratos.seed("POST", IDENTITIES, {"traits": {"email": f"{name}@example.com"}, "external_id": name})
    row = {"email": "ada@example.com", "external_id": "bob"}
    summary = importer(kratos, on_existing="update").run([row]).wait()
    assert summary.first_failures[0].error is not None
    assert summary.first_failures[0].error.code == "user_conflict"


@pytest.mark.parametrize("options", [{"batches": False}, {"failed_batches_are_refused": False}])
def test_older_and_other_servers_are_written_to_all_the_same(options: dict[str, bool]) -> None:
    kratos = KratosSandbox(**options)  # type: ignore[arg-type]
    kratos.seed("POST", IDENTITIES, {"traits": {"email": "u1@example.com"}})
    rows = [{"email": f"u{number}@example.com"} for number in range(30)]
    with kratos.serve() as server:
        summary = Importer(target=Kratos(base_url=server.url)).run(rows).wait()
        assert (summary.created, summary.unchanged, summary.failed) == (29, 1, 0)
        again = Importer(target=Kratos(base_url=server.url)).run(rows).wait()
    assert (again.created, again.unchanged) == (0, 30)
    assert len(by_email(kratos)) == 30
