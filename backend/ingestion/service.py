"""Puts counts, hot tails, seals and lake sizes together per model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from backend.errors import Invalid
from backend.ingestion.schemas import IngestionHealth, IngestionSeries, ModelIngestion
from db.analytics.windows import UnusableWindow, Window, make_window
from db.eventlog.log import EventLog
from db.eventlog.read import sealed_version
from db.models.model import Model
from db.repositories import ingestion_health as repository
from db.repositories.ingestion import ACCEPTED, DUPLICATE

#: Bucket number, model name, reason, events.
_Count = tuple[int, str, str, int]


def health(
    session: Session,
    eventlog: EventLog,
    models: Sequence[Model],
    start: datetime,
    end: datetime,
    *,
    grain_s: int | None,
    sees_all: bool,
    now: datetime,
) -> IngestionHealth:
    """The health of ingestion; with `sees_all` also names under which events were refused for want of a model."""
    try:
        window = make_window(start, end, grain_s)
    except UnusableWindow as error:
        raise Invalid(str(error)) from error
    names = None if sees_all else [model.name for model in models]
    counts = repository.sum_counts(session, window.start, window.end, window.grain_s, names)
    return IngestionHealth(
        start=window.start,
        end=window.end,
        grain_s=window.grain_s,
        series=_series(window, counts),
        models=_models(session, eventlog, models, counts, now),
    )


def _series(window: Window, counts: list[_Count]) -> IngestionSeries:
    lines: dict[str, list[int]] = defaultdict(lambda: [0] * window.n_buckets)
    for bucket, _, reason, n in counts:
        if 0 <= bucket < window.n_buckets:
            lines[reason][bucket] += n
    empty = [0] * window.n_buckets
    return IngestionSeries(
        bucket_at=window.bucket_starts,
        accepted=lines.pop(ACCEPTED, empty),
        duplicates=lines.pop(DUPLICATE, empty),
        refused=dict(sorted(lines.items())),
    )


def _models(
    session: Session, eventlog: EventLog, models: Sequence[Model], counts: list[_Count], now: datetime
) -> list[ModelIngestion]:
    totals: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for _, name, reason, n in counts:
        totals[name][reason] += n
    ids = [model.id for model in models]
    tails = repository.hot_tails(session, ids)
    seals = repository.last_seals(session, ids)
    notices = repository.open_notices(session, ids)
    found = []
    for model in models:
        found.append(
            _one(
                model.name,
                totals.pop(model.name, {}),
                tails.get(model.id),
                seals.get(model.id),
                _lake_size(session, eventlog, model.id),
                notices.get(model.id, 0),
                now,
            )
        )
    return found + [_one(name, counted, None, None, (0, 0, 0), 0, now, known=False) for name, counted in totals.items()]


def _lake_size(session: Session, eventlog: EventLog, model_id: str) -> tuple[int, int, int]:
    """Files, events and bytes of the sealed history in force."""
    version = sealed_version(session, model_id)
    if version is None:
        return 0, 0, 0
    files = eventlog.lake.version(model_id, version).files
    return len(files), sum(file.n_rows for file in files), sum(file.n_bytes for file in files)


def _one(
    name: str,
    counted: dict[str, int],
    tail: repository.HotTail | None,
    seal: repository.LastSeal | None,
    lake: tuple[int, int, int],
    n_notices: int,
    now: datetime,
    *,
    known: bool = True,
) -> ModelIngestion:
    n_files, n_events, n_bytes = lake
    took = (seal.finished_at - seal.created_at).total_seconds() if seal and seal.finished_at else None
    return ModelIngestion(
        model=name,
        known=known,
        accepted=counted.get(ACCEPTED, 0),
        duplicates=counted.get(DUPLICATE, 0),
        refused={reason: n for reason, n in sorted(counted.items()) if reason not in (ACCEPTED, DUPLICATE)},
        hot_events=tail.n_events if tail else 0,
        hot_batches=tail.n_batches if tail else 0,
        oldest_hot_at=tail.oldest_at if tail else None,
        oldest_hot_age_s=max(0.0, (now - tail.oldest_at).total_seconds()) if tail else None,
        last_seal_at=seal.finished_at if seal else None,
        last_seal_events=seal.n_events if seal else None,
        last_seal_s=took,
        lake_events=n_events,
        lake_files=n_files,
        lake_bytes=n_bytes,
        bytes_per_event=n_bytes / n_events if n_events else None,
        open_notices=n_notices,
    )
