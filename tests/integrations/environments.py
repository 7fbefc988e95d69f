"""Owns the environments of the integrations' tests: one for each scheduler, kept under build/, with our wheel in it.

`python tests/integrations/environments.py airflow-3 dagster` runs the tests of these; without names those of all.
Where a scheduler cannot be installed at all (no network, a Python that it does not know), its tests are skipped, and
why is printed. Exits with 1 if any test fails.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
TESTS = {"airflow-3": "test_airflow.py", "airflow-2": "test_airflow.py", "dagster": "test_dagster.py"}
# What the tests themselves need.
TOOLS = ("pytest>=9,<10", "pytest-timeout>=2.4,<3")


def pip(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """pip of an environment, quiet; its output is told only if it fails."""
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def prepared(name: str, wheel: Path) -> Path | str:
    """The Python of an environment in which scheduler, tools and wheel are; or why there is none."""
    folder = ROOT / "build" / f"venv-{name}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wanted = (HERE / f"{name}.txt").read_text()
    stamp = folder / ".installed"
    digest = hashlib.sha256(f"{wanted}{TOOLS}{sys.version}".encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        done = pip(python, "--prefer-binary", "-r", str(HERE / f"{name}.txt"), *TOOLS)
        if done.returncode != 0:
            return (done.stderr.strip() or "pip failed").splitlines()[-1]
        stamp.write_text(digest)
    # Its dependencies first; then the wheel itself, whose version does not tell one build from another.
    for arguments in ([str(wheel)], ["--force-reinstall", "--no-deps", str(wheel)]):
        done = pip(python, *arguments)
        if done.returncode != 0:
            raise SystemExit(f"{name}: our wheel cannot be installed: {done.stderr.strip()}")
    return python


def main(names: list[str]) -> int:
    """Runs the tests of the schedulers with these names."""
    wheels = sorted((ROOT / "build" / "wheels").glob("*.whl"))
    if len(wheels) != 1:
        raise SystemExit("build/wheels must have one wheel: make test-integrations builds it")
    failed = False
    for name in names or list(TESTS):
        begun = time.monotonic()
        python = prepared(name, wheels[0])
        if isinstance(python, str):
            print(f"SKIPPED {name}: it cannot be installed here: {python}", flush=True)
            continue
        print(f"{name}: installed after {time.monotonic() - begun:.0f} s", flush=True)
        # Not from the root: our package is taken from the environment, as users have it.
        done = subprocess.run([str(python), "-m", "pytest", TESTS[name]], cwd=HERE, check=False)
        failed |= done.returncode != 0
        print(f"{name}: done after {time.monotonic() - begun:.0f} s", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
