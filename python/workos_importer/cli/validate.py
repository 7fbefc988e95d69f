"""Owns `workos-importer validate`: what is wrong in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._exceptions import ConfigError
from .._importer import Importer
from .flags import add_organization, add_source, mapping_of, organization_of, source_of
from .issues import issue_line
from .progress import document
from .target_flags import add_identities, add_target, kratos_of

if TYPE_CHECKING:
    import argparse

    from .._reports import GivenBack
    from .._results import Issue
    from .parser import Commands
    from .streams import Streams


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "validate",
        streams=streams,
        help="say what is wrong in a file",
        description="Checks every row of the file. Needs no key and no connection, and changes nothing.",
        epilog="Exit codes: 0 nothing is wrong; 1 something is, or there are no rows; 2 the file cannot be read.",
    )
    add_source(parser)
    add_organization(parser)
    add_target(parser)
    add_identities(parser, writes=False)
    parser.add_argument(
        "--marked",
        metavar="FILE",
        help="write the file's own rows there, with what is wrong in a first column `problem`, which imports ignore",
    )
    parser.add_argument("--quiet", action="store_true", help="print the summary alone")
    parser.add_argument("--json", action="store_true", help="print the summary, with the first 10,000 issues, as JSON")
    parser.set_defaults(work=work)


def work(parsed: argparse.Namespace, streams: Streams) -> int:
    """Checks the file and returns the exit code."""
    source = source_of(parsed, streams)

    def tell(issue: Issue) -> None:
        if not parsed.quiet:
            streams.note(issue_line(issue))

    if parsed.marked is not None and source == "-":
        raise ConfigError("--marked needs a file: standard input can be read only once.", "contradiction")
    target = kratos_of(parsed) if parsed.target == "kratos" else None
    importer = Importer(target=target, mapping=mapping_of(parsed), **organization_of(parsed))
    report = importer.validate(
        source,
        delimiter=parsed.delimiter,
        encoding=parsed.encoding,
        max_issues=10_000 if parsed.json else 0,
        on_issue=tell,
        marked=parsed.marked,
    )
    if not parsed.quiet:
        streams.note(report.mode_sentence)
    streams.result(document("validation", report.to_dict()) if parsed.json else str(report))
    if report.marked is not None and not parsed.quiet:
        _say_where(report.marked, report.failed, streams)
    if report.total == 0:
        streams.error("The file has a header but no rows.")
    return 0 if report.ok else 1


def _say_where(marked: GivenBack, failed: int, streams: Streams) -> None:
    what = "All rows, with what is wrong in the column `problem`, are in"
    then = " Correct them there and import that file." if failed else ""
    streams.note(f"{what} {marked.path}.{then}")
    if marked.warning is not None:
        streams.note(f"Warning: {marked.warning}")
