"""Owns `workos-importer verify`: whether the directory holds what a file says, row by row, and the receipt."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from .._exceptions import RunError
from .._outputs import refuse_what_is_read
from .._runs import RunFolder
from .compare import add_what_is_there, comparing, importer_of
from .flags import add_organization, add_source, source_of
from .parser import whole_number
from .progress import document
from .run_flags import add_connection, add_pace, add_run_dir
from .target_flags import add_identities

if TYPE_CHECKING:
    import argparse

    from .._runs import RunInfo
    from .._verified import ExtraMembership, VerifiedRow
    from .parser import Commands
    from .streams import Streams

_SHOWN = 20


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "verify",
        streams=streams,
        help="prove that the directory holds what a file says",
        description="Compares each row with the directory: matches, differs, missing, or kept (the user was there and "
        "was left as it was). SOURCE is a file, or a run (an id, a unique beginning of one, or latest), whose file and "
        "options are then taken. Reads, and writes nothing. Passwords cannot be read back, and are not compared.",
        epilog="Exit codes: 0 no row differs or is missing; 1 some do, or there are none; 2 usage, configuration, "
        "unreadable file; 3 the key is refused; 4 the API is away; 130, 143 interrupted.",
    )
    add_source(parser)
    add_organization(parser)
    add_what_is_there(parser)
    add_pace(parser)
    add_connection(parser, None)
    add_identities(parser, writes=False)
    parser.add_argument("--new-key", action="store_true", help="the run was begun with another key of the environment")
    parser.add_argument("--sample", metavar="N", type=whole_number(1), help="compare N rows, drawn at random")
    parser.add_argument("--extra", action="store_true", help="list memberships that no row names too")
    parser.add_argument("--receipt", metavar="FILE", help="write a receipt: counts, digests, time, environment (JSON)")
    parser.add_argument("--quiet", action="store_true", help="print the figures alone")
    parser.add_argument(
        "--json", action="store_true", help="print the figures, and the rows that do not match, as JSON"
    )
    add_run_dir(parser)
    parser.set_defaults(work=work)


def work(parsed: argparse.Namespace, streams: Streams) -> int:
    """Compares, prints what was found and returns the exit code."""
    source = source_of(parsed, streams)
    run = _run_meant(source, RunFolder(parsed.run_dir))
    if getattr(parsed, "target", "") is None:
        parsed.target = "workos" if run is None else run.directory
    if parsed.receipt is not None:
        refuse_what_is_read(parsed.receipt, source if run is None else run.source_file, parsed.map_file)
    importer = importer_of(parsed)
    with comparing(importer, parsed, streams) as follow:
        found = importer.verify(
            source if run is None else None,
            run=None if run is None else run.id,
            delimiter=parsed.delimiter,
            encoding=parsed.encoding,
            sample=parsed.sample,
            extra=parsed.extra,
            new_key=parsed.new_key,
            on_start=follow,
        )
    if parsed.receipt is not None:
        found.receipt(parsed.receipt)
    wrong = found.rows("differs", "missing", "unknown")
    if parsed.json:
        rows = [_row_values(row) for row in wrong]
        extra = [_extra_values(one) for one in found.extra()]
        streams.result(document("verification", found.to_dict() | {"not_matching": rows, "extra": extra}))
    else:
        if not parsed.quiet:
            _tell(list(itertools.islice(wrong, _SHOWN + 1)), streams)
            for one in found.extra():
                who = one.email or one.user_id
                streams.note(f"+ {who} is in {one.organization_id} ({', '.join(one.roles)}), and no row says so")
        streams.result(str(found))
    if found.total == 0:
        streams.error("The file has a header but no rows.")
    return 0 if found.ok else 1


def _run_meant(source: str, folder: RunFolder) -> RunInfo | None:
    """The run that is named, if one is: what is a file is a file."""
    if source == "-" or Path(source).expanduser().exists():
        return None
    try:
        return folder.find(source)
    except RunError:
        return None


def _tell(rows: list[VerifiedRow], streams: Streams) -> None:
    for row in rows[:_SHOWN]:
        where = f" (line {row.line})" if row.line is not None else ""
        what = f": {', '.join(row.fields)}" if row.fields else ""
        why = f". {row.message}" if row.message else ""
        streams.note(f"✗ {row.record_number}{where} {row.email or '(no email)'} {row.verdict}{what}{why}")
    if len(rows) > _SHOWN:
        streams.note(f"… the first {_SHOWN}. All of them: --json")


def _row_values(row: VerifiedRow) -> dict[str, object]:
    names = ("record_number", "line", "email", "external_id", "verdict", "fields", "message")
    return {name: getattr(row, name) for name in names}


def _extra_values(one: ExtraMembership) -> dict[str, object]:
    names = ("email", "user_id", "organization_id", "membership_id", "roles", "active")
    return {name: getattr(one, name) for name in names}
