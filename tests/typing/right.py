"""What users write: mypy and pyright, both strict, must have nothing to say.

Never run; see tests/peers/test_typing.py.
"""

import asyncio
from collections.abc import Iterator
from datetime import datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import workos_importer
from workos_importer import (
    APIError,
    AsyncDirectory,
    Cause,
    ConfigError,
    ConflictError,
    Directory,
    DoctorReport,
    Importer,
    ImporterError,
    ImportRun,
    Issue,
    KratosSandbox,
    Membership,
    Organization,
    OrganizationRef,
    Pace,
    Plan,
    Progress,
    RowError,
    RowResult,
    RowsFailedError,
    RunInfo,
    Sandbox,
    SourceError,
    Started,
    Summary,
    UndoSummary,
    ValidationReport,
    Verification,
    frame_rule,
)
from workos_importer.testing import assert_importable


def rows() -> Iterator[dict[str, object]]:
    """A generator of rows, as a database cursor gives them."""
    yield {"email": "ada@example.com", "external_id": 7, "metadata": {"plan": "team"}, "role_slugs": ["admin"]}


def yes(started: Started) -> bool:
    """Asks somebody."""
    return started.rows is not None and started.rows < 100


def known_team(row: dict[str, Any]) -> str | None:
    """A rule that sees a row."""
    return None if row["team"] == "blue" else "no such team"


@frame_rule(frame="pandas")
def many(frame: Any) -> dict[int, str]:
    """A rule that sees many."""
    return dict.fromkeys(frame.index, "wrong")


def importers(sandbox: Sandbox) -> list[Importer]:
    """Options in the forms that they may have."""
    return [
        Importer(),
        Importer(api_key="sk_test_1", base_url="https://api.workos.com", env_file=None, ca_bundle=Path("company.pem")),
        Importer(sandbox=sandbox, organization=OrganizationRef(external_id="a", name="A", create_if_missing=True)),
        Importer(on_existing="update", update_passwords=True, max_errors="5%", rate_limit=(500, 10.0), headroom=0.1),
        Importer(max_errors=10, rate_limit="500/10s", headroom="10%", give_up_after=timedelta(minutes=5)),
        Importer(stop_at=time(6), mapping={"E-Mail": "email"}, errors_out="errors.csv", confirm=yes),
        Importer(rules=[known_team, many, lambda row: [Issue("warning", "odd", str(row["email"]))]]),
        Importer(stop_at=datetime(2030, 1, 1, tzinfo=timezone.utc), give_up_after="30min", run_dir=Path("runs")),
    ]


def check(importer: Importer) -> list[str]:
    """Checks sources of each kind."""
    report: ValidationReport = importer.validate(rows(), max_issues=5, on_issue=lambda issue: print(issue.code))
    importer.validate("users.csv", delimiter=";", encoding="windows-1252", marked="marked.csv")
    importer.dry_run(Path("users.csv")).least_seconds.is_integer()
    issues: tuple[Issue, ...] = report.issues
    number: int | None = issues[0].record_number
    print(number)
    return [issue.column or "" for issue in issues if issue.severity == "error"]


def follow(importer: Importer) -> Summary:
    """Runs and reads results."""
    with importer.run(rows(), run_id="crm") as run:
        for result in run:
            error: RowError | None = result.error
            if error is not None and error.http_status == 422:
                print(result.record_number + 1, error.code.upper(), error.workos_errors)
            if result.at is not None and result.outcome == "created":
                print(result.at.isoformat())
        progress: Progress = run.progress
        pace: Pace | None = progress.pace
        print(pace.share if pace else None)
        run.pace(headroom="50%")
    for event in run.events():
        if isinstance(event, RowResult):
            print(event.ok)
        elif isinstance(event, Issue):
            print(event.message)
        elif isinstance(event, Started):
            print(event.mode_sentence)
        else:
            print(event.status)
    lines: list[dict[str, Any]] = list(run.results())
    print(len(lines))
    summary: Summary = run.wait()
    hits: int | None = summary.cache_hits
    print(hits, summary.api_calls.get("create user", 0) + 1)
    return summary


async def follow_async(importer: Importer) -> Summary:
    """The same in an event loop."""
    async with importer.run([{"email": "ada@example.com"}]) as run:
        async for result in run:
            print(result.email)
    summary: Summary = await importer.run(rows())
    undone: UndoSummary = await importer.undo(summary.run_id)
    print(undone.left_total, [left.reason for left in undone.left])
    return summary


def look(importer: Importer) -> None:
    """Looks at runs, and compares."""
    infos: list[RunInfo] = importer.runs()
    causes: list[Cause] = importer.causes(infos[0].id)
    print(causes[0].records, importer.show().total, importer.retry_csv("retry.csv").secret_columns)
    plan: Plan = importer.plan("users.csv", out="plan.sqlite3")
    verification: Verification = importer.verify(run="latest", extra=True)
    for row in verification.rows("differs", "missing"):
        print(row.fields, row.verdict)
    for extra in verification.extra():
        print(extra.roles)
    report: DoctorReport = importer.doctor()
    print(plan.changes, plan.users.create, [check.remedy for check in report.checks if check.exit_code])
    resumed: ImportRun = importer.resume("latest", new_key=True)
    print(resumed.ended)


def handle(summary: Summary) -> int:
    """Handles what can go wrong."""
    try:
        summary.raise_for_failures()
    except RowsFailedError as error:
        return error.failures[0].record_number
    except (ConfigError, SourceError, APIError) as error:
        print(error.kind.upper())
    except ImporterError as error:
        print(error.kind, type(error).KINDS)
    return 0


def rehearse() -> str:
    """A sandbox over HTTP."""
    sandbox = Sandbox(seed=1, latency=(0.01, 0.05), faults=["500"], write_limit=(1000, 10.0), roles=["admin"])
    sandbox.fail_next("reset_after", method="POST", path="/users", times=2)
    with sandbox.serve() as server:
        print(server.url.upper(), sandbox.counters()["requests"])
    kratos = KratosSandbox(token="x", schemas={"a": {"properties": {"traits": {}}}}, latency_per_identity=0.001)
    kratos.seed("POST", "/admin/identities", {"traits": {}})
    print(kratos.serve().url, kratos.dump()["identities"])
    assert_importable([{"email": "ada@example.com"}], organization=OrganizationRef(id="org_1")).to_dict()
    return workos_importer.__version__


def manage(directory: Directory) -> str | None:
    """Single objects."""
    acme: Organization = directory.organizations.create(name="Acme", domains=["acme.com"], metadata={"plan": "pro"})
    members: list[Membership] = list(directory.memberships.list(organization=acme.id, limit=3))
    print([role.upper() for member in members for role in member.roles], acme.domains[0].domain, acme.raw["id"])
    try:
        return directory.users.get("ada@example.com").external_id
    except ConflictError as error:
        return error.object_id


async def manage_async(directory: AsyncDirectory) -> bool:
    """The same, awaited."""
    async for organization in directory.organizations.list(search="Acme"):
        print(organization.name.upper())
    return await directory.users.delete("ada@example.com")


asyncio.run(follow_async(Importer()))
