"""Owns what is sent to Kratos, to the letter, and that what a server repeats of it is shown nowhere."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from conftest import Run, write
from identities import IDENTITIES, SEED, file_of
from workos_importer import Importer, Kratos

KRATOS = ("--target", "kratos")
MARK = "planted"


class Recorder(ThreadingHTTPServer):
    """An admin API that takes everything, or refuses everything and repeats it, and keeps what was sent."""

    daemon_threads = True

    def __init__(self, *, refuses: int | None) -> None:
        """Listens on a port of its own."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.refuses = refuses
        self.batches: list[list[dict[str, Any]]] = []
        self.tokens: set[str | None] = set()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def created(self) -> list[dict[str, Any]]:
        """The bodies of identities, in the order of the rows: all of them have an email."""
        items = [item["create"] for batch in self.batches for item in batch]
        return sorted(items, key=lambda body: str(body["traits"]["email"]))


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Recorder

    def log_message(self, format: str, *_: object) -> None:
        """Prints nothing."""

    def do_GET(self) -> None:
        """Has nobody, and a schema that takes any traits."""
        self.server.tokens.add(self.headers["Authorization"])
        schema = {"properties": {"traits": {"type": "object"}}}
        self._answer(200, schema if self.path.startswith("/schemas/") else [])

    def do_PATCH(self) -> None:
        """Keeps a batch."""
        assert self.path == IDENTITIES
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        items = json.loads(body)["identities"]
        self.server.batches.append(items)
        if self.server.refuses:
            self._refuse(body)
        else:
            made = [{"action": "create", "identity": str(uuid.uuid4()), "patch_id": item["patch_id"]} for item in items]
            self._answer(200, {"identities": made})

    def do_POST(self) -> None:
        """Says of one what is wrong with it."""
        assert self.path == IDENTITIES
        assert self.server.refuses
        self._refuse(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def _refuse(self, body: str) -> None:
        said = f"Cannot take {body} with {self.headers['Authorization']}"
        status = self.server.refuses or 400
        self._answer(status, {"error": {"code": status, "message": said, "reason": said, "details": {"body": body}}})

    def _answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def recorder(*, refuses: int | None = None) -> Iterator[Recorder]:
    """A server while the block lasts. `refuses`: with this status."""
    with Recorder(refuses=refuses) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def secrets_in(folder: Path, secrets: list[str]) -> list[Path]:
    """The files, but for the source, that have one of them."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "users.csv"]
    assert files
    return [path for path in files if any(secret.encode() in path.read_bytes() for secret in secrets)]


def test_the_seeds_file_gives_the_bodies_of_the_seeds_script(run: Run, folder: Path) -> None:
    write(folder / "users.csv", SEED)
    with recorder() as server:
        done = run("import", "users.csv", *KRATOS, "--base-url", server.url)
    assert done.returncode == 0, done.stderr

    def body(name: str, last: str, role: str, tenant: str) -> dict[str, Any]:
        traits = {
            "email": f"{name.lower()}@example.com",
            "first_name": name,
            "last_name": last,
            "tenant_id": tenant,
            "role": role,
        }
        return {"schema_id": "default", "traits": traits, "state": "active"}

    assert server.created == [
        {
            **body("Alice", "Smith", "admin", "t1"),
            "credentials": {"password": {"config": {"password": "TempPass123!"}}},
        },
        # Nothing is invented for those who bring no password.
        body("Bob", "Jones", "user", "t1"),
        body("Carol", "Brown", "user", "t2"),
    ]
    assert server.tokens == {None}
    ids = [item["patch_id"] for batch in server.batches for item in batch]
    assert all(str(uuid.UUID(one)) == one for one in ids)


def test_a_random_password_is_sent_and_shown_nowhere(run: Run, folder: Path) -> None:
    write(folder / "users.csv", file_of(20))
    with recorder() as server:
        flags = ("--random-password", "--results-out", "results.csv", "--report", "report.html", "--json")
        done = run(
            *("import", "users.csv", *KRATOS, "--base-url", server.url, *flags, "--progress", "json"), RUST_LOG="trace"
        )
    assert done.returncode == 0, done.stderr
    invented = [body["credentials"]["password"]["config"]["password"] for body in server.created]
    assert len(set(invented)) == 20 and min(map(len, invented)) >= 20
    assert not [one for one in invented if one in done.stdout + done.stderr]
    assert secrets_in(folder, invented) == []


def test_calls_hold_what_the_server_takes(run: Run, folder: Path) -> None:
    plain = file_of(450, "TempPass123!").splitlines()
    rest = file_of(2_100, "", 1_001).splitlines()[1:]
    write(folder / "users.csv", "\n".join([*plain, *rest]) + "\n")
    with recorder() as server:
        done = run("import", "users.csv", *KRATOS, "--base-url", server.url, "--quiet")
        assert done.returncode == 0, done.stderr
        hashed = [sum("credentials" in item["create"] for item in batch) for batch in server.batches]
        assert sum(hashed) == 450 and sum(map(len, server.batches)) == 2_550
        assert max(hashed) <= 200 and max(map(len, server.batches)) <= 1_000
        server.batches.clear()
        small = run(
            "import", "users.csv", *KRATOS, "--base-url", server.url, "--no-resume", "--batch-size", "70", "--quiet"
        )
    assert small.returncode == 0 and max(map(len, server.batches)) == 70


def test_what_the_server_repeats_is_scrubbed(run: Run, folder: Path) -> None:
    token, password, hashed = f"{MARK}token", f"{MARK}password", f"$2b$10${MARK}{'a' * (53 - len(MARK))}"
    write(
        folder / "users.csv",
        f"email,initial_password,password_hash\na@example.com,{password},\nb@example.com,,{hashed}\nc@example.com,,\n",
    )
    outs = ("--errors-out", "errors.json", "--results-out", "results.json", "--progress", "json", "--json")
    with recorder(refuses=400) as server:
        done = run(
            *("import", "users.csv", *KRATOS, "--base-url", server.url, *outs),
            KRATOS_ADMIN_TOKEN=token,
            RUST_LOG="trace",
        )
        assert done.returncode == 1, done.stderr
        target = Kratos(base_url=server.url, token=token)
        results = list(Importer(target=target).run("users.csv", resume=False))
    assert server.tokens == {f"Bearer {token}"}
    assert all(result.error is not None and "Cannot take" in result.error.message for result in results)
    assert MARK not in done.stdout + done.stderr + repr(results)
    assert secrets_in(folder, [MARK]) == []
