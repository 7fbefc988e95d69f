"""Owns the commands beside the import: validate, generate, demo."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from conftest import Run, write


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_validate_names_what_is_wrong(run: Run, folder: Path) -> None:
    write(folder / "users.csv", "email,email_verified,shoe\na@b.c,true,1\nnobody,maybe,2\n")
    done = run("validate", "users.csv")
    assert done.returncode == 1
    assert "✗ record 2 (line 3), column email: " in done.stderr and "[invalid_boolean]" in done.stderr
    assert "`shoe`" in done.stderr and "[unknown_columns]" in done.stderr
    assert "Valid records: 1/2" in done.stdout and "Errors: 1 " in done.stdout
    found = run("validate", "users.csv", "--json", "--quiet")
    assert found.stderr == "" and found.document["ok"] is False
    assert {issue["code"] for issue in found.document["issues"]} == {
        "unknown_columns",
        "invalid_email",
        "invalid_boolean",
    }


def test_validate_a_file_that_is_right(run: Run, users: Path) -> None:
    done = run("validate", str(users))
    assert done.returncode == 0 and "Status: Valid" in done.stdout
    assert "Multi-org mode" in done.stderr


@pytest.mark.parametrize(("users", "organizations"), [(100, 10), (1_000, 50), (10_000, 100), (7, 7)])
@pytest.mark.parametrize("distribution", ["uniform", "skewed"])
def test_generated_files_use_every_organization(
    run: Run, folder: Path, users: int, organizations: int, distribution: str
) -> None:
    done = run("generate", str(users), "out.csv", "--orgs", str(organizations), "--distribution", distribution)
    assert done.returncode == 0 and done.stdout == ""
    rows = read(folder / "out.csv")
    sizes = Counter(row["org_external_id"] for row in rows)
    assert (len(rows), len(sizes)) == (users, organizations)
    assert len({row["email"] for row in rows}) == users
    favoured = sum(count for _, count in sizes.most_common(max(1, round(organizations * 0.2))))
    if distribution == "skewed" and users >= 10 * organizations:
        assert favoured / users == pytest.approx(0.8, abs=0.01)
    if distribution == "uniform":
        assert max(sizes.values()) - min(sizes.values()) <= 1
    assert run("validate", "out.csv", "--quiet").returncode == 0
    assert [path.name for path in folder.iterdir()] == ["out.csv"]


def test_the_seed_decides(run: Run, folder: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        run("generate", "50", f"{name}.csv", "--orgs", "5", "--distribution", "skewed", "--seed", seed)
    content = [(folder / f"{name}.csv").read_bytes() for name in "abc"]
    assert content[0] == content[1] != content[2]


def test_generated_mistakes_are_found(run: Run) -> None:
    done = run("generate", "400", "out.csv", "--orgs", "4", "--with-errors")
    assert "20 of them with errors" in done.stderr
    found = run("validate", "out.csv", "--json", "--quiet").document
    assert (found["total"], found["failed"]) == (400, 20)
    assert {"invalid_email", "missing_email", "invalid_boolean", "invalid_metadata", "broken_record"} <= {
        issue["code"] for issue in found["issues"]
    }


def test_generate_without_organizations(run: Run, folder: Path) -> None:
    assert run("generate", "5", "out.csv").returncode == 0
    assert "org_external_id" not in read(folder / "out.csv")[0]


def test_generate_says_what_cannot_be(run: Run, folder: Path) -> None:
    for arguments in (
        ["-1", "x.csv"],
        ["1", "nowhere/x.csv"],
        ["1", "x.csv", "--orgs", "0"],
        ["1", "x.csv", "--distribution", "skewed"],
    ):
        done = run("generate", *arguments)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert list(folder.iterdir()) == []


def test_the_demo_ends_with_the_seeds_box(run: Run, folder: Path) -> None:
    done = run("demo")
    assert done.returncode == 0
    for text in (
        "Status: Success",
        "Users imported: 100/100",
        "Cache hits: 95",
        "Cache misses: 5",
        "Cache hit rate: 95.0%",
    ):
        assert text in done.stdout
    assert list(folder.iterdir()) == []
