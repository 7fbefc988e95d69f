"""Owns the exceptions: few classes, by what a handler would do about them, each with a stable `kind`.

A row that fails is a result, never an exception. No message contains a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._results import RowResult


class ImporterError(Exception):
    """The root of everything that this package raises on purpose.

    `str(error)` says what is wrong and what to do. `kind` is a word for programs, one of `KINDS` of the error's class;
    it is never renamed.

    >>> from workos_importer import Importer, ImporterError
    >>> try:
    ...     Importer(on_existing="replace")
    ... except ImporterError as error:
    ...     print(error.kind, error)
    config on_existing must be "skip", "update" or "fail", not 'replace'
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
    """Options, settings or the key's places are wrong or contradict each other: change the call.

    >>> from workos_importer import ConfigError, Importer
    >>> try:
    ...     Importer(env_file=None).run("users.csv")
    ... except ConfigError as error:
    ...     print(error.kind)
    key_missing
    """

    KINDS = (
        "config",
        "key_missing",
        "key_conflict",
        "key_file",
        "contradiction",
        "mode",
        "mapping",
        "rule",
        "connection",
        "output_path",
        "sandbox",
        "missing_package",
    )


class SourceError(ImporterError):
    """The source as a whole cannot be read: change the file, or what is given in its place.

    >>> from workos_importer import Importer, SourceError
    >>> try:
    ...     Importer().validate("nowhere.csv")
    ... except SourceError as error:
    ...     print(error.kind, error)
    not_found Cannot find CSV file: nowhere.csv
    """

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
    """The API does not accept the key: give another one.

    >>> from workos_importer import AuthError, Importer, Sandbox
    >>> with Sandbox(key="sk_test_1").serve() as server:
    ...     try:
    ...         Importer(api_key="sk_test_2", base_url=server.url).run([{"email": "ada@example.com"}]).wait()
    ...     except AuthError as error:
    ...         print(error.kind)
    auth
    """

    KINDS = ("auth",)


class APIError(ImporterError):
    """The API cannot be reached or does not do its work: try again later.

    >>> from workos_importer import APIError, Importer, Sandbox
    >>> try:
    ...     summary = Importer(sandbox=Sandbox()).run([{"email": "ada@example.com"}]).wait()
    ... except APIError:
    ...     print("WorkOS is away: the same import goes on from here, later")
    >>> summary.status
    'Success'
    """

    KINDS: ClassVar[tuple[str, ...]] = ("api",)


class InDoubtError(APIError):
    """The answer of a write was lost, and nothing tells whether it was applied: look before you send it again.

    It was sent once. `candidates` are the objects that it can have made, as the API shows them.

    >>> from workos_importer import Directory, InDoubtError, Sandbox
    >>> sandbox = Sandbox()
    >>> sandbox.fail_next("reset_after", method="POST")
    >>> try:
    ...     Directory(sandbox=sandbox).organizations.create(name="Acme")  # without an external id
    ... except InDoubtError as error:
    ...     print(error.kind, [one["name"] for one in error.candidates])
    in_doubt ['Acme']
    """

    KINDS = ("in_doubt",)

    candidates: tuple[dict[str, Any], ...]

    def __init__(self, message: str, kind: str | None = None, candidates: Sequence[dict[str, Any]] = ()) -> None:
        """Takes the message, the kind and the candidates."""
        super().__init__(message, kind)
        self.candidates = tuple(candidates)

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (str(self), self.kind, self.candidates))


class InputError(ImporterError):
    """What was asked of a single object cannot be, or the object is not there: change the call.

    >>> from workos_importer import Directory, InputError, Sandbox
    >>> try:
    ...     Directory(sandbox=Sandbox()).organizations.create(name="")
    ... except InputError as error:
    ...     print(error.kind, error)
    input An organization needs a name.
    """

    KINDS = ("input", "no_object")


class ConflictError(ImporterError):
    """Another object stands in the way, such as the organization that has the domain. `object_id` is its id, if known.

    >>> from workos_importer import ConflictError, Directory, Sandbox
    >>> organizations = Directory(sandbox=Sandbox()).organizations
    >>> acme = organizations.create(name="Acme", domains=["acme.com"])
    >>> try:
    ...     organizations.create(name="Other", domains=["acme.com"])
    ... except ConflictError as error:
    ...     print(error.object_id == acme.id)
    True
    """

    KINDS = ("conflict",)

    object_id: str | None

    def __init__(self, message: str, kind: str | None = None, object_id: str | None = None) -> None:
        """Takes the message, the kind and the id of the object in the way."""
        super().__init__(message, kind)
        self.object_id = object_id

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (str(self), self.kind, self.object_id))


class RunError(ImporterError):
    """A run cannot go on or cannot be used in this way.

    >>> from workos_importer import Importer, RunError
    >>> try:
    ...     Importer().show("latest")
    ... except RunError as error:
    ...     print(error.kind)
    no_run
    """

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
    """Another process works on the run.

    >>> from workos_importer import Importer, RunLockedError, Sandbox
    >>> importer, rows = Importer(sandbox=Sandbox(latency=0.5)), [{"email": "ada@example.com"}]
    >>> with importer.run(rows, run_id="crm"):
    ...     try:
    ...         importer.run(rows, run_id="crm")
    ...     except RunLockedError as error:
    ...         print(error.kind)
    run_locked
    """

    KINDS = ("run_locked",)


class SourceChangedError(RunError):
    """The source is not the one that the run was started with.

    >>> from workos_importer import Importer, Sandbox, SourceChangedError
    >>> importer = Importer(sandbox=Sandbox())
    >>> ok = importer.run([{"email": "ada@example.com"}]).wait().ok
    >>> try:
    ...     importer.resume()  # rows of a program are gone, unless they are given again
    ... except SourceChangedError as error:
    ...     print(error.kind)
    source_changed
    """

    KINDS = ("source_changed",)


class JournalError(RunError):
    """The run's folder or journal cannot be read or written: often a full disk, or no permission.

    >>> from pathlib import Path
    >>> from workos_importer import Importer, JournalError, Sandbox
    >>> file = Path("taken").touch()
    >>> try:
    ...     Importer(sandbox=Sandbox(), run_dir="taken").run([{"email": "ada@example.com"}]).wait()
    ... except JournalError as error:
    ...     print(error.kind)
    run_dir
    """

    KINDS = ("journal", "run_dir")


class RowsFailedError(ImporterError):
    """The run ended, and not every row is in its desired state. `failures` has the first ten that failed.

    >>> from workos_importer import Importer, RowsFailedError, Sandbox
    >>> try:
    ...     Importer(sandbox=Sandbox()).run([{"email": "nobody"}]).wait().raise_for_failures()
    ... except RowsFailedError as error:
    ...     print(error.failures[0].error.code)
    invalid_email
    """

    KINDS = ("rows_failed",)

    failures: tuple[RowResult, ...]

    def __init__(self, message: str, kind: str | None = None, failures: Sequence[RowResult] = ()) -> None:
        """Takes the message, the kind and the results of the first rows that failed."""
        super().__init__(message, kind)
        self.failures = tuple(failures)

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (str(self), self.kind, self.failures))
