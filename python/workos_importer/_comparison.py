"""Owns what a comparison of source and directory says: a plan (what an import would do) and a verification (proof)."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._box import Line, calls_line, draw, duration
from ._outputs import refuse_what_is_read
from ._receipt import digest_of_directory, digest_of_file, write_receipt
from ._results import _Brief
from ._runs import Cause
from ._tables import Page, Table, paged
from ._verified import (
    BEFORE_ALL,
    EXTRA,
    VERDICT,
    VERIFIED,
    ExtraMembership,
    Verdict,
    VerifiedRow,
    extra_membership,
    verified,
    verified_row,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from . import _native


@dataclass(frozen=True, slots=True, repr=False)
class Changes(_Brief):
    """What would become of the objects of one kind.

    >>> from workos_importer import Importer, Sandbox
    >>> Importer(sandbox=Sandbox()).plan([{"email": "ada@example.com"}]).users
    Changes(create=1, update=0, reactivate=0, unchanged=0)
    """

    create: int
    update: int
    #: Memberships only.
    reactivate: int
    #: They are there and stay as they are.
    unchanged: int


@dataclass(frozen=True, slots=True, repr=False)
class Plan(_Brief):
    """What an import would do to the directory as it is now. Nothing was written. Counts are of objects, not rows.

    >>> from workos_importer import Importer, Sandbox
    >>> plan = Importer(sandbox=Sandbox()).plan([{"email": "ada@example.com"}])
    >>> plan.changes, [row["outcome"] for row in plan.results()]
    (1, ['created'])
    """

    source: str
    #: `user-only`, `single-org` or `multi-org`.
    mode: str
    #: Rows of the source.
    total: int
    #: Rows by the outcome that they would have: `created`, `updated`, `unchanged`, `failed`.
    rows: dict[str, int]
    users: Changes
    #: How many users would get another value, by field.
    fields: dict[str, int]
    #: How many of them would have it emptied, or lose pairs of it (`clear_empty`), by field.
    cleared: dict[str, int]
    organizations: Changes
    memberships: Changes
    #: Users who are there, differ from their row, and would be left as they are (on-existing `skip`).
    users_left: int
    #: Rows that would fail, the most frequent cause first.
    failures: tuple[Cause, ...]
    #: The calls that an import would make, by name; reads as far as they can be told before.
    calls: dict[str, int]
    #: The least time that the limits allow for them, in seconds; None without limits.
    least_seconds: float | None
    #: The reads that planning has made, by name.
    calls_made: dict[str, int]
    #: Where it was saved.
    saved: str | None = None
    _native: _native.Import | None = field(default=None, compare=False)

    @property
    def failed(self) -> int:
        """Rows that would fail."""
        return self.rows.get("failed", 0)

    @property
    def ok(self) -> bool:
        """Whether there is at least one row and none would fail."""
        return self.failed == 0 and self.total > 0

    @property
    def changes(self) -> int:
        """How many objects would be written."""
        kinds = (self.users, self.organizations, self.memberships)
        return sum(one.create + one.update + one.reactivate for one in kinds)

    def results(self) -> Table[dict[str, Any]]:
        """What would become of each row, by record number: the columns of the results file as far as they can be known.

        As `ImportRun.results`: to be iterated over, or taken as a frame. Empty for a plan that was pickled.
        """
        from ._convert import RESULT_TABLE

        kept = [place for place, (name, _) in enumerate(RESULT_TABLE) if name != "evidence"]
        columns = tuple(RESULT_TABLE[place] for place in kept)
        names = [name for name, _ in columns]

        def pages() -> Iterator[Page]:
            native = self._native
            for page in () if native is None else paged(native.results):
                yield [tuple(_known(values[place]) for place in kept) for values in page]

        return Table(columns, pages, lambda values: dict(zip(names, values, strict=True)))

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain values, as `--json` prints them."""
        values = {name: getattr(self, name) for name in self.__slots__ if not name.startswith("_")}
        for name in ("users", "organizations", "memberships"):
            values[name] = asdict(values[name])
        values["failures"] = [asdict(cause) for cause in self.failures]
        return values | {"ok": self.ok, "changes": self.changes}

    def _lines(self) -> list[Line]:
        users, organizations, memberships = self.users, self.organizations, self.memberships
        lines: list[Line] = [("Rows", self.total)]
        if self.mode == "organizations":
            lines += [
                ("Organizations to create", organizations.create),
                ("Organizations to update", _with_fields(organizations.update, self.fields)),
                ("Organizations unchanged", organizations.unchanged),
                ("Organizations that differ and are left", self.users_left),
            ]
            return lines + self._last_lines()
        if self.mode == "memberships":
            lines.append(("Users found", users.unchanged))
        else:
            lines += [
                ("Users to create", users.create),
                ("Users to update", _with_fields(users.update, self.fields)),
                ("Users unchanged", users.unchanged),
            ]
        if self.cleared:
            lines.append(("Fields to clear", _with_fields(sum(self.cleared.values()), self.cleared)))
        if self.users_left:
            lines.append(("Users that differ and are left", self.users_left))
        if self.mode not in ("user-only", "identities"):
            lines += [
                ("Organizations to create", organizations.create),
                ("Organizations found", organizations.unchanged),
                ("Memberships to create", memberships.create),
                ("Memberships to reactivate", memberships.reactivate),
                ("Memberships whose roles change", memberships.update),
                ("Memberships unchanged", memberships.unchanged),
            ]
        return lines + self._last_lines()

    def _last_lines(self) -> list[Line]:
        lines: list[Line] = [("Rows that will fail", self.failed)]
        lines += [(f"  {cause.code}", f"{cause.count}, such as record {cause.records[0]}") for cause in self.failures]
        lines.append(("API calls of the import", calls_line(self.calls)))
        if self.least_seconds is not None:
            lines.append(("Duration at the limits", f"at least {duration(self.least_seconds)}"))
        lines.append(("API calls of this plan", calls_line(self.calls_made)))
        if self.saved is not None:
            lines.append(("Saved", self.saved))
        return lines

    def __str__(self) -> str:
        return draw(self._lines(), "PLAN")

    def _repr_html_(self) -> str:
        from ._html import SHOWN, report, table

        rows = [(one.code, one.count, one.records[0], one.example, one.remedy) for one in self.failures[:SHOWN]]
        columns = ("code", "rows", "such as record", "message", "what to do")
        return report("Plan", self._lines(), table(columns, rows, len(self.failures) - len(rows)))

    def __reduce__(self) -> tuple[Any, ...]:
        values = [getattr(self, name) for name in self.__slots__ if name != "_native"]
        return (Plan, (*values, None))


@dataclass(frozen=True, slots=True, repr=False)
class Verification(_Brief):
    """Whether the directory holds what a source says, row by row. Passwords cannot be read back or compared.

    >>> from workos_importer import Importer, Sandbox
    >>> verification = Importer(sandbox=Sandbox()).verify([{"email": "ada@example.com"}])
    >>> verification.ok, verification.missing
    (False, 1)
    """

    source: str
    mode: str
    #: Rows that were compared.
    total: int
    matches: int
    differs: int
    missing: int
    kept: int
    unknown: int
    #: How many memberships no row names; None if they were not looked for.
    extra_memberships: int | None
    #: The base URL, or `sandbox`.
    environment: str
    live: bool
    #: The reads that it took, by name.
    calls_made: dict[str, int]
    #: The run whose source and options were taken.
    run_id: str | None
    #: Rows were drawn at random.
    is_sample: bool
    #: SHA-256 of the source's bytes; None where it is no file.
    source_sha256: str | None
    #: SHA-256 over what the directory showed of the source's objects, and how many these are.
    directory_sha256: str
    directory_objects: int
    verified_at: datetime
    _native: _native.Import | None = field(default=None, compare=False)

    @property
    def ok(self) -> bool:
        """Whether there is at least one row, and none differs or is missing."""
        return self.total > 0 and self.differs == self.missing == self.unknown == 0

    def rows(self, *verdicts: Verdict) -> Table[VerifiedRow]:
        """Each row by record number, or only those with these verdicts: to be iterated over, or taken as a frame.

        Empty for a verification that was pickled.
        """

        def pages() -> Iterator[Page]:
            for page in verified(self._native):
                yield [values for values in page if not verdicts or values[VERDICT] in verdicts]

        return Table(VERIFIED, pages, verified_row)

    def extra(self) -> Table[ExtraMembership]:
        """The memberships that no row names, if they were looked for (`extra=True`), likewise."""

        def pages() -> Iterator[Page]:
            if self._native is not None and self.extra_memberships is not None:
                for page in paged(self._native.extra, BEFORE_ALL):
                    yield [values[1:] for values in page]

        return Table(EXTRA, pages, extra_membership)

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain values, as `--json` prints them."""
        values = {name: getattr(self, name) for name in self.__slots__ if not name.startswith("_")}
        values["verified_at"] = self.verified_at.isoformat(timespec="seconds").replace("+00:00", "Z")
        return values | {"ok": self.ok}

    def receipt(self, path: str | os.PathLike[str]) -> None:
        """Writes a receipt: JSON with the counts, the digests, the time and the environment. Nobody's data are in it.

        Raises `ConfigError` (`output_path`) if it cannot be written, or is the file that was verified.
        """
        refuse_what_is_read(path, self.source)
        write_receipt(self, Path(path).expanduser())

    def _lines(self) -> list[Line]:
        lines: list[Line] = [
            ("Status", "Verified" if self.ok else "Not verified"),
            ("Rows", f"{self.total}, drawn at random" if self.is_sample else self.total),
            ("Matches", self.matches),
            ("Differs", self.differs),
            ("Missing", self.missing),
            ("Kept as they were", self.kept),
        ]
        if self.unknown:
            lines.append(("Unknown", self.unknown))
        if self.extra_memberships is not None:
            lines.append(("Memberships that no row names", self.extra_memberships))
        lines.append(("Environment", f"{self.environment} ({'live' if self.live else 'test'})"))
        lines.append(("API calls", calls_line(self.calls_made)))
        return lines

    def __str__(self) -> str:
        return draw(self._lines(), "VERIFICATION")

    def _repr_html_(self) -> str:
        from ._html import report

        return report("Verification", self._lines())

    def __reduce__(self) -> tuple[Any, ...]:
        values = [getattr(self, name) for name in self.__slots__ if name != "_native"]
        return (Verification, (*values, None))


def plan_of(found: dict[str, Any], source: str, mode: str, total: int, native: _native.Import) -> Plan:
    """The plan that the native module's figures make."""
    return Plan(
        source=source,
        mode=mode,
        total=total,
        rows=found["rows"],
        users=Changes(**found["users"]),
        fields=found["fields"],
        cleared=found["cleared"],
        organizations=Changes(**found["organizations"]),
        memberships=Changes(**found["memberships"]),
        users_left=found["users_left"],
        failures=tuple(Cause(**cause | {"records": tuple(cause["records"])}) for cause in found["failures"]),
        calls=found["calls"],
        least_seconds=found["least_seconds"],
        calls_made=found["calls_made"],
        _native=native,
    )


def verification_of(
    found: dict[str, Any],
    source: str,
    mode: str,
    environment: tuple[str, bool],
    run_id: str | None,
    sampled: bool,
    extra: bool,
    native: _native.Import,
) -> Verification:
    """Counts the verdicts of all rows, and digests source and directory."""
    counts = Counter(values[VERDICT] for page in verified(native) for values in page)
    directory, objects = digest_of_directory(native)
    found_extra = None
    if extra:
        found_extra = sum(len(page) for page in paged(native.extra, BEFORE_ALL))
    return Verification(
        source=source,
        mode=mode,
        total=counts.total(),
        matches=counts["matches"],
        differs=counts["differs"],
        missing=counts["missing"],
        kept=counts["kept"],
        unknown=counts["unknown"],
        extra_memberships=found_extra,
        environment=environment[0],
        live=environment[1],
        calls_made=found["calls_made"],
        run_id=run_id,
        is_sample=sampled,
        source_sha256=digest_of_file(source),
        directory_sha256=directory,
        directory_objects=objects,
        verified_at=datetime.now(timezone.utc),
        _native=native,
    )


def _known(value: Any) -> Any:
    # What is to be created has no id yet.
    return None if isinstance(value, str) and value.startswith("planned:") else value


def _with_fields(count: int, fields: dict[str, int]) -> str:
    if not fields:
        return str(count)
    named = ", ".join(f"{name} {number}" for name, number in sorted(fields.items(), key=lambda one: -one[1]))
    return f"{count} ({named})"
