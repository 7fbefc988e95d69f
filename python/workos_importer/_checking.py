"""Owns the checks of a source that an importer makes: no key, no connection, no run folder."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from . import _native
from ._exceptions import ConfigError
from ._options import path_of
from ._reports import DryRunReport, GivenBack, Issues, KeptIssues, ValidationReport, warned
from ._sources import PathSource, Pulled, RowsSource, Source, recognise

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._results import Issue
    from ._rules import Rules


class Checking(ABC):
    """The part of an importer that looks at a source alone."""

    _rules: Rules

    @abstractmethod
    def _options_for(
        self,
        source: PathSource | RowsSource | None,
        written: tuple[str | None, str | None],
        record_id: str | None,
    ) -> _native.Options:
        """The options with what is said of this source."""

    def validate(
        self,
        source: Source,
        *,
        delimiter: str | None = None,
        encoding: str | None = None,
        record_id: str | None = None,
        max_issues: int = 10_000,
        on_issue: Callable[[Issue], None] | None = None,
        marked: str | os.PathLike[str] | None = None,
    ) -> ValidationReport:
        """Checks all rows of a source: no key, no connection. Memory does not grow with the source.

        `source`, `delimiter`, `encoding` and `record_id` are as in `run`. The report keeps the first `max_issues`
        issues; `on_issue` is called with each one as it is found.

        `marked`: a file in which all rows of the source, which must be a file, are given back as they are written, with
        errors and warnings in a first column `problem`, which imports ignore. It has the passwords that the source has;
        only its owner can read it.

        Raises `SourceError` if the source as a whole cannot be read, `ConfigError` if options and columns contradict
        each other, or the marked file cannot be written.
        """
        kept = KeptIssues(max_issues, on_issue)
        options, path, pull = self._opened(source, (delimiter, encoding), record_id)
        out = None if marked is None else path_of(marked)
        if out is not None and path in (None, "-"):
            raise ConfigError("marked needs a file as the source: other rows can be read only once", "contradiction")
        judge = self._rules.judge_if_any
        found = _native.validate(options, path, pull, (delimiter, encoding, out), kept.take, judge)
        given = found.pop("marked")
        return ValidationReport(
            **found,
            issues=Issues(kept.issues),
            issues_omitted=kept.omitted,
            marked=None if out is None else warned(GivenBack(path=out, **given)),
        )

    def dry_run(
        self,
        source: Source,
        *,
        delimiter: str | None = None,
        encoding: str | None = None,
        record_id: str | None = None,
        max_issues: int = 10_000,
        on_issue: Callable[[Issue], None] | None = None,
    ) -> DryRunReport:
        """What `validate` finds, and what a run would do: no key, no connection, no run folder."""
        kept = KeptIssues(max_issues, on_issue)
        opened = self._opened(source, (delimiter, encoding), record_id)
        found = _native.dry_run(*opened, delimiter, encoding, kept.take, self._rules.judge_if_any)
        return DryRunReport(**found, issues=Issues(kept.issues), issues_omitted=kept.omitted)

    def _opened(
        self, source: Source, written: tuple[str | None, str | None], record_id: str | None
    ) -> tuple[_native.Options, str | None, Callable[[], Pulled] | None]:
        recognised = recognise(source, record_id)
        options = self._options_for(recognised, written, record_id)
        if isinstance(recognised, PathSource):
            return options, recognised.path, None
        return options, None, recognised.pull
