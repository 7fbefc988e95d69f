"""Owns the promise that the notebooks run from beginning to end and show what is stored in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from books import BOOKS, executed, formats, same, shown


@pytest.mark.parametrize("book", BOOKS, ids=[book.stem for book in BOOKS])
def test_a_notebook_shows_what_is_stored_in_it(book: Path, folder: Path) -> None:
    stored: Any = formats.read(book, as_version=4)
    cells = zip(stored.cells, executed(book, folder).cells, strict=True)
    for before, now in cells:
        assert same(now, before), f"{book.name}, {now.source}\nshows {shown(now)},\nstored is {shown(before)}"


def test_there_are_three_to_start_from() -> None:
    assert [book.stem for book in BOOKS] == [
        "1-clean-and-import",
        "2-migrate-organizations",
        "3-when-it-went-wrong",
    ]


def test_a_change_is_noticed() -> None:
    """What is compared says enough: figures and words of our tables, text of frames, not run ids and durations."""

    def cell(**data: str) -> Any:
        return formats.v4.new_code_cell(outputs=[formats.v4.new_output("display_data", data)])

    def report(duration: str, run: str, status: str) -> Any:
        return cell(**{"text/html": f"<div><strong>Summary</strong>{duration} {run} {status}</div>", "text/plain": run})

    assert same(report("2.1 s", "0123abcd", "Success"), report("3 s", "abcd0123", "Success"))
    assert not same(report("2.1 s", "0123abcd", "Success"), report("2.1 s", "0123abcd", "Failed"))
    assert same(cell(**{"text/plain": "a  1"}), cell(**{"text/plain": "a 1"}))
    assert not same(cell(**{"text/plain": "a 1"}), cell(**{"text/plain": "a 2"}))
    assert not same(cell(**{"text/plain": "a"}), formats.v4.new_code_cell())
