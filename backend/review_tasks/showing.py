"""The machine's answer as a person may see it, and what is stored about the showing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.errors import Conflict
from backend.review_tasks.schemas import DecideBody, HypothesisOut, LookBody, Reveal
from backend.review_tasks.service import boxes_of
from db.models.model import Model
from db.models.review import Decision, ReviewTask
from db.repositories import decisions
from review.rules.marks import as_object
from review.rules.showing import Hypothesis, hypotheses
from review.rules.transcripts import word_error_rate

#: How often one answer remembers that its person looked at the machine's.
MAX_LOOKS = 20


def is_written(model: Model) -> bool:
    """People write the answer instead of choosing a class."""
    return model.output_kind in ("text", "number") or not model.labels


def reveal_of(task: ReviewTask, model: Model, judge: str, label: str | None) -> Reveal | None:
    """What is shown: the champion's answer, or, of written answers, all versions' as A, B, ..."""
    if not task.answers:
        return None
    if model.output_kind != "json" and is_written(model) and model.item_kind in ("audio", "text"):
        said = hypotheses(task.answers, f"{task.id}:{judge}")
        return Reveal(hypotheses=[_shown(one, label) for one in said]) if said else None
    champion = task.answers[0]
    prediction = champion.get("prediction")
    told = as_object(prediction)
    return Reveal(
        version=champion.get("version"),
        prediction=next((told[name] for name in ("label", "text") if isinstance(told.get(name), str)), prediction),
        score=champion.get("score"),
        agrees=None if label is None else prediction == label,
        boxes=boxes_of(told),
    )


def _shown(one: Hypothesis, label: str | None) -> HypothesisOut:
    return HypothesisOut(name=one.name, text=one.text, wer=word_error_rate(label, one.text) if label else None)


def story_of(
    task: ReviewTask, me: Principal, body: DecideBody, reveal: Reveal | None, outcome: str, now: datetime
) -> dict[str, Any]:
    """What a decision remembers about the showing: when, after how long, and which hypothesis was taken.

    The versions behind A, B, ... and their word error rates against this answer are for the analysis, not the person.
    """
    story: dict[str, Any] = {}
    if reveal is not None:
        story["revealed_at"] = now.astimezone(UTC).isoformat()
    elif task.mode in ("assist", "reveal") and outcome != "extra" and body.verb != "skip":
        story["stayed_blind"] = True
    if outcome == "revealed" and body.revealed_ms is not None:
        story["revealed_ms"] = body.revealed_ms
    if reveal is not None and reveal.hypotheses and body.label is not None:
        said = hypotheses(task.answers, f"{task.id}:{me.judge}")
        story["wer"] = {version: word_error_rate(body.label, one.text) for one in said for version in one.versions}
        if outcome == "revealed" and body.chosen is not None:
            story["chosen"] = [version for one in said if one.name == body.chosen for version in one.versions]
    return story


def look(
    session: Session, me: Principal, task: ReviewTask, model: Model, body: LookBody, *, is_shown: bool, now: datetime
) -> Reveal:
    """The machine's answer about an item that its person has answered, written down with the time it took to ask."""
    if not is_shown:
        raise Conflict("the machine's answer is not shown for this item", code="stays_blind")
    own = [row for row in decisions.own_on_task(session, task.id, me.judge) if _is_answer(row)]
    if not own:
        raise Conflict("the machine's answer is shown after your own", code="answer_first")
    reveal = reveal_of(task, model, me.judge, own[-1].label)
    if reveal is None:
        raise Conflict("the machine gave no answer about this item", code="no_answer")
    at = now.astimezone(UTC).isoformat()
    looks = [*own[-1].details.get("looks", []), {"at": at, "after_ms": body.after_ms}]
    own[-1].details = {"revealed_at": at, **own[-1].details, "looks": looks[-MAX_LOOKS:]}
    session.flush()
    return reveal


def _is_answer(row: Decision) -> bool:
    return row.superseded_by is None and row.verb != "skip" and row.details.get("outcome") != "extra"
