"""Owns the options of an importer: what values they take, what contradicts what, and how they reach the engine."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from ._exceptions import ConfigError
from ._mapping import ColumnMapping, pairs_of
from ._outputs import refuse_one_for_two

if TYPE_CHECKING:
    from . import _native

OnExisting = Literal["skip", "update", "fail"]

#: What the rows of a source are about.
RowKind = Literal["users", "organizations", "memberships", "roles", "invitations", "password-resets", "totp-factors"]
ROW_KINDS: tuple[str, ...] = get_args(RowKind)

#: Where the API is unless something else is said.
DEFAULT_BASE_URL = "https://api.workos.com"

_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_YEAR = 365 * 86_400.0
_TIME = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|)")


@dataclass(frozen=True, slots=True)
class OrganizationRef:
    """The one organization that all users are added to: by WorkOS id, or by your own external id.

    `create_if_missing` needs `external_id` and `name`.

    >>> from workos_importer import Importer, OrganizationRef
    >>> acme = OrganizationRef(external_id="acme", name="Acme Inc.", create_if_missing=True)
    >>> Importer(organization=acme).validate([{"email": "ada@example.com"}]).memberships
    1
    """

    id: str | None = None
    external_id: str | None = None
    name: str | None = None
    create_if_missing: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """What shapes an import, checked; see `Importer` for each."""

    rows: RowKind
    remove_permissions: bool
    per_minute: float | None
    organization: OrganizationRef | None
    on_existing: OnExisting
    update_passwords: bool
    clear_empty: bool
    reactivate: bool
    create_organizations: bool
    require_membership: bool
    strict: bool
    max_errors: int | str | None
    concurrency: int | None
    rate_limit: str | tuple[int, float] | None
    headroom: float | str | None
    give_up_after: float | str | timedelta | None
    stop_at: str | datetime | time | None
    mapping: ColumnMapping | None
    errors_out: str | os.PathLike[str] | None
    results_out: str | os.PathLike[str] | None
    audit_file: str | os.PathLike[str] | None
    audits: bool
    actor: str | None
    run_dir: str | os.PathLike[str] | None

    def to_native(self) -> _native.Options:
        """The options as the engine takes them.

        Raises `ConfigError` if a value cannot be used or two options contradict each other.
        """
        self._refuse_contradictions()
        organization = self.organization or OrganizationRef()
        count, percent = _max_errors(self.max_errors)
        if self.concurrency is not None and (
            isinstance(self.concurrency, bool) or not isinstance(self.concurrency, int) or self.concurrency < 1
        ):
            raise ConfigError(f"concurrency must be a whole number from 1 on, not {self.concurrency!r}")
        return {
            "rows": self.rows,
            "remove_permissions": self.remove_permissions,
            "org_id": organization.id,
            "org_external_id": organization.external_id,
            "org_name": organization.name,
            "create_org_if_missing": organization.create_if_missing,
            "on_existing": self.on_existing,
            "update_passwords": self.update_passwords,
            "clear_empty": self.clear_empty,
            "reactivate": self.reactivate,
            "no_create_orgs": not self.create_organizations,
            "require_membership": self.require_membership,
            "strict": self.strict,
            "max_errors_count": count,
            "max_errors_percent": percent,
            "mapping": pairs_of(self.mapping),
            # Of a source, not of an importer.
            "record_id": None,
            "concurrency": self.concurrency,
            "rate_limit": self._rate_limit(),
            "headroom": None if self.headroom is None else parse_share(self.headroom),
            "give_up_after": None if self.give_up_after is None else parse_give_up_after(self.give_up_after),
            "stop_at": None if self.stop_at is None else parse_stop_at(self.stop_at).timestamp(),
            "errors_out": _path(self.errors_out),
            "results_out": _path(self.results_out),
            "audit_file": _path(self.audit_file),
            "audit_beside": self.audits,
            "actor": _actor(self.actor, self.audits or self.audit_file is not None),
            "run_dir": run_dir_of(self.run_dir),
            "asks_first": False,
            "rules": [],
            "identities": None,
        }

    def _rate_limit(self) -> tuple[int, float] | None:
        if self.per_minute is not None:
            return 1, 60 / self.per_minute
        return None if self.rate_limit is None else parse_rate_limit(self.rate_limit)

    def _check_per_minute(self, per_minute: float) -> None:
        if self.rows not in ("invitations", "password-resets"):
            raise ConfigError("per_minute is for invitations and password-resets", "contradiction")
        if self.rate_limit is not None:
            raise ConfigError("per_minute and rate_limit contradict each other", "contradiction")
        if not 0 < per_minute <= 60_000:
            raise ConfigError(f"per_minute must be more than 0 and at most 60000, not {per_minute!r}")

    def _refuse_contradictions(self) -> None:
        if self.rows not in ROW_KINDS:
            raise ConfigError(f"rows must be one of {', '.join(ROW_KINDS)}, not {self.rows!r}")
        if self.remove_permissions and self.rows != "roles":
            raise ConfigError('remove_permissions needs rows="roles"', "contradiction")
        if self.per_minute is not None:
            self._check_per_minute(self.per_minute)
        if self.on_existing not in ("skip", "update", "fail"):
            raise ConfigError(f'on_existing must be "skip", "update" or "fail", not {self.on_existing!r}')
        if self.update_passwords and self.on_existing != "update":
            raise ConfigError('update_passwords needs on_existing="update"', "contradiction")
        if self.clear_empty and self.on_existing != "update":
            raise ConfigError('clear_empty needs on_existing="update"', "contradiction")
        outputs = {name: getattr(self, name) for name in ("errors_out", "results_out", "audit_file")}
        refuse_one_for_two(outputs)
        if self.audits and self.audit_file is not None:
            raise ConfigError("Give audit or audit_file: a function, or a file", "contradiction")
        organization = self.organization
        if organization is None:
            return
        if not isinstance(organization, OrganizationRef):
            raise ConfigError("organization must be an OrganizationRef, such as OrganizationRef(external_id='acme')")
        if organization.create_if_missing and not self.create_organizations:
            raise ConfigError("create_if_missing and create_organizations=False contradict each other", "contradiction")


def base_url_of(base_url: str | None) -> str:
    """Where the API is: what is given, else `WORKOS_API_URL`, else the default."""
    return base_url or os.environ.get("WORKOS_API_URL") or DEFAULT_BASE_URL


def checked_url(url: str | None, named: str) -> str | None:
    """A base URL as it was given, under this name. Whether it can be used is seen when it is.

    Raises `ConfigError` for what is no text, and for one with a user or a password, which would be shown with it.
    """
    if url is None:
        return None
    if not isinstance(url, str):
        raise ConfigError(f"{named} must be a text, not {type(url).__name__}")
    if "@" in url:
        raise ConfigError(f"{named} holds a user or a password, and a URL is shown. Leave them out", "connection")
    return url


def shown_url(url: str) -> str:
    """The URL without a user and a password, in case that it has them."""
    scheme, separator, rest = url.partition("://")
    if "@" not in url:
        return url
    place = (rest or scheme).rpartition("@")[2]
    return f"{scheme}{separator}…@{place}" if separator else f"…@{place}"


def checked_flag(value: bool, name: str) -> bool:
    """A setting that is on or off. Raises `ConfigError` for anything else: `"no"` would count as a yes."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} must be True or False, not {value!r}")
    return value


def checked_path(path: str | os.PathLike[str] | None, name: str) -> str | os.PathLike[str] | None:
    """The path of a file. Raises `ConfigError` for what can be none."""
    if path is not None and not isinstance(path, str | os.PathLike):
        raise ConfigError(f"{name} must be the path of a file, not {type(path).__name__}")
    return path


def run_dir_of(run_dir: str | os.PathLike[str] | None) -> str | None:
    """Where runs are: what is given, else `WORKOS_IMPORTER_RUN_DIR`; None means the engine's default."""
    return _path(run_dir or os.environ.get("WORKOS_IMPORTER_RUN_DIR") or None)


def parse_rate_limit(value: str | tuple[int, float]) -> tuple[int, float]:
    """`"500/10s"` or `(500, 10.0)` as requests and seconds.

    Raises `ConfigError` for anything else; a bare number is told how to be written.
    """
    if isinstance(value, str):
        count_text, slash, period_text = value.partition("/")
        if not slash and count_text.strip().isdigit():
            raise ConfigError(f"The rate limit {value!r} has no period: write {count_text.strip()}/1s")
        period_text = period_text.strip()
        if period_text in ("s", "m", "min", "h"):
            period_text = f"1{period_text}"
        count = int(count_text) if count_text.strip().isdecimal() else 0
        period = parse_duration(period_text) if slash else None
    else:
        try:
            count, period = int(value[0]), float(value[1])
        except (TypeError, ValueError, IndexError):
            count, period = 0, None
    if count < 1 or count > 1_000_000 or period is None or not 0 < period <= 86_400:
        raise ConfigError(f"The rate limit {value!r} is not understood: write it like 500/10s")
    return count, period


def parse_duration(text: str) -> float | None:
    """`50ms`, `10s`, `2min`, or a number of seconds, in seconds; None if it is none of these."""
    match = _DURATION.fullmatch(text.strip())
    return float(match[1]) * _UNITS[match[2]] if match else None


def parse_share(value: float | str) -> float:
    """`0.1` or `"10%"` as a share from 0 to below 1.

    Raises `ConfigError` for anything else.
    """
    try:
        if isinstance(value, str) and value.strip().endswith("%"):
            share = float(value.strip()[:-1]) / 100
        else:
            share = float(value)
    except (TypeError, ValueError):
        share = math.nan
    if not 0 <= share < 1:
        raise ConfigError(f"The headroom {value!r} is not understood: write it like 10% (from 0% to below 100%)")
    return share


def parse_pace(
    headroom: float | str | None, rate_limit: str | tuple[int, float] | None
) -> tuple[tuple[int, float] | None, float | None]:
    """Another pace for a run that is under way: rate limit and headroom as the engine takes them.

    Raises `ConfigError` for values that cannot be used, and where none is given.
    """
    if headroom is None and rate_limit is None:
        raise ConfigError("Which pace? Give a headroom, such as 50%, a rate limit, such as 500/10s, or both")
    return (
        None if rate_limit is None else parse_rate_limit(rate_limit),
        None if headroom is None else parse_share(headroom),
    )


def parse_give_up_after(value: float | str | timedelta) -> float:
    """`"30min"`, a number of seconds or a `timedelta`, in seconds.

    Raises `ConfigError` for anything else.
    """
    if isinstance(value, timedelta):
        seconds: float | None = value.total_seconds()
    elif isinstance(value, str):
        seconds = parse_duration(value)
    else:
        seconds = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    if seconds is None or not 0 < seconds <= _YEAR:
        raise ConfigError(f"give_up_after {value!r} is not understood: write it like 30min")
    return seconds


def parse_stop_at(value: str | datetime | time) -> datetime:
    """`"06:00"` (the next such moment, local time), `"2026-11-23T06:00"` (local time unless it says otherwise), or the
    same as a `time` or a `datetime`; with its time zone.

    Raises `ConfigError` for anything else, and for a moment that is over.
    """
    now = datetime.now().astimezone()
    moment = _read_moment(value) if isinstance(value, str) else value
    if isinstance(moment, datetime):
        # One without a time zone is local.
        found = moment.astimezone()
    elif isinstance(moment, time):
        # Each day by itself: a day on which the clocks are changed is not 24 hours long.
        today = datetime.combine(now.date(), moment).astimezone()
        tomorrow = datetime.combine(now.date() + timedelta(days=1), moment).astimezone()
        found = today if today > now else tomorrow
    else:
        raise ConfigError(f"stop_at {value!r} is not understood: write it like 06:00 or 2026-11-23T06:00")
    if found <= now:
        raise ConfigError(f"stop_at {value!r} is over")
    return found


def _read_moment(text: str) -> datetime | time | None:
    text = text.strip()
    if _TIME.fullmatch(text):
        try:
            return time.fromisoformat(text.zfill(len("06:00")) if len(text) < len("06:00") else text)
        except ValueError:
            return None
    # Before Python 3.11 `fromisoformat` does not take the Z.
    text = f"{text[:-1]}+00:00" if text.endswith(("Z", "z")) else text
    try:
        return datetime.fromisoformat(text) if len(text) > len("2026-11-23") else None
    except ValueError:
        return None


def _max_errors(value: int | str | None) -> tuple[int | None, float | None]:
    if value is None:
        return None, None
    if isinstance(value, str) and value.strip().endswith("%"):
        try:
            percent = float(value.strip()[:-1])
        except ValueError:
            percent = math.nan
        if 0 <= percent <= 100:
            return None, percent
    elif isinstance(value, int | str) and not isinstance(value, bool):
        text = str(value).strip()
        if text.isdecimal():
            return int(text), None
    raise ConfigError(
        f"max_errors {value!r} is not understood: write a number of rows, such as 10, or a share, such as 5%"
    )


def _actor(actor: str | None, audits: bool) -> str | None:
    """Who is named in the audit: what is given, else who is logged in; None where there is none."""
    if not audits:
        if actor is not None:
            raise ConfigError("actor is for the audit file: say where that is (audit_file)", "contradiction")
        return None
    if actor is None:
        import getpass

        try:
            actor = getpass.getuser()
        except (OSError, KeyError, ImportError):
            raise ConfigError("Who imports is not known here: name somebody for the audit file (actor)") from None
    if not isinstance(actor, str) or not actor.strip():
        raise ConfigError("actor must be a text that says who imports")
    return actor


def _path(path: str | os.PathLike[str] | None) -> str | None:
    return None if path is None else str(Path(path).expanduser())


def path_of(path: str | os.PathLike[str]) -> str:
    """Where a file is to be, `~` expanded."""
    return str(Path(path).expanduser())


def checked_progress(value: bool | None) -> bool | None:
    """Whether a bar is wanted; None: where it is usual. Raises `ConfigError` for anything else."""
    if value is not None and not isinstance(value, bool):
        raise ConfigError("progress must be True, False or None")
    return value


def checked_audit(value: Callable[[dict[str, Any]], object] | None) -> Callable[[dict[str, Any]], object] | None:
    """Who is told of each user. Raises `ConfigError` for what cannot be called."""
    if value is not None and not callable(value):
        raise ConfigError("audit must be a function that takes a dict. For a file: audit_file")
    return value
