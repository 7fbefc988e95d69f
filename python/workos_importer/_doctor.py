"""Owns the doctor: what an import needs from this machine, the key and the API, each looked at once."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from . import _native
from ._exceptions import ConfigError
from ._results import _Brief

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._credentials import Key
    from ._kratos import Kratos
    from ._native import Sandbox

# Where runs are if nobody says it; the engine has the same.
_DEFAULT_RUN_DIR = ".workos-importer/runs"
# A row with a membership takes so much of a journal.
_BYTES_A_ROW = 350
# What a journal needs whatever the rows: what is not merged into it yet, and some room for the files of results.
_LEAST_FREE = 200_000_000
_FEW_FREE = 1_000_000_000

_MARKS = {"ok": "✓", "unknown": "?", "warning": "!", "problem": "✗"}
# Of several problems the one that comes first is the exit code: the later ones may follow from it.
_EXIT_CODES = (2, 3, 4, 1)


@dataclass(frozen=True, slots=True, repr=False)
class Check(_Brief):
    """What one look found.

    >>> from workos_importer import Importer, Sandbox
    >>> checks = Importer(sandbox=Sandbox()).doctor().checks
    >>> [(check.status, check.value) for check in checks if check.name == "environment"]
    [('ok', 'sandbox')]
    """

    #: Stable: `key`, `environment`, `base_url`, `proxy`, `certificates`, `api`, `clock`, `multiple_roles`, `run_folder`
    #: or `disk`.
    name: str
    #: `unknown`: it cannot be told, and need not be. `warning`: imports work, but it is worth a look.
    status: Literal["ok", "unknown", "warning", "problem"]
    #: In plain words; holds no secret.
    message: str
    #: What to do about it.
    remedy: str | None = None
    #: What was found, for programs, by the name: the key's place; `live`, `test` or `sandbox`; the URL; the variable
    #: that names the proxy; seconds that the API's clock is ahead of this one; whether a membership with several
    #: roles was seen; the folder; free bytes.
    value: str | int | bool | None = None
    #: What the command line exits with for this one; 0 unless it is a problem.
    exit_code: int = 0

    @property
    def title(self) -> str:
        """The name in words."""
        words = self.name.replace("_", " ")
        return words.replace("api", "API").replace("url", "URL")

    def __str__(self) -> str:
        return f"{_MARKS[self.status]} {self.title}: {self.message}"


@dataclass(frozen=True, slots=True, repr=False)
class DoctorReport(_Brief):
    """Whether an import would work from here. What builds on a check that failed is left out.

    >>> from workos_importer import Importer, Sandbox
    >>> Importer(sandbox=Sandbox()).doctor().ready
    True
    """

    checks: tuple[Check, ...]

    @property
    def ready(self) -> bool:
        """Whether nothing stands in the way of an import."""
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        """What the command line exits with: 0 ready, 2 configuration, 3 the key, 4 the network, 1 all else."""
        found = {check.exit_code for check in self.checks}
        return next((code for code in _EXIT_CODES if code in found), 0)

    def to_dict(self) -> dict[str, Any]:
        """The checks as plain values, as `--json` prints them."""
        return {"ready": self.ready, "exit_code": self.exit_code, "checks": [asdict(check) for check in self.checks]}

    def _wanting(self) -> list[Check]:
        """The checks with a remedy, what stands in the way first."""
        return sorted((check for check in self.checks if check.remedy), key=lambda check: check.status != "problem")

    def __str__(self) -> str:
        lines = [str(check) for check in self.checks]
        wanting = self._wanting()
        verdict = "Ready" if self.ready else "Not ready"
        if wanting:
            verdict += ". Worth a look:" if self.ready else ". What to do:"
        return "\n".join([*lines, "", verdict, *(f"- {check.title}: {check.remedy}" for check in wanting)])

    def _repr_html_(self) -> str:
        from ._html import report, sentence, table

        lines = [(check.title, f"{_MARKS[check.status]} {check.message}") for check in self.checks]
        remedies = [(check.title, check.remedy) for check in self._wanting()]
        verdict = sentence("Ready" if self.ready else "Not ready")
        return report("Doctor", lines, verdict, table(("check", "what to do"), remedies))


def examine(
    sandbox: Sandbox | None,
    find_key: Callable[[], tuple[Key, tuple[str, ...]]],
    connect: Callable[[str], _native.Connection],
    run_dir: str | None,
    kratos: Kratos | None = None,
) -> DoctorReport:
    """Looks at everything. `connect` makes a connection with a key. Raises nothing about what it looks at."""
    if kratos is not None:
        checks = _of_kratos(kratos)
    else:
        checks = _sandboxed(sandbox) if sandbox is not None else _connected(find_key, connect)
    checks.append(Check(*_native.check_run_folder(run_dir)))
    checks.append(disk(Path(run_dir or _DEFAULT_RUN_DIR)))
    return DoctorReport(tuple(checks))


def disk(folder: Path) -> Check:
    """How much is free where runs are, whether or not that folder is there yet."""
    # Here, not above: nobody else needs it.
    import shutil

    whole = folder.absolute()
    there = next((place for place in (whole, *whole.parents) if place.exists()), whole)
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        return Check("disk", "unknown", f"cannot be told: {error.strerror or error}")
    rows = max(free - _LEAST_FREE, 0) // _BYTES_A_ROW
    message = f"{_bytes(free)} free: room for about {_rounded(rows)} rows"
    remedy = (
        f"Make room, or name another place with --run-dir (in Python run_dir=). A row takes about {_BYTES_A_ROW} bytes."
    )
    if free < _LEAST_FREE:
        return Check("disk", "problem", f"{_bytes(free)} free: too little for a journal", remedy, free, 1)
    if free < _FEW_FREE:
        return Check("disk", "warning", message, remedy, free)
    return Check("disk", "ok", message, None, free)


def _sandboxed(sandbox: Sandbox) -> list[Check]:
    environment = Check("environment", "ok", "SANDBOX: in this process; no key is needed", value="sandbox")
    return [environment, *(Check(*found) for found in _native.check_api(sandbox))]


def _of_kratos(kratos: Kratos) -> list[Check]:
    place = kratos.token_place
    said = "no token is sent" if place is None else f"a token from {place}"
    checks = [Check("environment", "ok", f"Kratos at {kratos.url}; {said}", value="kratos")]
    if kratos.url != "sandbox":
        try:
            checks += [Check(*found) for found in _native.check_connection(kratos._connection())]
        except ConfigError as error:
            return [*checks, Check("certificates", "problem", "the CA bundle cannot be read", str(error), exit_code=2)]
    if all(check.exit_code == 0 for check in checks):
        checks += [Check(*found) for found in _native.check_api(kratos._target())]
    return checks


def _connected(
    find_key: Callable[[], tuple[Key, tuple[str, ...]]], connect: Callable[[str], _native.Connection]
) -> list[Check]:
    key, checks = _key(find_key)
    try:
        # Without a key the other settings can be looked at all the same.
        connection = connect("" if key is None else key.reveal())
    except ConfigError as error:
        return [*checks, Check("certificates", "problem", "the CA bundle cannot be read", str(error), exit_code=2)]
    checks += [Check(*found) for found in _native.check_connection(connection)]
    if all(check.exit_code == 0 for check in checks):
        checks += [Check(*found) for found in _native.check_api(connection)]
    return checks


def _key(find_key: Callable[[], tuple[Key, tuple[str, ...]]]) -> tuple[Key | None, list[Check]]:
    try:
        key, warnings = find_key()
    except ConfigError as error:
        said = {"key_missing": "there is none", "key_conflict": "there are two different ones"}
        message = said.get(error.kind, "cannot be read")
        return None, [Check("key", "problem", message, str(error), exit_code=2)]
    message, remedy = f"from {key.place}", "\n".join(warnings) or None
    return key, [Check("key", "warning" if remedy else "ok", message, remedy, key.place)]


def _bytes(count: int) -> str:
    gigabytes = count / 1_000_000_000
    return f"{gigabytes:.1f} GB" if gigabytes >= 1 else f"{count / 1_000_000:.0f} MB"


def _rounded(rows: int) -> str:
    """Two digits: a rule of thumb has no more."""
    if rows >= 1_000_000:
        return f"{float(f'{rows / 1_000_000:.2g}'):,g} million"
    return f"{int(float(f'{rows:.2g}')):,}"
