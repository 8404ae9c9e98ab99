"""Requests that wait for a person: queued with their item, and what people said since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.models.model import Model
from db.models.pending import PendingAnswer
from db.models.review import ReviewTask
from db.repositories import artifacts, decisions, ground_truth, review_policies, review_tasks, subjects
from db.repositories.resolution import build_item
from review.rules.queue import PENDING, priority_of


@dataclass(frozen=True, slots=True)
class Asked:
    """An item that a person is asked about, beside the row that waits for the answer."""

    row: PendingAnswer
    inputs: dict[str, Any]
    artifacts: Sequence[str]
    segments: dict[str, str]


def open_answers(session: Session, model: Model, asked: Sequence[Asked]) -> None:
    """Keep who waits, and queue the items, in one transaction: what is pending is always in the queue.

    Tasks stand under the review policy in force with an inclusion probability of 1, so that triage, which draws the
    same items later, finds them there and asks nobody twice.
    """
    policy = review_policies.current_policy(session, model)
    ids = sorted({one.row.subject_id for one in asked})
    subjects.lock_subjects(session, model.id, ids)
    known = subjects.find_subjects(session, model.id, ids)
    facts = {row.subject_id: (row.artifact_sha256, row.golden_sha256, row.segments, row.details)
             for row in known.values()}  # fmt: skip
    tasks: dict[str, dict[str, Any]] = {}
    for one in asked:
        session.add(one.row)
        subject_id = one.row.subject_id
        image, golden, segments, details = facts.get(subject_id, (None, None, {}, {}))
        image = one.artifacts[0] if one.artifacts else image
        golden = one.artifacts[1] if len(one.artifacts) > 1 else golden
        details = {**details, "inputs": one.inputs} if one.inputs else dict(details)
        if image is not None and "width" not in details:
            picture = artifacts.get_artifact(session, image)
            if picture is not None and picture.width is not None:
                details |= {"width": picture.width, "height": picture.height}
        facts[subject_id] = (image, golden, {**segments, **one.segments}, details)
        tasks[subject_id] = {
            "model_id": model.id,
            "subject_id": subject_id,
            "event_id": one.row.id if one.row.version else None,
            "reason": PENDING,
            "stratum": PENDING,
            "mode": policy.mode,
            "priority": priority_of(PENDING, subject_id, policy.seed),
            "pi": 1.0,
            "policy_id": policy.id,
            "seed": policy.seed,
            "n_wanted": policy.n_wanted,
            "item": build_item(image, golden, details),
            "answers": [_answer(one.row)] if one.row.machine else [],
            "segments": facts[subject_id][2],
            "happened_at": one.row.asked_at,
        }
    names = ("artifact_sha256", "golden_sha256", "segments", "details")
    subjects.upsert_subjects(
        session,
        [{"model_id": model.id, "subject_id": one, **dict(zip(names, facts[one], strict=True))} for one in ids],
    )
    session.flush()
    _queue(session, model, policy.mode, policy.id, tasks)


def find_answer(session: Session, model_id: str, answer_id: str) -> PendingAnswer | None:
    query = select(PendingAnswer).where(PendingAnswer.id == answer_id, PendingAnswer.model_id == model_id)
    return session.scalars(query).one_or_none()


def said_by_people(session: Session, model_id: str, subject_id: str) -> str | None:
    """What people say about a subject: the truth they settled on, or what all of them say once the item has left the
    queue. None as long as nobody said anything, or they differ."""
    truth = ground_truth.current_truths(session, model_id, [subject_id]).get(subject_id)
    if truth is not None:
        return truth.label
    if _is_queued(session, model_id, subject_id):
        return None
    opinions = decisions.opinions_in_force(session, model_id, [subject_id]).get(subject_id, [])
    people = [one for one in opinions if not one.judge.startswith("predictor:")]
    labels = {one.label for one in people if one.verb == "label"}
    return labels.pop() if len(labels) == 1 and all(one.verb == "label" for one in people) else None


def close_answer(
    session: Session, answer_id: str, *, decided_by: str, label: str | None, answered_at: datetime
) -> bool:
    """Write down what came of it; false when that was done before."""
    statement = (
        update(PendingAnswer)
        .where(PendingAnswer.id == answer_id, PendingAnswer.decided_by.is_(None))
        .values(decided_by=decided_by, label=label, answered_at=answered_at)
        .returning(PendingAnswer.id)
    )
    return session.execute(statement).first() is not None


def _queue(session: Session, model: Model, mode: str, policy_id: str, tasks: dict[str, dict[str, Any]]) -> None:
    """New tasks. One that is open comes sooner, one that everybody skipped is asked again, and labels count in full."""
    new = set(review_tasks.open_tasks(session, list(tasks.values())))
    known = sorted(tasks.keys() - new)
    for subject_id, task in review_tasks.find_tasks(session, model.id, known, mode=mode, policy_id=policy_id).items():
        task.pi = 1.0
        decisions.raise_pi(session, task.id, 1.0)
        if task.state == "open":
            task.priority = min(task.priority, tasks[subject_id]["priority"])
        elif task.state == "skipped" and not task.n_decided:
            task.state, task.closed_at = "open", None


def _is_queued(session: Session, model_id: str, subject_id: str) -> bool:
    query = select(ReviewTask.id).where(
        ReviewTask.model_id == model_id,
        ReviewTask.subject_id == subject_id,
        ReviewTask.state == "open",
        ReviewTask.mode != "adjudicate",
    )
    return session.scalars(query.limit(1)).first() is not None


def _answer(row: PendingAnswer) -> dict[str, Any]:
    """What a version said, as tasks keep it for the modes that show it."""
    machine = row.machine or {}
    return {
        "version": row.version,
        "prediction": machine.get("prediction"),
        "score": machine.get("score"),
        "event_id": row.id,
        "role": "champion",
        "at": row.asked_at.isoformat(),
    }
