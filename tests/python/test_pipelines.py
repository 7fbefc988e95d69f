"""Owns what integrations with schedulers share: names and folders of runs, when a task has failed, and stopping."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from conftest import people
from workos_importer import ConfigError, Importer, ImporterError, OrganizationRef, RowsFailedError, Sandbox, SourceError
from workos_importer._pipelines import (
    _LATER,
    FailOn,
    Follower,
    checked_fail_on,
    figures,
    is_final,
    judge,
    looks_temporary,
    organization_of,
    run_folder,
    run_name,
)

MIXED = [*people(9), {"email": "nobody"}]


def test_a_name_is_the_same_for_each_attempt_and_for_no_other_task(importer: Importer) -> None:
    assert run_name("dag", "task", "20261122T000000Z", None) == run_name("dag", "task", "20261122T000000Z")
    others = [("a.b", "c"), ("a", "b.c"), ("a", "b", "c"), ("A", "b", "c"), ("a", "b", "c", 0), ("a", "b", "c", 1)]
    assert len({run_name(*parts) for parts in others}) == len(others)
    # Whatever a scheduler calls its things: it is a name that a run may have, and so is that of its next run.
    for parts in (
        ("día",),
        ("manual__2026-11-24T12:00:00+00:00",),
        ("x" * 300, 7),
        ("..", "../up"),
        ("latest",),
        ("é",),
    ):
        name = run_name(*parts)
        assert importer.run(people(1), run_id=name).wait().run_id == name
        other = Importer(sandbox=Sandbox(), on_existing="update")
        assert other.run(people(1), run_id=name).wait().run_id == f"{name}-2"


def test_the_run_folder_is_the_nearest_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="No run folder is given"):
        run_folder(None, "")
    monkeypatch.setenv("WORKOS_IMPORTER_RUN_DIR", "/srv/runs")
    assert Path(run_folder(None, "")) == Path("/srv/runs")
    assert Path(run_folder(None, Path("/mnt/runs"), "/other")) == Path("/mnt/runs")
    assert looks_temporary("runs") is not None
    assert looks_temporary(str(Path.home().anchor + "srv/runs")) is None


def test_a_folder_that_may_be_gone_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    warning = looks_temporary(str(tmp_path / "runs"))
    assert warning is not None and "temporary storage" in warning


def test_an_organization_of_templates_that_gave_nothing_is_refused() -> None:
    assert organization_of(None) is None
    assert organization_of({"external_id": "acme"}) == OrganizationRef(external_id="acme")
    for given in ({}, {"external_id": None}, {"id": "", "name": "Acme"}, {"extern_id": "acme"}):
        with pytest.raises(ConfigError, match="organization"):
            organization_of(given)


@pytest.mark.parametrize("fail_on", ["some", "0.5", -0.1, 1.1, True, None])
def test_a_fail_on_that_is_none_is_refused(fail_on: FailOn) -> None:
    with pytest.raises(ConfigError, match="fail_on must be"):
        checked_fail_on(fail_on)


@pytest.mark.parametrize(("fail_on", "passes"), [("any", False), ("none", True), (0.1, True), (0.09, False), (1, True)])
def test_failed_rows_fail_a_task_as_it_says(importer: Importer, fail_on: FailOn, passes: bool) -> None:
    summary = importer.run(MIXED).wait()
    assert (summary.failed, summary.total) == (1, 10)
    if passes:
        judge(summary, checked_fail_on(fail_on))
    else:
        with pytest.raises(RowsFailedError, match="1 of 10 rows failed"):
            judge(summary, fail_on)


def test_rows_that_were_not_reached_fail_a_task_in_any_case(sandbox: Sandbox) -> None:
    summary = Importer(sandbox=sandbox, max_errors=0, concurrency=1).run([MIXED[-1], *MIXED[:-1]]).wait()
    assert summary.stopped is not None
    with pytest.raises(RowsFailedError):
        judge(summary, "none")
    judge(Importer(sandbox=sandbox).run([]).wait(), "none")
    with pytest.raises(RowsFailedError, match="no rows"):
        judge(Importer(sandbox=sandbox).run([]).wait(), 1)


def ended_with(importer: Importer, rows: list[dict[str, object]]) -> bool:
    """Whether another attempt would end as this one did."""
    run = importer.run(rows)
    try:
        judge(run.wait(), "any")
    except ImporterError as error:
        return is_final(error, importer, run)
    raise AssertionError("it did not fail")


def test_what_a_retry_can_help_is_not_final(sandbox: Sandbox, importer: Importer) -> None:
    assert ended_with(importer, [{"email": "nobody"}])
    assert not ended_with(importer, [])
    assert is_final(SourceError("", "header"), importer, None)
    assert not is_final(SourceError("", "not_found"), importer, None)
    assert set(_LATER) <= set(SourceError.KINDS)
    # One row that is wrong, and one of which the API was away.
    sandbox.fail_next("hang", method="POST", path="/user_management/users", times=1)
    with importer.run([*people(1), {"email": "nobody"}]) as run:
        while sandbox.counters()["total"] < 2:
            run.poll(0.01)
        run.stop(now=True)
    with pytest.raises(RowsFailedError) as stopped:
        judge(run.summary, "any")
    assert not is_final(stopped.value, importer, run)


def test_figures_have_nobodys_data(importer: Importer) -> None:
    found = figures(importer.run(MIXED).wait())
    assert (found["created"], found["failed"]) == (9, 1)
    assert "nobody" not in str(found) and "@" not in str(found)


def test_a_stop_drops_what_is_in_flight_when_its_patience_is_over(sandbox: Sandbox, importer: Importer) -> None:
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if sandbox.counters()["total"] >= 2:
            follower.stop(0.1)

    sandbox.fail_next("hang", method="POST", path="/user_management/users", times=1_000)
    follower = Follower(say, said.append, every=0.1)
    begun = time.monotonic()
    summary = follower.follow(importer.run(people(20)))
    # By itself what is in flight may take 20 s to end.
    assert time.monotonic() - begun < 15
    assert summary.status == "Interrupted" and summary.pending == 20
    assert any("rows, 0 failed" in line for line in said)


def test_a_stop_before_there_is_a_run_stops_it(sandbox: Sandbox, importer: Importer) -> None:
    lines: list[str] = []
    follower = Follower(lines.append, lines.append)
    follower.stop(1)
    summary = follower.follow(importer.run(people(500)))
    assert summary.status == "Interrupted" and len(sandbox.dump()["users"]) < 500


def test_warnings_are_told_up_to_a_number(importer: Importer) -> None:
    told: list[str] = []
    warned: list[str] = []
    rows = [{"email": f"user{number}@example.com", "external_id": "x" * 100 + str(number)} for number in range(30)]
    summary = Follower(told.append, warned.append).follow(importer.run(rows))
    assert summary.warnings == 30 and len(warned) == 21 and warned[-1] == "and 10 more warnings"


def test_a_report_that_cannot_be_written_fails_nothing(importer: Importer, folder: Path) -> None:
    told: list[str] = []
    warned: list[str] = []
    missing = Follower(told.append, warned.append, report_out=folder / "missing" / "report.html")
    assert missing.follow(importer.run(people(2))).ok and missing.report is None
    assert len(warned) == 1 and "The report was not written" in warned[0]
    there = Follower(told.append, warned.append, report_out=folder / "report.html")
    assert there.follow(importer.run(people(2))).ok and there.report == str(folder / "report.html")
    assert "<html" in (folder / "report.html").read_text(encoding="utf-8")
