"""Owns the question before something is done that cannot be taken back: who is asked, how, and what counts as a yes."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from .._box import duration
from .._credentials import find_key
from .._options import base_url_of
from .target_flags import kratos_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from types import FrameType

    from .._results import Started
    from .parser import Parser
    from .streams import Streams


def add_yes(parser: Parser) -> None:
    """The flag of scripts in a terminal."""
    parser.add_argument("--yes", action="store_true", help="do not ask before writing with a live key")


def consent_of(parsed: argparse.Namespace, streams: Streams) -> Callable[[Started], bool] | None:
    """What asks before a run writes with a live key; None where nobody is to be asked."""
    if parsed.yes or not attended():
        return None

    def confirm(asked: Started) -> bool:
        if asked.note is not None:
            streams.note(asked.note)
        return agreed(f"{_where(parsed)}: {_about(asked)}. Write to it?", streams)

    return confirm


def attended() -> bool:
    """Whether somebody sits there: the question goes to standard error, the answer comes from standard input."""
    return all(stream is not None and not stream.closed and stream.isatty() for stream in (sys.stdin, sys.stderr))


def agreed(question: str, streams: Streams) -> bool:
    """Asks once. Only `y` and `yes` are a yes; Ctrl-C, Ctrl-D and everything else are none."""
    try:
        # First: whoever reads the question can answer it with Ctrl-C.
        with _interruptible():
            streams.ask(f"{question} [y/N] ")
            answer = sys.stdin.readline()
    except KeyboardInterrupt:
        streams.note("")
        return False
    if not answer.endswith("\n"):
        streams.note("")
    return answer.strip().lower() in ("y", "yes")


def _where(parsed: argparse.Namespace) -> str:
    if getattr(parsed, "target", None) == "kratos":
        return f"This is the Kratos at {kratos_of(parsed).url}"
    place = find_key(None, parsed.api_key_file).key.place
    return f"This is a LIVE environment ({base_url_of(parsed.base_url)}, key from {place})"


def _about(asked: Started) -> str:
    rows = "an unknown number of rows" if asked.rows is None else f"{asked.rows} rows"
    parts = [rows, asked.mode]
    if asked.least_seconds is not None:
        parts.append(f"at least {duration(asked.least_seconds)}")
    return " · ".join(parts)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Lets signals end the wait for an answer, beside what else they do."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {}

    def handle(number: int, frame: FrameType | None) -> NoReturn:
        earlier = before[number]
        if callable(earlier) and earlier is not signal.default_int_handler:
            earlier(number, frame)
        raise KeyboardInterrupt

    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is not None:
            before[number] = signal.getsignal(number)
            signal.signal(number, handle)
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
