"""Owns the pytest plugin: its fixtures as a test author uses them, and that it costs others nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import polars
import pytest

import workos_importer
from conftest import environment, python
from workos_importer import Importer, OrganizationRef, SourceError
from workos_importer.testing import assert_importable

pytest_plugins = ["pytester"]

PACKAGE = Path(workos_importer.__file__).parent


def passes(pytester: pytest.Pytester, code: str, count: int, *arguments: str) -> pytest.RunResult:
    """Runs tests in a pytest of their own, where every warning is an error and markers are strict."""
    pytester.makepyfile(code)
    result = pytester.runpytest_subprocess("-W", "error", "--strict-markers", "-p", "no:cacheprovider", *arguments)
    result.assert_outcomes(passed=count)
    return result


def test_each_test_has_a_sandbox_of_its_own(pytester: pytest.Pytester) -> None:
    code = """
        import pytest

        @pytest.mark.parametrize("name", ["ada", "grace"])
        def test_import(workos_sandbox, workos_importer_factory, name):
            summary = workos_importer_factory().run([{"email": f"{name}@example.com"}]).wait()
            assert summary.created == 1
            assert [user["email"] for user in workos_sandbox.dump()["users"]] == [f"{name}@example.com"]

        def test_a_second_importer_knows_the_runs_of_the_first(workos_importer_factory):
            workos_importer_factory().run([{"email": "ada@example.com"}], run_id="crm").wait()
            [info] = workos_importer_factory(on_existing="update").runs()
            assert info.id == "crm"

        def test_there_are_no_runs_of_other_tests(workos_importer_factory):
            assert workos_importer_factory().runs() == []
    """
    passes(pytester, code, 4)
    assert not (pytester.path / ".workos-importer").exists()


def test_the_marker_has_the_sandboxs_settings(pytester: pytest.Pytester) -> None:
    code = """
        import pytest
        from workos_importer import Sandbox

        pytestmark = pytest.mark.workos_sandbox(multiple_roles=False)
        ROWS = [{"email": "ada@example.com", "org_external_id": "a", "org_name": "A", "role_slugs": "admin,member"}]

        def test_of_the_module(workos_importer_factory):
            assert workos_importer_factory().run(ROWS).wait().failed == 1

        @pytest.mark.workos_sandbox(multiple_roles=True)
        def test_of_the_function(workos_importer_factory):
            assert workos_importer_factory().run(ROWS).wait().failed == 0
    """
    passes(pytester, code, 2)
    pytester.makepyfile(
        "import pytest\n@pytest.mark.workos_sandbox('fast')\ndef test_it(workos_sandbox): ...\n",
    )
    result = pytester.runpytest_subprocess()
    result.stdout.fnmatch_lines(["*takes named settings only*"])


def test_a_large_import_does_not_wait_for_limits(pytester: pytest.Pytester) -> None:
    code = """
        def test_it(workos_importer_factory):
            rows = [{"email": f"user{number}@example.com"} for number in range(1500)]
            summary = workos_importer_factory().run(rows).wait()
            assert (summary.created, summary.paused_seconds, summary.turned_away) == (1500, 0, 0)
            assert summary.duration_seconds < 15  # the documented limit takes 20 s for this
    """
    passes(pytester, code, 1)


def test_code_that_makes_its_own_importer_finds_the_sandbox(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKOS_SECRET_KEY", "sk_live_of_the_shell")
    code = """
        import json, os, urllib.request
        from workos_importer import Importer

        def test_it(workos_sandbox, workos_sandbox_url):
            importer = Importer()
            assert importer.run([{"email": "ada@example.com"}]).wait().created == 1
            assert len(workos_sandbox.dump()["users"]) == 1
            request = urllib.request.Request(
                workos_sandbox_url + "/user_management/users",
                headers={"Authorization": "Bearer " + os.environ["WORKOS_API_KEY"]},
            )
            with urllib.request.urlopen(request) as answer:
                assert json.load(answer)["data"][0]["email"] == "ada@example.com"

        def test_afterwards_everything_is_as_it_was():
            assert os.environ["WORKOS_SECRET_KEY"] == "sk_live_of_the_shell"
            assert "WORKOS_API_URL" not in os.environ and "WORKOS_API_KEY" not in os.environ
    """
    passes(pytester, code, 2)
    assert not (pytester.path / ".workos-importer").exists()


def test_a_source_that_cannot_be_imported_fails_with_a_table(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_good(assert_importable):
            assert assert_importable([{"email": "ada@example.com"}]).valid == 1

        def test_bad(assert_importable):
            rows = [{"email": "ada@example.com"}, {"email": "nobody", "email_verified": "maybe"}]
            rows += [{"email": "", "name": "X"}, {"email": "grace@example.com", "metadata": "{"}]
            assert_importable(rows, most=3)
        """
    )
    result = pytester.runpytest_subprocess("-W", "error")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*AssertionError: 3 of 4 rows cannot be imported.",
            "E*User-only mode: No memberships will be created",
            "E*record  severity  code*column*problem",
            "E*     2  error     invalid_email    email           *",
            "E*     2  error     invalid_boolean  email_verified  *",
            "E*     3  error     missing_email *",
            "E*and 1 more",
        ]
    )
    # The test's own line is what is shown, not the inside of the assertion.
    result.stdout.no_fnmatch_line("*testing.py*")


def test_it_works_without_pytest_and_with_options(folder: Path) -> None:
    (folder / "users.csv").write_text("E-Mail\nada@example.com\nnobody\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="1 of 2 rows") as caught:
        assert_importable(folder / "users.csv", mapping={"E-Mail": "email"})
    lines = str(caught.value).splitlines()
    assert lines[3].split() == ["record", "line", "severity", "code", "column", "problem"]
    assert lines[4].split()[:5] == ["2", "3", "error", "invalid_email", "E-Mail"]

    organization = OrganizationRef(id="org_1")
    report = assert_importable([{"email": "ada@example.com"}], importer=Importer(organization=organization))
    assert (report.mode, report.memberships) == ("single-org", 1)
    with pytest.raises(TypeError):
        assert_importable([], importer=Importer(), strict=True)
    (folder / "users.csv").write_text("email\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="no rows"):
        assert_importable(folder / "users.csv")
    with pytest.raises(AssertionError, match="cannot be read: No `email` column") as caught:
        assert_importable([{"mail": "ada@example.com"}])
    assert isinstance(caught.value.__cause__, SourceError)

    code = (
        "import sys, workos_importer.testing as testing\n"
        "testing.assert_importable([{'email': 'a@b.c'}])\n"
        "print('pytest' in sys.modules)"
    )
    assert python(code).stdout == "False\n"


@pytest.mark.parametrize("frame", [pandas.DataFrame, polars.DataFrame])
def test_frames_are_checked_as_they_are(frame: Callable[..., Any]) -> None:
    assert assert_importable(frame({"email": ["ada@example.com"], "external_id": [7]})).valid == 1
    with pytest.raises(AssertionError, match="1 of 2 rows") as caught:
        assert_importable(frame({"email": ["ada@example.com", "nobody"]}))
    assert "invalid_email" in str(caught.value)


def test_warnings_count_if_they_are_to() -> None:
    rows = [{"email": "ada@example.com", "shoe_size": 43}]
    assert assert_importable(rows).warnings == 1
    with pytest.raises(AssertionError, match="1 rows can be imported, but there are 1 problems") as caught:
        assert_importable(rows, warnings=True)
    assert "warning   unknown_columns" in str(caught.value)


def test_no_secret_is_in_the_message() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_importable([{"email": "nobody", "password": "hunter2-hunter2", "password_hash": "x-secret-x"}])
    assert "hunter2" not in str(caught.value) and "x-secret-x" not in str(caught.value)


def test_who_does_not_use_it_loads_next_to_nothing(pytester: pytest.Pytester) -> None:
    code = """
        import sys

        def test_it():
            ours = sorted(name for name in sys.modules if name.startswith("workos_importer"))
            assert ours == ["workos_importer", "workos_importer.pytest_plugin"]
    """
    passes(pytester, code, 1)
    cost = (
        "import time, pytest\n"
        "before = time.perf_counter()\n"
        "import workos_importer.pytest_plugin\n"
        "print(time.perf_counter() - before)"
    )
    least = min(float(python(cost).stdout) for _ in range(3))
    assert least < 0.05


def test_each_test_has_a_kratos_of_its_own(pytester: pytest.Pytester) -> None:
    code = """
        import json
        import os
        import urllib.request
        import pytest

        IDENTITIES = "/admin/identities"

        @pytest.mark.parametrize("name", ["ada", "grace"])
        def test_it(kratos_sandbox, name):
            kratos_sandbox.seed("POST", IDENTITIES, {"traits": {"email": f"{name}@example.com"}})
            assert len(kratos_sandbox.dump()["identities"]) == 1

        @pytest.mark.kratos_sandbox(token="secret", batches=False)
        def test_code_that_reads_its_settings(kratos_sandbox, kratos_sandbox_url):
            assert os.environ["KRATOS_ADMIN_URL"] == kratos_sandbox_url
            token = os.environ["KRATOS_ADMIN_TOKEN"]
            request = urllib.request.Request(
                kratos_sandbox_url + IDENTITIES, headers={"Authorization": f"Bearer {token}"}
            )
            with urllib.request.urlopen(request) as answer:
                assert json.load(answer) == []
            assert kratos_sandbox.seed("PATCH", IDENTITIES, {"identities": []})["error"]["code"] == 404

        def test_there_is_no_token_unless_one_is_set(kratos_sandbox_url):
            assert "KRATOS_ADMIN_TOKEN" not in os.environ
            with urllib.request.urlopen(kratos_sandbox_url + IDENTITIES) as answer:
                assert answer.status == 200
    """
    passes(pytester, code, 4)


def test_it_can_be_left_out(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("-p", "no:workos-importer", "--fixtures")
    assert "workos_sandbox" not in result.stdout.str()
    result = pytester.runpytest_subprocess("--fixtures")
    result.stdout.fnmatch_lines(["workos_sandbox -- *", "*An empty WorkOS environment of this test's own*"])


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The package as a wheel installs it: the files that it has are listed, so that pytest rewrites them."""
    site = tmp_path / "site"
    shutil.copytree(PACKAGE, site / "workos_importer", ignore=shutil.ignore_patterns("__pycache__"))
    information = site / "workos_importer-0.0.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: workos-importer\nVersion: 0.0.0\n")
    (information / "entry_points.txt").write_text("[pytest11]\nworkos-importer = workos_importer.pytest_plugin\n")
    files = [str(path.relative_to(site).as_posix()) for path in site.rglob("*") if path.is_file()]
    (information / "RECORD").write_text("".join(f"{name},,\n" for name in files))
    return site


def test_a_program_that_uses_the_package_may_call_pytest(installed: Path, folder: Path) -> None:
    (folder / "test_it.py").write_text(
        "import workos_importer\n"
        "def test_it(workos_sandbox):\n"
        f"    assert workos_importer.__file__.startswith({str(installed)!r})\n",
        encoding="utf-8",
    )
    code = "import sys, workos_importer, pytest; sys.exit(pytest.main(['-W', 'error', 'test_it.py']))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment(PYTHONPATH=os.fspath(installed)),
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
