"""Owns running the notebooks as people do, cell by cell in a kernel, and what of their outputs must stay the same.

Run as a program it stores the outputs: `python tests/python/books.py`.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from html import unescape
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

#: Untyped, to those who look at types.
formats: Any = nbformat

FOLDER = Path(__file__).parents[2] / "notebooks"
BOOKS = sorted(FOLDER.glob("*.ipynb"))

#: A cell with this tag shows something else each time; that it shows anything is all that is asked.
VARIES = "varies"

# What is different each time, and what is said in its place.
_CHANGING = [
    (re.compile(r"\b[0-9a-f]{8}\b"), "RUN"),
    (re.compile(r"\b(user|org|om)_[0-9A-Z]+"), r"\1_ID"),
    (re.compile(r"\d+(\.\d+)? (s|min)\b"), "TIME"),
    (re.compile(r"duration_seconds=[0-9.e-]+"), "TIME"),
    # How wide a column of a table is.
    (re.compile(r"\s+"), " "),
]


def executed(book: Path, folder: Path) -> Any:
    """The notebook after all of its cells were run in this folder, to which the files beside it are copied.

    Raises what nbclient raises if a cell does.
    """
    for path in FOLDER.iterdir():
        if path.is_file() and path.suffix != ".ipynb":
            shutil.copy(path, folder)
    notebook: Any = formats.read(book, as_version=4)
    client = NotebookClient(notebook, timeout=90, record_timing=False, resources={"metadata": {"path": str(folder)}})
    client.execute()
    notebook.metadata.pop("language_info", None)
    return notebook


def shown(cell: Any) -> list[str]:
    """What a cell's outputs say, without what is different each time."""
    said = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        html = "".join(data.get("text/html", ""))
        # Our own tables say more than their text; those of the frames say the same, in the words of one version.
        own = html.startswith("<div><") and "<style" not in html
        text = unescape(html) if own else "".join(data.get("text/plain", output.get("text", "")))
        for pattern, replacement in _CHANGING:
            text = pattern.sub(replacement, text)
        said.append(f"{output['output_type']}: {text.strip()}")
    return said


def same(one: Any, other: Any) -> bool:
    """Whether two cells show the same."""
    if VARIES in one.metadata.get("tags", []):
        return bool(one.get("outputs")) and bool(other.get("outputs"))
    return shown(one) == shown(other)


def store(book: Path) -> bool:
    """Stores the outputs of a notebook, where they say something else than those that are there; whether any did."""
    stored: Any = formats.read(book, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        notebook = executed(book, Path(folder))
    changed = False
    for now, before in zip(notebook.cells, stored.cells, strict=True):
        if now.cell_type != "code":
            continue
        if before.get("outputs") and same(now, before):
            now.outputs = before.outputs
        else:
            changed = changed or bool(now.outputs or before.outputs)
    formats.write(notebook, book)
    return changed


if __name__ == "__main__":
    for one in BOOKS:
        print(one.name, "changed" if store(one) else "as it was")
