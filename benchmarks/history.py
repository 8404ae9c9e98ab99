"""A month of sealed predictions of one model, with people's decisions about some of them: what the charts benchmark
asks about. A folder that holds a finished history of the same size is used again."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from backend.auth.tokens import hash_token
from backend.settings import Settings
from db.base import new_id
from db.engine import Database
from db.eventlog.log import EventLog
from db.eventlog.schema import spec_of
from db.eventlog.seal import seal
from db.migrations.runner import upgrade
from db.models.model import Model
from db.models.person import ApiKey
from db.models.review import Decision, GroundTruth

DAYS = 30
SLICE = 100_000
N_DECISIONS = 10_000
LABELS = ("ok", "open", "short", "spur")


@dataclass(frozen=True, slots=True)
class History:
    """A finished history: a key that may read aggregates, how much there is, and the last hour of it."""

    key: str
    n_predictions: int
    end_at: str

    @property
    def window(self) -> tuple[datetime, datetime]:
        end = datetime.fromisoformat(self.end_at)
        return end - timedelta(days=DAYS), end


def make_history(settings: Settings, n_total: int) -> History:
    """Build it in the settings' folder, or find it there."""
    note = settings.data_dir / "history.json"
    if note.exists():
        found = History(**json.loads(note.read_text()))
        if found.n_predictions == n_total:
            return found
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    database = Database(settings.database_url)
    upgrade(database)
    eventlog = EventLog(database, settings.lake_uri)
    eventlog.start()
    try:
        made = History(_add_key(database), n_total, end.isoformat())
        _build(eventlog, _add_model(database), made)
    finally:
        eventlog.close()
        database.dispose()
    note.write_text(json.dumps(asdict(made)))
    return made


def _add_model(database: Database) -> Model:
    with database.write() as session:
        model = Model(
            name="bench",
            item_kind="tabular",
            labels=[{"name": name, "is_defect": name != "ok"} for name in LABELS],
            inputs=[{"name": name, "type": "number"} for name in ("brightness", "contrast")],
            segment_keys=["line"],
        )
        session.add(model)
    return model


def _add_key(database: Database) -> str:
    key = "soi_" + secrets.token_urlsafe(32)
    with database.write() as session:
        session.add(ApiKey(name="bench", key_hash=hash_token(key), prefix=key[:8], scopes=["aggregates:read"]))
    return key


def _build(eventlog: EventLog, model: Model, history: History) -> None:
    """Append and seal everything, then judge some subjects."""
    rng = np.random.default_rng(1)
    n_total = history.n_predictions
    for first in range(0, n_total, SLICE):
        rows = make_rows(model, history.window[0], first, min(SLICE, n_total - first), n_total, rng)
        eventlog.append(model.id, rows)
        if (first // SLICE) % 3 == 2 or first + SLICE >= n_total:
            while seal(eventlog.database, eventlog.lake.uri, model.id, owner="bench"):
                pass
    subjects = rng.choice(n_total // 5, N_DECISIONS, replace=False) * 5
    with eventlog.database.write() as session:
        for number, subject in enumerate(map(str, subjects.tolist())):
            label = str(rng.choice(LABELS))
            session.add(Decision(id=new_id(), model_id=model.id, subject_id=subject, judge="person:an", label=label))
            if number % 4 == 0:
                truth = GroundTruth(model_id=model.id, subject_id=subject, label=label, method="bench")
                truth.resolved_by = "bench"
                session.add(truth)


def make_rows(model: Model, start: datetime, first: int, n: int, n_total: int, rng: np.random.Generator) -> pa.Table:
    """`n` stored rows of `n_total` spread evenly over the days, from row number `first` on; every fifth is a shadow."""
    schema = spec_of(model).stored
    place = np.arange(first, first + n)
    step_us = DAYS * 86_400 * 1_000_000 / n_total
    at = pa.array(int(start.timestamp() * 1e6) + (place * step_us).astype(np.int64)).cast(pa.timestamp("us", tz="UTC"))
    is_shadow = place % 5 == 4
    text = pa.array(place).cast(pa.string())
    labels = pa.array(rng.choice(LABELS, n, p=(0.9, 0.05, 0.03, 0.02)))
    columns: dict[str, Any] = {
        "event_id": text,
        "subject_id": pa.array(place - is_shadow).cast(pa.string()),
        "version": pa.array(np.where(is_shadow, "v2", "v1")),
        "role": pa.array(np.where(is_shadow, "shadow", "champion")),
        "happened_at": at,
        "logged_at": at,
        "prediction": labels,
        "champion_prediction": pa.array(labels.to_pylist(), mask=~is_shadow),
        "is_null_output": pa.array(np.zeros(n, dtype=bool)),
        "is_cached": pa.array(rng.random(n) < 0.2),
        "status": pa.array(np.where(rng.random(n) < 0.01, "error", "ok")),
        "score": pa.array(rng.random(n)),
        "latency_ms": pa.array(rng.lognormal(3, 0.6, n)),
        "n_missing": pa.array(np.zeros(n, dtype=np.int16)),
        "in_brightness": pa.array(rng.random(n)),
        "in_contrast": pa.array(rng.random(n)),
        "seg_line": pa.array(rng.choice(["L1", "L2", "L3", "L4"], n)),
    }
    arrays = [columns[f.name].cast(f.type) if f.name in columns else pa.nulls(n, f.type) for f in schema]
    return pa.Table.from_arrays(arrays, schema=schema)
