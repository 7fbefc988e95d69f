"""Owns the receipt of a verification: digests of source and directory, and the file. Nobody's data are in it."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ._exceptions import ConfigError

if TYPE_CHECKING:
    from . import _native
    from ._comparison import Verification

#: Raised with every change of the receipt that a reader could stumble over.
RECEIPT_VERSION = 1

# How many lines cross the boundary at once.
_BATCH = 512


def write_receipt(found: Verification, place: Path) -> None:
    """Writes the receipt beside its place first, and then into it.

    Raises `ConfigError` (`output_path`) if it cannot be written.
    """
    from ._native import __version__

    counts = {name: getattr(found, name) for name in ("matches", "differs", "missing", "kept", "unknown")}
    document = {
        "receipt_version": RECEIPT_VERSION,
        "made_by": f"workos-importer {__version__}",
        "verified_at": found.verified_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "ok": found.ok,
        "rows": found.total,
        "counts": counts,
        "extra_memberships": found.extra_memberships,
        "is_sample": found.is_sample,
        "mode": found.mode,
        "run_id": found.run_id,
        "environment": {"base_url": found.environment, "live": found.live},
        "source": {"name": found.source, "sha256": found.source_sha256},
        "directory": {"objects": found.directory_objects, "sha256": found.directory_sha256},
        "not_compared": ["password"],
    }
    beside = place.with_name(place.name + ".partial")
    try:
        with beside.open("w", encoding="utf-8") as file:
            json.dump(document, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(place)
    except OSError as error:
        raise ConfigError(f"{place}: cannot be written: {error.strerror}.", "output_path") from None


def digest_of_directory(native: _native.Import) -> tuple[str, int]:
    """SHA-256 over what the directory showed of the source's objects, and how many they are."""
    digest, objects = hashlib.sha256(), 0
    after = (-1, "")
    while page := native.answers(after, _BATCH):
        for place, line in page:
            digest.update(line.encode() + b"\n")
            after = place
        objects += len(page)
    return digest.hexdigest(), objects


def digest_of_file(source: str) -> str | None:
    """SHA-256 of a file's bytes; None for what is no file."""
    path = Path(source).expanduser()
    if not path.is_file():
        return None
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
