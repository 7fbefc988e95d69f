"""Owns the figures of the bar that an import draws in a terminal: each row counts once, and never backwards."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conftest import write
from test_consent import Terminal, terminal_only

FRAME = re.compile(r"(\d+)/(\d+) +[\d.]+/s +ETA: \S+ +(\d+) failed")
COLOURS = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")


def frames(shown: str) -> list[tuple[int, int, int]]:
    """What each frame of the bar says: rows that have ended, all of them, those that failed."""
    found = FRAME.findall(COLOURS.sub("", shown))
    return [(int(ended), int(total), int(failed)) for ended, total, failed in found]


def assert_counted_once(shown: str, total: int, failed: int) -> None:
    """Every frame says what can be, and the last one what was."""
    found = frames(shown)
    assert found, shown
    for column in (0, 2):
        counts = [frame[column] for frame in found]
        assert counts == sorted(counts), found
    assert {frame[1] for frame in found} == {total}
    assert all(frame[0] <= total and frame[2] <= failed for frame in found), found
    assert (found[-1][0], found[-1][2]) == (total, failed), found


@terminal_only
@pytest.mark.parametrize("target", ["workos", "kratos"])
def test_a_few_rows_are_counted_once(folder: Path, target: str) -> None:
    write(folder / "users.csv", "email\nada@example.com\nnobody\nbob@example.com\n")
    for _ in range(3):
        code, _, shown = Terminal("import", "users.csv", "--sandbox", "--target", target, "--no-resume").end()
        assert code == 1
        assert_counted_once(shown, 3, 1)


@terminal_only
def test_many_rows_are_counted_once(folder: Path) -> None:
    emails = [f"user{number}@example.com" for number in range(1_480)] + ["nobody"] * 20
    write(folder / "users.csv", "\n".join(["email", *emails]))
    # That one has no limits.
    code, _, shown = Terminal("import", "users.csv", "--sandbox", "--target", "kratos").end()
    assert code == 1
    assert_counted_once(shown, 1_500, 20)


@terminal_only
def test_rows_of_an_earlier_attempt_are_counted_once(folder: Path, served: str) -> None:
    emails = ["nobody", *(f"user{number}@example.com" for number in range(200))]
    write(folder / "users.csv", "\n".join(["email", *emails]))
    flags = ("--base-url", served, "--rate-limit", "100/1s")
    opened = Terminal("import", "users.csv", *flags, key="sk_test_1")
    opened.until("✓ 60 ")
    opened.type("\x03")
    assert opened.end()[0] == 130
    code, _, shown = Terminal("resume", "latest", *flags, key="sk_test_1").end()
    assert code == 1
    assert_counted_once(shown, 201, 1)
