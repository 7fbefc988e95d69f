"""Imports rows from a Python program into a sandbox. Replace `sandbox=Sandbox()` by nothing to import with your key."""

from collections.abc import Iterator

from workos_importer import Importer, Sandbox


def people() -> Iterator[dict[str, object]]:
    """Stands for a query of your database: rows are pulled as they are needed."""
    for number in range(1, 6):
        yield {
            "email": f"user{number}@acme.example",
            "external_id": number,
            "email_verified": True,
            "metadata": {"plan": "team"},
            "org_external_id": "acme-corp",
            "org_name": "Acme Corporation",
            "role_slugs": ["member"],
        }


def main() -> None:
    """Checks the rows, imports them, and fails if any row failed."""
    importer = Importer(sandbox=Sandbox(), on_existing="update")

    report = importer.validate(people())
    for issue in report.issues:
        print(issue)

    with importer.run(people()) as run:
        for result in run:
            note = f"{result.error.code}: {result.error.message}" if result.error else result.user_id
            print(result.record_number, result.email, result.outcome, note)

    print(run.summary)
    run.summary.raise_for_failures()


if __name__ == "__main__":
    main()
