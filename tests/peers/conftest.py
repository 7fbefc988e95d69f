"""Owns what the tests against other people's software share: a sandbox on loopback, and the official emulator."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workos_importer import Sandbox

NODE_FOLDER = Path(__file__).parent.parent / "node"
KEY = "sk_test_peers"


@pytest.fixture
def sandbox() -> Sandbox:
    """An empty environment with the documented limits."""
    return Sandbox(seed=1)


@pytest.fixture
def sandbox_url(sandbox: Sandbox) -> Iterator[str]:
    """The address of a server over the sandbox."""
    with sandbox.serve() as server:
        yield server.url


def free_port() -> int:
    """A port of loopback that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def emulator() -> Iterator[dict[str, Any]]:
    """WorkOS' own emulator, as a process of its own: its `url` and `apiKey`."""
    node = shutil.which("node")
    assert node is not None, "the emulator needs Node.js 20"
    process = subprocess.Popen(
        [node, str(NODE_FOLDER / "emulate.mjs"), str(free_port())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        # It ends with its standard input.
        process.communicate(timeout=30)
