"""Samples of processes: kept for a month, summed per bucket for charts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import BigInteger, ColumnElement, Integer, cast, func, select
from sqlalchemy.orm import Session

from db.models.signal import ProcessSample

How = Literal["mean", "max", "sum", "per_commit"]


def add_sample(session: Session, sample: ProcessSample) -> None:
    session.add(sample)


def newest_samples(session: Session, since: datetime, *, limit: int = 200) -> list[ProcessSample]:
    """The newest sample of every process that was seen since a time, the one seen last first."""
    newest = (
        select(func.max(ProcessSample.id))
        .where(ProcessSample.sampled_at >= since)
        .group_by(ProcessSample.process, ProcessSample.pid)
    )
    query = select(ProcessSample).where(ProcessSample.id.in_(newest))
    return list(session.scalars(query.order_by(ProcessSample.sampled_at.desc(), ProcessSample.id).limit(limit)))


def sum_samples(
    session: Session, start: datetime, end: datetime, grain_s: int, column: str, how: How
) -> Sequence[tuple[int, str, float, int]]:
    """(bucket number since `start`, process, value, samples) of [start, end), where the column is known."""
    value = getattr(ProcessSample, column)
    bucket = _bucket(session, int(start.timestamp()), grain_s)
    figures: dict[How, ColumnElement[Any]] = {
        "mean": func.avg(value),
        "max": func.max(value),
        "sum": func.sum(value),
        "per_commit": func.sum(value) * 1.0 / func.nullif(func.sum(ProcessSample.n_commits), 0),
    }
    query = (
        select(bucket, ProcessSample.process, figures[how], func.count(value))
        .where(ProcessSample.sampled_at >= start, ProcessSample.sampled_at < end, value.is_not(None))
        .group_by(bucket, ProcessSample.process)
    )
    rows: Any = session.execute(query)
    return [(int(at), name, float(figure), int(n)) for at, name, figure, n in rows if figure is not None]


def _bucket(session: Session, first_s: int, grain_s: int) -> ColumnElement[int]:
    at = ProcessSample.sampled_at
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    seconds: ColumnElement[int] = (
        cast(func.strftime("%s", at), Integer) if is_sqlite else cast(func.floor(func.extract("epoch", at)), BigInteger)
    )
    return (seconds - first_s) // grain_s
