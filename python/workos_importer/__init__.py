"""Takes people in bulk and makes a WorkOS directory match them: users, organizations, memberships, roles.

This file has the public names and nothing else. Each is loaded when it is first asked for: a program that imports the
package, or asks the command for its help, does not wait for what it does not use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._exceptions import (
        APIError,
        AuthError,
        ConfigError,
        ImporterError,
        JournalError,
        RowsFailedError,
        RunError,
        RunLockedError,
        SourceChangedError,
        SourceError,
    )
    from ._importer import Importer
    from ._native import Sandbox, SandboxServer, __version__
    from ._options import OrganizationRef
    from ._reports import DryRunReport, GivenBack, ValidationReport
    from ._results import Issue, Progress, RowError, RowResult, Started, Stopped, Summary
    from ._run import ImportRun
    from ._runs import Cause, RunInfo

__all__ = [
    "APIError",
    "AuthError",
    "Cause",
    "ConfigError",
    "DryRunReport",
    "GivenBack",
    "ImportRun",
    "Importer",
    "ImporterError",
    "Issue",
    "JournalError",
    "OrganizationRef",
    "Progress",
    "RowError",
    "RowResult",
    "RowsFailedError",
    "RunError",
    "RunInfo",
    "RunLockedError",
    "Sandbox",
    "SandboxServer",
    "SourceChangedError",
    "SourceError",
    "Started",
    "Stopped",
    "Summary",
    "ValidationReport",
    "__version__",
]

# The same as above, for the interpreter: where each name is.
_PLACES = {
    "_exceptions": (
        "APIError",
        "AuthError",
        "ConfigError",
        "ImporterError",
        "JournalError",
        "RowsFailedError",
        "RunError",
        "RunLockedError",
        "SourceChangedError",
        "SourceError",
    ),
    "_importer": ("Importer",),
    "_native": ("Sandbox", "SandboxServer", "__version__"),
    "_options": ("OrganizationRef",),
    "_reports": ("DryRunReport", "GivenBack", "ValidationReport"),
    "_results": ("Issue", "Progress", "RowError", "RowResult", "Started", "Stopped", "Summary"),
    "_run": ("ImportRun",),
    "_runs": ("Cause", "RunInfo"),
}

# Type checkers read the imports above: a name that is not among them stays a mistake for them.
if not TYPE_CHECKING:

    def __getattr__(name):
        """Loads a public name, once."""
        for place, names in _PLACES.items():
            if name in names:
                found = getattr(import_module(f".{place}", __name__), name)
                globals()[name] = found
                return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        """The public names too that are not loaded yet."""
        return sorted({*globals(), *__all__})
