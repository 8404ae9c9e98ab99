"""Brings the truth and the adjudication queue of subjects in line with the opinions about them.

Called wherever an opinion or a champion's answer is stored: deciding at the bench, undo, decisions made elsewhere,
and triage of new predictions. So the order in which they arrive does not matter. The verdict is the rule's
(review.rules.adjudication); here it is only read for and written down.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from db.models.review import Decision, GroundTruth, ReviewTask, Subject
from db.repositories import decisions, ground_truth, review_tasks, subjects
from review.rules.adjudication import Opinion, Outcome, anonymise, settle
from review.rules.queue import priority_of

ADJUDICATE = "adjudicate"


def resolve_subjects(
    session: Session, model_id: str, subject_ids: Iterable[str], now: datetime, *, only_added: bool = False
) -> dict[str, str]:
    """Settle each subject; what was done to it: consensus, adjudicate, settled or nothing.

    The caller holds the subjects' locks (`subjects.lock_subjects`). `only_added`: no opinion went away since the
    last call, so where nothing follows from the opinions there is nothing to take back, and nothing more to read.
    """
    wanted = sorted(set(subject_ids))
    opinions = decisions.opinions_in_force(session, model_id, wanted)
    known = subjects.find_subjects(session, model_id, wanted)
    outcomes = {one: settle(_opinions(opinions.get(one, []), known.get(one))) for one in wanted}
    if only_added:
        wanted = [one for one in wanted if outcomes[one].kind != "nothing"]
        if not wanted:
            return {}
    truths = ground_truth.current_truths(session, model_id, wanted)
    queued = review_tasks.find_tasks(session, model_id, wanted, mode=ADJUDICATE, policy_id="")
    done = {}
    for subject_id in wanted:
        subject = known.get(subject_id)
        outcome = outcomes[subject_id]
        truth = truths.get(subject_id)
        if truth is not None and truth.method == "consensus" and not _still_stands(truth, outcome):
            ground_truth.withdraw_truth(session, truth)
            truth = None
        done[subject_id] = _write(session, model_id, subject_id, outcome, truth, queued.get(subject_id), subject, now)
    return done


def _opinions(rows: Collection[Decision], subject: Subject | None) -> list[Opinion]:
    found = [
        Opinion(
            judge=row.judge,
            source="predictor" if row.judge.startswith("predictor:") else "person",
            label=row.label,
            verb=row.verb,
            is_blind=row.seen == "blind",
            decision_id=row.id,
            comment=row.comment,
        )
        for row in rows
    ]
    champion = subjects.champion_answer(subject.details) if subject is not None else None
    if champion is not None:
        found.append(Opinion(str(champion["version"]), "champion", champion.get("prediction")))
    return found


def _still_stands(truth: GroundTruth, outcome: Outcome) -> bool:
    """A consensus lasts unless one of its own authors took the opinion back; later dissent does not undo it."""
    alive = {opinion.decision_id for opinion in outcome.opinions}
    return set(truth.details.get("decision_ids", [])) <= alive


def _write(
    session: Session,
    model_id: str,
    subject_id: str,
    outcome: Outcome,
    truth: GroundTruth | None,
    task: ReviewTask | None,
    subject: Subject | None,
    now: datetime,
) -> str:
    if truth is not None:
        close_adjudication(session, task, now)
        return "settled"
    if outcome.kind == "consensus" and outcome.label is not None:
        ground_truth.put_truth(
            session,
            model_id=model_id,
            subject_id=subject_id,
            label=outcome.label,
            method="consensus",
            resolved_by="consensus",
            resolved_at=now,
            details={
                "decision_ids": [one.decision_id for one in outcome.opinions],
                "judges": [one.judge for one in outcome.opinions],
            },
        )
        close_adjudication(session, task, now)
    elif outcome.kind == "adjudicate":
        _open_adjudication(session, model_id, subject_id, outcome, task, subject, now)
    else:
        close_adjudication(session, task, now)
    return outcome.kind


def close_adjudication(session: Session, task: ReviewTask | None, now: datetime) -> None:
    """Nothing is left to adjudicate: take the task out of the queue. An answer under way becomes an extra opinion."""
    if task is not None and task.state == "open":
        _change(session, task, state="skipped", closed_at=now)


def _open_adjudication(
    session: Session,
    model_id: str,
    subject_id: str,
    outcome: Outcome,
    task: ReviewTask | None,
    subject: Subject | None,
    now: datetime,
) -> None:
    answers = anonymise(outcome.opinions, f"{model_id}:{subject_id}")
    if task is not None:
        _change(session, task, state="open", closed_at=None, answers=answers)
        return
    review_tasks.add_tasks(
        session,
        [
            {
                "model_id": model_id,
                "subject_id": subject_id,
                "reason": "disagreement",
                "stratum": "disagreement",
                "mode": ADJUDICATE,
                "priority": priority_of("disagreement", subject_id, 0),
                "item": item_of(subject),
                "answers": answers,
                "segments": dict(subject.segments) if subject is not None else {},
                "happened_at": now,
            }
        ],
    )


def _change(session: Session, task: ReviewTask, **values: Any) -> None:
    session.execute(update(ReviewTask).where(ReviewTask.id == task.id).values(**values))
    session.expire(task)


def item_of(subject: Subject | None) -> dict[str, Any]:
    """What the bench shows of a subject: artifact, golden sample, size, inputs, text, boxes of undeclared inputs."""
    if subject is None:
        return {}
    return build_item(subject.artifact_sha256, subject.golden_sha256, subject.details)


def build_item(artifact: str | None, golden: str | None, details: Mapping[str, Any]) -> dict[str, Any]:
    """The same from a subject's parts."""
    inputs = dict(details.get("inputs") or {})
    text = inputs.get("text")
    boxes = {"boxes": details["boxes"]} if details.get("boxes") else {}
    return {
        "artifact": artifact,
        "golden": golden,
        "width": details.get("width"),
        "height": details.get("height"),
        "inputs": inputs,
        "text": text if isinstance(text, str) else None,
        **boxes,
    }
