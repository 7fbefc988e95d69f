"""The report: what it says of every kind of run, that it can be trusted with anybody's data, and who may read it."""

from __future__ import annotations

import html
import json
import os
import re
import sqlite3
from html.parser import HTMLParser
from pathlib import Path

import pytest

from conftest import MULTI, Run, people, write
from workos_importer import ConfigError, Importer, JournalError, RunError, Sandbox

KEY = {"WORKOS_API_KEY": "sk_test_report"}
EVIL = '<script>alert("1")</script>'


class Read(HTMLParser):
    """A page as a browser takes it apart: its tags, and its text."""

    VOID = ("meta", "link", "br", "line", "rect", "polygon", "polyline", "path", "circle")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.words.append(data)


def read(path: str | Path) -> Read:
    """The page in a file, which loads nothing and runs nothing."""
    page = Path(path).read_text(encoding="utf-8")
    found = Read(page)
    assert not {"script", "img", "iframe", "object", "embed", "base"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on") or name == "src"]
    assert [value for name, value in found.attributes if name in ("href", "xlink:href")] == ["data:,"]
    assert "url(" not in page and "@import" not in page
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'; img-src data:") in found.attributes
    return found


def tile(page: Read, name: str) -> str:
    """The number in a tile."""
    found = re.search(rf"{name} ([\d,]+)", page.text)
    assert found is not None, name
    return found[1]


def test_it_says_what_became_of_a_run(importer: Importer, users: Path) -> None:
    with importer.run(users) as run:
        run.wait()
        assert run.report("report.html") == Path("report.html")
    page = read("report.html")
    assert "Success Import of" in page.text and f"{users}" in page.text
    assert "All 10 rows are in the directory (10 created)." in page.text
    assert [tile(page, name) for name in ("Rows", "Created", "Failed", "Memberships created")] == [
        "10",
        "10",
        "0",
        "10",
    ]
    assert "Acme Inc" in page.text and "create user" in page.text and "multi-org" in page.text
    assert f"workos-importer import {users}" in page.text
    assert "What failed" not in page.text and "Verification" not in page.text
    if os.name == "posix":
        assert Path("report.html").stat().st_mode & 0o777 == 0o600
    assert not list(Path().glob("*.partial"))


def test_it_groups_what_failed_and_says_what_to_do(importer: Importer, folder: Path) -> None:
    lines = [f"user{number}@example.com,gone,\n" for number in range(5)]
    write(folder / "users.csv", "email,org_external_id,org_name\nnobody,acme,Acme\n" + "".join(lines))
    assert importer.run("users.csv").wait().failed == 6
    page = read(importer.report(out="report.html"))
    assert "None of 6 rows is in the directory; 6 failed, for 2 reasons." in page.text
    causes = importer.causes()
    for cause in causes:
        assert f"{cause.code}: {cause.count} row" in page.text
        assert cause.remedy.replace("`", "") in page.text.replace(" ,", ",")
    assert page.text.index(causes[0].code) < page.text.index(causes[1].code)
    assert "The first 3 of them" in page.text and "user2@example.com" in page.text and "user3@" not in page.text
    assert "6 rows reached no organization" not in page.text


def test_whatever_stands_in_a_file_is_text(importer: Importer, folder: Path, sandbox: Sandbox) -> None:
    name = folder / "<b>'x' & \"y\".ndjson" if os.name == "posix" else folder / "'x' & y.ndjson"
    rows = [
        {"email": "a@example.com", "org_external_id": EVIL, "org_name": EVIL},
        {"email": f"{EVIL}@x", "org_external_id": EVIL},
        {"email": "b@example.com", "org_external_id": "</style></svg></table>"},
    ]
    write(name, "".join(json.dumps(row) + "\n" for row in rows))
    sandbox.fail_next("500", path="/user_management/users")
    importer.run(name).wait()
    page = read(importer.report(out="report.html"))
    assert page.text.count(EVIL) >= 2 and "</style></svg></table>" in page.text and name.name in page.text
    source = Path("report.html").read_text()
    assert "<script" not in source and html.escape(EVIL, quote=False)[:14] in source


SECRET = "hunter2-hunter2-hunter2"


def test_no_secret_reaches_it(run: Run, served: str, folder: Path) -> None:
    write(
        folder / "users.csv", f"email,password,passwrd\na@example.com,{SECRET},{SECRET}\nb@example.com,short,{SECRET}\n"
    )
    done = run("import", "users.csv", "--base-url", served, "--report", "report.html", **KEY)
    assert done.returncode == 1 and "The report is in report.html." in done.stderr
    text = (folder / "report.html").read_text()
    assert "b@example.com" in text and SECRET not in text and "sk_test_report" not in text
    assert SECRET not in read("report.html").text


def test_addresses_can_be_masked(run: Run, served: str, folder: Path) -> None:
    lines = "alice@example.com,alice@acme.com,Of bob@acme.com\ncarol jones@example.com,x,X\nnobody here,x,X\n"
    write(folder / "dave@example.com.csv", "email,org_external_id,org_name\n" + lines)
    assert run("import", "dave@example.com.csv", "--base-url", served, **KEY).returncode == 1
    assert run("report", "latest", "--out", "open.html").returncode == 0
    assert "carol jones@example.com" in read("open.html").text
    done = run("report", "latest", "--out", "masked.html", "--redact")
    assert done.returncode == 0
    page = read("masked.html")
    for whole in ("alice", "bob@", "carol", "jones", "dave", "nobody"):
        assert whole not in page.text, whole
    assert "c…@example.com" in page.text and "Of b…@acme.com" in page.text and "Email addresses are masked" in page.text
    assert "alice" not in (folder / "masked.html").read_text()


def test_a_run_of_several_attempts_is_one(run: Run, served: str, folder: Path) -> None:
    rows = "".join(f"user{number}@example.com\n" if number < 1_900 else "nobody\n" for number in range(2_000))
    write(folder / "users.csv", "email\n" + rows)
    flags = ("--base-url", served, "--max-errors", "1", "--rate-limit", "4000/1s")
    stopped = run("import", "users.csv", *flags, "--report", "first.html", **KEY)
    assert stopped.returncode == 4
    page = read("first.html")
    assert page.text.startswith("Import of") and "Stopped" in page.text
    assert "not reached yet. The run was stopped before its end." in page.text
    done = run("resume", "latest", "--base-url", served, "--rate-limit", "9000/1s", "--report", "second.html", **KEY)
    assert done.returncode == 1
    page = read("second.html")
    assert page.text.count("4000 in 1 s") == page.text.count("9000 in 1 s") == 1
    assert [tile(page, name) for name in ("Rows", "Created", "Failed")] == ["2,000", "1,900", "100"]


def test_a_run_that_was_killed_has_a_report(importer: Importer, users: Path) -> None:
    summary = importer.run(users).wait()
    journal = Path(summary.folder) / "journal.sqlite3"
    with sqlite3.connect(journal) as connection:
        # As an earlier version leaves it that is killed before it notes anything.
        connection.execute("UPDATE run SET status = NULL, ended_at = NULL, counters = NULL")
        connection.execute("DELETE FROM outcome WHERE record_number > 7")
    page = read(importer.report(out="report.html"))
    assert "Interrupted" in page.text and "7 of 10 rows are in the directory" in page.text


def test_runs_without_rows_and_undone_ones(importer: Importer, folder: Path, users: Path) -> None:
    write(folder / "empty.csv", "email\n")
    importer.run("empty.csv").wait()
    page = read(importer.report(out="empty.html"))
    assert "The source had no rows: nothing was imported." in page.text and "No row has ended." in page.text
    run = importer.run(users)
    run.wait()
    importer.undo(run.summary.run_id, organizations=True).wait()
    page = read(importer.report(run.summary.run_id, out="undone.html"))
    assert "Undone" in page.text and "what it had made was taken back" in page.text
    assert re.search(r"Users deleted 10", page.text) and re.search(r"Organizations deleted 4", page.text)


def test_rows_of_a_program_have_no_command(importer: Importer) -> None:
    run = importer.run(iter(people(3)))
    run.wait()
    page = read(run.report("report.html"))
    assert "Import of rows of a program" in page.text and "there is no file to take a digest of" in page.text
    assert "user-only" in page.text and "Organizations created" not in page.text


def test_it_shows_the_receipt_and_the_digest(run: Run, served: str, folder: Path, users: Path) -> None:
    import hashlib

    run("import", str(users), "--base-url", served, **KEY)
    assert run("verify", "latest", "--base-url", served, "--receipt", "receipt.json", **KEY).returncode == 0
    assert run("report", "latest", "--out", "report.html", "--receipt", "receipt.json").returncode == 0
    page = read("report.html")
    digest = hashlib.sha256(MULTI.encode()).hexdigest()
    assert page.text.count(f"sha256 {digest}") == 2
    assert "The directory held what the source says." in page.text and "Rows: matches 10" in page.text
    assert "Note:" not in page.text
    # A receipt of something else is shown as such.
    receipt = json.loads((folder / "receipt.json").read_text())
    write(folder / "other.json", json.dumps(receipt | {"run_id": "0000", "ok": False}))
    run("report", "latest", "--out", "report.html", "--receipt", "other.json")
    page = read("report.html")
    assert "Note: The receipt is that of another run, 0000." in page.text and "differed from the source" in page.text
    # What has changed since has no digest.
    with users.open("a") as file:
        file.write("new@example.com,N,N,acme,Acme Inc\n")
    run("report", "latest", "--out", "report.html")
    assert "The file has changed since it was imported" in read("report.html").text


def test_what_cannot_be_written_is_said_and_what_was_there_stays(
    run: Run, served: str, folder: Path, users: Path
) -> None:
    refused = run("import", str(users), "--base-url", served, "--report", "nowhere/report.html", **KEY)
    assert refused.returncode == 2 and "Nothing was sent." in refused.stderr
    assert not (folder / ".workos-importer").exists()
    assert run("report", "latest", "--out", "report.html").returncode == 2
    run("import", str(users), "--base-url", served, **KEY)
    write(folder / "receipt.json", "{}")
    write(folder / "report.html", "older")
    refused = run("report", "latest", "--out", "report.html", "--receipt", "receipt.json")
    assert refused.returncode == 2 and "is no receipt of `verify`" in refused.stderr
    assert (folder / "report.html").read_text() == "older"
    refused = run("report", "latest", "--out", "nowhere/report.html")
    assert refused.returncode == 2 and "cannot be written" in refused.stderr
    assert run("report", "0000", "--out", "report.html").returncode == 2
    dry = run("import", str(users), "--dry-run", "--report", "dry.html")
    assert "--report: a dry run writes no file" in dry.stderr and not (folder / "dry.html").exists()


def test_exceptions_are_those_of_the_rest(importer: Importer, users: Path, folder: Path) -> None:
    with pytest.raises(RunError) as no_run:
        importer.report(out="report.html")
    assert no_run.value.kind == "no_run"
    run = importer.run(users)
    summary = run.wait()
    with pytest.raises(ConfigError) as output:
        run.report(folder / "nowhere" / "report.html")
    assert output.value.kind == "output_path"
    with pytest.raises(ConfigError):
        run.report("report.html", receipt="none.json")
    (Path(summary.folder) / "journal.sqlite3").write_bytes(b"no journal")
    with pytest.raises(JournalError):
        run.report("report.html")
