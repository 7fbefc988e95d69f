"""Owns the doctor: what it looks at, what it says, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections import namedtuple
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from conftest import Ended, Run, command, environment, write
from workos_importer import Check, DoctorReport, Importer, Sandbox
from workos_importer._doctor import disk

NAMES = [
    "key",
    "environment",
    "base_url",
    "proxy",
    "certificates",
    "api",
    "clock",
    "multiple_roles",
    "run_folder",
    "disk",
]


def check(done: Ended, name: str) -> dict[str, object]:
    """One of the checks that were printed as JSON."""
    found = [one for one in done.document["checks"] if one["name"] == name]
    assert len(found) == 1, done.stdout
    return dict(found[0])


@pytest.fixture
def closed() -> str:
    """An address where nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{one.getsockname()[1]}"


def test_ready(run: Run, folder: Path, sandbox: Sandbox, served: str) -> None:
    done = run("doctor", "--base-url", served, WORKOS_API_KEY="sk_test_1")
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "✓ key: from WORKOS_API_KEY"
    assert lines[1] == "✓ environment: TEST: a test key"
    assert lines[2] == f"✓ base URL: {served}"
    assert lines[3].startswith("✓ proxy: none") and lines[4].startswith("✓ certificates: none needed")
    assert lines[5] == "✓ API: answers, and accepts the key"
    assert lines[6] == "✓ clock: agrees with the server's, to a second"
    assert lines[7] == "? multiple roles: cannot be told: there is no organization yet"
    assert lines[8].startswith("✓ run folder: .workos-importer/runs can be made and written")
    assert lines[9].startswith("✓ disk: ") and "rows" in lines[9]
    assert lines[10:] == ["", "Ready"]
    # One small read each, and nothing is written, here or there.
    assert sandbox.counters()["total"] == 2
    assert list(folder.iterdir()) == []


def test_three_reads_tell_whether_several_roles_are_on(sandbox: Sandbox, served: str) -> None:
    importer = Importer(api_key="sk_test_1", base_url=served)
    organization = sandbox.seed("POST", "/organizations", {"name": "Acme"})["id"]
    assert "no membership" in one(importer, "multiple_roles").message
    for number, roles in ((1, ["admin"]), (2, ["admin", "member"])):
        user = sandbox.seed("POST", "/user_management/users", {"email": f"user{number}@acme.com"})["id"]
        membership = {"user_id": user, "organization_id": organization, "role_slugs": roles}
        sandbox.seed("POST", "/user_management/organization_memberships", membership)
        dump, before = sandbox.dump(), sandbox.counters()["total"]
        found = one(importer, "multiple_roles")
        assert (found.status, found.value) == (("unknown", None), ("ok", True))[number - 1]
        assert sandbox.counters()["total"] - before == 3 and sandbox.dump() == dump


def one(importer: Importer, name: str) -> Check:
    """One check."""
    return next(check for check in importer.doctor().checks if check.name == name)


def test_a_sandbox_in_this_process(run: Run) -> None:
    done = run("doctor", "--sandbox", "--json")
    assert done.returncode == 0 and done.document["message_type"] == "doctor" and done.document["ready"] is True
    names = [found["name"] for found in done.document["checks"]]
    assert names == ["environment", "api", "clock", "multiple_roles", "run_folder", "disk"]
    report = Importer(sandbox=Sandbox()).doctor()
    assert isinstance(report, DoctorReport) and report.ready and str(report).endswith("\nReady")
    assert pickle.loads(pickle.dumps(report)) == report
    assert json.loads(json.dumps(report.to_dict()))["checks"][0]["value"] == "sandbox"
    assert run("doctor", "--sandbox", "--base-url", "http://localhost:1").returncode == 2


def test_the_checks_are_these(run: Run, served: str) -> None:
    done = run("doctor", "--base-url", served, "--json", WORKOS_API_KEY="sk_live_1")
    # That key is not let in by this sandbox.
    assert done.returncode == 3
    assert check(done, "environment")["value"] == "live"
    done = run("doctor", "--base-url", served, "--json", WORKOS_API_KEY="sk_test_1")
    assert [found["name"] for found in done.document["checks"]] == NAMES


def test_a_key_that_is_refused_is_3_and_is_not_shown(run: Run) -> None:
    with Sandbox(key="sk_test_right").serve() as server:
        done = run("doctor", "--base-url", server.url, WORKOS_API_KEY="sk_test_wrong7")
    assert done.returncode == 3
    assert "✗ API: does not accept the key (HTTP 401)" in done.stdout
    assert "\nNot ready. What to do:\n- API: Copy the key again" in done.stdout
    assert "wrong7" not in done.stdout + done.stderr


def test_an_api_that_is_not_there_is_4(run: Run, closed: str) -> None:
    done = run("doctor", "--base-url", closed, WORKOS_API_KEY="sk_test_1")
    assert done.returncode == 4
    assert "✗ API: cannot be reached: could not connect" in done.stdout
    # The rest is looked at all the same.
    assert "✓ run folder" in done.stdout and "- API: Check the network" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "variables", "name", "text"),
    [
        ([], {}, "key", "WORKOS_SECRET_KEY is missing"),
        ([], {"WORKOS_API_KEY": "sk_test_1", "WORKOS_SECRET_KEY": "sk_test_2"}, "key", "Two different keys"),
        (["--api-key-file", "nowhere"], {}, "key", "Cannot read the key file"),
        ([], {"WORKOS_API_KEY": "sk_test_1\x07"}, "key", "characters that no key has"),
        (["--base-url", "ftp://x"], {"WORKOS_API_KEY": "sk_test_1"}, "base_url", "cannot be used"),
        (["--base-url", "sk_live_mine"], {"WORKOS_API_KEY": "sk_test_1"}, "base_url", "sk_…"),
        (["--base-url", "http://example.com"], {"WORKOS_API_KEY": "sk_test_1"}, "base_url", "not encrypted"),
        (["--ca-bundle", "nowhere"], {"WORKOS_API_KEY": "sk_test_1"}, "certificates", "Cannot read the CA bundle"),
        (["--ca-bundle", "empty"], {"WORKOS_API_KEY": "sk_test_1"}, "certificates", "no PEM certificate"),
    ],
)
def test_settings_that_cannot_be_are_2(
    run: Run, folder: Path, arguments: list[str], variables: dict[str, str], name: str, text: str
) -> None:
    write(folder / "empty", "")
    done = run("doctor", "--json", *arguments, **variables)
    assert done.returncode == 2
    problems = [found for found in done.document["checks"] if found["status"] == "problem"]
    assert [found["name"] for found in problems] == [name]
    assert text in problems[0]["remedy"] and "sk_test" not in str(problems) and "mine" not in done.stdout
    # Nobody is asked with settings that are wrong.
    assert "api" not in [found["name"] for found in done.document["checks"]]


@pytest.mark.skipif(sys.platform != "linux", reason="the variable is read on Linux")
def test_a_certificate_file_that_is_not_there(run: Run) -> None:
    done = run("doctor", "--json", WORKOS_API_KEY="sk_test_1", SSL_CERT_FILE="/nowhere.pem")
    assert done.returncode == 2 and "SSL_CERT_FILE names /nowhere.pem" in str(check(done, "certificates")["message"])


def test_the_variable_that_names_the_proxy(run: Run, closed: str) -> None:
    proxy = closed.replace("http://", "http://ada:hunter2@")
    asked = ["doctor", "--json", "--base-url", "https://directory.example.com"]
    done = run(*asked, WORKOS_API_KEY="sk_test_1", HTTPS_PROXY=proxy, ALL_PROXY="http://127.0.0.1:1")
    # Through the proxy, where nobody is.
    assert done.returncode == 4 and "hunter2" not in done.stdout
    assert (
        check(done, "proxy")["message"] == f"{closed}/, by HTTPS_PROXY"
        and check(done, "proxy")["value"] == "HTTPS_PROXY"
    )
    done = run(*asked, WORKOS_API_KEY="sk_test_1", all_proxy=proxy, HTTP_PROXY="http://127.0.0.1:1")
    assert check(done, "proxy")["value"] == "all_proxy"
    done = run(*asked[:-1], closed, WORKOS_API_KEY="sk_test_1", HTTP_PROXY=proxy)
    assert "this machine is never reached through one" in str(check(done, "proxy")["message"])


def test_a_host_that_is_excepted_from_the_proxy(closed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", closed)
    monkeypatch.setenv("no_proxy", "example.com")
    # An address that cannot be: nobody is asked.
    importer = Importer(api_key="sk_test_1\x07", base_url="https://directory.example.com")
    assert one(importer, "proxy").message == "none: no_proxy excepts this host"


def test_a_run_folder_that_cannot_be_is_1(run: Run, folder: Path, served: str) -> None:
    write(folder / "file", "")
    done = run("doctor", "--base-url", served, "--run-dir", "file/runs", WORKOS_API_KEY="sk_test_1")
    assert done.returncode == 1
    assert "✗ run folder: file/runs: it cannot be made: " in done.stdout and "--run-dir" in done.stdout


@pytest.mark.skipif(os.name != "posix", reason="permission bits of POSIX")
def test_warnings_are_ready(run: Run, folder: Path, served: str) -> None:
    write(folder / ".env", "WORKOS_SECRET_KEY=sk_test_1").chmod(0o644)
    done = run("doctor", "--base-url", served)
    assert done.returncode == 0
    assert done.stdout.startswith("! key: from .env\n")
    assert (
        "\nReady. Worth a look:\n- key: Others can read .env, which holds your key. Run: chmod 600 .env" in done.stdout
    )


@pytest.fixture
def late() -> Iterator[str]:
    """An API whose clock is 37 s behind this one, and that knows nothing but empty lists."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"data":[],"list_metadata":{"before":null,"after":null}}'
            self.send_response_only(200)
            self.send_header("Date", format_datetime(datetime.now(timezone.utc) - timedelta(seconds=37), usegmt=True))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_clock_that_is_wrong(run: Run, late: str) -> None:
    done = run("doctor", "--base-url", late, "--json", WORKOS_API_KEY="sk_test_1")
    assert done.returncode == 0
    found = check(done, "clock")
    assert found["status"] == "warning" and found["value"] in (-36, -37, -38)
    assert " s ahead of the server's" in str(found["message"]) and "clock" in str(found["remedy"])


def test_an_answer_that_is_lost_once_is_no_news(sandbox: Sandbox, served: str) -> None:
    sandbox.fail_next("500")
    assert Importer(api_key="sk_test_1", base_url=served).doctor().ready


def test_an_api_that_turns_calls_away(sandbox: Sandbox, served: str) -> None:
    sandbox.fail_next("429_seconds:1", times=1_000)
    report = Importer(api_key="sk_test_1", base_url=served).doctor()
    assert report.exit_code == 4 and "HTTP 429" in str(report)


def test_organizations_that_cannot_be_read(sandbox: Sandbox, served: str) -> None:
    sandbox.fail_next("502_html", path="/organizations", times=1_000)
    found = one(Importer(api_key="sk_test_1", base_url=served), "multiple_roles")
    assert found.status == "warning" and "organizations cannot be read" in found.message


Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    ("free", "status", "text"),
    [
        (150_000_000, "problem", "150 MB free: too little"),
        (550_000_000, "warning", "550 MB free: room for about 1 million rows"),
        (235_000_000, "warning", "235 MB free: room for about 100,000 rows"),
        (35_200_000_000, "ok", "35.2 GB free: room for about 100 million rows"),
    ],
)
def test_room_on_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch, free: int, status: str, text: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(free, 0, free if place == folder else 0))
    found = disk(Path("not/there/yet"))
    assert (found.status, found.value) == (status, free) and text in found.message
    assert found.exit_code == (status == "problem")


def test_plain_ascii_where_it_has_to_be(run: Run, closed: str) -> None:
    done = run("doctor", "--base-url", closed, WORKOS_API_KEY="sk_test_1", PYTHONIOENCODING="ascii")
    assert done.stdout.startswith("ok key: from WORKOS_API_KEY\n") and "\nx API: " in done.stdout


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_ends_it(sandbox: Sandbox, served: str) -> None:
    sandbox.fail_next("hang")
    process = subprocess.Popen(
        command("doctor", "--base-url", served),
        env=environment(WORKOS_API_KEY="sk_test_1"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    while not sandbox.counters()["total"]:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=5)
    assert (process.returncode, error) == (130, b"")
