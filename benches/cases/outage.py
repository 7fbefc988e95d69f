"""Owns what it costs that the API is away for ten minutes in the middle of an import: time beyond them, and rows.

Real time and real sockets. A relay stands before the sandbox and is killed: connections break with requests under way,
then new ones are refused; what the sandbox holds is still there when the relay is started again on the same port. It
takes over eleven minutes, so it is in the full run only.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from measuring import COMMAND, PYTHON, Bench, Server, run, served

AWAY = 600.0
#: The longest pause between two calls that try: the API can be back for so long before anybody notices.
LONGEST_PAUSE = 60.0
ROWS, ORGANIZATIONS = 1_000, 10

# Hands bytes on in both directions: PORT of the sandbox, PORT to listen on (0: any, which is printed).
RELAY = """
import asyncio, sys

async def hand_on(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()

async def connected(reader, writer):
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    await asyncio.gather(hand_on(reader, far_writer), hand_on(far_reader, writer))

async def main():
    server = await asyncio.start_server(connected, "127.0.0.1", int(sys.argv[2]))
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


def measure(bench: Bench) -> None:
    """The same import twice: with an API that is there, and with one that is away in the middle."""
    if not bench.full:
        return
    path = bench.file(ROWS, ORGANIZATIONS)
    undisturbed, _, _ = _import(bench, path, away=0.0)
    disturbed, refused, made = _import(bench, path, away=AWAY)
    lost = disturbed["duration_seconds"] - undisturbed["duration_seconds"] - AWAY
    what = f"an API that is away for {AWAY / 60:.0f} minutes, real sockets: `import` of {ROWS:,} rows"
    seconds = f"{disturbed['duration_seconds']:.1f} s, {undisturbed['duration_seconds']:.1f} s without"
    bench.add(what, seconds)
    bench.add("… lost beyond the time that it was away", f"{lost:.1f} s", "≤ 60 s", lost <= LONGEST_PAUSE)
    failed, pending = disturbed["failed"], disturbed["pending"]
    bench.add("… rows failed; pending", f"{failed}; {pending}", "0; 0", failed == 0 and pending == 0)
    objects = 2 * ROWS + ORGANIZATIONS
    bench.add("… objects made", f"{made:,}", f"{objects:,}", made == objects)
    bench.add("… requests refused by the limit", f"{refused}", "0", refused == 0)


def _import(bench: Bench, path: Path, away: float) -> tuple[dict[str, Any], int, int]:
    """The summary, how often the limit was exceeded, and how many objects were made."""
    with served(limits=True, strict_limits=True, latency=(0.02, 0.4)) as server:
        with contextlib.ExitStack() as relays:
            relay, port = relays.enter_context(_relay(server, 0))
            interruption = threading.Thread(target=_interrupt, args=(server, relay, port, relays, away), daemon=True)
            if away:
                interruption.start()
            command: list[str | Path] = [COMMAND, "import", path, "--quiet", "--json"]
            command += ["--base-url", f"http://127.0.0.1:{port}", "--run-dir", bench.folder / f"outage-{away:.0f}"]
            summary: dict[str, Any] = json.loads(run(command, bench.folder, expected=(0, 1, 4)).output)
            if away:
                interruption.join()
        counters = server.counters()
    return summary, counters["refused_by_limit"], counters["by_status"].get("201", 0)


def _interrupt(
    server: Server, relay: subprocess.Popen[str], port: int, relays: contextlib.ExitStack, away: float
) -> None:
    """Kills the relay when half of the rows are in, and starts another one in its place."""
    while server.counters()["by_status"].get("201", 0) < ROWS:
        time.sleep(0.05)
    relay.kill()
    killed = time.monotonic()
    relay.wait()
    time.sleep(max(0.0, killed + away - time.monotonic()))
    relays.enter_context(_relay(server, port))


@contextlib.contextmanager
def _relay(server: Server, port: int) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A relay before the sandbox, and its port."""
    to = urlsplit(server.url).port
    command = [str(PYTHON), "-c", RELAY, str(to), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        if not line:
            sys.exit("the relay does not listen")
        yield process, int(line)
    finally:
        process.kill()
        process.wait()
