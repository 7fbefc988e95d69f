"""Takes people in bulk and makes a WorkOS directory match them: users, organizations, memberships, roles.

This file has the public names and nothing else. Each is loaded when it is first asked for: a program that imports the
package, or asks the command for its help, does not wait for what it does not use. (PYTEST_DONT_REWRITE: pytest rewrites
plugins, and warns of one that a program has imported before it calls pytest.)
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._async_directory import AsyncDirectory
    from ._comparison import Changes, Plan, Verification
    from ._directory import Directory
    from ._doctor import Check, DoctorReport
    from ._exceptions import (
        APIError,
        AuthError,
        ConfigError,
        ConflictError,
        ImporterError,
        InDoubtError,
        InputError,
        JournalError,
        RowsFailedError,
        RunError,
        RunLockedError,
        SourceChangedError,
        SourceError,
    )
    from ._importer import Importer
    from ._kratos import Kratos
    from ._native import KratosSandbox, Sandbox, SandboxServer, __version__
    from ._objects import (
        ApiKey,
        FeatureFlag,
        Invitation,
        Membership,
        Organization,
        OrganizationDomain,
        Role,
        User,
    )
    from ._options import OrganizationRef
    from ._recovery import Recovery, RecoveryRun, RecoverySummary, Unsent
    from ._reports import DryRunReport, GivenBack, Issues, ValidationReport
    from ._results import Issue, Pace, Progress, RowError, RowResult, Started, Stopped, Summary
    from ._rules import frame_rule
    from ._run import ImportRun
    from ._runs import Cause, RunInfo
    from ._tables import Table
    from ._undo import Left, UndoPlan, UndoRun, UndoSummary
    from ._verified import ExtraMembership, VerifiedRow

__all__ = [
    "APIError",
    "ApiKey",
    "AsyncDirectory",
    "AuthError",
    "Cause",
    "Changes",
    "Check",
    "ConfigError",
    "ConflictError",
    "Directory",
    "DoctorReport",
    "DryRunReport",
    "ExtraMembership",
    "FeatureFlag",
    "GivenBack",
    "ImportRun",
    "Importer",
    "ImporterError",
    "InDoubtError",
    "InputError",
    "Invitation",
    "Issue",
    "Issues",
    "JournalError",
    "Kratos",
    "KratosSandbox",
    "Left",
    "Membership",
    "Organization",
    "OrganizationDomain",
    "OrganizationRef",
    "Pace",
    "Plan",
    "Progress",
    "Recovery",
    "RecoveryRun",
    "RecoverySummary",
    "Role",
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
    "Table",
    "UndoPlan",
    "UndoRun",
    "UndoSummary",
    "Unsent",
    "User",
    "ValidationReport",
    "Verification",
    "VerifiedRow",
    "__version__",
    "frame_rule",
]

# The same as above, for the interpreter: where each name is.
_PLACES = {
    "_async_directory": ("AsyncDirectory",),
    "_comparison": ("Changes", "Plan", "Verification"),
    "_directory": ("Directory",),
    "_doctor": ("Check", "DoctorReport"),
    "_exceptions": (
        "APIError",
        "AuthError",
        "ConfigError",
        "ConflictError",
        "ImporterError",
        "InDoubtError",
        "InputError",
        "JournalError",
        "RowsFailedError",
        "RunError",
        "RunLockedError",
        "SourceChangedError",
        "SourceError",
    ),
    "_importer": ("Importer",),
    "_kratos": ("Kratos",),
    "_native": ("KratosSandbox", "Sandbox", "SandboxServer", "__version__"),
    "_objects": (
        "ApiKey",
        "FeatureFlag",
        "Invitation",
        "Membership",
        "Organization",
        "OrganizationDomain",
        "Role",
        "User",
    ),
    "_options": ("OrganizationRef",),
    "_recovery": ("Recovery", "RecoveryRun", "RecoverySummary", "Unsent"),
    "_reports": ("DryRunReport", "GivenBack", "Issues", "ValidationReport"),
    "_results": ("Issue", "Pace", "Progress", "RowError", "RowResult", "Started", "Stopped", "Summary"),
    "_rules": ("frame_rule",),
    "_run": ("ImportRun",),
    "_runs": ("Cause", "RunInfo"),
    "_tables": ("Table",),
    "_undo": ("Left", "UndoPlan", "UndoRun", "UndoSummary"),
    "_verified": ("ExtraMembership", "VerifiedRow"),
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
