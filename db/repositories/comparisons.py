"""What people, outside predictors and the truth said about subjects, as Arrow tables that comparisons join."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

import pyarrow as pa
from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import Session

from db.models.event_log import EventBatch, Seal
from db.models.person import User
from db.models.review import Decision, GroundTruth, ReviewTask
from db.models.review_policy import PlantedItem
from db.repositories.labelled_data import is_known_item
from review.rules.queue import NOT_EVIDENCE

Seen = Literal["blind", "any"]

_TEXTS: list[pa.Field[Any]] = [pa.field("subject_id", pa.string()), pa.field("label", pa.string())]
TRUTHS = pa.schema([*_TEXTS, pa.field("at", pa.timestamp("us", tz="UTC"))])
DECISIONS = TRUTHS.insert(1, pa.field("judge", pa.string()))


def load_decisions(
    session: Session,
    model_id: str,
    *,
    judge: str | None = None,
    seen: Seen = "blind",
) -> pa.Table:
    """Labels in force, the newest per subject and judge: one judge's, or every person's when `judge` is None.

    Left out: superseded and adjudicating decisions, "unsure" and "skip", gold and repeated items; and with
    seen="blind" every answer given after the model's answer was shown.
    """
    query = select(Decision.subject_id, Decision.judge, Decision.label, Decision.decided_at).where(
        Decision.model_id == model_id,
        Decision.superseded_by.is_(None),
        Decision.label.is_not(None),
        Decision.verb == "label",
        Decision.is_adjudication.is_(False),
        Decision.is_evidence.is_(True),
    )
    if judge is None:
        query = query.where(Decision.judge.not_like("predictor:%"))
    else:
        query = query.where(Decision.judge == judge)
    if seen == "blind":
        query = query.where(Decision.seen == "blind")
    rows = session.execute(query.order_by(Decision.decided_at, Decision.id))
    newest = {(row[0], row[1]): row for row in rows}
    return _table(newest.values(), DECISIONS)


def load_chances(session: Session, model_id: str) -> dict[str, float]:
    """Subject -> the probability with which it was chosen to be looked at, where a decision in force says so."""
    query = (
        select(Decision.subject_id, func.max(Decision.pi))
        .where(
            Decision.model_id == model_id,
            Decision.superseded_by.is_(None),
            Decision.is_evidence.is_(True),
            Decision.pi > 0,
        )
        .group_by(Decision.subject_id)
    )
    return {row[0]: float(row[1] or 1.0) for row in session.execute(query)}


def load_truths(session: Session, model_id: str) -> pa.Table:
    """The resolved label in force of every subject that has one; not of items kept to be planted."""
    query = select(GroundTruth.subject_id, GroundTruth.label, GroundTruth.resolved_at).where(
        GroundTruth.model_id == model_id,
        GroundTruth.is_current.is_(True),
        GroundTruth.method.not_in(NOT_EVIDENCE),
        ~is_known_item(),
    )
    return _table(session.execute(query), TRUTHS)


def list_judges(session: Session, model_id: str) -> list[tuple[str, str | None, int]]:
    """Everyone who decided about this model's subjects: judge, the person's name where known, and how often."""
    counted = (
        select(Decision.judge, func.count().label("n"))
        .where(Decision.model_id == model_id, Decision.superseded_by.is_(None), Decision.is_planted.is_(False))
        .group_by(Decision.judge)
        .subquery()
    )
    query: Select[Any] = (
        select(counted.c.judge, User.name, counted.c.n)
        .join(User, counted.c.judge == "user:" + User.id, isouter=True)
        .order_by(counted.c.n.desc(), counted.c.judge)
        .limit(1000)
    )
    return [(judge, name, int(n)) for judge, name, n in session.execute(query)]


def number_people(session: Session, model_id: str) -> dict[str, int]:
    """Person -> a number that stays theirs: people in the order of their first decision about this model's subjects,
    also of one that was replaced or about a planted item."""
    first = func.min(Decision.id)
    query = (
        select(Decision.judge)
        .where(Decision.model_id == model_id, Decision.judge.not_like("predictor:%"))
        .group_by(Decision.judge)
        .order_by(first, Decision.judge)
    )
    return {judge: number for number, judge in enumerate(session.scalars(query), start=1)}


def count_waiting(session: Session, model_ids: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Open review tasks per model: waiting for an inspector, and waiting for adjudication."""
    adjudicate = func.sum(case((ReviewTask.mode == "adjudicate", 1), else_=0))
    query = (
        select(ReviewTask.model_id, func.count(), adjudicate)
        .where(ReviewTask.model_id.in_(list(model_ids)), ReviewTask.state == "open")
        .group_by(ReviewTask.model_id)
    )
    return {model_id: (int(n) - int(n_disputed), int(n_disputed)) for model_id, n, n_disputed in session.execute(query)}


def last_change(session: Session, model_id: str) -> tuple[datetime | None, int, datetime | None, int]:
    """When decisions and truths last changed, and how many there are: the key of what may be cached from them."""
    decisions = session.execute(
        select(func.max(Decision.logged_at), func.count()).where(
            Decision.model_id == model_id, Decision.superseded_by.is_(None), Decision.is_evidence.is_(True)
        )
    ).one()
    truths = session.execute(
        select(func.max(GroundTruth.logged_at), func.count()).where(GroundTruth.model_id == model_id)
    ).one()
    n_planted = session.scalar(select(func.count()).where(PlantedItem.model_id == model_id)) or 0
    return decisions[0], int(decisions[1]), truths[0], int(truths[1]) + n_planted


def log_state(session: Session, model_id: str) -> tuple[int, int]:
    """Changes whenever events of the model are committed or sealed."""
    newest_batch = select(func.max(EventBatch.id)).where(EventBatch.model_id == model_id)
    newest_seal = select(func.max(Seal.id)).where(Seal.model_id == model_id)
    return session.scalar(newest_batch) or 0, session.scalar(newest_seal) or 0


def _table(rows: Iterable[Any], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    arrays = [pa.array(values, type=field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.table(arrays, schema=schema)
