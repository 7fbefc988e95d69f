"""Owns bad input on the command line: each mistake is told in one line, with its exit code, and nothing is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Run, write

KEY = {"WORKOS_API_KEY": "sk_test_1", "WORKOS_API_URL": "http://127.0.0.1:9"}

SOURCES: dict[str, tuple[bytes, str]] = {
    "empty.csv": (b"", "is empty"),
    "no-email.csv": (b"E-Mail Address,name\na@b.c,A\n", "No `email` column. Did you mean `E-Mail Address`?"),
    "twice.csv": (b"email,name,name\na@b.c,A,B\n", "twice"),
    "same.csv": (b"email,First Name,first_name\na@b.c,A,B\n", "Rename or remove one of the two"),
    "utf16.csv": ("email\na@b.c\n".encode("utf-16"), "UTF-16"),
    "binary.csv": (b"email\n\x00\x01\x02\x00\x00\xff\xfe\x00", "binary.csv is"),
    "users.xlsx": (b"PK\x03\x04" + b"\x00" * 64, "File → Save As → CSV UTF-8"),
    "names.csv": (b"email,org_name\na@b.c,Acme\n", "org_external_id"),
    "errors.csv": (
        b"recordNumber,email,userId,errorMessage,httpStatus,workosCode,workosRequestId,timestamp,rawRow\n",
        "lists errors, not users",
    ),
}


@pytest.mark.parametrize("verb", ["import", "validate"])
@pytest.mark.parametrize("name", SOURCES)
def test_files_that_are_refused_whole(run: Run, folder: Path, verb: str, name: str) -> None:
    content, message = SOURCES[name]
    write(folder / name, content)
    done = run(verb, name, **KEY)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1 and done.stdout == ""
    assert not (folder / ".workos-importer").exists()


def test_what_is_not_there(run: Run, folder: Path) -> None:
    done = run("import", "nowhere.csv", **KEY)
    assert done.returncode == 2 and "Cannot find CSV file: nowhere.csv" in done.stderr
    done = run("import", str(folder), **KEY)
    assert done.returncode == 2 and "is a folder" in done.stderr
    done = run("import", "-", **KEY)
    assert done.returncode == 2 and "is empty" in done.stderr


FLAGS: dict[str, tuple[list[str], str]] = {
    "zero": (["--concurrency", "0"], "--concurrency"),
    "letters": (["--concurrency", "abc"], "'abc' is no whole number from 1 on"),
    "bare rate": (["--rate-limit", "50"], "write 50/1s"),
    "no rate": (["--rate-limit", "fast"], "write it like 500/10s"),
    "headroom": (["--headroom", "100%"], "write it like 10%"),
    "max errors": (["--max-errors", "many"], "write a number of rows"),
    "two references": (["--org-id", "org_1", "--org-external-id", "x"], "Use one of the two"),
    "no name": (["--org-external-id", "x", "--create-org-if-missing"], "--org-name"),
    "name alone": (["--org-name", "X"], "--org-name needs"),
    "create alone": (["--create-org-if-missing"], "needs --org-external-id"),
    "create and not": (
        ["--org-external-id", "x", "--create-org-if-missing", "--org-name", "X", "--no-create-orgs"],
        "contradict",
    ),
    "passwords": (["--update-passwords"], "--update-passwords needs --on-existing update"),
    "clearing": (["--clear-empty"], "--clear-empty needs --on-existing update"),
    "two sources": (["--csv", "users.csv"], "named twice"),
    "same file": (["--errors-out", "x.csv", "--results-out", "x.csv"], "--errors-out and --results-out name the same"),
    "same by another name": (["--errors-out", "x.csv", "--report", "./y/../x.csv"], "--errors-out and --report name"),
    "actor of nothing": (["--actor", "ada"], "with --audit-file"),
    "pace of nothing": (["--per-minute", "5"], "--per-minute needs --password-reset"),
    "quiet json": (["--quiet", "--progress", "json"], "contradict"),
    "sandbox url": (["--sandbox", "--base-url", "http://localhost"], "contradict"),
    "plan": (["--plan"], "workos-importer plan FILE"),
    "unknown": (["--fast"], "--fast"),
    "abbreviated": (["--quie"], "--quie"),
    "mapping": (["--map", "email"], "is no mapping"),
    "mapped": (["--map", "Mail=email"], "Mail"),
    "delimiter": (["--delimiter", "ab"], "delimiter"),
    "encoding": (["--encoding", "klingon"], "Unknown encoding `klingon`"),
    "url": (["--base-url", "ftp://x"], "cannot be used"),
    "plain http": (["--base-url", "http://example.com"], "not encrypted"),
    "bundle": (["--ca-bundle", "nowhere.pem"], "Cannot read the CA bundle"),
    "key file": (["--api-key-file", "nowhere"], "Cannot read the key file"),
    "no place": (["--errors-out", "nowhere/errors.csv"], "Nothing was sent"),
}


@pytest.mark.parametrize("name", FLAGS)
def test_flags_that_cannot_be(run: Run, users: Path, name: str) -> None:
    flags, message = FLAGS[name]
    variables = {} if name == "sandbox url" else KEY
    if name in ("url", "plain http"):
        variables = {"WORKOS_API_KEY": "sk_test_1"}
    done = run("import", str(users), *flags, **variables)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1 and done.stdout == ""


def test_no_source_and_no_command(run: Run) -> None:
    done = run("import", **KEY)
    assert done.returncode == 2 and "Which file?" in done.stderr
    done = run()
    assert done.returncode == 2 and "COMMAND" in done.stderr


def test_a_key_on_the_command_line_is_refused_and_not_repeated(run: Run, users: Path) -> None:
    for flags in (["--api-key", "sk_test_planted"], ["--api-key=sk_test_planted"], ["--key", "sk_test_planted"]):
        done = run("import", str(users), *flags)
        assert done.returncode == 2
        assert "planted" not in done.stderr


def test_a_missing_key(run: Run, users: Path) -> None:
    done = run("import", str(users))
    assert done.returncode == 2
    message = "WORKOS_SECRET_KEY is missing: set it (or WORKOS_API_KEY), or write it into .env in this folder."
    assert message in done.stderr


def test_a_single_organization_that_is_missing(run: Run, users: Path) -> None:
    done = run("import", str(users), "--sandbox", "--org-external-id", "acme-123")
    assert done.returncode == 2
    assert 'Organization not found: acme-123. Add --create-org-if-missing --org-name "…".' in done.stderr


def test_broken_records_fail_one_by_one(run: Run, folder: Path) -> None:
    write(
        folder / "users.csv", b'email,first_name\na@b.c,A\nb@b.c,B,surplus\nc@b.c,"C"x\nd@b.c\n\ne@b.c,\xff\nf@b.c,F\n'
    )
    done = run("import", "users.csv", "--sandbox", "--json")
    assert done.returncode == 1
    assert (done.document["created"], done.document["failed"]) == (2, 4)


def test_version_and_help(run: Run) -> None:
    assert run("--version").stdout.startswith("workos-importer 0.")
    for verb in ("import", "validate", "sandbox", "generate", "demo", "rate-check"):
        done = run(verb, "--help")
        assert done.returncode == 0 and "usage: workos-importer" in done.stdout
