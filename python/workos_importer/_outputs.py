"""Owns what a file that is written must not be: one of those that are read, or another one that is written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ._exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping


def refuse_what_is_read(path: str | os.PathLike[str], *read: str | os.PathLike[str] | None) -> None:
    """Raises `ConfigError` (`output_path`) if what is to be written at `path` would take the place of what is read."""
    # What has been moved away meanwhile is no longer in the way.
    if Path(path).expanduser().exists() and any(one is not None and _are_same(path, one) for one in read):
        raise ConfigError(f"{path}: cannot be written: it is the file that is read. Name another one.", "output_path")


def refuse_one_for_two(paths: Mapping[str, str | os.PathLike[str] | None]) -> None:
    """Raises `ConfigError` (`contradiction`) if two files that are to be written are one; each by what names it."""
    before: dict[str, str | os.PathLike[str]] = {}
    for name, path in paths.items():
        if path is None:
            continue
        for other, there in before.items():
            if _are_same(path, there):
                raise ConfigError(f"{other} and {name} name the same file. Name two.", "contradiction")
        before[name] = path


def _are_same(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether two paths name one file, that is there or not; links and other spellings are seen through."""
    first, second = Path(one).expanduser(), Path(other).expanduser()
    try:
        return first.samefile(second)
    except OSError:
        # One of them at least is not there yet.
        return os.path.realpath(first) == os.path.realpath(second)
