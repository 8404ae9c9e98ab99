"""Takes measures from stored files that have none yet, so that seals can put them beside the predictions."""

from __future__ import annotations

import time
from typing import Any

import structlog

from backend.artifacts.media import measure
from backend.settings import Settings
from db.artifact_store import ArtifactStore
from db.base import utc_now
from db.engine import Database
from db.repositories import artifacts

log = structlog.get_logger("soi.worker")

#: Files measured in one transaction.
SLICE = 100
#: Events wait for the measures of their files at most this long; then they are sealed without.
MAX_POSTPONE_S = 600.0


def measure_waiting(
    database: Database, store: ArtifactStore, settings: Settings | None = None, *, max_s: float = 10.0
) -> int:
    """Measure files until none waits or the time is over; how many. A file that cannot be read says why in its row."""
    until, n_done = time.monotonic() + max_s, 0
    while time.monotonic() < until:
        with database.read() as session:
            waiting = [(row.sha256, row.kind) for row in artifacts.list_unmeasured(session, SLICE)]
        if not waiting:
            break
        found = {sha256: _measure(store, settings, sha256, kind) for sha256, kind in waiting}
        with database.write() as session:
            artifacts.put_measures(session, found, utc_now())
        n_done += len(found)
    return n_done


def are_measured(database: Database) -> bool:
    """Whether no file waits to be measured."""
    with database.read() as session:
        return not artifacts.list_unmeasured(session, 1)


def _measure(store: ArtifactStore, settings: Settings | None, sha256: str, kind: str) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    if settings is not None:
        limits = {"max_pixels": settings.max_image_pixels, "max_seconds": settings.max_audio_seconds}
    try:
        return dict(measure(kind, store.get(sha256), **limits))
    except Exception as error:  # noqa: BLE001 - decoders raise many kinds; one broken file must not stop the others
        log.warning("file not measured", sha256=sha256, error=type(error).__name__)
        return {"error": f"{type(error).__name__}: {error}"[:200]}
