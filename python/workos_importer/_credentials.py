"""Owns the search for the API key: argument, environment, key file, `.env`. The key is printed nowhere."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ._exceptions import ConfigError
from ._native import Sandbox

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The variables that hold a key, in the order in which they are looked at.
KEY_VARIABLES = ("WORKOS_API_KEY", "WORKOS_SECRET_KEY")

#: What is said when no place has a key; people search for this sentence.
MISSING = "WORKOS_SECRET_KEY is missing: set it (or WORKOS_API_KEY), or write it into .env in this folder."

# A key file or .env is a few lines; more is some other file by mistake.
_LARGEST_FILE = 1 << 20


class Key:
    """An API key with the place that it comes from. Its text is in no `repr`, and it cannot be pickled."""

    __slots__ = ("_text", "place")

    def __init__(self, text: str, place: str) -> None:
        """Takes the key's text and the words for its place, such as `.env`."""
        self._text = text
        self.place = place

    def reveal(self) -> str:
        """The key itself, for the connection alone."""
        return self._text

    def __repr__(self) -> str:
        return f"Key(from {self.place})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("An API key is not pickled. Set WORKOS_API_KEY where the work is done.")


def given_key(api_key: str) -> Key:
    """The key that a program gives as it is. Raises `ConfigError` if it cannot be one."""
    if not isinstance(api_key, str):
        raise ConfigError(f"api_key must be a text, not {type(api_key).__name__}")
    if not api_key.strip():
        message = "api_key is empty. Leave it out to use WORKOS_API_KEY, WORKOS_SECRET_KEY or .env."
        raise ConfigError(message, "key_missing")
    return Key(api_key.strip(), "api_key")


@dataclass(frozen=True, slots=True)
class Found:
    """The key, and what has to be said about its place."""

    key: Key
    warnings: tuple[str, ...]


def find_key(
    argument: Key | None,
    key_file: str | os.PathLike[str] | None = None,
    env_file: str | os.PathLike[str] | None = ".env",
    environment: Mapping[str, str] | None = None,
) -> Found:
    """Looks at all places; the first one counts, and two different keys are refused.

    `env_file=None` leaves the `.env` file out; `environment` defaults to the process's own.

    Raises `ConfigError` if there is no key (`key_missing`), if places disagree (`key_conflict`), or if the key file
    cannot be read (`key_file`).
    """
    variables = os.environ if environment is None else environment
    keys = [] if argument is None else [argument]
    for name in KEY_VARIABLES:
        text = variables.get(name, "").strip()
        if text:
            keys.append(Key(text, name))
    if key_file is not None:
        keys.append(_from_key_file(Path(key_file)))
    warnings: tuple[str, ...] = ()
    if env_file is not None:
        in_file, warnings = _from_env_file(Path(env_file))
        keys += in_file
    if not keys:
        raise ConfigError(MISSING, "key_missing")
    for other in keys[1:]:
        if other.reveal() != keys[0].reveal():
            raise ConfigError(
                f"Two different keys: one from {keys[0].place}, another one from {other.place}. Remove one of the two.",
                "key_conflict",
            )
    used_file = any(key is keys[0] for key in in_file) if env_file is not None else False
    return Found(keys[0], warnings if used_file else ())


def parse_env(text: str) -> dict[str, str]:
    """The key variables of a `.env` file; everything else in it is left alone.

    Understands `export `, quotes around the value or (as cmd.exe writes them) around the whole line, comments, CRLF.
    """
    found: dict[str, str] = {}
    for raw in text.splitlines():
        line = raw.strip()
        if len(line) > 1 and line[0] in "'\"" and line[-1] == line[0]:
            line = line[1:-1].strip()
        line = line.removeprefix("export ").lstrip()
        name, equals, value = line.partition("=")
        name = name.strip()
        if not equals or name not in KEY_VARIABLES:
            continue
        value = _unquoted(value.strip())
        if value:
            found[name] = value
    return found


def _unquoted(value: str) -> str:
    if value[:1] in ("'", '"'):
        end = value.find(value[0], 1)
        return value[1:end].strip() if end > 0 else value[1:].strip()
    # A comment needs a space before it: a key could hold a `#`.
    for mark in (" #", "\t#"):
        value = value.partition(mark)[0]
    return value.strip()


def _from_key_file(path: Path) -> Key:
    try:
        text = _decoded(_read(path.expanduser())).strip()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(f"Cannot read the key file {path}: {reason}", "key_file") from None
    if not text or len(text.splitlines()) != 1:
        raise ConfigError(f"The key file {path} must hold the key and nothing else, on one line.", "key_file")
    # A file in the form of .env is understood too.
    key = next(iter(parse_env(text).values()), text)
    return Key(key, str(path))


def _from_env_file(path: Path) -> tuple[list[Key], tuple[str, ...]]:
    try:
        text = _decoded(_read(path))
        mode = path.stat().st_mode
    except OSError:
        return [], ()
    variables = parse_env(text)
    keys = [Key(variables[name], _place(path, name, variables)) for name in KEY_VARIABLES if name in variables]
    # Windows has no such bits: its permissions are in access lists.
    if keys and os.name == "posix" and mode & (stat.S_IRGRP | stat.S_IROTH):
        return keys, (f"Others can read {path}, which holds your key. Run: chmod 600 {path}",)
    return keys, ()


def _place(path: Path, name: str, variables: Mapping[str, str]) -> str:
    return f"{name} in {path}" if len(variables) > 1 else str(path)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LARGEST_FILE)


def _decoded(content: bytes) -> str:
    """UTF-8, or UTF-16 as PowerShell's `>` writes it; with or without a byte order mark."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    if content[1:2] == b"\x00":
        return content.decode("utf-16-le", "replace")
    if content[:1] == b"\x00":
        return content.decode("utf-16-be", "replace")
    return content.decode("utf-8-sig", "replace")


def checked_sandbox(
    sandbox: Sandbox | None,
    api_key: str | None,
    api_key_file: str | os.PathLike[str] | None,
    base_url: str | None,
) -> Sandbox | None:
    """The sandbox that was handed over. Raises `ConfigError` if it contradicts the rest."""
    if sandbox is None:
        return None
    if not isinstance(sandbox, Sandbox):
        raise ConfigError("sandbox must be a Sandbox, such as Sandbox()")
    given = {"api_key": api_key, "api_key_file": api_key_file, "base_url": base_url}
    for name, value in given.items():
        if value is not None:
            message = f"sandbox and {name} contradict each other: a sandbox needs neither key nor URL"
            raise ConfigError(message, "contradiction")
    return sandbox
