"""What a model's inputs usually hold: from its drift reference, else from its newest events. Kept for a minute."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
import pyarrow as pa
from cachetools import TTLCache

from db.engine import Database
from db.eventlog.feature_bins import FeatureBins
from db.eventlog.feature_profile import decode_profile, make_profile
from db.eventlog.log import EventLog
from db.eventlog.schema import spec_of
from db.models.model import Model
from db.repositories import drift_references
from review.rules.reference_range import Range, range_of

#: Newest events that stand in for a reference, and how far back they are looked for.
MAX_EVENTS = 2_000
MAX_AGE = timedelta(days=30)
#: Fewer say nothing about what is usual.
MIN_EVENTS = 20
INPUT = "in_"


@dataclass(frozen=True, slots=True)
class Usual:
    """Ranges and category shares by input name, and where they come from. `known`: rare categories without a share."""

    source: Literal["reference", "history", "none"] = "none"
    name: str | None = None
    n_rows: int = 0
    ranges: dict[str, Range] = field(default_factory=dict)
    shares: dict[str, dict[str, float]] = field(default_factory=dict)
    known: dict[str, frozenset[str]] = field(default_factory=dict)


_found: TTLCache[tuple[str, str], Usual] = TTLCache(maxsize=200, ttl=60.0)
_lock = threading.Lock()


def usual(database: Database, eventlog: EventLog, model: Model, now: datetime) -> Usual:
    """What is usual for a model's inputs, at most a minute old."""
    key = (str(database.url), model.id)
    with _lock:
        found = _found.get(key)
    if found is None:
        found = _from_reference(database, model) or _from_history(eventlog, model, now)
        with _lock:
            _found[key] = found
    return found


def forget() -> None:
    """Read anew at the next question."""
    with _lock:
        _found.clear()


def _from_reference(database: Database, model: Model) -> Usual | None:
    with database.read() as session:
        reference = drift_references.current_reference(session, model.id)
        if reference is None:
            return None
        blob = drift_references.profiles_of(session, [reference.id]).get(reference.id)
        name, n_rows = reference.name, int(reference.n_rows)
    return _made("reference", name, n_rows, decode_profile(blob).features) if blob is not None else None


def _from_history(eventlog: EventLog, model: Model, now: datetime) -> Usual:
    spec = spec_of(model)
    columns = [column.name for column in spec.stored if column.name.startswith(INPUT)]
    if not columns:
        return Usual()
    rows: pa.Table = eventlog.read(
        model.id, now - MAX_AGE, now, columns=["event_id", *columns], limit=MAX_EVENTS, newest_first=True
    )
    if rows.num_rows < MIN_EVENTS:
        return Usual()
    return _made("history", None, rows.num_rows, make_profile(rows, columns).features)


def _made(
    source: Literal["reference", "history"], name: str | None, n_rows: int, features: tuple[FeatureBins, ...]
) -> Usual:
    inputs = {bins.column.removeprefix(INPUT): bins for bins in features if bins.column.startswith(INPUT)}
    numbers = {key: bins for key, bins in inputs.items() if bins.kind == "number"}
    texts = {key: bins for key, bins in inputs.items() if bins.kind == "category"}
    ranges = {key: range_of(bins.edges.tolist(), bins.counts[:-1].tolist()) for key, bins in numbers.items()}
    return Usual(
        source,
        name,
        n_rows,
        ranges={key: found for key, found in ranges.items() if found is not None},
        shares={key: _shares(bins) for key, bins in texts.items() if _repeats(bins)},
        known={key: frozenset(bins.known) for key, bins in texts.items() if _repeats(bins)},
    )


def _shares(bins: FeatureBins) -> dict[str, float]:
    total = max(1, int(np.sum(bins.counts)))
    return {name: float(n) / total for name, n in zip(bins.categories, bins.counts.tolist(), strict=False)}


def _repeats(bins: FeatureBins) -> bool:
    """Names and free texts are new in most rows: a new one says nothing."""
    total, unseen = int(np.sum(bins.counts[:-1])), bins.unseen_bin
    return total > 0 and unseen is not None and int(bins.counts[unseen]) < 0.05 * total
