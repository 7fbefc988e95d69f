"""Owns the package as a whole: names, types, exceptions, imports, and the promises of its metadata."""

from __future__ import annotations

import ast
import pickle
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import workos_importer
from conftest import python
from workos_importer import (
    ConfigError,
    ImporterError,
    Issue,
    JournalError,
    OrganizationRef,
    RowError,
    RowResult,
    RowsFailedError,
    RunError,
    RunLockedError,
    SourceChangedError,
    SourceError,
)

ROOT = Path(__file__).parents[2]


def classes(root: type[ImporterError] = ImporterError) -> list[type[ImporterError]]:
    """An exception class and all below it."""
    return [root, *(found for below in root.__subclasses__() for found in classes(below))]


def test_kinds_are_stable_and_unique() -> None:
    kinds = [kind for one in classes() for kind in one.KINDS]
    assert len(set(kinds)) == len(kinds)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", kind) for kind in kinds)
    assert [one.KINDS[0] for one in classes()] == [
        "importer",
        "config",
        "source",
        "auth",
        "api",
        "run",
        "run_locked",
        "source_changed",
        "journal",
        "rows_failed",
    ]
    assert {RunLockedError, SourceChangedError, JournalError} == set(RunError.__subclasses__())


def test_the_kinds_of_the_engine_are_those_of_the_exceptions() -> None:
    source = (ROOT / "src/core/source/error.rs").read_text(encoding="utf-8")
    engine = set(re.findall(r'=> "(\w+)",', source[source.index("fn kind") :]))
    assert engine and engine <= set(SourceError.KINDS)
    door = (ROOT / "src/python/errors.rs").read_text(encoding="utf-8")
    config = set(re.findall(r'config\(py, "(\w+)"', door))
    assert config and config <= set(ConfigError.KINDS)


@pytest.mark.parametrize("kind", [(one, kind) for one in classes() for kind in one.KINDS])
def test_exceptions_pickle(kind: tuple[type[ImporterError], str]) -> None:
    error = kind[0]("what and why", kind[1])
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.kind) == (kind[0], "what and why", kind[1])


def test_results_pickle_and_are_frozen() -> None:
    result = RowResult(1, 2, "a@b.c", None, "failed", error=RowError("user", "refused", "No", http_status=422))
    assert pickle.loads(pickle.dumps(result)) == result
    assert repr(result) == (
        "RowResult(record_number=1, line=2, email='a@b.c', outcome='failed', "
        "error=RowError(error_type='user', code='refused', message='No', http_status=422))"
    )
    with pytest.raises(AttributeError):
        result.email = "x"  # type: ignore[misc]
    assert not hasattr(result, "__dict__") and not result.ok
    error = RowsFailedError("8 failed", failures=[result])
    assert pickle.loads(pickle.dumps(error)).failures == (result,)
    assert pickle.loads(pickle.dumps(OrganizationRef(id="org_1"))) == OrganizationRef(id="org_1")
    assert str(Issue("error", "invalid_email", "what", 13, 14, "email")) == "record 13 (line 14), column email: what"


def test_importing_is_cheap() -> None:
    code = "import sys, workos_importer; print([m for m in ('asyncio', 'rich', 'pandas', 'numpy') if m in sys.modules])"
    assert python(code).stdout == "[]\n"


def test_the_command_line_draws_nothing_it_does_not_need() -> None:
    code = (
        "import sys\nfrom workos_importer.cli import main\n"
        "code = main(['demo', '--users', '5', '--orgs', '2', '--quiet'])\n"
        "print([m for m in ('asyncio', 'rich') if m in sys.modules], code)"
    )
    assert python(code).stdout.endswith("[] 0\n")


def test_public_names() -> None:
    assert set(workos_importer.__all__) <= set(dir(workos_importer))
    assert workos_importer.__version__ == metadata.version("workos-importer")
    assert list(workos_importer.__all__) == sorted(workos_importer.__all__)


def test_every_file_says_what_it_owns_and_is_small() -> None:
    for path in sorted((ROOT / "python").rglob("*.py*")):
        if path.suffix not in (".py", ".pyi"):
            continue
        text = path.read_text(encoding="utf-8")
        assert ast.get_docstring(ast.parse(text)), path
        assert len(text.splitlines()) <= 400, path


@pytest.mark.parametrize(
    "arguments",
    [
        ["mypy.stubtest", "workos_importer._native"],
        ["mypy"],
        ["ruff", "check", "python", "tests/python"],
        ["ruff", "format", "--check", "python", "tests/python"],
    ],
    ids=" ".join,
)
def test_types_and_style(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
