"""Owns the files in which people's own rows are given back: validate --marked, errors --retry-csv, and the package."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Ended, Run, python, write
from workos_importer import (
    ConfigError,
    Importer,
    Issue,
    Sandbox,
    SourceChangedError,
    SourceError,
)

posix = pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")

KEY = "sk_test_back"

#: Byte order mark, CRLF, semicolons, quotes with line breaks, empty and surplus cells, and broken records.
MESSY = (
    "\ufeffE-Mail;first_name;email_verified\r\n"
    "ada@example.com;Ada;yes\r\n"
    "\r\n"
    'nobody;"Two\r\nlines; ""quoted""";true\r\n'
    ";;\r\n"
    "bob@example.com;Bob;true;;\r\n"
    "surplus@example.com;S;true;more\r\n"
    "missing@example.com\r\n"
    'open@example.com;"Open;true\r\n'
    'text@example.com;"T"ext;true\r\n'
    "=1+1;Formula;maybe\r\n"
    "last@example.com;Last;no"
).encode()


class Place:
    """A sandbox over HTTP, and the console script that writes into it."""

    def __init__(self, run: Run, sandbox: Sandbox, url: str) -> None:
        self.sandbox = sandbox
        self.url = url
        self.look = run

    def __call__(self, *arguments: str) -> Ended:
        """A command that sends."""
        return self.look(*arguments, "--base-url", self.url, WORKOS_API_KEY=KEY)

    def emails(self) -> list[str]:
        """The addresses of all users."""
        return sorted(user["email"] for user in self.sandbox.dump()["users"])


@pytest.fixture
def place(run: Run, sandbox: Sandbox) -> Iterator[Place]:
    """An empty environment."""
    with sandbox.serve() as server:
        yield Place(run, sandbox, server.url)


def issues(source: str, **how: str) -> list[Issue]:
    """What is wrong in a file."""
    return list(Importer(mapping={"E-Mail": "email"}).validate(source, **how).issues)  # type: ignore[arg-type]


def rights(path: str) -> int:
    """Who may do what with a file."""
    return Path(path).stat().st_mode & 0o777


def rows(path: str, delimiter: str = ",", encoding: str = "utf-8") -> list[dict[str, str]]:
    """The rows of a CSV file, as another program reads it."""
    with Path(path).open(encoding=encoding, newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def test_a_messy_file_comes_back_with_what_is_wrong(run: Run, folder: Path) -> None:
    write(folder / "users.csv", MESSY)
    done = run("validate", "users.csv", "--map", "E-Mail=email", "--marked", "marked.csv")
    assert done.returncode == 1 and "Valid records: 3/9" in done.stdout
    assert "All rows, with what is wrong in the column `problem`, are in marked.csv." in done.stderr
    assert "Correct them there and import that file." in done.stderr and "holds passwords" not in done.stderr
    content = (folder / "marked.csv").read_bytes()
    assert content.startswith(
        b"\xef\xbb\xbfproblem;E-Mail;first_name;email_verified\r\n;ada@example.com;Ada;yes\r\n\r\n"
    )
    # The user's own bytes are all there, each record behind its problem.
    left, kept = MESSY.removeprefix(b"\xef\xbb\xbf").splitlines(keepends=True), content.splitlines(keepends=True)
    assert len(left) == len(kept)
    assert all(line.endswith(own) for line, own in zip(kept, left, strict=True))
    assert b'"Error: E-Mail: `nobody` is no email address' in kept[3]
    assert kept[4:7] == [left[4], left[5], b";" + left[6]]
    assert kept[7].startswith(b'"Error: 4 cells where the header has 3') and kept[-1] == b";" + left[-1]
    assert b"=1+1;Formula;maybe\r\n" in kept[11] and kept[11].startswith(b'"Error: E-Mail: `=1+1`')
    # It means what the file means, and an earlier `problem` is replaced.
    assert issues("marked.csv") == issues("users.csv")
    run("validate", "marked.csv", "--map", "E-Mail=email", "--marked", "again.csv")
    assert (folder / "again.csv").read_bytes() == content


def test_a_marked_file_is_corrected_and_imported(place: Place, folder: Path) -> None:
    write(folder / "users.csv", "email,first_name,email_verified\nada@example.com,Ada,yes\nbob@example.com,Bob,maybe\n")
    assert place.look("validate", "users.csv", "--marked", "marked.csv").returncode == 1
    read = rows("marked.csv")
    assert [row["problem"][:22] for row in read] == ["", "Error: email_verified:"]
    assert list(read[0]) == ["problem", "email", "first_name", "email_verified"]
    text = (folder / "marked.csv").read_text()
    # Corrected, and the problem left as it is.
    write(folder / "marked.csv", text.replace("Bob,maybe", "Bob,no"))
    done = place("import", "marked.csv")
    assert done.returncode == 0 and "Unknown columns" not in done.stderr and "Warnings: 0" in done.stdout
    assert place.emails() == ["ada@example.com", "bob@example.com"]


def test_encodings_come_back(run: Run, folder: Path) -> None:
    content = "email\tfirst_name\nno-one-müller\tJürgen\na@b.c\t„Ä“\n".encode("windows-1252")
    write(folder / "users.tsv", content)
    flags = ("--encoding", "windows-1252")
    assert run("validate", "users.tsv", *flags, "--marked", "marked.tsv").returncode == 1
    marked = rows("marked.tsv", "\t", "windows-1252")
    assert marked[0]["problem"].startswith("Error: email: `no-one-müller` is no email address")
    assert [row["first_name"] for row in marked] == ["Jürgen", "„Ä“"]
    assert issues("marked.tsv", encoding="windows-1252") == issues("users.tsv", encoding="windows-1252")
    write(folder / "wide.csv", "email,name\nnobody,Ünïcode\n".encode("utf-16"))
    run("validate", "wide.csv", "--encoding", "utf-16le", "--marked", "marked.csv")
    [row] = rows("marked.csv", encoding="utf-16")
    assert row["problem"].startswith("Error: ") and row["name"] == "Ünïcode"


def test_objects_come_back(run: Run, folder: Path) -> None:
    write(folder / "users.ndjson", '{"email":"nobody","org_external_id":7}\n{"email": "a@b.c"}\n[]\n{"email"\n')
    done = run("validate", "users.ndjson", "--marked", "marked.ndjson")
    assert done.returncode == 1
    lines = (folder / "marked.ndjson").read_text().splitlines()
    first = json.loads(lines[0])
    assert list(first) == ["problem", "email", "org_external_id"] and first["org_external_id"] == 7
    assert first["problem"].startswith("Error: email: ")
    assert lines[1] == '{"problem":"","email": "a@b.c"}' and lines[2] == "[]"
    assert lines[3].startswith('{"problem":"Error: ') and lines[3].endswith('"email"')
    assert issues("marked.ndjson") == issues("users.ndjson")
    refused = run("validate", "users.ndjson", "--marked", "marked.csv")
    assert refused.returncode == 2 and "Name it .ndjson or .jsonl" in refused.stderr


def test_rows_of_a_given_back_file_may_come_by_any_way(importer: Importer, folder: Path) -> None:
    write(folder / "users.csv", "email,phone\nnobody,1\na@b.c,2\n")
    importer.validate("users.csv", marked="marked.csv")
    report = importer.validate(rows("marked.csv"))
    assert {issue.code for issue in report.issues} == {"unknown_columns", "invalid_email"}
    [unknown] = [issue for issue in report.issues if issue.code == "unknown_columns"]
    assert "`phone`" in unknown.message and "problem" not in unknown.message
    write(folder / "moved.csv", "email,Problem\na@b.c,Error: old\n")
    assert importer.validate("moved.csv").issues == ()


SECRETS = (
    "email,password,passwrd\n"
    "a@example.com,hunter,typo-hunter2\n"
    "b@example.com,hunter3-hunter3,typo-hunter3\n"
    "nobody,hunter4-hunter4,\n"
    'd@example.com,"hunter5"hunter5,\n'
)


def test_failed_rows_come_back_whole_and_are_imported(place: Place, folder: Path) -> None:
    write(folder / "users.csv", SECRETS)
    # The API refuses a password that is so short.
    assert place("import", "users.csv").returncode == 1
    told = place.look("errors", "latest")
    assert "workos-importer errors latest --retry-csv FILE" in told.stderr
    done = place.look("errors", "latest", "--retry-csv", "retry.csv")
    assert done.returncode == 0 and done.stdout == told.stdout
    assert "3 failed rows are in retry.csv, with what is wrong in the column `problem`." in done.stderr
    assert "Warning: retry.csv holds passwords, hashes or the like (`password`, `passwrd`)." in done.stderr
    assert "hunter" not in done.stdout + done.stderr and "--retry-csv FILE" not in done.stderr
    lines = (folder / "retry.csv").read_text().splitlines()
    assert lines[0] == "problem,email,password,passwrd"
    # Each failed row is there to the letter, and no other.
    own = SECRETS.splitlines()
    assert [line.startswith('"Error: ') for line in lines[1:]] == [True] * 3
    assert [line.endswith(row) for line, row in zip(lines[1:], [own[1], own[3], own[4]], strict=True)] == [True] * 3
    if os.name == "posix":
        assert rights("retry.csv") == 0o600
    write(folder / "retry.csv", "\n".join(lines[:2]).replace(",hunter,", ",hunter2-hunter2,") + "\n")
    done = place("import", "retry.csv")
    assert done.returncode == 0, done.stderr
    assert place.emails() == ["a@example.com", "b@example.com"]
    document = place.look("errors", "latest", "--retry-csv", "none.csv", "--json").document
    assert (document["failed"], document["retry_csv"]["rows"], document["retry_csv"]["secret_columns"]) == (0, 0, [])
    assert (folder / "none.csv").read_text() == "problem,email,password,passwrd\n"


def test_what_the_import_knew_of_the_file_is_known_again(place: Place, folder: Path) -> None:
    write(folder / "users.csv", "Müll|E-Mail\nx|nobody\ny|a@example.com\n".encode("windows-1252"))
    flags = ("--delimiter", "|", "--encoding", "windows-1252", "--map", "E-Mail=email")
    assert place("import", "users.csv", *flags).returncode == 1
    assert place.look("errors", "latest", "--retry-csv", "retry.csv").returncode == 0
    [row] = rows("retry.csv", "|", "windows-1252")
    assert (row["Müll"], row["E-Mail"]) == ("x", "nobody") and row["problem"].startswith("Error: E-Mail: ")


def test_a_source_that_is_not_what_it_was_is_refused(run: Run, place: Place, folder: Path) -> None:
    write(folder / "users.csv", "email\nnobody\n")
    place("import", "users.csv")
    write(folder / "older.csv", "older")
    with (folder / "users.csv").open("a") as file:
        file.write("a@b.c\n")
    refused = place.look("errors", "latest", "--retry-csv", "older.csv")
    assert refused.returncode == 2 and refused.stdout == ""
    assert "cannot be given back: " in refused.stderr and "users.csv has changed since" in refused.stderr
    (folder / "users.csv").unlink()
    refused = place.look("errors", "latest", "--retry-csv", "older.csv")
    assert refused.returncode == 2 and "Cannot find CSV file" in refused.stderr
    run("import", "-", "--base-url", place.url, input="email\nnobody\n", WORKOS_API_KEY=KEY)
    told = place.look("errors", "latest")
    assert "--retry-csv" not in told.stderr
    refused = place.look("errors", "latest", "--retry-csv", "older.csv")
    assert refused.returncode == 2 and "standard input" in refused.stderr
    assert (folder / "older.csv").read_text() == "older"
    assert sorted(path.name for path in folder.glob("*.csv*")) == ["older.csv"]


def test_places_that_cannot_be_written(run: Run, folder: Path) -> None:
    write(folder / "users.csv", "email\nnobody\n")
    for out in ("users.csv", "nowhere/x.csv", ".", "x.ndjson"):
        refused = run("validate", "users.csv", "--marked", out)
        assert refused.returncode == 2 and "cannot be written" in refused.stderr, out
        assert refused.stdout == "" and len(refused.stderr.splitlines()) == 1
    refused = run("validate", "-", "--marked", "x.csv", input="email\n")
    assert refused.returncode == 2 and "standard input" in refused.stderr
    assert [path.name for path in folder.iterdir()] == ["users.csv"]
    assert (folder / "users.csv").read_text() == "email\nnobody\n"


@posix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk")
def test_a_full_disk_leaves_nothing_half_written(folder: Path) -> None:
    lines = "".join(f"user{number}@example.com,Ada\n" for number in range(20_000))
    write(folder / "users.csv", "email,first_name\n" + lines)
    write(folder / "marked.csv", "older")
    done = python(
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "from workos_importer.cli import main\n"
        "sys.exit(main(['validate', 'users.csv', '--marked', 'marked.csv', '--quiet']))\n"
    )
    assert done.returncode == 2 and "marked.csv: cannot be written: File too large" in done.stderr, done.stderr
    assert (folder / "marked.csv").read_text() == "older"
    assert sorted(path.name for path in folder.iterdir()) == ["marked.csv", "users.csv"]


@posix
def test_an_older_file_that_others_can_read_becomes_private(run: Run, folder: Path) -> None:
    write(folder / "users.csv", SECRETS)
    write(folder / "marked.csv", "").chmod(0o644)
    done = run("validate", "users.csv", "--marked", "marked.csv")
    assert rights("marked.csv") == 0o600
    assert "Warning: marked.csv holds passwords, hashes or the like (`password`, `passwrd`)." in done.stderr


def test_from_python(importer: Importer, folder: Path) -> None:
    write(folder / "users.csv", "email,password\nnobody,x\na@b.c,\n")
    report = importer.validate("users.csv", marked=folder / "marked.csv")
    assert report.marked is not None and report.marked.rows == 2
    assert report.marked.secret_columns == ("password",) and report.marked.warning is not None
    assert importer.validate("users.csv").marked is None
    with pytest.raises(ConfigError) as caught:
        importer.validate([{"email": "a@b.c"}], marked="marked.csv")
    assert caught.value.kind == "contradiction"
    importer.run("users.csv").wait()
    given = importer.retry_csv("retry.csv")
    assert (given.rows, given.path) == (1, "retry.csv")
    assert rows("retry.csv")[0]["password"] == "x"
    importer.run([{"email": "nobody"}]).wait()
    with pytest.raises(SourceChangedError):
        importer.retry_csv("retry.csv")
    with pytest.raises(SourceError):
        importer.validate("nowhere.csv", marked="marked.csv")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the memory that was used is not told")
def test_memory_does_not_grow_with_the_file(folder: Path) -> None:
    code = (
        "import sys\n"
        "from workos_importer import Importer\n"
        "Importer().validate(sys.argv[1], marked='marked.csv', max_issues=0)\n"
        "[line] = [line for line in open('/proc/self/status') if line.startswith('VmHWM')]\n"
        "print(line.split()[1])\n"
    )
    used = []
    for count in (1_000, 200_000):
        # Half of the rows fail, the others disagree with each other, so that there is something to say about each.
        lines = "".join(
            f"{'nobody' if number % 2 else f'a{number // 4}@b.c'},{number},{'x' * 60}\n" for number in range(count)
        )
        write(folder / "users.csv", "email,external_id,first_name\n" + lines)
        used.append(int(python(code, "users.csv").stdout) * 1024)
    assert used[1] - used[0] < (12 << 20) < (folder / "users.csv").stat().st_size, used
