"""Owns the promises of the Kratos target to those who come from a script: a test for each of its sections."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import Run, command, environment, write
from identities import BATCH, IDENTITIES, SEED, batches, by_email, file_of, importer, passwords, shell, table
from workos_importer import AuthError, ConfigError, Importer, Kratos, KratosSandbox

KRATOS = ("--target", "kratos")

#: A file in which each row but the first has one of the seed's faults.
FAULTY = """email,first_name,role,tenant_id
alice@example.com,Alice,admin,t1
,Nobody,user,t1
not-an-address,Bob,user,t1
carol@example.com,Carol,amdin,t1
dave@example.com,Dave,user,t9
"""


@pytest.fixture
def kratos() -> KratosSandbox:
    """A Kratos without identities."""
    return KratosSandbox()


def test_csv_format(run: Run, folder: Path, kratos: KratosSandbox) -> None:
    write(folder / "users.csv", SEED)
    with shell(run, kratos) as work:
        done = work("import", "users.csv", *KRATOS)
    assert done.returncode == 0, done.stderr
    assert re.match(r"KRATOS http://127\.0\.0\.1:\d+ · 3 rows · identities · ", done.stderr)
    assert "Identities imported: 3/3" in done.stdout and "Memberships" not in done.stdout
    # What the seed's script sends, with a schema and a state for each.
    found = [
        {name: identity[name] for name in ("schema_id", "traits", "state", "password")}
        for identity in kratos.dump()["identities"]
    ]
    people = [
        ("alice", "Alice", "Smith", "admin", "t1", "password"),
        ("bob", "Bob", "Jones", "user", "t1", None),
        ("carol", "Carol", "Brown", "user", "t2", None),
    ]
    expected = [
        {
            "schema_id": "default",
            "traits": {
                "email": f"{name}@example.com",
                "first_name": first,
                "last_name": last,
                "tenant_id": tenant,
                "role": role,
            },
            "state": "active",
            "password": password,
        }
        for name, first, last, role, tenant, password in people
    ]
    assert sorted(found, key=lambda one: one["traits"]["email"]) == expected
    other = KratosSandbox()
    assert importer(other).run("users.csv").wait().created == 3
    assert passwords(other) == passwords(kratos)


def test_a_column_that_the_script_does_not_know_is_told_and_can_be_mapped(run: Run, folder: Path) -> None:
    write(folder / "users.csv", 'email,first_name,description\n"alice@example.com","Alice","Special user"\n')
    kratos = KratosSandbox()
    with shell(run, kratos) as work:
        told = work("import", "users.csv", *KRATOS)
        assert told.returncode == 0 and "description" in told.stderr
        flags = ("--map", "description=metadata_public.description", "--on-existing", "update")
        assert work("import", "users.csv", *KRATOS, *flags).returncode == 0
    assert by_email(kratos)["alice@example.com"]["metadata_public"] == {"description": "Special user"}


def test_pre_validation(run: Run, folder: Path, kratos: KratosSandbox) -> None:
    write(folder / "users.csv", FAULTY)
    write(folder / "roles.txt", "# those of the application\nadmin\nuser\n\nsupport\n")
    flags = ("--allowed-roles", "@roles.txt", "--allowed-tenants", "t1,t2", *KRATOS)
    codes = ["missing_email", "invalid_email", "invalid_role", "unknown_tenant"]
    for check in (("import", "users.csv", "--dry-run"), ("validate", "users.csv")):
        done = run(*check, *flags)
        assert done.returncode == 1
        # All of them, not the first one, each with its row.
        told = [line for line in done.stderr.splitlines() if line.startswith("✗")]
        assert [line.rpartition("[")[2].rstrip("]") for line in told] == codes, done.stderr
        assert "line 4" in told[1] and "Did you mean `admin`?" in told[2]
    with shell(run, kratos) as work:
        strict = work("import", "users.csv", "--strict", *flags)
        assert strict.returncode == 1 and batches(kratos) == 0 and kratos.dump()["identities"] == []
        without = work("import", "users.csv", "--errors-out", "errors.csv", "--no-resume", *flags)
    assert without.returncode == 1 and list(by_email(kratos)) == ["alice@example.com"]
    assert [row["recordNumber"] for row in table("errors.csv")] == ["2", "3", "4", "5"]
    report = importer(kratos, {"allowed_roles": Path("roles.txt"), "allowed_tenants": ["t1", "t2"]}).dry_run(
        "users.csv"
    )
    assert [issue.code for issue in report.issues if issue.severity == "error"] == codes


def test_duplicate_handling(run: Run, folder: Path, kratos: KratosSandbox) -> None:
    there = {"email": "alice@example.com", "first_name": "Al", "role": "user"}
    kratos.seed("POST", IDENTITIES, {"traits": there, "external_id": "a1"})
    write(folder / "users.csv", SEED)
    with shell(run, kratos) as work:
        failed = work("import", "users.csv", *KRATOS, "--on-existing", "fail")
        assert (
            failed.returncode == 1 and "✗ 1 (line 2) alice@example.com: The identity is there already" in failed.stderr
        )
        skipped = work("import", "users.csv", *KRATOS, "--on-existing", "skip", "--no-resume", "--json").document
        assert (skipped["unchanged"], skipped["differing"]) == (3, 1)
        assert by_email(kratos)["alice@example.com"]["traits"] == there
        updated = work("import", "users.csv", *KRATOS, "--on-existing", "update", "--json").document
        assert (updated["updated"], updated["unchanged"]) == (1, 2)
    found = by_email(kratos)["alice@example.com"]
    assert (found["traits"]["role"], found["traits"]["first_name"], found["external_id"]) == ("admin", "Alice", "a1")
    # What the rows do not name stays.
    row = [{"email": "alice@example.com", "role": "support"}]
    assert importer(kratos, on_existing="update").run(row).wait().updated == 1
    assert by_email(kratos)["alice@example.com"]["traits"] == {**found["traits"], "role": "support"}


def test_progress_reporting(run: Run, folder: Path, kratos: KratosSandbox) -> None:
    write(folder / "users.csv", file_of(120))
    with shell(run, kratos) as work:
        done = work("import", "users.csv", *KRATOS, "--progress", "json")
    events = [json.loads(line) for line in done.stderr.splitlines()]
    kinds = [event["message_type"] for event in events]
    assert (kinds[0], kinds[-1], kinds.count("row")) == ("started", "summary", 120)
    assert events[0]["rows"] == 120 and events[0]["mode"] == "identities"
    with importer(KratosSandbox(), {"batch_size": 20}).run("users.csv", resume=False) as live:
        ended = [live.progress.ended for _ in live]
    assert ended == sorted(ended) and live.progress.ended == live.progress.total == 120


def test_how_fast_and_how_long_yet_is_known_meanwhile() -> None:
    slow = KratosSandbox(latency=0.1)
    rows = [{"email": f"u{number}@example.com"} for number in range(250)]
    with importer(slow, {"batch_size": 10}, concurrency=1).run(rows) as live:
        known = [live.progress.eta_seconds for _ in live if live.progress.rate and live.progress.eta_seconds]
    assert live.summary.created == 250
    assert known and known[0] > known[-1]


def test_resumability(run: Run, folder: Path) -> None:
    write(folder / "users.csv", file_of(60))
    kratos = KratosSandbox(latency=0.05)
    flags = ("import", "users.csv", *KRATOS, "--batch-size", "10", "--concurrency", "1", "--json")
    with kratos.serve() as server:
        port = int(server.url.rpartition(":")[2])
        died = subprocess.Popen(
            command(*flags, "--base-url", server.url, "--give-up-after", "1s"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        while batches(kratos) < 3 and died.poll() is None:
            time.sleep(0.001)
        # It dies halfway: nobody listens any more.
    _, error = died.communicate(timeout=60)
    assert died.returncode == 4, error
    there = len(kratos.dump()["identities"])
    assert 0 < there < 60
    with kratos.serve(port) as server:
        again = run(*flags, "--base-url", server.url)
        assert again.returncode == 0, again.stderr
        assert (again.document["created"], again.document["unchanged"]) == (60, 0)
        sent = batches(kratos)
        assert len(by_email(kratos)) == 60
        done = run(*flags, "--base-url", server.url)
    assert done.returncode == 0 and done.document["note"] and batches(kratos) == sent


def test_audit(run: Run, folder: Path, kratos: KratosSandbox) -> None:
    write(folder / "users.csv", SEED)
    flags = ("--audit-file", "audit.jsonl", "--actor", "ops@example.com", "--json")
    with shell(run, kratos) as work:
        summary = work("import", "users.csv", *KRATOS, *flags).document
    lines = [json.loads(line) for line in Path("audit.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 3
    line = next(line for line in lines if line["metadata"]["record_number"] == 2)
    assert line.pop("time").endswith("Z")
    assert line == {
        "event": "user_imported",
        "target": {"type": "user", "id": by_email(kratos)["bob@example.com"]["id"], "email": "bob@example.com"},
        "metadata": {
            "source": "users.csv",
            "admin": "ops@example.com",
            "run": summary["run_id"],
            "record_number": 2,
            "outcome": "created",
        },
    }
    told: list[dict[str, Any]] = []
    assert importer(KratosSandbox(), audit=told.append, actor="ada").run("users.csv", resume=False).wait().ok
    assert sorted(line["target"]["email"] for line in told) == [
        f"{name}@example.com" for name in ("alice", "bob", "carol")
    ]


def test_email_collision(run: Run, folder: Path, kratos: KratosSandbox) -> None:
    there = kratos.seed("POST", IDENTITIES, {"traits": {"email": "Alice@Example.com"}})
    write(folder / "users.csv", SEED + "ALICE@example.com,Alice,Again,user,t1,\n")
    with shell(run, kratos) as work:
        done = work("import", "users.csv", *KRATOS, "--results-out", "results.csv")
    assert done.returncode == 0, done.stderr
    rows = table("results.csv")
    assert [row["outcome"] for row in rows] == ["unchanged", "created", "created", "unchanged"]
    assert rows[0]["user_id"] == rows[3]["user_id"] == there["id"]
    assert len(kratos.dump()["identities"]) == 3


def test_invalid_schema(run: Run, folder: Path) -> None:
    schema = {
        "properties": {
            "traits": {
                "type": "object",
                "properties": {
                    "email": {"type": "string", "ory.sh/kratos": {"credentials": {"password": {"identifier": True}}}},
                    "first_name": {"type": "string", "maxLength": 4},
                    "role": {"enum": ["admin", "user"]},
                },
                "required": ["email", "role"],
                "additionalProperties": False,
            }
        }
    }
    kratos = KratosSandbox(identity_schema=schema)
    write(folder / "schema.json", json.dumps(schema))
    write(folder / "users.csv", "email,first_name,role\na@x.com,Ada,user\nb@x.com,Bertha,user\nc@x.com,Cyd,\n")
    codes = ["invalid_trait", "missing_trait"]

    def told(text: str) -> list[str]:
        return [line.rpartition("[")[2].rstrip("]") for line in text.splitlines() if line.startswith("✗")]

    offline = run("import", "users.csv", "--dry-run", *KRATOS, "--identity-schema", "schema.json")
    assert offline.returncode == 1 and told(offline.stderr) == codes
    unchecked = run("import", "users.csv", "--dry-run", *KRATOS)
    assert unchecked.returncode == 0 and "traits_not_checked" in unchecked.stderr
    with shell(run, kratos) as work:
        strict = work("import", "users.csv", *KRATOS, "--strict")
        # The server's own schema was asked for, and that was all.
        assert strict.returncode == 1 and kratos.dump()["identities"] == [] and batches(kratos) == 0
        rest = work("import", "users.csv", *KRATOS, "--no-resume", "--errors-out", "errors.csv")
    assert rest.returncode == 1 and list(by_email(kratos)) == ["a@x.com"]
    assert [row["recordNumber"] for row in table("errors.csv")] == ["2", "3"]
    report = importer(KratosSandbox(), {"identity_schema": schema}).validate("users.csv")
    assert [issue.code for issue in report.issues] == codes


def test_permission_denied(run: Run, folder: Path) -> None:
    write(folder / "users.csv", SEED)
    token, wrong = "ory_at_planted_right", "ory_at_planted_wrong"
    kratos = KratosSandbox(token=token)
    with shell(run, kratos) as work:
        for variables in ({}, {"KRATOS_ADMIN_TOKEN": wrong}):
            denied = work("import", "users.csv", *KRATOS, **variables)
            assert denied.returncode == 3, denied.stderr
            assert "KRATOS_ADMIN_TOKEN" in denied.stderr and "planted" not in denied.stderr + denied.stdout
        assert kratos.dump()["identities"] == []
        done = work("import", "users.csv", *KRATOS, "--yes", KRATOS_ADMIN_TOKEN=token)
        assert done.returncode == 0, done.stderr
        assert "planted" not in done.stderr + done.stdout
    with kratos.serve() as server:
        with pytest.raises(AuthError):
            Importer(target=Kratos(base_url=server.url, token=wrong)).run([{"email": "a@x.com"}]).wait()
        assert Importer(target=Kratos(base_url=server.url, token=token)).run([{"email": "a@x.com"}]).wait().ok
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files and not [path for path in files if b"planted" in path.read_bytes()]


def test_rate_limit(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(folder / "users.csv", file_of(400))
    kratos = KratosSandbox()
    kratos.fail_next("503", method="PATCH", path=IDENTITIES, times=2)
    kratos.fail_next("504_applied", method="PATCH", path=IDENTITIES, times=1, skip=1)
    caplog.set_level(logging.INFO, "workos_importer")
    with kratos.serve() as server:
        target = Kratos(base_url=server.url, batch_size=100)
        summary = Importer(target=target, concurrency=1).run("users.csv").wait()
    assert (summary.created, summary.failed, summary.pending) == (400, 0, 0)
    assert len(by_email(kratos)) == 400
    assert "batches have at most 50 identities from now on" in caplog.text
    assert kratos.counters()["by_route"][BATCH] > 5


def test_rate_limit_of_ones_own(run: Run, folder: Path, kratos: KratosSandbox) -> None:
    write(folder / "users.csv", file_of(60))
    begun = time.monotonic()
    with shell(run, kratos) as work:
        done = work("import", "users.csv", *KRATOS, "--batch-size", "10", "--rate-limit", "2/1s")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begun >= 2
    assert kratos.counters()["most_writes_in_a_second"] <= 2
    assert len(by_email(kratos)) == 60 and batches(kratos) == 6


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffemail,first_name,last_name\n{rows}".encode(),
        b"email,first_name,last_name\r\n{rows}\r\n\r\n",
        b"email;first_name;last_name\n{rows}",
        b"email\tfirst_name\tlast_name\n{rows}",
    ],
    ids=["bom", "crlf", "semicolon", "tab"],
)
def test_csv_file_expectations(run: Run, folder: Path, kratos: KratosSandbox, content: bytes) -> None:
    header = content.decode().lstrip("\ufeff").splitlines()[0]
    comma = header[len("email")]
    end = "\r\n" if b"\r\n" in content else "\n"
    rows = end.join(
        [
            comma.join(["zoe@example.com", "Zoë", f'"Smith{comma} Jr."']),
            comma.join(['"łukasz@example.com"', '"Łukasz ""Luke"""', '"two\nlines"']),
        ]
    )
    write(folder / "users.csv", content.replace(b"{rows}", rows.encode()))
    with shell(run, kratos) as work:
        done = work("import", "users.csv", *KRATOS)
    assert done.returncode == 0, done.stderr
    found = by_email(kratos)
    assert found["zoe@example.com"]["traits"]["first_name"] == "Zoë"
    assert found["zoe@example.com"]["traits"]["last_name"] == f"Smith{comma} Jr."
    assert found["łukasz@example.com"]["traits"]["first_name"] == 'Łukasz "Luke"'
    assert found["łukasz@example.com"]["traits"]["last_name"] == "two\nlines"


def test_csv_file_expectations_a_file_without_a_header_and_one_in_another_encoding(
    run: Run, folder: Path, kratos: KratosSandbox
) -> None:
    write(folder / "bare.csv", "alice@example.com,Alice,Smith\n")
    write(folder / "old.csv", "email,first_name\nzoe@example.com,Zoë\n".encode("cp1252"))
    with shell(run, kratos) as work:
        bare = work("import", "bare.csv", *KRATOS)
        assert bare.returncode == 2 and "No `email` column" in bare.stderr
        assert work("import", "old.csv", *KRATOS, "--encoding", "windows-1252").returncode == 0
    assert by_email(kratos)["zoe@example.com"]["traits"]["first_name"] == "Zoë"
    with pytest.raises(ConfigError):
        importer(kratos, {"batch_size": 1_001})
