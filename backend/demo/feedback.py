"""What the operators of the line did with its answers: some were overridden, more of them when the lamp grew weak."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np

from backend.demo.story import Story
from backend.worker.feedback import FeedbackJoiner
from db.base import utc_now
from db.engine import Database
from db.eventlog.filters import Filter
from db.eventlog.log import EventLog
from db.models.model import Model
from db.repositories import feedback

#: Share of stopped boards that an operator lets pass after all, where the light is as it should be.
_OVERRIDE_RATE = 0.06
_COLUMNS = ["event_id", "happened_at", "seg_line"]
_PORTION = 2_000


def tell_overrides(database: Database, eventlog: EventLog, model: Model, story: Story, rng: np.random.Generator) -> int:
    """Store and join the signals; how many."""
    where = [Filter("role", "eq", "champion"), Filter("prediction", "not_null"), Filter("prediction", "ne", "ok")]
    stopped = eventlog.read(model.id, story.start, story.end, columns=_COLUMNS, where=where).to_pylist()
    rows: list[dict[str, Any]] = []
    for event in sorted(stopped, key=lambda event: str(event["event_id"])):
        weak = 1.0 - story.light(event["seg_line"], event["happened_at"])
        if rng.random() < _OVERRIDE_RATE + 1.2 * weak:
            rows.append(_signal(model.id, event, rng))
    for first in range(0, len(rows), _PORTION):
        with database.write() as session:
            feedback.add_feedback(session, rows[first : first + _PORTION])
    return FeedbackJoiner(database, eventlog).run(utc_now(), max_slices=1_000)


def _signal(model_id: str, event: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    seconds = float(np.round(rng.lognormal(3, 0.6), 1))
    at = event["happened_at"] + timedelta(seconds=seconds)
    return {
        "model_id": model_id,
        "prediction_id": event["event_id"],
        "name": "overrode",
        "value": seconds,
        "happened_at": at,
        "received_at": at,
        "key": f"overrode-{event['event_id']}"[:64],
        "actor": "demo",
        "next_try_at": at,
    }
