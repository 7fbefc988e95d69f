"""How to test your own import code against a sandbox. Run: pytest examples/pytest_example.py

The fixtures `workos_sandbox`, `workos_importer_factory` and `assert_importable` come with the package.
"""

from collections.abc import Callable

import pytest

from workos_importer import Importer, RowsFailedError, Sandbox, Summary


def import_customers(importer: Importer, rows: list[dict[str, object]]) -> Summary:
    """Stands for the code that you want to test."""
    summary = importer.run(rows).wait()
    summary.raise_for_failures()
    return summary


@pytest.fixture
def importer(workos_importer_factory: Callable[..., Importer]) -> Importer:
    """The importer that your code would get from its settings: each test has an environment of its own."""
    return workos_importer_factory(on_existing="update")


def test_that_the_export_can_be_imported(assert_importable: Callable[..., object]) -> None:
    assert_importable([{"email": "ada@example.com", "email_verified": "yes", "metadata": {"plan": "team"}}])


def test_that_an_answer_that_is_lost_makes_no_second_user(importer: Importer, workos_sandbox: Sandbox) -> None:
    workos_sandbox.fail_next("reset_after", method="POST", path="/users")
    assert import_customers(importer, [{"email": "ada@example.com"}]).created == 1
    assert len(workos_sandbox.dump()["users"]) == 1


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
