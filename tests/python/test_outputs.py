"""Owns the promise that no file is written over the one that is read, by whatever name, and no two into one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from conftest import Run, write
from workos_importer import ConfigError, Importer, Sandbox

TEXT = "email\nada@example.com\nnobody\n"
KEY = {"WORKOS_API_KEY": "sk_test_1"}
SAYS = "it is the file that is read. Name another one."

#: What writes a file, and is told where by the last flag; of a source, and of the run of it.
OF_THE_SOURCE: dict[str, Sequence[str]] = {
    "report of an import": ("import", "users.csv", "--no-resume", "--report"),
    "errors": ("import", "users.csv", "--no-resume", "--errors-out"),
    "results": ("import", "users.csv", "--no-resume", "--results-out"),
    "plan": ("plan", "users.csv", "--out"),
    "receipt": ("verify", "users.csv", "--receipt"),
}
OF_A_RUN: dict[str, Sequence[str]] = {
    "report": ("report", "latest", "--out"),
    "results": ("results", "latest", "--out"),
    "receipt": ("verify", "latest", "--receipt"),
    "left out": ("undo", "latest", "--yes", "--left-out"),
    "report of a retry": ("retry", "latest", "--report"),
    "report of a resume": ("resume", "latest", "--report"),
}


@pytest.fixture
def source(folder: Path) -> Path:
    """The file, and other ways to it."""
    (folder / "pit").mkdir()
    path = write(folder / "users.csv", TEXT)
    if os.name == "posix":
        (folder / "link").symlink_to(path)
        (folder / "hard").hardlink_to(path)
    return path


def spellings(source: Path) -> list[str]:
    """Names of the file."""
    more = ["link", "hard", "pit/../link"] if os.name == "posix" else []
    return ["users.csv", "./pit/../users.csv", str(source), *more]


def assert_refused(run: Run, sandbox: Sandbox, source: Path, *arguments: str, **variables: str) -> None:
    """The command ends with one line, and neither the file nor the environment is another one."""
    before = sandbox.counters()["total"]
    done = run(*arguments, **variables)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert SAYS in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr
    assert source.read_text(encoding="utf-8") == TEXT
    assert sandbox.counters()["total"] == before


@pytest.mark.parametrize("name", OF_THE_SOURCE)
def test_the_source_is_not_written_over(run: Run, source: Path, sandbox: Sandbox, served: str, name: str) -> None:
    for place in spellings(source):
        assert_refused(run, sandbox, source, *OF_THE_SOURCE[name], place, "--base-url", served, **KEY)


@pytest.mark.parametrize("name", OF_A_RUN)
def test_the_source_of_a_run_is_not_written_over(
    run: Run, source: Path, sandbox: Sandbox, served: str, name: str
) -> None:
    assert run("import", "users.csv", "--base-url", served, "--quiet", **KEY).returncode == 1
    arguments = OF_A_RUN[name]
    url = () if arguments[0] in ("report", "results") else ("--base-url", served)
    for place in spellings(source):
        assert_refused(run, sandbox, source, *arguments, place, *url, **KEY)
    assert len(sandbox.dump()["users"]) == 1


def test_what_else_is_read_is_not_written_over(run: Run, source: Path, sandbox: Sandbox, served: str) -> None:
    url = ("--base-url", served)
    write(source.parent / "map.toml", '[mapping]\n"email" = "email"\n')
    assert run("plan", "users.csv", *url, "--out", "plan.bin", "--quiet", **KEY).returncode == 1
    planned = Path("plan.bin").read_bytes()
    for flag in ("--report", "--results-out"):
        assert_refused(run, sandbox, source, "import", "users.csv", *url, "--plan", "plan.bin", flag, "plan.bin", **KEY)
    assert_refused(
        run, sandbox, source, "plan", "users.csv", *url, "--map-file", "map.toml", "--out", "map.toml", **KEY
    )
    assert Path("plan.bin").read_bytes() == planned
    assert run("import", "users.csv", *url, "--quiet", **KEY).returncode == 1
    assert run("verify", "latest", *url, "--receipt", "receipt.json", "--quiet", **KEY).returncode in (0, 1)
    receipt = Path("receipt.json").read_bytes()
    assert_refused(run, sandbox, source, "report", "latest", "--receipt", "receipt.json", "--out", "receipt.json")
    assert Path("receipt.json").read_bytes() == receipt


def test_a_source_that_has_been_moved_away_is_not_in_the_way(run: Run, source: Path) -> None:
    assert run("import", "users.csv", "--sandbox", "--quiet").returncode == 1
    source.unlink()
    assert run("results", "latest", "--out", "users.csv").returncode == 0
    assert "ada@example.com" in source.read_text(encoding="utf-8")


def test_in_python_it_is_a_configuration_error(source: Path, sandbox: Sandbox) -> None:
    importer = Importer(sandbox=sandbox)
    with pytest.raises(ConfigError, match=SAYS) as caught:
        importer.plan("users.csv", out="pit/../users.csv")
    assert caught.value.kind == "output_path" and sandbox.counters()["total"] == 0
    run = importer.run("users.csv")
    run.wait()
    with pytest.raises(ConfigError, match=SAYS):
        run.report("users.csv")
    with pytest.raises(ConfigError, match=SAYS):
        importer.report(out=source)
    with pytest.raises(ConfigError, match=SAYS):
        importer.verify("users.csv").receipt("users.csv")
    with pytest.raises(ConfigError, match=SAYS):
        importer.verify(run="latest").receipt("users.csv")
    assert source.read_text(encoding="utf-8") == TEXT
    # Rows of a program are no file, and a file may be called like what stands in its place.
    run = importer.run([{"email": "bob@example.com"}])
    run.wait()
    write(source.parent / "rows", "")
    assert run.report("rows").stat().st_size > 0


def test_two_files_are_not_one(source: Path) -> None:
    with pytest.raises(ConfigError, match="errors_out and audit_file name the same file") as caught:
        Importer(errors_out="pit/../out.jsonl", audit_file=source.parent / "out.jsonl", actor="ada")
    assert caught.value.kind == "contradiction"


@pytest.mark.parametrize("output", ["errors_out", "results_out"])
@pytest.mark.parametrize("name", ["users.csv", "pit/../users.csv", "link", "hard"])
def test_an_importer_does_not_write_over_its_source(source: Path, output: str, name: str) -> None:
    if not Path(name).exists():
        pytest.skip("links are of POSIX")
    options: dict[str, Any] = {output: name}
    with pytest.raises(ConfigError, match="it is the file that is read"):
        Importer(sandbox=Sandbox(), **options).run("users.csv")
    assert source.read_text("utf-8") == TEXT
