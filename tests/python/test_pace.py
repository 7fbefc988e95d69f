"""When a run ends by the clock, and how it sits out an API that is away: through a socket, in real time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from conftest import Run, people, write
from workos_importer import APIError, ConfigError, Importer, Sandbox
from workos_importer._native import SandboxServer
from workos_importer._options import parse_give_up_after, parse_stop_at


class WhenAway(logging.Handler):
    """Does something once, as soon as a run says that the API is away."""

    def __init__(self, then: Callable[[], None]) -> None:
        """Takes what to do."""
        super().__init__()
        self.said: list[str] = []
        self._then = then

    def emit(self, record: logging.LogRecord) -> None:
        """Looks at one line of the log."""
        if "the API" in record.getMessage():
            self.said.append(record.getMessage())
            if len(self.said) == 1:
                self._then()


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """The package's logger, without our handlers afterwards."""
    log = logging.getLogger("workos_importer")
    before = list(log.handlers)
    yield log
    log.handlers[:] = before


def test_an_api_that_is_away_costs_its_time_and_no_row(sandbox: Sandbox, log: logging.Logger) -> None:
    server = sandbox.serve()
    port = int(server.url.rpartition(":")[2])
    again: list[SandboxServer] = []
    # Connections are refused until the run has noticed.
    away = WhenAway(lambda: again.append(sandbox.serve(port)))
    log.addHandler(away)
    importer = Importer(api_key="sk_test_1", base_url=server.url, rate_limit="100/1s")
    with importer.run(people(400)) as run:
        for ended, result in enumerate(run, start=1):
            assert result.error is None, result
            if ended == 100:
                server.close()
    again[0].close()
    assert run.summary.created == 400
    assert "the API is away" in away.said[0] and "answers again" in away.said[-1]


def test_an_api_that_stays_away_is_given_up_and_the_run_can_go_on(folder: Path) -> None:
    sandbox = Sandbox(limits=False)
    users = write(folder / "users.csv", "email\n" + "".join(f"u{number}@x.com\n" for number in range(300)))
    server = sandbox.serve()
    port = int(server.url.rpartition(":")[2])
    importer = Importer(api_key="sk_test_1", base_url=server.url, rate_limit="100/1s", give_up_after="2s")
    run = importer.run(users)
    with pytest.raises(APIError, match=r"No call has succeeded for \d s"):
        for ended, result in enumerate(run, start=1):
            assert result.error is None, result
            if ended == 50:
                server.close()
    summary = run.summary
    assert (summary.status, summary.exit_code, summary.failed) == ("Stopped", 4, 0) and summary.pending > 0
    with sandbox.serve(port):
        assert importer.run(users).wait().created == 300
    assert len(sandbox.dump()["users"]) == 300


def test_stop_at_ends_a_run_that_can_go_on(folder: Path) -> None:
    sandbox = Sandbox()
    users = write(folder / "users.csv", "email\n" + "".join(f"u{number}@x.com\n" for number in range(400)))
    soon = datetime.now(timezone.utc) + timedelta(seconds=1.5)
    summary = Importer(sandbox=sandbox, rate_limit="50/1s", stop_at=soon).run(users).wait()
    assert (summary.status, summary.exit_code, summary.failed) == ("Stopped", 4, 0)
    assert summary.stopped is not None and summary.stopped.kind == "stop_at"
    assert "--stop-at" in summary.stopped.message and "to go on" in summary.stopped.message
    assert 0 < summary.pending < 400
    summary = Importer(sandbox=sandbox).run(users).wait()
    assert summary.exit_code == 0 and summary.created == 400
    assert len(sandbox.dump()["users"]) == 400


def test_stop_at_is_the_next_such_moment_in_local_time() -> None:
    now = datetime.now().astimezone()
    for text in ("6:00", "06:00", "06:00:30", time(6)):
        moment = parse_stop_at(text)
        assert now < moment <= now + timedelta(hours=25)
        assert (moment.hour, moment.minute) == (6, 0)
    tomorrow = now.date() + timedelta(days=1)
    assert parse_stop_at(f"{tomorrow}T06:00") == datetime(tomorrow.year, tomorrow.month, tomorrow.day, 6).astimezone()
    assert parse_stop_at(f"{tomorrow} 06:00").tzinfo is not None
    utc = datetime(tomorrow.year, tomorrow.month, tomorrow.day, 6, tzinfo=timezone.utc) + timedelta(days=1)
    for given in (f"{utc.date()}T06:00Z", f"{utc.date()}T06:00+00:00", utc):
        assert parse_stop_at(given) == utc


@pytest.mark.parametrize("value", ["25:00", "6", "2001-01-01T06:00", "2999-01-01", "soon", "", 6, None])
def test_moments_that_cannot_be(value: Any) -> None:
    with pytest.raises(ConfigError):
        parse_stop_at(value)


def test_giving_up_is_a_time() -> None:
    assert [parse_give_up_after(value) for value in ("30min", "90s", 5, 0.5, timedelta(hours=1))] == [
        1800.0,
        90.0,
        5.0,
        0.5,
        3600.0,
    ]
    for value in ("never", "0s", 0, -1, True, float("nan"), None, timedelta(0)):
        with pytest.raises(ConfigError):
            parse_give_up_after(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--give-up-after", "never"], "write it like 30min"),
        (["--stop-at", "25:00"], "write it like 06:00"),
        (["--stop-at", "2001-01-01T06:00"], "is over"),
    ],
)
def test_flags_that_cannot_be(run: Run, users: Path, flags: list[str], message: str) -> None:
    done = run("import", str(users), "--sandbox", *flags)
    assert done.returncode == 2 and message in done.stderr
