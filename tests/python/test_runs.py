"""Owns the Python interface: importers, runs, results, iteration, validation, and what may be given as rows."""

from __future__ import annotations

import csv
import datetime
import decimal
import enum
import io
import logging
import math
import time
import types
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import emails, people, write
from workos_importer import (
    APIError,
    AuthError,
    ConfigError,
    Importer,
    ImportRun,
    Issue,
    OrganizationRef,
    RowResult,
    RowsFailedError,
    RunError,
    Sandbox,
    SourceError,
    Started,
    Summary,
)


def test_iteration_gives_every_row_once(importer: Importer) -> None:
    with importer.run(people(700)) as run:
        results = list(run)
    assert sorted(result.record_number for result in results) == list(range(1, 701))
    assert all(result.ok and result.at is not None and result.line is None for result in results)
    assert run.summary.status == "Success" and run.summary.created == 700 and run.ended
    assert list(run) == []


def test_wait_needs_no_iteration(importer: Importer, users: Path) -> None:
    summary = importer.run(users).wait()
    assert summary.ok and summary.cache_misses == 4
    summary.raise_for_failures()
    assert str(summary).startswith("┌") and "<table>" in summary._repr_html_()


def test_rows_that_nobody_looks_at_are_not_given(importer: Importer) -> None:
    # Rows are pulled from the iterable later: none has ended by then.
    run = importer.run(row if number % 5 else {"email": "nobody"} for number, row in enumerate(people(100)))
    run.tell_only_failures()
    results = list(run)
    assert len(results) == 20 and not any(result.ok for result in results)
    assert (run.summary.created, run.summary.failed) == (80, 20)
    assert sum(1 for _ in run.results()) == 100


def test_results_are_read_from_the_journal(importer: Importer) -> None:
    run = importer.run(people(600))
    run.wait()
    results = list(run.results())
    assert [result["record_number"] for result in results] == list(range(1, 601))
    assert results[0]["email"] == "user1@example.com" and results[0]["evidence"] == "confirmed"


def test_events_are_in_order(importer: Importer) -> None:
    kinds = [type(event) for event in importer.run([{"email": "a@b.c", "shoe": 1}, {"email": "x"}]).events()]
    assert kinds.count(RowResult) == 2 and kinds[-1] is Summary and {Started, Issue} < set(kinds)
    run = importer.run(people(3))
    seen: list[Any] = []
    while not run.ended:
        seen += run.poll()
    assert seen[-1] == run.summary and run.poll() == []


def test_the_summary_is_there_at_the_end_only() -> None:
    run = Importer(sandbox=Sandbox(latency=0.2)).run(people(2))
    assert repr(run) == "ImportRun(under way)" and not run.ended
    with pytest.raises(RunError) as caught:
        _ = run.summary
    assert caught.value.kind == "not_ended"
    run.wait()
    assert run.progress.ended == 2


def test_failures_raise_only_when_asked_to(importer: Importer) -> None:
    rows = [{"email": "nobody"}] * 12 + people(1)
    summary = importer.run(rows).wait()
    assert (summary.failed, summary.status) == (12, "Completed with errors")
    with pytest.raises(RowsFailedError, match="12 of 13 rows failed") as caught:
        summary.raise_for_failures()
    assert len(caught.value.failures) == 10 and caught.value.kind == "rows_failed"
    error = caught.value.failures[0].error
    assert error is not None and (error.error_type, error.code) == ("validation", "invalid_email")


def test_an_empty_source_is_no_success(importer: Importer) -> None:
    summary = importer.run([]).wait()
    assert not summary.ok and summary.stopped is not None
    assert (summary.status, summary.stopped.kind) == ("Failed", "empty")
    with pytest.raises(RowsFailedError):
        summary.raise_for_failures()


def test_rows_are_pulled_lazily(sandbox: Sandbox) -> None:
    pulled = 0

    def endless() -> Iterator[dict[str, str]]:
        nonlocal pulled
        while True:
            pulled += 1
            yield {"email": f"user{pulled}@example.com"}

    with Importer(sandbox=sandbox).run(endless()) as run:
        first = next(run)
        assert first.ok
    assert run.summary.status == "Interrupted" and run.summary.pending >= 0
    assert 0 < pulled < 20_000


def test_a_slow_iterator_holds_up_no_results(importer: Importer) -> None:
    def slow() -> Iterator[dict[str, str]]:
        for number in range(4):
            yield {"email": f"user{number}@example.com"}
            time.sleep(0.3)

    run = importer.run(slow())
    begun = time.monotonic()
    next(run)
    assert time.monotonic() - begun < 1.0
    run.wait()


def test_what_the_iterator_raises_comes_through(importer: Importer) -> None:
    class BoomError(Exception):
        pass

    def rows() -> Iterator[dict[str, str]]:
        yield from people(5)
        raise BoomError("secret row")

    run = importer.run(rows())
    with pytest.raises(BoomError):
        list(run)
    assert run.summary.status == "Failed" and "secret row" not in repr(run.summary)
    with pytest.raises(BoomError):
        importer.run(rows()).wait()


def test_iterators_of_unresolved_rows_are_gone_through_twice(importer: Importer) -> None:
    rows = [
        {"email": "a@b.c", "org_external_id": "x"},
        {"email": "d@e.f", "org_external_id": "x", "org_name": "X"},
    ]
    assert importer.run(rows).wait().ok
    summary = Importer(sandbox=Sandbox()).run(iter(rows)).wait()
    assert (summary.imported, summary.failed) == (1, 1)


def test_leaving_the_block_stops_the_run() -> None:
    with Importer(sandbox=Sandbox(latency=0.01, limits=False), concurrency=1).run(people(1_000)) as run:
        next(run)
    assert run.summary.status == "Interrupted" and run.summary.exit_code == 130
    with (
        pytest.raises(ZeroDivisionError),
        Importer(sandbox=Sandbox(latency=0.01, limits=False), concurrency=1).run(people(1_000)) as run,
    ):
        raise ZeroDivisionError
    assert run.ended


def test_stop_from_elsewhere() -> None:
    run = Importer(sandbox=Sandbox(latency=0.01, limits=False), concurrency=1).run(people(1_000))
    run.stop(now=True)
    assert run.wait().status == "Interrupted"


def test_the_organization_of_all(sandbox: Sandbox) -> None:
    organization = OrganizationRef(external_id="acme", name="Acme Inc.", create_if_missing=True)
    summary = Importer(sandbox=sandbox, organization=organization).run(people(3)).wait()
    assert (summary.mode, summary.memberships_created, summary.organizations_created) == ("single-org", 3, 1)
    with pytest.raises(RunError) as caught:
        Importer(sandbox=Sandbox(), organization=OrganizationRef(external_id="none")).run(people(1)).wait()
    assert caught.value.kind == "organization"


def test_on_existing(sandbox: Sandbox) -> None:
    sandbox.seed("POST", "/user_management/users", {"email": "user1@example.com", "first_name": "Other"})
    skipped = Importer(sandbox=sandbox).run(people(1)).wait()
    assert (skipped.unchanged, skipped.differing) == (1, 1)
    assert Importer(sandbox=sandbox, on_existing="fail").run(people(1)).wait().failed == 1
    assert Importer(sandbox=sandbox, on_existing="update").run(people(1)).wait().updated == 1
    assert sandbox.dump()["users"][0]["first_name"] == "First1"


def test_a_key_that_is_refused_raises(users: Path) -> None:
    with Sandbox(key="sk_test_right").serve() as server:
        importer = Importer(api_key="sk_test_wrong", base_url=server.url)
        with pytest.raises(AuthError) as caught:
            list(importer.run(users))
        assert Importer(api_key="sk_test_right", base_url=server.url).run(users).wait().ok
    assert caught.value.kind == "auth" and "wrong" not in str(caught.value)
    with pytest.raises(APIError):
        Importer(api_key="sk_test_right", base_url=server.url).run(users, resume=False).wait()


def test_faults_are_ridden_out() -> None:
    sandbox = Sandbox(seed=7, fault_rate=0.1, faults=["429_seconds", "500", "reset_after", "503_applied"], limits=False)
    summary = Importer(sandbox=sandbox, rate_limit=(5_000, 1.0)).run(people(30)).wait()
    assert summary.failed + summary.imported == 30
    assert len(sandbox.dump()["users"]) >= summary.imported


# Rows


class Row(Mapping[str, Any]):
    """A mapping that is no dict."""

    def __init__(self, **cells: Any) -> None:
        self._cells = cells

    def __getitem__(self, key: str) -> Any:
        return self._cells[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._cells)

    def __len__(self) -> int:
        return len(self._cells)


class Color(enum.Enum):
    """An enumeration."""

    RED = "red"


@pytest.mark.parametrize(
    ("value", "external_id"),
    [
        ("x1", "x1"),
        (7, "7"),
        (7.0, "7"),
        (2**70, str(2**70)),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (decimal.Decimal("10.50"), "10.50"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (Color.RED, "red"),
        (None, None),
        (math.nan, None),
        (decimal.Decimal("NaN"), None),
    ],
)
def test_values_become_cells(sandbox: Sandbox, value: object, external_id: str | None) -> None:
    (result,) = Importer(sandbox=sandbox).run([Row(email="a@b.c", external_id=value)])
    assert result.ok, result
    assert sandbox.dump()["users"][0]["external_id"] == external_id


def test_nested_values_and_booleans(sandbox: Sandbox) -> None:
    row = {
        "email": "a@b.c",
        "email_verified": True,
        "metadata": types.MappingProxyType({"team": "x", "level": 3, "share": 0.5, "tags": ["a", ("b",)], "ok": False}),
        "org_external_id": "acme",
        "org_name": "Acme",
        "role_slugs": ["admin"],
    }
    (result,) = Importer(sandbox=sandbox).run([row])
    assert result.ok, result
    user = sandbox.dump()["users"][0]
    assert user["email_verified"] is True
    assert user["metadata"] == {"team": "x", "level": "3", "share": "0.5", "tags": '["a",["b"]]', "ok": "false"}


def nested(depth: int) -> Any:
    """A list in a list in a list."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("value", [b"bytes", object(), {1: 2}, {"a": {"b": b""}}, nested(100), "\ud800", {"x", "y"}])
def test_values_that_cannot_be_used_fail_their_row_and_are_not_quoted(importer: Importer, value: object) -> None:
    rows = [*people(1), {"email": "a@b.c", "metadata": value}]
    (failed,) = [result for result in importer.run(rows) if not result.ok]
    assert failed.record_number == 2 and failed.error is not None
    assert failed.error.message.startswith("metadata: metadata must be a JSON object, not ")
    (issue,) = importer.validate(rows).issues
    assert (issue.code, issue.record_number, issue.column) == ("invalid_metadata", 2, "metadata")
    # In a column that means nothing it does no harm.
    assert importer.validate([*people(1), {"email": "a@b.c", "photo": value}]).ok


def test_csv_reader_rows(importer: Importer) -> None:
    rows = csv.DictReader(io.StringIO("email,first_name\na@b.c,A,,\nd@e.f\n"))
    assert importer.run(rows).wait().created == 2
    with pytest.raises(SourceError, match="no text"):
        importer.run(csv.DictReader(io.StringIO("email\na@b.c,surplus\n"))).wait()


class Interchange:
    """Has the older interchange protocol alone."""

    def __dataframe__(self) -> object:
        raise AssertionError("it is not read")

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("it is not iterated")


async def asynchronous() -> Any:
    """An asynchronous generator."""
    yield {}


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (Interchange(), "data_frame"),
        (b"users.csv", "not_rows"),
        ({"email": "a@b.c"}, "not_rows"),
        (5, "not_rows"),
        (None, "not_rows"),
        (io.StringIO("email\n"), "not_rows"),
        (asynchronous(), "not_rows"),
        ("", "not_found"),
        ("nowhere.csv", "not_found"),
    ],
)
def test_what_is_no_source(importer: Importer, source: Any, kind: str) -> None:
    for work in (importer.run, importer.validate, importer.dry_run):
        with pytest.raises(SourceError) as caught:
            work(source)
        assert caught.value.kind == kind


@pytest.mark.parametrize("rows", [["a@b.c"], [("email", "a@b.c")], [None], "ab"])
def test_what_is_no_row(importer: Importer, rows: Any) -> None:
    with pytest.raises(SourceError):
        importer.run(rows).wait()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.dictionaries(st.sampled_from(["email", "metadata", "name", "x"]), JSON), max_size=5))
def test_any_plain_rows_are_checked_without_a_crash(importer: Importer, rows: list[dict[str, Any]]) -> None:
    try:
        report = importer.validate(rows)
    except SourceError as error:
        assert error.kind in ("columns", "value")
    else:
        assert report.total <= len(rows) and report.valid + report.failed == report.total


# Checks


def test_validate_needs_no_key(users: Path) -> None:
    report = Importer().validate(users)
    assert report.ok and (report.total, report.users, report.organizations, report.memberships) == (10, 10, 4, 10)
    assert str(report).startswith("┌")


def test_validate_keeps_so_many_issues_and_tells_all() -> None:
    told: list[Issue] = []
    rows = [{"email": f"nobody{number}"} for number in range(1_000)]
    report = Importer().validate(rows, max_issues=10, on_issue=told.append)
    assert not report.ok and report.failed == report.errors == 1_000
    assert (len(report.issues), report.issues_omitted, len(told)) == (10, 990, 1_000)
    assert str(report.issues[0]).startswith("record 1, column email: ")


def test_what_a_callback_raises_comes_through(folder: Path) -> None:
    def refuse(issue: Issue) -> None:
        raise ZeroDivisionError(issue.code)

    path = write(folder / "users.csv", "email\n" + "nobody\n" * 3_000)
    for source in (path, [{"email": "nobody"}] * 3_000):
        with pytest.raises(ZeroDivisionError, match="invalid_email"):
            Importer().validate(source, on_issue=refuse)


def test_a_dry_run(users: Path, folder: Path) -> None:
    report = Importer(rate_limit="10/1s").dry_run(users)
    assert report.ok and report.would_import == 10 and report.least_seconds == pytest.approx(2.0)
    assert [path.name for path in folder.iterdir()] == ["users.csv"]


# Options


@pytest.mark.parametrize(
    "options",
    [
        {"concurrency": 0},
        {"concurrency": True},
        {"concurrency": "4"},
        {"rate_limit": "50"},
        {"rate_limit": (0, 1)},
        {"rate_limit": (1, math.nan)},
        {"headroom": 1.0},
        {"headroom": "x"},
        {"max_errors": -1},
        {"max_errors": "101%"},
        {"on_existing": "replace"},
        {"update_passwords": True},
        {"clear_empty": True},
        {"clear_empty": True, "on_existing": "fail"},
        {"organization": "acme"},
        {"organization": OrganizationRef(id="org_1", external_id="x")},
        {"organization": OrganizationRef(name="X")},
        {"errors_out": "x.csv", "results_out": "x.csv"},
        {"api_key": ""},
        {"api_key": 5},
        {"sandbox": "yes"},
        {"sandbox": Sandbox(), "api_key": "sk_test_1"},
        {"sandbox": Sandbox(), "base_url": "http://localhost"},
    ],
)
def test_options_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Importer(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"latency": -1},
        {"latency": math.inf},
        {"fault_rate": 2},
        {"faults": ["boredom"]},
        {"roles": []},
        {"write_limit": (0, 10)},
        {"write_limit": (10, 0)},
        {"write_limit": (10, 1), "limits": False},
    ],
)
def test_sandbox_settings_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        Sandbox(**options)
    assert caught.value.kind == "sandbox"


def test_the_sandbox_counts_fails_and_forgets(sandbox: Sandbox) -> None:
    sandbox.fail_next("503", method="POST", path="/users", times=2)
    summary = Importer(sandbox=sandbox).run(people(1)).wait()
    assert summary.ok
    assert sandbox.counters()["faults"] == {"503": 2}
    sandbox.reset()
    assert sandbox.counters()["total"] == 0 and sandbox.dump()["users"] == []
    with pytest.raises(ConfigError):
        sandbox.fail_next("500", method="BREW")
    assert repr(sandbox) == "Sandbox(seed=0)"


def test_logs_go_to_logging(importer: Importer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="workos_importer"):
        importer.run(people(5)).wait()
    assert {record.name for record in caplog.records} <= {"workos_importer"}


def test_runs_side_by_side(importer: Importer) -> None:
    runs: list[ImportRun] = [importer.run(people(50)) for _ in range(4)]
    found = [emails(list(run)) for run in runs]
    assert all(one == found[0] and len(one) == 50 for one in found)
