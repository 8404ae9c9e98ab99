"""What was known of a model's subjects at a moment, as tables to join the event log with; kept until it changes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
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

        A subject without a resolved label that people judged blind has their consensus, with method "review": one
        person who agrees with the model resolves nothing, one who disagrees starts an adjudication, so resolved labels
        alone are those of the mistakes. `weight` is one over the probability with which the item was chosen for
        review where the label came from there, and 1 for labels that came by themselves.
        """
        return self._keep(model_id, ("truths", as_of, clock), lambda session: _truths(session, model_id, as_of, clock))

    def reviews(self, model_id: str, as_of: datetime | None, clock: Clock = "logged") -> pa.Table:
        """subject_id, label (people's consensus), pi, at, first_at: every subject that people judged blind."""
        what = ("reviews", as_of, clock)
        return self._keep(model_id, what, lambda session: _reviews(session, model_id, as_of, clock))

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
    reviews = _reviews(session, model_id, as_of, clock)
    chances = dict(zip(reviews["subject_id"].to_pylist(), reviews["pi"].to_pylist(), strict=True))
    methods: list[str] = found["method"].to_pylist()
    subjects: list[str] = found["subject_id"].to_pylist()
    is_reviewed = [method in REVIEWED_METHODS for method in methods]
    weight = [
        1 / chances.get(subject, 1.0) if reviewed else 1.0
        for subject, reviewed in zip(subjects, is_reviewed, strict=True)
    ]
    found = found.append_column("weight", pa.array(weight, pa.float64()))
    found = found.append_column("is_reviewed", pa.array(is_reviewed, pa.bool_()))
    resolved = pa.array(subjects, pa.string())
    return pa.concat_tables([found, _unresolved(reviews, resolved, found.schema)])


def _unresolved(reviews: pa.Table, resolved: pa.Array, schema: pa.Schema) -> pa.Table:
    """What people said about subjects that have no resolved label, as labels."""
    rest = reviews.filter(pc.invert(pc.is_in(reviews["subject_id"], value_set=resolved)))
    n = rest.num_rows
    columns = {
        "subject_id": rest["subject_id"],
        "label": rest["label"],
        "method": pa.repeat(pa.scalar("review"), n),
        "known_at": rest["at"],
        "first_known_at": rest["first_at"],
        "weight": pc.divide(pa.scalar(1.0), rest["pi"]),
        "is_reviewed": pa.repeat(pa.scalar(True), n),
    }
    return pa.table(columns).select(schema.names).cast(schema)


def _reviews(session: Session, model_id: str, as_of: datetime | None, clock: Clock) -> pa.Table:
    rows = truth_history.reviews_as_known(session, model_id, as_of, clock)
    chances: dict[str, float] = {}  # the largest of each subject: every draw used the same lot
    first: dict[str, datetime] = {}
    columns: Any = (rows[name].to_pylist() for name in ("subject_id", "pi", "at"))
    for subject, pi, at in zip(*columns, strict=True):
        chances[subject] = max(pi, chances.get(subject, 0.0))
        first[subject] = min(at, first.get(subject, at))
    said = consensus(rows)
    subjects: list[str] = said["subject_id"].to_pylist()
    said = said.append_column("pi", pa.array([chances[subject] for subject in subjects], pa.float64()))
    return said.append_column(
        "first_at", pa.array([first[subject] for subject in subjects], rows.schema.field("at").type)
    )
