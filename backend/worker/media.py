"""Takes measures from stored files that have none yet, so that seals can put them beside the predictions."""

from __future__ import annotations

import time
from typing import Any

import structlog

from backend.artifacts.media import measure
from db.artifact_store import ArtifactStore
from db.base import utc_now
from db.engine import Database
from db.repositories import artifacts

log = structlog.get_logger("soi.worker")

#: Files measured in one transaction.
SLICE = 100


def measure_waiting(database: Database, store: ArtifactStore, *, max_s: float = 10.0) -> int:
    """Measure files until none waits or the time is over; how many. A file that cannot be read says why in its row."""
    until, n_done = time.monotonic() + max_s, 0
    while time.monotonic() < until:
        with database.read() as session:
            waiting = [(row.sha256, row.kind) for row in artifacts.list_unmeasured(session, SLICE)]
        if not waiting:
            break
        found = {sha256: _measure(store, sha256, kind) for sha256, kind in waiting}
        with database.write() as session:
            artifacts.put_measures(session, found, utc_now())
        n_done += len(found)
    return n_done


def _measure(store: ArtifactStore, sha256: str, kind: str) -> dict[str, Any]:
    try:
        return dict(measure(kind, store.get(sha256)))
    except Exception as error:  # noqa: BLE001 - decoders raise many kinds; one broken file must not stop the others
        log.warning("file not measured", sha256=sha256, error=type(error).__name__)
        return {"error": f"{type(error).__name__}: {error}"[:200]}
