"""Owns the flags of recovery links: who gets them, what they are, how fast. Of `recovery send`, and of `import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .._exceptions import ConfigError
from .parser import expires_in, whole_number

if TYPE_CHECKING:
    import argparse

    from .parser import Parser

_METHOD = "link"
_EXPIRES_IN = 3_600.0
_PER_MINUTE = 60

_OUT = "add a line for each user: .csv, else JSON lines; 0600"
_COMMAND = "run it for each user, with one JSON object on its standard input"


def add_receiver(parser: Parser) -> None:
    """Those of `recovery send`."""
    group = parser.add_argument_group("recovery")
    receiver = group.add_mutually_exclusive_group(required=True)
    receiver.add_argument("--out", metavar="FILE", help=_OUT)
    receiver.add_argument("--command", metavar="COMMAND", help=_COMMAND)
    group.add_argument("--method", choices=("link", "code"), default=_METHOD, help="default link")
    group.add_argument("--expires-in", metavar="TIME", type=expires_in, default=_EXPIRES_IN, help="default 1h")
    group.add_argument(
        "--per-minute", metavar="N", type=whole_number(1, 60_000), default=_PER_MINUTE, help="evenly; default 60"
    )


def add_after_import(parser: Parser) -> None:
    """Those of `import`, whose users are sent to when it has ended; `--per-minute` is there already."""
    group = parser.add_argument_group(
        "recovery", "With --target kratos: afterwards, for users whom this run created without a password."
    )
    receiver = group.add_mutually_exclusive_group()
    receiver.add_argument("--recovery-out", metavar="FILE", help=_OUT)
    receiver.add_argument("--recovery-command", metavar="COMMAND", help=_COMMAND)
    # Without defaults: what is given and would do nothing is refused.
    group.add_argument("--recovery-method", choices=("link", "code"), help="default link")
    group.add_argument("--recovery-expires-in", metavar="TIME", type=expires_in, help="default 1h")


def sends_recoveries(parsed: argparse.Namespace) -> bool:
    """Whether an import sends to its users when it has ended. Raises `ConfigError` for what contradicts that."""
    given = [name for name in ("out", "command") if getattr(parsed, f"recovery_{name}", None) is not None]
    if not given:
        _refuse_what_does_nothing(parsed)
        return False
    flag = f"--recovery-{given[0]}"
    if parsed.target != "kratos":
        raise ConfigError(f"{flag} needs --target kratos. WorkOS mails by itself: --password-reset.", "contradiction")
    for other, is_given in (("--json", parsed.json), ("--sandbox", parsed.sandbox)):
        if is_given:
            raise ConfigError(
                f"{flag} and {other} contradict each other: use `recovery send RUN` afterwards.", "contradiction"
            )
    if parsed.recovery_out is not None:
        out = Path(parsed.recovery_out).expanduser()
        if out.is_dir() or not out.parent.is_dir():
            raise ConfigError(
                f"{parsed.recovery_out}: recovery links cannot be written there. Nothing was sent.", "output_path"
            )
    rate = parsed.per_minute
    if rate is not None and not (1 <= rate <= 60_000 and rate == int(rate)):
        raise ConfigError(f"--per-minute of recovery links must be a whole number from 1 to 60000, not {rate!r}")
    return True


def _refuse_what_does_nothing(parsed: argparse.Namespace) -> None:
    """How links are handed over, where none are."""
    receiver = "--recovery-out or --recovery-command"
    needs = {"--recovery-method": receiver, "--recovery-expires-in": receiver}
    # Imports of other rows have mails of their own.
    if parsed.rows == "users" and not parsed.password_reset:
        needs["--per-minute"] = receiver if parsed.target == "kratos" else "--password-reset"
    for flag, needed in needs.items():
        if getattr(parsed, flag[2:].replace("-", "_"), None) is not None:
            raise ConfigError(f"{flag} needs {needed}.", "contradiction")


def take_after_import(parsed: argparse.Namespace) -> None:
    """Puts the flags of an import where those of `recovery send` are."""
    parsed.out, parsed.command = parsed.recovery_out, parsed.recovery_command
    parsed.method, parsed.expires_in = parsed.recovery_method or _METHOD, parsed.recovery_expires_in or _EXPIRES_IN
    parsed.per_minute = _PER_MINUTE if parsed.per_minute is None else int(parsed.per_minute)
    parsed.new_key = False
