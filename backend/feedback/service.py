"""Taking feedback: which signals are new, which are repeats, and which reuse a key for something else."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.errors import Invalid
from backend.feedback.schemas import FeedbackIn, FeedbackStored
from db.base import new_id
from db.models.model import Model
from db.repositories import feedback


def store(
    session: Session,
    me: Principal,
    model: Model,
    signals: Sequence[FeedbackIn],
    *,
    now: datetime,
    request_key: str | None,
    future_minutes: int,
) -> FeedbackStored:
    """Store signals that were not stored before. Within one request the first of equal keys counts."""
    latest = now + timedelta(minutes=future_minutes)
    rows: dict[str, dict[str, Any]] = {}
    keys = []
    for place, signal in enumerate(signals):
        if signal.happened_at is not None and signal.happened_at > latest:
            raise Invalid("the time is too far in the future", details={"index": place, "pointer": "/happened_at"})
        key = _key_of(signal, place, request_key)
        keys.append(key)
        rows.setdefault(key, _row(model.id, me.actor, signal, key, now))
    stored = feedback.add_feedback(session, list(rows.values()))
    known = feedback.find_by_keys(session, model.id, keys) if len(stored) < len(keys) else {}
    is_new = (
        [key in stored and keys.index(key) == place for place, key in enumerate(keys)] if known else [True] * len(keys)
    )
    conflicts = [
        place
        for place, (signal, key) in enumerate(zip(signals, keys, strict=True))
        if not is_new[place] and not _is_same(signal, known[key])
    ]
    n_new = sum(is_new)
    return FeedbackStored(n=len(keys), n_new=n_new, n_duplicate=len(keys) - n_new - len(conflicts), conflicts=conflicts)


def _key_of(signal: FeedbackIn, place: int, request_key: str | None) -> str:
    """A signal's own key, its place in a request with a key, or a key that nobody has."""
    own = signal.key if signal.key is not None else f"\0{request_key}\0{place}" if request_key else None
    return hashlib.sha256(own.encode()).hexdigest() if own is not None else new_id()


def _row(model_id: str, actor: str, signal: FeedbackIn, key: str, now: datetime) -> dict[str, Any]:
    return {
        "model_id": model_id,
        "prediction_id": signal.prediction_id,
        "name": signal.name,
        "value": signal.value,
        "happened_at": signal.happened_at or now,
        "received_at": now,
        "key": key,
        "actor": actor,
        "next_try_at": now,
    }


def _is_same(signal: FeedbackIn, stored: Any) -> bool:
    said = (signal.prediction_id, signal.name, signal.value)
    return said == (stored.prediction_id, stored.name, stored.value)
