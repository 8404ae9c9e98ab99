"""What was known about subjects at a past moment: labels in force then, and people's opinions standing then."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

import pyarrow as pa
from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from db.models.review import Decision, GroundTruth
from db.models.review_policy import PlantedItem
from db.repositories.labelled_data import is_known_item
from review.rules.queue import NOT_EVIDENCE

#: `logged`: a label counts from when it was told to us. `resolved`: from when it was found out, as its sender says;
#: for history that was imported all at once.
Clock = Literal["logged", "resolved"]

_UTC = pa.timestamp("us", tz="UTC")
TRUTHS = pa.schema(
    [
        pa.field("subject_id", pa.string()),
        pa.field("label", pa.string()),
        pa.field("method", pa.string()),
        pa.field("known_at", _UTC),
        pa.field("first_known_at", _UTC),
    ]
)
REVIEWS = pa.schema(
    [
        pa.field("subject_id", pa.string()),
        pa.field("judge", pa.string()),
        pa.field("label", pa.string()),
        pa.field("at", _UTC),
        pa.field("pi", pa.float64()),
    ]
)


def truths_as_known(session: Session, model_id: str, as_of: datetime | None, clock: Clock) -> pa.Table:
    """The label in force of every subject as known at `as_of` (None: now), with when any was known first; not of items
    kept to be planted.

    By the clock of resolution a label that was taken back counts as never given: when it was taken back in the world
    nobody said.
    """
    at = GroundTruth.logged_at if clock == "logged" else GroundTruth.resolved_at
    newest = (
        func.row_number()
        .over(
            partition_by=GroundTruth.subject_id,
            order_by=(at.desc(), GroundTruth.logged_at.desc(), GroundTruth.id.desc()),
        )
        .label("place")
    )
    first = func.min(at).over(partition_by=GroundTruth.subject_id).label("first_known_at")
    query = select(
        GroundTruth.subject_id,
        GroundTruth.label,
        GroundTruth.method,
        at.label("known_at"),
        first,
        GroundTruth.ended_at,
        newest,
    ).where(GroundTruth.model_id == model_id, GroundTruth.method.not_in(NOT_EVIDENCE), ~is_known_item())
    if as_of is not None:
        query = query.where(at <= as_of)
    if clock == "resolved":
        query = query.where(GroundTruth.is_withdrawn.is_(False))
    listed = query.subquery()
    last = select(*(listed.c[name] for name in TRUTHS.names)).where(listed.c.place == 1)
    if clock == "logged":
        is_open = listed.c.ended_at.is_(None)
        last = last.where(is_open if as_of is None else or_(is_open, listed.c.ended_at > as_of))
    return _table(session.execute(last), TRUTHS)


def reviews_as_known(session: Session, model_id: str, as_of: datetime | None, clock: Clock = "logged") -> pa.Table:
    """People's blind labels that are evidence and stood at `as_of` (None: now), newest per subject and person.

    `at` is when each was told to us, or by the clock of resolution when it was given.

    Left out: answers that were superseded or taken back by then, adjudications, gold and repeated items, labels
    without an inclusion probability.
    """
    at = Decision.logged_at if clock == "logged" else Decision.decided_at
    query = select(Decision.subject_id, Decision.judge, Decision.label, at, Decision.pi).where(
        Decision.model_id == model_id,
        Decision.label.is_not(None),
        Decision.verb == "label",
        Decision.seen == "blind",
        Decision.is_adjudication.is_(False),
        Decision.is_evidence.is_(True),
        Decision.pi > 0,
        Decision.pi <= 1,
        Decision.judge.not_like("predictor:%"),
    )
    if as_of is None:
        query = query.where(Decision.superseded_by.is_(None))
    else:
        stood = or_(Decision.superseded_by.is_(None), and_(Decision.superseded_at > as_of))
        query = query.where(at <= as_of, stood)
    newest = {(row[0], row[1]): row for row in session.execute(query.order_by(Decision.decided_at, Decision.id))}
    return _table(newest.values(), REVIEWS)


def last_truth_change(session: Session, model_id: str) -> tuple[Any, ...]:
    """Changes whenever a label or an opinion of the model comes, ends or is taken back."""
    truths = select(func.count(), func.max(GroundTruth.logged_at), func.max(GroundTruth.ended_at)).where(
        GroundTruth.model_id == model_id
    )
    decisions = select(func.count(), func.max(Decision.logged_at), func.max(Decision.superseded_at)).where(
        Decision.model_id == model_id
    )
    planted = select(func.count()).where(PlantedItem.model_id == model_id)
    return (*session.execute(truths).one(), *session.execute(decisions).one(), session.scalar(planted))


def _table(rows: Iterable[Any], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    arrays = [pa.array(values, type=field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.table(arrays, schema=schema)
