"""What was known of a model's subjects at a moment, as tables to join the event log with; kept until it changes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from cachetools import LRUCache
from sqlalchemy.orm import Session

from db.analytics.consensus import consensus
from db.engine import Database
from db.repositories import truth_history
from db.repositories.truth_history import Clock

#: Tables kept over all models: labels and reviews, now and at the past moments that people look at.
_KEPT = 32
#: Labels that came out of the review queue: whether an item got one depends on how it was chosen.
REVIEWED_METHODS = frozenset({"consensus", "adjudication"})


class Knowledge:
    """Labels and reviews as known at a moment; asking again costs one small query while nothing changed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: LRUCache[Any, tuple[Any, pa.Table]] = LRUCache(maxsize=_KEPT)
        self._lock = threading.Lock()

    def truths(self, model_id: str, as_of: datetime | None, clock: Clock = "logged") -> pa.Table:
        """subject_id, label, method, known_at, first_known_at, weight, is_reviewed.

        `weight` is one over the probability with which the item was chosen for review where the label came from
        there, and 1 for labels that came by themselves: doubtful items are looked at more often.
        """
        return self._keep(model_id, ("truths", as_of, clock), lambda session: _truths(session, model_id, as_of, clock))

    def reviews(self, model_id: str, as_of: datetime | None) -> pa.Table:
        """subject_id, label (people's consensus), pi: every subject that people judged blind."""
        return self._keep(model_id, ("reviews", as_of), lambda session: _reviews(session, model_id, as_of))

    def state(self, model_id: str) -> Any:
        """Changes whenever what is known changes."""
        with self._database.read() as session:
            return truth_history.last_truth_change(session, model_id)

    def _keep(self, model_id: str, what: tuple[Any, ...], load: Callable[[Session], pa.Table]) -> pa.Table:
        with self._database.read() as session:
            state = truth_history.last_truth_change(session, model_id)
            with self._lock:
                kept = self._kept.get((model_id, what))
            if kept is not None and kept[0] == state:
                return kept[1]
            made = load(session)
        with self._lock:
            self._kept[model_id, what] = (state, made)
        return made


def _truths(session: Session, model_id: str, as_of: datetime | None, clock: Clock) -> pa.Table:
    found = truth_history.truths_as_known(session, model_id, as_of, clock)
    methods: list[str] = found["method"].to_pylist()
    is_reviewed = [method in REVIEWED_METHODS for method in methods]
    weight = np.ones(len(methods))
    if any(is_reviewed):
        chances = _chances(truth_history.reviews_as_known(session, model_id, None))
        subjects: list[str] = found["subject_id"].to_pylist()
        pairs = enumerate(zip(subjects, is_reviewed, strict=True))
        for place, (subject, reviewed) in pairs:
            if reviewed:
                weight[place] = 1 / chances.get(subject, 1.0)
    found = found.append_column("weight", pa.array(weight, pa.float64()))
    return found.append_column("is_reviewed", pa.array(is_reviewed, pa.bool_()))


def _reviews(session: Session, model_id: str, as_of: datetime | None) -> pa.Table:
    rows = truth_history.reviews_as_known(session, model_id, as_of)
    chances = _chances(rows)
    said = consensus(rows)
    subjects: list[str] = said["subject_id"].to_pylist()
    pi = pa.array([chances[subject] for subject in subjects], pa.float64())
    return said.select(["subject_id", "label"]).append_column("pi", pi)


def _chances(rows: pa.Table) -> dict[str, float]:
    """The largest inclusion probability of each subject: every draw used the same lot."""
    found: dict[str, float] = {}
    for subject, pi in zip(rows["subject_id"].to_pylist(), rows["pi"].to_pylist(), strict=True):
        found[subject] = max(pi, found.get(subject, 0.0))
    return found
