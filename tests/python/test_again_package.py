"""Owns running again from Python: `resume`, `retry`, `runs`, `show`, `results`, `causes`, and what they raise."""

from __future__ import annotations

import pickle
from datetime import timezone
from pathlib import Path

import pytest

from conftest import people
from workos_importer import Importer, RunError, RunInfo, RunLockedError, Sandbox, SourceChangedError, Summary


def test_a_second_run_of_a_file_sends_nothing(importer: Importer, sandbox: Sandbox, users: Path) -> None:
    first = importer.run(users).wait()
    before = sandbox.counters()["total"]
    run = importer.run(users)
    assert list(run) == [] and run.summary.run_id == first.run_id
    assert run.summary.ok and run.summary.note is not None and first.note is None
    assert sandbox.counters()["total"] == before
    assert len(list(run.results())) == 10
    again = importer.run(users, resume=False).wait()
    assert again.run_id != first.run_id and again.unchanged == 10


def test_a_stopped_run_goes_on(users: Path) -> None:
    # Rows that end at once are handed over together: here they do not.
    sandbox = Sandbox(limits=False, latency=0.02)
    slow = Importer(sandbox=sandbox, concurrency=1)
    with slow.run(users) as run:
        next(run)
    assert 0 < run.summary.pending < 10
    summary = slow.resume().wait()
    assert (summary.run_id, summary.created, summary.pending) == (run.summary.run_id, 10, 0)
    assert len(sandbox.dump()["users"]) == 10


def test_failed_rows_are_tried_again(importer: Importer, sandbox: Sandbox, users: Path) -> None:
    sandbox.fail_next("400", method="POST", path="/user_management/users", times=2)
    first = importer.run(users).wait()
    assert first.failed >= 1
    assert sum(cause.count for cause in importer.causes()) == first.failed
    results = list(importer.retry(first.run_id[:-1]))
    assert len(results) == first.failed and all(result.ok for result in results)
    assert importer.causes() == [] and importer.show().ok


def test_runs_are_typed(importer: Importer, users: Path) -> None:
    assert importer.runs() == []
    first = importer.run(users).wait()
    second = importer.run(people(3)).wait()
    newest, oldest = importer.runs()
    assert isinstance(newest, RunInfo) and (newest.id, oldest.id) == (second.run_id, first.run_id)
    assert newest.source == "rows" and Path(oldest.source) == users.resolve()
    assert newest.started_at.tzinfo is timezone.utc and newest.ended_at is not None
    assert (oldest.total, oldest.created, oldest.failed, oldest.pending) == (10, 10, 0, 0)
    assert pickle.loads(pickle.dumps(oldest)) == oldest
    shown = importer.show(first.run_id)
    assert isinstance(shown, Summary) and shown.created == 10 and str(shown).startswith("┌")
    assert shown.api_calls == first.api_calls
    assert [row["record_number"] for row in importer.results(first.run_id)] == list(range(1, 11))


def test_what_is_refused_raises(importer: Importer, users: Path) -> None:
    for call in (importer.resume, importer.retry, importer.show, importer.causes, importer.results):
        with pytest.raises(RunError, match="There are no runs") as caught:
            call()
        assert caught.value.kind == "no_run"
    importer.run(people(3)).wait()
    with pytest.raises(SourceChangedError, match="from a program"):
        importer.resume()
    importer.run(users).wait()
    users.write_text("email\nother@example.com\n")
    with pytest.raises(SourceChangedError, match="has changed") as changed:
        importer.retry()
    assert changed.value.kind == "source_changed"


def test_a_run_under_way_is_locked(users: Path) -> None:
    slow = Importer(sandbox=Sandbox(latency=0.2, limits=False), concurrency=1)
    with slow.run(users) as run:
        next(run)
        with pytest.raises(RunLockedError) as locked:
            slow.run(users)
        assert locked.value.kind == "run_locked"
        assert slow.show().pending > 0
