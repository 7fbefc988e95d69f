"""Takes people in bulk and makes a WorkOS directory match them: users, organizations, memberships, roles.

This file has the public names and nothing else.
"""

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
    "Pace",
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
