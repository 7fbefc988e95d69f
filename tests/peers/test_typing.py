"""Owns the promise of `py.typed`: what users write passes mypy and pyright, both strict, and their mistakes do not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TYPING = Path(__file__).parents[1] / "typing"
PYRIGHT = Path(__file__).parents[1] / "node/node_modules/pyright/index.js"

CHECKERS = {
    "mypy": [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--cache-dir", "{cache}"],
    "pyright": ["node", str(PYRIGHT), "--project", "{here}", "--pythonpath", sys.executable],
}


@pytest.mark.parametrize("checker", CHECKERS)
def test_user_code_is_right_and_its_mistakes_are_found(tmp_path: Path, checker: str) -> None:
    done = checked(checker, TYPING, tmp_path, "right.py", "wrong.py")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_mistake_that_is_none_is_reported(tmp_path: Path, checker: str) -> None:
    """That every line of `wrong.py` is a mistake would else be no news."""
    for name in ("mypy.ini", "pyrightconfig.json"):
        (tmp_path / name).write_text((TYPING / name).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "mistaken.py").write_text(
        "from workos_importer import Importer\n\n"
        'Importer(on_existing="skip")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]\n',
        encoding="utf-8",
    )
    done = checked(checker, tmp_path, tmp_path, "mistaken.py")
    assert done.returncode == 1
    assert "nused" in done.stdout or "nnecessary" in done.stdout


def checked(checker: str, here: Path, cache: Path, *files: str) -> subprocess.CompletedProcess[str]:
    """Runs a checker over files of a folder, with the folder's own settings."""
    arguments = [part.format(cache=cache / "cache", here=here) for part in CHECKERS[checker]]
    if checker == "mypy":
        arguments += files
    return subprocess.run(arguments, cwd=here, capture_output=True, text=True, check=False)
