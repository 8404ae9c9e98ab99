"""After a rollback: the bad version's live answers, the likeliest wrong first, counted and then opened for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import numpy as np
from sqlalchemy.orm import Session

from backend.automation.estimating import calibrate
from backend.automation.schemas import RecallIn, RecallItem, RecallPreview
from backend.automation.service import MAX_HISTORY
from backend.errors import Invalid
from db.analytics.audited import Audited, Span
from db.analytics.recalled import live_answers
from db.engine import Database, WriteSession
from db.eventlog.log import EventLog
from db.models.automation import Recall
from db.models.model import Model
from db.repositories import audit, automation, ground_truth, review_tasks, rollouts, subjects
from db.repositories.resolution import item_of
from review.rules.evidence import BINS, NO_SCORE

#: Fewer labels than this calibrate nothing: answers are ordered by their scores as they are.
MIN_LABELS = 100
#: Looked back so far where the version's first rollout is not known.
LONGEST = timedelta(days=366)
#: Subjects told of in a preview.
SHOWN = 20

Method = Literal["calibrated", "score", "none"]


@dataclass(frozen=True)
class Listed:
    """What a recall would open, in order."""

    preview: RecallPreview
    subjects: list[str]


def find(
    database: Database, eventlog: EventLog, audited: Audited, model: Model, wish: RecallIn, now: datetime
) -> Listed:
    """The list, without opening anything. Invalid when the version never answered live in that time."""
    with database.read() as session:
        start, end = _window(session, model, wish, now)
    if start >= end:
        raise Invalid("the recall ends before it begins")
    key, _, value = wish.segment.partition("=")
    segments = {key: value} if key else {}
    if key and key not in (model.segment_keys or ()):
        raise Invalid(f"unknown segment key {key!r}", details={"known": list(model.segment_keys or ())})
    span = Span(start, now, is_now=True)  # labels and answers that came after the rollback calibrate as well
    said = audited.said(model.id, span)
    chances, method = _chances(audited, model, wish.version, segments, span, said)
    with database.read() as session:
        settled = ground_truth.known_subjects(session, model.id)
    rows, numbers, by_bin = live_answers(
        eventlog,
        model,
        wish.version,
        segments,
        (start, end),
        chances=chances,
        judged=settled | said.keys(),
        limit=wish.limit,
    )
    if not numbers["n_answers"]:
        raise Invalid("this version gave no live answers in that time", code="nothing_to_recall")
    listed = rows.to_pylist()
    expected = sum(n * chances[one_bin] for one_bin, n in by_bin.items())
    preview = RecallPreview(
        version=wish.version,
        start=start,
        end=end,
        n_answers=numbers["n_answers"],
        n_judged=numbers["n_judged"],
        n_subjects=numbers["n_subjects"],
        expected_wrong=round(expected, 1) if method == "calibrated" else None,
        method=method,
        items=[_item(row) for row in listed[:SHOWN]],
    )
    return Listed(preview, [row["subject"] for row in listed])


def open_recall(
    session: WriteSession, model: Model, wish: RecallIn, listed: Listed, *, actor: str, now: datetime
) -> Recall:
    """Queue the listed subjects in their order; one that waits already comes sooner and keeps its probability.

    The tasks are stated with pi = 0: they were picked by rank, so their labels mend what went out but are no evidence
    of how good the version was.
    """
    preview = listed.preview
    row = Recall(
        model_id=model.id,
        version=wish.version,
        segment=wish.segment,
        window_start=preview.start,
        window_end=preview.end,
        n_answers=preview.n_answers,
        n_opened=0,
        n_raised=0,
        reason=wish.reason,
        created_by=actor,
    )
    automation.add(session, row)
    known = subjects.find_subjects(session, model.id, listed.subjects)
    waiting = review_tasks.raise_open(
        session, model.id, {subject: rank for rank, subject in enumerate(listed.subjects)}
    )
    tasks = [
        _task(model, known[subject], rank, row.id, now)
        for rank, subject in enumerate(listed.subjects)
        if subject in known and subject not in waiting
    ]
    row.n_opened, row.n_raised = len(review_tasks.add_tasks(session, tasks)), len(waiting)
    session.flush()
    details = {"recall": row.id, "version": row.version, "n_opened": row.n_opened, "n_raised": row.n_raised}
    audit.record(session, actor, "recall.opened", f"model:{model.name}", details, wish.reason)
    return row


def _window(session: Session, model: Model, wish: RecallIn, now: datetime) -> tuple[datetime, datetime]:
    """As asked, else from when the version first could answer callers to when it last could."""
    rows = list(reversed(rollouts.list_rollouts(session, model.id, limit=MAX_HISTORY)))
    is_live = [_answers_callers(row, wish.version) for row in rows]
    starts = [row.created_at for row, live in zip(rows, is_live, strict=True) if live]
    ends = [rows[place + 1].created_at if place + 1 < len(rows) else now for place, live in enumerate(is_live) if live]
    start = wish.start or (starts[0] if starts else now - LONGEST)
    end = wish.end or (ends[-1] if ends else now)
    return start.astimezone(UTC), min(end.astimezone(UTC), now)


def _answers_callers(row: Any, version: str) -> bool:
    others = [one["version"] for one in row.challengers if one.get("mode") != "shadow"]
    return version == row.champion or version in others


def _chances(
    audited: Audited, model: Model, version: str, segments: dict[str, str], span: Span, said: dict[str, str]
) -> tuple[dict[int, float], Method]:
    """The chance to be wrong per bin of confidence: calibrated where people judged enough, else one minus the score."""
    answers = audited.answers(model, version, segments, [span])
    rows = [row for row in answers.drawn_of(span) if row["subject"] in said]
    right = np.array([float(row["label"] == said[row["subject"]]) for row in rows])
    weight = np.array([1 / row["pi"] for row in rows])
    overall = 1 - float((right * weight).sum() / weight.sum()) if rows else 0.5
    bins = np.array([row["bin"] for row in rows], dtype=int)
    levels = np.arange(BINS + 1)
    scored = bins >= 0
    if int(scored.sum()) >= MIN_LABELS:
        fitted = calibrate(bins[scored], right[scored], weight[scored])
        if fitted is not None:
            chances = 1 - fitted.chance(levels / BINS)
            return {NO_SCORE: overall, **dict(zip(levels.tolist(), chances.tolist(), strict=True))}, "calibrated"
    has_scores = any(one_bin >= 0 for _, one_bin in answers.items(span))
    found = {NO_SCORE: overall, **{int(one): 1 - (int(one) + 0.5) / (BINS + 1) for one in levels}}
    return found, "score" if has_scores else "none"


def _item(row: dict[str, Any]) -> RecallItem:
    return RecallItem(
        subject_id=row["subject"],
        event_id=row["event_id"],
        happened_at=row["happened_at"].replace(tzinfo=UTC),
        was=row["label"] or None,
        score=row["score"],
        chance_wrong=round(row["chance_wrong"], 4),
    )


def _task(model: Model, subject: Any, rank: int, recall_id: int, now: datetime) -> dict[str, Any]:
    return {
        "model_id": model.id,
        "subject_id": subject.subject_id,
        "event_id": (subject.details.get("champion") or {}).get("event_id"),
        "reason": "recall",
        "stratum": "recall",
        "mode": "blind",
        "priority": rank,
        "pi": 0.0,
        "policy_id": f"recall-{recall_id}",
        "seed": 0,
        "n_wanted": 1,
        "item": item_of(subject),
        "answers": subjects.machine_answers(subject.details),
        "segments": dict(subject.segments),
        "happened_at": now,
    }
