"""Owns the promise that the examples work as their README says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Run, environment

EXAMPLES = Path(__file__).parents[2] / "examples"
ACME = ("--org-external-id", "acme-123", "--create-org-if-missing", "--org-name", "Acme Inc.")


@pytest.mark.parametrize(
    ("name", "flags", "imported"),
    [
        ("example-input.csv", (), "6/6"),
        ("single-org.csv", ACME, "3/3"),
        ("multi-org-simple.csv", (), "10/10"),
        ("multi-org-create.csv", (), "3/3"),
        ("multi-org-existing.csv", (), "0/3"),
        ("multi-org-mixed.csv", (), "3/4"),
        ("with-errors.csv", (), "3/12"),
        ("users.ndjson", (), "3/3"),
    ],
)
def test_a_file_imports_as_many_rows_as_it_says(run: Run, name: str, flags: tuple[str, ...], imported: str) -> None:
    done = run("import", str(EXAMPLES / name), "--sandbox", *flags)
    assert f"│ Users imported: {imported} " in done.stdout, done.stderr


def test_identities_go_into_a_kratos(run: Run) -> None:
    schema = ("--identity-schema", str(EXAMPLES / "identity.schema.json"))
    done = run("import", str(EXAMPLES / "identities.csv"), "--sandbox", "--target", "kratos", *schema)
    assert "│ Identities imported: 3/3 " in done.stdout, done.stderr


def test_the_seeds_example_has_its_cache_figures(run: Run) -> None:
    done = run("import", str(EXAMPLES / "multi-org-simple.csv"), "--sandbox")
    for text in ("Cache hits: 6", "Cache misses: 4", "Cache hit rate: 60.0%"):
        assert f"│ {text} " in done.stdout


@pytest.mark.parametrize("script", ["import_from_python.py", "import_async.py"])
def test_a_script_runs_to_its_end(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / script)],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_the_example_for_pytest_passes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLES / "pytest_example.py")],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout
