"""Counts the sealed history on the bins of new drift references, a little at a time. Called by the worker."""

from __future__ import annotations

import threading
import time

from db.engine import Database
from db.eventlog.feature_history import count_next_file
from db.eventlog.lake import Lake
from db.repositories import drift_references

#: One turn lasts about this long, so that seals do not wait for a long history.
TURN_S = 2.0


def count_references(database: Database, lake: Lake, stop: threading.Event, *, turn_s: float = TURN_S) -> int:
    """Count files of references that are not counted yet, oldest reference first; returns how many files."""
    with database.read() as session:
        waiting = [reference.id for reference in drift_references.counting_references(session)]
    n_files, until = 0, time.monotonic() + turn_s
    for reference_id in waiting:
        while time.monotonic() < until and not stop.is_set():
            if not count_next_file(database, lake, reference_id):
                break
            n_files += 1
    return n_files
