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
    APIError,
    AuthError,
    ConfigError,
    ConflictError,
    ImporterError,
    InDoubtError,
    InputError,
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
    cli,
)
from workos_importer.cli.streams import Streams

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
        "in_doubt",
        "input",
        "conflict",
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
    source = (ROOT / "src/core/objects/error.rs").read_text(encoding="utf-8")
    objects = set(re.findall(r'=> "(\w+)",', source))
    of_objects = (InputError, ConflictError, AuthError, APIError, InDoubtError)
    assert objects == {kind for one in of_objects for kind in one.KINDS}
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


def test_a_name_is_loaded_when_it_is_asked_for() -> None:
    code = (
        "import sys, workos_importer\n"
        "loaded = lambda: {'logging', 'dataclasses', 'workos_importer._importer'} & set(sys.modules)\n"
        "print(sorted(loaded()))\n"
        "from workos_importer import Importer\n"
        "print(len(loaded()), workos_importer.Importer is Importer)"
    )
    assert python(code).stdout == "[]\n3 True\n"


def test_the_command_loads_what_is_meant() -> None:
    code = (
        "import sys\nfrom workos_importer.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print(sorted(m for m in sys.modules if m.startswith('workos_importer.cli.') or m == 'dataclasses'))"
    )
    always = ["workos_importer.cli.parser", "workos_importer.cli.streams"]
    assert python(code, "--help").stdout.splitlines()[-1] == str(always)
    meant = python(code, "generate", "--help").stdout.splitlines()[-1]
    assert "cli.generate'" in meant and "cli.import_'" not in meant and "cli.sandbox'" not in meant


def test_the_list_of_commands_is_what_they_say_of_themselves() -> None:
    """Named one by one in the list, described once more in the file of each."""
    listed = cli._parser(None, Streams()).format_help()
    for name in cli._COMMANDS:
        assert cli._parser(name, Streams()).format_help() == listed, name
    files = (ROOT / "python/workos_importer/cli").glob("[a-z]*.py")
    commands = {path.stem for path in files if "commands.add_parser(" in path.read_text(encoding="utf-8")}
    assert {file for file, _ in cli._COMMANDS.values()} == commands


def test_public_names() -> None:
    for name in workos_importer.__all__:
        assert getattr(workos_importer, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'Imports'"):
        _ = workos_importer.Imports  # type: ignore[attr-defined]
    everything: dict[str, object] = {}
    exec("from workos_importer import *", everything)
    assert set(everything) - {"__builtins__"} == set(workos_importer.__all__)
    unasked = python("import workos_importer; print(dir(workos_importer))").stdout
    assert set(workos_importer.__all__) <= set(ast.literal_eval(unasked))
    assert set(workos_importer.__all__) <= set(dir(workos_importer))
    assert workos_importer.__version__ == metadata.version("workos-importer")
    assert list(workos_importer.__all__) == sorted(workos_importer.__all__)


def test_every_file_says_what_it_owns_and_is_small() -> None:
    for path in sorted((ROOT / "python").rglob("*.py*")):
        if path.suffix not in (".py", ".pyi"):
            continue
        text = path.read_text(encoding="utf-8")
        assert ast.get_docstring(ast.parse(text)), path
        # The stub has every name of one module, whose code is in many files.
        assert path.suffix == ".pyi" or len(text.splitlines()) <= 400, path


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
