"""Resolved labels with what is known about their subjects, read by keyset pages so that an export never grows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, collate, func, or_, select, tuple_
from sqlalchemy.orm import Session

from db.models.review import Decision, GroundTruth, ReviewTask, Subject
from db.models.review_policy import PlantedItem
from review.rules.queue import NOT_EVIDENCE

#: Items whose label was chosen and not found out, so that they never leave in labelled data; a repeat has a real one.
PLANTED_REASONS = ("gold", "injected")
PAGE = 2000


@dataclass(frozen=True, slots=True)
class LabelFilter:
    """Which labels are wanted; None and empty mean all. Times bound `resolved_at`, start included, end not."""

    start: datetime | None = None
    end: datetime | None = None
    labels: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    segments: tuple[tuple[str, str], ...] = ()
    disagreement_only: bool = False
    has_artifact: bool | None = None

    def as_json(self) -> dict[str, Any]:
        """The filter as a manifest shows it: only what was asked for."""
        shown: dict[str, Any] = {
            "start": _stamp(self.start) if self.start else None,
            "end": _stamp(self.end) if self.end else None,
            "labels": list(self.labels),
            "methods": list(self.methods),
            "segments": dict(self.segments),
            "disagreement_only": self.disagreement_only or None,
            "has_artifact": self.has_artifact,
        }
        return {name: value for name, value in shown.items() if value not in (None, [], {})}


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """One resolved label. `champion_*` is the answer callers got, where one is known."""

    ground_truth_id: str
    subject_id: str
    label: str
    method: str
    resolved_at: datetime
    artifact_sha256: str | None = None
    golden_sha256: str | None = None
    segments: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    champion_version: str | None = None
    champion_label: str | None = None
    champion_score: float | None = None
    n_opinions: int = 0

    @property
    def is_disagreement(self) -> bool:
        """Whether the champion answered, and answered something else."""
        return self.champion_version is not None and self.champion_label != self.label


def list_labelled(
    session: Session, model_id: str, wanted: LabelFilter, *, after: tuple[datetime, str] | None = None, limit: int = 100
) -> list[LabelledRow]:
    """Labels in the order they were resolved, after a (resolved_at, ground_truth_id)."""
    rows: list[LabelledRow] = []
    for row in iter_labelled(
        session, model_id, wanted, after=after, page=limit if not wanted.disagreement_only else PAGE
    ):
        rows.append(row)
        if len(rows) == limit:
            break
    return rows


def iter_labelled(
    session: Session,
    model_id: str,
    wanted: LabelFilter,
    *,
    after: tuple[datetime, str] | None = None,
    page: int = PAGE,
) -> Iterator[LabelledRow]:
    """All labels in the order they were resolved; holds one page in memory. Read inside one snapshot."""
    while True:
        query = _query(model_id, wanted)
        if after is not None:
            query = query.where(tuple_(GroundTruth.resolved_at, GroundTruth.id) > after)
        found = session.execute(query.order_by(GroundTruth.resolved_at, GroundTruth.id).limit(page)).all()
        yield from _rows(session, model_id, found, wanted)
        if len(found) < page:
            return
        after = (found[-1].resolved_at, found[-1].id)


def iter_by_subject(session: Session, model_id: str, wanted: LabelFilter) -> Iterator[LabelledRow]:
    """The same ordered by subject id in byte order, which is the same on every database."""
    key: ColumnElement[str] = (
        collate(GroundTruth.subject_id, "C")
        if session.get_bind().dialect.name == "postgresql"
        else collate(GroundTruth.subject_id, "BINARY")
    )
    after: str | None = None
    while True:
        query = _query(model_id, wanted)
        if after is not None:
            query = query.where(key > after)
        found = session.execute(query.order_by(key).limit(PAGE)).all()
        yield from _rows(session, model_id, found, wanted)
        if len(found) < PAGE:
            return
        after = found[-1].subject_id


def count_labels(session: Session, model_id: str, wanted: LabelFilter) -> dict[str, int]:
    """How many labels of each kind; counted in the database unless the champion's answers must be looked at."""
    if wanted.disagreement_only:
        counts: dict[str, int] = {}
        for row in iter_labelled(session, model_id, wanted):
            counts[row.label] = counts.get(row.label, 0) + 1
        return dict(sorted(counts.items()))
    inner = _query(model_id, wanted).subquery()
    query = select(inner.c.label, func.count()).group_by(inner.c.label).order_by(inner.c.label)
    return {row[0]: row[1] for row in session.execute(query)}


def _query(model_id: str, wanted: LabelFilter) -> Select[Any]:
    query = (
        select(
            GroundTruth.id,
            GroundTruth.subject_id,
            GroundTruth.label,
            GroundTruth.method,
            GroundTruth.resolved_at,
            Subject.artifact_sha256,
            Subject.golden_sha256,
            Subject.segments,
            Subject.details,
        )
        .outerjoin(
            Subject, and_(Subject.model_id == GroundTruth.model_id, Subject.subject_id == GroundTruth.subject_id)
        )
        .where(GroundTruth.model_id == model_id, GroundTruth.is_current.is_(True))
        .where(GroundTruth.method.not_in(NOT_EVIDENCE))
        .where(~_planted())
    )
    if wanted.start is not None:
        query = query.where(GroundTruth.resolved_at >= wanted.start)
    if wanted.end is not None:
        query = query.where(GroundTruth.resolved_at < wanted.end)
    if wanted.labels:
        query = query.where(GroundTruth.label.in_(wanted.labels))
    if wanted.methods:
        query = query.where(GroundTruth.method.in_(wanted.methods))
    if wanted.has_artifact is not None:
        present = Subject.artifact_sha256.is_not(None)
        query = query.where(present if wanted.has_artifact else or_(Subject.subject_id.is_(None), ~present))
    for name, value in wanted.segments:
        query = query.where(Subject.segments[name].as_string() == value)
    return query


def _planted() -> ColumnElement[bool]:
    """Whether the subject was put before people to check them."""
    return (
        select(ReviewTask.id)
        .where(
            ReviewTask.model_id == GroundTruth.model_id,
            ReviewTask.subject_id == GroundTruth.subject_id,
            ReviewTask.reason.in_(PLANTED_REASONS),
        )
        .exists()
    ) | is_known_item()


def is_known_item() -> ColumnElement[bool]:
    """Whether the subject of a truth is kept to be planted: its label was chosen, not found."""
    return (
        select(PlantedItem.id)
        .where(PlantedItem.model_id == GroundTruth.model_id, PlantedItem.subject_id == GroundTruth.subject_id)
        .exists()
    )


def _rows(session: Session, model_id: str, found: list[Row[Any]] | Any, wanted: LabelFilter) -> Iterator[LabelledRow]:
    opinions = _count_opinions(session, model_id, [row.subject_id for row in found])
    for row in found:
        details = row.details or {}
        champion = details.get("champion") or {}
        made = LabelledRow(
            ground_truth_id=row.id,
            subject_id=row.subject_id,
            label=row.label,
            method=row.method,
            resolved_at=row.resolved_at,
            artifact_sha256=row.artifact_sha256,
            golden_sha256=row.golden_sha256,
            segments=row.segments or {},
            inputs=details.get("inputs") or {},
            champion_version=champion.get("version"),
            champion_label=_as_text(champion.get("prediction")),
            champion_score=champion.get("score"),
            n_opinions=opinions.get(row.subject_id, 0),
        )
        if not wanted.disagreement_only or made.is_disagreement:
            yield made


def _count_opinions(session: Session, model_id: str, subject_ids: list[str]) -> dict[str, int]:
    """Labels that people and predictors gave to these subjects, without hidden repeats and undone ones."""
    if not subject_ids:
        return {}
    query = (
        select(Decision.subject_id, func.count())
        .outerjoin(ReviewTask, ReviewTask.id == Decision.task_id)
        .where(Decision.model_id == model_id, Decision.subject_id.in_(subject_ids))
        .where(Decision.verb == "label", Decision.superseded_by.is_(None))
        .where(or_(ReviewTask.id.is_(None), ReviewTask.reason.not_in(NOT_EVIDENCE)))
        .group_by(Decision.subject_id)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
