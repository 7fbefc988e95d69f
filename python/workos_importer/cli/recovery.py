"""Owns `workos-importer recovery`: what lets users set a password whom a run created without one."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import time
from itertools import islice
from typing import TYPE_CHECKING

from .._exceptions import ConfigError, InDoubtError
from .._importer import Importer
from .._recovery import STATES, HandedBackError, RecoveryRun
from .follow import placed
from .interrupts import Interrupts
from .objects import verbs_of
from .parser import give_up_after
from .progress import document
from .recovery_flags import add_receiver
from .run_flags import add_connection, add_run_dir
from .target_flags import connection_of, take_target_of_run

if TYPE_CHECKING:
    import argparse

    from .._recovery import Recovery, RecoverySummary
    from .parser import Commands
    from .streams import Streams

_LISTED = 20
_SECONDS_BETWEEN = 10.0
_STOPPING = "Stopping: who is being handed over ends; press Ctrl-C again to end the command too"


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command with its verbs."""
    parser = commands.add_parser(
        "recovery",
        streams=streams,
        help="links by which users set a password",
        description="Links and codes by which users set a password.",
    )
    verbs = verbs_of(parser)
    send = verbs.add_parser(
        "send",
        streams=streams,
        help="hand over a link for each user whom a run created without a password",
        description="Makes a link for each user whom a run created without a password, one after another, and hands it "
        "to a file or a command. Users who were there before get nothing. Each user is handed over once.",
        epilog="Exit codes: 0 everybody was sent to; 1 some failed or are in doubt, or nobody is there; 2 usage, "
        "another key, no such run; 3 the key is refused; 4 stopped before the end, or a process works on the run; 130, "
        "143 interrupted. "
        "After 1, 4, 130 and 143 send again: it goes on.",
    )
    send.add_argument("run", metavar="RUN", help="an id, a unique beginning of one, or latest")
    add_receiver(send)
    add_connection(send, None)
    send.add_argument(
        "--new-key", action="store_true", help="the key is another one of the same environment, after a key rotation"
    )
    send.add_argument(
        "--give-up-after", metavar="TIME", type=give_up_after, help="end after so long without a success; default 30min"
    )
    send.add_argument("--quiet", action="store_true", help="print the summary alone")
    send.add_argument("--json", action="store_true", help="print the summary, and who got nothing, as JSON")
    add_run_dir(send)
    send.set_defaults(work=work)


def work(parsed: argparse.Namespace, streams: Streams) -> int:
    """Sends, and returns the exit code."""
    take_target_of_run(parsed)
    importer = Importer(**connection_of(parsed), give_up_after=parsed.give_up_after, run_dir=parsed.run_dir)
    return send(importer, parsed.run, parsed, streams)


def send(importer: Importer, run: str, parsed: argparse.Namespace, streams: Streams) -> int:
    """Sends to a run's users as the flags say, prints how it went, and returns the exit code."""
    command = None if parsed.command is None else Command(parsed.command)
    sending = importer.recover(
        run,
        out=parsed.out,
        on_recovery=command,
        method=parsed.method,
        expires_in=parsed.expires_in,
        per_minute=parsed.per_minute,
        new_key=parsed.new_key,
    )
    with Interrupts(_Stops(sending, command)) as interrupts:
        _follow(sending, interrupts, parsed, streams)
    summary = sending.summary
    streams.result(_document(summary) if parsed.json else str(summary))
    _close(summary, parsed, streams)
    return interrupts.exit_code(summary.exit_code)


class Command:
    """A program that is run once for each user. What it is told never stands in its arguments."""

    def __init__(self, line: str, flag: str = "--command") -> None:
        """Takes the command line, as a shell would divide it. Raises `ConfigError` if there is no such program.

        `flag`: by which it was given.
        """
        try:
            self._arguments = shlex.split(line)
        except ValueError as error:
            raise ConfigError(f"{flag} {line!r} is not understood: {error}") from None
        if not self._arguments or shutil.which(self._arguments[0]) is None:
            raise ConfigError(f"{flag} {line!r}: there is no such program")
        self._running: subprocess.Popen[bytes] | None = None

    def __call__(self, recovery: Recovery) -> None:
        """Runs it. Raises `HandedBackError` if it exits with another code than 0, `InDoubtError` if it is killed."""
        text = json.dumps(recovery.to_dict()) + "\n"
        # In a session of its own: a Ctrl-C is not meant for it, it comes to its end. What it prints is no result.
        self._running = subprocess.Popen(
            self._arguments, stdin=subprocess.PIPE, stdout=sys.stderr.fileno(), start_new_session=True
        )
        self._running.communicate(text.encode())
        code = self._running.returncode
        self._running = None
        if code < 0:
            raise InDoubtError("The command was killed.")
        if code != 0:
            raise HandedBackError(f"the command exited with {code}")

    def kill(self) -> None:
        """Ends it, if it is running: whether it has sent anything is then in doubt."""
        if self._running is not None:
            self._running.kill()


class _Stops:
    """What Ctrl-C stops: the sending first, then the command too."""

    def __init__(self, sending: RecoveryRun, command: Command | None) -> None:
        self._sending = sending
        self._command = command

    def stop(self, *, now: bool = False) -> None:
        self._sending.stop()
        if now and self._command is not None:
            self._command.kill()


def _follow(sending: RecoveryRun, interrupts: Interrupts, parsed: argparse.Namespace, streams: Streams) -> None:
    settled, total = sending.progress
    if not parsed.quiet and total > settled:
        minutes = (total - settled) / parsed.per_minute
        streams.note(f"{total - settled} users, {parsed.per_minute} a minute: about {minutes:.0f} min.")
    told = time.monotonic()
    said = False
    while not sending.poll(0.1):
        if interrupts.count and not said:
            said = True
            streams.note(_STOPPING)
        now = time.monotonic()
        if not parsed.quiet and now - told >= _SECONDS_BETWEEN:
            told = now
            settled, total = sending.progress
            streams.note(f"{settled}/{total}")


def _document(summary: RecoverySummary) -> str:
    return document("recovery", summary.to_dict() | {"unsent": [one.to_dict() for one in summary.unsent]})


def _close(summary: RecoverySummary, parsed: argparse.Namespace, streams: Streams) -> None:
    """What is said after the summary: who got nothing, and how it goes on."""
    if summary.stopped is not None:
        streams.error(summary.stopped.message)
    if parsed.quiet or parsed.json:
        return
    for one in islice(summary.unsent, _LISTED):
        streams.note(str(one))
    more = summary.failed + summary.in_doubt + summary.gone - _LISTED
    if more > 0:
        streams.note(f"… and {more} more: --json has all of them.")
    counts = {"failed": summary.failed, "in_doubt": summary.in_doubt, "gone": summary.gone}
    for state, meaning in STATES.items():
        if counts[state]:
            streams.note(f"{state}: {meaning}.")
    if summary.failed or summary.left:
        again = placed(f"workos-importer recovery send {summary.run_id}", parsed)
        streams.note(f"To go on, send again, with the same flags: {again}")
