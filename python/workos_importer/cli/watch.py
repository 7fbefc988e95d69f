"""Owns `show --watch`: follows an import that another process works on, to its end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .progress import Where, chosen

if TYPE_CHECKING:
    from .._runs import RunFolder
    from .streams import Streams

# A run says once a second where it is.
_SECONDS_BETWEEN = 1.0


def watch(folder: RunFolder, run_id: str, as_json: bool, streams: Streams) -> bool:
    """Shows where the run is until no process works on it; returns whether it came to its end.

    Looks at its lock and a small file each time, so that it costs the same however large the run is. Ctrl-C stops the
    watching alone.
    """
    look = folder.watched(run_id)
    reporter = chosen("json" if as_json else "auto", False, streams, Where())
    try:
        while (progress := look()) is not None:
            reporter.watched(progress)
            time.sleep(_SECONDS_BETWEEN)
    finally:
        reporter.end()
    return folder.find(run_id).status is not None
