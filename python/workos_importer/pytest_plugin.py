"""Owns the fixtures that pytest finds by itself once the package is installed. Uses the public names only.

Loaded into every pytest of an environment that has this package, so it imports nothing: each fixture does when it is
asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from . import Importer, KratosSandbox, Sandbox, ValidationReport

# What the sandbox over HTTP lets in.
_KEY = "sk_test_workos_sandbox"

_MARKERS = (
    "workos_sandbox(**settings): settings of this test's sandbox, such as limits=True; see workos_importer.Sandbox",
    "kratos_sandbox(**settings): those of this test's Kratos, such as batches=False; see workos_importer.KratosSandbox",
)


def pytest_configure(config: pytest.Config) -> None:
    """Makes the markers known, also where markers are strict."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)


def _marked(request: pytest.FixtureRequest, name: str) -> dict[str, Any]:
    """The settings that markers of a name give. The one that is nearest to the test comes last, and counts."""
    settings: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers(name))):
        if marker.args:
            raise pytest.UsageError(f"The marker {name} takes named settings only, such as fault_rate=0.1")
        settings |= marker.kwargs
    return settings


@pytest.fixture
def workos_sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """An empty WorkOS environment of this test's own, in this process: a `workos_importer.Sandbox`.

    Without rate limits, unless the marker `workos_sandbox(limits=True)` says otherwise; the marker takes all settings
    of a `Sandbox`.
    """
    from . import Sandbox

    settings: dict[str, Any] = {"limits": False}
    return Sandbox(**settings | _marked(request, "workos_sandbox"))


@pytest.fixture
def workos_importer_factory(workos_sandbox: Sandbox, tmp_path: Path) -> Callable[..., Importer]:
    """Makes importers into this test's sandbox: `workos_importer_factory(on_existing="update")`.

    Takes what `workos_importer.Importer` takes. Runs are kept in the test's own folder, so importers of one test know
    each other's runs, and those of another test do not.
    """
    from . import Importer

    def make(**options: Any) -> Importer:
        places: dict[str, Any] = {"sandbox": workos_sandbox, "run_dir": tmp_path / "workos-importer-runs"}
        return Importer(**places | options)

    return make


@pytest.fixture
def workos_sandbox_url(workos_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of this test's sandbox over HTTP, for code that makes its own importer or uses another client.

    Until the test ends, `WORKOS_API_URL` and `WORKOS_API_KEY` lead there, and runs are kept in the test's own folder.
    """
    with workos_sandbox.serve() as server:
        monkeypatch.setenv("WORKOS_API_URL", server.url)
        monkeypatch.setenv("WORKOS_API_KEY", _KEY)
        # Another key, of somebody's shell, would contradict this one.
        monkeypatch.delenv("WORKOS_SECRET_KEY", raising=False)
        monkeypatch.setenv("WORKOS_IMPORTER_RUN_DIR", str(tmp_path / "workos-importer-runs"))
        yield server.url


@pytest.fixture
def kratos_sandbox(request: pytest.FixtureRequest) -> KratosSandbox:
    """A Kratos of this test's own without identities, in this process: a `workos_importer.KratosSandbox`.

    The marker `kratos_sandbox(batches=False)` takes all settings of a `KratosSandbox`.
    """
    from . import KratosSandbox

    return KratosSandbox(**_marked(request, "kratos_sandbox"))


@pytest.fixture
def kratos_sandbox_url(
    request: pytest.FixtureRequest, kratos_sandbox: KratosSandbox, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The address of this test's Kratos over HTTP, for its own clients and code that reads its settings.

    Until the test ends, `KRATOS_ADMIN_URL` leads there, with the token of the marker, if it has one, in
    `KRATOS_ADMIN_TOKEN`.
    """
    token = _marked(request, "kratos_sandbox").get("token")
    with kratos_sandbox.serve() as server:
        monkeypatch.setenv("KRATOS_ADMIN_URL", server.url)
        if token is None:
            monkeypatch.delenv("KRATOS_ADMIN_TOKEN", raising=False)
        else:
            monkeypatch.setenv("KRATOS_ADMIN_TOKEN", token)
        yield server.url


@pytest.fixture
def assert_importable() -> Callable[..., ValidationReport]:
    """The function `workos_importer.testing.assert_importable`: fails with a table of what is wrong in a source."""
    from .testing import assert_importable

    return assert_importable
