"""Owns the promises of recovery: links for users without a password, each once, to a file, a command or a function."""

from __future__ import annotations

import csv
import json
import os
import random
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from conftest import Run, command, environment, write
from workos_importer import (
    APIError,
    ConfigError,
    Importer,
    InDoubtError,
    Kratos,
    KratosSandbox,
    Recovery,
    RecoverySummary,
    Sandbox,
    Unsent,
)

FAST = 60_000


def people(count: int) -> str:
    lines = "".join(f"user{number}@example.com,User {number},\n" for number in range(1, count + 1))
    return f"email,first_name,initial_password\n{lines}with@example.com,With,correct horse battery\n"


@pytest.fixture
def kratos() -> KratosSandbox:
    return KratosSandbox()


@pytest.fixture
def importer(kratos: KratosSandbox, folder: Path) -> Importer:
    """An importer whose latest run has made three users without a password, and one with."""
    importer = Importer(target=Kratos(sandbox=kratos))
    assert importer.run(write(folder / "users.csv", people(3))).wait().created == 4
    return importer


@pytest.fixture
def served(kratos: KratosSandbox) -> Iterator[dict[str, str]]:
    """The variables by which commands find the Kratos."""
    with kratos.serve() as server:
        yield {"KRATOS_ADMIN_URL": server.url}


def figures(summary: RecoverySummary) -> tuple[int, int, int, int, int]:
    return summary.sent, summary.failed, summary.in_doubt, summary.gone, summary.left


def test_recovery_emails_are_handed_to_a_function_each_once(importer: Importer, kratos: KratosSandbox) -> None:
    got: list[Recovery] = []
    summary = importer.recover(on_recovery=got.append, per_minute=FAST).wait()
    assert (summary.ok, summary.status, figures(summary)) == (True, "Sent", (3, 0, 0, 0, 0))
    assert [one.email for one in got] == [f"user{number}@example.com" for number in (1, 2, 3)]
    assert (got[0].first_name, got[0].record_number, got[0].recovery_code) == ("User 1", 1, None)
    ids = {one["traits"]["email"]: one["id"] for one in kratos.dump()["identities"]}
    assert got[0].identity_id == ids["user1@example.com"]
    assert got[0].expires_at.tzinfo is not None
    token = got[0].recovery_link.rpartition("=")[2]
    assert len(token) > 10 and token not in repr(got)
    again = importer.recover(on_recovery=got.append, per_minute=FAST).wait()
    assert (len(got), figures(again)) == (3, (3, 0, 0, 0, 0))
    for file in Path(summary.folder).iterdir():
        assert token.encode() not in file.read_bytes(), file


def test_recovery_emails_can_be_codes(importer: Importer) -> None:
    got: list[Recovery] = []
    importer.recover(on_recovery=got.append, method="code", expires_in="12h", per_minute=FAST).wait()
    assert {len(one.recovery_code or "") for one in got} == {6}


def test_recovery_emails_that_a_function_refuses_are_tried_again(importer: Importer) -> None:
    got: list[str] = []

    def mail(recovery: Recovery) -> None:
        if recovery.record_number == 1 and not got:
            raise OSError(f"cannot send {recovery.recovery_link}")
        if recovery.record_number == 2:
            raise InDoubtError("the provider did not answer")
        got.append(recovery.email)

    summary = importer.recover(on_recovery=mail, per_minute=FAST).wait()
    assert (summary.ok, summary.status, figures(summary)) == (False, "Partly sent", (1, 1, 1, 0, 0))
    assert [(one.state, one.record_number, one.reason) for one in summary.unsent] == [
        ("failed", 1, "OSError"),
        ("in_doubt", 2, None),
    ]
    again = importer.recover(on_recovery=mail, per_minute=FAST).wait()
    assert got == ["user3@example.com", "user1@example.com"]
    assert figures(again) == (2, 0, 1, 0, 0)


def test_recovery_emails_that_were_broken_off_are_in_doubt(importer: Importer) -> None:
    got: list[str] = []

    def mail(recovery: Recovery) -> None:
        got.append(recovery.email)
        if len(got) == 2:
            raise KeyboardInterrupt

    sending = importer.recover(on_recovery=mail, per_minute=FAST)
    with pytest.raises(KeyboardInterrupt):
        sending.wait()
    assert figures(sending.summary) == (1, 0, 1, 0, 1)
    assert sending.summary.exit_code == 130
    importer.recover(on_recovery=mail, per_minute=FAST).wait()
    assert got == [f"user{number}@example.com" for number in (1, 2, 3)]


def test_recovery_emails_go_on_after_a_block_was_left(importer: Importer) -> None:
    got: list[str] = []
    with importer.recover(on_recovery=lambda one: got.append(one.email), per_minute=600) as sending:
        while not got:
            sending.poll(0.05)
    assert len(got) < 3 and sending.ended
    importer.recover(on_recovery=lambda one: got.append(one.email), per_minute=FAST).wait()
    assert got == [f"user{number}@example.com" for number in (1, 2, 3)]


def lines(path: str) -> list[dict[str, Any]]:
    text = Path(path).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines())) if path.endswith(".csv") else [*map(json.loads, text.splitlines())]


COLUMNS = [
    "email",
    "first_name",
    "identity_id",
    "recovery_link",
    "recovery_code",
    "expires_at",
    "record_number",
]


@pytest.mark.parametrize("name", ["links.csv", "links.jsonl"])
def test_recovery_emails_are_written_to_a_file_for_the_mail_provider(importer: Importer, name: str) -> None:
    summary = importer.recover(out=name, per_minute=FAST).wait()
    assert figures(summary) == (3, 0, 0, 0, 0)
    found = lines(name)
    assert [list(line) for line in found] == [COLUMNS] * 3
    assert [str(line["record_number"]) for line in found] == ["1", "2", "3"]
    if os.name == "posix":
        assert Path(name).stat().st_mode & 0o777 == 0o600
    Path("users2.csv").write_text("email\nlate@example.com\n", encoding="utf-8")
    assert importer.run("users2.csv").wait().ok
    assert importer.recover(out=name, per_minute=FAST).wait().sent == 1
    assert len(lines(name)) == 4, "of another run, behind the others"


def killed_after(summary: RecoverySummary, record: int, out: str) -> None:
    """Leaves a sending as a kill does between the line of a user and the note that it is on disk."""
    with closing(sqlite3.connect(Path(summary.folder) / "journal.sqlite3")) as journal, journal:
        noted = journal.execute(
            "UPDATE recovery SET state = 1, note = ? WHERE step_id = (SELECT id FROM step WHERE by_record = ?)",
            (str(Path(out).absolute()), record),
        )
        assert noted.rowcount == 1


@pytest.mark.parametrize("name", ["links.csv", "links.jsonl"])
@pytest.mark.parametrize("record", [1, 3])
def test_recovery_emails_whose_file_was_taken_away_are_in_doubt_for_good(
    importer: Importer, name: str, record: int
) -> None:
    killed_after(importer.recover(out=name, per_minute=FAST).wait(), record, name)
    Path(name).rename("mailed")
    # The second one finds the file that the first one has made.
    for _ in range(2):
        summary = importer.recover(out=name, per_minute=FAST).wait()
        assert (summary.exit_code, figures(summary)) == (1, (2, 0, 1, 0, 0))
        assert [(one.state, one.record_number) for one in summary.unsent] == [("in_doubt", record)]
        assert lines(name) == []


@pytest.mark.parametrize("name", ["links.csv", "links.jsonl"])
def test_recovery_emails_whose_file_was_emptied_or_replaced_are_in_doubt(importer: Importer, name: str) -> None:
    killed_after(importer.recover(out=name, per_minute=FAST).wait(), 3, name)
    kept = Path(name).read_bytes()
    Path("users2.csv").write_text("email\nlate@example.com\n", encoding="utf-8")
    assert importer.run("users2.csv").wait().ok
    assert importer.recover(out=f"late-{name}", per_minute=FAST).wait().sent == 1
    _, earlier = importer.runs()
    for content in (b"", Path(f"late-{name}").read_bytes()):
        Path(name).write_bytes(content)
        summary = importer.recover(earlier.id, out=name, per_minute=FAST).wait()
        assert figures(summary) == (2, 0, 1, 0, 0)
        assert [line["email"] for line in lines(name)] == ["late@example.com"] * bool(content)
        killed_after(summary, 3, name)
    # What is something else by now is refused before anything is settled.
    Path(name).write_text("a note\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="is no file of recovery links"):
        importer.recover(earlier.id, out=name)
    Path(name).write_bytes(kept)
    assert figures(importer.recover(earlier.id, out=name, per_minute=FAST).wait()) == (3, 0, 0, 0, 0)
    assert Path(name).read_bytes() == kept


@pytest.mark.parametrize("name", ["links.csv", "links.jsonl"])
def test_recovery_emails_whose_file_is_as_it_was_left_are_in_it_once(importer: Importer, name: str) -> None:
    killed_after(importer.recover(out=name, per_minute=FAST).wait(), 3, name)
    assert figures(importer.recover(out=name, per_minute=FAST).wait()) == (3, 0, 0, 0, 0)
    assert [str(line["record_number"]) for line in lines(name)] == ["1", "2", "3"]
    torn = Path(name).read_bytes()[:-9]
    killed_after(importer.recover(out=name, per_minute=FAST).wait(), 3, name)
    Path(name).write_bytes(torn)
    assert figures(importer.recover(out=name, per_minute=FAST).wait()) == (3, 0, 0, 0, 0)
    assert [str(line["record_number"]) for line in lines(name)] == ["1", "2", "3"]


def test_recovery_emails_are_sent_after_the_wrong_server_had_none_of_the_users(
    run: Run, folder: Path, kratos: KratosSandbox
) -> None:
    write(folder / "users.csv", people(3))
    with kratos.serve() as server:
        url = server.url
        assert run("import", "users.csv", "--target", "kratos", "--quiet", KRATOS_ADMIN_URL=url).returncode == 0
    port = int(url.rpartition(":")[2])
    flags = ("recovery", "send", "latest", "--out", "links.jsonl", "--per-minute", "60000")
    with KratosSandbox(seed=7).serve(port):
        for _ in range(2):
            elsewhere = run(*flags, KRATOS_ADMIN_URL=url)
            assert elsewhere.returncode == 1, elsewhere.stderr
            assert "Status: Failed" in elsewhere.stdout and "Gone: 3" in elsewhere.stdout
            assert "None of the 3 users" in elsewhere.stderr and "another server" in elsewhere.stderr
        document = run(*flags, "--json", KRATOS_ADMIN_URL=url).document
        assert (document["status"], document["stopped"]["kind"], document["gone"]) == ("Failed", "elsewhere", 3)
    with kratos.serve(port):
        ended = run(*flags, KRATOS_ADMIN_URL=url)
    assert ended.returncode == 0, ended.stderr
    assert "Status: Sent" in ended.stdout and "Gone" not in ended.stdout
    assert [line["record_number"] for line in lines("links.jsonl")] == [1, 2, 3]


def test_recovery_emails_of_some_users_who_are_gone_are_no_failure(importer: Importer, kratos: KratosSandbox) -> None:
    [first] = [one["id"] for one in kratos.dump()["identities"] if one["traits"]["email"] == "user1@example.com"]
    with kratos.serve() as server:
        asked = urllib.request.Request(f"{server.url}/admin/identities/{first}", method="DELETE")
        urllib.request.urlopen(asked, timeout=30).close()
    # The second one looks for nobody else, and knows by whom it has sent to that this is the directory.
    for progress in ((0, 3), (2, 3)):
        sending = importer.recover(out="links.jsonl", per_minute=FAST)
        assert sending.progress[1] == progress[1] and sending.progress[0] >= progress[0]
        summary = sending.wait()
        assert sending.progress == (3, 3)
        assert (summary.ok, summary.status, figures(summary)) == (True, "Sent", (2, 0, 0, 1, 0))
        assert [(one.state, one.record_number) for one in summary.unsent] == [("gone", 1)]
    assert len(lines("links.jsonl")) == 2


def test_recovery_options_that_cannot_be_used_are_refused(importer: Importer) -> None:
    with pytest.raises(ConfigError, match="one of them"):
        importer.recover()
    with pytest.raises(ConfigError, match="one of them"):
        importer.recover(out="links.csv", on_recovery=print)
    with pytest.raises(ConfigError, match="whole number"):
        importer.recover(out="links.csv", per_minute=0)
    with pytest.raises(ConfigError, match="write it like 1h"):
        importer.recover(out="links.csv", expires_in="soon")
    with pytest.raises(ConfigError, match='must be "link" or "code"'):
        importer.recover(out="links.csv", method="mail")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="is no file of recovery links"):
        importer.recover(out="users.csv")
    assert "email,first_name" in Path("users.csv").read_text(encoding="utf-8")
    with pytest.raises(ConfigError, match="another sandbox"):
        Importer(target=Kratos(sandbox=KratosSandbox())).recover(out="links.csv")


def test_recovery_is_nothing_that_workos_does() -> None:
    importer = Importer(sandbox=Sandbox())
    assert importer.run([{"email": "ada@example.com"}]).wait().ok
    with pytest.raises(APIError, match="Nobody can be sent a recovery link"):
        importer.recover(on_recovery=print).wait()


RECEIVER = """
import json, sys
assert sys.argv[1:] == ["--to", "the provider"]
told = json.load(sys.stdin)
if told["record_number"] == 2 and "--ok" not in open("mood").read():
    sys.exit(3)
with open("got.jsonl", "a", encoding="utf-8") as file:
    file.write(json.dumps(told) + "\\n")
print("sent")
"""


def receiver(folder: Path, text: str = RECEIVER) -> str:
    path = write(folder / "receiver.py", text)
    return shlex.join([sys.executable, str(path), "--to", "the provider"])


def test_recovery_emails_are_handed_to_a_command_on_its_standard_input(
    run: Run, folder: Path, served: dict[str, str]
) -> None:
    write(folder / "users.csv", people(3))
    assert run("import", "users.csv", "--target", "kratos", "--quiet", **served).returncode == 0
    flags = ("recovery", "send", "latest", "--per-minute", "60000", "--command", receiver(folder))
    write(folder / "mood", "bad")
    first = run(*flags, "--json", **served)
    assert first.returncode == 1, first.stderr
    document = first.document
    assert [document[name] for name in ("message_type", "sent", "failed", "left")] == ["recovery", 2, 1, 0]
    [unsent] = document["unsent"]
    assert (unsent["state"], unsent["record_number"]) == ("failed", 2)
    assert unsent["reason"] == "the command exited with 3"
    write(folder / "mood", "--ok")
    second = run(*flags, **served)
    assert second.returncode == 0, second.stderr
    found = lines("got.jsonl")
    assert [one["record_number"] for one in found] == [1, 3, 2]
    assert list(found[0]) == COLUMNS
    for one in found:
        token = one["recovery_link"].rpartition("=")[2]
        for text in (first.stdout, first.stderr, second.stdout, second.stderr):
            assert token not in text


def test_recovery_emails_whose_command_was_killed_are_in_doubt(run: Run, folder: Path, served: dict[str, str]) -> None:
    write(folder / "users.csv", people(1))
    assert run("import", "users.csv", "--target", "kratos", "--quiet", **served).returncode == 0
    killed = receiver(folder, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    flags = ("recovery", "send", "latest", "--per-minute", "60000", "--command")
    assert run(*flags, killed, **served).returncode == 1
    write(folder / "mood", "--ok")
    ended = run(*flags, receiver(folder), **served)
    assert ended.returncode == 1 and "in_doubt" in ended.stderr
    assert not Path("got.jsonl").exists()
    assert run(*flags, "no-such-program-here", **served).returncode == 2


def test_recovery_emails_are_sent_after_an_import(run: Run, folder: Path, served: dict[str, str]) -> None:
    write(folder / "users.csv", people(3))
    flags = ("import", "users.csv", "--target", "kratos", "--recovery-out", "links.jsonl", "--per-minute", "60000")
    ended = run(*flags, **served)
    assert ended.returncode == 0, ended.stderr
    assert "Sent: 3" in ended.stdout
    assert run(*flags, **served).returncode == 0
    assert len(lines("links.jsonl")) == 3
    refused = run("import", "users.csv", "--recovery-out", "links.jsonl", "--sandbox")
    assert refused.returncode == 2 and "needs --target kratos" in refused.stderr


USERS = 12


def sender(served: dict[str, str], *flags: str) -> subprocess.Popen[bytes]:
    """A process that sends ten a second."""
    return subprocess.Popen(
        command("recovery", "send", "latest", "--per-minute", "600", "--quiet", *flags),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(**served),
    )


@pytest.mark.parametrize("name", ["links.csv", "links.jsonl"])
def test_recovery_emails_are_in_the_file_once_however_often_it_is_killed(
    run: Run, folder: Path, served: dict[str, str], kratos: KratosSandbox, name: str
) -> None:
    write(folder / "users.csv", people(USERS))
    assert run("import", "users.csv", "--target", "kratos", "--quiet", **served).returncode == 0
    drawn = random.Random(name)
    kills = 0
    while True:
        process = sender(served, "--out", name)
        if kills < 4:
            before = len(kratos.dump()["recoveries"])
            while len(kratos.dump()["recoveries"]) < before + 2 and process.poll() is None:
                time.sleep(0.001)
            time.sleep(drawn.random() * 0.02)
            process.kill()
        code = process.wait(timeout=60)
        if code == 0:
            break
        kills += 1
    assert kills >= 4
    found = Counter(line["email"] for line in lines(name))
    assert found == Counter({f"user{number}@example.com": 1 for number in range(1, USERS + 1)})


def test_recovery_emails_go_on_after_ctrl_c(run: Run, folder: Path, served: dict[str, str]) -> None:
    write(folder / "users.csv", people(USERS))
    assert run("import", "users.csv", "--target", "kratos", "--quiet", **served).returncode == 0
    write(folder / "mood", "--ok")
    process = sender(served, "--command", receiver(folder))
    got = folder / "got.jsonl"
    while not got.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert 0 < len(lines("got.jsonl")) < USERS
    assert sender(served, "--command", receiver(folder)).wait(timeout=60) == 0
    assert [one["record_number"] for one in lines("got.jsonl")] == list(range(1, USERS + 1))


def test_unsent_says_who_and_why() -> None:
    unsent = Unsent("failed", 7, "ada@example.com", "0a1b", "the command exited with 3")
    assert str(unsent) == "ada@example.com 0a1b (record 7): failed: the command exited with 3"
