"""Owns the exceptions: few classes, by what a handler would do about them, each with a stable `kind`.

A row that fails is a result, never an exception. No message contains a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._results import RowResult


class ImporterError(Exception):
    """The root of everything that this package raises on purpose.

    `str(error)` says what is wrong and what to do. `kind` is a word for programs, one of `KINDS` of the error's class;
    it is never renamed.
    """

    KINDS: ClassVar[tuple[str, ...]] = ("importer",)

    kind: str

    def __init__(self, message: str, kind: str | None = None) -> None:
        """Takes the message and the kind; without a kind it is the class's first one."""
        super().__init__(message)
        self.kind = kind if kind is not None else type(self).KINDS[0]

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (str(self), self.kind))


class ConfigError(ImporterError):
    """Options, settings or the key's places are wrong or contradict each other: change the call."""

    KINDS = (
        "config",
        "key_missing",
        "key_conflict",
        "key_file",
        "contradiction",
        "mode",
        "mapping",
        "connection",
        "output_path",
        "sandbox",
        "missing_package",
    )


class SourceError(ImporterError):
    """The source as a whole cannot be read: change the file, or what is given in its place."""

    KINDS = (
        "source",
        "not_found",
        "directory",
        "empty",
        "unreadable",
        "utf_16",
        "binary",
        "spreadsheet",
        "not_utf_8",
        "unknown_encoding",
        "delimiter",
        "duplicate_column",
        "header",
        "carriage_returns",
        "json",
        "not_users",
        "changed",
        "other",
        "columns",
        "data_frame",
        "not_rows",
        "value",
        "temporary",
    )


class AuthError(ImporterError):
    """The API does not accept the key: give another one."""

    KINDS = ("auth",)


class APIError(ImporterError):
    """The API cannot be reached or does not do its work: try again later."""

    KINDS = ("api",)


class RunError(ImporterError):
    """A run cannot go on or cannot be used in this way."""

    KINDS: ClassVar[tuple[str, ...]] = (
        "run",
        "no_run",
        "not_running",
        "not_ended",
        "forked",
        "organization",
        "output",
        "undone",
        "internal",
    )


class RunLockedError(RunError):
    """Another process works on the run."""

    KINDS = ("run_locked",)


class SourceChangedError(RunError):
    """The source is not the one that the run was started with."""

    KINDS = ("source_changed",)


class JournalError(RunError):
    """The run's folder or journal cannot be read or written: often a full disk, or no permission."""

    KINDS = ("journal", "run_dir")


class RowsFailedError(ImporterError):
    """The run ended, and not every row is in its desired state. `failures` has the first ten that failed."""

    KINDS = ("rows_failed",)

    failures: tuple[RowResult, ...]

    def __init__(self, message: str, kind: str | None = None, failures: Sequence[RowResult] = ()) -> None:
        """Takes the message, the kind and the results of the first rows that failed."""
        super().__init__(message, kind)
        self.failures = tuple(failures)

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (str(self), self.kind, self.failures))
