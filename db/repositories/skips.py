"""Items that people skipped, reason and comment apart, read by keyset pages so that an export never grows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, Select, and_, func, select, tuple_
from sqlalchemy.orm import Session

from db.models.review import Decision, ReviewTask, Subject

PAGE = 2000


@dataclass(frozen=True, slots=True)
class SkipFilter:
    """Which skips are wanted; None and empty mean all. Times bound when it was skipped, start included, end not."""

    start: datetime | None = None
    end: datetime | None = None
    reasons: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Only what was asked for, as an audit entry shows it."""
        times = {name: at.astimezone(UTC).isoformat() for name, at in (("start", self.start), ("end", self.end)) if at}
        return {**times, **({"reasons": list(self.reasons)} if self.reasons else {})}


@dataclass(frozen=True, slots=True)
class SkipRow:
    """One person's skip. `reason` is None for one that came without. `state` is that of its task: open goes to somebody
    else, skipped left the queue, done was answered by others."""

    id: str
    subject_id: str
    reason: str | None
    comment: str | None
    skipped_at: datetime
    state: str | None
    artifact_sha256: str | None = None
    golden_sha256: str | None = None
    segments: dict[str, str] = field(default_factory=dict)


def iter_skips(
    session: Session, model_id: str, wanted: SkipFilter, *, after: tuple[datetime, str] | None = None, page: int = PAGE
) -> Iterator[SkipRow]:
    """Skips in force in the order in which they came, without planted items; holds one page in memory."""
    place = tuple_(Decision.decided_at, Decision.id)
    while True:
        query = _query(model_id, wanted).order_by(Decision.decided_at, Decision.id).limit(page)
        found = session.execute(query.where(place > after) if after is not None else query).all()
        yield from (_row(row) for row in found)
        if len(found) < page:
            return
        after = (found[-1].decided_at, found[-1].id)


def newest_skips(session: Session, model_id: str, wanted: SkipFilter, limit: int) -> list[SkipRow]:
    """The newest first."""
    query = _query(model_id, wanted).order_by(Decision.decided_at.desc(), Decision.id.desc()).limit(limit)
    return [_row(row) for row in session.execute(query)]


def count_skips(session: Session, model_id: str, wanted: SkipFilter) -> dict[str, int]:
    """Reason ("" for none) -> how often."""
    inner = _query(model_id, wanted).subquery()
    query = select(func.coalesce(inner.c.skip_reason, ""), func.count()).group_by(inner.c.skip_reason)
    return dict(sorted((str(reason), int(n)) for reason, n in session.execute(query)))


_FIELDS = [one.name for one in fields(SkipRow)]
#: What a row is read from, in the order of its fields.
_COLUMNS: tuple[Any, ...] = (
    Decision.id,
    Decision.subject_id,
    Decision.skip_reason,
    Decision.comment,
    Decision.decided_at,
    ReviewTask.state,
    Subject.artifact_sha256,
    Subject.golden_sha256,
    Subject.segments,
)


def _row(row: Row[Any]) -> SkipRow:
    values = dict(zip(_FIELDS, row, strict=True))
    return SkipRow(**{**values, "segments": values["segments"] or {}})


def _query(model_id: str, wanted: SkipFilter) -> Select[Any]:
    query = (
        select(*_COLUMNS)
        .outerjoin(ReviewTask, ReviewTask.id == Decision.task_id)
        .outerjoin(Subject, and_(Subject.model_id == Decision.model_id, Subject.subject_id == Decision.subject_id))
        .where(Decision.model_id == model_id, Decision.verb == "skip")
        .where(Decision.superseded_by.is_(None), Decision.is_planted.is_(False))
    )
    if wanted.start is not None:
        query = query.where(Decision.decided_at >= wanted.start)
    if wanted.end is not None:
        query = query.where(Decision.decided_at < wanted.end)
    if wanted.reasons:
        query = query.where(Decision.skip_reason.in_(wanted.reasons))
    return query
