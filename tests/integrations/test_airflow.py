"""Owns imports as tasks of the real Airflow, 3 and 2: DAGs are run, killed in the middle, and tried again."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from workos_importer import Importer, Sandbox

# Before Airflow is loaded: it reads where it lives once.
HOME = Path(tempfile.mkdtemp(prefix="airflow-"))
DAGS = HOME / "dags"
os.environ |= {
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
}
for variable in [name for name in os.environ if name.startswith("WORKOS_") or name.lower().endswith("_proxy")]:
    del os.environ[variable]

KEY = "sk_test_very_secret"
DAY = datetime(2026, 11, 22, tzinfo=timezone.utc)

#: How each DAG file begins. Airflow 3 has the names in `airflow.sdk`.
HEAD = """
import json, os, sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

try:
    from airflow.sdk import DAG, task
except ImportError:
    from airflow import DAG
    from airflow.decorators import task

from workos_importer import OrganizationRef
from workos_importer.airflow import WorkOSHook, WorkOSImportOperator

@task(trigger_rule="all_done")
def told(ti=None):
    Path(os.environ["TOLD"]).write_text(json.dumps(ti.xcom_pull(task_ids="import")))

def dag(name, **more):
    return DAG(name, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), **more)

AGAIN = {"retries": 1, "retry_delay": timedelta(seconds=0)}
RUNS = os.environ["RUNS"]
"""


@pytest.fixture(scope="session", autouse=True)
def airflow() -> Iterator[None]:
    """Airflow's database."""
    DAGS.mkdir()
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
    if major() < 3:
        # Tables that others of Airflow 2 refer to, and that it does not load where DAGs are only run.
        importlib.import_module("airflow.providers.fab.auth_manager.models")
    yield
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture
def sandbox() -> Sandbox:
    """An environment that lets one key in."""
    return Sandbox(limits=False, key=KEY, latency=0.01)


@pytest.fixture
def work(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder; the connection leads to the sandbox."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("TOLD", str(tmp_path / "told.json"))
    with sandbox.serve() as server:
        connect(monkeypatch, server.url)
        yield tmp_path


def connect(monkeypatch: pytest.MonkeyPatch, url: str, key: str = KEY, **extra: Any) -> None:
    """Sets the default connection."""
    value = {"conn_type": "workos", "password": key, "host": url, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_WORKOS_DEFAULT", json.dumps(value))


def written(name: str, code: str) -> Path:
    """A DAG file."""
    path = DAGS / f"{name}.py"
    path.write_text(HEAD + code)
    return path


def loaded(path: Path) -> ModuleType:
    """A DAG file as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def ran(name: str, code: str, when: datetime | None = DAY) -> dict[Any, tuple[str, int]]:
    """Runs the DAG `found` of a file; gives the state of each task, and how many attempts it took."""
    found = loaded(written(name, code)).found
    ended = found.test(**{logical_date(): when})
    return {
        (one.task_id if one.map_index < 0 else (one.task_id, one.map_index)): (str(one.state), attempts(one))
        for one in ended.get_task_instances()
    }


def attempts(instance: Any) -> int:
    """How many attempts a task took."""
    return int(instance.try_number)


def major() -> int:
    """Airflow's major version."""
    from importlib.metadata import version

    return int(version("apache-airflow").partition(".")[0])


def logical_date() -> str:
    """What `DAG.test` calls the logical date."""
    return "logical_date" if major() >= 3 else "execution_date"


def told(work: Path) -> Any:
    """What the task has handed on through XCom."""
    return json.loads((work / "told.json").read_text())


def users(sandbox: Sandbox) -> list[str]:
    """Who is in the directory."""
    return [user["email"] for user in sandbox.dump()["users"]]


def runs(work: Path) -> list[str]:
    """The runs on disk."""
    return sorted(path.name for path in (work / "runs").iterdir() if path.is_dir())


def test_rows_of_a_function_are_imported_and_the_figures_handed_on(
    work: Path, sandbox: Sandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    states = ran(
        "functions",
        """
def rows(count, ds, ti=None):
    assert ti.task_id == "import"
    return ({"email": f"user{n}@{ds}.example.com", "password": "correct horse"} for n in range(count))

with dag("functions") as found:
    WorkOSImportOperator(
        task_id="import",
        python_callable=rows,
        op_args=[3],
        organization=OrganizationRef(external_id="{{ dag.dag_id }}", name="Acme Inc.", create_if_missing=True),
        run_dir=RUNS,
        results_out=RUNS + "-{{ ds }}.csv",
        report_out=RUNS + "-{{ ds }}.html",
    ) >> told()
""",
    )
    assert states == {"import": ("success", 1), "told": ("success", 1)}
    assert sorted(users(sandbox)) == [f"user{n}@2026-11-22.example.com" for n in range(3)]
    assert [one["external_id"] for one in sandbox.dump()["organizations"]] == ["functions"]
    figures = told(work)
    assert (figures["created"], figures["memberships_created"], figures["ok"], figures["mode"]) == (
        3,
        3,
        True,
        "single-org",
    )
    [run] = runs(work)
    assert figures["run_id"] == run and run.startswith("functions.import.20261122T000000Z.")
    assert figures["folder"].endswith(run) and Path(f"{work}/runs-2026-11-22.csv").exists()
    assert figures["report"] == f"{work}/runs-2026-11-22.html"
    assert "functions.import" in Path(figures["report"]).read_text()
    out = "".join(capfd.readouterr())
    assert "Single-org mode" in out and "Created/Updated/Unchanged: 3/0/0" in out
    # Neither rows nor secrets are handed on or logged.
    for secret in (KEY, "correct horse"):
        assert secret not in out and secret not in json.dumps(figures)
    assert "@" not in json.dumps(figures)


def test_another_attempt_goes_on_where_the_api_went_away(
    work: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = ModuleType("held")
    monkeypatch.setitem(sys.modules, "held", held)
    held.sandbox, held.server = sandbox, sandbox.serve()  # type: ignore[attr-defined]
    url = held.server.url
    connect(monkeypatch, url, run_dir=str(work / "runs"), give_up_after="1s", concurrency="1")
    states = ran(
        "away",
        """
import time
import held

def rows(ti):
    first = ti.try_number == 1
    if not first:
        port = int(held.server.url.rpartition(":")[2])
        held.server = held.sandbox.serve(port)
    for n in range(10):
        if first and n == 4:
            # Longer than rows are gathered before they are handed over.
            time.sleep(0.2)
        if first and n == 5:
            while len(held.sandbox.dump()["users"]) < 3:
                time.sleep(0.01)
            held.server.close()
        yield {"email": f"user{n}@example.com"}

with dag("away") as found:
    WorkOSImportOperator(task_id="import", python_callable=rows, **AGAIN) >> told()
""",
    )
    held.server.close()
    assert states["import"] == ("success", 2)
    assert sorted(users(sandbox)) == [f"user{n}@example.com" for n in range(10)]
    figures = told(work)
    # The figures are those of both attempts, which are one run.
    assert (figures["created"], figures["total"], runs(work)) == (10, 10, [figures["run_id"]])


SIMPLE = """
with dag("NAME") as found:
    WorkOSImportOperator(task_id="import", source="users.csv", run_dir=RUNS, **AGAIN)
"""

KILLED = """
def rows():
    return [
        {"email": f"user{n}@example.com", "org_external_id": f"org{n % 3}", "org_name": "An Org"} for n in range(80)
    ]

with dag("NAME") as found:
    WorkOSImportOperator(
        task_id="import",
        python_callable=rows,
        run_dir=RUNS,
        importer_options={"concurrency": 2},
        progress_every=0.2,
        **AGAIN,
    ) >> told()

if __name__ == "__main__":
    found.test(**{sys.argv[1]: datetime(2026, 11, 22, tzinfo=timezone.utc)})
"""


@pytest.mark.skipif(os.name != "posix", reason="signals are of POSIX")
@pytest.mark.parametrize("signal_name", ["SIGTERM", "SIGKILL"])
def test_killed_in_the_middle_another_attempt_loses_no_row_and_doubles_none(
    signal_name: str, work: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    sandbox = Sandbox(limits=False, latency=0.05)
    name = f"killed_{signal_name.lower()}"
    code = KILLED.replace("NAME", name)
    with sandbox.serve() as server:
        connect(monkeypatch, server.url)
        process = subprocess.Popen([sys.executable, str(written(name, code)), logical_date()])
        # Not after a time, which a fast machine would outrun: when so many users are there.
        while len(users(sandbox)) < 20 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(getattr(signal, signal_name))
        code_of_exit = process.wait(240)
        if signal_name == "SIGKILL":
            assert code_of_exit == -signal.SIGKILL
        if signal_name == "SIGKILL" or major() < 3:
            assert 20 <= len(users(sandbox)) < 80
            # The same task of the same DAG run, once more.
            assert ran(name, code)["import"][0] == "success"
        # Else it has drained, and the second attempt, in the same process here, has done the rest.
    if signal_name == "SIGTERM":
        out = "".join(capfd.readouterr())
        assert "what is in flight ends" in out and "rows, 0 failed" in out
        assert ("were not reached" if major() >= 3 else "Task received SIGTERM") in out
    assert sorted(users(sandbox)) == sorted(f"user{n}@example.com" for n in range(80))
    dump = sandbox.dump()
    assert len(dump["organizations"]) == 3
    assert len({(one["user_id"], one["organization_id"]) for one in dump["organization_memberships"]}) == 80
    assert len(dump["organization_memberships"]) == 80
    figures = told(work)
    assert (figures["total"], figures["failed"], figures["pending"]) == (80, 0, 0)
    assert (figures["created"], figures["memberships_created"]) == (80, 80)
    assert runs(work) == [figures["run_id"]]


def test_what_another_attempt_cannot_mend_is_not_tried_again(
    work: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (work / "users.csv").write_text("email\nada@example.com\n")
    (work / "wrong.csv").write_text("email\nada@example.com\nnobody\n")
    (work / "other.csv").write_text("mail\nada@example.com\n")
    states = ran(
        "final",
        """
with dag("final", max_active_tasks=1) as found:
    def one(name, source, **more):
        WorkOSImportOperator(task_id=name, source=source, **{"run_dir": RUNS, **AGAIN, **more})

    one("wrong_rows", "wrong.csv")
    one("wrong_columns", "other.csv")
    one("no_such_option", "users.csv", importer_options={"on_exist": "skip"})
    one("key_in_the_dag", "users.csv", importer_options={"api_key": "sk_test_in_the_dag"})
    one("no_such_connection", "users.csv", workos_conn_id="nowhere")
    one("no_organization", "users.csv", organization={"external_id": "{{ var.value.get('nothing', '') }}"})
    one("unknown_organization", "users.csv", organization={"external_id": "acme"})
    one("no_run_folder", "users.csv", run_dir=None)
    one("rows_in_a_template", [{"email": "ada@example.com"}])
    one("not_there_yet", "nowhere.csv")
""",
    )
    assert states.pop("not_there_yet") == ("failed", 2)
    assert states == dict.fromkeys(states, ("failed", 1)) and len(states) == 9
    assert users(sandbox) == ["ada@example.com"]
    out = "".join(capfd.readouterr())
    assert "Importer has no option on_exist" in out and "neither id nor external_id" in out
    assert "No run folder is given" in out and "importer_options cannot have api_key" in out

    connect(monkeypatch, os.environ["AIRFLOW_CONN_WORKOS_DEFAULT"].split('"')[11], "sk_test_other_secret")
    assert ran("refused", SIMPLE.replace("NAME", "refused")) == {"import": ("failed", 1)}
    out = "".join(capfd.readouterr())
    assert "does not accept the key" in out and "other_secret" not in out


def test_when_failed_rows_fail_the_task(work: Path, sandbox: Sandbox) -> None:
    assert sandbox.dump()["users"] == []
    (work / "users.csv").write_text("email\n" + "".join(f"user{n}@example.com\n" for n in range(9)) + "nobody\n")
    states = ran(
        "ratios",
        """
with dag("ratios", max_active_tasks=1) as found:
    for name, fail_on in {"any": "any", "none": "none", "tenth": 0.1, "less": 0.09}.items():
        WorkOSImportOperator(task_id=name, source="users.csv", run_dir=RUNS, fail_on=fail_on, **AGAIN)
    WorkOSImportOperator(task_id="empty", python_callable=lambda: [], run_dir=RUNS)
    WorkOSImportOperator(task_id="empty_none", python_callable=lambda: [], run_dir=RUNS, fail_on="none")
    WorkOSImportOperator(
        task_id="import", source="users.csv", run_dir=RUNS, importer_options={"max_errors": 0}, fail_on="none"
    ) >> told()
""",
    )
    assert states == {
        "any": ("failed", 1),
        "none": ("success", 1),
        "tenth": ("success", 1),
        "less": ("failed", 1),
        "empty": ("failed", 1),
        "empty_none": ("success", 1),
        # It stopped before its end: rows that were not reached are not done, whatever fail_on says.
        "import": ("failed", 1),
        "told": ("success", 1),
    }
    # What has failed is told too.
    assert told(work)["status"] in ("Stopped", "Failed") and told(work)["failed"] == 1


def test_each_mapped_task_has_a_run_of_its_own(work: Path, sandbox: Sandbox) -> None:
    for name in ("ada", "grace"):
        (work / f"{name}.csv").write_text(f"email\n{name}@example.com\n")
    states = ran(
        "mapped",
        """
with dag("mapped", max_active_tasks=1) as found:
    @task
    def files():
        return ["ada.csv", "grace.csv"]

    WorkOSImportOperator.partial(task_id="import", run_dir=RUNS).expand(source=files())
""",
    )
    assert states[("import", 0)] == states[("import", 1)] == ("success", 1)
    assert sorted(users(sandbox)) == ["ada@example.com", "grace@example.com"]
    assert [name.rpartition(".")[0] for name in runs(work)] == [
        f"mapped.import.20261122T000000Z.{index}" for index in (0, 1)
    ]


@pytest.mark.skipif(major() < 3, reason="each DAG run of Airflow 2 has a logical date")
def test_without_a_logical_date_the_dag_run_names_the_run(work: Path) -> None:
    (work / "users.csv").write_text("email\nada@example.com\n")
    code = (
        'with dag("dateless") as found:\n    WorkOSImportOperator(task_id="import", source="users.csv", run_dir=RUNS)\n'
    )
    assert ran("dateless", code, None) == {"import": ("success", 1)}
    [run] = runs(work)
    assert run.startswith("dateless.import.manual__")


def test_a_task_needs_one_source_and_a_known_fail_on() -> None:
    from workos_importer import ConfigError
    from workos_importer.airflow import WorkOSImportOperator

    with pytest.raises(ConfigError, match="one of the two"):
        WorkOSImportOperator(task_id="import", run_dir="runs")
    with pytest.raises(ConfigError, match="fail_on must be"):
        WorkOSImportOperator(task_id="import", source="users.csv", fail_on="some")  # type: ignore[arg-type]


def test_the_samples_of_the_documentation_run(work: Path, sandbox: Sandbox) -> None:
    text = (Path(__file__).parents[2] / "docs" / "airflow.md").read_text().replace("/mnt/shared", str(work))
    samples = re.findall(r"```py\n(.*?)```", text, re.DOTALL)
    (work / "exports").mkdir()
    for name in ("users-2026-11-22", "users"):
        (work / "exports" / f"{name}.csv").write_text("email\nada@example.com\n")
    for name, sample in zip(("sync_users", "sync_region"), samples[:2], strict=True):
        code = re.sub(r"^(with DAG\(.*\)):$", r"\1 as found:", sample, count=1, flags=re.MULTILINE)
        if major() < 3:
            code = code.replace("from airflow.sdk import DAG", "from airflow import DAG")
        assert ran(name, code) == {"import_users": ("success", 1)}
    assert users(sandbox) == ["ada@example.com", "eu-2026-11-22@example.com"]
    loaded(written("sample_hook", samples[2])).verify_users()


def test_airflow_knows_the_connection_type(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert work.exists()
    from airflow.providers_manager import ProvidersManager

    from workos_importer.airflow import WorkOSHook

    manager = ProvidersManager()
    hook = manager.hooks["workos"]
    assert hook is not None and hook.hook_name == "WorkOS"
    assert hook.hook_class_name == "workos_importer.airflow.hook.WorkOSHook"
    form = manager.field_behaviours["workos"]
    assert (
        form["relabeling"]["password"] == "Secret key"
        and "login" in form["hidden_fields" if "hidden_fields" in form else "hidden-fields"]
    )
    assert WorkOSHook().test_connection() == (True, "Ready")
    assert isinstance(WorkOSHook().get_conn(), Importer)
    connect(monkeypatch, "http://127.0.0.1:9", "sk_test_other_secret")
    works, why = WorkOSHook().test_connection()
    assert not works and "could not connect" in why and "other_secret" not in why
    connect(monkeypatch, "api.workos.com", "", headrom="10%")
    assert WorkOSHook().test_connection() == (
        False,
        "The connection workos_default has no password: put the secret key there.",
    )
    connect(monkeypatch, "api.workos.com", headrom="10%")
    works, why = WorkOSHook().test_connection()
    assert not works and "unknown extras: headrom" in why
    connect(monkeypatch, "api.workos.com")
    assert WorkOSHook().settings()["base_url"] == "https://api.workos.com"
