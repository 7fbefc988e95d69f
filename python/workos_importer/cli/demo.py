"""Owns `workos-importer demo`: the main job from a generated file to the summary, on a sandbox, in one go."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .._importer import Importer
from .._native import Sandbox
from .follow import follow
from .generator import write
from .parser import whole_number
from .progress import Where, chosen

if TYPE_CHECKING:
    import argparse

    from .parser import Commands
    from .streams import Streams


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "demo",
        streams=streams,
        help="see an import, without a key",
        description="Invents users in several organizations, imports them into a sandbox in this process, and prints "
        "the summary. Contacts nobody and leaves nothing behind.",
    )
    parser.add_argument("--users", metavar="N", type=whole_number(1, 100_000), default=100, help="default 100")
    parser.add_argument("--orgs", metavar="N", type=whole_number(1, 100_000), default=5, help="default 5")
    parser.add_argument("--quiet", action="store_true", help="print the summary alone")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.set_defaults(work=work)


def work(parsed: argparse.Namespace, streams: Streams) -> int:
    """Generates, imports, prints."""
    with tempfile.TemporaryDirectory(prefix="workos-importer-demo-", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "users.csv"
        write(file, parsed.users, organizations=parsed.orgs)
        # A little latency, so that the rehearsal looks like a network.
        importer = Importer(sandbox=Sandbox(latency=(0.005, 0.03)), run_dir=Path(folder) / "runs")
        reporter = chosen("auto", parsed.quiet, streams, Where("SANDBOX"))
        reporter.say(f"{parsed.users} invented users in {parsed.orgs} organizations, into a sandbox in this process:")
        return follow(importer, lambda: importer.run(str(file)), parsed, reporter, streams)
