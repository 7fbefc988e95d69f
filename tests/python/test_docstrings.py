"""Owns the promise that each public name is explained where it is defined, with an example that runs as it is."""

from __future__ import annotations

import doctest
import inspect
import io

import pytest

import workos_importer
from workos_importer import testing

NAMES = [name for name in workos_importer.__all__ if name != "__version__"]
NAMED = {name: getattr(workos_importer, name) for name in NAMES} | {"assert_importable": testing.assert_importable}
MOST_LINES = 9


@pytest.mark.parametrize("name", NAMED)
def test_a_name_has_an_example_that_runs(name: str) -> None:
    text = inspect.getdoc(NAMED[name]) or ""
    [test] = [doctest.DocTestParser().get_doctest(text, {}, name, None, 0)]
    assert sum(one.source.count("\n") for one in test.examples) <= MOST_LINES
    said = io.StringIO()
    # Without names: what an example needs, it imports.
    ran = doctest.DocTestRunner().run(test, out=said.write)
    assert ran.attempted and not ran.failed, said.getvalue()


def test_methods_are_explained_too() -> None:
    silent = [
        f"{name}.{method}"
        for name, thing in NAMED.items()
        if inspect.isclass(thing)
        for method, found in inspect.getmembers(thing)
        if not method.startswith("_") and not inspect.getdoc(found) and callable(found)
    ]
    assert silent == []
