"""Which subjects were drawn for review with a known probability, and which answers of people may not count, and why."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa
from sqlalchemy import case, func, or_, select
from sqlalchemy.orm import Session

from db.models.review import Decision, ReviewTask
from review.rules.queue import NOT_EVIDENCE

DRAWN = pa.schema(
    [pa.field("subject_id", pa.string()), pa.field("pi", pa.float64()), pa.field("at", pa.timestamp("us", tz="UTC"))]
)


def drawn_subjects(session: Session, model_id: str) -> pa.Table:
    """Every subject that was queued or judged with a probability above 0: the largest one, and when it came first."""
    tasks = select(ReviewTask.subject_id, func.max(ReviewTask.pi), func.min(ReviewTask.created_at)).where(
        ReviewTask.model_id == model_id,
        ReviewTask.pi > 0,
        ReviewTask.pi <= 1,
        ReviewTask.mode != "adjudicate",
        ReviewTask.reason.not_in(sorted(NOT_EVIDENCE)),
    )
    judged = select(Decision.subject_id, func.max(Decision.pi), func.min(Decision.logged_at)).where(
        Decision.model_id == model_id,
        Decision.pi > 0,
        Decision.pi <= 1,
        Decision.is_evidence.is_(True),
        Decision.seen == "blind",
        Decision.is_adjudication.is_(False),
        Decision.judge.not_like("predictor:%"),
    )
    found: dict[str, tuple[float, datetime]] = {}
    for query in (tasks.group_by(ReviewTask.subject_id), judged.group_by(Decision.subject_id)):
        for subject, pi, at in session.execute(query):
            known_pi, known_at = found.get(subject, (0.0, at))
            found[subject] = (max(float(pi or 0), known_pi), min(at, known_at))
    columns = [list(found), [pi for pi, _ in found.values()], [at for _, at in found.values()]]
    return pa.table([pa.array(values, field.type) for values, field in zip(columns, DRAWN, strict=True)], schema=DRAWN)


def count_refused(session: Session, model_id: str, start: datetime, end: datetime) -> dict[str, int]:
    """How many answers of [start, end) are no evidence, by the first reason that applies.

    no_chance: picked with pi = 0 or without a probability. gold, repeat: they measure the person. adjudication,
    revealed: other answers had been seen. taken_back, no_label (unsure or skipped), predictor (no person), extra.
    """
    reason = case(
        (Decision.superseded_by.is_not(None), "taken_back"),
        (Decision.judge.like("predictor:%"), "predictor"),
        (Decision.verb != "label", "no_label"),
        (ReviewTask.reason.in_(sorted(NOT_EVIDENCE)), ReviewTask.reason),
        (Decision.is_adjudication.is_(True), "adjudication"),
        (Decision.seen != "blind", "revealed"),
        (or_(Decision.pi.is_(None), Decision.pi <= 0, Decision.pi > 1), "no_chance"),
        (Decision.is_evidence.is_(False), "extra"),
        else_="",
    )
    query = (
        select(reason, func.count())
        .select_from(Decision)
        .join(ReviewTask, ReviewTask.id == Decision.task_id, isouter=True)
        .where(Decision.model_id == model_id, Decision.decided_at >= start, Decision.decided_at < end)
        .group_by(reason)
    )
    return {name: int(n) for name, n in session.execute(query) if name}
