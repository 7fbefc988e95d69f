"""Owns `workos-importer sandbox`: a WorkOS on loopback, or a Kratos, for rehearsals."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

from .._exceptions import ConfigError
from .._native import KratosSandbox, Sandbox
from .parser import seconds, share, whole_number

if TYPE_CHECKING:
    import argparse

    from .parser import Commands
    from .streams import Streams

# The server takes every key with this beginning.
_KEY = "sk_test_sandbox"

# The flags that one of the two has a use for, by the names under which they are parsed.
_ONLY = {
    "workos": {"no_limits": "--no-limits", "one_role": "--one-role"},
    "kratos": {
        "identity_schema": "--identity-schema",
        "no_batches": "--no-batches",
        "latency_per_identity": "--latency-per-identity",
    },
}


def add(commands: Commands, streams: Streams) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "sandbox",
        streams=streams,
        help="serve a WorkOS or a Kratos for rehearsals on this machine",
        description="Serves an empty WorkOS on 127.0.0.1, with the real limits, until Ctrl-C. Nothing is kept. "
        "With --target kratos the admin API of an Ory Kratos.",
    )
    parser.add_argument("--target", choices=tuple(_ONLY), default="workos", help="what it stands in for")
    parser.add_argument("--port", metavar="N", type=whole_number(0, 65_535), default=0, help="default: a free one")
    parser.add_argument(
        "--latency", metavar="TIME", type=seconds, default=0.0, help="how long a request takes, such as 50ms"
    )
    parser.add_argument("--fault-rate", metavar="P%", type=share, default=0.0, help="how many requests go wrong")
    parser.add_argument("--seed", metavar="N", type=whole_number(0, 2**64 - 1), default=0, help="of ids and faults")
    only = parser.add_argument_group("WorkOS only")
    only.add_argument("--no-limits", action="store_true", help="no rate limit")
    only.add_argument("--one-role", action="store_true", help="a membership has one role only")
    only = parser.add_argument_group("Kratos only")
    only.add_argument("--identity-schema", metavar="FILE", help="the JSON Schema of its identities")
    only.add_argument("--no-batches", action="store_true", help="no batch endpoint, as in older servers")
    only.add_argument(
        "--latency-per-identity",
        metavar="TIME",
        type=seconds,
        default=0.0,
        help="what each identity adds to the time of a batch",
    )
    parser.set_defaults(work=work)


def work(parsed: argparse.Namespace, streams: Streams) -> int:
    """Serves until the process is asked to end."""
    for target, flags in _ONLY.items():
        given = [flag for name, flag in flags.items() if getattr(parsed, name)]
        if given and target != parsed.target:
            raise ConfigError(f"{given[0]} is of --target {target}, and this is {parsed.target}.", "contradiction")
    sandbox = _kratos(parsed) if parsed.target == "kratos" else _workos(parsed)
    ended = threading.Event()
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is not None and threading.current_thread() is threading.main_thread():
            signal.signal(number, lambda *_: ended.set())
    with sandbox.serve(parsed.port) as server:
        target = ""
        if parsed.target == "kratos":
            target = " --target kratos"
            streams.result(f"KRATOS_ADMIN_URL={server.url}")
        else:
            streams.result(f"URL: {server.url}\nKey: {_KEY} (any key that begins with sk_test_)")
        streams.note(f"Try: workos-importer import users.csv{target} --base-url {server.url} (Ctrl-C ends the sandbox)")
        # In slices: on Windows an endless wait does not see Ctrl-C.
        while not ended.wait(0.2):
            pass
    counters = sandbox.counters()
    refused = "" if parsed.target == "kratos" else f", {counters['refused_by_limit']} refused by a limit"
    streams.note(f"{counters['total']} requests{refused}.")
    return 0


def _workos(parsed: argparse.Namespace) -> Sandbox:
    return Sandbox(
        seed=parsed.seed,
        latency=parsed.latency,
        fault_rate=parsed.fault_rate,
        limits=not parsed.no_limits,
        multiple_roles=not parsed.one_role,
    )


def _kratos(parsed: argparse.Namespace) -> KratosSandbox:
    return KratosSandbox(
        seed=parsed.seed,
        latency=parsed.latency,
        latency_per_identity=parsed.latency_per_identity,
        fault_rate=parsed.fault_rate,
        identity_schema=None if parsed.identity_schema is None else _schema(parsed.identity_schema),
        batches=not parsed.no_batches,
    )


def _schema(path: str) -> dict[str, Any]:
    """The identity schema of a file. Raises `ConfigError` for what is no JSON object."""
    import json
    from pathlib import Path

    try:
        schema = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--identity-schema {path}: {error.strerror or error}") from None
    except ValueError as error:
        raise ConfigError(f"--identity-schema {path} is no JSON: {error}") from None
    if not isinstance(schema, dict):
        raise ConfigError(f"--identity-schema {path} is no JSON Schema: it is no object")
    return schema
