"""Owns what tests of the Kratos target share: the seed's file, importers into a sandbox, and what is in one."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conftest import Ended, Run
from workos_importer import Importer, Kratos, KratosSandbox

#: The file of the seed, to the letter.
SEED = """email,first_name,last_name,role,tenant_id,initial_password
alice@example.com,Alice,Smith,admin,t1,TempPass123!
bob@example.com,Bob,Jones,user,t1,
carol@example.com,Carol,Brown,user,t2,
"""

IDENTITIES = "/admin/identities"
BATCH = f"PATCH {IDENTITIES}"


def importer(kratos: KratosSandbox, identities: dict[str, Any] | None = None, **options: Any) -> Importer:
    """An importer into a sandbox. `identities`: the options of its `Kratos`."""
    return Importer(target=Kratos(sandbox=kratos, **(identities or {})), **options)


@contextmanager
def shell(run: Run, kratos: KratosSandbox, **variables: str) -> Iterator[Run]:
    """The console script with a sandbox behind a socket: command and source, and then the flags."""
    with kratos.serve() as server:

        def work(*arguments: str, **more: str) -> Ended:
            return run(*arguments, KRATOS_ADMIN_URL=server.url, **variables, **more)

        yield work


def by_email(kratos: KratosSandbox) -> dict[str, dict[str, Any]]:
    """What there is, by the trait `email`, each of which there is once."""
    identities = kratos.dump()["identities"]
    found = {identity["traits"]["email"]: identity for identity in identities}
    assert len(found) == len(identities)
    return found


def passwords(kratos: KratosSandbox) -> dict[str, str | None]:
    """How each identity signs in: `password`, the kind of a hash, or None."""
    return {email: identity["password"] for email, identity in by_email(kratos).items()}


def batches(kratos: KratosSandbox) -> int:
    """How many batches have arrived."""
    return int(kratos.counters()["by_route"].get(BATCH, 0))


def table(path: str) -> list[dict[str, str]]:
    """The rows of a CSV file that was written."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def file_of(count: int, password: str = "", first: int = 1) -> str:
    """A file of distinct users, all with the same password."""
    rows = (f"u{number}@example.com,F{number},{password}\n" for number in range(first, first + count))
    return "email,first_name,initial_password\n" + "".join(rows)
