"""Owns the promise that secrets reach the wire and nothing else: they are planted, and looked for everywhere."""

from __future__ import annotations

import json
import logging
import os
import pickle
import subprocess
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from conftest import command, environment, write
from workos_importer import Importer, ImporterError, Sandbox

MARK = "planted"
KEY = f"sk_test_{MARK}key"
HASH = f"$2b$10${MARK}hash{'a' * 42}"

#: Secrets in every secret column, in a column that is misspelt, in broken records, and in rows that the API refuses.
ROWS = "\n".join(
    [
        "email,first_name,password,password_hash,password_hash_type,passwrd",
        f"a@b.c,A,{MARK}password1,,,{MARK}typo1",
        f"b@b.c,B,,{HASH},bcrypt,",
        f"c@b.c,C,,{HASH},,{MARK}typo2",
        f"d@b.c,D,,,{MARK}type,",
        f"e@b.c,E,,{MARK}hash,bcrypt,",
        f"nobody,F,{MARK}password2,,,",
        f"g@b.c,G,{MARK}password3,,,x,{MARK}surplus",
        f'h@b.c,H,"{MARK}password4"{MARK},,,',
        f"weak@b.c,W,{MARK}pw,,,",
        "",
    ]
)


def everything_in(folder: Path) -> dict[Path, bytes]:
    """All files below a folder, but for the source and the key's own file."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path: path.read_bytes() for path in files if path.name not in ("secret.csv", ".env")}


@pytest.mark.parametrize("ending", ["csv", "json", "jsonl"])
def test_nothing_of_the_command_line_has_a_secret(folder: Path, ending: str) -> None:
    write(folder / "secret.csv", ROWS)
    sandbox = Sandbox(latency=0.1, limits=False)
    sandbox.fail_next("400", method="POST", path="/users", times=1)
    with sandbox.serve() as server:
        process = subprocess.Popen(
            command(
                *("import", "secret.csv", "--base-url", server.url, "--concurrency", "1"),
                *(
                    "--errors-out",
                    f"errors.{ending}",
                    "--results-out",
                    f"results.{ending}",
                    "--json",
                    "--progress",
                    "json",
                ),
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(WORKOS_API_KEY=KEY, RUST_LOG="trace", RUST_BACKTRACE="1"),
        )
        seen = b""
        while os.name == "posix" and process.poll() is None and b"secret.csv" not in seen:
            seen += subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, check=True).stdout
        out, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert MARK.encode() not in out + error + seen
    assert os.name != "posix" or b"secret.csv" in seen
    files = everything_in(folder)
    assert {f"errors.{ending}", f"results.{ending}", "journal.sqlite3"} <= {path.name for path in files}
    for path, content in files.items():
        assert MARK.encode() not in content, path
    # They did arrive.
    kinds = {user["email"]: user["password"] for user in sandbox.dump()["users"]}
    assert kinds.get("b@b.c") == "bcrypt"


class Echo(BaseHTTPRequestHandler):
    """An API that refuses every write and repeats what was sent."""

    def log_message(self, format: str, *_: object) -> None:
        """Prints nothing."""

    def do_GET(self) -> None:
        """Has nothing."""
        self._answer(200, {"data": [], "list_metadata": {"before": None, "after": None}})

    def do_POST(self) -> None:
        """Refuses."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        said = f"Cannot take {body} with {self.headers['Authorization']}"
        self._answer(422, {"message": said, "code": "invalid", "errors": [{"code": "x", "message": said}]})

    def _answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def test_what_the_server_repeats_is_scrubbed(folder: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    importer = Importer(
        api_key=KEY,
        base_url=f"http://127.0.0.1:{server.server_port}",
        errors_out="errors.json",
        results_out="results.json",
    )
    rows = [
        {"email": "a@b.c", "password": f"{MARK}1"},
        {"email": "b@b.c", "password_hash": HASH, "password_hash_type": "bcrypt"},
    ]
    try:
        run = importer.run(rows)
        results = list(run)
    finally:
        server.shutdown()
        server.server_close()
    assert [result.outcome for result in results] == ["failed", "failed"]
    assert all(result.error is not None and "Cannot take" in result.error.message for result in results)
    assert MARK not in repr(results) + repr(run.summary) + repr(list(run.results()))
    for path, content in everything_in(folder).items():
        assert MARK.encode() not in content, path


def test_validate_and_dry_run_quote_no_secret(folder: Path) -> None:
    write(folder / "secret.csv", ROWS)
    for arguments in (["validate", "secret.csv", "--json"], ["import", "secret.csv", "--dry-run"]):
        done = subprocess.run(command(*arguments), capture_output=True, env=environment(), check=False)
        assert done.returncode == 1
        assert MARK.encode() not in done.stdout + done.stderr


def test_only_files_that_give_rows_back_have_secrets_and_they_say_so(folder: Path) -> None:
    write(folder / "secret.csv", ROWS)
    Importer(sandbox=Sandbox(limits=False)).run("secret.csv").wait()
    for arguments in (
        ["validate", "secret.csv", "--marked", "marked.csv"],
        ["errors", "latest", "--retry-csv", "r.csv"],
    ):
        done = subprocess.run(command(*arguments), capture_output=True, env=environment(), check=False)
        assert b"holds passwords, hashes or the like (`password`, " in done.stderr
        assert MARK.encode() not in done.stdout + done.stderr
    files = everything_in(folder)
    assert {path.name for path in files if path.suffix == ".csv"} == {"marked.csv", "r.csv"}
    # The rows' own secrets, whole, and nowhere but behind the first column, which is said by us.
    assert files[folder / "marked.csv"].count(MARK.encode()) == ROWS.count(MARK)
    assert 0 < files[folder / "r.csv"].count(MARK.encode()) < ROWS.count(MARK)
    for name in ("marked.csv", "r.csv"):
        for line in files[folder / name].decode().splitlines():
            said = line[1:].partition('",')[0] if line.startswith('"') else ""
            assert MARK not in said
        assert os.name != "posix" or (folder / name).stat().st_mode & 0o777 == 0o600
    for path, content in files.items():
        assert path.suffix == ".csv" or MARK.encode() not in content, path


def test_nothing_of_the_python_interface_has_a_secret(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(1)
    logging.getLogger().setLevel(1)
    rows: list[dict[str, Any]] = [
        {"email": "a@b.c", "password": f"{MARK}1"},
        {"email": "b@b.c", "password": [f"{MARK}2"]},
        {"email": "nobody", "password_hash": f"{MARK}3"},
    ]
    with Sandbox(limits=False).serve() as server:
        importer = Importer(api_key=KEY, base_url=server.url, errors_out="errors.json")
        run = importer.run(rows)
        shown = [repr(importer), str(importer), repr(run), repr(vars(importer))]
        for event in run.events():
            shown += [repr(event), str(event), repr(pickle.loads(pickle.dumps(event)))]
        shown += [repr(one) for one in run.results()]
    shown += [repr(importer.validate(rows)), caplog.text]
    assert MARK not in "\n".join(shown)
    for path, content in everything_in(folder).items():
        assert MARK.encode() not in content, path


@pytest.mark.parametrize(
    "rows",
    [
        [{"email": "a@b.c", "password": f"{MARK}\ud800"}],
        [{"email": "a@b.c", "password": MARK.encode()}],
        [(MARK, "a@b.c")],
        [{"email": "a@b.c", "password": {MARK: object()}}],
        pl.DataFrame({"email": ["a@b.c", "nobody"], "password": [MARK.encode(), None]}),
        pl.DataFrame({"email": ["nobody"], "password": [MARK], "role_slugs": [[MARK]]}),
        pd.DataFrame({"email": ["a@b.c"], "password": [object()], MARK: [1]}),
    ],
)
def test_no_traceback_and_no_failure_has_a_secret(rows: Any) -> None:
    with Sandbox().serve() as server:
        run = Importer(api_key=KEY, base_url=server.url).run(rows)
        try:
            results = list(run)
        except ImporterError:
            assert MARK not in traceback.format_exc()
        else:
            assert {result.outcome for result in results} <= {"failed", "created"}
            assert any(not result.ok for result in results)
            assert MARK not in repr(results) and MARK not in repr(list(run.results()))


def test_an_importer_with_a_key_is_not_pickled() -> None:
    with pytest.raises(TypeError, match="key"):
        pickle.dumps(Importer(api_key=KEY))
    with pytest.raises(TypeError, match="sandbox"):
        pickle.dumps(Importer(sandbox=Sandbox()))
    copy = pickle.loads(pickle.dumps(Importer(concurrency=3, base_url="http://localhost")))
    assert repr(copy) == "Importer(base_url='http://localhost')"


def test_files_are_private(folder: Path) -> None:
    write(folder / "secret.csv", ROWS)
    Importer(sandbox=Sandbox(), errors_out="errors.csv", results_out="results.csv").run("secret.csv").wait()
    if os.name == "posix":
        for path in everything_in(folder):
            # A folder that others cannot enter is as good.
            parents = [parent for parent in path.parents if folder in parent.parents]
            assert any(one.stat().st_mode & 0o077 == 0 for one in [path, *parents]), path
