"""Mistakes that mypy and pyright must both report: a comment where one of them has nothing to say is an error.

Never run; see tests/peers/test_typing.py.
"""

import workos_importer
from workos_importer import Directory, Importer, Issue, OrganizationRef, Sandbox, Summary

Importer("sk_test_1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Importer(on_existing="replace")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Importer(organization="org_1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Importer(mappings={})  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Importer(confirm=lambda: True)  # type: ignore[misc, arg-type]  # pyright: ignore[reportArgumentType]
Importer(rules=["known_team"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
Importer(sandbox=Sandbox)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Importer().run(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
print(Importer().run("users.csv").wait().totals)  # type: ignore[attr-defined]  # pyright: ignore
Importer().verify(sample="10%")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Directory().organizations.create("Acme")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Directory().users.create(email=7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Sandbox(7)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Sandbox(latency="50ms")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
OrganizationRef("org_1").id = "org_2"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
print(workos_importer.Importers)  # type: ignore[attr-defined]  # pyright: ignore


def column(issue: Issue) -> str:
    """A column may be missing."""
    return issue.column  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


def first(summary: Summary) -> str:
    """An error may be missing."""
    return summary.first_failures[0].error.code  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]


async def wait() -> Summary:
    """A run has to be awaited."""
    return Importer().run("users.csv")  # type: ignore[return-value]  # pyright: ignore[reportReturnType]
