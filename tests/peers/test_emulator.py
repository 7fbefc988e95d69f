"""Our client works against software that we did not write: WorkOS' own emulator, read back with WorkOS' own SDK."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from workos import WorkOSClient

from workos_importer import Importer

# The emulator answers 999 calls a minute for each key: 60 users of 6 organizations stay well below.
USERS, ORGANIZATIONS = 60, 6


def write_file(path: Path) -> set[tuple[str, str]]:
    """Writes users of several organizations, some of them in two; returns who belongs where."""
    expected: set[tuple[str, str]] = set()
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["email", "first_name", "external_id", "org_external_id", "org_name"])
        for number in range(USERS):
            for organization in {number % ORGANIZATIONS, (number // 10) % ORGANIZATIONS}:
                email = f"user{number}@example.com"
                expected.add((email, f"org-{organization}"))
                writer.writerow([email, f"First{number}", f"u-{number}", f"org-{organization}", f"Org {organization}"])
    return expected


def read_back(client: WorkOSClient) -> tuple[set[str], set[str], set[tuple[str, str]]]:
    """Everything that the emulator holds: emails, external ids of organizations, and who belongs where."""
    users = list(client.user_management.list_users(limit=100).auto_paging_iter())
    organizations = list(client.organizations.list_organizations(limit=100).auto_paging_iter())
    emails = {user.id: user.email for user in users}
    assert len(set(emails.values())) == len(users)
    belongs: list[tuple[str, str]] = []
    for organization in organizations:
        # The SDK cannot read the emulator's memberships (they lack `directory_managed`), but the users who have them.
        members = client.user_management.list_users(organization_id=organization.id, limit=100)
        belongs.extend((emails[user.id], str(organization.external_id)) for user in members.auto_paging_iter())
    assert len(set(belongs)) == len(belongs)
    return set(emails.values()), {str(one.external_id) for one in organizations}, set(belongs)


def test_a_multi_org_file_ends_up_in_the_emulator(tmp_path: Path, emulator: dict[str, Any]) -> None:
    source = tmp_path / "users.csv"
    expected = write_file(source)
    importer = Importer(api_key=emulator["apiKey"], base_url=emulator["url"], run_dir=tmp_path / "runs")

    summary = importer.run(source).wait()
    assert (summary.status, summary.failed) == ("Success", 0)

    with WorkOSClient(api_key=emulator["apiKey"], client_id="client_test", base_url=emulator["url"]) as client:
        emails, organizations, belongs = read_back(client)
    assert emails == {f"user{number}@example.com" for number in range(USERS)}
    assert organizations == {f"org-{number}" for number in range(ORGANIZATIONS)}
    assert belongs == expected

    # The emulator refuses a duplicate in its own way (409); a second import finds everything there.
    again = importer.run(source, resume=False).wait()
    assert (again.status, again.unchanged) == ("Success", len(expected))
    with WorkOSClient(api_key=emulator["apiKey"], client_id="client_test", base_url=emulator["url"]) as client:
        assert read_back(client) == (emails, organizations, belongs)
