"""Owns the runs on disk as Python sees them: which there are, what each did, and why rows of it failed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _convert as convert
from . import _native
from ._options import run_dir_of
from ._outputs import refuse_what_is_read
from ._reports import GivenBack
from ._results import Progress, Summary, _Brief
from ._undo import UndoPlan, plan

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from ._tables import Table

# How many results cross the boundary at once.
_BATCH = 512


@dataclass(frozen=True, slots=True, repr=False)
class RunInfo(_Brief):
    """A run on disk. Counts are of rows.

    >>> from workos_importer import Importer, Sandbox
    >>> importer = Importer(sandbox=Sandbox())
    >>> ok = importer.run([{"email": "ada@example.com"}], run_id="crm").wait().ok
    >>> [(info.id, info.status, info.created) for info in importer.runs()]
    [('crm', 'Success', 1)]
    """

    id: str
    #: The path that was imported; `-` for standard input, `rows` for rows that came from a program.
    source: str
    mode: str
    #: `workos`, `sandbox`, `kratos` or `kratos-sandbox`.
    target: str
    #: As in the summary; None while the run is under way, and after it was killed.
    status: str | None
    started_at: datetime
    ended_at: datetime | None
    #: Records of the source; None where that is not known yet.
    total: int | None
    created: int
    updated: int
    unchanged: int
    failed: int
    #: The run's folder.
    folder: str

    @property
    def directory(self) -> str:
        """Which directory the run wrote to: `workos` or `kratos`."""
        return "kratos" if self.target.startswith("kratos") else "workos"

    @property
    def source_file(self) -> str | None:
        """The file that was imported; None where rows came from standard input or from a program."""
        return self.source if Path(self.source).is_absolute() else None

    @property
    def ended(self) -> int:
        """Rows that have their outcome."""
        return self.created + self.updated + self.unchanged + self.failed

    @property
    def pending(self) -> int | None:
        """Rows that have none yet; None where that is not known."""
        return None if self.total is None else max(self.total - self.ended, 0)

    def to_dict(self) -> dict[str, Any]:
        """The parts as plain values, as `--json` prints them."""
        return asdict(self) | {"pending": self.pending}


@dataclass(frozen=True, slots=True, repr=False)
class Cause(_Brief):
    """Rows of a run that failed alike.

    >>> from workos_importer import Importer, Sandbox
    >>> importer = Importer(sandbox=Sandbox())
    >>> ok = importer.run([{"email": "nobody"}, {"email": "ada@example.com"}, {"email": "none"}]).wait().ok
    >>> [(cause.code, cause.records) for cause in importer.causes()]
    [('invalid_email', (1, 3))]
    """

    #: As in `RowError`.
    code: str
    error_type: str
    #: Rows.
    count: int
    #: The record numbers of the first five.
    records: tuple[int, ...]
    #: The message of the first one.
    example: str
    #: Whether trying again can end differently, with the file and the environment as they are.
    retry_helps: bool
    #: What to do, in plain words.
    remedy: str

    def to_dict(self) -> dict[str, Any]:
        """The parts as plain values, as `--json` prints them."""
        return asdict(self)


class RunFolder:
    """The folder in which runs are. `name` is an id, a unique beginning of one, or `latest`."""

    def __init__(self, run_dir: str | os.PathLike[str] | None) -> None:
        """Takes the folder; without one it is `WORKOS_IMPORTER_RUN_DIR` or the default."""
        self._run_dir = run_dir_of(run_dir)

    @property
    def path(self) -> str | None:
        """As the engine takes it."""
        return self._run_dir

    def runs(self) -> list[RunInfo]:
        """The latest first."""
        return [_info(found) for found in _native.runs(self._run_dir)]

    def find(self, name: str) -> RunInfo:
        """One run. Raises `RunError` (`no_run`), as all below."""
        return _info(self._found(name))

    def show(self, name: str) -> Summary:
        """The figures of a run."""
        return convert.summary(self._found(name).summary(), ())

    def target_of(self, name: str) -> str:
        """Which directory a run wrote to: `workos` or `kratos`."""
        return self.find(name).directory

    def record_id(self, name: str) -> str | None:
        """The column of a run's source that says what each row is called."""
        return self._found(name).record_id()

    def progress(self, name: str) -> Progress | None:
        """Where a run is, as the process that works on it says; None if none does."""
        return self.watched(name)()

    def watched(self, name: str) -> Callable[[], Progress | None]:
        """Finds the run once; what is returned tells each time where it is, as `progress` does, at next to no cost."""
        found = self._found(name)

        def look() -> Progress | None:
            value = found.progress()
            return None if value is None else convert.progress(value)

        return look

    def pace(self, name: str, rate_limit: tuple[int, float] | None, headroom: float | None) -> Progress | None:
        """Another pace for a run that a process works on; None if that has not heard of it within five seconds."""
        value = self._found(name).pace(rate_limit, headroom)
        return None if value is None else convert.progress(value)

    def results(self, name: str) -> Table[dict[str, Any]]:
        """Every outcome, by record number."""
        from ._tables import Table, paged

        found = self._found(name)
        return Table(convert.RESULT_TABLE, lambda: paged(found.results), convert.result_line)

    def failed(self, name: str) -> Iterator[dict[str, Any]]:
        """The rows that failed, by record number: as results have them, and `line`."""
        return _failed_pages(self._found(name))

    def causes(self, name: str) -> list[Cause]:
        """Why rows failed, the most frequent cause first."""
        return [Cause(**values) for values in self._found(name).causes()]

    def export(self, name: str, path: str) -> None:
        """Writes every outcome into a file; its ending says how.

        Raises `ConfigError` if it cannot be written, or is the file that was imported.
        """
        refuse_what_is_read(path, self.find(name).source_file)
        self._found(name).export_results(path)

    def report(self, name: str, path: str, receipt: str | None, redact: bool) -> None:
        """Writes the report; see `Importer.report`."""
        refuse_what_is_read(path, self.find(name).source_file, receipt)
        self._found(name).report(path, receipt, redact)

    def give_back_failed(self, name: str, path: str) -> GivenBack:
        """Writes the failed rows into a file as they are written in the source; see `Importer.retry_csv`."""
        return GivenBack(path=path, **self._found(name).give_back_failed(path))

    def undo_plan(self, name: str, organizations: bool) -> UndoPlan:
        """What undoing a run would do."""
        return plan(self._found(name).undo_plan(organizations))

    def delete(self, name: str) -> None:
        """Removes a run's folder. Raises `RunLockedError` while a process works on it."""
        self._found(name).delete()

    def _found(self, name: str) -> _native.FoundRun:
        return _native.find_run(self._run_dir, name)


def _info(found: _native.FoundRun) -> RunInfo:
    values = found.info()
    for name in ("started_at", "ended_at"):
        values[name] = None if values[name] is None else _time(values[name])
    return RunInfo(**values)


def _time(text: str) -> datetime:
    # Python 3.10 reads neither `Z` nor more than six digits of a second.
    head, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{head}.{fraction[:6].ljust(6, '0')}+00:00")


def _failed_pages(found: _native.FoundRun) -> Iterator[dict[str, Any]]:
    after = 0
    while page := found.failed_rows(after, _BATCH):
        for line, values in page:
            yield convert.result_line(values) | {"line": line}
        after = page[-1][1][0]
