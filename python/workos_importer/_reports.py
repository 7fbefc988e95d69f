"""Owns the reports on a source that need no connection: what is wrong in it, and what an import of it would do."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from . import _convert as convert
from ._box import draw, dry_run_lines, validation_lines
from ._results import Issue, _Brief
from ._tables import Columns, Frames, Page, pages_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


_log = logging.getLogger("workos_importer")


_ISSUE: Columns = (
    ("severity", "text"),
    ("code", "text"),
    ("message", "text"),
    ("record_number", "integer"),
    ("line", "integer"),
    ("column", "text"),
    ("record_id", "text"),
)


class Issues(tuple[Issue, ...], Frames):
    """Issues, in the order in which they were found: a tuple, an Arrow stream, and a data frame (`to_pandas()`).

    >>> from workos_importer import Importer
    >>> Importer().validate([{"email": "nobody"}]).issues.to_pandas()["code"].tolist()
    ['invalid_email']
    """

    __slots__ = ()

    def _columns(self) -> Columns:
        return _ISSUE

    def _pages(self) -> Iterator[Page]:
        return pages_of(self, _ISSUE)


@dataclass(frozen=True, slots=True, repr=False)
class GivenBack(_Brief):
    """A file in which rows were given back as they are written, each with what is wrong in a first column `problem`.

    It has everything that the rows have, passwords included, and only its owner can read it.

    >>> from pathlib import Path
    >>> from workos_importer import Importer
    >>> characters = Path("users.csv").write_text("email\\nnobody\\n")
    >>> Importer().validate("users.csv", marked="marked.csv").marked
    GivenBack(path='marked.csv', rows=1)
    """

    path: str
    #: Records.
    rows: int
    #: The columns in which these records have cells that may be secrets, by their meaning or their name.
    secret_columns: tuple[str, ...] = ()

    @property
    def warning(self) -> str | None:
        """What has to be said if the file holds secrets."""
        if not self.secret_columns:
            return None
        columns = ", ".join(f"`{name}`" for name in self.secret_columns)
        return f"{self.path} holds passwords, hashes or the like ({columns}). Delete it when it is no longer needed."

    def to_dict(self) -> dict[str, Any]:
        """The parts as plain values, as `--json` prints them."""
        return asdict(self)


@dataclass(frozen=True, slots=True, repr=False)
class ValidationReport(_Brief):
    """What a check of a source found. Figures are of the whole source, however many issues are kept.

    >>> from workos_importer import Importer
    >>> report = Importer().validate([{"email": "ada@example.com"}, {"email": "nobody"}])
    >>> report.ok, report.valid, report.issues[0].code
    (False, 1, 'invalid_email')
    """

    #: `user-only`, `single-org` or `multi-org`.
    mode: str
    mode_sentence: str
    #: Records in the source.
    total: int
    #: Records that would be imported.
    valid: int
    #: Records with an error.
    failed: int
    errors: int
    warnings: int
    #: Distinct users and organizations, and memberships, of the valid records.
    users: int
    organizations: int
    memberships: int
    #: In the order in which they were found, those between rows last.
    issues: Issues = field(default_factory=Issues)
    #: Issues beyond the number that was to be kept.
    issues_omitted: int = 0
    #: Where the rows were given back, if that was asked for.
    marked: GivenBack | None = None

    @property
    def ok(self) -> bool:
        """Whether there is at least one record and none has an error."""
        return self.failed == 0 and self.errors == 0 and self.total > 0

    def to_dict(self) -> dict[str, Any]:
        """The figures and issues as plain values, as `--json` prints them."""
        return asdict(self) | {"ok": self.ok}

    def __str__(self) -> str:
        return draw(validation_lines(self))

    def _repr_html_(self) -> str:
        from ._html import issues, report, sentence

        said = [self.mode_sentence]
        if self.marked is not None:
            said += [f"{self.marked.rows} rows are given back in {self.marked.path}.", self.marked.warning or ""]
        found = issues(self.issues, self.issues_omitted)
        return report("Check", validation_lines(self), *map(sentence, said), found)


@dataclass(frozen=True, slots=True, repr=False)
class DryRunReport(_Brief):
    """What an import would do, as far as the source alone says it.

    >>> from workos_importer import Importer
    >>> report = Importer().dry_run([{"email": "ada@example.com", "org_external_id": "acme"}])
    >>> report.would_import, report.organizations, report.mode
    (1, 1, 'multi-org')
    """

    mode: str
    mode_sentence: str
    total: int
    would_import: int
    failed: int
    errors: int
    warnings: int
    users: int
    organizations: int
    memberships: int
    #: The least time that the API's limits allow, in seconds.
    least_seconds: float
    #: What the command line exits with.
    exit_code: int
    issues: Issues = field(default_factory=Issues)
    issues_omitted: int = 0

    @property
    def status(self) -> str:
        """Always `Dry run`."""
        return "Dry run"

    @property
    def ok(self) -> bool:
        """Whether there is at least one record and none has an error."""
        return self.exit_code == 0

    def to_dict(self) -> dict[str, Any]:
        """The figures and issues as plain values, as `--json` prints them."""
        return asdict(self) | {"ok": self.ok, "status": self.status}

    def __str__(self) -> str:
        return draw(dry_run_lines(self))

    def _repr_html_(self) -> str:
        from ._html import issues, report, sentence

        found = issues(self.issues, self.issues_omitted)
        return report("Dry run", dry_run_lines(self), sentence(self.mode_sentence), found)


class KeptIssues:
    """Keeps the first issues, counts the others, and passes all of them on."""

    def __init__(self, most: int, on_issue: Callable[[Issue], None] | None) -> None:
        """Takes how many are kept, and to whom each is passed."""
        self.issues: list[Issue] = []
        self.omitted = 0
        self._most = most
        self._on_issue = on_issue

    def take(self, values: list[tuple[Any, ...]]) -> None:
        """Takes issues as the native module gives them."""
        for value in values:
            if self._on_issue is None and len(self.issues) >= self._most:
                self.omitted += 1
                continue
            issue = convert.issue(value)
            if self._on_issue is not None:
                self._on_issue(issue)
            if len(self.issues) < self._most:
                self.issues.append(issue)
            else:
                self.omitted += 1


def warned(given: GivenBack) -> GivenBack:
    """The same; what has to be said of it goes to the log too."""
    if given.warning is not None:
        _log.warning(given.warning)
    return given
