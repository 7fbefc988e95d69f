"""How to test your own import code against a sandbox. Run: pytest examples/pytest_example.py"""

from pathlib import Path

import pytest

from workos_importer import Importer, RowsFailedError, Sandbox, Summary


def import_customers(importer: Importer, rows: list[dict[str, object]]) -> Summary:
    """Stands for the code that you want to test."""
    summary = importer.run(rows).wait()
    summary.raise_for_failures()
    return summary


@pytest.fixture
def importer(tmp_path: Path) -> Importer:
    """An importer with an environment and a run folder of its own."""
    return Importer(sandbox=Sandbox(), run_dir=tmp_path)


def test_that_a_second_import_changes_nothing(importer: Importer) -> None:
    rows: list[dict[str, object]] = [
        {"email": "ada@example.com", "org_external_id": "acme-corp", "org_name": "Acme Corporation"},
        {"email": "grace@example.com", "org_external_id": "acme-corp", "org_name": "Acme Corporation"},
    ]
    first = import_customers(importer, rows)
    assert (first.created, first.memberships_created, first.organizations_created) == (2, 2, 1)

    second = import_customers(importer, rows)
    assert (second.created, second.unchanged) == (0, 2)


def test_that_a_broken_row_is_reported(importer: Importer) -> None:
    with pytest.raises(RowsFailedError) as caught:
        import_customers(importer, [{"email": "no address"}])
    [failure] = caught.value.failures
    assert failure.error is not None
    assert failure.error.code == "invalid_email"
