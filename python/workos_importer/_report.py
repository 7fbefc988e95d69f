"""Owns how a run writes the report on itself. The page is made by the engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from ._options import path_of
from ._outputs import refuse_what_is_read

if TYPE_CHECKING:
    import os

    from . import _native


class Reported(ABC):
    """The part of a run that is about its report."""

    _native: _native.Import

    @abstractmethod
    def _refuse_fork(self) -> None:
        """Raises in a forked process."""

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        redact: bool = False,
        receipt: str | os.PathLike[str] | None = None,
    ) -> Path:
        """Writes the report on the run, so far or as it ended, as one HTML file, and returns its path.

        The file needs no network and has no script; its owner alone can read it. It holds email addresses of rows that
        failed, no passwords: `redact` masks them (`a…@example.com`), within messages too. `receipt`: a file that
        `verify` has written (`Verification.receipt`), which the report then shows.

        Raises `ConfigError` (`output_path`; `config` where the receipt is none) and `JournalError`.
        """
        self._refuse_fork()
        place, shown = path_of(path), None if receipt is None else path_of(receipt)
        refuse_what_is_read(place, self._source_file(), shown)
        self._native.report(place, shown, redact)
        return Path(place)

    def _source_file(self) -> str | None:
        """The file that is imported."""
        from ._runs import RunFolder

        folder = Path(self._native.folder())
        return RunFolder(folder.parent).find(folder.name).source_file
