"""Owns how arguments are taken: one line for a mistake, no abbreviations, and no key on the command line.

What a flag's value means is the options' business. They are loaded where such a flag is given: the list of commands
does not wait for them.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from .._exceptions import ConfigError
from .streams import without_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from .streams import Streams

Value = TypeVar("Value")
Commands = Any  # argparse gives its collection of commands no public type


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line and exits with 2."""

    def __init__(self, *, streams: Streams, **settings: Any) -> None:
        """Takes argparse's settings, and where to print."""
        super().__init__(**settings, allow_abbrev=False)
        self._streams = streams

    def error(self, message: str) -> NoReturn:
        """Prints the message and where help is, and exits with 2."""
        self._streams.error(f"{without_keys(message)} (see {self.prog} --help)")
        self._streams.close()
        sys.exit(2)


class Refused(argparse.Action):
    """A flag that is known elsewhere and not taken here: its help is the reason."""

    def __init__(self, option_strings: Sequence[str], dest: str, reason: str = "", **settings: Any) -> None:
        """Takes the reason that is given."""
        super().__init__(option_strings, dest, help=argparse.SUPPRESS, **settings)
        self._reason = reason

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Refuses the flag, whatever its value, which is not repeated."""
        parser.error(self._reason)


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """A type for flags: a whole number from `least` on, up to `most`."""

    def parse(text: str) -> int:
        number = int(text) if text.strip().isdecimal() else None
        if number is None or number < least or (most is not None and number > most):
            bounds = f"from {least} on" if most is None else f"from {least} to {most}"
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number {bounds}")
        return number

    return parse


def share(text: str) -> float:
    """A type for flags: `10%` or `0.1`."""
    from .._options import parse_share

    return _reported(parse_share, text)


def rate_limit(text: str) -> tuple[int, float]:
    """A type for flags: `500/10s`."""
    from .._options import parse_rate_limit

    return _reported(parse_rate_limit, text)


def give_up_after(text: str) -> float:
    """A type for flags: `30min`."""
    from .._options import parse_give_up_after

    return _reported(parse_give_up_after, text)


def expires_in(text: str) -> float:
    """A type for flags: `12h`."""
    from .._recovery import parse_expires_in

    return _reported(parse_expires_in, text)


def stop_at(text: str) -> datetime:
    """A type for flags: `06:00`, `2026-11-23T06:00`."""
    from .._options import parse_stop_at

    return _reported(parse_stop_at, text)


def seconds(text: str) -> float:
    """A type for flags: `50ms`, `2s`, `0.5`."""
    from .._options import parse_duration

    found = parse_duration(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write it like 50ms or 2s")
    return found


def mapping(text: str) -> tuple[str, str]:
    """A type for flags: `Your column=email`. The last `=` divides, since a column's name may contain one."""
    source, _, ours = text.rpartition("=")
    if not source.strip() or not ours.strip():
        raise argparse.ArgumentTypeError(f'{text!r} is no mapping: write it like "Your column=email"')
    return source.strip(), ours.strip()


def _reported(parse: Callable[[str], Value], text: str) -> Value:
    try:
        return parse(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
