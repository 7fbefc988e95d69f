"""Owns the two streams: the summary goes to standard output, all the rest to standard error.

Text is made printable for the stream's encoding and free of control characters, so that a cell of somebody's file
cannot steer the terminal. A reader that is gone ends the printing, never an import.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from typing import TextIO

_MARKS = "┌─┐│└┘✓✗·…×"
_PLAIN = str.maketrans(
    {"┌": "+", "─": "-", "┐": "+", "│": "|", "└": "+", "┘": "+", "✓": "ok", "✗": "x", "·": "-", "…": "...", "×": "x"}
)
_KEY = re.compile(r"sk_\w+")


class Streams:
    """Standard output and standard error."""

    def __init__(self) -> None:
        """Looks at the process's streams when they are written to, not before."""
        self._gone: set[int] = set()

    def result(self, text: str) -> None:
        """Prints to standard output."""
        self._print(sys.stdout, text)

    def note(self, text: str) -> None:
        """Prints to standard error."""
        self._print(sys.stderr, text)

    def ask(self, text: str) -> None:
        """Prints a question to standard error; what is typed stands in the same line."""
        self._print(sys.stderr, text, end="")

    def error(self, text: str) -> None:
        """Prints what went wrong to standard error."""
        self.note(f"workos-importer: {text}")

    def close(self) -> None:
        """Writes out what is buffered; what nobody reads is dropped, without a complaint of the interpreter at exit."""
        for stream in (sys.stdout, sys.stderr):
            if stream is None:
                continue
            try:
                stream.flush()
            except (OSError, ValueError):
                self._leave(stream)

    def _print(self, stream: TextIO | None, text: str, end: str = "\n") -> None:
        # Without a console (pythonw, some services) there is no stream.
        if stream is None or id(stream) in self._gone:
            return
        try:
            stream.write(printable(text, stream) + end)
            stream.flush()
        except BrokenPipeError:
            self._leave(stream)

    def _leave(self, stream: TextIO) -> None:
        self._gone.add(id(stream))
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def printable(text: str, stream: TextIO) -> str:
    """The text as the stream can show it: line breaks stay, other control characters are written as escapes."""
    shown = "".join(one if one == "\n" or one.isprintable() else ascii(one)[1:-1] for one in text)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        _MARKS.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        shown = shown.translate(_PLAIN)
    try:
        return shown.encode(encoding, "backslashreplace").decode(encoding)
    except LookupError:
        return shown.encode("ascii", "backslashreplace").decode("ascii")


def without_keys(text: str) -> str:
    """The text without what looks like a WorkOS key: a key that is pasted into the wrong place is not repeated."""
    return _KEY.sub("sk_…", text)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at the stream and it can be drawn on."""
    if stream is None or os.environ.get("TERM") == "dumb":
        return False
    try:
        return stream.isatty()
    except ValueError:
        return False
