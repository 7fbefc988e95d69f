"""Owns `workos-importer undo`: shows what it will do, asks, takes back what a run created, and says what it left."""

from __future__ import annotations

import json
import os
import sys
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from .._exceptions import ConfigError
from .._importer import Importer
from .._outputs import refuse_what_is_read
from .._runs import RunFolder
from .._undo import REASONS, UndoRun, left
from .follow import placed
from .interrupts import Interrupts
from .parser import give_up_after, rate_limit, share, whole_number
from .progress import document
from .run_flags import add_connection, add_run_dir
from .streams import is_terminal
from .target_flags import connection_of, take_target_of_run

if TYPE_CHECKING:
    import argparse

    from .._undo import UndoPlan, UndoSummary
    from .parser import Commands, Parser
    from .streams import Streams

_LISTED = 20
_SECONDS_BETWEEN = 10.0
_STOPPING = "Stopping: what is in flight ends, 20 s at most; press Ctrl-C again to stop at once"


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "undo",
        streams=streams,
        help="take back what a run created, and only that",
        description="Deletes the users and memberships that a run created, and with --organizations its empty "
        "organizations. Each is looked at right before. What somebody uses or has changed since is left and listed, "
        "and so is what is not certain to be the run's.",
        epilog="Exit codes: 0 nothing is left; 1 something is; 2 usage, another key, no such run, undone already; "
        "3 the key is refused; 4 stopped before the end, or a process works on the run; 130, 143 interrupted. "
        "After 4, 130 and 143 undo the run again: it goes on.",
    )
    parser.add_argument("run", metavar="RUN", help="an id, a unique beginning of one, or latest")
    parser.add_argument("--organizations", action="store_true", help="delete its organizations too, if they are empty")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, by the journal alone; offline")
    parser.add_argument("--yes", action="store_true", help="ask nothing; needed where there is no terminal")
    add_connection(parser, None)
    parser.add_argument(
        "--new-key", action="store_true", help="the key is another one of the same environment, after a key rotation"
    )
    _add_pace(parser)
    parser.add_argument("--left-out", metavar="FILE", help="write what is left there, one JSON object a line")
    parser.add_argument("--quiet", action="store_true", help="print the summary alone")
    parser.add_argument("--json", action="store_true", help="print the summary, and all that is left, as JSON")
    add_run_dir(parser)
    parser.set_defaults(work=work)


def _add_pace(parser: Parser) -> None:
    group = parser.add_argument_group("pace")
    group.add_argument(
        "--concurrency", metavar="N", type=whole_number(1), help="most requests in flight; default: found"
    )
    group.add_argument("--rate-limit", metavar="N/TIME", type=rate_limit, help="writes in a time; default 500/10s")
    group.add_argument(
        "--headroom", metavar="P%", type=share, help="left to the application; default 10%% for live keys"
    )
    group.add_argument(
        "--give-up-after", metavar="TIME", type=give_up_after, help="end after so long without a success; default 30min"
    )


def work(parsed: argparse.Namespace, streams: Streams) -> int:
    """Undoes the run and returns the exit code."""
    take_target_of_run(parsed)
    if parsed.left_out is not None:
        refuse_what_is_read(parsed.left_out, RunFolder(parsed.run_dir).find(parsed.run).source_file)
    importer = Importer(
        **connection_of(parsed),
        concurrency=parsed.concurrency,
        rate_limit=parsed.rate_limit,
        headroom=parsed.headroom,
        give_up_after=parsed.give_up_after,
        run_dir=parsed.run_dir,
    )
    plan = importer.undo_plan(parsed.run, organizations=parsed.organizations)
    if parsed.dry_run:
        streams.result(document("undo_plan", plan.to_dict()) if parsed.json else str(plan))
        return 0
    place = importer.key_place()
    if not parsed.quiet:
        for warning in importer.key_warnings():
            streams.note(f"Warning: {warning}")
        _show(plan, place, streams)
    if not parsed.yes and not _agreed(plan, streams):
        return 1
    undo = importer.undo(plan.run_id, organizations=parsed.organizations, new_key=parsed.new_key)
    with Interrupts(undo) as interrupts:
        _follow(undo, interrupts, parsed, streams)
    summary = undo.summary
    _write_left(summary, parsed, streams)
    streams.result(_document(summary) if parsed.json else str(summary))
    _close(summary, parsed, streams)
    return interrupts.exit_code(summary.exit_code)


def _show(plan: UndoPlan, place: str | None, streams: Streams) -> None:
    source = Path(plan.source).name or plan.source
    key = "" if place is None else f" · key from {place}"
    begun = plan.started_at[:16].replace("T", " ")
    streams.note(f"Run {plan.run_id} of {source}, begun {begun} UTC{key}")
    streams.note(
        f"To delete: {_counted(plan.users, 'user')}, {_counted(plan.memberships, 'membership')}, "
        f"{_counted(plan.organizations, 'organization')}; each is looked at right before."
    )
    streams.note("Left, and listed: who has signed in, was changed by others, or has other memberships.")
    if plan.organizations_kept:
        streams.note(
            f"{_counted(plan.organizations_kept, 'organization')} kept: --organizations deletes the empty ones."
        )
    for kind, reason, count in plan.left:
        streams.note(f"Left in any case: {_counted(count, kind)}, {REASONS[reason]}.")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _agreed(plan: UndoPlan, streams: Streams) -> bool:
    """Asks once in a terminal. Raises `ConfigError` where nobody can be asked."""
    if not is_terminal(sys.stdin) or not is_terminal(sys.stderr):
        raise ConfigError("undo deletes users, and there is no terminal to ask in. Add --yes.")
    sys.stderr.write(f"Delete up to {plan.calls} objects? This cannot be undone. [y/N] ")
    sys.stderr.flush()
    answer = sys.stdin.readline().strip().lower()
    if answer in ("y", "yes"):
        return True
    streams.note("Nothing was deleted.")
    return False


def _follow(undo: UndoRun, interrupts: Interrupts, parsed: argparse.Namespace, streams: Streams) -> None:
    begun = told = time.monotonic()
    said = False
    while not undo.poll(0.1):
        if interrupts.count and not said:
            said = True
            streams.note(_STOPPING)
        now = time.monotonic()
        if not parsed.quiet and now - told >= _SECONDS_BETWEEN:
            told = now
            settled, total = undo.progress
            rate = settled / (now - begun)
            left = f"{(total - settled) / rate:.0f}s" if rate else "?"
            streams.note(f"{settled}/{total} ({rate:.1f}/s, ETA: {left})")


def _write_left(summary: UndoSummary, parsed: argparse.Namespace, streams: Streams) -> None:
    if parsed.left_out is None:
        return
    path = Path(parsed.left_out).expanduser()
    try:
        # For its owner only: it has email addresses.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            for one in summary.left:
                file.write(json.dumps(one.to_dict()) + "\n")
    except OSError as error:
        streams.error(f"{path}: cannot be written: {error.strerror}")


def _document(summary: UndoSummary) -> str:
    return document("undo", summary.to_dict() | {"left": [one.to_dict() for one in summary.left]})


def _close(summary: UndoSummary, parsed: argparse.Namespace, streams: Streams) -> None:
    """What is said after the summary: what is left, and how it goes on."""
    if summary.stopped is not None:
        streams.error(summary.stopped.message)
    if parsed.quiet or parsed.json:
        return
    for one in islice(left(summary.folder), _LISTED):
        streams.note(f"Left: {one}")
    more = summary.left_total - _LISTED
    if more > 0:
        streams.note(f"… and {more} more: --left-out FILE or --json has all of them.")
    for reason in sorted({reason for _, reason, _ in summary.left_counts}):
        streams.note(f"{reason}: {REASONS[reason]}.")
    if any(reason == "refused" for _, reason, _ in summary.left_counts):
        again = placed(f"workos-importer undo {summary.run_id}", parsed)
        streams.note(f"What was refused is tried again by: {again}")
