"""Requests that wait for a person: put into the queue, and answered when somebody decided or the time is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from backend.errors import Invalid, NotFound
from backend.inference.gate import Serving, fall_back
from backend.inference.rows import Judged
from backend.inference.schemas import PredictBody, Prediction
from db.base import utc_now
from db.engine import Database
from db.models.model import Model
from db.models.pending import PendingAnswer
from db.repositories import artifacts, pending_answers, subjects
from db.repositories.pending_answers import Asked
from review.rules.levels import Level
from review.rules.queue import FILE_KINDS

#: How often a caller who waits is looked after.
LOOK_S = 0.5


class Waiting:
    """The pending answers of an installation; any process may open one and any other may answer it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(
        self,
        model: Model,
        level: Level,
        version: str | None,
        items: Sequence[tuple[str, PredictBody, Judged | None]],
    ) -> list[Prediction]:
        """Queue items for people: event id, body, and what the version said where it was asked. Durable on return."""
        self._check_files(model, [body for _, body, _ in items])
        now = utc_now()
        serving = Serving.declared(model.settings)
        asked = [
            Asked(
                PendingAnswer(
                    id=event_id,
                    model_id=model.id,
                    subject_id=str(body.subject_id),
                    request_id=str(body.request_id),
                    level=level,
                    version=version if judged is not None else None,
                    machine=_machine(judged),
                    fallback=serving.kept(),
                    asked_at=now,
                    deadline_at=serving.deadline(now),
                ),
                body.inputs,
                body.artifacts,
                body.segments,
            )
            for event_id, body, judged in items
        ]
        with self._database.write() as session:
            pending_answers.open_answers(session, model, asked)
        return [self.read(model, one.row.id) for one in asked]

    def _check_files(self, model: Model, bodies: Sequence[PredictBody]) -> None:
        """Nobody is asked about a file that is not here; Invalid says so."""
        with self._database.read() as session:
            stored = artifacts.find_artifacts(session, {one for body in bodies for one in body.artifacts})
            known = subjects.find_subjects(session, model.id, {str(body.subject_id) for body in bodies})
        for body in bodies:
            if any(one not in stored or stored[one].kind == "model" for one in body.artifacts):
                raise Invalid("an artifact of the request is not stored here", code="unusable_input")
            before = known.get(str(body.subject_id))
            has_file = bool(body.artifacts) or (before is not None and before.artifact_sha256 is not None)
            if model.item_kind in FILE_KINDS and not has_file:
                raise Invalid("people judge this model's items by a file: name it in artifacts", code="unusable_input")

    def read(self, model: Model, answer_id: str) -> Prediction:
        """What became of a request; writes it down when that has just been settled. NotFound when there is none."""
        with self._database.read() as session:
            row = pending_answers.find_answer(session, model.id, answer_id)
            if row is None:
                raise NotFound("no request of this id waits for a person", details={"id": answer_id[:50]})
            said = None
            if row.decided_by is None:
                said = pending_answers.said_by_people(session, model.id, row.subject_id)
        if row.decided_by is not None:
            return _prediction(model, row)
        if said is None and (row.deadline_at is None or utc_now() < row.deadline_at):
            return _prediction(model, row)
        decided_by, label = ("person", said) if said is not None else fall_back(row.fallback, row.level, row.machine)
        with self._database.write() as session:
            # Another process may have been first: what it wrote holds.
            text = None if label is None else str(label)
            pending_answers.close_answer(session, row.id, decided_by=decided_by, label=text, answered_at=utc_now())
            written = pending_answers.find_answer(session, model.id, answer_id)
            assert written is not None
            session.refresh(written)
            return _prediction(model, written)

    async def wait(self, model: Model, prediction: Prediction, wait_s: float) -> Prediction:
        """The answer when it comes within `wait_s`, else what is known then."""
        until = time.monotonic() + wait_s
        while prediction.status == "pending" and (left_s := until - time.monotonic()) > 0:
            await asyncio.sleep(min(LOOK_S, left_s))
            prediction = await asyncio.to_thread(self.read, model, prediction.id)
        return prediction


def _machine(judged: Judged | None) -> dict[str, object] | None:
    if judged is None or judged.answer is None:
        return None
    answer = judged.answer
    return {"prediction": answer.prediction, "score": answer.score, "scores": answer.scores}


def _prediction(model: Model, row: PendingAnswer) -> Prediction:
    """The request as its caller sees it: the machine's answer stays inside unless it is what was decided."""
    shared = {"id": row.id, "subject_id": row.subject_id, "latency_ms": 0.0, "deadline_at": row.deadline_at}
    if row.decided_by is None:
        url = f"/v1/models/{model.name}/predict/{row.id}"
        return Prediction(**shared, status="pending", decided_by=None, pending_url=url)
    if row.decided_by == "nobody":
        return Prediction(**shared, status="expired", decided_by=None)
    machine = row.machine or {}
    if row.decided_by == "machine":
        return Prediction(
            **shared,
            version=row.version,
            prediction=machine["prediction"],
            score=machine.get("score"),
            scores=machine.get("scores") or {},
            decided_by="machine",
        )
    label: str | float | None = row.label
    if model.output_kind == "number" and row.label is not None:
        label = _number(row.label)
    return Prediction(**shared, prediction=label, decided_by="person" if row.decided_by == "person" else "fallback")


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text
