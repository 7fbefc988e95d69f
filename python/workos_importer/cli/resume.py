"""Owns `workos-importer resume`: goes on with one run, or says why it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._importer import Importer
from .._runs import RunFolder
from .consent import add_yes, consent_of
from .follow import follow
from .run_flags import add_connection, add_output, add_pace, options_of, refuse_outputs, reporter_of
from .target_flags import add_batch_size, take_target_of_run

if TYPE_CHECKING:
    import argparse

    from .parser import Commands, Parser
    from .streams import Streams


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "resume",
        streams=streams,
        help="go on with a run that did not come to its end",
        description="Goes on with a run: the rows that have not ended, from the file that the run was begun with and "
        "with the run's own options. Refuses if that file has changed.",
        epilog="Exit codes: those of import; 2 also if there is no such run, or its file has changed.",
    )
    add_going_on(parser)
    parser.set_defaults(work=work)


def add_going_on(parser: Parser) -> None:
    """Which run, and how it is gone on with."""
    parser.add_argument("run", metavar="RUN", help="an id, a unique beginning of one, or latest")
    add_connection(parser, None)
    add_batch_size(parser.add_argument_group("identities", "With --target kratos."))
    parser.add_argument(
        "--new-key", action="store_true", help="the key is another one of the same environment, after a key rotation"
    )
    add_pace(parser)
    add_output(parser)
    add_yes(parser)


def work(parsed: argparse.Namespace, streams: Streams) -> int:
    """Goes on and returns the exit code."""
    take_target_of_run(parsed)
    refuse_outputs(parsed, RunFolder(parsed.run_dir).find(parsed.run).source_file)
    importer = Importer(confirm=consent_of(parsed, streams), **options_of(parsed))
    reporter = reporter_of(parsed, importer, streams)
    return follow(importer, lambda: importer.resume(parsed.run, new_key=parsed.new_key), parsed, reporter, streams)
