"""Owns imports as assets of Dagster: a resource that makes importers, materializations, and asset checks.

Needs the extra `dagster`.
"""

# No `from __future__ import annotations`: Dagster reads the annotations of the resource as they are.

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetExecutionContext,
    ConfigurableResource,
    Failure,
    MaterializeResult,
    MetadataValue,
)
from pydantic import Field

from . import ConfigError, Importer, ImporterError, ImportRun, OrganizationRef, Summary, ValidationReport, Verification
from ._pipelines import (
    FailOn,
    Follower,
    checked_fail_on,
    figures,
    is_final,
    judge,
    looks_temporary,
    organization_of,
    run_folder,
    run_name,
)

Source = str | os.PathLike[str] | Iterable[Mapping[str, Any]]

# So many rows or issues are shown; the run's folder and the files have all of them.
_SHOWN = 10


class WorkOSResource(ConfigurableResource):
    """Makes importers for one WorkOS environment, and from them materializations and asset checks.

    Give the key as `EnvVar("WORKOS_API_KEY")`: what is written here as plain text is shown by Dagster's interface.
    """

    # In no `repr`, so that no log has it.
    api_key: str | None = Field(default=None, repr=False, description="The secret key, as an EnvVar")
    base_url: str | None = Field(default=None, description="Where the API is; default https://api.workos.com")
    run_dir: str | None = Field(default=None, description="Where runs are kept: storage that every attempt sees")
    rate_limit: str | None = Field(default=None, description="Writes in a period, such as 500/10s")
    headroom: str | None = Field(default=None, description="The share of the limit that is left, such as 10%")
    concurrency: int | None = Field(default=None, description="The most requests in flight")
    give_up_after: str | None = Field(default=None, description="How long an API that is away is waited for")
    ca_bundle: str | None = Field(default=None, description="Certificates to trust beside the system's")
    insecure_http: bool = Field(default=False, description="Allow http: to other machines")

    def importer(self, **options: Any) -> Importer:
        """An importer with what this resource says, and these options of `Importer`; where both do, these count.

        Raises `ConfigError` for options that cannot be used, and where no run folder is given.
        """
        ours = {
            "api_key": self.api_key,
            "env_file": None,
            "base_url": self.base_url,
            "rate_limit": self.rate_limit,
            "headroom": self.headroom,
            "concurrency": self.concurrency,
            "give_up_after": self.give_up_after,
            "ca_bundle": self.ca_bundle,
            "insecure_http": self.insecure_http,
        }
        folder = run_folder(options.get("run_dir"), self.run_dir)
        organization = organization_of(options.get("organization"))
        try:
            return Importer(**{**ours, **options, "run_dir": folder, "organization": organization})
        except TypeError as error:
            raise ConfigError(f"Importer: {error}") from None

    def materialize(
        self,
        context: AssetExecutionContext,
        source: Source,
        *,
        organization: OrganizationRef | Mapping[str, Any] | None = None,
        fail_on: FailOn = "any",
        run_id: str | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
        report_out: str | os.PathLike[str] | None = None,
        check_results: Sequence[AssetCheckResult] = (),
        progress_every: float = 30.0,
        **options: Any,
    ) -> MaterializeResult:
        """Runs an import to its end, and gives the materialization of the asset, with the run's figures.

        The run is named (`run_id`) after the asset, its partition and the Dagster run that was launched first: a retry
        of the step, a retry of the run and a re-execution go on with it and send only what is left.

        `fail_on`: the step fails if `"any"` row has failed, never because of rows (`"none"`), or if more than a share
        of them has, such as `0.05`. Rows that were not reached fail it in any case. `report_out`: a file for the report
        (HTML), as `ImportRun.report` writes it, however the run ended. `check_results` are handed on. `options` are
        those of `Importer`, such as `on_existing="update"`.

        Raises `Failure`, with the figures; without retries where another attempt would end in the same way: wrong
        options, a key that is refused, a file that is no file of users, rows that are wrong by themselves.
        """
        importer: Importer | None = None
        run: ImportRun | None = None
        follower = Follower(context.log.info, context.log.warning, progress_every, report_out)
        try:
            checked_fail_on(fail_on)
            importer = self.importer(organization=organization, **options)
            self._warn_of_folder(context, options.get("run_dir"))
            run = importer.run(source, run_id=run_id or name_of_run(context), delimiter=delimiter, encoding=encoding)
            summary = follower.follow(run)
            judge(summary, fail_on)
        except ImporterError as error:
            found = None
            if run is not None and run.ended and importer is not None:
                found = metadata_of(run.summary, importer, follower.report)
            raise Failure(str(error), found, allow_retries=not is_final(error, importer, run)) from error
        found = metadata_of(summary, importer, follower.report)
        return MaterializeResult(metadata=found, check_results=list(check_results))

    def check_source(
        self,
        source: Source,
        *,
        check_name: str | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
        **options: Any,
    ) -> AssetCheckResult:
        """Whether a source is right, as `Importer.validate` finds it: no connection is opened.

        Raises `Failure` where the source as a whole cannot be read, or for options that cannot be used.
        """
        with _failures():
            report = self.importer(**options).validate(source, delimiter=delimiter, encoding=encoding)
        return check_of_validation(report, check_name=check_name)

    def check_directory(
        self,
        source: Source,
        *,
        check_name: str | None = None,
        sample: int | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
        **options: Any,
    ) -> AssetCheckResult:
        """Whether the directory holds what a source says, as `Importer.verify` finds it: it reads, and writes nothing.

        `sample`: so many rows, drawn at random, stand for all. Raises `Failure` where that cannot be found out.
        """
        with _failures():
            importer = self.importer(**options)
            found = importer.verify(source, sample=sample, delimiter=delimiter, encoding=encoding)
        return check_of_verification(found, check_name=check_name)

    def _warn_of_folder(self, context: AssetExecutionContext, run_dir: str | os.PathLike[str] | None) -> None:
        warning = looks_temporary(run_folder(run_dir, self.run_dir))
        if warning is not None:
            context.log.warning(warning)


def name_of_run(context: AssetExecutionContext) -> str:
    """The name of a step's run: the asset or op, its partition, and the Dagster run that was launched first."""
    if context.has_assets_def:
        what = "+".join(sorted("/".join(key.path) for key in context.selected_asset_keys))
    else:
        what = str(context.op_handle)
    partition = None
    if context.has_partition_key:
        partition = context.partition_key
    elif context.has_partition_key_range:
        keys = context.partition_key_range
        partition = f"{keys.start}...{keys.end}"
    return run_name(what, partition, context.run.root_run_id or context.run.run_id)


def metadata_of(summary: Summary, importer: Importer, report: str | None = None) -> dict[str, Any]:
    """What Dagster shows of a run: its figures and files, why rows failed, and the first ones that did."""
    found: dict[str, Any] = {name: value for name, value in figures(summary, report).items() if value is not None}
    for name in ("folder", "errors_out", "results_out", "report"):
        if name in found:
            found[name] = MetadataValue.path(found[name])
    if summary.failed:
        causes = importer.causes(summary.run_id)
        lines = [(cause.count, cause.code, "yes" if cause.retry_helps else "no", cause.remedy) for cause in causes]
        found["causes"] = _table(("rows", "code", "can a retry help", "what to do"), lines)
    if summary.first_failures:
        failures = [
            (
                row.record_number,
                row.email or "",
                row.error.code if row.error else "",
                row.error.message if row.error else "",
            )
            for row in summary.first_failures
        ]
        found["first_failures"] = _table(("record", "email", "code", "why"), failures)
    return found


def check_of_validation(report: ValidationReport, *, check_name: str | None = None) -> AssetCheckResult:
    """What a check of a source says as the result of an asset check."""
    found: dict[str, Any] = {
        "total": report.total,
        "valid": report.valid,
        "failed": report.failed,
        "errors": report.errors,
        "warnings": report.warnings,
        "users": report.users,
        "organizations": report.organizations,
        "memberships": report.memberships,
    }
    if report.issues:
        # Errors first: warnings do not fail the check.
        worst = sorted(report.issues, key=lambda issue: issue.severity != "error")[:_SHOWN]
        lines = [(one.record_number or "", one.column or "", one.severity, one.code, one.message) for one in worst]
        found["first_issues"] = _table(("record", "column", "severity", "code", "what"), lines)
    words = f"{report.valid} of {report.total} rows are right" if report.total else "The source has no rows."
    return AssetCheckResult(
        passed=report.ok, check_name=check_name, metadata=found, severity=AssetCheckSeverity.ERROR, description=words
    )


def check_of_verification(found: Verification, *, check_name: str | None = None) -> AssetCheckResult:
    """What a comparison of source and directory says as the result of an asset check."""
    metadata: dict[str, Any] = {
        "total": found.total,
        "matches": found.matches,
        "differs": found.differs,
        "missing": found.missing,
        "kept": found.kept,
        "unknown": found.unknown,
        "environment": found.environment,
        "directory_sha256": found.directory_sha256,
    }
    wrong = list(islice(found.rows("differs", "missing", "unknown"), _SHOWN))
    if wrong:
        lines = [(row.record_number, row.email or "", row.verdict, ", ".join(row.fields)) for row in wrong]
        metadata["first_differences"] = _table(("record", "email", "verdict", "what"), lines)
    right = found.matches + found.kept
    return AssetCheckResult(
        passed=found.ok,
        check_name=check_name,
        metadata=metadata,
        severity=AssetCheckSeverity.ERROR,
        description=f"{right} of {found.total} rows are in the directory as the source says",
    )


@contextmanager
def _failures() -> Iterator[None]:
    """Turns what we raise into what Dagster understands."""
    try:
        yield
    except ImporterError as error:
        raise Failure(str(error), allow_retries=not is_final(error, None, None)) from error


def _table(head: Sequence[str], lines: Iterable[Sequence[object]]) -> MetadataValue:
    rows = [head, ["---"] * len(head), *lines]
    return MetadataValue.md("\n".join(f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows))


def _cell(value: object) -> str:
    """A text as it is: nothing in it ends its cell, or is taken for Markdown or HTML."""
    text = " ".join(str(value).split())
    for mark in "\\`*_[]<>|":
        text = text.replace(mark, f"\\{mark}")
    return text
