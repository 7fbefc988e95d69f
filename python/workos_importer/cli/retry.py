"""Owns `workos-importer retry`: tries the failed rows of one run again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._importer import Importer
from .._runs import RunFolder
from .consent import consent_of
from .follow import follow
from .resume import add_going_on
from .run_flags import options_of, refuse_outputs, reporter_of
from .target_flags import take_target_of_run

if TYPE_CHECKING:
    import argparse

    from .parser import Commands
    from .streams import Streams


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "retry",
        streams=streams,
        help="try the failed rows of a run again",
        description="Tries the failed rows of a run again, from the file that the run was begun with and with the "
        "run's own options. Refuses if that file has changed: correct the file and import it.",
        epilog="Exit codes: those of import; 2 also if there is no such run, or its file has changed.",
    )
    add_going_on(parser)
    parser.set_defaults(work=work)


def work(parsed: argparse.Namespace, streams: Streams) -> int:
    """Tries again and returns the exit code."""
    take_target_of_run(parsed)
    refuse_outputs(parsed, RunFolder(parsed.run_dir).find(parsed.run).source_file)
    importer = Importer(confirm=consent_of(parsed, streams), **options_of(parsed))
    reporter = reporter_of(parsed, importer, streams)
    return follow(importer, lambda: importer.retry(parsed.run, new_key=parsed.new_key), parsed, reporter, streams)
