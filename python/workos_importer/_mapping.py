"""Owns what the columns of a source mean to the caller: a mapping, a TOML file of one, or a function."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import _native
from ._exceptions import ConfigError, SourceError

#: The source's column names to ours; a TOML file with such a table; or a function from a name to ours, or to None.
ColumnMapping = Mapping[str, str | Sequence[str]] | str | os.PathLike[str] | Callable[[str], str | None]

_FORM = 'Write a table [mapping] with lines such as "E-Mail" = "email"'


class Renaming:
    """What a function says of column names; it is asked once for each."""

    def __init__(self, function: Callable[[str], str | None]) -> None:
        """Asks nothing yet."""
        self._function = function
        self._asked: dict[str, str] = {}

    def pairs(self, names: list[str]) -> list[tuple[str, str]]:
        """The columns that get a name of ours, and that name. Raises `ConfigError` for an answer that is no text."""
        return [(name, self.of(name)) for name in names if self.of(name) != name]

    def of(self, name: str) -> str:
        """The name of ours that a column gets; its own where the function names nothing that an import knows."""
        if name not in self._asked:
            answer = self._function(name)
            if answer is not None and not isinstance(answer, str):
                raise ConfigError(
                    f"The mapping function must give a text or None for a column, not {type(answer).__name__}",
                    "mapping",
                )
            known = None if answer is None else _native.known_column(answer)
            self._asked[name] = name if known is None else known
        return self._asked[name]

    def row(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """The row with its keys renamed. Raises `SourceError` if two of them get the same name."""
        if all(not isinstance(key, str) or self.of(key) == key for key in row):
            return row
        renamed: dict[str, Any] = {}
        first: dict[str, str] = {}
        for key, value in row.items():
            name = self.of(key) if isinstance(key, str) else key
            if name in renamed:
                raise SourceError(
                    f"The columns `{first[name]}` and `{key}` both mean `{name}`. Rename or remove one of the two",
                    "duplicate_column",
                )
            renamed[name], first[name] = value, key
        return renamed


def read_mapping(path: str | os.PathLike[str]) -> dict[str, str]:
    """The mapping in a TOML file: its table `[mapping]`, or in a `pyproject.toml` `[tool.workos-importer.mapping]`.

    Raises `ConfigError` if the file cannot be read, or has no such table.
    """
    place = Path(path).expanduser()
    try:
        text = place.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"Cannot read the mapping {place}: {error.strerror}", "mapping") from None
    except UnicodeDecodeError:
        raise ConfigError(f"The mapping {place} is not UTF-8. {_FORM}", "mapping") from None
    try:
        content = _toml(text)
    except ValueError as error:
        raise ConfigError(f"The mapping {place} is no TOML: {error}. {_FORM}", "mapping") from None
    if place.name == "pyproject.toml":
        content = _table(_table(content, "tool"), "workos-importer")
    mapping = _table(content, "mapping")
    if not mapping or not all(isinstance(name, str) for name in mapping.values()):
        raise ConfigError(f"The mapping {place} has no table [mapping] of texts. {_FORM}", "mapping")
    return mapping


def pairs_of(mapping: ColumnMapping | None) -> list[tuple[str, str]]:
    """A mapping as pairs; none for a function, which is asked when the columns are known.

    Raises `ConfigError` for what is none of these.
    """
    if mapping is None:
        return []
    if isinstance(mapping, str | os.PathLike):
        return list(read_mapping(mapping).items())
    if isinstance(mapping, Mapping):
        pairs: list[tuple[str, str]] = []
        for name, ours in mapping.items():
            targets: list[Any] = [*ours] if isinstance(ours, list | tuple) else [ours]
            pairs += [(name, one) for one in targets]
        if not all(isinstance(name, str) and isinstance(ours, str) for name, ours in pairs):
            raise ConfigError('mapping takes texts to texts, such as {"E-Mail": "email"}', "mapping")
        return pairs
    if callable(mapping):
        return []
    raise ConfigError(
        f"mapping must be a mapping, a function, or the path of a TOML file, not {type(mapping).__name__}", "mapping"
    )


def renaming_of(mapping: ColumnMapping | None) -> Renaming | None:
    """What asks the function, where the mapping is one."""
    if callable(mapping) and not isinstance(mapping, Mapping | str | os.PathLike):
        return Renaming(mapping)
    return None


def columns_of(path: str, delimiter: str | None, encoding: str | None) -> list[str]:
    """The columns of a file. Raises `ConfigError` for what can be read only once, and `SourceError`."""
    try:
        can_reread = path != "-" and stat.S_ISREG(Path(path).expanduser().stat().st_mode)
    except OSError:
        # The source itself says what is wrong with it.
        can_reread = True
    if not can_reread:
        raise ConfigError(
            "A function as mapping needs a file: what comes through a pipe can be read only once. Give a mapping such "
            'as {"E-Mail": "email"}.',
            "contradiction",
        )
    return _native.source_columns(path, delimiter, encoding)


def _toml(text: str) -> dict[str, Any]:
    # Python 3.10 has no reader of its own.
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text)


def _table(content: dict[str, Any], name: str) -> dict[str, Any]:
    found = content.get(name, {})
    return found if isinstance(found, dict) else {}
