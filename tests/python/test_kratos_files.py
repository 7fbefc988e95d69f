"""Owns the promises about files that say what identities are held to: lists of any use are read whole, else refused."""

from __future__ import annotations

import os
import re
import uuid
from pathlib import Path

import pytest

from conftest import write
from workos_importer import ConfigError, Importer, Kratos, KratosSandbox

MIB = 1 << 20


def test_long_lists_of_tenants_are_read_to_their_end(folder: Path) -> None:
    tenants = [str(uuid.UUID(int=number)) for number in range(120_000)]
    path = write(folder / "tenants.txt", "".join(f"{tenant}\n" for tenant in tenants))
    assert path.stat().st_size > 4 * MIB
    kratos = Kratos(sandbox=KratosSandbox(), allowed_tenants=path)
    rows = [{"email": f"{place}@example.com", "tenant_id": tenants[place]} for place in (0, 113_361, 119_999)]
    assert Importer(target=kratos).run(rows).wait().created == 3


@pytest.mark.parametrize(
    ("name", "most"), [("allowed_tenants", 64), ("allowed_roles", 64), ("identity_schema", 4), ("ca_bundle", 4)]
)
def test_files_that_are_too_large_are_refused_and_never_cut(folder: Path, name: str, most: int) -> None:
    path = write(folder / "large", "{}")
    os.truncate(path, most * MIB + 1)
    with pytest.raises(ConfigError, match=f"{re.escape(str(path))} is longer than {most} MiB"):
        Importer(target=Kratos(**{name: path})).run([{"email": "ada@example.com"}])  # type: ignore[arg-type]


def test_a_list_as_long_as_can_be_is_read(folder: Path) -> None:
    path = write(folder / "roles.txt", "admin\n#")
    with path.open("ab") as file:
        file.write(b"-" * (64 * MIB - path.stat().st_size))
    kratos = Kratos(sandbox=KratosSandbox(), allowed_roles=path)
    assert Importer(target=kratos).run([{"email": "ada@example.com", "role": "admin"}]).wait().ok
