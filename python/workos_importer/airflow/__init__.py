"""Imports as tasks of Apache Airflow: a connection type with its hook, and an operator. Needs the extra `airflow`.

This file has the public names and nothing else. Each is loaded when it is first asked for: Airflow reads the provider's
metadata from here while it is itself being loaded.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .hook import WorkOSHook
    from .operator import WorkOSImportOperator
    from .provider import get_provider_info

__all__ = ["WorkOSHook", "WorkOSImportOperator", "get_provider_info"]

_PLACES = {"WorkOSHook": "hook", "WorkOSImportOperator": "operator", "get_provider_info": "provider"}

if not TYPE_CHECKING:

    def __getattr__(name):
        """Loads a public name, once."""
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(import_module(f".{_PLACES[name]}", __name__), name)
        globals()[name] = found
        return found

    def __dir__():
        """The public names too that are not loaded yet."""
        return sorted({*globals(), *__all__})
