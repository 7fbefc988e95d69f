"""Owns the invention of users: rows, their spread over organizations, and mistakes on purpose. Streams; never holds the
file."""

from __future__ import annotations

import csv
import json
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIRST_NAMES = (
    "Ada", "Alan", "Barbara", "Claude", "Donald", "Edsger", "Frances", "Grace", "Hedy", "Ivan", "Joan", "Katherine",
    "Leslie", "Margaret", "Niklaus", "Olga", "Radia", "Shafi", "Tim", "Zoë",
)  # fmt: skip
_LAST_NAMES = (
    "Allen", "Berners-Lee", "Clarke", "Dijkstra", "Goldwasser", "Hamilton", "Hopper", "Johnson", "Knuth", "Lamarr",
    "Lamport", "Liskov", "Lovelace", "O'Neil", "Perlman", "Shannon", "Sutherland", "Turing", "Wirth", "Ørsted",
)  # fmt: skip
_TEAMS = ("engineering", "finance", "people", "sales", "support")

_COLUMNS = ("email", "first_name", "last_name", "email_verified", "external_id", "metadata")
_ORGANIZATION_COLUMNS = ("org_external_id", "org_name")

# One row in so many is wrong.
_ERROR_EVERY = 20


def write(
    file: str | os.PathLike[str],
    users: int,
    *,
    organizations: int | None = None,
    skewed: bool = False,
    with_errors: bool = False,
    seed: int = 0,
) -> int:
    """Writes a CSV file of `users` rows beside its name and renames it; returns how many rows are wrong on purpose.

    With at least as many users as `organizations`, each organization is used. Raises OSError if the file cannot be
    written.
    """
    path = Path(file).expanduser()
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    wrong = 0
    try:
        with beside.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(_COLUMNS + (_ORGANIZATION_COLUMNS if organizations else ()))
            for number, row in enumerate(rows(users, organizations, skewed, seed), start=1):
                if with_errors and number % _ERROR_EVERY == 0:
                    writer.writerow(_spoiled(row, wrong))
                    wrong += 1
                else:
                    writer.writerow(row)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return wrong


def rows(users: int, organizations: int | None, skewed: bool, seed: int) -> Iterator[list[str]]:
    """The rows, one after the other; the same arguments give the same rows."""
    random_numbers = random.Random(seed)
    # Another seed means other people, so that two files can be imported one after the other.
    mark = f"s{seed}-" if seed else ""
    places = None
    if organizations:
        places = _skewed(users, organizations, random_numbers) if skewed else _uniform(users, organizations)
    for number in range(1, users + 1):
        first, last = random_numbers.choice(_FIRST_NAMES), random_numbers.choice(_LAST_NAMES)
        place = next(places) + 1 if places is not None else None
        domain = "example.com" if place is None else f"org-{mark}{place}.example.com"
        row = [
            f"user-{mark}{number}@{domain}",
            first,
            last,
            "true" if random_numbers.random() < 0.8 else "false",
            f"user-{mark}{number}",
            json.dumps({"team": random_numbers.choice(_TEAMS)}),
        ]
        if place is not None:
            row += [f"org-{mark}{place}", f"Organization {mark}{place}"]
        yield row


def _uniform(users: int, organizations: int) -> Iterator[int]:
    """Each organization in turn."""
    return (number % organizations for number in range(users))


def _skewed(users: int, organizations: int, random_numbers: random.Random) -> Iterator[int]:
    """Every organization once, and so many more of the first fifth that it has 80 % of all."""
    favoured = max(1, round(organizations * 0.2))
    once = min(users, organizations)
    yield from range(once)
    left = users - once
    favoured_left = min(left, max(0, round(users * 0.8) - min(favoured, once)))
    if favoured == organizations:
        favoured_left = left
    while left:
        if random_numbers.random() * left < favoured_left:
            favoured_left -= 1
            yield random_numbers.randrange(favoured)
        else:
            yield random_numbers.randrange(favoured, organizations)
        left -= 1


def _spoiled(row: list[str], count: int) -> list[str]:
    """The row with one mistake; each kind in its turn."""
    email, first, last, verified, external_id, metadata, *rest = row
    kinds = (
        [email.replace("@", " at "), first, last, verified, external_id, metadata, *rest],
        ["", first, last, verified, external_id, metadata, *rest],
        [email, first, last, "maybe", external_id, metadata, *rest],
        [email, first, last, verified, external_id, "{'team': 'sales'}", *rest],
        [*row, "one cell too many"],
        [email, first],
    )
    return kinds[count % len(kinds)]
