"""Owns the Kratos sandbox as Python and the command have it; its answers are checked in `tests/peers`."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from conftest import command, environment
from test_processes import posix
from workos_importer import ConfigError, KratosSandbox

IDENTITIES = "/admin/identities"
SCHEMA = {"properties": {"traits": {"type": "object", "required": ["login"]}}}


def person(email: str) -> dict[str, Any]:
    """A body that makes an identity."""
    return {"schema_id": "default", "traits": {"email": email}}


def call(url: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Status and body of a request."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, method=method, data=data)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_it_is_seeded_looked_into_and_emptied() -> None:
    kratos = KratosSandbox(seed=7)
    assert repr(kratos) == "KratosSandbox(seed=7)"
    made = kratos.seed("POST", IDENTITIES, person("ada@example.com") | {"credentials": {"password": {"config": {}}}})
    assert kratos.seed("get", f"{IDENTITIES}/{made['id']}") == made
    assert kratos.seed("DELETE", f"{IDENTITIES}/{made['id']}") is None
    kratos.seed("POST", IDENTITIES, person("grace@example.com"))
    assert [one["traits"]["email"] for one in kratos.dump()["identities"]] == ["grace@example.com"]
    assert kratos.counters()["total"] == 0, "what is seeded does not count"
    kratos.reset()
    assert kratos.dump() == {"identities": [], "recoveries": []}


def test_it_is_served_with_faults_and_for_scripts() -> None:
    kratos = KratosSandbox()
    kratos.fail_next("503_applied", method="POST", path=IDENTITIES, times=1, skip=1)
    with kratos.serve() as server:
        statuses = [call(server.url, "POST", IDENTITIES, person(f"{name}@example.com"))[0] for name in "abb"]
        assert statuses == [201, 503, 409]
        assert call(server.url, "GET", "/_sandbox/dump") == (200, kratos.dump())
        assert call(server.url, "GET", "/_sandbox/counters") == (200, kratos.counters())
        assert kratos.counters()["by_route"] == {"POST /admin/identities": 3}
        assert kratos.counters()["faults"] == {"503_applied": 1}
        assert call(server.url, "POST", "/_sandbox/reset", {}) == (200, {"reset": True})
    assert kratos.dump()["identities"] == []


def test_a_batch_takes_the_longer_the_more_it_makes() -> None:
    kratos = KratosSandbox(latency_per_identity=0.02)
    items = [{"create": person(f"u{number}@example.com")} for number in range(15)]
    with kratos.serve() as server:
        begun = time.monotonic()
        assert call(server.url, "PATCH", IDENTITIES, {"identities": items})[0] == 200
        assert time.monotonic() - begun >= 0.3


def test_older_and_other_servers() -> None:
    kratos = KratosSandbox(batches=False, recovery_codes=False, identity_schema=SCHEMA)
    assert kratos.seed("PATCH", IDENTITIES, {"identities": []})["error"]["code"] == 404
    made = kratos.seed("POST", IDENTITIES, {"traits": {"login": "ada"}})
    assert made["schema_id"] == "default"
    assert kratos.seed("POST", "/admin/recovery/code", {"identity_id": made["id"]})["error"]["code"] == 404
    assert KratosSandbox(schemas={"b": SCHEMA, "a": SCHEMA}).seed("GET", "/schemas")[0]["id"] == "b"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"latency": -1}, "latency must be"),
        ({"latency_per_identity": -1}, "latency_per_identity must be"),
        ({"fault_rate": 2}, "fault_rate must be"),
        ({"faults": ["coffee"]}, "There is no fault"),
        ({"identity_schema": {"type": "object"}}, "property `traits`"),
        ({"identity_schema": ["traits"]}, "property `traits`"),
        ({"schemas": {}}, "at least one"),
        ({"schemas": {"a": SCHEMA}, "identity_schema": SCHEMA}, "contradict"),
    ],
)
def test_settings_that_cannot_be_used(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        KratosSandbox(**settings)
    assert caught.value.kind == "sandbox"


@posix
def test_the_command_serves_it_until_it_is_asked_to_end(tmp_path: Path) -> None:
    schema = tmp_path / "identity.schema.json"
    schema.write_text(json.dumps(SCHEMA), encoding="utf-8")
    process = subprocess.Popen(
        command("sandbox", "--target", "kratos", "--identity-schema", str(schema), "--no-batches"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None
    name, _, url = process.stdout.readline().decode().strip().partition("=")
    assert name == "KRATOS_ADMIN_URL"
    assert call(url, "GET", "/schemas/default") == (200, SCHEMA)
    assert call(url, "POST", IDENTITIES, {"traits": {"login": "ada"}})[0] == 201
    assert call(url, "POST", IDENTITIES, person("ada@example.com"))[0] == 400
    assert call(url, "PATCH", IDENTITIES, {"identities": []})[0] == 404
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=20)
    assert process.returncode == 0
    assert f"--target kratos --base-url {url}" in error.decode() and "4 requests." in error.decode()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--no-batches",), "--no-batches is of --target kratos"),
        (("--target", "kratos", "--one-role"), "--one-role is of --target workos"),
        (("--target", "kratos", "--identity-schema", "nowhere.json"), "nowhere.json: No such file"),
        (("--target", "kratos", "--identity-schema", "broken.json"), "broken.json is no JSON"),
        (("--target", "kratos", "--identity-schema", "list.json"), "list.json is no JSON Schema"),
        (("--target", "kratos", "--identity-schema", "none.json"), "property `traits`"),
        (("--target", "okta"), "invalid choice"),
    ],
)
def test_flags_that_cannot_be_used(tmp_path: Path, flags: tuple[str, ...], says: str) -> None:
    for name, text in {"broken": "{", "list": "[]", "none": "{}"}.items():
        (tmp_path / f"{name}.json").write_text(text, encoding="utf-8")
    done = subprocess.run(
        command("sandbox", *flags),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=30,
        check=False,
    )
    assert done.returncode == 2 and says in done.stderr, done.stderr
