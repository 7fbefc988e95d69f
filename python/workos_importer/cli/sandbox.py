"""Owns `workos-importer sandbox`: a WorkOS on loopback, for rehearsals."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

from .._native import Sandbox
from .parser import seconds, share, whole_number

if TYPE_CHECKING:
    import argparse

    from .parser import Commands
    from .streams import Streams

# The server takes every key with this beginning.
_KEY = "sk_test_sandbox"


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "sandbox",
        streams=streams,
        help="serve a WorkOS for rehearsals on this machine",
        description="Serves an empty WorkOS on 127.0.0.1, with the real limits, until Ctrl-C. Nothing is kept.",
    )
    parser.add_argument("--port", metavar="N", type=whole_number(0, 65_535), default=0, help="default: a free one")
    parser.add_argument(
        "--latency", metavar="TIME", type=seconds, default=0.0, help="how long a request takes, such as 50ms"
    )
    parser.add_argument("--fault-rate", metavar="P%", type=share, default=0.0, help="how many requests go wrong")
    parser.add_argument("--seed", metavar="N", type=whole_number(0, 2**64 - 1), default=0, help="of ids and faults")
    parser.add_argument("--no-limits", action="store_true", help="no rate limit")
    parser.add_argument("--one-role", action="store_true", help="a membership has one role only")
    parser.set_defaults(work=work)


def work(parsed: argparse.Namespace, streams: Streams) -> int:
    """Serves until the process is asked to end."""
    sandbox = Sandbox(
        seed=parsed.seed,
        latency=parsed.latency,
        fault_rate=parsed.fault_rate,
        limits=not parsed.no_limits,
        multiple_roles=not parsed.one_role,
    )
    ended = threading.Event()
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is not None and threading.current_thread() is threading.main_thread():
            signal.signal(number, lambda *_: ended.set())
    with sandbox.serve(parsed.port) as server:
        streams.result(f"URL: {server.url}\nKey: {_KEY} (any key that begins with sk_test_)")
        streams.note(f"Try: workos-importer import users.csv --base-url {server.url} (Ctrl-C ends the sandbox)")
        # In slices: on Windows an endless wait does not see Ctrl-C.
        while not ended.wait(0.2):
            pass
    counters = sandbox.counters()
    streams.note(f"{counters['total']} requests, {counters['refused_by_limit']} refused by a limit.")
    return 0
