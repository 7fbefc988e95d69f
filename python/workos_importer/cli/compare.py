"""Owns what `plan` and `verify` share: their flags, and what is printed while they compare."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from .._exceptions import RunError
from .._importer import Importer
from .flags import add_on_existing, check_updates, mapping_of, organization_of
from .interrupts import Interrupts
from .run_flags import options_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from .._run import ImportRun
    from .parser import Parser
    from .streams import Streams

_SECONDS_BETWEEN = 10.0


def add_what_is_there(parser: Parser) -> None:
    """What an import does with what is there."""
    group = parser.add_argument_group("what is there already")
    add_on_existing(group)


def importer_of(parsed: argparse.Namespace) -> Importer:
    """The importer that the flags say; it writes no file of its own."""
    check_updates(parsed)
    for name in ("errors_out", "results_out", "audit_file", "actor"):
        setattr(parsed, name, None)
    return Importer(
        rows=getattr(parsed, "rows", "users"),
        on_existing=parsed.on_existing,
        clear_empty=parsed.clear_empty,
        reactivate=parsed.reactivate,
        mapping=mapping_of(parsed),
        **organization_of(parsed),
        **options_of(parsed),
    )


@contextmanager
def comparing(
    importer: Importer, parsed: argparse.Namespace, streams: Streams
) -> Iterator[Callable[[ImportRun], None]]:
    """Says what is compared, and now and then how far it is. Gives what is to be called with the comparison.

    Ctrl-C and SIGTERM end the comparison, and the command with 130 or 143.
    """
    interrupts: list[Interrupts] = []
    with ExitStack() as stack:
        told = None if parsed.quiet else stack.enter_context(_telling(importer, streams))

        def follow(run: ImportRun) -> None:
            interrupts.append(stack.enter_context(Interrupts(run, at_once=True)))
            if told is not None:
                told(run)

        try:
            yield follow
        except RunError:
            for one in interrupts:
                if one.count:
                    raise SystemExit(one.exit_code(130)) from None
            raise


@contextmanager
def _telling(importer: Importer, streams: Streams) -> Iterator[Callable[[ImportRun], None]]:
    """What is printed meanwhile."""
    place = importer.key_place()
    for warning in importer.key_warnings():
        streams.note(f"Warning: {warning}")
    key = "" if place is None else f" (key from {place})"
    streams.note(f"Comparing with the directory{key}. Nothing is written.")
    over = threading.Event()
    telling: list[threading.Thread] = []
    begun = time.monotonic()

    def tell(run: ImportRun) -> None:
        while not over.wait(_SECONDS_BETWEEN):
            at = run.progress
            rows = f"{at.ended}/{at.total}" if at.total is not None else str(at.ended)
            streams.note(f"{rows} rows compared, {time.monotonic() - begun:.0f} s")
        if run.started is not None and run.started.note:
            streams.note(run.started.note)

    def follow(run: ImportRun) -> None:
        telling.append(threading.Thread(target=tell, args=(run,), daemon=True))
        telling[-1].start()

    try:
        yield follow
    finally:
        over.set()
        # It holds the comparison, and with it the folder that is removed when nobody does.
        for thread in telling:
            thread.join()
