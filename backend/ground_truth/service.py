"""Late labels and corrections: each is a new row, the one before stays as history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.ground_truth.schemas import TruthIn, TruthResult, TruthsStored
from db.models.model import Model
from db.repositories import audit, ground_truth, subjects
from db.repositories.resolution import resolve_subjects


def store(session: Session, me: Principal, model: Model, sent: Sequence[TruthIn], *, now: datetime) -> TruthsStored:
    """Put labels in force; a subject without a prediction is kept and joined when it comes."""
    subjects.lock_subjects(session, model.id, [one.subject_id for one in sent])
    results = [_store(session, me, model, index, one, now) for index, one in enumerate(sent)]
    stored = {sent[one.index].subject_id for one in results if one.status == "stored"}
    resolve_subjects(session, model.id, stored, now)
    replaced = [one.replaces for one in results if one.replaces is not None]
    if replaced:
        details = {"n": len(replaced), "replaced": replaced[:50]}
        audit.record(session, me.actor, "ground_truth.corrected", f"model:{model.name}", details)
    count = {status: sum(one.status == status for one in results) for status in ("stored", "unchanged", "refused")}
    return TruthsStored(
        n_stored=count["stored"], n_unchanged=count["unchanged"], n_refused=count["refused"], results=results
    )


def _store(session: Session, me: Principal, model: Model, index: int, one: TruthIn, now: datetime) -> TruthResult:
    names = [str(label["name"]) for label in model.labels]
    if names and one.label not in names:
        message = f"{one.label!r} is not one of the labels: {', '.join(names)}"
        return TruthResult(index=index, status="refused", code="unknown_label", message=message)
    before = ground_truth.current_truths(session, model.id, [one.subject_id]).get(one.subject_id)
    if before is not None and (before.label, before.method) == (one.label, one.method):
        return TruthResult(index=index, status="unchanged", id=before.id)
    truth = ground_truth.put_truth(
        session,
        model_id=model.id,
        subject_id=one.subject_id,
        label=one.label,
        method=one.method,
        resolved_by=me.actor,
        resolved_at=one.resolved_at or now,
        details={"given": one.details} if one.details else {},
    )
    return TruthResult(index=index, status="stored", id=truth.id, replaces=before.id if before is not None else None)
