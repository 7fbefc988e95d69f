"""Owns the promise that what the documentation shows can be done: its Python runs, and so do its commands."""

from __future__ import annotations

import ast
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import workos_importer
from conftest import MULTI, command, environment, write
from workos_importer import KratosSandbox, Sandbox, cli
from workos_importer.cli.streams import Streams

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# What cannot be run here: a run of this name, a server that stays, a run that is under way, a minute of waiting.
_ONLY_READ = re.compile(r"7f3a|org_123|127\.0\.0\.1:8765|^workos-importer (sandbox|pace|rate-check)\b|--watch")
# What the page for those who come from other tools begins with.
IDENTITIES = "email,first_name,role,tenant_id,initial_password\nalice@example.com,Alice,admin,t1,TempPass123!\n"


def blocks(page: Path, *languages: str) -> Iterator[tuple[int, str]]:
    """The fenced blocks in one of these languages: the line of each, and its text."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        if found[1] in languages:
            yield text.count("\n", 0, found.start()) + 2, found[2]


def commands(page: Path) -> list[str]:
    """The commands of ours in a page, without prompts and comments."""
    lines = (line for _, text in blocks(page, "console", "sh") for line in text.splitlines())
    found = (line.partition("  #")[0].strip() for line in lines)
    return [line for line in found if line.startswith("workos-importer ")]


def named(page: Path) -> str:
    """How a page is called in the tests' names."""
    return page.name


SAMPLES = [
    pytest.param(page, line, text, id=f"{page.name}:{line}") for page in PAGES for line, text in blocks(page, "python")
]


@pytest.mark.parametrize(("page", "line", "text"), SAMPLES)
def test_python_runs_as_it_is(folder: Path, page: Path, line: int, text: str) -> None:
    if "def test_" in text:
        write(folder / "test_sample.py", text)
        arguments = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "test_sample.py"]
        done = subprocess.run(arguments, capture_output=True, text=True, env=environment(), timeout=60, check=False)
        assert done.returncode == 0, done.stdout
    else:
        # The lines of the page are those of a traceback.
        exec(compile("\n" * (line - 1) + text, str(page), "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("page", [page for page in PAGES if next(blocks(page, "py"), None)], ids=named)
def test_python_for_environments_of_their_own_can_be_read(page: Path) -> None:
    """`py` in place of `python` marks what needs a package that is not here, such as a scheduler."""
    for _, text in blocks(page, "py"):
        ast.parse(text)


def test_there_are_samples() -> None:
    """A pattern that finds nothing would pass too."""
    assert len(SAMPLES) > 20
    assert sum(len(commands(page)) for page in PAGES) > 30


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=named)
def test_commands_run_in_the_order_of_the_page(folder: Path, page: Path) -> None:
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    write(folder / "users.csv", MULTI)
    write(folder / "identities.csv", IDENTITIES)
    # Pages that are about earlier runs begin with one.
    with Sandbox(limits=False).serve() as server, KratosSandbox().serve() as kratos:
        variables = {
            "WORKOS_API_URL": server.url,
            "WORKOS_API_KEY": "sk_test_docs",
            "KRATOS_ADMIN_URL": kratos.url,
        }
        first = ["import", "users.csv", "--quiet"]
        assert ran(first, variables).returncode == 0
        for line in commands(page):
            arguments = shlex.split(line)[1:]
            # The parser ends the process where a flag is not known; it has no side effects.
            assert cli._parser(arguments[0], Streams()).parse_args(arguments)
            if not _ONLY_READ.search(line):
                # Nobody is there to be asked.
                done = ran([*arguments, "--yes"] if line == "workos-importer undo latest" else arguments, variables)
                # 1: something failed or differs; that is what some of the pages show.
                assert done.returncode in (0, 1), f"{line}\n{done.stdout}{done.stderr}"


def ran(arguments: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs the console script; whatever asks is not answered."""
    return subprocess.run(
        command(*arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        env=environment(**variables),
        timeout=60,
        check=False,
    )


def test_every_code_of_a_failed_row_is_explained() -> None:
    """Those of the file's own rules are compared where they are written, in Rust."""
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src/core/directory").rglob("*.rs"))
    codes = set(re.findall(r'code: "(\w+)"|", "(\w+_(?:create_failed|update_failed|unavailable))"\)', source))
    remedies = (ROOT / "src/core/import/causes.rs").read_text(encoding="utf-8")
    codes |= set(re.findall(r'^\s+"(\w+)"(?: \| "(\w+)")? =>', remedies, re.MULTILINE))
    page = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    names = {name for pair in codes for name in pair if name}
    missing = {code for code in names if not re.search(rf"^\| `{code}` \|.+\|.+\|$", page, re.MULTILINE)}
    assert len(names) > 15 and missing == set()


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = [page.name for page in PAGES[1:] if re.search(rf": {re.escape(page.name)}$", navigation, re.MULTILINE)]
    assert named == [page.name for page in PAGES[1:]]


def test_the_reference_has_every_name_and_every_flag() -> None:
    reference = runpy.run_path(str(ROOT / "docs/reference.py"))
    python = reference["python_page"]()
    missing = [name for name in workos_importer.__all__ if f"\n### {name}\n" not in python]
    assert missing == ["__version__"]
    for text in ("#### Importer.retry_csv", "#### Sandbox.fail_next", "- `email` (`str | None`)", ">>> from workos"):
        assert text in python
    signatures = re.findall(r"(?s)```python\n(.*?)\n```", python)
    for text in signatures:
        ast.parse(f"def {text}: ...")
    commands_page = reference["command_page"]()
    for name in cli._COMMANDS:
        assert f"\n## {name}\n" in commands_page
    assert "--require-membership" in commands_page and "--older-than" in commands_page


def test_files_that_the_readme_links_to_are_there() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = {
        link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith(("http", "#"))
    }
    assert links and [link for link in links if not os.path.exists(ROOT / link)] == []  # noqa: PTH110 - as text
