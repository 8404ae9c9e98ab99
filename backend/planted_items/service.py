"""Keeping the items whose label is known. They are planted by triage, by the shares of the review policy."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.errors import NotFound
from backend.planted_items.schemas import PersonChecks, PlantedIn, PlantedOut, PlantedRefusal, PlantedStored
from db.engine import WriteSession
from db.models.model import Artifact, Model
from db.models.review import Subject
from db.models.review_policy import PlantedItem
from db.repositories import (
    artifacts,
    audit,
    ground_truth,
    models,
    planted_items,
    review_policies,
    subjects,
    users,
)


class _Refused(ValueError):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def store(session: WriteSession, me: Principal, model: Model, sent: Sequence[PlantedIn]) -> PlantedStored:
    """Add items, or give ones that are there another label or kind."""
    names = [one.subject_id for one in sent]
    subjects.lock_subjects(session, model.id, names)
    known, before = subjects.find_subjects(session, model.id, names), planted_items.find_items(session, model.id, names)
    truths = {one: truth.label for one, truth in ground_truth.current_truths(session, model.id, names).items()}
    wanted = {sha for one in sent for sha in (one.artifact, one.golden) if sha}
    files = artifacts.find_artifacts(session, wanted)
    refused, n_stored = [], 0
    for index, one in enumerate(sent):
        try:
            label = _check(model, one, known.get(one.subject_id), truths.get(one.subject_id), files)
        except _Refused as error:
            refused.append(PlantedRefusal(index=index, code=error.code, message=str(error)))
            continue
        before[one.subject_id] = _put(session, me, model, one, label, known, files, before.get(one.subject_id))
        n_stored += 1
    session.flush()
    if n_stored:
        details = {"n": n_stored, "subjects": names[:50]}
        audit.record(session, me.actor, "planted_items.stored", f"model:{model.name}", details)
    return PlantedStored(n_stored=n_stored, refused=refused)


def _check(model: Model, one: PlantedIn, subject: Subject | None, truth: str | None, files: Collection[str]) -> str:
    if any(sha not in files for sha in (one.artifact, one.golden) if sha):
        raise _Refused("unknown_artifact", "there is no such artifact: upload it first")
    has_item = one.artifact or (subject is not None and (model.item_kind != "image" or subject.artifact_sha256))
    if not has_item:
        raise _Refused("unknown_subject", "nothing is known of this subject that people could look at")
    label = one.label or truth
    names = {str(known["name"]): bool(known.get("is_defect")) for known in model.labels}
    if label is None:
        raise _Refused("label_missing", "the subject has no resolved label: give one")
    if names and label not in names:
        raise _Refused("unknown_label", f"{label!r} is not one of the labels: {', '.join(names)}")
    if one.kind == "injected" and any(names.values()) and not names.get(label):
        raise _Refused("not_a_defect", f"{label!r} is not a defect: injected items are known defects")
    return label


def _put(
    session: Session,
    me: Principal,
    model: Model,
    one: PlantedIn,
    label: str,
    known: Mapping[str, Subject],
    files: Mapping[str, Artifact],
    before: PlantedItem | None,
) -> PlantedItem:
    if one.artifact and one.subject_id not in known:
        file = files[one.artifact]
        size = {"width": file.width, "height": file.height} if file.width is not None else {}
        row = {"model_id": model.id, "subject_id": one.subject_id, "segments": {}, "details": size}
        pictures = {"artifact_sha256": one.artifact, "golden_sha256": one.golden}
        subjects.upsert_subjects(session, [row | pictures])
    if before is None:
        before = PlantedItem(model_id=model.id, subject_id=one.subject_id, created_by=me.actor)
        session.add(before)
    before.kind, before.label, before.is_active = one.kind, label, True
    return before


def withdraw(session: WriteSession, me: Principal, item_id: str) -> PlantedOut:
    """Show an item to nobody any more; answers to it keep what they are measured by."""
    row = session.get(PlantedItem, item_id)
    model = models.get_model(session, row.model_id) if row is not None else None
    if row is None or model is None or not me.may_use_model(model.name):
        raise NotFound("there is no such planted item")
    row.is_active = False
    session.flush()
    audit.record(session, me.actor, "planted_item.withdrawn", f"model:{model.name}", {"subject": row.subject_id})
    return PlantedOut.model_validate(row)


def read_checks(session: Session, model: Model, now: datetime) -> list[PersonChecks]:
    """How people did within the policy's window, worst first."""
    policy = review_policies.current_policy(session, model)
    start = now - timedelta(days=policy.agreement_days)
    found = planted_items.checks_by_judge(session, model.id, start, now)
    names = users.names_of(session, [judge.removeprefix("user:") for judge in found])
    rows = [
        PersonChecks(
            judge=judge,
            name=names.get(judge.removeprefix("user:")),
            n_checks=checks.n,
            n_agreed=checks.n_agreed,
            agreement=checks.n_agreed / checks.n if checks.n else None,
        )
        for judge, checks in found.items()
    ]
    return sorted(rows, key=lambda row: (row.agreement or 0.0, row.judge))
