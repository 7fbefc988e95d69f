"""Takes people in bulk and makes a WorkOS directory match them: users, organizations, memberships, roles.

This file has the public names and nothing else.
"""

from ._comparison import Changes, ExtraMembership, Plan, Verification, VerifiedRow
from ._doctor import Check, DoctorReport
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
from ._results import Issue, Pace, Progress, RowError, RowResult, Started, Stopped, Summary
from ._run import ImportRun
from ._runs import Cause, RunInfo
from ._undo import Left, UndoPlan, UndoRun, UndoSummary

__all__ = [
    "APIError",
    "AuthError",
    "Cause",
    "Changes",
    "Check",
    "ConfigError",
    "DoctorReport",
    "DryRunReport",
    "ExtraMembership",
    "GivenBack",
    "ImportRun",
    "Importer",
    "ImporterError",
    "Issue",
    "JournalError",
    "Left",
    "OrganizationRef",
    "Pace",
    "Plan",
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
    "UndoPlan",
    "UndoRun",
    "UndoSummary",
    "ValidationReport",
    "Verification",
    "VerifiedRow",
    "__version__",
]
