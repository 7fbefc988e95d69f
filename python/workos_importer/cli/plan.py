"""Owns `workos-importer plan`: what an import would do to the directory, before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._outputs import refuse_what_is_read
from .compare import add_what_is_there, comparing, importer_of
from .flags import add_organization, add_source, source_of
from .progress import document
from .run_flags import add_connection, add_pace, add_run_dir
from .target_flags import add_identities

if TYPE_CHECKING:
    import argparse

    from .parser import Commands
    from .streams import Streams


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "plan",
        streams=streams,
        help="what an import would do to the directory",
        description="Compares the file with the directory and says what an import would do. Reads, and writes nothing. "
        "What can be found out only by writing is not in it: whether the API takes a password.",
        epilog="Exit codes: 0 no row would fail; 1 some would, or there are none; 2 usage, configuration, unreadable "
        "file; 3 the key is refused; 4 the API is away; 130, 143 interrupted.",
    )
    add_source(parser)
    add_organization(parser)
    add_what_is_there(parser)
    add_pace(parser)
    add_connection(parser, "workos")
    add_identities(parser, writes=False)
    parser.add_argument("--out", metavar="FILE", help="save the plan; `import SOURCE --plan FILE` does exactly that")
    parser.add_argument("--quiet", action="store_true", help="print the plan alone")
    parser.add_argument("--json", action="store_true", help="print the plan as JSON")
    add_run_dir(parser)
    parser.set_defaults(work=work)


def work(parsed: argparse.Namespace, streams: Streams) -> int:
    """Compares, prints the plan and returns the exit code."""
    source = source_of(parsed, streams)
    if parsed.out is not None:
        refuse_what_is_read(parsed.out, source, parsed.map_file)
    importer = importer_of(parsed)
    with comparing(importer, parsed, streams) as follow:
        plan = importer.plan(
            source, delimiter=parsed.delimiter, encoding=parsed.encoding, out=parsed.out, on_start=follow
        )
    streams.result(document("plan", plan.to_dict()) if parsed.json else str(plan))
    if plan.total == 0:
        streams.error("The file has a header but no rows.")
    elif not parsed.quiet and not plan.changes and plan.ok:
        streams.note("The directory holds all of it: an import would write nothing.")
    return 0 if plan.ok else 1
