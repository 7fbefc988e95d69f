"""Owns rules of one's own: what they say is said as our rules say it, whatever rows come from and are read for."""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas
import polars
import pytest

from conftest import Run, write
from workos_importer import ConfigError, Importer, Issue, Sandbox, frame_rule

ROWS: list[dict[str, Any]] = [
    {"email": "ada@example.com", "first_name": "Ada", "team": "blue"},
    {"email": "grace@example.com", "first_name": "Grace", "team": "green"},
    {"email": "eve@example.com", "first_name": "Eve", "team": None},
    {"email": "nobody", "first_name": "No", "team": "green"},
]


def known_team(row: dict[str, Any]) -> str | None:
    """A row's team is blue, or it has none."""
    return None if row["team"] in ("blue", None) else f"there is no team {row['team']}"


def as_csv(folder: Path) -> Path:
    """The rows as a file."""
    path = folder / "users.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ROWS[0])
        writer.writeheader()
        writer.writerows(ROWS)
    return path


def as_ndjson(folder: Path) -> Path:
    """The rows as another file."""
    return write(folder / "users.ndjson", "".join(json.dumps(row) + "\n" for row in ROWS))


SOURCES: dict[str, Callable[[Path], Any]] = {
    "csv": as_csv,
    "ndjson": as_ndjson,
    "rows": lambda _: ROWS,
    "generator": lambda _: (row for row in ROWS),
    "pandas": lambda _: pandas.DataFrame(ROWS),
    "polars": lambda _: polars.DataFrame(ROWS),
}
EACH_SOURCE = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)

#: Of the rows above: code and record.
WRONG = [("known_team", 2), ("invalid_email", 4), ("known_team", 4)]


def said(issues: Iterable[Issue]) -> list[tuple[str, int | None]]:
    """Codes and records of errors."""
    return [(issue.code, issue.record_number) for issue in issues if issue.severity == "error"]


@EACH_SOURCE
def test_checks_say_it(folder: Path, source: Callable[[Path], Any]) -> None:
    importer = Importer(rules=[known_team])
    report = importer.validate(source(folder))
    assert said(report.issues) == WRONG
    assert (report.valid, report.failed, report.ok) == (2, 2, False)
    dry = importer.dry_run(source(folder))
    assert said(dry.issues) == WRONG
    assert (dry.would_import, dry.failed) == (2, 2)


@EACH_SOURCE
def test_a_row_that_is_refused_fails_and_is_not_sent(folder: Path, source: Callable[[Path], Any]) -> None:
    sandbox = Sandbox(limits=False)
    importer = Importer(sandbox=sandbox, rules=[known_team], errors_out=folder / "errors.jsonl")
    with importer.run(source(folder)) as run:
        errors = {result.record_number: result.error for result in run}
    refused = errors[2]
    assert refused is not None
    assert (refused.error_type, refused.code, refused.message) == (
        "validation",
        "known_team",
        "there is no team green",
    )
    assert errors[1] is None and errors[3] is None
    both = errors[4]
    assert both is not None
    assert both.code == "invalid_email" and "there is no team green" in both.message
    assert [user["email"] for user in sandbox.dump()["users"]] == ["ada@example.com", "eve@example.com"]
    lines = [json.loads(line) for line in (folder / "errors.jsonl").read_text().splitlines()]
    assert [(line["recordNumber"], line["errorType"]) for line in lines] == [(2, "validation"), (4, "validation")]
    by_code = {cause.code: cause for cause in importer.causes()}
    assert not by_code["known_team"].retry_helps and "rule" in by_code["known_team"].remedy


@pytest.mark.parametrize("source", [as_csv, lambda _: ROWS], ids=["csv", "rows"])
def test_plans_and_verifications_ask_too(folder: Path, source: Callable[[Path], Any]) -> None:
    importer = Importer(sandbox=Sandbox(limits=False), rules=[known_team])
    plan = importer.plan(source(folder))
    assert (plan.users.create, plan.failed) == (2, 2)
    assert {cause.code for cause in plan.failures} == {"known_team", "invalid_email"}
    importer.run(source(folder)).wait()
    found = importer.verify(source(folder))
    assert (found.matches, found.ok) == (2, False)
    [refused] = [row for row in found.rows() if row.record_number == 2]
    assert refused.message is not None and "there is no team green" in refused.message


@pytest.mark.parametrize("source", [as_csv, lambda _: ROWS], ids=["csv", "rows"])
def test_a_strict_import_sends_nothing(folder: Path, source: Callable[[Path], Any]) -> None:
    sandbox = Sandbox(limits=False)
    good = [row for row in ROWS if row["team"] != "green"]
    assert Importer(sandbox=sandbox, rules=[known_team], strict=True).run(good).wait().ok
    sandbox.reset()
    summary = Importer(sandbox=sandbox, rules=[known_team], strict=True).run(source(folder)).wait()
    assert summary.stopped is not None and summary.stopped.kind == "strict"
    assert sandbox.dump()["users"] == []


def test_a_rule_may_say_many_things() -> None:
    def several(row: dict[str, Any]) -> Iterator[str | Issue]:
        if row["first_name"] == "Ada":
            yield "first"
            yield Issue("error", "invalid_email", "second", column="email")
            yield Issue("warning", "own_warning", "third", column="team")

    def silent(_: dict[str, Any]) -> list[str]:
        return []

    report = Importer(rules=[silent, several]).validate(ROWS[:3])
    assert [str(issue) for issue in report.issues if issue.record_number] == [
        "record 1, column team: third",
        "record 1: first",
        "record 1, column email: second",
    ]
    assert [issue.code for issue in report.issues if issue.record_number] == [
        "own_warning",
        "several",
        "invalid_email",
    ]
    warned = Importer(rules=[lambda _: Issue("warning", "odd", "odd")], sandbox=Sandbox(limits=False)).run(ROWS[:3])
    assert warned.wait().failed == 0
    assert [issue.code for issue in warned.warnings].count("odd") == 3


def test_a_rule_sees_our_names_and_no_secret(folder: Path) -> None:
    seen: list[dict[str, Any]] = []
    source = write(
        folder / "users.csv",
        "E-Mail,First Name,password,Kennung,Shoe\n a@b.c , Ada ,hunter2,hash-1,\nd@e.f,,,, 43 \n",
    )
    Importer(rules=[seen.append], mapping={"Kennung": "password_hash"}).validate(source)
    assert seen == [
        {"email": "a@b.c", "first_name": "Ada", "password": "[hidden]", "password_hash": "[hidden]", "Shoe": None},
        {"email": "d@e.f", "first_name": None, "password": None, "password_hash": None, "Shoe": "43"},
    ]
    seen.clear()
    Importer(rules=[seen.append]).validate([{"email": "a@b.c", "external_id": 7, "metadata": {"a": [1, 2.5, True]}}])
    assert seen == [{"email": "a@b.c", "external_id": 7, "metadata": {"a": [1, 2.5, True]}}]


def test_columns_are_named_as_the_source_has_them(folder: Path) -> None:
    source = write(folder / "users.csv", "E-Mail\na@b.c\n")
    [issue] = Importer(rules=[lambda _: Issue("error", "wrong", "no", column="email")]).validate(source).issues
    assert (issue.column, issue.line) == ("E-Mail", 2)


def test_rules_see_rows_in_order_and_a_change_of_theirs_changes_nothing() -> None:
    seen: list[str] = []

    def note(row: dict[str, Any]) -> None:
        seen.append(row.pop("email"))

    def again(row: dict[str, Any]) -> str | None:
        return None if "@" in row["email"] else "gone"

    rows = [{"email": f"user{number}@example.com"} for number in range(5_000)]
    report = Importer(rules=[note, again]).validate(rows)
    assert report.ok and seen == [row["email"] for row in rows]
    seen.clear()
    sandbox = Sandbox(limits=False)
    summary = Importer(sandbox=sandbox, rules=[note, again]).run(row for row in rows).wait()
    assert summary.created == 5_000 and seen == [row["email"] for row in rows]


@pytest.mark.parametrize("frame", ["rows", "pandas", "polars"])
def test_many_rows_at_a_time(folder: Path, frame: Any) -> None:
    @frame_rule(frame=frame)
    def team_of_many(rows: Any) -> dict[int, str]:
        if frame == "rows":
            wrong = [index for index, row in enumerate(rows) if row["team"] == "green"]
        elif frame == "pandas":
            wrong = list(rows.index[rows["team"] == "green"])
        else:
            wrong = (rows["team"] == "green").arg_true().to_list()
        return dict.fromkeys(wrong, "no such team")

    for source in SOURCES.values():
        report = Importer(rules=[team_of_many]).validate(source(folder))
        assert said(report.issues) == [("team_of_many", 2), ("invalid_email", 4), ("team_of_many", 4)]


def test_a_frame_may_give_pairs_or_nothing() -> None:
    @frame_rule
    def pairs(rows: list[dict[str, Any]]) -> Iterator[tuple[int, list[str]]]:
        yield from ((index, ["a", "b"]) for index, _ in enumerate(rows))

    @frame_rule
    def nothing(rows: list[dict[str, Any]]) -> None:
        assert rows

    assert said(Importer(rules=[pairs, nothing]).validate(ROWS[:1]).issues) == [("pairs", 1), ("pairs", 1)]


def raises(_: dict[str, Any]) -> None:
    """A rule with a mistake."""
    raise KeyError("a secret of the row")


@frame_rule
def of_nobody(_: list[dict[str, Any]]) -> dict[int, str]:
    """A rule that speaks of a row that is not there."""
    return {99: "wrong"}


@frame_rule
def of_no_index(rows: list[dict[str, Any]]) -> Any:
    """A rule that does not say of which row."""
    return ["wrong" for _ in rows]


MISTAKES: list[tuple[Any, str]] = [
    (raises, "The rule raises raised KeyError on record 1."),
    (lambda _: 7, "The rule rule gave int for record 1."),
    (lambda _: [None], "The rule rule gave NoneType for record 1."),
    (lambda _: Issue("error", "No Code", "x"), "lower-case letters"),
    (of_nobody, "The rule of_nobody gave no issues by index for records 1 to 4."),
    (of_no_index, "The rule of_no_index gave no issues by index"),
]


@pytest.mark.parametrize(("rule", "message"), MISTAKES)
@pytest.mark.parametrize("source", [as_csv, lambda _: ROWS], ids=["csv", "rows"])
def test_a_rule_that_fails_ends_what_asks_it(
    folder: Path, rule: Any, message: str, source: Callable[[Path], Any]
) -> None:
    sandbox = Sandbox(limits=False)
    importer = Importer(sandbox=sandbox, rules=[rule])
    for work in (
        lambda: importer.validate(source(folder)),
        lambda: importer.dry_run(source(folder)),
        lambda: importer.run(source(folder)).wait(),
        lambda: importer.plan(source(folder)),
        lambda: asyncio.run(waited(importer, source(folder))),
    ):
        with pytest.raises(ConfigError, match=message.replace(".", r"\.")) as caught:
            work()
        assert caught.value.kind == "rule" and "a secret" not in str(caught.value)
    assert sandbox.dump()["users"] == []


async def waited(importer: Importer, source: Any) -> None:
    """Waits for a run in an event loop."""
    await importer.run(source)


def test_an_interrupt_in_a_rule_is_one() -> None:
    def interrupted(_: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    importer = Importer(sandbox=Sandbox(limits=False), rules=[interrupted])
    with pytest.raises(KeyboardInterrupt):
        importer.validate(ROWS)
    run = importer.run(ROWS)
    with pytest.raises(KeyboardInterrupt):
        run.wait()
    assert run.ended and run.summary.created == 0


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(ConfigError, match="rules must be functions, not str"):
        Importer(rules=["known_team"])  # type: ignore[list-item]
    with pytest.raises(ConfigError, match="frame must be"):
        frame_rule(frame="spark")  # type: ignore[call-overload]


def test_a_marked_file_has_it(folder: Path) -> None:
    Importer(rules=[known_team]).validate(as_csv(folder), marked=folder / "marked.csv")
    lines = (folder / "marked.csv").read_text(encoding="utf-8").splitlines()
    assert lines[2].startswith('"Error: there is no team green",grace@example.com')


def test_a_run_goes_on_with_its_own_rules(folder: Path, run: Run) -> None:
    sandbox = Sandbox(limits=False)
    source = as_csv(folder)
    strict_one = Importer(sandbox=sandbox, rules=[known_team])
    assert strict_one.run(source).wait().failed == 2
    # Without its rules, the rows that they refuse would get in.
    with pytest.raises(ConfigError, match=r"begun with rules of a program \(known_team\)"):
        Importer(sandbox=sandbox).retry()
    again = strict_one.retry().wait()
    assert (again.failed, len(sandbox.dump()["users"])) == (2, 2)
    # Another set of rules is another import.
    other = Importer(sandbox=sandbox, rules=[known_team, lambda _: None]).run(source)
    assert other.wait().run_id != again.run_id

    served = ("--base-url", "http://127.0.0.1:9")
    done = run("retry", again.run_id, *served, WORKOS_API_KEY="sk_test_1")
    assert done.returncode == 2 and "begun with rules of a program" in done.stderr


def test_an_importer_with_rules_that_have_a_name_pickles() -> None:
    import pickle

    copy = pickle.loads(pickle.dumps(Importer(rules=[known_team])))
    assert said(copy.validate(ROWS).issues) == WRONG
