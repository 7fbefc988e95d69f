"""Owns imports as assets of the real Dagster: materialized, killed in the middle, and tried again."""

# No `from __future__ import annotations`: Dagster reads the annotations of assets as they are.

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import ReexecutionOptions, execute_job, reconstructable

from workos_importer import Sandbox
from workos_importer.dagster import WorkOSResource, check_of_validation, name_of_run

KEY = "sk_test_very_secret"
for variable in [name for name in os.environ if name.startswith("WORKOS_") or name.lower().endswith("_proxy")]:
    del os.environ[variable]


@pytest.fixture
def sandbox() -> Sandbox:
    """An environment that lets one key in."""
    return Sandbox(limits=False, key=KEY, latency=0.01)


@pytest.fixture
def work(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder; the variables lead to the sandbox."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    monkeypatch.setenv("RUNS", str(tmp_path / "runs"))
    with sandbox.serve() as server:
        monkeypatch.setenv("SANDBOX_URL", server.url)
        monkeypatch.setenv("IMPORT_KEY", KEY)
        yield tmp_path


def resource(**more: Any) -> WorkOSResource:
    """The resource as users write it: the key in a variable."""
    values = {"base_url": dg.EnvVar("SANDBOX_URL"), "run_dir": dg.EnvVar("RUNS"), **more}
    return WorkOSResource(**{"api_key": dg.EnvVar("IMPORT_KEY"), **values})


def people(count: int) -> list[dict[str, Any]]:
    """Rows of distinct users in three organizations."""
    return [
        {"email": f"user{n}@example.com", "org_external_id": f"org{n % 3}", "org_name": "An Org"} for n in range(count)
    ]


def ran(*definitions: Any, **more: Any) -> Any:
    """Materializes assets with their checks."""
    workos = more.pop("workos", None) or resource()
    return dg.materialize(definitions, resources={"workos": workos}, raise_on_error=False, **more)


def users(sandbox: Sandbox) -> list[str]:
    """Who is in the directory."""
    return sorted(user["email"] for user in sandbox.dump()["users"])


def runs(work: Path) -> list[str]:
    """The runs on disk."""
    return sorted(path.name for path in (work / "runs").iterdir() if path.is_dir())


def metadata(result: Any, asset: str = "directory") -> dict[str, Any]:
    """What Dagster shows of a materialization."""
    [event] = result.asset_materializations_for_node(asset)
    return {name: value.value for name, value in event.metadata.items()}


def test_an_asset_has_the_figures_and_its_checks_pass(
    work: Path, sandbox: Sandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = people(5)

    @dg.asset
    def directory(context: dg.AssetExecutionContext, workos: WorkOSResource) -> dg.MaterializeResult:
        return workos.materialize(
            context, rows, on_existing="update", errors_out=work / "errors.csv", report_out=work / "report.html"
        )

    @dg.asset_check(asset=directory)
    def rows_are_right(workos: WorkOSResource) -> dg.AssetCheckResult:
        return workos.check_source(rows)

    @dg.asset_check(asset=directory)
    def directory_matches(workos: WorkOSResource) -> dg.AssetCheckResult:
        return workos.check_directory(rows)

    result = ran(directory, rows_are_right, directory_matches)
    assert result.success
    assert users(sandbox) == sorted(row["email"] for row in rows)
    found = metadata(result)
    assert (found["created"], found["memberships_created"], found["failed"], found["status"]) == (5, 5, 0, "Success")
    assert [found["run_id"]] == runs(work) and found["folder"] == str(work / "runs" / found["run_id"])
    assert found["errors_out"] == str(work / "errors.csv") and "first_failures" not in found
    assert found["report"] == str(work / "report.html")
    assert found["run_id"] in (work / "report.html").read_text()
    checks = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert {name: one.passed for name, one in checks.items()} == {"rows_are_right": True, "directory_matches": True}
    assert checks["directory_matches"].metadata["matches"].value == 5
    out = "".join(capfd.readouterr())
    assert found["run_id"] in out and "Multi-org mode" in out
    assert KEY not in out and KEY not in repr(result.all_events) and KEY not in repr(WorkOSResource(api_key=KEY))


def test_failed_rows_are_shown_as_tables_and_checks_say_why(work: Path, sandbox: Sandbox) -> None:
    (work / "users.csv").write_text(
        "email,org_external_id,password\nada@example.com,,\nno|body <b>,,correct horse\ngrace@example.com,nowhere,\n"
    )
    sandbox.seed("POST", "/user_management/users", {"email": "ada@example.com"})

    @dg.asset
    def directory(context: dg.AssetExecutionContext, workos: WorkOSResource) -> dg.MaterializeResult:
        return workos.materialize(context, "users.csv", fail_on="none")

    @dg.asset_check(asset=directory)
    def rows_are_right(workos: WorkOSResource) -> dg.AssetCheckResult:
        return workos.check_source("users.csv")

    @dg.asset_check(asset=directory)
    def directory_matches(workos: WorkOSResource) -> dg.AssetCheckResult:
        return workos.check_directory("users.csv")

    result = ran(directory, rows_are_right, directory_matches)
    assert result.success
    found = metadata(result)
    assert (found["failed"], found["unchanged"]) == (2, 1)
    head, line, *lines = found["first_failures"].splitlines()
    assert head == "| record | email | code | why |" and line == "| --- | --- | --- | --- |"
    assert [text.split(" | ")[0] for text in sorted(lines)] == ["| 2", "| 3"]
    assert "grace@example.com" in found["first_failures"] and "correct horse" not in str(found)
    # Cells of the user's own end no cell and are no HTML.
    assert all(text.replace("\\|", "").count("|") == 5 for text in lines) and "<b>" not in found[
        "first_failures"
    ].replace("\\<b\\>", "")
    assert "| 1 | invalid\\_email | no |" in found["causes"]
    checks = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert [one.passed for one in checks.values()] == [False, False]
    assert "invalid\\_email" in checks["rows_are_right"].metadata["first_issues"].value
    assert checks["rows_are_right"].description == "2 of 3 rows are right"
    assert "missing" in checks["directory_matches"].metadata["first_differences"].value


def test_what_another_attempt_cannot_mend_is_not_tried_again(
    work: Path, sandbox: Sandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    (work / "users.csv").write_text("email\nada@example.com\n")
    (work / "wrong.csv").write_text("email\nada@example.com\nnobody\n")

    def attempts(source: str, workos: WorkOSResource | None = None, **options: Any) -> tuple[int, dict[str, Any]]:
        @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
        def directory(context: dg.AssetExecutionContext, workos: WorkOSResource) -> dg.MaterializeResult:
            return workos.materialize(context, source, **options)

        result = ran(directory, workos=workos)
        assert not result.success
        [failed] = [event for event in result.all_events if event.is_step_failure]
        shown = failed.step_failure_data.user_failure_data
        return len([event for event in result.all_events if event.is_step_restarted]) + 1, shown.metadata

    tried, found = attempts("wrong.csv", report_out="report.html")
    assert tried == 1 and found["report"].value == "report.html" and (work / "report.html").exists()
    assert (found["created"].value, found["failed"].value) == (1, 1) and "nobody" in found["first_failures"].value
    assert attempts("users.csv", on_exist="skip")[0] == 1
    assert attempts("users.csv", fail_on="some")[0] == 1
    assert attempts("users.csv", organization={"external_id": ""})[0] == 1
    assert attempts("users.csv", resource(run_dir=None))[0] == 1
    assert attempts("users.csv", resource(api_key="sk_test_other_secret"))[0] == 1
    assert attempts("nowhere.csv")[0] == 2
    assert users(sandbox) == ["ada@example.com"]
    assert "other_secret" not in "".join(capfd.readouterr())


def test_a_retry_goes_on_where_the_api_went_away(work: Path, sandbox: Sandbox) -> None:
    servers = [sandbox.serve()]
    url = servers[0].url

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
    def directory(context: dg.AssetExecutionContext, workos: WorkOSResource) -> dg.MaterializeResult:
        def rows() -> Iterator[dict[str, Any]]:
            first = context.retry_number == 0
            if not first:
                servers.append(sandbox.serve(int(url.rpartition(":")[2])))
            for n, row in enumerate(people(10)):
                if first and n == 4:
                    # Longer than rows are gathered before they are handed over.
                    time.sleep(0.2)
                if first and n == 5:
                    while len(users(sandbox)) < 3:
                        time.sleep(0.01)
                    servers[0].close()
                yield row

        return workos.materialize(context, rows())

    result = ran(directory, workos=resource(base_url=url, give_up_after="1s", concurrency=1))
    servers[-1].close()
    assert result.success and len(servers) == 2
    found = metadata(result)
    assert (found["created"], found["total"], runs(work)) == (10, 10, [found["run_id"]])


# The job that is killed: in a process of its own, and once more in this one.


@dg.asset
def slow_directory(context: dg.AssetExecutionContext, workos: WorkOSResource) -> dg.MaterializeResult:
    """An import that takes a while."""
    return workos.materialize(context, people(80), concurrency=2)


def slow_job() -> Any:
    """The job of that asset."""
    definitions = dg.Definitions(
        assets=[slow_directory],
        jobs=[dg.define_asset_job("slow", selection=[slow_directory], executor_def=dg.in_process_executor)],
        resources={"workos": resource()},
    )
    return definitions.resolve_job_def("slow")


@pytest.mark.skipif(os.name != "posix", reason="signals are of POSIX")
@pytest.mark.parametrize("signal_name", ["SIGTERM", "SIGKILL"])
def test_killed_in_the_middle_a_reexecution_loses_no_row_and_doubles_none(
    signal_name: str, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = Sandbox(limits=False, latency=0.05)
    with sandbox.serve() as server, dg.DagsterInstance.get() as instance:
        monkeypatch.setenv("SANDBOX_URL", server.url)
        process = subprocess.Popen([sys.executable, __file__])
        # Not after a time, which a fast machine would outrun: when so many users are there.
        while len(users(sandbox)) < 20 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(getattr(signal, signal_name))
        code = process.wait(120)
        assert code == -signal.SIGKILL if signal_name == "SIGKILL" else code != 0
        assert 20 <= len(users(sandbox)) < 80
        [killed] = instance.get_runs()
        with execute_job(
            reconstructable(slow_job), instance, reexecution_options=ReexecutionOptions(killed.run_id)
        ) as result:
            assert result.success
            found = metadata(result, "slow_directory")
    assert users(sandbox) == sorted(f"user{n}@example.com" for n in range(80))
    dump = sandbox.dump()
    assert len(dump["organizations"]) == 3
    assert len({(one["user_id"], one["organization_id"]) for one in dump["organization_memberships"]}) == 80
    assert len(dump["organization_memberships"]) == 80
    assert (found["created"], found["memberships_created"], found["pending"]) == (80, 80, 0)
    assert runs(work) == [found["run_id"]]


def test_partitions_and_launches_have_runs_of_their_own(work: Path, sandbox: Sandbox) -> None:
    assert users(sandbox) == []
    names: list[str] = []

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["eu", "us"]))
    def directory(context: dg.AssetExecutionContext, workos: WorkOSResource) -> dg.MaterializeResult:
        names.append(name_of_run(context))
        return workos.materialize(context, [{"email": f"{context.partition_key}@example.com"}])

    for partition in ("eu", "us", "us"):
        assert ran(directory, partition_key=partition).success
    assert len(set(names)) == 3 and sorted(names) == runs(work)
    assert [name.split(".")[:2] for name in names] == [["directory", "eu"], ["directory", "us"], ["directory", "us"]]
    assert users(sandbox) == ["eu@example.com", "us@example.com"]


def test_the_samples_of_the_documentation_run(work: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[2] / "docs" / "dagster.md").read_text().replace("/mnt/shared", str(work))
    first, second = re.findall(r"```py\n(.*?)```", text, re.DOTALL)
    (work / "exports").mkdir()
    (work / "exports" / "users.csv").write_text("email\nada@example.com\n")
    monkeypatch.setenv("WORKOS_API_KEY", KEY)
    monkeypatch.setenv("WORKOS_API_URL", os.environ["SANDBOX_URL"])
    for name, sample in {"sample_one": first, "sample_two": second}.items():
        path = work / f"{name}.py"
        path.write_text(sample)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        if name == "sample_one":
            result = module.defs.resolve_implicit_global_asset_job_def().execute_in_process()
        else:
            result = ran(module.directory, workos=resource(api_key=dg.EnvVar("WORKOS_API_KEY")))
        assert result.success
        assert all(one.passed for one in result.get_asset_check_evaluations())
        assert len(result.get_asset_check_evaluations()) == (2 if name == "sample_one" else 1)
    assert users(sandbox) == ["ada@example.com"]


def test_a_report_becomes_a_check_without_a_resource() -> None:
    from workos_importer import Importer

    found = check_of_validation(Importer().validate([{"email": "a@example.com"}]), check_name="rows")
    assert found.passed and found.check_name == "rows" and found.metadata["total"].value == 1
    assert not check_of_validation(Importer().validate([{"email": "nobody"}])).passed


if __name__ == "__main__":
    with dg.DagsterInstance.get() as home, execute_job(reconstructable(slow_job), home) as done:
        print(json.dumps(done.success))
        sys.exit(0 if done.success else 1)
