"""Owns telling the caller's own audit of each user that was imported: once, and again only after a kill in between.

The engine writes a line for each into the run's folder before the journal says that the row has ended. Here they are
read, and how far is noted beside them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: How many are told in one pull: a Ctrl-C is felt between two pulls.
_BATCH = 256


class Auditing:
    """The audit of one run."""

    def __init__(self, audit: Callable[[dict[str, Any]], object], folder: str) -> None:
        """Takes the caller's function, and the run's folder."""
        self._audit = audit
        self._lines = Path(folder) / "audit.jsonl"
        self._place = Path(folder) / "audit.told"

    def tell(self, *, to_the_end: bool) -> None:
        """Calls the function with what has come since the last time.

        Raises what it raises; the same line is then the next one.
        """
        if not self._lines.exists():
            # The run has not begun to write.
            return
        descriptor = os.open(self._place, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as place, self._lines.open("r+b") as lines:
            told = int(place.read() or b"0")
            lines.seek(told)
            while (end := os.fstat(lines.fileno()).st_size) > told:
                # After a power cut nothing may have been told that is not there: another line would take its place.
                os.fsync(lines.fileno())
                for _ in range(_BATCH):
                    line = lines.readline(end - told)
                    if not line.endswith(b"\n"):
                        break
                    self._audit(json.loads(line))
                    told += len(line)
                    place.seek(0)
                    place.write(b"%020d" % told)
                else:
                    if to_the_end:
                        continue
                return
